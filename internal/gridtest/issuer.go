package gridtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Issuer is a token issuer: an HTTPS server on the loopback, certified by a CA
// of its own, that publishes its keys, and a signer of whatever it is told to
// sign. It shares no code with internal/token.
type Issuer struct {
	URL string // its iss; the key set is at URL + "/jwks"
	CA  *CA

	server *http.Server
	served chan struct{}

	mu      sync.Mutex
	current *TokenKey
	publish []map[string]any
	answer  http.HandlerFunc
	fetched int
}

// TokenKey is a key that signs tokens.
type TokenKey struct {
	ID, Algorithm string // ES256, RS256 or EdDSA
	Key           crypto.Signer
}

// NewIssuer starts an issuer that signs with ES256.
func NewIssuer() (*Issuer, error) {
	ca, err := NewCA("/DC=test/DC=issuer")
	if err != nil {
		return nil, err
	}
	host, err := ca.Host("127.0.0.1")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &Issuer{URL: "https://" + listener.Addr().String(), CA: ca, served: make(chan struct{})}
	if _, err = i.Rotate("ES256"); err != nil {
		return nil, err
	}
	i.server = &http.Server{
		Handler: i, TLSConfig: &tls.Config{Certificates: []tls.Certificate{host.TLS()}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(discard{}, "", 0),
	}
	go func() {
		defer close(i.served)
		_ = i.server.ServeTLS(listener, "", "")
	}()
	return i, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// Close stops the server; signing goes on.
func (i *Issuer) Close() error {
	err := i.server.Close()
	<-i.served
	return err
}

// ServeHTTP publishes the keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetched++
	answer := i.answer
	i.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if r.URL.Path != "/jwks" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(i.KeySet())
}

// KeySet is what is published now.
func (i *Issuer) KeySet() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	text, _ := json.Marshal(map[string]any{"keys": i.publish})
	return text
}

// Answer replaces the answers of the server; nil restores them.
func (i *Issuer) Answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = h
}

// Fetched is how often the server was asked.
func (i *Issuer) Fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched
}

// Rotate makes a new key of that algorithm, publishes it alone, and signs with
// it from now on.
func (i *Issuer) Rotate(algorithm string) (*TokenKey, error) {
	k, err := NewTokenKey(algorithm)
	if err != nil {
		return nil, err
	}
	i.Publish(k)
	return k, nil
}

// Publish publishes these keys and signs with the first.
func (i *Issuer) Publish(keys ...*TokenKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current, i.publish = keys[0], nil
	for _, k := range keys {
		i.publish = append(i.publish, k.JWK())
	}
}

// Key is the key that signs now.
func (i *Issuer) Key() *TokenKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current
}

// WriteCA writes the CA that certifies the server and returns the file's path.
func (i *Issuer) WriteCA(dir string) (string, error) {
	path := filepath.Join(dir, "issuer-ca.pem")
	return path, os.WriteFile(path, encode("CERTIFICATE", i.CA.Cert.Raw), 0o644)
}

// Claims are those of a good WLCG token of an hour for that subject and
// audience, with changes; a change to nil leaves the claim out.
func (i *Issuer) Claims(subject, audience string, changes map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL, "sub": subject, "aud": audience, "jti": rand.Text(), "wlcg.ver": "1.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// Token signs claims with the current key.
func (i *Issuer) Token(claims map[string]any) string {
	k := i.Key()
	payload, _ := json.Marshal(claims)
	return k.Sign(map[string]any{"alg": k.Algorithm, "kid": k.ID, "typ": "JWT"}, payload)
}

// NewTokenKey makes a key for ES256, RS256 or EdDSA.
func NewTokenKey(algorithm string) (*TokenKey, error) {
	k := &TokenKey{ID: rand.Text()[:8], Algorithm: algorithm}
	var err error
	switch algorithm {
	case "ES256":
		k.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		k.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, k.Key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key for %q", algorithm)
	}
	return k, err
}

// JWK is the public key as RFC 7517 writes it.
func (k *TokenKey) JWK() map[string]any {
	m := map[string]any{"kid": k.ID, "use": "sig", "alg": k.Algorithm}
	switch public := k.Key.Public().(type) {
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // 4, x, y
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	return m
}

// Sign makes a compact JWS of any header and payload, by the key's own
// algorithm whatever the header says.
func (k *TokenKey) Sign(header map[string]any, payload []byte) string {
	h, _ := json.Marshal(header)
	return k.SignRaw(h, payload)
}

// SignRaw is Sign with the bytes of the header.
func (k *TokenKey) SignRaw(header, payload []byte) string {
	text := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	switch key := k.Key.(type) {
	case *ecdsa.PrivateKey:
		r, s, _ := ecdsa.Sign(rand.Reader, key, sum[:])
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		signature, _ = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(text))
	}
	return text + "." + b64(signature)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
