package gsi_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// members is a site with two virtual organizations, a user and a log.
type members struct {
	*site
	vomsDir   string
	directory *voms.Directory
	testvo    *gridtest.VOMS
	othervo   *gridtest.VOMS
	ann, bob  *gridtest.Entity
	log       bytes.Buffer
}

func newMembers(t testing.TB) *members {
	t.Helper()
	m := &members{site: newSite(t, true), vomsDir: t.TempDir()}
	var err error
	m.testvo, err = m.grid.Strong.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	m.othervo, err = m.grid.Strong.VOMS("othervo", "voms.example.net")
	require.NoError(t, err)
	require.NoError(t, m.testvo.WriteLSC(m.vomsDir))
	require.NoError(t, m.othervo.WriteLSC(m.vomsDir))
	m.directory, err = voms.Open(voms.Options{Dir: m.vomsDir, Hosts: []string{"CE.example.org"}})
	require.NoError(t, err)
	m.verifier = gsi.NewVerifier(m.verifier.Trust(), m.now, gsi.WithVOMS(m.directory, slog.New(slog.NewTextHandler(&m.log, nil))))
	m.ann, err = m.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	m.bob, err = m.grid.Strong.User("Bob")
	require.NoError(t, err)
	return m
}

func (m *members) certify(t testing.TB, s gridtest.ACSpec) []byte {
	t.Helper()
	ac, err := m.testvo.Certify(m.ann, s)
	require.NoError(t, err)
	return ac
}

func carry(t testing.TB, e *gridtest.Entity, acs ...[]byte) *gridtest.Entity {
	t.Helper()
	p, err := e.Proxy(gridtest.ProxySpec{Change: gridtest.Carrying(acs...)})
	require.NoError(t, err)
	return p
}

func (m *members) verify(t testing.TB, e *gridtest.Entity) *gsi.Chain {
	t.Helper()
	c := m.verifier.Verify(e.Chain)
	require.NoError(t, c.Verdict(), "what an attribute certificate says never refuses the chain")
	chain, ok := gsi.ChainOf(c)
	require.True(t, ok)
	return chain
}

func fqans(c *gsi.Chain) (all []string) {
	if c.VOMS == nil {
		return nil
	}
	for _, f := range c.VOMS.FQANs {
		all = append(all, f.String())
	}
	return all
}

type acSpec = gridtest.ACSpec

func TestAttributeCertificatesThatCount(t *testing.T) {
	m := newMembers(t)
	for name, c := range map[string]struct {
		spec acSpec
		want []string
	}{
		"plain":                 {acSpec{}, []string{"/testvo"}},
		"old form of holder":    {acSpec{OldForm: true}, []string{"/testvo"}},
		"primary first":         {acSpec{FQANs: []string{"/testvo/Role=pilot", "/testvo"}}, []string{"/testvo/Role=pilot", "/testvo"}},
		"null role dropped":     {acSpec{FQANs: []string{"/testvo/g/Role=NULL/Capability=NULL", "/testvo/g", "/testvo/Role=pilot/Capability=NULL"}}, []string{"/testvo/g", "/testvo/Role=pilot"}},
		"aimed at us":           {acSpec{Hosts: []string{"se.example.org", "ce.EXAMPLE.org"}}, []string{"/testvo"}},
		"no key identifier":     {acSpec{Change: func(ac *gridtest.AC) { ac.Extensions = without(ac.Extensions, 35) }}, []string{"/testvo"}},
		"unknown extension":     {acSpec{Change: extend(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})}, []string{"/testvo"}},
		"of another VO besides": {acSpec{FQANs: []string{"/othervo/Role=boss", "/testvo", "/testvo2"}}, []string{"/testvo"}},
		"not normal besides":    {acSpec{FQANs: []string{"/testvo/../othervo", "/testvo//g", "/testvo/Role=a/Role=b", "/testvo/g", "/TESTVO"}}, []string{"/testvo/g"}},
		"as many as allowed":    {acSpec{FQANs: slices256("/testvo/g")}, slices256("/testvo/g")},
		"holder by name too":    {acSpec{Change: func(ac *gridtest.AC) { ac.Holder = addToHolder(ac.Holder, 1, m.ann.Cert().RawSubject) }}, []string{"/testvo"}},
		"key id by serial":      {acSpec{Change: keyIDBySerial(m.testvo.Cert().RawIssuer, m.testvo.Cert().SerialNumber)}, []string{"/testvo"}},
		"names in other DER": {acSpec{Change: func(ac *gridtest.AC) {
			ac.Holder = gridtest.HolderOf(printable(t, "/DC=test/DC=strong/CN=CA"), m.ann.Cert().SerialNumber)
		}}, []string{"/testvo"}},
		"begins in a minute": {acSpec{NotBefore: time.Now().Add(time.Minute)}, []string{"/testvo"}},
		"outlives the proxy": {acSpec{NotAfter: time.Now().Add(20 * time.Hour)}, []string{"/testvo"}},
	} {
		t.Run(name, func(t *testing.T) {
			chain := m.verify(t, carry(t, m.ann, m.certify(t, c.spec)))
			require.NotNil(t, chain.VOMS, "%v", chain.Ignored)
			require.Equal(t, c.want, fqans(chain))
			require.Equal(t, "testvo", chain.VOMS.VO)
			require.Equal(t, "/DC=test/DC=strong/OU=hosts/CN=voms.example.org", chain.VOMS.Issuer.Slash())
			require.Equal(t, "/DC=test/DC=strong/OU=people/CN=Ann Other", chain.Subject.Slash())
		})
	}
}

