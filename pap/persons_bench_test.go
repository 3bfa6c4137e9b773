package pap_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// BenchmarkBanAmongPersons is one ban where many persons are known.
func BenchmarkBanAmongPersons(b *testing.B) {
	kept, err := bolt.Open(filepath.Join(b.TempDir(), "db"), bolt.Options{})
	require.NoError(b, err)
	defer kept.Close()
	s, err := pap.Open(bg, pap.Options{Store: kept})
	require.NoError(b, err)
	var all []change.Person
	for n := range 100_000 {
		all = append(all, change.Person{ID: fmt.Sprint("p", n), Links: []change.Name{
			{Attribute: "subject", Value: fmt.Sprintf("/DC=org/DC=grid/CN=user %d", n)},
			{Attribute: "oidc-issuer", Value: "https://iam.example.org/"}, {Attribute: "oidc-subject", Value: fmt.Sprint(n)},
		}})
	}
	_, err = s.PutPersons(bg, by("Alice"), all...)
	require.NoError(b, err)
	n := 0
	for b.Loop() {
		n++
		_, err := s.Ban(bg, by("Alice"), "default", dn(fmt.Sprintf("/DC=org/DC=grid/CN=user %d", n)))
		require.NoError(b, err)
	}
}
