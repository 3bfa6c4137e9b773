package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
)

var deltaExtension = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}

type site struct {
	dir   string
	ca    *gridtest.CA
	user  *gridtest.Entity
	store *trust.Store
}

func newSite(t *testing.T, o trust.Options, prepare ...func(*site)) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	var err error
	s.ca, err = gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)
	s.user, err = s.ca.User("Ann Other")
	require.NoError(t, err)
	require.NoError(t, gridtest.WriteTrust(s.dir, s.ca))
	for _, p := range prepare {
		p(s)
	}
	o.Dir = s.dir
	s.store, err = trust.Open(o)
	require.NoError(t, err)
	return s
}

func (s *site) verify(e *gridtest.Entity, at time.Time) error {
	_, err := s.store.Current().Verify(e.EndEntity(), e.Chain[1:], at, x509.ExtKeyUsageClientAuth)
	return err
}

func (s *site) file(t *testing.T, suffix string) string {
	t.Helper()
	hash, err := gridtest.Hash(s.ca.Cert.RawSubject)
	require.NoError(t, err)
	return filepath.Join(s.dir, hash+suffix)
}

func (s *site) put(t *testing.T, suffix string, content []byte) {
	t.Helper()
	require.NoError(t, gridtest.Replace(s.file(t, suffix), content, 0o644))
}

func TestGoodUser(t *testing.T) {
	s := newSite(t, trust.Options{})
	path, err := s.store.Current().Verify(s.user.Cert(), nil, time.Now(), x509.ExtKeyUsageClientAuth)
	require.NoError(t, err)
	require.Len(t, path.Chain, 2)
	require.WithinDuration(t, time.Now().Add(gridtest.Life), path.Until, time.Minute)
	changed, err := s.store.Reload()
	require.NoError(t, err)
	require.False(t, changed, "nothing changed")
}

func TestSubordinateCAs(t *testing.T) {
	s := newSite(t, trust.Options{})
	sub, err := s.ca.Sub("/DC=test/DC=strong/DC=sub")
	require.NoError(t, err)
	e, err := sub.User("Bob")
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(e, time.Now()), "no revocation list", "a CA only presented has no list here")
	require.NoError(t, gridtest.WriteTrust(s.dir, sub))
	changed, err := s.store.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, s.verify(e, time.Now()))
	e.Chain = e.Chain[:1]
	require.NoError(t, s.verify(e, time.Now()), "the intermediate is in the directory")
}

// ⚿ Who is not vouched for (threats 2, 3, 13).
func TestStrangers(t *testing.T) {
	s := newSite(t, trust.Options{})
	other, err := gridtest.NewCA("/DC=test/DC=strong") // the same name, another key
	require.NoError(t, err)
	e, err := other.User("Ann Other")
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(e, time.Now()), "did not sign it")
	require.ErrorContains(t, s.verify(s.user, time.Now().Add(2*gridtest.Life)), "expired")
	require.ErrorContains(t, s.verify(s.user, time.Now().Add(-2*gridtest.Life)), "not yet valid")

	forged := &gridtest.CA{Cert: s.user.Cert(), Key: s.user.Key, Base: "/DC=test/DC=strong", Now: time.Now}
	e, err = forged.User("Root")
	require.NoError(t, err)
	e.Chain = append(e.Chain, s.user.Cert())
	require.Error(t, s.verify(e, time.Now()), "an end entity certifies nobody")

	e, err = s.ca.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=server only", Change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }})
	require.NoError(t, err)
	require.Error(t, s.verify(e, time.Now()))
}

func TestRevoked(t *testing.T) {
	for name, list := range map[string]func(*gridtest.CA) ([]byte, error){
		"version 2": func(ca *gridtest.CA) ([]byte, error) { return ca.CRL() },
		"version 1": (*gridtest.CA).OldCRL,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, trust.Options{CRLs: trust.IfPresent})
			require.NoError(t, s.verify(s.user, time.Now()))
			s.ca.Revoke(s.user)
			der, err := list(s.ca)
			require.NoError(t, err)
			s.put(t, ".r0", der) // DER; WriteTrust writes PEM
			_, err = s.store.Reload()
			require.NoError(t, err)
			require.ErrorContains(t, s.verify(s.user, time.Now()), "revoked")
			bob, err := s.ca.User("Bob")
			require.NoError(t, err)
			require.NoError(t, s.verify(bob, time.Now()))
		})
	}
}

