package gridtest

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// Grid is a small grid with a CA that checks passports and one that does not.
type Grid struct {
	Strong *CA // "/DC=test/DC=strong"
	Weak   *CA // "/DC=test/DC=weak"
}

// New makes a grid.
func New() (*Grid, error) {
	strong, err := NewCA("/DC=test/DC=strong")
	if err != nil {
		return nil, err
	}
	weak, err := NewCA("/DC=test/DC=weak")
	if err != nil {
		return nil, err
	}
	return &Grid{Strong: strong, Weak: weak}, nil
}

// CAs returns the certification authorities.
func (g *Grid) CAs() []*CA { return []*CA{g.Strong, g.Weak} }

// Pool returns the CA certificates for a tls.Config.
func (g *Grid) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range g.CAs() {
		pool.AddCert(ca.Cert)
	}
	return pool
}

// WriteTrust writes the grid's CAs, CRLs and signing policies into dir, as an
// IGTF trust directory.
func (g *Grid) WriteTrust(dir string) error { return WriteTrust(dir, g.CAs()...) }

// WriteTrust writes an IGTF trust directory: hash.0, hash.r0 and
// hash.signing_policy for each CA. CAs of one name get hash.1 and so on.
func WriteTrust(dir string, cas ...*CA) error {
	seen := map[string]int{}
	for _, ca := range cas {
		hash, err := Hash(ca.Cert.RawSubject)
		if err != nil {
			return err
		}
		if err := ca.write(dir, hash, seen[hash]); err != nil {
			return err
		}
		seen[hash]++
	}
	return nil
}

func (ca *CA) write(dir, hash string, index int) error {
	crl, err := ca.CRL()
	if err != nil {
		return err
	}
	policy, err := ca.SigningPolicy()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		fmt.Sprintf("%s.%d", hash, index):  encode("CERTIFICATE", ca.Cert.Raw),
		fmt.Sprintf("%s.r%d", hash, index): encode("X509 CRL", crl),
		hash + ".signing_policy":           policy,
	} {
		if err := Replace(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// WriteCRL writes a CRL of the CA into a trust directory: a fresh one, or the
// DER given.
func (ca *CA) WriteCRL(dir string, der []byte) error {
	hash, err := Hash(ca.Cert.RawSubject)
	if err != nil {
		return err
	}
	if der == nil {
		if der, err = ca.CRL(); err != nil {
			return err
		}
	}
	return Replace(filepath.Join(dir, hash+".r0"), encode("X509 CRL", der), 0o644)
}

// PEM returns the chain and the key, unencrypted.
func (e *Entity) PEM() (chain, key []byte, err error) {
	for _, c := range e.Chain {
		chain = append(chain, encode("CERTIFICATE", c.Raw)...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(e.Key)
	if err != nil {
		return nil, nil, err
	}
	return chain, encode("PRIVATE KEY", der), nil
}

// WritePEM writes name-cert.pem, the key as name-key.pem with mode 0600, and
// name.pem with both in the order of a proxy file: certificate, key, the rest.
// It returns the first two paths.
func (e *Entity) WritePEM(dir, name string) (cert, key string, err error) {
	chain, keyPEM, err := e.PEM()
	if err != nil {
		return "", "", err
	}
	first := encode("CERTIFICATE", e.Cert().Raw)
	both := append(append(append([]byte{}, first...), keyPEM...), chain[len(first):]...)
	cert, key = filepath.Join(dir, name+"-cert.pem"), filepath.Join(dir, name+"-key.pem")
	if err := Replace(cert, chain, 0o644); err != nil {
		return "", "", err
	}
	if err := Replace(key, keyPEM, 0o600); err != nil {
		return "", "", err
	}
	return cert, key, Replace(filepath.Join(dir, name+".pem"), both, 0o600)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Replace puts content in place of the file at once, as fetch-crl does, so
// that a reader sees the old or the new and never a piece.
func Replace(path string, content []byte, mode os.FileMode) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
