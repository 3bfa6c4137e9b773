package gsi_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// The fourth part of the limbo: what only switches let in. Each case is judged
// with the switches that it needs, without each of them, with none and with
// all.

// oldCase is a case with the switches without any of which it is refused.
type oldCase struct {
	limboCase
	needs weak.Switches
}

// oldEntity is an end entity that needs switches.
type oldEntity struct {
	name  string
	make  func(l *limbo) (*gridtest.Entity, error)
	needs weak.Switches
}

func keyedUser(k func(*limbo) crypto.Signer) func(*limbo) (*gridtest.Entity, error) {
	return func(l *limbo) (*gridtest.Entity, error) {
		return l.grid.Strong.Issue(gridtest.Spec{Subject: limboAnn, Key: k(l)})
	}
}

// oldPerson signs fast.
var oldPerson = oldEntity{"modern person", keyedUser(func(l *limbo) crypto.Signer { return newECKey(l.t, elliptic.P256()) }), 0}

var oldEntities = []oldEntity{
	{"person", keyedUser(func(l *limbo) crypto.Signer { return l.rsa }), 0},
	{"SHA-1", func(l *limbo) (*gridtest.Entity, error) {
		return l.grid.Strong.Issue(gridtest.Spec{Subject: limboAnn, Key: l.rsa, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }})
	}, weak.SHA1},
	{"RSA and SHA-1", func(l *limbo) (*gridtest.Entity, error) {
		return l.ancient.Issue(gridtest.Spec{Subject: l.ancient.Base + "/CN=Ann Other", Key: l.rsa, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }})
	}, weak.SHA1},
	{"MD5", func(l *limbo) (*gridtest.Entity, error) {
		e, err := l.ancient.Issue(gridtest.Spec{Subject: l.ancient.Base + "/CN=Ann Other", Key: l.rsa})
		if err == nil {
			e.Chain[0], err = gridtest.SignMD5(e.Chain[0], l.ancient.Key)
		}
		return e, err
	}, weak.MD5},
	{"below a CA of MD5", func(l *limbo) (*gridtest.Entity, error) {
		return l.belowMD5(gridtest.Spec{Subject: l.below.Base + "/CN=Ann Other", Key: l.rsa})
	}, weak.MD5},
	{"SHA-1 below a CA of MD5", func(l *limbo) (*gridtest.Entity, error) {
		return l.belowMD5(gridtest.Spec{Subject: l.below.Base + "/CN=Ann Other", Key: l.rsa, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }})
	}, weak.MD5 | weak.SHA1},
	{"RSA 1024", keyedUser(func(l *limbo) crypto.Signer { return l.weakRSA }), weak.ShortKeys},
	{"P-224", keyedUser(func(l *limbo) crypto.Signer { return newECKey(l.t, elliptic.P224()) }), weak.ShortKeys},
}

func (l *limbo) belowMD5(s gridtest.Spec) (*gridtest.Entity, error) {
	e, err := l.below.Issue(s)
	if err == nil {
		e.Chain[1] = l.below.Cert // signed again since
	}
	return e, err
}

// oldShape is a kind of chain that needs switches.
type oldShape struct {
	limboShape
	needs weak.Switches
}

var (
	draft      = gridtest.ProxySpec{Draft: true}
	legacy     = gridtest.ProxySpec{Legacy: true}
	draftLess  = gridtest.ProxySpec{Draft: true, Language: gridtest.Limited}
	legacyLess = gridtest.ProxySpec{Legacy: true, Language: gridtest.Limited}
)

func proxies(s ...gridtest.ProxySpec) []gridtest.ProxySpec { return s }

// with returns the spec with a path length.
func with(s gridtest.ProxySpec, length int) gridtest.ProxySpec {
	s.PathLen = gridtest.Length(length)
	return s
}

const bothKinds = weak.DraftProxies | weak.LegacyProxies