// ⚿ A list that is missing, stale, broken or partial never counts as an empty
// one (threats 5).
func TestMissingLists(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *site)
		refused map[trust.CRLPolicy]string
	}{
		{"missing", func(t *testing.T, s *site) { require.NoError(t, os.Remove(s.file(t, ".r0"))) },
			map[trust.CRLPolicy]string{trust.Require: "no revocation list"}},
		{"stale", func(t *testing.T, s *site) {
			der, err := s.ca.CRL(func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Minute) })
			require.NoError(t, err)
			s.put(t, ".r0", der)
		}, map[trust.CRLPolicy]string{trust.Require: "out of date", trust.IfPresent: "out of date"}},
		{"garbage", func(t *testing.T, s *site) { s.put(t, ".r0", []byte("not a list")) },
			map[trust.CRLPolicy]string{trust.Require: "cannot be used", trust.IfPresent: "cannot be used"}},
		{"of another CA", func(t *testing.T, s *site) {
			other, err := gridtest.NewCA("/DC=test/DC=strong")
			require.NoError(t, err)
			der, err := other.CRL()
			require.NoError(t, err)
			s.put(t, ".r0", der)
		}, map[trust.CRLPolicy]string{trust.Require: "cannot be used", trust.IfPresent: "cannot be used"}},
		{"delta", func(t *testing.T, s *site) {
			der, err := s.ca.CRL(func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, deltaExtension) })
			require.NoError(t, err)
			s.put(t, ".r0", der)
		}, map[trust.CRLPolicy]string{trust.Require: "cannot be used", trust.IfPresent: "cannot be used"}},
	} {
		for _, policy := range []trust.CRLPolicy{trust.Require, trust.IfPresent, trust.Ignore} {
			t.Run(c.name+"/"+string(policy), func(t *testing.T) {
				s := newSite(t, trust.Options{CRLs: policy}, func(s *site) { c.prepare(t, s) })
				err := s.verify(s.user, time.Now())
				if want := c.refused[policy]; want != "" {
					require.ErrorContains(t, err, want)
				} else {
					require.NoError(t, err)
				}
			})
		}
	}
}

// ⚿ A new file that does not verify leaves the old one in force, and an older
// list does not bring the revoked back.
func TestReloadKeepsWhatIsGood(t *testing.T) {
	s := newSite(t, trust.Options{})
	older, err := s.ca.CRL(func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(-3 * time.Hour) })
	require.NoError(t, err)
	other, err := gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)
	foreign, err := other.CRL()
	require.NoError(t, err)
	s.ca.Revoke(s.user)
	require.NoError(t, s.ca.WriteCRL(s.dir, nil))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(s.user, time.Now()), "revoked")

	for name, content := range map[string][]byte{"older": older, "foreign": foreign, "empty": {}, "cut": older[:40]} {
		s.put(t, ".r0", content)
		_, err = s.store.Reload()
		require.NoError(t, err)
		require.ErrorContains(t, s.verify(s.user, time.Now()), "revoked", name)
	}
	s.put(t, ".signing_policy", []byte("nonsense"))
	s.put(t, ".0", []byte("nonsense"))
	_, err = s.store.Reload()
	require.NoError(t, err)
	bob, err := s.ca.User("Bob")
	require.NoError(t, err)
	require.NoError(t, s.verify(bob, time.Now()), "CA and policy of before stay")

	require.NoError(t, os.Chmod(s.dir, 0o777))
	_, err = s.store.Reload()
	require.Error(t, err)
	require.NoError(t, s.verify(bob, time.Now()))
	require.NoError(t, os.Chmod(s.dir, 0o755))

	require.NoError(t, os.Remove(s.file(t, ".0")))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(bob, time.Now()), "not among the trusted CAs", "a CA that is gone is forgotten")
}

