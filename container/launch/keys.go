package launch

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// WriteKeys makes a key pair and writes it as PEM: the private key (PKCS #8,
// mode 0600) for the mapping side, the public key (PKIX, mode 0644) for the
// launcher. It overwrites neither file.
func WriteKeys(private, public string) error {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("grant keys: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("grant keys: %w", err)
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return fmt.Errorf("grant keys: %w", err)
	}
	if err := writeKey(private, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return writeKey(public, "PUBLIC KEY", pubDER, 0o644)
}

func writeKey(path, kind string, der []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("grant keys: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	return errors.Join(err, f.Sync(), f.Close())
}

// ReadPrivateKey reads the mapping side's key. It refuses a file that group or
// others can read: whoever has the key can run anything as any mapped account.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	der, mode, err := readKey(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	if mode&0o077 != 0 {
		return nil, fmt.Errorf("grant key %s: mode %#o lets others read or write it: make it 0600", path, mode)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("grant key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("grant key %s: want an Ed25519 key, this is %T", path, parsed)
	}
	return key, nil
}

// ReadPublicKey reads the key that a launcher obeys. It refuses a file that
// group or others can write: whoever exchanges it becomes the mapping side.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	der, mode, err := readKey(path, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	if mode&0o022 != 0 {
		return nil, fmt.Errorf("grant key %s: mode %#o lets others write it: make it 0644", path, mode)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("grant key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("grant key %s: want an Ed25519 key, this is %T", path, parsed)
	}
	return key, nil
}

// readKey returns the single PEM block of a file and the file's mode, taken
// from the descriptor that was read.
func readKey(path, kind string) ([]byte, os.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("grant key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("grant key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("grant key %s: not a regular file", path)
	}
	text := make([]byte, 4096)
	n, err := f.Read(text)
	if err != nil {
		return nil, 0, fmt.Errorf("grant key %s: %w", path, err)
	}
	block, rest := pem.Decode(text[:n])
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, 0, fmt.Errorf("grant key %s: want one PEM block %q", path, kind)
	}
	return block.Bytes, info.Mode().Perm(), nil
}
