package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ecJWK(t testing.TB, extra string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q%s}`, b64(point[1:33]), b64(point[33:]), extra)
}

// rsaJWK is a key of that size. Its modulus is none, but its size is what counts.
func rsaJWK(bits, exponent int, extra string) string {
	n := slices.Repeat([]byte{0xff}, bits/8)
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q%s}`, b64(n), b64([]byte{byte(exponent >> 16), byte(exponent >> 8), byte(exponent)}), extra)
}

// ⚿ A key verifies by one algorithm, the one it was made for.
func TestKeysArePinned(t *testing.T) {
	both := []string{"RS256", "ES256"}
	for name, c := range map[string]struct {
		key     string
		allowed []string
		want    string // algorithm, or "!" and why it is left out
	}{
		"named":               {ecJWK(t, `,"alg":"ES256"`), both, "ES256"},
		"implied":             {ecJWK(t, ``), both, "ES256"},
		"RSA":                 {rsaJWK(2048, 65537, ``), both, "RS256"},
		"RSA, two would fit":  {rsaJWK(2048, 65537, ``), []string{"RS256", "PS256"}, "!names no alg"},
		"RSA, named":          {rsaJWK(2048, 65537, `,"alg":"PS256"`), []string{"RS256", "PS256"}, "PS256"},
		"not accepted":        {rsaJWK(2048, 65537, `,"alg":"RS512"`), both, "!no accepted algorithm"},
		"of another kind":     {ecJWK(t, `,"alg":"RS256"`), both, "!no accepted algorithm"},
		"secret's name":       {ecJWK(t, `,"alg":"HS256"`), both, "!no accepted algorithm"},
		"short":               {rsaJWK(1024, 65537, ``), both, "!"},
		"long":                {rsaJWK(8192, 65537, ``), both, "!8192 bits"},
		"exponent 1":          {rsaJWK(2048, 1, ``), both, "!"},
		"exponent even":       {rsaJWK(2048, 4, ``), both, "!"},
		"for encryption":      {ecJWK(t, `,"use":"enc"`), both, "!not for signatures"},
		"for signing only":    {ecJWK(t, `,"key_ops":["sign"]`), both, "!not for verifying"},
		"for verifying":       {ecJWK(t, `,"key_ops":["verify"]`), both, "ES256"},
		"private":             {ecJWK(t, `,"d":"AAAA"`), both, "!private"},
		"secret":              {`{"kty":"oct","k":"AAAA"}`, both, "!kind of key"},
		"no key":              {`{"kty":"EC"}`, both, "!cannot be read"},
		"unknown":             {`{"kty":"XX"}`, both, "!cannot be read"},
		"kid is a number":     {ecJWK(t, `,"kid":7`), both, "!kid is not a string"},
		"kid twice":           {ecJWK(t, `,"kid":"a","kid":"b"`), both, "!twice"},
		"no key but a string": {`"x"`, both, "!not one JSON object"},
	} {
		keys, skipped, err := parseKeys([]byte(`{"keys":[`+c.key+`]}`), c.allowed)
		if why, left := strings.CutPrefix(c.want, "!"); left {
			require.ErrorContains(t, err, why, name)
			require.Empty(t, keys, name)
			continue
		}
		require.NoError(t, err, name)
		require.Empty(t, skipped, name)
		require.Equal(t, c.want, keys[0].alg, name)
	}
}

// ⚿ Keys are found by their kid and never tried out one after the other.
func TestFindKey(t *testing.T) {
	text := func(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }
	keys, _, err := parseKeys(text(ecJWK(t, `,"kid":"a"`), ecJWK(t, `,"kid":"b"`), rsaJWK(2048, 65537, `,"kid":"a"`)), []string{"RS256", "ES256"})
	require.NoError(t, err)
	set := keySet{keys: keys}
	for _, c := range []struct {
		alg, kid string
		want     bool
	}{{"ES256", "a", true}, {"RS256", "a", true}, {"ES256", "b", true}, {"RS256", "b", false}, {"ES256", "", false}, {"RS256", "", true}, {"ES256", "A", false}, {"PS256", "a", false}} {
		k, found := set.find(c.alg, c.kid)
		require.Equal(t, c.want, found, c)
		require.Equal(t, c.want, k.alg == c.alg)
	}
	many := make([]string, maxKeys+1)
	for i := range many {
		many[i] = `{}`
	}
	_, _, err = parseKeys(text(many...), []string{"ES256"})
	require.ErrorContains(t, err, "at most 100")
}

// FuzzKeys: whatever is taken is pinned to an algorithm that is accepted.
func FuzzKeys(f *testing.F) {
	for _, k := range []string{ecJWK(f, `,"alg":"ES256"`), rsaJWK(2048, 65537, ``), `{"kty":"oct","k":"AA"}`, `{"kty":"OKP","crv":"Ed25519","x":"AA"}`, `{"kty":"OKP","crv":"X25519","x":"` + b64(make([]byte, 32)) + `"}`} {
		f.Add([]byte(`{"keys":[` + k + `]}`))
	}
	allowed := []string{"RS256", "ES256", "EdDSA"}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, err := parseKeys(data, allowed)
		require.Equal(t, err != nil, len(keys) == 0)
		for _, k := range keys {
			require.Contains(t, allowed, k.alg)
			require.NotNil(t, k.public)
		}
	})
}

// What one look at a token costs, the first and every later one.
func BenchmarkVerify(b *testing.B) {
	jwk, sign := signer(b)
	v, err := New(Options{
		Audiences: []string{"us"}, Issuers: []Issuer{{Issuer: "https://i.test", JWKSFile: "keys", Profile: AARC}},
		ReadFile: func(string) ([]byte, error) { return []byte(`{"keys":[` + jwk + `]}`), nil },
	})
	require.NoError(b, err)
	text := sign(b, map[string]any{"iss": "https://i.test", "sub": "ann", "aud": "us", "exp": v.options.Now().Unix() + 3600, "entitlements": []string{"urn:mace:egi.eu:group:cms:uscms:role=x#aai.egi.eu"}})
	require.NoError(b, v.Verify(text).Err)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := v.read(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("later", func(b *testing.B) {
		for b.Loop() {
			if err := v.Verify(text).Verdict(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verdict", func(b *testing.B) {
		c := v.Verify(text)
		for b.Loop() {
			if err := c.Verdict(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func signer(b *testing.B) (jwk string, sign func(testing.TB, map[string]any) string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	jwk = fmt.Sprintf(`{"kty":"RSA","kid":"k","n":%q,"e":"AQAB"}`, b64(key.N.Bytes()))
	return jwk, func(t testing.TB, claims map[string]any) string {
		payload, err := json.Marshal(claims)
		require.NoError(t, err)
		text := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64(payload)
		return text + "." + b64(signRS(t, key, text))
	}
}

func signRS(t testing.TB, key *rsa.PrivateKey, text string) []byte {
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return signature
}