// ⚿ Nor does an older list come back in a file of several, and what is not taken
// is named.
func TestOlderListAmongSeveral(t *testing.T) {
	s := newSite(t, trust.Options{})
	other, err := gridtest.NewCA("/DC=test/DC=other")
	require.NoError(t, err)
	require.NoError(t, gridtest.WriteTrust(s.dir, other))
	require.NoError(t, os.Remove(s.file(t, ".r0")))
	bundle := filepath.Join(s.dir, "all.crl")
	put := func(ages ...time.Duration) {
		var text []byte
		for i, ca := range []*gridtest.CA{other, s.ca} {
			der, err := ca.CRL(func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(-ages[i]) })
			require.NoError(t, err)
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
		}
		require.NoError(t, gridtest.Replace(bundle, text, 0o644))
		_, err := s.store.Reload()
		require.NoError(t, err)
	}
	s.ca.Revoke(s.user)
	put(3*time.Hour, 3*time.Hour)
	require.ErrorContains(t, s.verify(s.user, time.Now()), "revoked")
	require.Empty(t, s.store.Current().Troubles())
	s.ca.Unrevoke()
	put(time.Hour, 4*time.Hour)
	require.ErrorContains(t, s.verify(s.user, time.Now()), "revoked")
	troubles := s.store.Current().Troubles()
	require.Len(t, troubles, 1)
	require.Equal(t, bundle, troubles[0].Path)
	require.True(t, troubles[0].Kept)
	require.ErrorContains(t, troubles[0].Err, "older than the one in force")
	put(time.Hour, time.Hour)
	require.NoError(t, s.verify(s.user, time.Now()))
	require.Empty(t, s.store.Current().Troubles())
}

// A list may arrive before its CA.
func TestListBeforeItsCA(t *testing.T) {
	s := newSite(t, trust.Options{})
	other, err := gridtest.NewCA("/DC=test/DC=new")
	require.NoError(t, err)
	require.NoError(t, other.WriteCRL(s.dir, nil))
	_, err = s.store.Reload()
	require.NoError(t, err)
	hash, err := gridtest.Hash(other.Cert.RawSubject)
	require.NoError(t, err)
	bob, err := other.User("Bob")
	require.NoError(t, err)
	whole := t.TempDir()
	require.NoError(t, gridtest.WriteTrust(whole, other))
	content, err := os.ReadFile(filepath.Join(whole, hash+".0"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, hash+".0"), content, 0o644))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.NoError(t, s.verify(bob, time.Now()))
}

