package gsi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// Chain is the Value of a Credential made here. It is immutable. Of a refused
// chain only what was understood before the refusal is there.
type Chain struct {
	// Certificates are as they were presented.
	Certificates []*x509.Certificate
	// Path is nil if the chain could not be put in order.
	Path *proxy.Path
	// Subject and Issuer are those of the end entity.
	Subject, Issuer authz.DN
	// IssuerKey identifies the key of the issuing CA, so that two CAs of one
	// name are told apart: the hex SHA-256 of its public key info. It is
	// empty unless the chain was verified.
	IssuerKey string
	// Issuers are the CAs from the end entity's to the root, once each.
	Issuers []authz.DN
	// Keys are the keys of the Issuers, as [trust.KeyOf] writes them, once
	// each.
	Keys []string
	// Values are names and keys as a request holds them, made once; empty unless
	// the chain was verified.
	Values Values
	// Limited is set if a proxy is limited.
	Limited bool
	// VOMS is what the first valid attribute certificate says; nil if there
	// is none.
	VOMS *voms.Grant
	// Ignored are the attribute certificates that do not count: for bans.
	Ignored []Ignored
	// Presented holds every name in the chain as presented, subject or
	// issuer, once each: what bans look at when the chain is refused.
	Presented []authz.DN
	// PresentedKeys are the keys of all CA certificates in the chain.
	PresentedKeys []string
}

// Values are what a verified chain says, as values of attributes. The slices are
// shared by all requests.
type Values struct {
	Subject, Issuer, VOMSIssuer authz.Value
	Issuers, Keys               []authz.Value
}

// ChainOf returns the Chain of a credential that this package made.
func ChainOf(c *authz.Credential) (*Chain, bool) {
	if c == nil {
		return nil, false
	}
	chain, ok := c.Value.(*Chain)
	return chain, ok
}

// Digest returns the SHA-256 over all certificates.
func Digest(certs []*x509.Certificate) [sha256.Size]byte {
	if len(certs) == 1 {
		return sha256.Sum256(certs[0].Raw)
	}
	h := sha256.New()
	for _, c := range certs {
		h.Write(c.Raw)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// read takes the names from the chain; the path may be missing.
func (c *Chain) read() error {
	known, seen := map[string]authz.DN{}, map[string]bool{}
	for _, cert := range c.Certificates[:min(len(c.Certificates), proxy.MaxCerts)] {
		if cert.IsCA {
			c.PresentedKeys = appendNew(c.PresentedKeys, trust.KeyOf(cert))
		}
		for _, raw := range [][]byte{cert.RawSubject, cert.RawIssuer} {
			if _, ok := known[string(raw)]; ok {
				continue
			}
			if d, err := name.Decode(raw); err == nil && !seen[d.Key()] {
				known[string(raw)], seen[d.Key()] = d, true
				c.Presented = append(c.Presented, d)
			}
		}
	}
	if c.Path == nil {
		return nil
	}
	c.Limited = c.Path.Limited
	var err error
	if c.Subject, err = decode(known, c.Path.EndEntity.RawSubject); err != nil {
		return err
	}
	c.Issuer, err = decode(known, c.Path.EndEntity.RawIssuer)
	return err
}

// decode reads a name unless it was read before.
func decode(known map[string]authz.DN, raw []byte) (authz.DN, error) {
	if d, ok := known[string(raw)]; ok {
		return d, nil
	}
	return name.Decode(raw)
}

// vouched takes the CAs from a verified path.
func (c *Chain) vouched(path []*x509.Certificate) {
	if len(path) < 2 {
		return
	}
	key := sha256.Sum256(path[1].RawSubjectPublicKeyInfo)
	c.IssuerKey, c.Issuers, c.Keys = hex.EncodeToString(key[:]), nil, nil
	for i, ca := range path[1:] {
		c.Keys = appendNew(c.Keys, trust.KeyOf(ca))
		if i == 0 { // it is what the end entity calls its issuer
			c.Issuers = append(c.Issuers, c.Issuer)
		} else if d, err := name.Decode(ca.RawSubject); err == nil {
			c.Issuers = append(c.Issuers, d)
		}
	}
}

// speak fills in Values once everything else is there.
func (c *Chain) speak() {
	v := &c.Values
	v.Subject, v.Issuer = authz.DNValue(c.Subject), authz.DNValue(c.Issuer)
	for _, d := range c.Issuers {
		v.Issuers = append(v.Issuers, authz.DNValue(d))
	}
	for _, k := range c.Keys {
		v.Keys = append(v.Keys, authz.StringValue(k))
	}
	if c.VOMS != nil {
		v.VOMSIssuer = authz.DNValue(c.VOMS.Issuer)
	}
}

func appendNew(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// verdict is the outcome of looking at a chain once, with how long it holds.
type verdict struct {
	anchors     *trust.Anchors // the authorities it was made with
	servers     *voms.Servers  // and the VOMS servers
	from, until time.Time
	credential  *authz.Credential
}
