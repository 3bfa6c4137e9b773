package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// Anchors is a set of certification authorities at one moment. It is
// immutable, so its address tells one state from the next.
type Anchors struct {
	policy        CRLPolicy
	accept        weak.Switches
	roots         *x509.CertPool
	intermediates *x509.CertPool
	authorities   map[string]*authority // by subject and key
	keys          map[string][]string   // by the ban key of the name, see KeysOf
	count         int
	troubles      []follow.Trouble
}

// authority is what the files say about one CA key.
type authority struct {
	cert     *x509.Certificate
	name     authz.DN // of cert; zero if it cannot be read
	crl      *crl
	crlError error // a list is there that cannot be used
	policies []policy
	// policyError: a policy is there that cannot be read.
	policyError error
}

// Len returns the number of authorities.
func (a *Anchors) Len() int { return a.count }

// Certificates returns the certificates of the authorities, in no order.
func (a *Anchors) Certificates() []*x509.Certificate {
	all := make([]*x509.Certificate, 0, len(a.authorities))
	for _, one := range a.authorities {
		all = append(all, one.cert)
	}
	return all
}

// Roots returns the root certificates, for a tls.Config.
func (a *Anchors) Roots() *x509.CertPool { return a.roots }

func caKey(c *x509.Certificate) string {
	return string(c.RawSubject) + "\x00" + string(c.RawSubjectPublicKeyInfo)
}

func (o *Options) assemble(all files) *Anchors {
	a := &Anchors{policy: o.CRLs, accept: o.Accept, roots: x509.NewCertPool(), intermediates: x509.NewCertPool(), authorities: map[string]*authority{}, troubles: all.Troubles()}
	bases := map[string][]*authority{}
	for path, f := range all {
		for _, c := range f.Content.certs {
			if isCA(c) {
				_, base := o.kindOf(path)
				bases[base] = append(bases[base], a.add(c))
			}
		}
	}
	for path, f := range all {
		kind, base := o.kindOf(path)
		for _, one := range bases[base] {
			one.join(kind, f)
		}
		for _, list := range f.Content.crls {
			for _, one := range a.authorities {
				one.take(list, o.Accept)
			}
		}
	}
	a.count = len(a.authorities)
	a.keys = map[string][]string{}
	for _, one := range a.authorities {
		if !one.name.IsZero() {
			a.keys[one.name.BanKey()] = append(a.keys[one.name.BanKey()], KeyOf(one.cert))
		}
	}
	return a
}

// Accepts returns what is let in though it is no longer safe.
func (a *Anchors) Accepts() weak.Switches { return a.accept }

// KeyOf returns what a CA is banned by whatever it calls itself: "sha256:" and
// the SHA-256 of its public key info in hex.
func KeyOf(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// KeysOf returns the keys of the CAs of that name, given by its ban key: for
// bans, where nobody presents the certificate.
func (a *Anchors) KeysOf(banKey string) []string { return a.keys[banKey] }

// Troubles returns the files whose newest content is not in force, by path.
func (a *Anchors) Troubles() []follow.Trouble { return a.troubles }

func (a *Anchors) add(c *x509.Certificate) *authority {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		a.roots.AddCert(c)
	} else {
		a.intermediates.AddCert(c)
	}
	key := caKey(c)
	if a.authorities[key] == nil {
		a.authorities[key] = newAuthority(c)
	}
	return a.authorities[key]
}

func newAuthority(c *x509.Certificate) *authority {
	one := &authority{cert: c}
	if d, err := name.Decode(c.RawSubject); err == nil {
		one.name = d
	}
	return one
}

// join takes from a file what belongs to the CA of its base name.
func (one *authority) join(k kind, f *file) {
	switch k {
	case kindPolicy, kindNamespaces:
		if f.Content.policy != nil {
			one.policies = append(one.policies, f.Content.policy)
		} else if f.Err != nil {
			one.policyError = fmt.Errorf("%s: %w", f.Path, f.Err)
		}
	case kindCRL:
		if f.Err != nil && len(f.Content.crls) == 0 {
			one.crlError = fmt.Errorf("%s: %w", f.Path, f.Err)
		}
	}
}

// take keeps the newest list of the CA.
func (one *authority) take(list *crl, accept weak.Switches) {
	if bytes.Equal(list.issuer, one.cert.RawSubject) && (one.crl == nil || list.thisUpdate.After(one.crl.thisUpdate)) && list.signedBy(one.cert, accept) == nil {
		one.crl = list
	}
}