// ⚿ A CA signs only below what its policy says (threats 18, 19, 45).
func TestSigningPolicy(t *testing.T) {
	s := newSite(t, trust.Options{})
	issue := func(spec gridtest.Spec) error {
		e, err := s.ca.Issue(spec)
		require.NoError(t, err)
		return s.verify(e, time.Now())
	}
	require.NoError(t, issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=inside"}))
	for _, subject := range []string{"/DC=test/DC=other/CN=x", "/DC=test/DC=strong", "/DC=test/CN=/DC=strong/CN=x", "/O=y/DC=test/DC=strong/CN=x"} {
		require.ErrorContains(t, issue(gridtest.Spec{Subject: subject}), "outside what its CA", subject)
	}
	d, err := authz.NewDN([]authz.RDN{{{Type: "0.9.2342.19200300.100.1.25", Value: "test/DC=strong"}}, {{Type: "2.5.4.3", Value: "x"}}})
	require.NoError(t, err)
	raw, err := gridtest.EncodeName(d, 0)
	require.NoError(t, err)
	require.ErrorContains(t, issue(gridtest.Spec{RawSubject: raw}), "outside what its CA", "a slash in a value is no part")

	other, err := s.ca.SigningPolicy("/DC=nowhere/*")
	require.NoError(t, err)
	s.put(t, ".signing_policy", other)
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.Error(t, s.verify(s.user, time.Now()))

	good, err := s.ca.SigningPolicy()
	require.NoError(t, err)
	s.put(t, ".signing_policy", good)
	s.put(t, ".namespaces", []byte("TO Issuer SELF PERMIT Subject \"/DC=test/DC=strong/OU=people/.*\""))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.NoError(t, s.verify(s.user, time.Now()))
	require.ErrorContains(t, issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=inside"}), "outside what its CA", "both must allow")
	require.NoError(t, os.Remove(s.file(t, ".namespaces")))

	another, err := gridtest.NewCA("/DC=elsewhere")
	require.NoError(t, err)
	foreign, err := another.SigningPolicy("*")
	require.NoError(t, err)
	s.put(t, ".signing_policy", foreign)
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.Error(t, s.verify(s.user, time.Now()), "a policy without a word about its CA allows nothing")
}

// ⚿ Nor does a slash in a value count as the next part of a name in a namespaces
// file (threats 19, 45).
func TestNamespacesAndSlashes(t *testing.T) {
	s := newSite(t, trust.Options{}, func(s *site) {
		require.NoError(t, os.Remove(s.file(t, ".signing_policy")))
		s.put(t, ".namespaces", []byte("TO Issuer SELF PERMIT Subject \"/DC=test/DC=strong/.*\"\nTO Issuer SELF DENY Subject \".*/OU=evil/.*\"\n"))
	})
	for name, c := range map[string]struct {
		rdns []authz.RDN
		want bool
	}{
		"inside":             {[]authz.RDN{{{Type: "DC", Value: "test"}}, {{Type: "DC", Value: "strong"}}, {{Type: "CN", Value: "x"}}}, true},
		"slash in the first": {[]authz.RDN{{{Type: "DC", Value: "test/DC=strong"}}, {{Type: "CN", Value: "x"}}}, false},
		"line break":         {[]authz.RDN{{{Type: "DC", Value: "evil"}}, {{Type: "CN", Value: "\n/DC=test/DC=strong/CN=x"}}}, false},
		"denied":             {[]authz.RDN{{{Type: "DC", Value: "test"}}, {{Type: "DC", Value: "strong"}}, {{Type: "OU", Value: "evil"}}, {{Type: "CN", Value: "x"}}}, false},
		"denied, line break": {[]authz.RDN{{{Type: "DC", Value: "test"}}, {{Type: "DC", Value: "strong"}}, {{Type: "O", Value: "\n"}}, {{Type: "OU", Value: "evil"}}, {{Type: "CN", Value: "x"}}}, false},
	} {
		for i := range c.rdns {
			c.rdns[i][0].Type = map[string]string{"DC": "0.9.2342.19200300.100.1.25", "CN": "2.5.4.3", "OU": "2.5.4.11", "O": "2.5.4.10"}[c.rdns[i][0].Type]
		}
		d, err := authz.NewDN(c.rdns)
		require.NoError(t, err)
		raw, err := gridtest.EncodeName(d, asn1.TagUTF8String)
		require.NoError(t, err)
		e, err := s.ca.Issue(gridtest.Spec{RawSubject: raw})
		require.NoError(t, err)
		require.Equal(t, c.want, s.verify(e, time.Now()) == nil, "%s: %s", name, d.Slash())
	}
}

// ⚿ A CA that is only presented signs no wider than the CA above it that is here
// (threats 18): otherwise whoever may sign one CA below could sign everybody.
func TestPresentedCASignsNoWider(t *testing.T) {
	s := newSite(t, trust.Options{CRLs: trust.IfPresent})
	sub, err := s.ca.Sub("/DC=test/DC=strong/DC=below")
	require.NoError(t, err)
	further, err := sub.Sub("/DC=test/DC=strong/DC=below/DC=further")
	require.NoError(t, err)
	for _, ca := range []*gridtest.CA{sub, further} {
		for subject, want := range map[string]bool{
			"/DC=test/DC=strong/DC=below/CN=x": true, "/DC=test/DC=strong/CN=x": true, "/DC=elsewhere/CN=x": false,
		} {
			e, err := ca.Issue(gridtest.Spec{Subject: subject})
			require.NoError(t, err)
			if want {
				require.NoError(t, s.verify(e, time.Now()), subject)
			} else {
				require.ErrorContains(t, s.verify(e, time.Now()), "outside what its CA", subject)
			}
		}
	}
}

func TestPEMFiles(t *testing.T) {
	s := newSite(t, trust.Options{})
	crl, err := os.ReadFile(s.file(t, ".r0"))
	require.NoError(t, err)
	cert, err := os.ReadFile(s.file(t, ".0"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(path, append(cert, crl...), 0o644))
	s.store, err = trust.Open(trust.Options{Files: []string{path}})
	require.NoError(t, err)
	require.NoError(t, s.verify(s.user, time.Now()))
}

func TestNothingToTrust(t *testing.T) {
	for name, o := range map[string]trust.Options{
		"empty directory": {Dir: t.TempDir()},
		"no directory":    {Dir: filepath.Join(t.TempDir(), "absent")},
		"no file":         {Files: []string{filepath.Join(t.TempDir(), "absent.pem")}},
		"bad policy":      {Dir: t.TempDir(), CRLs: "sometimes"},
		"nothing":         {},
	} {
		_, err := trust.Open(o)
		require.Error(t, err, name)
	}
	s := newSite(t, trust.Options{})
	user := filepath.Join(t.TempDir(), "user.pem")
	chain, _, err := s.user.PEM()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(user, chain, 0o644))
	_, err = trust.Open(trust.Options{Files: []string{user}})
	require.ErrorContains(t, err, "no usable CA", "a person's certificate is no CA")
}

// Two CAs of one name and different keys are two CAs (threats 20).
func TestRollover(t *testing.T) {
	s := newSite(t, trust.Options{})
	next, err := gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)
	bob, err := next.User("Bob")
	require.NoError(t, err)
	next.Revoke(s.user) // another CA's revocation of the serial number
	require.NoError(t, gridtest.WriteTrust(s.dir, s.ca, next))
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.NoError(t, s.verify(s.user, time.Now()))
	require.NoError(t, s.verify(bob, time.Now()))
	require.Equal(t, 2, s.store.Current().Len())
}

func TestManyRevoked(t *testing.T) {
	s := newSite(t, trust.Options{})
	der, err := s.ca.CRL(func(l *x509.RevocationList) {
		for i := range int64(20000) {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(i + 1), RevocationTime: time.Now()})
		}
	})
	require.NoError(t, err)
	s.put(t, ".r0", der)
	_, err = s.store.Reload()
	require.NoError(t, err)
	require.NoError(t, s.verify(s.user, time.Now()))
	e, err := s.ca.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=x", Change: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(777) }})
	require.NoError(t, err)
	require.ErrorContains(t, s.verify(e, time.Now()), "revoked")
}