func slices256(group string) (all []string) {
	for i := range voms.MaxFQANs {
		all = append(all, group+string(rune('a'+i%26))+strings.Repeat("x", i/26))
	}
	return all
}

func without(all []pkix.Extension, last int) (rest []pkix.Extension) {
	for _, x := range all {
		if x.Id[len(x.Id)-1] != last {
			rest = append(rest, x)
		}
	}
	return rest
}

func extend(x pkix.Extension) func(*gridtest.AC) {
	return func(ac *gridtest.AC) { ac.Extensions = append(ac.Extensions, x) }
}

// addToHolder adds entityName [1] or objectDigestInfo [2] with a name.
func addToHolder(holder asn1.RawValue, tag int, rawName []byte) asn1.RawValue {
	directoryName := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: rawName}
	one, _ := asn1.Marshal(directoryName)
	more, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: one})
	var seq asn1.RawValue
	_, _ = asn1.Unmarshal(holder.FullBytes, &seq)
	all, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(bytes.Clone(seq.Bytes), more...)})
	return asn1.RawValue{FullBytes: all}
}

// keyIDBySerial names the server's key by issuer and serial number.
func keyIDBySerial(rawIssuer []byte, serial *big.Int) func(*gridtest.AC) {
	names, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: rawIssuer})
	issuer, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: names})
	number, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: serial.Bytes()})
	value, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(issuer, number...)})
	return func(ac *gridtest.AC) {
		ac.Extensions = append(without(ac.Extensions, 35), pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: value})
	}
}

func printable(t testing.TB, text string) []byte {
	t.Helper()
	d, err := authz.ParseDN(text)
	require.NoError(t, err)
	raw, err := gridtest.EncodeName(d, asn1.TagPrintableString)
	require.NoError(t, err)
	return raw
}

