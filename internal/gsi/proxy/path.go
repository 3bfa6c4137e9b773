package proxy

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// The bounds of a chain. They hold before anything else is looked at.
const (
	MaxCerts = 10
	MaxBytes = 64 << 10
)

// Path is a chain put in order.
type Path struct {
	// Proxies holds the proxies, that of the caller's key first.
	Proxies []*x509.Certificate
	// EndEntity is whom the proxies stand for.
	EndEntity *x509.Certificate
	// Above holds the other certificates presented, in no order, without
	// those that sign themselves.
	Above []*x509.Certificate
	// Limited is set if any proxy is limited: it may not submit jobs.
	Limited bool
	// Kind is that of all proxies.
	Kind Kind

	accept weak.Switches
}

// Size checks the bounds of a chain.
func Size(chain []*x509.Certificate) error {
	n := 0
	for _, c := range chain {
		n += len(c.Raw)
	}
	switch {
	case len(chain) == 0:
		return errors.New("no certificate")
	case len(chain) > MaxCerts:
		return fmt.Errorf("a chain of %d certificates: at most %d are accepted", len(chain), MaxCerts)
	case n > MaxBytes:
		return fmt.Errorf("a chain of %d bytes: at most %d are accepted", n, MaxBytes)
	}
	return nil
}

// Arrange puts a chain in order and checks everything about its proxies that
// needs no signature and no clock. The first certificate is the one whose key
// the caller has shown to hold; the others may come in any order. What is not
// RFC 3820 and strong passes only behind the switches.
func Arrange(chain []*x509.Certificate, accept weak.Switches) (*Path, error) {
	if err := Size(chain); err != nil {
		return nil, err
	}
	p := &Path{accept: accept}
	for _, c := range chain {
		if err := p.checkStrength(c); err != nil {
			return nil, err
		}
	}
	rest, err := p.climb(chain)
	if err != nil {
		return nil, err
	}
	p.Above = slices.DeleteFunc(rest, func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) })
	if err := checkEndEntity(p.EndEntity, len(p.Proxies) > 0); err != nil {
		return nil, err
	}
	return p, p.descend()
}

// climb follows the issuers from the first certificate to the end entity and
// returns the certificates that it did not come by.
func (p *Path) climb(chain []*x509.Certificate) (rest []*x509.Certificate, err error) {
	c, rest := chain[0], slices.Clone(chain[1:])
	for {
		kind := p.kindOf(c)
		if kind == None {
			p.EndEntity = c
			return rest, nil
		}
		if err := p.join(c, kind); err != nil {
			return nil, err
		}
		at := parentIndex(c, rest)
		if at < 0 {
			return nil, fmt.Errorf("the certificate that signed the proxy %s is missing from the chain, or is there twice", text(c))
		}
		parent := rest[at]
		if err := p.checkProxy(c, parent); err != nil {
			return nil, err
		}
		c, rest = parent, slices.Delete(rest, at, at+1)
	}
}

// join adds a proxy, which must be of the kind of those below it: what one
// kind states the other cannot limit.
func (p *Path) join(c *x509.Certificate, kind Kind) error {
	if p.Kind != None && p.Kind != kind {
		return fmt.Errorf("the %s proxy %s stands above %s proxies: one chain must not mix proxies of RFC 3820 with those before", kind, text(c), p.Kind)
	}
	p.Kind = kind
	p.Proxies = append(p.Proxies, c)
	return nil
}

// parentIndex returns the one certificate of rest that c names as its issuer,
// or -1. Copies of one certificate count as one.
func parentIndex(c *x509.Certificate, rest []*x509.Certificate) int {
	found := -1
	for i, r := range rest {
		if !bytes.Equal(c.RawIssuer, r.RawSubject) || !keyIDsAgree(c, r) {
			continue
		}
		if found >= 0 && !bytes.Equal(rest[found].Raw, r.Raw) {
			return -1
		}
		found = i
	}
	return found
}

func keyIDsAgree(c, parent *x509.Certificate) bool {
	return len(c.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, parent.SubjectKeyId)
}

// descend applies what each proxy allows to those below it.
func (p *Path) descend() error {
	left := NoLimit
	for _, c := range slices.Backward(p.Proxies) {
		info, err := p.infoOf(c)
		if err != nil {
			return err
		}
		if left == 0 {
			return fmt.Errorf("the proxy %s exceeds the path length that a proxy above it allows", text(c))
		}
		if left > 0 {
			left--
		}
		if info.PathLen != NoLimit && (left == NoLimit || info.PathLen < left) {
			left = info.PathLen
		}
		limited := info.Language.Equal(Limited)
		if p.Limited && !limited {
			return fmt.Errorf("the unlimited proxy %s stands below a limited one", text(c))
		}
		p.Limited = limited
	}
	return nil
}

// CheckSignatures checks that each proxy is signed by the key of the one
// above it. It is the only costly step here and does not depend on time.
func (p *Path) CheckSignatures() error {
	for i, c := range p.Proxies {
		parent := p.EndEntity
		if i+1 < len(p.Proxies) {
			parent = p.Proxies[i+1]
		}
		// Not CheckSignatureFrom: the parent is no CA, and need not be.
		if err := p.accept.CheckSignature(parent, c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
			return fmt.Errorf("the proxy %s is not signed by %s: %w", text(c), text(parent), err)
		}
	}
	return nil
}

// skew is how far in the future a proxy may begin: its issuer is the user's
// own machine, whose clock is seldom right. Ends are exact.
const skew = 5 * time.Minute

// Validity returns when the proxies are valid: from the latest beginning,
// less five minutes of clock skew, to the earliest end. It is zero and zero
// without proxies.
func (p *Path) Validity() (from, to time.Time) {
	for _, c := range p.Proxies {
		if begin := c.NotBefore.Add(-skew); begin.After(from) {
			from = begin
		}
		if to.IsZero() || c.NotAfter.Before(to) {
			to = c.NotAfter
		}
	}
	return from, to
}

func text(c *x509.Certificate) string { return name.Text(c.RawSubject) }
