package pip_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

// BenchmarkEnrich is what every request of a known certificate costs before it
// is decided.
func BenchmarkEnrich(b *testing.B) {
	grid, err := gridtest.New()
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, grid.WriteTrust(dir))
	store, err := trust.Open(trust.Options{Dir: dir})
	require.NoError(b, err)
	profiles, err := authnprofile.Open(authnprofile.Options{Dir: dir})
	require.NoError(b, err)
	strength, err := pip.NewStrength([]pip.StrengthRule{{Strength: "strong", CA: strongCA}})
	require.NoError(b, err)
	ann, err := grid.Strong.User("Ann Other")
	require.NoError(b, err)
	verifier := gsi.NewVerifier(store, nil)
	all := []authz.Enricher{
		pip.KeyInfo{Verifier: verifier}, pip.X509{CAs: store}, pip.AuthnProfile{Current: profiles.Current}, pip.Token{}, strength,
	}
	b.ReportAllocs()
	for b.Loop() {
		r := authz.Request{Credential: verifier.Verify(ann.Chain)}
		for _, e := range all {
			if err := e.Enrich(b.Context(), &r); err != nil {
				b.Fatal(err)
			}
		}
	}
}
