package voms

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// Grant is what a verified attribute certificate says.
type Grant struct {
	VO     string
	FQANs  []authz.FQAN // the primary first; never empty
	Server string       // host name
	Issuer authz.DN     // the VOMS server's subject
	// Dropped are the FQANs that do not count: of another virtual
	// organization, or not in normal form.
	Dropped []string
	// Until is when it must be looked at again at the latest.
	Until time.Time
}

// skew is how far in the future an attribute certificate may begin: it is
// issued by another machine's clock. Ends are exact.
const skew = 5 * time.Minute

// Verify checks an attribute certificate presented with the chain of that end
// entity. The cheap questions come first: no signature is checked for a
// server that is not listed. That one outlives its proxy is no fault: the
// chain it came in ends with the proxy.
func (s *Servers) Verify(c *Certificate, endEntity *x509.Certificate, anchors *trust.Anchors, at time.Time) (Grant, error) {
	if c.fault != nil {
		return Grant{}, c.fault
	}
	for _, check := range []func() error{
		func() error { return c.checkHolder(endEntity) },
		func() error { return c.checkTime(at) },
		func() error { return c.checkTargets(s.hosts) },
		func() error { return c.checkServer(anchors.Accepts()) },
	} {
		if err := check(); err != nil {
			return Grant{}, err
		}
	}
	issuer, until, err := s.checkSigner(c, anchors, at)
	if err != nil {
		return Grant{}, err
	}
	return c.grant(issuer, until)
}

// checkHolder keeps stolen attribute certificates out.
func (c *Certificate) checkHolder(e *x509.Certificate) error {
	h := &c.holder
	if h.serial.Cmp(e.SerialNumber) == 0 && (sameName(h.issuer, e.RawIssuer) || sameName(h.issuer, e.RawSubject)) &&
		(h.entity == nil || sameName(h.entity, e.RawSubject)) {
		return nil
	}
	return fmt.Errorf("it was issued to the holder of another certificate, number %x of %s, not to %s", h.serial, name.Text(h.issuer), name.Text(e.RawSubject))
}

func (c *Certificate) checkTime(at time.Time) error {
	switch {
	case at.Before(c.NotBefore.Add(-skew)):
		return fmt.Errorf("it is valid only from %s", c.NotBefore.Format(time.RFC3339))
	case at.After(c.NotAfter):
		return fmt.Errorf("it ended %s", c.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func (c *Certificate) checkTargets(hosts map[string]bool) error {
	if c.targeted && !slices.ContainsFunc(c.targets, func(t string) bool { return hosts[t] }) {
		return fmt.Errorf("it is meant for other hosts: %q", c.targets)
	}
	return nil
}

// checkServer checks what the server's certificate must be, whoever vouches
// for it.
func (c *Certificate) checkServer(accept weak.Switches) error {
	if err := accept.CheckAlgorithm(c.algorithm); err != nil {
		return fmt.Errorf("it is %w", err)
	}
	for _, cert := range c.Certs {
		if err := accept.CheckKey(cert); err != nil {
			return err
		}
	}
	server := c.Certs[0]
	switch {
	case !sameName(c.issuer, server.RawSubject):
		return fmt.Errorf("it is issued by %s and carries the certificate of %s", name.Text(c.issuer), name.Text(server.RawSubject))
	case server.IsCA || server.KeyUsage&x509.KeyUsageCertSign != 0:
		return fmt.Errorf("its issuer %s is a CA, not a VOMS server", name.Text(c.issuer))
	case server.KeyUsage != 0 && server.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("the key of its issuer %s may not be used for digital signatures", name.Text(c.issuer))
	case !c.authority.fits(server):
		return fmt.Errorf("its authority key identifier is not that of %s", name.Text(c.issuer))
	}
	return nil
}

// checkSigner checks who signed, and that the names up to its CA are listed.
func (s *Servers) checkSigner(c *Certificate, anchors *trust.Anchors, at time.Time) (issuer authz.DN, until time.Time, err error) {
	server := c.Certs[0]
	names, err := decodeAll(nil, server.RawSubject, server.RawIssuer)
	if err != nil {
		return issuer, until, err
	}
	issuer = names[0]
	listed, ok := s.known[c.VO][strings.ToLower(c.Server)]
	switch {
	case !ok:
		return issuer, until, fmt.Errorf("the VOMS server %s of %s is not known here: there is no file %s/%s%s in the VOMS directory", c.Server, c.VO, c.VO, c.Server, extension)
	case !listed.begins(names[0], names[1]):
		return issuer, until, fmt.Errorf("its issuer %s, certified by %s, is not listed in %s/%s%s", names[0], names[1], c.VO, c.Server, extension)
	}
	if err := anchors.Accepts().CheckSignature(server, c.algorithm, c.info, c.signature); err != nil {
		return issuer, until, fmt.Errorf("it is not signed by %s: %w", issuer, err)
	}
	path, err := anchors.Verify(server, c.Certs[1:], at, x509.ExtKeyUsageAny)
	if err != nil {
		return issuer, until, fmt.Errorf("its VOMS server is not trusted: %w", err)
	}
	if len(path.Chain) < len(names) {
		return issuer, until, fmt.Errorf("its issuer %s is itself among the trusted CAs", issuer)
	}
	for _, ca := range path.Chain[len(names):] {
		if names, err = decodeAll(names, ca.RawSubject); err != nil {
			return issuer, until, err
		}
	}
	if !listed.lists(names) {
		return issuer, until, fmt.Errorf("the CAs above its issuer %s are not those listed in %s/%s%s", issuer, c.VO, c.Server, extension)
	}
	return issuer, path.Until, nil
}

func decodeAll(names []authz.DN, raw ...[]byte) ([]authz.DN, error) {
	for _, r := range raw {
		d, err := name.Decode(r)
		if err != nil {
			return nil, err
		}
		names = append(names, d)
	}
	return names, nil
}

// grant sorts out the FQANs.
func (c *Certificate) grant(issuer authz.DN, until time.Time) (Grant, error) {
	g := Grant{VO: c.VO, Server: c.Server, Issuer: issuer, Until: until}
	if c.NotAfter.Before(g.Until) {
		g.Until = c.NotAfter
	}
	for _, text := range c.FQANs {
		f, err := authz.ParseFQAN(text)
		if err != nil || f.VO() != c.VO {
			g.Dropped = append(g.Dropped, text)
		} else if !slices.ContainsFunc(g.FQANs, f.Equal) {
			g.FQANs = append(g.FQANs, f)
		}
	}
	if len(g.FQANs) == 0 {
		return Grant{}, fmt.Errorf("none of its FQANs is of its own virtual organization %s and in normal form", c.VO)
	}
	return g, nil
}

// ErrLater is the reason for ignoring an attribute certificate that may be
// good but stands behind one that counts.
var ErrLater = errors.New("another attribute certificate counts before it")
