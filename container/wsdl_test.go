package container_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

const (
	wsdl = "http://schemas.xmlsoap.org/wsdl/"
	bind = "http://schemas.xmlsoap.org/wsdl/soap/"
	xsd  = "http://www.w3.org/2001/XMLSchema"
)

const described = `name: sample
documentation: "Angles: < & >"
executable: run
methods:
  - name: go
    parameters:
      - {name: n, type: long, min: -10, max: 100}
      - {name: text, type: string, optional: true, max-length: 20, one-of: [a, b]}
      - {name: size, type: double, default: 1}
    arguments: ["{n}", "{text}", "{size}"]
    cpu-time: {default: 10s, maximum: 1h}
  - name: stop
    cpu-time: {default: 10s, maximum: 1h}
`

// all returns every element of that name below n.
func all(n *xml.Node, space, local string) (found []*xml.Node) {
	for child := range n.Elements() {
		if child.Name == (xml.Name{Space: space, Local: local}) {
			found = append(found, child)
		}
		found = append(found, all(child, space, local)...)
	}
	return found
}

func named(nodes []*xml.Node, name string) *xml.Node {
	for _, n := range nodes {
		if n.Value("name") == name {
			return n
		}
	}
	return nil
}

// TestWSDL holds the WSDL to the WS-I Basic Profile 1.1, rule by rule.
func TestWSDL(t *testing.T) {
	s, err := service.Parse("service.yaml", []byte(described))
	require.NoError(t, err)
	document, err := container.WSDL(s, "https://ce.example.org:8443/services/sample")
	require.NoError(t, err)
	root, err := xml.Parse("wsdl", document, xml.Limits{})
	require.NoError(t, err)
	tns := container.Namespace("sample")
	require.Equal(t, tns, root.Value("targetNamespace"))

	schemas := all(root, xsd, "schema")
	require.Len(t, schemas, 1)
	require.Equal(t, "qualified", schemas[0].Value("elementFormDefault"))
	require.Equal(t, tns, schemas[0].Value("targetNamespace"), "R2105")
	elements, types := map[string]bool{}, map[string]bool{}
	for n := range schemas[0].Elements() {
		into := types
		if n.Name.Local == "element" {
			into = elements
		}
		require.False(t, into[n.Value("name")], "%s is defined twice", n.Value("name"))
		into[n.Value("name")] = true
	}
	for _, e := range all(schemas[0], xsd, "element") {
		kind := e.Value("type")
		if kind == "" {
			continue
		}
		name, err := e.QName(kind)
		require.NoError(t, err)
		require.True(t, name.Space == xsd || types[name.Local], "type %s is not defined", kind)
	}

	messages := map[string]string{}
	for _, m := range all(root, wsdl, "message") {
		parts := slices.Collect(m.Elements())
		require.Len(t, parts, 1, "one part per message: %s", m.Value("name"))
		name, err := parts[0].QName(parts[0].Value("element"))
		require.NoError(t, err)
		require.Equal(t, tns, name.Space)
		require.True(t, elements[name.Local], "R2206: part of %s refers to no element", m.Value("name"))
		messages[m.Value("name")] = name.Local
	}

	port, binding := all(root, wsdl, "portType"), all(root, wsdl, "binding")
	require.Len(t, port, 1)
	require.Len(t, binding, 1)
	require.Equal(t, "http://schemas.xmlsoap.org/soap/http", all(binding[0], bind, "binding")[0].Value("transport"), "R2702")
	actions, inputs := map[string]bool{}, map[string]bool{}
	abstract, concrete := all(port[0], wsdl, "operation"), all(binding[0], wsdl, "operation")
	require.Len(t, abstract, 5)
	require.Len(t, concrete, len(abstract), "R2718")
	for _, o := range abstract {
		input := o.Child(xml.Name{Space: wsdl, Local: "input"})
		element := messages[strings.TrimPrefix(input.Value("message"), "tns:")]
		require.NotEmpty(t, element)
		require.False(t, inputs[element], "R2710: operations are told apart by their elements")
		inputs[element] = true
		bound := named(concrete, o.Value("name"))
		require.NotNil(t, bound)
		action := all(bound, bind, "operation")[0].Value("soapAction")
		require.False(t, action == "" || actions[action], "unique soapAction")
		actions[action] = true
		for _, body := range append(all(bound, bind, "body"), all(bound, bind, "fault")...) {
			require.Equal(t, "literal", body.Value("use"), "R2706")
		}
		var declared, boundFaults []string
		for _, f := range all(o, wsdl, "fault") {
			require.NotEmpty(t, messages[strings.TrimPrefix(f.Value("message"), "tns:")])
			declared = append(declared, f.Value("name"))
		}
		for _, f := range all(bound, bind, "fault") {
			boundFaults = append(boundFaults, f.Value("name"))
		}
		require.Equal(t, declared, boundFaults, "R2754")
		require.Contains(t, declared, "refused")
	}
	require.Equal(t, "https://ce.example.org:8443/services/sample", all(root, bind, "address")[0].Value("location"))

	method := named(all(schemas[0], xsd, "complexType"), "method.go")
	n := named(all(method, xsd, "element"), "n")
	require.Equal(t, "xs:long", all(n, xsd, "restriction")[0].Value("base"))
	require.Equal(t, "-10", all(n, xsd, "minInclusive")[0].Value("value"))
	require.Empty(t, n.Value("minOccurs"), "required")
	require.Equal(t, "0", named(all(method, xsd, "element"), "size").Value("minOccurs"), "has a default")
	require.Len(t, all(named(all(method, xsd, "element"), "text"), xsd, "enumeration"), 2)
}

func TestWSDLOverHTTP(t *testing.T) {
	s := newSite(t)
	nobody := s.client(nil)
	code, body, header := nobody.fetch(s.url + "/services/sleepyAdd?WSDL")
	require.Equal(t, 200, code)
	require.Equal(t, "text/xml; charset=utf-8", header.Get("Content-Type"))
	require.Contains(t, body, `location="`+s.url+`/services/sleepyAdd"`, "the address that the client asked")
	code, body, _ = nobody.fetch(s.url + "/services/")
	require.Equal(t, 200, code)
	require.Contains(t, body, s.url+"/services/sleepyAdd?wsdl")
	for path, want := range map[string]int{"/services/sleepyAdd": 405, "/services/other?wsdl": 404, "/": 404, "/services/../services/": 404} {
		code, _, _ = nobody.fetch(s.url + path)
		require.Equal(t, want, code, path)
	}
	req, err := http.NewRequest(http.MethodGet, s.url+"/services/sleepyAdd?wsdl", nil)
	require.NoError(t, err)
	req.Host = `evil"><x`
	res, err := nobody.HTTP.Do(req)
	if err == nil {
		defer res.Body.Close()
		require.Equal(t, 400, res.StatusCode)
	}
}
