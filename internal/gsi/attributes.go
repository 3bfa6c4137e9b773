package gsi

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// Ignored is what an attribute certificate presents that does not count.
type Ignored struct {
	VO    string   // "" if it could not be read
	FQANs []string // as written
	Err   error    // why
}

var (
	errRefused  = errors.New("the chain that carries it is refused")
	errNoVOMS   = errors.New("no VOMS servers are known here: there is no VOMS directory")
	errNotProxy = errors.New("it stands in a certificate that is no proxy")
	errDropped  = errors.New("the VOMS server speaks for its own virtual organization only, and in normal form")
	errMany     = errors.New("there are too many attribute certificates in the chain")
)

// attributes is an attribute certificate with the certificate that carries it.
type attributes struct {
	*voms.Certificate
	carrier *x509.Certificate
}

// carried reads the attribute certificates of a chain, in the order of the
// chain, a bounded number of them.
func carried(certs []*x509.Certificate) (all []attributes) {
	for _, c := range certs[:min(len(certs), proxy.MaxCerts)] {
		for _, x := range c.Extensions {
			if !x.Id.Equal(voms.OID) {
				continue
			}
			for _, one := range voms.Read(x.Value) {
				all = append(all, attributes{one, c})
			}
		}
	}
	return all
}

// attach takes the first attribute certificate that counts and returns when
// that must be looked at again.
func (c *Chain) attach(all []attributes, servers *voms.Servers, anchors *trust.Anchors, at time.Time) (until time.Time) {
	all = inOrder(all, c.Path.Proxies)
	for i, one := range all {
		if i == voms.MaxCertificates {
			c.Ignored = append(c.Ignored, allIgnored(all[i:], errMany)...)
			break
		}
		grant, err := c.judge(one, servers, anchors, at)
		if err != nil {
			c.Ignored = append(c.Ignored, one.ignored(err))
			continue
		}
		if len(grant.Dropped) > 0 {
			c.Ignored = append(c.Ignored, Ignored{grant.VO, grant.Dropped, errDropped})
		}
		c.VOMS, until = &grant, grant.Until
	}
	if c.VOMS == nil && len(all) > 0 && servers != nil {
		return at.Add(verdictLife) // it may become valid
	}
	return until
}

func (c *Chain) judge(one attributes, servers *voms.Servers, anchors *trust.Anchors, at time.Time) (voms.Grant, error) {
	switch {
	case servers == nil:
		return voms.Grant{}, errNoVOMS
	case c.VOMS != nil:
		return voms.Grant{}, voms.ErrLater
	case !slices.Contains(c.Path.Proxies, one.carrier):
		return voms.Grant{}, errNotProxy
	}
	return servers.Verify(one.Certificate, c.Path.EndEntity, anchors, at)
}

// inOrder puts the attribute certificates of the proxies first, from the
// caller's up: certificates may be presented in any order.
func inOrder(all []attributes, proxies []*x509.Certificate) []attributes {
	rank := func(a attributes) int {
		if at := slices.Index(proxies, a.carrier); at >= 0 {
			return at
		}
		return len(proxies)
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b attributes) int { return rank(a) - rank(b) })
	return sorted
}

func (a attributes) ignored(err error) Ignored { return Ignored{a.VO, a.FQANs, err} }

func allIgnored(all []attributes, err error) []Ignored {
	ignored := make([]Ignored, len(all))
	for i, one := range all {
		ignored[i] = one.ignored(err)
	}
	return ignored
}

// report logs what does not count, unless the last verdict said the same. The
// chains of strangers are not worth a line for each piece.
func (s *subject) report(last, next *verdict) {
	if next.credential.Err != nil {
		return
	}
	reasons := next.ignored()
	if last != nil && slices.Equal(last.ignored(), reasons) {
		return
	}
	for _, i := range next.chain().Ignored {
		if !errors.Is(i.Err, voms.ErrLater) && !errors.Is(i.Err, errNoVOMS) {
			s.verifier.log.Warn("an attribute certificate does not count", slog.String("subject", next.credential.Subject),
				slog.String("vo", i.VO), slog.Int("fqans", len(i.FQANs)), slog.Any("reason", i.Err))
		}
	}
}

func (v *verdict) chain() *Chain { return v.credential.Value.(*Chain) }

func (v *verdict) ignored() []string {
	var reasons []string
	for _, i := range v.chain().Ignored {
		reasons = append(reasons, i.Err.Error())
	}
	return reasons
}
