package context_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
)

func trusting() context.Options {
	return context.Options{Verified: func(authz.Category, string) bool { return true }}
}

// Requests that a kit has on purpose wrong: without an AttributeId, and with
// values that XML Schema does not allow.
var badRequests = map[string]string{
	"IIA005Request.xml": `<Attribute> has no attribute AttributeId`,
	"IIA023Request.xml": `not a dateTime`,
}

func TestKitRequests(t *testing.T) {
	for _, pattern := range []string{"xacml2/*/*Request.xml", "xacml3/*/*Request.xml"} {
		for name, data := range kit(t, pattern) {
			request, err := context.Read(name, data, trusting())
			if why, bad := badRequests[name]; bad {
				require.Error(t, err, name)
				require.Regexp(t, `^`+name+`:\d+:\d+: .*`+why, err.Error())
				continue
			}
			require.NoError(t, err, pattern)
			questions, err := request.Questions()
			if err != nil {
				require.ErrorContains(t, err, "no tree of resources", name)
				continue
			}
			require.NotEmpty(t, questions, name)
			for _, q := range questions {
				again(t, name, q)
			}
		}
	}
}

// again writes a question in every form that can say it and reads it back.
func again(t *testing.T, name string, q *authz.Request) {
	for _, form := range []context.Form{context.ThreeXML, context.TwoXML, context.JSON} {
		data, err := context.WriteRequest(form, q)
		if form == context.TwoXML && err != nil {
			require.ErrorContains(t, err, "XACML 2.0")
			continue
		}
		require.NoError(t, err, name)
		read, err := context.Read(name, data, trusting())
		require.NoError(t, err, "%s: %s", name, data)
		back, err := read.Questions()
		require.NoError(t, err, name)
		require.Len(t, back, 1)
		require.ElementsMatch(t, facts(q), facts(back[0]), "%s: %s", name, data)
	}
}

// facts lists a request's values, each with all that is said of it.
func facts(q *authz.Request) (all []string) {
	for _, a := range q.Attributes {
		for _, v := range a.Values {
			text := v.Text()
			if v.Type() == authz.Boolean {
				text = v.Key() // "1" is true in JSON
			}
			all = append(all, strings.Join([]string{string(a.Category), a.ID, a.Issuer, string(v.Type()), text}, "|"))
		}
	}
	for _, c := range q.Content {
		all = append(all, "content|"+string(c.Category))
	}
	return all
}

func TestKitResponses(t *testing.T) {
	for _, pattern := range []string{"xacml2/*/*Response.xml", "xacml3/*/*Response.xml", "xacml3/*/*Response.json"} {
		for name, data := range kit(t, pattern) {
			response, err := context.ReadResponse(name, data)
			if err != nil && name == "IIA023Response.xml" {
				continue
			}
			require.NoError(t, err)
			for _, form := range []context.Form{context.ThreeXML, context.JSON} {
				data, err := response.Write(form)
				require.NoError(t, err, name)
				back, err := context.ReadResponse(name, data)
				require.NoError(t, err, "%s: %s", name, data)
				for i := range back.Results {
					back.Results[i].Resource = response.Results[i].Resource // 2.0 alone has it
				}
				require.Equal(t, canonical(response), canonical(back), "%s: %s", name, data)
			}
		}
	}
}

// canonical replaces values by their keys, since "TRUE" may be written true.
func canonical(r context.Response) (all []string) {
	for _, one := range r.Results {
		line := []string{one.Decision.String()}
		if one.Status != nil {
			line = append(line, one.Status.Code)
		}
		for _, list := range [][]authz.Obligation{one.Obligations, one.Advice} {
			for _, o := range list {
				line = append(line, "duty", o.ID)
				for _, a := range o.Assignments {
					line = append(line, a.ID, string(a.Category), a.Issuer, string(a.Value.Type()), a.Value.Key())
				}
			}
		}
		for _, a := range one.Attributes {
			line = append(line, "attribute", string(a.Category), a.ID, a.Issuer)
			for _, v := range a.Values {
				line = append(line, string(v.Type()), v.Key())
			}
		}
		for _, p := range one.Policies {
			line = append(line, p.ID, p.Version)
		}
		all = append(all, strings.Join(line, "|"))
	}
	return all
}