func TestEnds(t *testing.T) {
	const ca = "/DC=test/DC=strong/CN=CA"
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	list := func(t *testing.T, s *site) {
		der, err := s.ca.CRL(func(l *x509.RevocationList) { l.NextUpdate = soon })
		require.NoError(t, err)
		s.put(t, ".r0", der)
	}
	none := func(t *testing.T, s *site) { require.NoError(t, os.Remove(s.file(t, ".r0"))) }
	garbage := func(t *testing.T, s *site) { s.put(t, ".r0", []byte("x")) }
	for _, c := range []struct {
		policy  trust.CRLPolicy
		prepare func(*testing.T, *site)
		crl     time.Time
		there   bool
	}{
		{trust.Require, list, soon, true},
		{trust.IfPresent, list, soon, true},
		{trust.Ignore, list, soon, false},
		{trust.Require, none, time.Time{}, true},
		{trust.IfPresent, none, time.Time{}, false},
		{trust.IfPresent, garbage, time.Time{}, true},
	} {
		s := newSite(t, trust.Options{CRLs: c.policy}, func(s *site) { c.prepare(t, s) })
		want := []trust.End{{Kind: trust.EndOfCA, Name: ca, At: s.ca.Cert.NotAfter}}
		if c.there {
			want = append(want, trust.End{Kind: trust.EndOfCRL, Name: ca, At: c.crl.UTC()})
		}
		require.Equal(t, want, s.store.Current().Ends())
	}
}