// A VOMS server of a CA below the root counts by its CA, and, where the file
// lists more, by all of it.
func TestVOMSServerBelowASubordinateCA(t *testing.T) {
	m := newMembers(t)
	sub, err := m.grid.Strong.Sub("/DC=test/DC=strong/DC=below")
	require.NoError(t, err)
	require.NoError(t, gridtest.WriteTrust(m.dir, m.grid.Strong, m.grid.Weak, sub))
	_, err = m.verifier.Trust().Reload()
	require.NoError(t, err)
	server, err := sub.VOMS("deepvo", "voms.below")
	require.NoError(t, err)
	ac, err := server.Certify(m.ann, acSpec{})
	require.NoError(t, err)
	e := carry(t, m.ann, ac)
	own, err := server.LSC()
	require.NoError(t, err)
	require.NoError(t, server.WriteLSC(m.vomsDir))
	for more, counts := range map[string]bool{"": true, "/DC=test/DC=strong/CN=CA\n": true, "/DC=test/DC=weak/CN=CA\n": false} {
		file := filepath.Join(m.vomsDir, "deepvo", "voms.below.lsc")
		require.NoError(t, gridtest.Replace(file, append(bytes.Clone(own), more...), 0o644))
		_, err = m.directory.Reload()
		require.NoError(t, err)
		chain := m.verify(t, e)
		require.Equal(t, counts, chain.VOMS != nil, "%q: %v", more, chain.Ignored)
	}
}