// Path is an end entity's certificate with those that vouch for it.
type Path struct {
	// Chain goes from the end entity to the root.
	Chain []*x509.Certificate
	// Until is when the path must be looked at again at the latest: the
	// first end of a certificate or of a revocation list in use.
	Until time.Time
}

// Verify finds a path from the end entity to a root that holds at that time:
// signatures, validity, constraints, extended key usage, signing policies,
// revocation. The certificates above may be used on the way. Of several paths
// the first that passes is taken; the error is about the first that does not.
func (a *Anchors) Verify(leaf *x509.Certificate, above []*x509.Certificate, at time.Time, usage x509.ExtKeyUsage) (Path, error) {
	pool := a.intermediates
	if len(above) > 0 {
		pool = pool.Clone()
		for _, c := range above {
			pool.AddCert(c)
		}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: a.roots, Intermediates: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil && a.accept.Has(weak.SHA1|weak.MD5) {
		if chains = a.weakChains(leaf, above, at, usage); len(chains) > 0 {
			err = nil
		}
	}
	if err != nil {
		return Path{}, a.readable(leaf, err)
	}
	var first error
	for _, chain := range chains {
		until, err := a.check(chain, at)
		if err == nil {
			return Path{Chain: chain, Until: until}, nil
		}
		if first == nil {
			first = err
		}
	}
	return Path{}, first
}

func (a *Anchors) readable(leaf *x509.Certificate, err error) error {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%s is issued by %s, which is not among the trusted CAs or did not sign it", name.Text(leaf.RawSubject), name.Text(leaf.RawIssuer))
	}
	return fmt.Errorf("%s: %w", name.Text(leaf.RawSubject), err)
}

func (a *Anchors) check(chain []*x509.Certificate, at time.Time) (until time.Time, err error) {
	until = chain[0].NotAfter
	for i, c := range chain {
		if err := a.accept.CheckKey(c); err != nil {
			return until, err
		}
		until = earlier(until, c.NotAfter)
		if i+1 == len(chain) {
			break
		}
		one := a.authorities[caKey(chain[i+1])]
		if one == nil { // presented along with the certificate
			one = newAuthority(chain[i+1])
		}
		if err := a.bound(chain[i+1:]).checkPolicy(c); err != nil {
			return until, err
		}
		next, err := one.checkRevoked(c, a.policy, at)
		if err != nil {
			return until, err
		}
		until = earlier(until, next)
	}
	return until, nil
}

// bound returns the authority whose signing policies hold for what the first of
// the CAs signs: its own, or, if it is only presented, those of the first one
// above it that is here. The root always is.
func (a *Anchors) bound(cas []*x509.Certificate) *authority {
	for _, ca := range cas {
		if one := a.authorities[caKey(ca)]; one != nil {
			return one
		}
	}
	return &authority{cert: cas[0], policyError: errors.New("nobody above it is known here")}
}

func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// checkPolicy applies the signing policies: every one there is must allow.
func (one *authority) checkPolicy(c *x509.Certificate) error {
	if one.policyError != nil {
		return fmt.Errorf("the signing policy of %s cannot be used: %w", name.Text(one.cert.RawSubject), one.policyError)
	}
	if len(one.policies) == 0 {
		return nil
	}
	if one.name.IsZero() {
		return errors.New("the name of a CA cannot be read")
	}
	subject, err := name.Decode(c.RawSubject)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(one.policies, func(p policy) bool { return !p.allows(one.name, subject) }) {
		return fmt.Errorf("%s is outside what its CA %s may sign", subject.Slash(), one.name.Slash())
	}
	return nil
}

// checkRevoked returns until when the list in use holds.
func (one *authority) checkRevoked(c *x509.Certificate, policy CRLPolicy, at time.Time) (time.Time, error) {
	ca := name.Text(one.cert.RawSubject)
	switch list := one.crl; {
	case policy == Ignore:
		return time.Time{}, nil
	case list == nil && one.crlError != nil:
		return time.Time{}, fmt.Errorf("the revocation list of %s cannot be used: %w", ca, one.crlError)
	case list == nil && policy == IfPresent:
		return time.Time{}, nil
	case list == nil:
		return time.Time{}, fmt.Errorf("there is no revocation list of %s", ca)
	case list.revokes(c):
		return time.Time{}, fmt.Errorf("%s is revoked by its CA", name.Text(c.RawSubject))
	case list.nextUpdate.IsZero() || at.After(list.nextUpdate):
		return time.Time{}, fmt.Errorf("the revocation list of %s is out of date: it ended %s", ca, list.nextUpdate.Format(time.RFC3339))
	default:
		return list.nextUpdate, nil
	}
}
