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
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// stamp tells one content of a file from the next without reading it.
type stamp struct {
	size     int64
	modified time.Time
	inode    uint64
	device   uint64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	s := stamp{size: info.Size(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.device = sys.Ino, uint64(sys.Dev) //nolint:unconvert // narrower on some systems
	}
	return s, nil
}

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
func kindOf(path string) (kind, string) {
	name := filepath.Base(path)
	for _, s := range suffixes {
		if at := s.name.FindStringIndex(name); at != nil {
			return s.kind, name[:at[0]]
		}
	}
	return kindNone, name
}

// file is one file as last read.
type file struct {
	path   string
	base   string
	kind   kind
	stamp  stamp
	certs  []*x509.Certificate
	crls   []*crl
	policy policy
	// rejected holds lists that no CA here has signed: its CA may yet come.
	rejected []*crl
	// err says why the newest content is not in force. What is above it is
	// then the content before, or nothing.
	err error
}

// parse reads the file's content into f.
func (f *file) parse() error {
	content, err := guard.ReadFile(f.path)
	if err != nil {
		return err
	}
	switch f.kind {
	case kindPolicy:
		p, err := parsePolicy(content)
		f.policy = p
		return err
	case kindNamespaces:
		p, err := parseNamespaces(content)
		f.policy = p
		return err
	case kindCRL:
		if !bytes.Contains(content, []byte("-----BEGIN")) {
			list, err := parseCRL(content)
			f.crls = []*crl{list}
			return err
		}
	}
	return f.parsePEM(content)
}

func (f *file) parsePEM(content []byte) error {
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			break
		}
		content = rest
		switch {
		case strings.HasSuffix(block.Type, "CERTIFICATE") && f.kind != kindCRL:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			f.certs = append(f.certs, cert)
		case block.Type == "X509 CRL" && f.kind != kindCerts:
			list, err := parseCRL(block.Bytes)
			if err != nil {
				return err
			}
			f.crls = append(f.crls, list)
		}
	}
	if len(f.certs)+len(f.crls) == 0 {
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

// list returns the paths to read, with their kinds.
func (o *Options) list() ([]*file, error) {
	var all []*file
	if o.Dir != "" {
		if err := guard.Dir(o.Dir); err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(o.Dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if k, base := kindOf(e.Name()); k != kindNone && !e.IsDir() {
				all = append(all, &file{path: filepath.Join(o.Dir, e.Name()), base: base, kind: k})
			}
		}
	}
	for _, path := range o.Files {
		all = append(all, &file{path: path, base: path, kind: kindMixed})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no certificates of CAs in %q", o.Dir)
	}
	return all, nil
}