// ⚿ Every way to come by FQANs that are not one's own (threats 6.2).
func TestAttacksWithAttributeCertificates(t *testing.T) {
	m := newMembers(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	foreign, err := gridtest.NewCA("/DC=test/DC=strong") // the right name, another key
	require.NoError(t, err)
	impostor, err := foreign.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	weak, err := m.grid.Weak.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	caAsServer := &gridtest.VOMS{Entity: m.testvo.Entity, VO: "testvo", HostName: "voms.example.org"}
	rogue, err := m.grid.Strong.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/OU=hosts/CN=voms.example.org", KeyUsage: x509.KeyUsageKeyEncipherment, Hosts: []string{"voms.example.org"}})
	require.NoError(t, err)
	encipherer := &gridtest.VOMS{Entity: rogue, VO: "testvo", HostName: "voms.example.org"}
	old, err := m.grid.Strong.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/OU=hosts/CN=voms.example.org", NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	expired := &gridtest.VOMS{Entity: old, VO: "testvo", HostName: "voms.example.org"}
	otherBob, err := m.grid.Strong.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/OU=people/CN=Ann Other"})
	require.NoError(t, err)
	raw := m.testvo.Cert().Raw
	algorithm := func(oid ...int) func(*gridtest.AC) {
		return func(ac *gridtest.AC) {
			ac.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}
		}
	}
	for name, c := range map[string]struct {
		server *gridtest.VOMS
		holder *gridtest.Entity
		spec   acSpec
		want   string
	}{
		"stolen":                 {holder: m.bob, want: "holder of another certificate"},
		"stolen, old form":       {holder: m.bob, spec: acSpec{OldForm: true}, want: "holder of another certificate"},
		"stolen from a namesake": {holder: otherBob, want: "holder of another certificate"},
		"serial of another CA's": {spec: acSpec{Change: func(ac *gridtest.AC) {
			ac.Holder = gridtest.HolderOf(m.grid.Weak.Cert.RawSubject, m.ann.Cert().SerialNumber)
		}}, want: "holder of another certificate"},
		"negative serial": {spec: acSpec{Change: func(ac *gridtest.AC) {
			ac.Holder = gridtest.HolderOf(m.ann.Cert().RawIssuer, new(big.Int).Neg(m.ann.Cert().SerialNumber))
		}}, want: "holder of another certificate"},
		"holder by another name too":   {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Holder = addToHolder(ac.Holder, 1, m.bob.Cert().RawSubject) }}, want: "holder of another certificate"},
		"holder by digest too":         {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Holder = addToHolder(ac.Holder, 2, m.bob.Cert().RawSubject) }}, want: "issuer and serial number"},
		"server has expired":           {server: expired, want: "not trusted"},
		"another serial in key id":     {spec: acSpec{Change: keyIDBySerial(m.testvo.Cert().RawIssuer, m.ann.Cert().SerialNumber)}, want: "authority key"},
		"another CA in key id":         {spec: acSpec{Change: keyIDBySerial(m.grid.Weak.Cert.RawSubject, m.testvo.Cert().SerialNumber)}, want: "authority key"},
		"holder of nothing":            {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Holder = asn1.RawValue{FullBytes: []byte{0x30, 0}} }}, want: "issuer and serial number"},
		"forged":                       {spec: acSpec{SignWith: stranger}, want: "not signed by"},
		"foreign server of that name":  {server: impostor, want: "not trusted"},
		"server of another CA":         {server: weak, want: "not listed"},
		"server of another VO":         {server: m.othervo, spec: acSpec{FQANs: []string{"/testvo"}, Authority: "testvo://voms.example.org:15000"}, want: "not listed"},
		"server of another VO's name":  {server: m.othervo, spec: acSpec{FQANs: []string{"/testvo"}}, want: "none of its FQANs"},
		"server's key not for signing": {server: encipherer, want: "digital signatures"},
		"issuer is not the carried":    {server: caAsServer, spec: acSpec{Certs: [][]byte{m.othervo.Cert().Raw}}, want: "carries the certificate of"},
		"signed by the CA":             {spec: acSpec{Certs: [][]byte{m.grid.Strong.Cert.Raw}, SignWith: m.grid.Strong.Key, Change: func(ac *gridtest.AC) { ac.Issuer = gridtest.ACIssuer(m.grid.Strong.Cert.RawSubject) }}, want: "is a CA"},
		"signed by the user":           {spec: acSpec{Certs: [][]byte{m.ann.Cert().Raw}, SignWith: m.ann.Key, KeyID: gridtest.KeyID(m.ann.Cert()), Change: func(ac *gridtest.AC) { ac.Issuer = gridtest.ACIssuer(m.ann.Cert().RawSubject) }}, want: "not listed"},
		"no certificate":               {spec: acSpec{Certs: [][]byte{}}, want: "does not carry"},
		"too many certificates":        {spec: acSpec{Certs: [][]byte{raw, raw, raw, raw, raw, raw, raw, raw, raw, raw, raw}}, want: "more than 10 certificates"},
		"unknown server":               {spec: acSpec{Authority: "testvo://voms.evil.org:15000"}, want: "not known here"},
		"unknown VO":                   {spec: acSpec{Authority: "evilvo://voms.example.org:15000", FQANs: []string{"/evilvo"}}, want: "not known here"},
		"VO of another case":           {spec: acSpec{Authority: "TestVO://voms.example.org:15000"}, want: "not known here"},
		"authority climbs":             {spec: acSpec{Authority: "../testvo://voms.example.org:15000"}, want: "policy authority"},
		"authority with a slash":       {spec: acSpec{Authority: "testvo/x://voms.example.org:15000"}, want: "policy authority"},
		"authority of two":             {spec: acSpec{Authority: "testvo://a://voms.example.org:15000"}, want: "policy authority"},
		"expired":                      {spec: acSpec{NotAfter: time.Now().Add(-time.Minute)}, want: "it ended"},
		"future":                       {spec: acSpec{NotBefore: time.Now().Add(time.Hour)}, want: "valid only from"},
		"ends before it begins":        {spec: acSpec{NotBefore: time.Now().Add(time.Minute), NotAfter: time.Now()}, want: "time of validity"},
		"aimed at another":             {spec: acSpec{Hosts: []string{"se.example.org"}}, want: "other hosts"},
		"aimed at nobody":              {spec: acSpec{Hosts: []string{}}, want: "other hosts"},
		"targets unreadable":           {spec: acSpec{Change: extend(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 55}, Value: []byte{0x30, 9}})}, want: "targets"},
		"revocable":                    {spec: acSpec{Revocable: true}, want: "noRevAvail"},
		"another key's identifier":     {spec: acSpec{KeyID: []byte{1, 2, 3}}, want: "authority key"},
		"critical extension":           {spec: acSpec{Change: extend(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})}, want: "critical extension"},
		"extension twice":              {spec: acSpec{Change: extend(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 56}, Value: []byte{5, 0}})}, want: "twice"},
		"algorithm differs":            {spec: acSpec{Outer: &pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}}}, want: "one signature algorithm inside"},
		"MD5":                          {spec: acSpec{Change: algorithm(1, 2, 840, 113549, 1, 1, 4)}, want: "not accepted"},
		"SHA-1":                        {spec: acSpec{Change: algorithm(1, 2, 840, 113549, 1, 1, 5)}, want: "not accepted"},
		"ECDSA with SHA-1": {spec: acSpec{Change: func(ac *gridtest.AC) {
			ac.Algorithm = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}}
		}}, want: "not accepted"},
		"version 1":            {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Version = 0 }}, want: "version 2"},
		"no FQANs":             {spec: acSpec{FQANs: []string{}}, want: "none of its FQANs"},
		"no attribute":         {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Attributes = []gridtest.ACAttribute{} }}, want: "no FQANs"},
		"two lists of FQANs":   {spec: acSpec{Change: func(ac *gridtest.AC) { ac.Attributes = append(ac.Attributes, ac.Attributes[0]) }}, want: "more than one list"},
		"too many FQANs":       {spec: acSpec{FQANs: append(slices256("/testvo/"), "/testvo")}, want: "more than 256"},
		"FQANs of others only": {spec: acSpec{FQANs: []string{"/othervo/Role=boss", "/testvo.evil", "/testvo/.."}}, want: "none of its FQANs"},
	} {
		t.Run(name, func(t *testing.T) {
			server, holder := c.server, c.holder
			if server == nil {
				server = m.testvo
			}
			if holder == nil {
				holder = m.ann
			}
			ac, err := server.Certify(holder, c.spec)
			require.NoError(t, err)
			chain := m.verify(t, carry(t, m.ann, ac))
			require.Nil(t, chain.VOMS)
			require.Len(t, chain.Ignored, 1)
			require.ErrorContains(t, chain.Ignored[0].Err, c.want)
			require.Contains(t, m.log.String(), "does not count")
		})
	}
}

