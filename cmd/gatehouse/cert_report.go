package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// report prints what is known about a chain.
type report struct {
	out      io.Writer
	now      time.Time
	crl      string // the policy about revocation lists
	anchors  *trust.Anchors
	profiles *authnprofile.Profiles
	needs    weak.Switches // without which the chain is refused
}

func (r report) printf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

func (r report) print(chain *gsi.Chain, request *authz.Request, refusal error) {
	r.printf("Certificates\n")
	for i, c := range chain.Certificates {
		r.certificate(i+1, c, chain.Path)
	}
	r.printf("\nChecks\n")
	r.checks(chain, r.anchors)
	r.accepted(chain, request)
	r.attributes(chain)
	r.printf("\n")
	r.switches()
	if refusal != nil {
		r.printf("Refused: %s.\n", plain(refusal.Error()))
		return
	}
	limited := ""
	if chain.Limited {
		limited = ", by a limited proxy"
	}
	r.printf("Subject   %s\nIssuer    %s\n", chain.Subject.Slash(), chain.Issuer.Slash())
	for _, key := range chain.Keys {
		r.printf("CA key    %s\n", key)
	}
	r.printf("Strength  %s%s\nAccepted.\n", strengthOf(request), limited)
}

// switches says what would let the chain in, or does.
func (r report) switches() {
	if missing := r.needs &^ r.anchors.Accepts(); missing != 0 {
		r.printf("Needs     trust.accept: [%s]; none of that is safe\n", strings.Join(missing.Names(), ", "))
	} else if r.needs != 0 {
		r.printf("Let in by trust.accept: [%s]\n", strings.Join(r.needs.Names(), ", "))
	}
}

// accepted prints the check of the authentication profiles, if there are any
// and the chain came so far.
func (r report) accepted(chain *gsi.Chain, request *authz.Request) {
	if chain.Keys == nil || r.profiles.Len() == 0 && !r.profiles.Gates() {
		return
	}
	of := strings.Join(r.profiles.Of(chain.Issuer), ", ")
	if of == "" {
		of = "none"
	}
	alias, ok := request.Verified(authz.Subject, profile.AuthnProfile)
	_, member := request.Verified(authz.Subject, profile.VO)
	switch {
	case !r.profiles.Gates():
		r.printf("  %-11s %s\n", "profiles", of)
	case !ok:
		r.printf("  %-11s failed: the CA is in %s; see trust.vo-ca-ap\n", "profiles", of)
	case chain.VOMS != nil && !member:
		r.printf("  %-11s ok: %s, without a virtual organization: not accepted for members of %s, so what VOMS says does not count\n", "profiles", alias.Text(), chain.VOMS.VO)
	default:
		r.printf("  %-11s ok: %s\n", "profiles", alias.Text())
	}
}

func (r report) certificate(number int, c *x509.Certificate, path *proxy.Path) {
	r.printf("  %d  %-12s %s\n", number, kind(c, path), name.Text(c.RawSubject))
	r.printf("     issued by    %s\n", name.Text(c.RawIssuer))
	r.printf("     valid        %s to %s (%s)\n", stamp(c.NotBefore), stamp(c.NotAfter), r.left(c))
	r.printf("     strength     %s, signed with %s\n", keySize(c), c.SignatureAlgorithm)
	r.printf("     serial       %x\n", c.SerialNumber)
}

// kind says what a certificate is in the chain.
func kind(c *x509.Certificate, path *proxy.Path) string {
	switch {
	case path != nil && slices.Contains(path.Proxies, c) && path.Kind == proxy.RFC:
		return "proxy"
	case path != nil && slices.Contains(path.Proxies, c):
		return string(path.Kind) + " proxy"
	case path != nil && path.EndEntity == c:
		return "end entity"
	case c.IsCA:
		return "CA"
	default:
		return "certificate"
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (r report) left(c *x509.Certificate) string {
	switch {
	case r.now.Before(c.NotBefore):
		return "not yet"
	case r.now.After(c.NotAfter):
		return "ended"
	default:
		return "ends in " + span(c.NotAfter.Sub(r.now))
	}
}

func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

func keySize(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return "key of an unknown kind"
	}
}

// checks repeats what the verifier does, step by step, up to the first that
// fails. The verdict is the verifier's own.
func (r report) checks(chain *gsi.Chain, anchors *trust.Anchors) {
	var path *proxy.Path
	for _, step := range []struct {
		what  string
		check func() (string, error)
	}{
		{"size", func() (string, error) {
			return fmt.Sprintf("%d of at most %d certificates", len(chain.Certificates), proxy.MaxCerts), proxy.Size(chain.Certificates)
		}},
		{"structure", func() (note string, err error) {
			if path, err = proxy.Arrange(chain.Certificates, anchors.Accepts()); err != nil {
				return "", err
			}
			return fmt.Sprintf("one end entity, proxies: %d", len(path.Proxies)), nil
		}},
		{"signatures", func() (string, error) { return "each proxy is signed by the one above it", path.CheckSignatures() }},
		{"time", func() (string, error) { return r.validity(path) }},
		{"authority", func() (string, error) {
			found, err := anchors.Verify(path.EndEntity, path.Above, r.now, x509.ExtKeyUsageClientAuth)
			if err != nil {
				return "", err
			}
			above := ""
			for _, c := range found.Chain[1:] {
				above += " < " + name.Text(c.RawSubject)
			}
			return strings.TrimPrefix(above, " < ") + "; revocation lists: " + r.crl, nil
		}},
	} {
		note, err := step.check()
		if err != nil {
			r.printf("  %-11s failed: %s\n", step.what, plain(err.Error()))
			return
		}
		r.printf("  %-11s ok: %s\n", step.what, note)
	}
}

func (r report) validity(path *proxy.Path) (string, error) {
	from, to := path.Validity()
	switch {
	case to.IsZero():
		return "no proxy", nil
	case r.now.Before(from):
		return "", errors.New("a proxy begins " + stamp(from))
	case r.now.After(to):
		return "", errors.New("a proxy ended " + stamp(to))
	default:
		return "the proxies end " + stamp(to), nil
	}
}

func (r report) attributes(chain *gsi.Chain) {
	if chain.VOMS == nil && len(chain.Ignored) == 0 {
		return
	}
	r.printf("\nVOMS\n")
	if g := chain.VOMS; g != nil {
		r.printf("  counts: %s, by %s, until %s\n", g.VO, g.Issuer.Slash(), stamp(g.Until))
		for i, f := range g.FQANs {
			primary := ""
			if i == 0 {
				primary = " (primary)"
			}
			r.printf("    %s%s\n", plain(f.String()), primary)
		}
	}
	for _, i := range chain.Ignored {
		vo := i.VO
		if vo == "" {
			vo = "an attribute certificate"
		}
		r.printf("  does not count: %s: %s\n", vo, plain(i.Err.Error()))
		for _, f := range i.FQANs {
			r.printf("    %s\n", plain(f))
		}
	}
}