var oldShapes = []oldShape{
	{limboShape{name: "no proxy"}, 0},
	{limboShape{name: "RFC", proxies: proxies(gridtest.ProxySpec{})}, 0},
	{limboShape{name: "SHA-1 RFC", proxies: proxies(gridtest.ProxySpec{Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }})}, weak.SHA1},
	{limboShape{name: "MD5 RFC", proxies: proxies(gridtest.ProxySpec{MD5: true})}, weak.MD5},
	{limboShape{name: "draft", proxies: proxies(draft)}, weak.DraftProxies},
	{limboShape{name: "three drafts", proxies: proxies(draft, draft, draft)}, weak.DraftProxies},
	{limboShape{name: "limited draft", proxies: proxies(draftLess), limited: true}, weak.DraftProxies},
	{limboShape{name: "draft, limited", proxies: proxies(draft, draftLess), limited: true}, weak.DraftProxies},
	{limboShape{name: "draft of length 0", proxies: proxies(with(draft, 0))}, weak.DraftProxies},
	{limboShape{name: "drafts of a length used up", proxies: proxies(with(draft, 1), draft)}, weak.DraftProxies},
	{limboShape{name: "draft, limited above", proxies: proxies(draftLess, draft), refused: "below a limited"}, weak.DraftProxies},
	{limboShape{name: "drafts too many", proxies: proxies(with(draft, 0), draft), refused: "path length"}, weak.DraftProxies},
	{limboShape{name: "drafts of growing length", proxies: proxies(with(draft, 1), with(draft, 9), draft), refused: "path length"}, weak.DraftProxies},
	{limboShape{name: "independent draft", proxies: proxies(gridtest.ProxySpec{Draft: true, Language: gridtest.Independent}), refused: "independent"}, weak.DraftProxies},
	{limboShape{name: "restricted draft", proxies: proxies(gridtest.ProxySpec{Draft: true, Policy: []byte("rm")}), refused: "carries a policy"}, weak.DraftProxies},
	{limboShape{name: "draft not critical", proxies: proxies(gridtest.ProxySpec{Draft: true, Uncritical: true}), refused: "not critical"}, weak.DraftProxies},
	{limboShape{name: "draft in the form of the RFC", proxies: proxies(gridtest.ProxySpec{Draft: true, RawInfo: []byte{0x30, 0x0f, 2, 1, 3, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1}}), refused: "malformed"}, weak.DraftProxies},
	{limboShape{name: "legacy", proxies: proxies(legacy)}, weak.LegacyProxies},
	{limboShape{name: "three legacy", proxies: proxies(legacy, legacy, legacy)}, weak.LegacyProxies},
	{limboShape{name: "limited legacy", proxies: proxies(legacyLess), limited: true}, weak.LegacyProxies},
	{limboShape{name: "legacy, limited", proxies: proxies(legacy, legacyLess, legacyLess), limited: true}, weak.LegacyProxies},
	{limboShape{name: "legacy, limited above", proxies: proxies(legacyLess, legacy), refused: "below a limited"}, weak.LegacyProxies},
	{limboShape{name: "legacy of SHA-1", proxies: proxies(gridtest.ProxySpec{Legacy: true, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }})}, weak.LegacyProxies | weak.SHA1},
	{limboShape{name: "legacy of MD5", proxies: proxies(gridtest.ProxySpec{Legacy: true, MD5: true})}, weak.LegacyProxies | weak.MD5},
	{limboShape{name: "RFC below legacy", proxies: proxies(legacy, gridtest.ProxySpec{}), refused: "must not mix"}, weak.LegacyProxies},
	{limboShape{name: "legacy below RFC", proxies: proxies(gridtest.ProxySpec{}, legacy), refused: "must not mix"}, weak.LegacyProxies},
	{limboShape{name: "RFC below draft", proxies: proxies(draft, gridtest.ProxySpec{}), refused: "must not mix"}, weak.DraftProxies},
	{limboShape{name: "draft below RFC", proxies: proxies(gridtest.ProxySpec{}, draft), refused: "must not mix"}, weak.DraftProxies},
	{limboShape{name: "draft below legacy", proxies: proxies(legacy, draft), refused: "must not mix"}, bothKinds},
	{limboShape{name: "legacy below draft", proxies: proxies(draft, legacy), refused: "must not mix"}, bothKinds},
	{limboShape{name: "legacy, another name", proxies: proxies(gridtest.ProxySpec{Legacy: true, Name: "Proxy"}), refused: "did not sign"}, 0},
	{limboShape{name: "legacy, a number", proxies: proxies(gridtest.ProxySpec{}, gridtest.ProxySpec{Legacy: true, Name: "777"}), refused: "did not sign"}, 0},
}