// ⚿ Bytes that are almost an attribute certificate are none (threats 36, 41).
func TestAttributeCertificatesThatAreNotDER(t *testing.T) {
	m := newMembers(t)
	ac := m.certify(t, acSpec{})
	value := gridtest.ACExtension(ac).Value
	bomb := m.certify(t, acSpec{FQANs: []string{"/testvo/" + strings.Repeat("x", voms.MaxBytes)}})
	for name, c := range map[string]struct {
		value []byte
		want  string
	}{
		"empty":             {nil, "DER"},
		"no certificate":    {[]byte{0x30, 0}, "DER"},
		"trailing bytes":    {append(bytes.Clone(value), 0), "DER"},
		"truncated":         {value[:len(value)-1], "DER"},
		"not wrapped":       {ac, "DER"},
		"indefinite length": {append(append([]byte{0x30, 0x80}, value[4:]...), 0, 0), "DER"},
		"a bomb":            {gridtest.ACExtension(bomb).Value, "at most 65536"},
		"eleven of them":    {gridtest.ACExtension(ac, ac, ac, ac, ac, ac, ac, ac, ac, ac, ac).Value, "more than 10"},
	} {
		t.Run(name, func(t *testing.T) {
			read := voms.Read(c.value)
			require.NotEmpty(t, read)
			for _, one := range read {
				require.ErrorContains(t, one.Fault(), c.want)
			}
		})
	}
	t.Run("every byte", func(t *testing.T) {
		for i := range ac {
			changed := bytes.Clone(ac)
			changed[i] ^= 0x41
			for _, one := range voms.Read(gridtest.ACExtension(changed).Value) {
				_, err := m.directory.Current().Verify(one, m.ann.Cert(), m.verifier.Trust().Current(), time.Now())
				require.Error(t, err, "byte %d", i)
			}
		}
	})
}

