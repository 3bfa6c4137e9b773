package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// crypto/x509 builds no path over a signature with SHA-1 or MD5. Behind the
// switches that let those in, this does: a plain search, bounded, that knows no
// constraints of names and policies and refuses every CA that states any.

const (
	maxDepth  = 10
	maxChecks = 100 // of signatures, in one search
)

// constraints are the extensions by which a CA limits those below it beyond what
// maySign checks: name constraints, policy mappings, policy constraints,
// inhibitAnyPolicy.
var constraints = []asn1.ObjectIdentifier{{2, 5, 29, 30}, {2, 5, 29, 33}, {2, 5, 29, 36}, {2, 5, 29, 54}}

func isConstraint(x pkix.Extension) bool {
	return slices.ContainsFunc(constraints, func(oid asn1.ObjectIdentifier) bool { return x.Id.Equal(oid) })
}

// search is one search for paths.
type search struct {
	anchors *Anchors
	above   []*x509.Certificate
	at      time.Time
	usage   x509.ExtKeyUsage
	checks  int
	found   [][]*x509.Certificate
}

// weakChains returns the paths from leaf to a root that hold at that time and
// have a weak signature on them: about others crypto/x509 has spoken.
func (a *Anchors) weakChains(leaf *x509.Certificate, above []*x509.Certificate, at time.Time, usage x509.ExtKeyUsage) [][]*x509.Certificate {
	s := &search{anchors: a, above: above, at: at, usage: usage}
	if s.holds(leaf) {
		s.climb([]*x509.Certificate{leaf})
	}
	return slices.DeleteFunc(s.found, func(path []*x509.Certificate) bool { return !slices.ContainsFunc(path[:len(path)-1], weaklySigned) })
}

func weaklySigned(c *x509.Certificate) bool {
	needs, _ := weak.Needs(c.SignatureAlgorithm)
	return needs != 0
}

// holds checks of one certificate what does not depend on the others.
func (s *search) holds(c *x509.Certificate) bool {
	usages := len(c.ExtKeyUsage) + len(c.UnknownExtKeyUsage)
	fit := s.usage == x509.ExtKeyUsageAny || slices.Contains(c.ExtKeyUsage, s.usage) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	return !s.at.Before(c.NotBefore) && !s.at.After(c.NotAfter) && len(c.UnhandledCriticalExtensions) == 0 && (usages == 0 || fit)
}

func (s *search) climb(path []*x509.Certificate) {
	last := path[len(path)-1]
	if root := s.anchors.authorities[caKey(last)]; root != nil && isRoot(last) {
		s.found = append(s.found, slices.Clone(path))
		return
	}
	if len(path) == maxDepth {
		return
	}
	for _, ca := range s.issuers(last) {
		if slices.ContainsFunc(path, func(c *x509.Certificate) bool { return caKey(c) == caKey(ca) }) || !s.maySign(ca, len(path)-1) {
			continue
		}
		if s.checks++; s.checks > maxChecks {
			return
		}
		if s.anchors.accept.CheckSignature(ca, last.SignatureAlgorithm, last.RawTBSCertificate, last.Signature) == nil {
			s.climb(append(path, ca))
		}
	}
}

func isRoot(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// issuers returns the certificates of the name that c gives as its issuer,
// those of the authorities first. What is only presented is never a root.
func (s *search) issuers(c *x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, one := range s.anchors.authorities {
		if bytes.Equal(one.cert.RawSubject, c.RawIssuer) {
			all = append(all, one.cert)
		}
	}
	for _, one := range s.above {
		if bytes.Equal(one.RawSubject, c.RawIssuer) && !isRoot(one) {
			all = append(all, one)
		}
	}
	return all
}

// maySign checks that c may be a CA with so many CAs between it and the end
// entity.
func (s *search) maySign(c *x509.Certificate, below int) bool {
	constrained := slices.ContainsFunc(c.Extensions, isConstraint)
	long := c.BasicConstraintsValid && c.MaxPathLen >= 0 && below > c.MaxPathLen
	return isCA(c) && (c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0) && !constrained && !long && s.holds(c)
}
