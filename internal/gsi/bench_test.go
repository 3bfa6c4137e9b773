package gsi_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// heavy is what a pilot job presents: three proxies, the first with an
// attribute certificate, on a person's certificate. All keys are RSA of 2048
// bits, as most are.
type heavy struct {
	chain     []*x509.Certificate
	ca        *x509.Certificate
	server    *gridtest.VOMS
	ac        []byte
	trust     *trust.Store
	directory *voms.Directory
}

func newHeavy(b *testing.B) *heavy {
	b.Helper()
	const base = "/DC=test/DC=heavy"
	key := func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(b, err)
		return k
	}
	ca, err := gridtest.NewCAFrom(base, gridtest.Spec{Subject: base + "/CN=CA", Key: key()})
	require.NoError(b, err)
	e, err := ca.Issue(gridtest.Spec{Subject: base + "/CN=Ann Other", Key: key()})
	require.NoError(b, err)
	host, err := ca.Issue(gridtest.Spec{Subject: base + "/CN=voms.test", Key: key()})
	require.NoError(b, err)
	h := &heavy{ca: ca.Cert, server: &gridtest.VOMS{Entity: host, VO: "testvo", HostName: "voms.test"}}
	h.ac, err = h.server.Certify(e, gridtest.ACSpec{FQANs: []string{"/testvo/Role=pilot", "/testvo"}})
	require.NoError(b, err)
	for _, s := range []gridtest.ProxySpec{{Change: gridtest.Carrying(h.ac)}, {}, {}} {
		s.Key = key()
		e, err = e.Proxy(s)
		require.NoError(b, err)
	}
	h.chain = e.Chain
	trustDir, vomsDir := b.TempDir(), b.TempDir()
	require.NoError(b, gridtest.WriteTrust(trustDir, ca))
	require.NoError(b, h.server.WriteLSC(vomsDir))
	h.trust, err = trust.Open(trust.Options{Dir: trustDir})
	require.NoError(b, err)
	h.directory, err = voms.Open(voms.Options{Dir: vomsDir})
	require.NoError(b, err)
	return h
}

func (h *heavy) parse(b *testing.B) []*x509.Certificate {
	certs := make([]*x509.Certificate, len(h.chain))
	for i, c := range h.chain {
		var err error
		if certs[i], err = x509.ParseCertificate(c.Raw); err != nil {
			b.Fatal(err)
		}
	}
	return certs
}

// BenchmarkVerify is a chain never seen before, from its DER to the FQANs.
func BenchmarkVerify(b *testing.B) {
	h := newHeavy(b)
	for b.Loop() {
		v := gsi.NewVerifier(h.trust, nil, gsi.WithVOMS(h.directory, nil))
		c := v.Verify(h.parse(b))
		if chain, _ := gsi.ChainOf(c); c.Verdict() != nil || chain.VOMS == nil {
			b.Fatal(c.Verdict())
		}
	}
}

// BenchmarkVerifyFloor is what no verifier can do without: parsing, and the
// six signatures: three proxies, the person, the attribute certificate, and
// the VOMS server.
func BenchmarkVerifyFloor(b *testing.B) {
	h := newHeavy(b)
	var ac struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	for b.Loop() {
		certs := h.parse(b)
		server, err := x509.ParseCertificate(h.server.Cert().Raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := asn1.Unmarshal(h.ac, &ac); err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256(ac.Info.FullBytes)
		if err := rsa.VerifyPKCS1v15(server.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], ac.Signature.Bytes); err != nil {
			b.Fatal(err)
		}
		for i, c := range append(certs, server) {
			parent := h.ca
			if i < len(certs)-1 {
				parent = certs[i+1]
			}
			if err := parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkVerifyAgain is each further request on the same connection.
func BenchmarkVerifyAgain(b *testing.B) {
	h := newHeavy(b)
	v := gsi.NewVerifier(h.trust, nil, gsi.WithVOMS(h.directory, nil))
	b.ReportAllocs()
	for b.Loop() {
		if v.Verify(h.chain).Verdict() != nil {
			b.Fatal("refused")
		}
	}
}

// BenchmarkVerdict is the look at a credential that is already in hand.
func BenchmarkVerdict(b *testing.B) {
	h := newHeavy(b)
	c := gsi.NewVerifier(h.trust, nil, gsi.WithVOMS(h.directory, nil)).Verify(h.chain)
	b.ReportAllocs()
	for b.Loop() {
		if c.Verdict() != nil {
			b.Fatal("refused")
		}
	}
}