// Which attribute certificate counts when there are several (threats 32).
func TestTheFirstValidAttributeCertificateCounts(t *testing.T) {
	m := newMembers(t)
	a := m.certify(t, acSpec{FQANs: []string{"/testvo/a"}})
	b := m.certify(t, acSpec{FQANs: []string{"/testvo/b"}})
	expired := m.certify(t, acSpec{FQANs: []string{"/testvo/expired"}, NotAfter: time.Now().Add(-time.Hour)})
	other, err := m.othervo.Certify(m.ann, acSpec{})
	require.NoError(t, err)
	// Carl's CA puts his own, good attribute certificate into his certificate.
	carl := gridtest.Spec{Subject: "/DC=test/DC=strong/OU=people/CN=Carl", Key: m.ann.Key, Change: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(77) }}
	user, err := m.grid.Strong.Issue(carl)
	require.NoError(t, err)
	his, err := m.testvo.Certify(user, acSpec{FQANs: []string{"/testvo/a"}})
	require.NoError(t, err)
	require.Equal(t, []string{"/testvo/a"}, fqans(m.verify(t, carry(t, user, his))))
	carl.Change = func(c *x509.Certificate) {
		c.SerialNumber = big.NewInt(77)
		gridtest.Carrying(his)(c)
	}
	user, err = m.grid.Strong.Issue(carl)
	require.NoError(t, err)
	plain := func(e *gridtest.Entity) *gridtest.Entity {
		p, err := e.Proxy(gridtest.ProxySpec{})
		require.NoError(t, err)
		return p
	}
	shuffled := plain(carry(t, carry(t, m.ann, a), b))
	shuffled.Chain[1], shuffled.Chain[2] = shuffled.Chain[2], shuffled.Chain[1]
	for name, c := range map[string]struct {
		e       *gridtest.Entity
		want    []string
		ignored []string
	}{
		"two of one VO":             {carry(t, m.ann, a, b), []string{"/testvo/a"}, []string{"/testvo/b"}},
		"of two VOs":                {carry(t, m.ann, other, b), []string{"/othervo"}, []string{"/testvo/b"}},
		"the first expired":         {carry(t, m.ann, expired, b), []string{"/testvo/b"}, []string{"/testvo/expired"}},
		"the caller's proxy first":  {carry(t, carry(t, m.ann, a), b), []string{"/testvo/b"}, []string{"/testvo/a"}},
		"the caller's has none":     {plain(carry(t, m.ann, a)), []string{"/testvo/a"}, nil},
		"sent in another order":     {shuffled, []string{"/testvo/b"}, []string{"/testvo/a"}},
		"the caller's is worthless": {carry(t, carry(t, m.ann, a), expired), []string{"/testvo/a"}, []string{"/testvo/expired"}},
		"in the user's certificate": {plain(user), nil, []string{"/testvo/a"}},
		"in no proxy at all":        {user, nil, []string{"/testvo/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			chain := m.verify(t, c.e)
			require.Equal(t, c.want, fqans(chain))
			var ignored []string
			for _, i := range chain.Ignored {
				ignored = append(ignored, i.FQANs...)
			}
			require.Equal(t, c.ignored, ignored)
		})
	}
}

// ⚿ FQANs do not outlive what they rest on, in a connection that stays open:
// the attribute certificate, the server's certificate, the list of servers.
func TestFQANsAreJudgedAgain(t *testing.T) {
	m := newMembers(t)
	short := carry(t, m.ann, m.certify(t, acSpec{NotAfter: time.Now().Add(30 * time.Minute)}))
	early := carry(t, m.ann, m.certify(t, acSpec{NotBefore: time.Now().Add(20 * time.Minute)}))
	require.NotNil(t, m.verify(t, short).VOMS)
	require.Nil(t, m.verify(t, early).VOMS)
	m.ahead.Store(int64(29 * time.Minute))
	require.NotNil(t, m.verify(t, short).VOMS)
	require.NotNil(t, m.verify(t, early).VOMS)
	m.ahead.Store(int64(31 * time.Minute))
	require.Nil(t, m.verify(t, short).VOMS)
	require.NotNil(t, m.verify(t, early).VOMS)

	m.ahead.Store(0)
	lasting := carry(t, m.ann, m.certify(t, acSpec{}))
	require.NotNil(t, m.verify(t, lasting).VOMS)
	file := filepath.Join(m.vomsDir, "testvo", "voms.example.org.lsc")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	_, err = m.directory.Reload()
	require.NoError(t, err)
	require.Nil(t, m.verify(t, lasting).VOMS, "the server is no longer listed")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	_, err = m.directory.Reload()
	require.NoError(t, err)
	require.NotNil(t, m.verify(t, lasting).VOMS)

	m.grid.Strong.Revoke(m.testvo.Entity)
	require.NoError(t, m.grid.Strong.WriteCRL(m.dir, nil))
	_, err = m.verifier.Trust().Reload()
	require.NoError(t, err)
	chain := m.verify(t, lasting)
	require.Nil(t, chain.VOMS)
	require.ErrorContains(t, chain.Ignored[0].Err, "revoked")
}

