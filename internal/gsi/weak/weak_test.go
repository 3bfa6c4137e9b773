package weak_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// sized is a modulus of so many bits.
func sized(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}

func TestNames(t *testing.T) {
	require.Empty(t, weak.Switches(0).Names())
	require.Len(t, weak.All().Names(), 5)
	back, err := weak.Parse(weak.All().Names())
	require.NoError(t, err)
	require.Equal(t, weak.All(), back)
	one, err := weak.Parse([]string{"md5-signatures"})
	require.NoError(t, err)
	require.Equal(t, weak.MD5, one)
	for _, wrong := range []string{"", "md5", "MD5-signatures", "all"} {
		_, err := weak.Parse([]string{wrong})
		require.ErrorContains(t, err, "want some of draft-proxies")
	}
}

// ⚿ A weak signature is verified behind its switch and nowhere else, and behind
// it is still verified (threats 23).
func TestSignatures(t *testing.T) {
	key, err := gridtest.RSAKey(2048, 0)
	require.NoError(t, err)
	old, err := gridtest.NewCAFrom("/DC=test", gridtest.Spec{Subject: "/DC=test/CN=CA", Key: key})
	require.NoError(t, err)
	curve, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	issue := func(ca *gridtest.CA, a x509.SignatureAlgorithm) *x509.Certificate {
		e, err := ca.Issue(gridtest.Spec{Subject: "/DC=test/CN=x", Change: func(c *x509.Certificate) { c.SignatureAlgorithm = a }})
		require.NoError(t, err)
		return e.Cert()
	}
	md5, err := gridtest.SignMD5(issue(old, x509.SHA256WithRSA), key)
	require.NoError(t, err)
	for _, c := range []struct {
		cert  *x509.Certificate
		by    *gridtest.CA
		needs weak.Switches
	}{
		{issue(old, x509.SHA256WithRSA), old, 0},
		{issue(old, x509.SHA256WithRSAPSS), old, 0},
		{issue(curve, x509.ECDSAWithSHA256), curve, 0},
		{issue(old, x509.SHA1WithRSA), old, weak.SHA1},
		{issue(curve, x509.ECDSAWithSHA1), curve, weak.SHA1},
		{md5, old, weak.MD5},
	} {
		a := c.cert.SignatureAlgorithm
		check := func(s weak.Switches, by *gridtest.CA, tbs, signature []byte) error {
			return s.CheckSignature(by.Cert, a, tbs, signature)
		}
		needs, known := weak.Needs(a)
		require.True(t, known)
		require.Equal(t, c.needs, needs)
		require.NoError(t, check(c.needs, c.by, c.cert.RawTBSCertificate, c.cert.Signature), a)
		if c.needs != 0 {
			require.ErrorContains(t, check(weak.All()&^c.needs, c.by, c.cert.RawTBSCertificate, c.cert.Signature), "not accepted", a)
		}
		altered := slices.Clone(c.cert.RawTBSCertificate)
		altered[len(altered)-1] ^= 1
		require.Error(t, check(weak.All(), c.by, altered, c.cert.Signature), a)
		require.Error(t, check(weak.All(), c.by, c.cert.RawTBSCertificate, c.cert.Signature[1:]), a)
		other := curve
		if c.by == curve {
			other = old
		}
		require.Error(t, check(weak.All(), other, c.cert.RawTBSCertificate, c.cert.Signature), "a key of another kind")
	}
	require.ErrorContains(t, weak.All().CheckSignature(old.Cert, x509.MD2WithRSA, nil, nil), "not accepted")
	require.ErrorContains(t, weak.All().CheckAlgorithm(x509.UnknownSignatureAlgorithm), "not accepted")
}

// ⚿ Keys too weak or too costly (threats 22, 23); no switch lets in all.
func TestKeys(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	short := &x509.Certificate{PublicKey: &p224.PublicKey}
	require.ErrorContains(t, weak.All().CheckKey(&x509.Certificate{PublicKey: "DSA"}), "unknown kind")
	require.ErrorContains(t, (weak.All() &^ weak.ShortKeys).CheckKey(short), "P-224")
	require.NoError(t, weak.ShortKeys.CheckKey(short))
	for bits, needs := range map[int]weak.Switches{512: 0xff, 1023: 0xff, 1024: weak.ShortKeys, 2047: weak.ShortKeys, 2048: 0, 4096: 0, 4097: 0xff} {
		c := &x509.Certificate{PublicKey: sized(bits)}
		require.Equal(t, needs == 0, weak.Switches(0).CheckKey(c) == nil, bits)
		require.Equal(t, needs != 0xff, weak.All().CheckKey(c) == nil, bits)
		require.Equal(t, needs == 0, (weak.All()&^weak.ShortKeys).CheckKey(c) == nil, bits)
	}
}
