package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const someCases = `policies: [p.spl]
cases:
  - name: x
    subject: {vo: [a, b], limited-proxy: true, "urn:own": 1}
    resource: r
    environment: {requested-cpu-time: 1h30m}
    presented: {subject: /C=XX/CN=x}
    expect: {decision: not-applicable, obligations: [{cpu-time-limit: {seconds: 5m}}], because: ""}
`

func TestRequestOfACase(t *testing.T) {
	f, err := parseCases("c.test.yaml", []byte(someCases))
	require.NoError(t, err)
	r, err := f.Cases[0].request()
	require.NoError(t, err)
	got := map[string][]string{}
	for _, a := range r.Attributes {
		for _, v := range a.Values {
			got[a.ID] = append(got[a.ID], v.Type().Name()+":"+v.Text())
		}
		require.Equal(t, a.ID == "urn:oasis:names:tc:xacml:1.0:subject:subject-id", a.Standing == authz.Presented)
	}
	require.Equal(t, []string{"string:a", "string:b"}, got["http://glite.org/xacml/attribute/virtual-organization"])
	require.Equal(t, []string{"integer:5400"}, got["https://gatehouse-authz.github.io/xacml/attribute/requested-cpu-time"])
	require.Equal(t, []string{"string:1"}, got["urn:own"])

	e := f.Cases[0].Expect
	limit := authz.Obligation{ID: "https://gatehouse-authz.github.io/xacml/obligation/cpu-time-limit", Assignments: []authz.Assignment{
		{ID: "https://gatehouse-authz.github.io/xacml/attribute/seconds", Value: authz.IntegerValue(300)}}}
	require.Empty(t, e.differs(authz.Response{Decision: authz.NotApplicable, Obligations: []authz.Obligation{limit}}))
	require.Len(t, e.differs(authz.Response{Decision: authz.Deny, Reason: &authz.Reason{Because: "no"}}), 3)
	require.Len(t, e.differs(authz.Response{Decision: authz.NotApplicable, Obligations: []authz.Obligation{limit, limit}}), 1, "one obligation is not two")
}

func FuzzCases(f *testing.F) {
	f.Add([]byte(someCases))
	f.Add([]byte("cases: [{name: x, expect: {decision: permit}}, null]"))
	f.Add([]byte("policies: [a]\ncases:\n- name: x\n  subject: [a]\n  expect: 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cases, err := parseCases("f.test.yaml", data)
		if err != nil {
			return
		}
		for _, c := range cases.Cases {
			_, _ = c.request()
			c.Expect.differs(authz.Response{})
		}
	})
}
