package gsi_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// The limbo is a matrix of credentials: kinds of end entities by kinds of
// proxies, each good shape spoilt by each fault at each place, and each good
// chain with each kind of attribute certificate. What is expected is put
// together from the rows, never taken from the verifier.

// limboCase is one credential with what is expected of it.
type limboCase struct {
	name    string
	kind    string // of end entity
	shape   string
	fault   string
	chain   []*x509.Certificate
	subject string // accepted, as this
	limited bool
	refused []string // or refused, for one of these reasons
	member  bool     // it has an attribute certificate
	fqans   []string
	ignored string
}

// limbo is the grid in which the cases are made.
type limbo struct {
	t                       *testing.T
	grid                    *gridtest.Grid
	sub, unknown, namesake  *gridtest.CA
	ancient, below          *gridtest.CA // of RSA; certified by that with MD5
	person, bob             *gridtest.Entity
	server, other, impostor *gridtest.VOMS
	rsa, weakRSA            crypto.Signer
	revoked                 []*gridtest.Entity
	trustDir                string
	verifier                *gsi.Verifier
	cases                   []limboCase
	old                     []oldCase
	made                    map[string]*gridtest.Entity // end entities, by kind
}

func newECKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return k
}

func newEdKey(t *testing.T) crypto.Signer {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return k
}

// issuedBy is what somebody signs who is no CA.
func issuedBy(e *gridtest.Entity, s gridtest.Spec) (*gridtest.Entity, error) {
	forger := &gridtest.CA{Cert: e.Cert(), Key: e.Key, Now: time.Now}
	issued, err := forger.Issue(s)
	if err != nil {
		return nil, err
	}
	issued.Chain = append(issued.Chain, e.Chain...)
	return issued, nil
}

func selfSigned(s gridtest.Spec) (*gridtest.Entity, error) {
	ca, err := gridtest.NewCAFrom("/", gridtest.Spec{Subject: s.Subject, Change: func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, x509.KeyUsageDigitalSignature
	}})
	if err != nil {
		return nil, err
	}
	return &gridtest.Entity{Chain: []*x509.Certificate{ca.Cert}, Key: ca.Key, Now: time.Now}, nil
}

func newLimbo(t *testing.T) *limbo {
	t.Helper()
	l := &limbo{t: t, trustDir: t.TempDir(), made: map[string]*gridtest.Entity{}}
	var err error
	must := func() { t.Helper(); require.NoError(t, err) }
	l.grid, err = gridtest.New()
	must()
	l.sub, err = l.grid.Strong.Sub("/DC=test/DC=strong/DC=below")
	must()
	l.unknown, err = gridtest.NewCA("/DC=test/DC=unknown")
	must()
	l.namesake, err = gridtest.NewCA("/DC=test/DC=strong")
	must()
	l.person, err = l.grid.Strong.User("Somebody Else")
	must()
	l.bob, err = l.grid.Strong.User("Bob")
	must()
	l.server, err = l.grid.Strong.VOMS("testvo", "voms.test")
	must()
	l.other, err = l.grid.Strong.VOMS("othervo", "voms.other")
	must()
	l.impostor, err = l.namesake.VOMS("testvo", "voms.test")
	must()
	l.rsa, err = gridtest.RSAKey(2048, 0)
	must()
	l.weakRSA, err = gridtest.RSAKey(1024, 0)
	must()
	l.ancient, err = gridtest.NewCAFrom("/DC=test/DC=ancient", gridtest.Spec{Subject: "/DC=test/DC=ancient/CN=CA", Key: l.rsa})
	must()
	l.below, err = l.ancient.Sub("/DC=test/DC=ancient/DC=below")
	must()
	l.below.Cert, err = gridtest.SignMD5(l.below.Cert, l.rsa)
	must()
	l.build()
	l.buildOld()
	for _, e := range l.revoked {
		l.grid.Strong.Revoke(e)
	}
	require.NoError(t, gridtest.WriteTrust(l.trustDir, l.grid.Strong, l.grid.Weak, l.sub, l.ancient, l.below))
	vomsDir := t.TempDir()
	require.NoError(t, l.server.WriteLSC(vomsDir))
	require.NoError(t, l.other.WriteLSC(vomsDir))
	authorities, err := trust.Open(trust.Options{Dir: l.trustDir})
	must()
	directory, err := voms.Open(voms.Options{Dir: vomsDir, Hosts: []string{"ce.test"}})
	must()
	l.verifier = gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil))
	return l
}

// build makes the three parts of the matrix.
func (l *limbo) build() {
	for _, kind := range limboEntities {
		for _, shape := range limboShapes {
			l.add(kind, shape, "", 0, limboFault{})
		}
	}
	for _, kind := range limboEntities {
		if kind.name != "person" && kind.name != "below a CA below" {
			continue
		}
		for _, shape := range limboShapes[1:] {
			if shape.refused != "" {
				continue
			}
			for _, fault := range limboFaults {
				if fault.chain != nil {
					l.add(kind, shape, fault.name, -1, fault)
					continue
				}
				for at := range shape.proxies {
					l.add(kind, shape, fault.name, at, fault)
				}
			}
		}
	}
	for _, kind := range limboEntities {
		if kind.refused != "" || kind.unproxied != "" {
			continue
		}
		for _, shape := range []limboShape{limboShapes[1], limboShapes[3]} {
			for _, m := range limboMemberships {
				l.join(kind, shape, m)
			}
		}
	}
}