// missing says how a chain is refused without a switch that it needs.
var missing = map[weak.Switches][]string{
	weak.DraftProxies:  {"before RFC 3820", "must not mix"},
	weak.LegacyProxies: {"before RFC 3820", "must not mix", "did not sign", "not among the trusted CAs", "is a CA, not a person"},
	weak.SHA1:          {"SHA1"},
	weak.MD5:           {"MD5"},
	weak.ShortKeys:     {"bits", "P-224"},
}

func (l *limbo) buildOld() {
	for _, kind := range oldEntities {
		for _, shape := range oldShapes {
			if shape.needs.Has(weak.SHA1|weak.MD5) && (kind.name == "P-224") {
				continue // those are signed with RSA
			}
			l.addOld(kind, shape, "", 0, limboFault{})
		}
	}
	for _, shape := range oldShapes {
		if shape.refused != "" || !shape.needs.Has(bothKinds) || shape.needs.Has(weak.SHA1|weak.MD5) {
			continue
		}
		for _, fault := range limboFaults {
			if shape.needs.Has(weak.LegacyProxies) && slices.Contains(aboutInfo, fault.name) || slices.Contains(aboutKinds, fault.name) {
				continue
			}
			for at := range shape.proxies {
				l.addOld(oldPerson, shape, fault.name, at, fault)
			}
		}
	}
}

// Faults that a legacy proxy cannot have, and those that make another kind.
var (
	aboutInfo  = []string{"info not critical", "info empty", "independent", "unknown language", "restricted"}
	aboutKinds = []string{"legacy", "draft", "draft and RFC"}
	aboutNames = []string{"another's name", "two CNs"}
)

func (l *limbo) addOld(kind oldEntity, shape oldShape, fault string, at int, f limboFault) {
	var err error
	e := l.made["old "+kind.name]
	if e == nil {
		e, err = kind.make(l)
		require.NoError(l.t, err, kind.name)
		l.made["old "+kind.name] = e
	}
	subject, err := e.DN()
	require.NoError(l.t, err)
	c := oldCase{limboCase{name: fmt.Sprintf("%s/%s/%s %d", kind.name, shape.name, fault, at), subject: subject.Slash(), limited: shape.limited}, kind.needs | shape.needs}
	for i, spec := range shape.proxies {
		good := f.proxy == nil || i < at
		if i == at && f.proxy != nil {
			f.proxy(l, &spec)
		}
		e = l.proxyOf(e, spec, good, "old", kind.name, shape.name, i)
	}
	c.chain = e.Chain
	if f.chain != nil {
		c.chain = f.chain(l, e.Chain)
	}
	c.refused = append(c.refused, f.refused...)
	if shape.needs.Has(weak.LegacyProxies) && slices.Contains(aboutNames, fault) {
		c.refused = append(c.refused, "did not sign") // by another name it is no proxy at all
	}
	if shape.refused != "" {
		c.refused = append(c.refused, shape.refused)
	}
	if fault == "RSA 1024" || fault == "P-224" {
		c.needs, c.refused = c.needs|weak.ShortKeys, nil
	}
	l.old = append(l.old, c)
}

// under returns the case as it is to be judged with some switches.
func (c oldCase) under(on weak.Switches) limboCase {
	as := c.limboCase
	for need, reasons := range missing {
		if c.needs.Has(need) && !on.Has(need) {
			as.refused = append(slices.Clone(as.refused), reasons...)
		}
	}
	return as
}

func (l *limbo) behindSwitches(t *testing.T) {
	verifiers := map[weak.Switches]*gsi.Verifier{}
	verifier := func(on weak.Switches) *gsi.Verifier {
		if verifiers[on] == nil {
			authorities, err := trust.Open(trust.Options{Dir: l.trustDir, Accept: on})
			require.NoError(t, err)
			verifiers[on] = gsi.NewVerifier(authorities, nil)
		}
		return verifiers[on]
	}
	judged, accepted := 0, 0
	for _, c := range l.old {
		settings := []weak.Switches{0, c.needs, weak.All()}
		for need := range missing {
			if c.needs.Has(need) {
				settings = append(settings, c.needs&^need, weak.All()&^need)
			}
		}
		for _, on := range settings {
			as := c.under(on)
			judged++
			if len(as.refused) == 0 {
				accepted++
			}
			if problem := l.failsBy(verifier(on), as); problem != "" {
				t.Errorf("%s with %s: %s; want refused %q", c.name, strings.Join(on.Names(), ", "), problem, as.refused)
			}
		}
	}
	t.Logf("%d cases, judged %d times, to be accepted %d times", len(l.old), judged, accepted)
}
