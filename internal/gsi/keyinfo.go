package gsi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
)

// ErrPrivateKey is in the error of a key-info that holds a private key. Nothing
// of it may be logged, kept or sent on.
var ErrPrivateKey = errors.New("it holds a private key: send certificates only, and make a new proxy, for that key is known now")

// FromKeyInfo returns the credential that the values of a request's key-info
// are, as [Verifier.Verify] does: one chain in PEM form (gLite profile), or the
// certificates in base64 of their DER, one in each value (EMI profile), that of
// the caller first. That the caller holds the key is the word of whoever
// sends the request. The result is never nil.
func (v *Verifier) FromKeyInfo(values []string) *authz.Credential {
	if s, ok := v.cache.named(values); ok {
		return s.judge().credential
	}
	certs, err := readKeyInfo(values)
	if err != nil {
		return &authz.Credential{Digest: keyInfoDigest(values), Subject: "(a key-info that cannot be read)", Value: &Chain{}, Err: fmt.Errorf("key-info: %w", err)}
	}
	c := v.Verify(certs)
	v.cache.name(values, c.Digest)
	return c
}

func keyInfoDigest(values []string) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range values {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// maxKeyInfo bounds the text of a chain of the most bytes that are accepted.
const maxKeyInfo = 2 * proxy.MaxBytes

func readKeyInfo(values []string) ([]*x509.Certificate, error) {
	size, inPEM := 0, false
	for _, s := range values {
		size += len(s)
		if strings.Contains(s, "PRIVATE KEY-----") {
			return nil, ErrPrivateKey
		}
		inPEM = inPEM || strings.Contains(s, "-----BEGIN")
	}
	switch {
	case size > maxKeyInfo:
		return nil, fmt.Errorf("%d bytes: at most %d are accepted", size, maxKeyInfo)
	case !inPEM:
		return readBase(values)
	case len(values) > 1:
		return nil, errors.New("a chain in PEM form is one value: here are several")
	}
	return readPEM(values[0])
}

func readPEM(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	begun := strings.Count(text, "-----BEGIN")
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block of the kind %.40q: send certificates only", block.Type)
		}
		if err := addCertificate(&certs, block.Bytes); err != nil {
			return nil, err
		}
	}
	if len(certs) != begun {
		return nil, fmt.Errorf("%d of %d PEM blocks are certificates: the others cannot be read", len(certs), begun)
	}
	return certs, nil
}

func readBase(values []string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for i, s := range values {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("value %d is neither PEM nor base64", i+1)
		}
		if isPrivateKey(der) {
			return nil, ErrPrivateKey
		}
		if err := addCertificate(&certs, der); err != nil {
			return nil, err
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return certs, nil
}

func addCertificate(certs *[]*x509.Certificate, der []byte) error {
	if len(*certs) == proxy.MaxCerts {
		return fmt.Errorf("more than %d certificates", proxy.MaxCerts)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("certificate %d cannot be read: %w", len(*certs)+1, err)
	}
	*certs = append(*certs, c)
	return nil
}

func isPrivateKey(der []byte) bool {
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return true
	}
	_, err := x509.ParseECPrivateKey(der)
	return err == nil
}