func (l *limbo) entity(kind limboEntity) (e *gridtest.Entity, subject string) {
	s := gridtest.Spec{Subject: kind.subject}
	if s.Subject == "" {
		s.Subject = limboAnn
	}
	subject = s.Subject
	if e := l.made[kind.name]; e != nil {
		return e, subject
	}
	if kind.spec != nil {
		kind.spec(l, &s)
	}
	issue := kind.make
	if issue == nil {
		issue = func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return l.grid.Strong.Issue(s) }
	}
	e, err := issue(l, s)
	require.NoError(l.t, err, kind.name)
	l.made[kind.name] = e
	return e, subject
}

func (l *limbo) add(kind limboEntity, shape limboShape, fault string, at int, f limboFault) {
	e, subject := l.entity(kind)
	c := limboCase{name: fmt.Sprintf("%s/%s/%s %d", kind.name, shape.name, fault, at), kind: kind.name, shape: shape.name, fault: fault, subject: subject, limited: shape.limited}
	for i, spec := range shape.proxies {
		good := f.proxy == nil || i < at
		if i == at && f.proxy != nil {
			f.proxy(l, &spec)
		}
		e = l.proxyOf(e, spec, good, kind.name, shape.name, i)
	}
	c.chain = e.Chain
	if f.chain != nil {
		c.chain = f.chain(l, e.Chain)
	}
	c.refused = append(c.refused, f.refused...)
	if kind.refused != "" {
		c.refused = append(c.refused, strings.Split(kind.refused, "|")...)
	}
	if shape.refused != "" {
		c.refused = append(c.refused, shape.refused)
	}
	if kind.unproxied != "" && len(shape.proxies) > 0 {
		c.refused = append(c.refused, kind.unproxied)
	}
	l.cases = append(l.cases, c)
}

// proxyOf makes a proxy; while a chain is as its shape says, the one made before
// does.
func (l *limbo) proxyOf(e *gridtest.Entity, spec gridtest.ProxySpec, good bool, of ...any) *gridtest.Entity {
	key := fmt.Sprintf("%q", of)
	if next := l.made[key]; next != nil && good {
		return next
	}
	next, err := e.Proxy(spec)
	require.NoError(l.t, err, key)
	if good {
		l.made[key] = next
	}
	return next
}

func (l *limbo) join(kind limboEntity, shape limboShape, m limboMembership) {
	e, subject := l.entity(kind)
	server, holder := l.server, e
	if m.server != nil {
		server = m.server(l)
	}
	if m.holder != nil {
		holder = m.holder(l, e)
	}
	ac, err := server.Certify(holder, m.spec)
	require.NoError(l.t, err)
	c := limboCase{name: fmt.Sprintf("%s/%s/member: %s", kind.name, shape.name, m.name), kind: kind.name, shape: shape.name, fault: m.name, member: true, subject: subject, fqans: m.fqans, ignored: m.ignored}
	for i, spec := range shape.proxies {
		if i == 0 { // as voms-proxy-init makes it; what follows is delegation
			spec.Change = gridtest.Carrying(ac)
		}
		next, err := e.Proxy(spec)
		require.NoError(l.t, err, c.name)
		e = next
	}
	c.chain = e.Chain
	l.cases = append(l.cases, c)
}

// fails returns what is not as expected, "" if nothing.
func (l *limbo) fails(c limboCase) string { return l.failsBy(l.verifier, c) }

func (l *limbo) failsBy(v *gsi.Verifier, c limboCase) string {
	credential := v.Verify(c.chain)
	chain, _ := gsi.ChainOf(credential)
	if err := credential.Verdict(); err != nil || len(c.refused) > 0 {
		if err == nil {
			return "accepted"
		}
		if !slices.ContainsFunc(c.refused, func(reason string) bool { return strings.Contains(err.Error(), reason) }) {
			return "refused: " + err.Error()
		}
		if chain.VOMS != nil {
			return "refused, with FQANs"
		}
		return ""
	}
	want, err := authz.ParseDN(c.subject)
	switch {
	case err != nil:
		return err.Error()
	case !chain.Subject.Equal(want):
		return "is " + chain.Subject.Slash()
	case chain.Limited != c.limited:
		return fmt.Sprintf("limited: %v", chain.Limited)
	case !slices.Equal(fqans(chain), c.fqans):
		return fmt.Sprintf("FQANs %q, ignored %v", fqans(chain), chain.Ignored)
	case c.ignored == "" && len(chain.Ignored) > 0, c.ignored != "" && (len(chain.Ignored) != 1 || !strings.Contains(chain.Ignored[0].Err.Error(), c.ignored)):
		return fmt.Sprintf("ignored: %v", chain.Ignored)
	}
	return ""
}

func TestLimbo(t *testing.T) {
	l := newLimbo(t)
	require.GreaterOrEqual(t, len(l.cases), 600)
	t.Run("as expected", l.asExpected)
	t.Run("behind switches", l.behindSwitches)
	t.Run("second opinion", l.secondOpinions)
}

func (l *limbo) asExpected(t *testing.T) {
	accepted, failed := 0, 0
	for _, c := range l.cases {
		if len(c.refused) == 0 {
			accepted++
		}
		if problem := l.fails(c); problem != "" {
			failed++
			t.Errorf("%s: %s; want %q refused %q FQANs %q", c.name, problem, c.subject, c.refused, c.fqans)
		}
	}
	t.Logf("%d cases, %d to be accepted, %d not as expected", len(l.cases), accepted, failed)
}
