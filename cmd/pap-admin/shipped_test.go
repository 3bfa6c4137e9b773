package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// question is a request of the container.
type question struct {
	resource, action, strength string
	cpu                        int64
	limited, owner             bool
}

func (q question) request(t *testing.T) *authz.Request {
	r := &authz.Request{ID: "1"}
	r.Add(authz.Resource, profile.ResourceID, authz.StringValue(q.resource))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(q.action))
	r.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(q.strength))
	r.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(q.cpu))
	r.Add(authz.Resource, profile.CallerIsOwner, authz.BooleanValue(q.owner))
	if q.strength != profile.Anonymous {
		name, err := authz.ParseDN("/DC=test/CN=Ada")
		require.NoError(t, err)
		r.Add(authz.Subject, profile.SubjectID, authz.DNValue(name))
		r.Add(authz.Subject, profile.LimitedProxy, authz.BooleanValue(q.limited))
	}
	return r
}

// decide starts a PAP with the default policy and an engine that follows it.
func shipped(t *testing.T) (*pap.Service, *pdp.Engine) {
	engine := pdp.New(pdp.Options{Clock: time.Now})
	service, err := pap.Open(t.Context(), pap.Options{Store: mem.New(), Check: engine.Check})
	require.NoError(t, err)
	_, err = service.AddFile(t.Context(), by, change.DefaultPAP, change.File{Name: "default.spl", Text: policies.Default()}, change.At{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Follow(ctx, service) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	inForce(t, service, engine)
	return service, engine
}

var by = change.Request{Author: change.Author{Name: "test"}}

func inForce(t *testing.T, service *pap.Service, engine *pdp.Engine) {
	want, err := service.Revision(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		response, err := engine.Decide(t.Context(), &authz.Request{ID: "1"})
		return err == nil && response.Revision == want
	}, 5*time.Second, time.Millisecond)
}

// What the default policy says, decided by the engine: each strength gets its
// time and account, limited proxies submit nothing, jobs and sandboxes are their
// owners', and whatever is not named is permitted to nobody.
func TestShippedPolicyDecides(t *testing.T) {
	_, engine := shipped(t)
	const service = "https://ce.example.org:8443/services/sleepy"
	submit := func(strength string, cpu int64) question {
		return question{resource: service, action: profile.ActionSubmit, strength: strength, cpu: cpu}
	}
	for name, c := range map[string]struct {
		question
		want    authz.Decision
		account string // of map-account; "mapped" is by the site's own mapping
		seconds string
		enough  string
	}{
		"strong":           {submit("strong", 86400), authz.Permit, "mapped", "86400", ""},
		"strong, too long": {submit("strong", 86401), authz.NotApplicable, "", "", "requested-cpu-time <= 86400"},
		"weak":             {submit("weak", 1800), authz.Permit, "community", "1800", ""},
		"weak, too long":   {submit("weak", 1801), authz.NotApplicable, "", "", "requested-cpu-time <= 1800"},
		"anonymous":        {submit("anonymous", 60), authz.Permit, "anonymous", "60", ""},
		"anonymous, long":  {submit("anonymous", 61), authz.NotApplicable, "", "", "requested-cpu-time <= 60"},
		"unknown strength": {submit("mighty", 1), authz.Indeterminate, "", "", ""},
		"limited proxy":    {question{resource: service, action: profile.ActionSubmit, strength: "strong", limited: true}, authz.Deny, "", "", ""},
		"own jobs":         {question{resource: service, action: profile.ActionJobInfo, strength: "anonymous"}, authz.Permit, "", "", ""},
		"own job":          {question{resource: "job:1", action: profile.ActionTerminate, strength: "weak", owner: true}, authz.Permit, "", "", ""},
		"another's job":    {question{resource: "job:1", action: profile.ActionTerminate, strength: "strong"}, authz.Deny, "", "", ""},
		"own file":         {question{resource: "sandbox:1", action: profile.ActionSandboxRead, strength: "weak", owner: true}, authz.Permit, "", "", ""},
		"another's file":   {question{resource: "sandbox:1", action: profile.ActionSandboxRead, strength: "strong"}, authz.Deny, "", "", ""},
		"unknown action":   {question{resource: service, action: profile.ActionLeaseManage, strength: "strong"}, authz.NotApplicable, "", "", ""},
		"administration":   {question{resource: "pap:default", action: profile.ActionPolicyWrite, strength: "strong", owner: true}, authz.NotApplicable, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := engine.Decide(t.Context(), c.request(t))
			require.NoError(t, err)
			require.Equal(t, c.want, response.Decision, "%s %v", response.Reason, response.Status)
			require.Equal(t, c.account, accountOf(response))
			require.Equal(t, c.seconds, secondsOf(response))
			if c.enough != "" {
				require.Contains(t, bounds(response), c.enough)
			}
		})
	}
}

func accountOf(r authz.Response) string {
	for _, o := range r.Obligations {
		switch o.ID {
		case profile.ObligationMap:
			return "mapped"
		case profile.ObligationMapAccount:
			v, _ := o.Find(profile.Account)
			return v.Text()
		}
	}
	return ""
}

func secondsOf(r authz.Response) string {
	for _, o := range r.Obligations {
		if v, ok := o.Find(profile.Seconds); ok && o.ID == profile.ObligationCPUTime {
			return v.Text()
		}
	}
	return ""
}

func bounds(r authz.Response) []string {
	var all []string
	for _, way := range r.Enough {
		for _, b := range way {
			all = append(all, b.String())
		}
	}
	return all
}

// ⚿ A ban outranks a permit that is put on top of it, and follows the links of
// the person it names, under whatever name they come.
func TestBanOutranksAndFollows(t *testing.T) {
	service, engine := shipped(t)
	ada := question{resource: "/services/sleepy", action: profile.ActionSubmit, strength: "strong", cpu: 1}
	decide := func() authz.Response {
		inForce(t, service, engine)
		response, err := engine.Decide(t.Context(), ada.request(t))
		require.NoError(t, err)
		return response
	}
	require.Equal(t, authz.Permit, decide().Decision)
	token := []change.Name{{Attribute: "oidc-issuer", Value: "https://iam.example.org"}, {Attribute: "oidc-subject", Value: "42"}}
	_, err := service.Ban(t.Context(), by, change.DefaultPAP, change.Ban{Names: token, Reason: "secret"})
	require.NoError(t, err)
	require.Equal(t, authz.Permit, decide().Decision, "nobody knows that it is her")
	_, err = service.PutPersons(t.Context(), by, change.Person{ID: "ada", Links: append(token, change.Name{Attribute: "subject", Value: "cn=ADA,dc=test"})})
	require.NoError(t, err)
	response := decide()
	require.Equal(t, authz.Deny, response.Decision)
	require.True(t, response.Reason.Ban)
	require.Equal(t, "you are banned", response.Reason.Because)
	_, err = service.AddRule(t.Context(), by, change.DefaultPAP, change.Rule{Permit: true, Resource: ".*", Action: ".*", Names: []change.Name{{Attribute: "subject", Value: "/DC=test/CN=Ada"}}})
	require.NoError(t, err)
	require.Equal(t, authz.Deny, decide().Decision)
	_, err = service.Unban(t.Context(), by, change.DefaultPAP, change.Ban{Names: token})
	require.NoError(t, err)
	require.Equal(t, authz.Permit, decide().Decision)
}
