// Package weak says which keys and signatures are strong enough, and holds the
// switches that let in what no longer is: the kinds of proxies before RFC 3820,
// signatures over SHA-1 and MD5, and keys that can be factored. All of them are
// off unless a site turns them on by name, and none should be for long.
//
// crypto/x509 refuses most of that whatever one asks of it, so such signatures
// are verified here, by package crypto, and only behind their switch.
package weak

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5" //nolint:gosec // behind a switch
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // behind a switch
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
)

// Switches is a set of switches. The zero value lets in nothing.
type Switches uint8

// The switches.
const (
	DraftProxies  Switches = 1 << iota // those of Globus 3, from the draft of RFC 3820
	LegacyProxies                      // those of Globus 2: CN=proxy, CN=limited proxy
	SHA1                               // signatures over SHA-1
	MD5                                // signatures over MD5
	ShortKeys                          // RSA from 1024 bits, and the curve P-224
)

var switchNames = []string{"draft-proxies", "legacy-proxies", "sha1-signatures", "md5-signatures", "short-keys"}

// All returns every switch.
func All() Switches { return 1<<len(switchNames) - 1 }

// Parse reads names of switches, as a configuration gives them.
func Parse(names []string) (s Switches, err error) {
	for _, n := range names {
		at := slices.Index(switchNames, n)
		if at < 0 {
			return 0, fmt.Errorf("%q is nothing that can be let in; want some of %s", n, strings.Join(switchNames, ", "))
		}
		s |= 1 << at
	}
	return s, nil
}

// Names returns the names of the switches that are on.
func (s Switches) Names() []string {
	var all []string
	for i, n := range switchNames {
		if s&(1<<i) != 0 {
			all = append(all, n)
		}
	}
	return all
}

// Has reports whether any of the switches is on.
func (s Switches) Has(any Switches) bool { return s&any != 0 }

// The sizes of RSA keys, in bits: below, they can be factored; above, they
// cost more time than a stranger may take.
const (
	minRSA   = 2048
	shortRSA = 1024
	maxRSA   = 4096
)

// strong are the algorithms that are always accepted.
var strong = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
}

// Needs returns the switch without which an algorithm is refused, 0 for a
// strong one; ok is false for one that is never accepted.
func Needs(a x509.SignatureAlgorithm) (s Switches, ok bool) {
	switch {
	case slices.Contains(strong, a):
		return 0, true
	case a == x509.SHA1WithRSA || a == x509.ECDSAWithSHA1:
		return SHA1, true
	case a == x509.MD5WithRSA:
		return MD5, true
	}
	return 0, false
}

// CheckAlgorithm refuses signature algorithms that are not strong enough.
func (s Switches) CheckAlgorithm(a x509.SignatureAlgorithm) error {
	if needs, ok := Needs(a); !ok || needs != 0 && !s.Has(needs) {
		return fmt.Errorf("signed with %s, which is not accepted", a)
	}
	return nil
}

// CheckKey refuses public keys that are too weak or too costly.
func (s Switches) CheckKey(c *x509.Certificate) error {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		least := minRSA
		if s.Has(ShortKeys) {
			least = shortRSA
		}
		if n := k.N.BitLen(); n < least || n > maxRSA {
			return fmt.Errorf("%s has an RSA key of %d bits: %d to %d are accepted", name.Text(c.RawSubject), n, least, maxRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() && !s.Has(ShortKeys) {
			return fmt.Errorf("%s has a key on the curve P-224, which is too small", name.Text(c.RawSubject))
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("%s has a key of an unknown kind", name.Text(c.RawSubject))
	}
	return nil
}

var errSignature = errors.New("the signature is not by that key")

// CheckSignature checks a signature by the key of a certificate, whatever that
// certificate may be used for, and that its algorithm is let in.
func (s Switches) CheckSignature(by *x509.Certificate, a x509.SignatureAlgorithm, signed, signature []byte) error {
	if err := s.CheckAlgorithm(a); err != nil {
		return err
	}
	var hash crypto.Hash
	var digest []byte
	switch needs, _ := Needs(a); needs {
	case SHA1:
		sum := sha1.Sum(signed) //nolint:gosec // behind a switch
		hash, digest = crypto.SHA1, sum[:]
	case MD5:
		sum := md5.Sum(signed) //nolint:gosec // behind a switch
		hash, digest = crypto.MD5, sum[:]
	default:
		return by.CheckSignature(a, signed, signature)
	}
	switch k := by.PublicKey.(type) {
	case *rsa.PublicKey:
		if a == x509.ECDSAWithSHA1 {
			return errSignature
		}
		return rsa.VerifyPKCS1v15(k, hash, digest, signature)
	case *ecdsa.PublicKey:
		if a != x509.ECDSAWithSHA1 || !ecdsa.VerifyASN1(k, digest, signature) {
			return errSignature
		}
		return nil
	}
	return errSignature
}
