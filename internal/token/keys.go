package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Limits of a key set (RFC 7517).
const (
	maxKeySet = 256 << 10
	maxKeys   = 100
)

// key is a public key with the one algorithm it verifies.
type key struct {
	id, alg string
	public  any
	digest  [sha256.Size]byte // of the public key
}

// keySet is what an issuer published, as of the moment it was last confirmed.
type keySet struct {
	keys      []key
	confirmed time.Time
}

// find returns the key that a header names. Without a kid there must be no
// choice: keys are not tried out.
func (s *keySet) find(alg, kid string) (key, bool) {
	var found []key
	for _, k := range s.keys {
		if k.alg == alg && (k.id == kid || kid == "") {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return key{}, false
	}
	return found[0], true
}

// holds reports whether a key is still there.
func (s *keySet) holds(k key) bool {
	return slices.ContainsFunc(s.keys, func(other key) bool {
		return other.id == k.id && other.alg == k.alg && other.digest == k.digest
	})
}

// parseKeys reads a key set. Keys of other kinds and for other purposes are
// left out; skipped says why. A set without any key that can be used, or with
// two of one kid and algorithm, is an error.
func parseKeys(data []byte, allowed []string) (keys []key, skipped []error, err error) {
	o, err := parseObject(data)
	if err != nil {
		return nil, nil, err
	}
	var raw []jsontext.Value
	if v := o["keys"]; v.Kind() != '[' || json.Unmarshal(v, &raw) != nil || len(raw) > maxKeys {
		return nil, nil, fmt.Errorf("no array keys of at most %d keys", maxKeys)
	}
	for n, one := range raw {
		k, err := parseKey(one, allowed)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d: %w", n+1, err))
			continue
		}
		if slices.ContainsFunc(keys, func(other key) bool { return other.id == k.id && other.alg == k.alg }) {
			return nil, skipped, fmt.Errorf("two keys have the kid %.64q", k.id)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, skipped, errors.Join(append([]error{fmt.Errorf("no key for any of %v", allowed)}, skipped...)...)
	}
	return keys, skipped, nil
}

func parseKey(raw jsontext.Value, allowed []string) (key, error) {
	o, err := parseObject(raw)
	if err != nil {
		return key{}, err
	}
	if _, private := o["d"]; private {
		return key{}, errors.New("it is a private key, which everybody has read by now")
	}
	r := reader{object: o}
	if use := r.text("use"); use != "" && use != "sig" {
		return key{}, errors.New("it is not for signatures")
	}
	if _, has := o["key_ops"]; has && !slices.Contains(r.texts("key_ops"), "verify") {
		return key{}, errors.New("it is not for verifying")
	}
	k := key{id: r.text("kid"), alg: r.text("alg")}
	if r.err != nil {
		return key{}, r.err
	}
	parsed, err := jwk.ParseKey(raw)
	if err != nil {
		return key{}, errors.New("it cannot be read")
	}
	if err := jwk.Export(parsed, &k.public); err != nil {
		return key{}, errors.New("it cannot be read")
	}
	if err := k.pin(allowed); err != nil {
		return key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	k.digest = sha256.Sum256(der)
	return k, err
}

// pin gives the key the one algorithm that it is used with: its alg, or the
// only one allowed that fits it.
func (k *key) pin(allowed []string) error {
	fitting, err := k.fits()
	if err != nil {
		return err
	}
	fitting = slices.DeleteFunc(fitting, func(alg string) bool {
		return !slices.Contains(allowed, alg) || k.alg != "" && k.alg != alg
	})
	switch len(fitting) {
	case 0:
		return errors.New("no accepted algorithm fits it")
	case 1:
		k.alg = fitting[0]
		return nil
	}
	return fmt.Errorf("it names no alg, and %v fit it", fitting)
}

// fits returns the algorithms of RFC 7518 and RFC 8037 for which the key was
// made. A secret (kty oct) fits none.
func (k *key) fits() ([]string, error) {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < 2048 || n > 4096 {
			return nil, fmt.Errorf("an RSA key of %d bits: want 2048 to 4096", n)
		}
		if public.E < 3 || public.E&1 == 0 {
			return nil, fmt.Errorf("an RSA key with the exponent %d", public.E)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil {
			return nil, errors.New("a point that is not on its curve")
		}
		name := map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[public.Params().Name]
		return []string{name}, nil
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("a kind of key that is not accepted")
}
