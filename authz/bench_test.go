package authz_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

var subject, resource, action = authz.StringValue("ann"), authz.StringValue("ce"), authz.StringValue("submit")

// build makes a request of three attributes: the request, the slice of
// attributes, and one room for their values.
func build() *authz.Request {
	r := &authz.Request{Attributes: make([]authz.Attribute, 0, 3)}
	r.Add(authz.Subject, "subject-id", subject)
	r.Add(authz.Resource, "resource-id", resource)
	r.Add(authz.Action, "action-id", action)
	return r
}

// Building and deciding a request allocates nothing beyond the request itself,
// and looking an attribute up allocates nothing at all.
func TestAllocations(t *testing.T) {
	var kept *authz.Request
	const request, attributes, values = 1, 1, 1
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { kept = build() }), float64(request+attributes+values))
	decider := authz.Decider(authz.DenyAll{})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if response, err := decider.Decide(context.Background(), kept); err != nil || response.Permitted() {
			t.Fatal(response, err)
		}
		if v, ok := kept.Verified(authz.Action, "action-id"); !ok || !v.Equal(action) {
			t.Fatal(v)
		}
	}))
}

func BenchmarkBuildAndDecide(b *testing.B) {
	b.ReportAllocs()
	decider := authz.Decider(authz.DenyAll{})
	for b.Loop() {
		if response, _ := decider.Decide(context.Background(), build()); response.Permitted() {
			b.Fatal(response)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	b.ReportAllocs()
	decider, r := authz.Decider(authz.DenyAll{}), build()
	for b.Loop() {
		if response, _ := decider.Decide(context.Background(), r); response.Permitted() {
			b.Fatal(response)
		}
	}
}

// BenchmarkParseValue reads what identifies a grid user, spelt as OpenSSL and
// as Argus spell it; with a slash in a name, and with a letter beyond ASCII.
func BenchmarkParseValue(b *testing.B) {
	for _, c := range []struct {
		name string
		typ  authz.DataType
		text string
	}{
		{"slash", authz.X500Name, "/DC=org/DC=terena/DC=tcs/C=NL/O=Institute 001/CN=Some Body 0000001 b0000001@example.org"},
		{"comma", authz.X500Name, "CN=Some Body 0000001 b0000001@example.org,O=Institute 001,C=NL,DC=tcs,DC=terena,DC=org"},
		{"host", authz.X500Name, "/DC=org/DC=terena/DC=tcs/C=NL/O=Institute 001/CN=host/ce001.example.org"},
		{"wide", authz.X500Name, "/DC=org/DC=terena/DC=tcs/C=NL/O=Institute 001/CN=Jérôme Body 0000001 b0000001@example.org"},
		{"fqan", authz.FQANType, "/vo0001/g01/Role=NULL/Capability=NULL"},
		{"role", authz.FQANType, "/other/g02/Role=pilot"},
		{"string", authz.String, "https://ce001.site.example.org:8443/ce-cream"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := authz.ParseValue(c.typ, c.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBanKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		authz.BanKey("/DC=org/DC=terena/DC=tcs/C=NL/O=Institute 001/CN=Some Body 0000001 b0000001@example.org")
	}
}
