package trust_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

func sha1(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }

// ⚿ Behind the switch for SHA-1 nothing else gets easier: every way in which
// crypto/x509 would refuse the same chain with a strong signature.
func TestWeakPaths(t *testing.T) {
	s := newSite(t, trust.Options{Accept: weak.SHA1})
	strict, err := trust.Open(trust.Options{Dir: s.dir})
	require.NoError(t, err)
	const person = "/DC=test/DC=strong/CN=x"
	issue := func(spec gridtest.Spec) *gridtest.Entity {
		change := spec.Change
		spec.Subject = person
		spec.Change = func(c *x509.Certificate) {
			sha1(c)
			if change != nil {
				change(c)
			}
		}
		e, err := s.ca.Issue(spec)
		require.NoError(t, err)
		return e
	}
	good := issue(gridtest.Spec{})
	require.NoError(t, s.verify(good, time.Now()))
	_, err = strict.Current().Verify(good.Cert(), nil, time.Now(), x509.ExtKeyUsageClientAuth)
	require.Error(t, err)
	require.Error(t, s.verify(good, time.Now().Add(2*gridtest.Life)), "expired")
	require.Error(t, s.verify(good, time.Now().Add(-2*gridtest.Life)), "not yet")

	below := func(change func(*x509.Certificate), of func(*gridtest.CA) (*gridtest.Entity, error)) *gridtest.Entity {
		ca, err := s.ca.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=below", KeyUsage: x509.KeyUsageCertSign, Change: func(c *x509.Certificate) {
			sha1(c)
			c.IsCA, c.BasicConstraintsValid = true, true
			change(c)
		}})
		require.NoError(t, err)
		e, err := of(&gridtest.CA{Cert: ca.Cert(), Key: ca.Key, Now: time.Now, Base: "/DC=test/DC=strong"})
		require.NoError(t, err)
		e.Chain = append(e.Chain, ca.Cert())
		return e
	}
	user := func(ca *gridtest.CA) (*gridtest.Entity, error) { return ca.User("y") }
	nothing := func(*x509.Certificate) {}
	require.ErrorContains(t, s.verify(below(nothing, user), time.Now()), "no revocation list", "a path, over which no list speaks")
	ignoring, err := trust.Open(trust.Options{Dir: s.dir, Accept: weak.SHA1, CRLs: trust.Ignore})
	require.NoError(t, err)
	verify := func(e *gridtest.Entity) error {
		_, err := ignoring.Current().Verify(e.Cert(), e.Chain[1:], time.Now(), x509.ExtKeyUsageClientAuth)
		return err
	}
	require.NoError(t, verify(below(nothing, user)))

	stranger, err := gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)
	forged, err := stranger.Issue(gridtest.Spec{Subject: person, Change: sha1})
	require.NoError(t, err)
	for name, e := range map[string]*gridtest.Entity{
		"forged":      forged,
		"for servers": issue(gridtest.Spec{Change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }}),
		"critical extension": issue(gridtest.Spec{Change: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}}),
		"below a person":             below(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }, user),
		"below one that signs lists": below(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, user),
		"below an expired CA": below(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, user),
		"below a CA of names": below(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"test"}
		}, user),
		"below a CA of policies": below(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Critical: true, Value: []byte{0x30, 3, 0x80, 1, 0}}}
		}, user),
		"below a CA for servers": below(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, user),
		"two below a CA of one": below(func(c *x509.Certificate) { c.MaxPathLenZero = true }, func(ca *gridtest.CA) (*gridtest.Entity, error) {
			further, err := ca.Sub("/DC=test/DC=strong/DC=z")
			if err != nil {
				return nil, err
			}
			return further.User("y")
		}),
	} {
		require.Error(t, verify(e), name)
	}
	s.ca.Revoke(good)
	require.NoError(t, s.ca.WriteCRL(s.dir, nil))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(good, time.Now()), "revoked")
	outside, err := s.ca.Issue(gridtest.Spec{Subject: "/DC=elsewhere/CN=x", Change: sha1})
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(outside, time.Now()), "outside what its CA")
}

// ⚿ Two CAs of SHA-1 that certify each other, ten times over: the search ends.
func TestWeakCircle(t *testing.T) {
	s := newSite(t, trust.Options{Accept: weak.SHA1 | weak.MD5})
	key, err := gridtest.RSAKey(2048, 0)
	require.NoError(t, err)
	names := []string{"/DC=evil/CN=a", "/DC=evil/CN=b", "/DC=evil/CN=c"}
	cas := make([]*gridtest.CA, len(names))
	for i, n := range names {
		cas[i], err = gridtest.NewCAFrom("/DC=evil", gridtest.Spec{Subject: n, Key: crypto.Signer(key)})
		require.NoError(t, err)
	}
	leaf, err := cas[0].Issue(gridtest.Spec{Subject: "/DC=evil/CN=eve", Key: key, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }})
	require.NoError(t, err)
	for i := range 9 {
		e, err := cas[(i+1+i/3)%3].Issue(gridtest.Spec{Subject: names[i%3], Key: key, KeyUsage: x509.KeyUsageCertSign, Change: func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.SignatureAlgorithm = true, true, x509.SHA1WithRSA
		}})
		require.NoError(t, err)
		leaf.Chain = append(leaf.Chain, e.Cert())
	}
	start := time.Now()
	require.Error(t, s.verify(leaf, time.Now()))
	require.Less(t, time.Since(start), time.Second)
}

// A revocation list of SHA-1 counts behind the switch only.
func TestWeakList(t *testing.T) {
	for accept, refused := range map[weak.Switches]string{0: "cannot be used", weak.MD5: "cannot be used", weak.SHA1: "revoked"} {
		s := newSite(t, trust.Options{Accept: accept}, func(s *site) {
			s.ca.Revoke(s.user)
			der, err := s.ca.CRL(func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.ECDSAWithSHA1 })
			require.NoError(t, err)
			s.put(t, ".r0", der)
		})
		require.ErrorContains(t, s.verify(s.user, time.Now()), refused)
	}
}