// ⚿ What a refused chain carries is there for bans and for nothing else, and
// without a VOMS directory nothing counts.
func TestAttributesThatCountAgainstTheCaller(t *testing.T) {
	m := newMembers(t)
	e := carry(t, m.ann, m.certify(t, acSpec{FQANs: []string{"/testvo/Role=pilot"}}))
	for name, v := range map[string]*gsi.Verifier{"expired": gsi.NewVerifier(m.verifier.Trust(), func() time.Time { return time.Now().Add(48 * time.Hour) }, gsi.WithVOMS(m.directory, nil)), "no directory": gsi.NewVerifier(m.verifier.Trust(), nil)} {
		c := v.Verify(e.Chain)
		require.Equal(t, name == "expired", c.Verdict() != nil)
		chain, _ := gsi.ChainOf(c)
		require.Nil(t, chain.VOMS)
		require.Len(t, chain.Ignored, 1)
		require.Equal(t, "testvo", chain.Ignored[0].VO)
		require.Equal(t, []string{"/testvo/Role=pilot"}, chain.Ignored[0].FQANs)
	}
}

// ⚿ Attribute certificates of MD5 and SHA-1 count behind their switch only.
func TestWeakAttributeCertificates(t *testing.T) {
	key, err := gridtest.RSAKey(2048, 0)
	require.NoError(t, err)
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	server, err := ca.Issue(gridtest.Spec{Subject: "/DC=test/CN=voms.test", Key: key})
	require.NoError(t, err)
	v := &gridtest.VOMS{Entity: server, VO: "testvo", HostName: "voms.test"}
	trustDir, vomsDir := t.TempDir(), t.TempDir()
	require.NoError(t, gridtest.WriteTrust(trustDir, ca))
	require.NoError(t, v.WriteLSC(vomsDir))
	directory, err := voms.Open(voms.Options{Dir: vomsDir})
	require.NoError(t, err)
	ann, err := ca.User("Ann Other")
	require.NoError(t, err)
	for _, c := range []struct {
		hash  crypto.Hash
		oid   asn1.ObjectIdentifier
		needs weak.Switches
	}{
		{crypto.MD5, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, weak.MD5},
		{crypto.SHA1, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, weak.SHA1},
	} {
		ac, err := v.Certify(ann, gridtest.ACSpec{Hash: c.hash, Change: func(a *gridtest.AC) {
			a.Algorithm = pkix.AlgorithmIdentifier{Algorithm: c.oid, Parameters: asn1.NullRawValue}
		}})
		require.NoError(t, err)
		e, err := ann.Proxy(gridtest.ProxySpec{Change: gridtest.Carrying(ac)})
		require.NoError(t, err)
		for _, on := range []weak.Switches{0, c.needs, weak.All() &^ c.needs, weak.All()} {
			authorities, err := trust.Open(trust.Options{Dir: trustDir, Accept: on})
			require.NoError(t, err)
			credential := gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil)).Verify(e.Chain)
			require.NoError(t, credential.Verdict())
			chain, _ := gsi.ChainOf(credential)
			require.Equal(t, on.Has(c.needs), chain.VOMS != nil)
			if chain.VOMS == nil {
				require.ErrorContains(t, chain.Ignored[0].Err, "not accepted")
			}
		}
	}
}
