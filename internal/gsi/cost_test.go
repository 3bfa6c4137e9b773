package gsi_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
)

// ⚿ The costliest chain that a stranger can present, ten certificates with
// keys of 4096 bits whose issuers go round in circles, is refused in bounded
// time (threats 21, 22).
func TestCostOfAHostileChain(t *testing.T) {
	s := newSite(t, true)
	key, err := gridtest.RSAKey(4096, 0)
	require.NoError(t, err)
	names := []string{"/DC=evil/CN=a", "/DC=evil/CN=b", "/DC=evil/CN=c"}
	cas := make([]*gridtest.CA, len(names))
	for i, name := range names {
		cas[i], err = gridtest.NewCAFrom("/DC=evil", gridtest.Spec{Subject: name, Key: key})
		require.NoError(t, err)
	}
	leaf, err := cas[0].Issue(gridtest.Spec{Subject: "/DC=evil/CN=eve", Key: key})
	require.NoError(t, err)
	chain := []*x509.Certificate{leaf.Cert()}
	for i := range 9 {
		issuer := cas[(i+1+i/3)%3]
		if names[i%3] == issuer.Cert.Subject.String() {
			continue
		}
		e, err := issuer.Issue(gridtest.Spec{Subject: names[i%3], Key: key, KeyUsage: x509.KeyUsageCertSign, Change: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }})
		require.NoError(t, err)
		chain = append(chain, e.Cert())
	}
	start := time.Now()
	require.Error(t, gsi.NewVerifier(s.verifier.Trust(), nil).Verify(chain).Verdict())
	took := time.Since(start)
	t.Logf("%d certificates: %s", len(chain), took)
	require.Less(t, took, time.Second)
}
