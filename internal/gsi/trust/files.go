package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// kind is what a file of a trust directory holds, by its name.
type kind int

const (
	kindNone       kind = iota
	kindCerts           // certificates, in PEM
	kindCRL             // a revocation list
	kindPolicy          // a signing policy
	kindNamespaces      // a namespaces file
	kindMixed           // certificates and lists, in PEM: a file named in the configuration
)

var suffixes = []struct {
	name *regexp.Regexp
	kind kind
}{
	{regexp.MustCompile(`\.(\d|pem|crt)$`), kindCerts},
	{regexp.MustCompile(`\.(r\d|crl)$`), kindCRL},
	{regexp.MustCompile(`\.signing_policy$`), kindPolicy},
	{regexp.MustCompile(`\.namespaces$`), kindNamespaces},
}

// kindOf returns what a file holds and its base name, which joins the files of
// one CA.
func (o *Options) kindOf(path string) (kind, string) {
	if slices.Contains(o.Files, path) {
		return kindMixed, path
	}
	name := filepath.Base(path)
	for _, s := range suffixes {
		if at := s.name.FindStringIndex(name); at != nil {
			return s.kind, name[:at[0]]
		}
	}
	return kindNone, name
}

// content is what one file holds.
type content struct {
	certs  []*x509.Certificate
	crls   []*crl
	policy policy
	// rejected holds newer lists that no CA here has signed: its CA may yet
	// come.
	rejected []*crl
}

type (
	file  = follow.File[content]
	files = follow.Files[content]
)

// read reads one file.
func (o *Options) read(path string) (c content, err error) {
	text, err := guard.ReadFile(path)
	if err != nil {
		return c, err
	}
	switch kind, _ := o.kindOf(path); {
	case kind == kindPolicy:
		c.policy, err = parsePolicy(text)
	case kind == kindNamespaces:
		c.policy, err = parseNamespaces(text)
	case kind == kindCRL && !bytes.Contains(text, []byte("-----BEGIN")):
		var list *crl
		list, err = parseCRL(text)
		c.crls = []*crl{list}
	default:
		err = c.readPEM(text, kind)
	}
	return c, err
}

func (c *content) readPEM(text []byte, k kind) error {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		switch {
		case strings.HasSuffix(block.Type, "CERTIFICATE") && k != kindCRL:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			c.certs = append(c.certs, cert)
		case block.Type == "X509 CRL" && k != kindCerts:
			list, err := parseCRL(block.Bytes)
			if err != nil {
				return err
			}
			c.crls = append(c.crls, list)
		}
	}
	if len(c.certs)+len(c.crls) == 0 {
		return errors.New("no certificate and no revocation list in PEM form")
	}
	return nil
}

// isCA reports whether a certificate may stand in a trust directory. CAs from
// before X.509 v3 carry no basic constraints; they are roots only.
func isCA(c *x509.Certificate) bool {
	if c.BasicConstraintsValid {
		return c.IsCA
	}
	return c.Version < 3 && bytes.Equal(c.RawSubject, c.RawIssuer)
}

// list returns the paths to read.
func (o *Options) list() ([]string, error) {
	var all []string
	if o.Dir != "" {
		if err := guard.Dir(o.Dir); err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(o.Dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if k, _ := o.kindOf(e.Name()); k != kindNone && !e.IsDir() {
				all = append(all, filepath.Join(o.Dir, e.Name()))
			}
		}
	}
	all = append(all, o.Files...)
	if len(all) == 0 {
		return nil, fmt.Errorf("no certificates of CAs in %q", o.Dir)
	}
	return all, nil
}
