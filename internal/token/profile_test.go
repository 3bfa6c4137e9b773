package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func marshal(t *testing.T, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// secrets are the forms of a public key that a verifier might take for a secret.
func secrets(t *testing.T, k *gridtest.TokenKey) [][]byte {
	public := k.Key.Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), public.N.Bytes(), []byte(marshal(t, k.JWK())), nil}
}

func hmacToken(t *testing.T, kid string, claims map[string]any, secret []byte) string {
	text := encode([]byte(`{"alg":"HS256","kid":"`+kid+`"}`)) + "." + encode([]byte(marshal(t, claims)))
	sum := hmac.New(sha256.New, secret)
	sum.Write([]byte(text))
	return text + "." + encode(sum.Sum(nil))
}

func TestSciTokens(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Profile, i.VO = token.SciTokens, "ligo" })
	plain := map[string]any{"wlcg.ver": nil, "jti": nil}
	r.refused(r.token(plain), "scitoken:2.0")
	plain["ver"] = "scitoken:1.0"
	r.refused(r.token(plain), "scitoken:2.0")
	plain["ver"], plain["wlcg.groups"] = "scitoken:2.0", []string{"/ligo"}
	c := r.accepted(r.token(plain))
	require.Equal(t, []string{"ligo"}, c.VOs)
	require.Empty(t, c.Groups, "the profile has none")
	require.True(t, c.May("compute.create"), "nothing limits it")
	plain["scope"] = "read:/data"
	require.False(t, r.accepted(r.token(plain)).May("compute.create"))
	plain["aud"] = "ANY"
	r.refused(r.token(plain), "somebody else")
}

func TestEntitlements(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) {
		i.Profile, i.Groups, i.VOs = token.AARC, []string{"URN:mace:EGI.eu:group:cms", "urn:mace:egi.eu:group:bio"}, []string{"cms", "bio"}
	})
	const p = "urn:mace:egi.eu:group:"
	c := r.accepted(r.token(map[string]any{"wlcg.ver": nil, "eduperson_entitlement": []string{
		p + "cms:uscms:role=production#aai.egi.eu",
		p + "atlas#aai.egi.eu", // not this issuer's
		p + "cmsx",
		"urn:mace:example.org:group:cms", "urn:geant:egi.eu:res:x#aai.egi.eu", "https://example.org/cms",
	}, "entitlements": "URN:MACE:egi.eu:group:cms:us%63ms:role=production#aai.egi.eu"}))
	require.Equal(t, []string{
		p + "cms:uscms:role=production#aai.egi.eu", p + "cms:uscms:role=production",
		p + "cms:uscms#aai.egi.eu", p + "cms:uscms", p + "cms#aai.egi.eu", p + "cms",
	}, c.Groups)
	require.Len(t, c.Others, 5)
	require.Equal(t, []string{"cms"}, c.VOs)
	var names []string
	for _, f := range c.FQANs {
		names = append(names, f.String())
	}
	require.Equal(t, []string{"/cms/uscms/Role=production", "/cms/uscms", "/cms"}, names)
	require.False(t, c.Limited)
}

// ⚿ Strings that only look like a membership are none.
func TestEntitlementForms(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Profile = token.AARC })
	const p = "urn:mace:egi.eu:"
	for _, bad := range []string{
		"", "urn", p + "group", p + "group:", p + "group::x", p + "group:x:", p + "group:x#", p + "group:x:role=", p + "group:role=x", p + "group:x:role=a:role=b",
		p + "group:x:role=a:y", p + "GROUP:x:group:y", p + "group:x%3Arole=y", p + "group:x:role%3Dy", p + "group:x%2Fy", p + "group:x%", p + "group:x%4", p + "group:x%0a",
		p + "group:x%C0%AF", p + "group:x y", p + "group:x?y", p + "group:ж", "urn::egi:group:x", "urn:mace:group:x", "urx:mace:egi.eu:group:x", p + "group:x#a#b", p + "group:x%00",
	} {
		if bad == "" {
			continue
		}
		c := r.accepted(r.token(map[string]any{"entitlements": []string{bad}}))
		require.Empty(t, c.Groups, bad)
		require.Equal(t, []string{bad}, c.Others, bad)
	}
}

// What a membership implies is a membership, in normal form already, and no
// more than itself.
func TestImpliedIsStable(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Profile = token.AARC })
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[A-Za-z0-9._=~-]{1,5}|%(4[0-9a-f]|C3%A9)|group|role`)
		text := "urn:mace:egi.eu:group:" + part.Draw(t, "group")
		for range rapid.IntRange(0, 3).Draw(t, "depth") {
			text += ":" + part.Draw(t, "sub")
		}
		if rapid.Bool().Draw(t, "role") {
			text += ":role=" + part.Draw(t, "role name")
		}
		c := r.accepted(r.token(map[string]any{"entitlements": []string{text}}))
		if len(c.Groups) == 0 {
			require.Equal(t, []string{text}, c.Others)
			return
		}
		again := r.accepted(r.token(map[string]any{"entitlements": c.Groups}))
		require.Empty(t, again.Others, text)
		require.ElementsMatch(t, c.Groups, again.Groups, text)
	})
}

// ⚿ One issuer's members are not another's, whatever they claim.
func TestIssuersSpeakForTheirOwn(t *testing.T) {
	cms := newRig(t, func(i *token.Issuer) { i.VO = "cms" })
	bio := newRig(t, func(i *token.Issuer) { i.VO = "bio" })
	v, err := token.New(cms.options(cms.config, bio.config))
	require.NoError(t, err)
	require.NoError(t, v.Refresh(t.Context()))
	cms.verifier, bio.verifier = v, v
	groups := map[string]any{"wlcg.groups": []string{"/cms", "/cmsx", "/bio/lab", "/cms/Role=admin", "/bio/../cms", "/cms/"}}
	a, b := cms.accepted(cms.token(groups)), bio.accepted(bio.token(groups))
	require.Equal(t, []string{"/cms"}, a.Groups)
	require.Equal(t, []string{"/bio/lab"}, b.Groups)
	require.Equal(t, []string{"bio"}, b.VOs)
	// Nor can its key sign for the other.
	claims := bio.issuer.Claims("ann", us, map[string]any{"iss": cms.issuer.URL})
	cms.refused(bio.issuer.Token(claims), "no key")
}

// FuzzVerify: no text is accepted that was not signed, none panics, and no
// error repeats it.
func FuzzVerify(f *testing.F) {
	key, err := gridtest.NewTokenKey("ES256")
	if err != nil {
		f.Fatal(err)
	}
	for _, payload := range []string{`{"iss":"https://i.test","sub":"ann"}`, `{}`, `[]`, `{"iss":"https://i.test","sub":"a","exp":1e400,"scope":"x","wlcg.groups":[["/a"]]}`} {
		f.Add(key.Sign(map[string]any{"alg": "ES256", "kid": key.ID}, []byte(payload)))
	}
	f.Add("a.b.c")
	f.Add("....")
	published := []byte(`{"keys":[` + string(must(json.Marshal(key.JWK()))) + `]}`)
	v, err := token.New(token.Options{
		Audiences: []string{us}, Issuers: []token.Issuer{{Issuer: "https://i.test", JWKSFile: "keys"}},
		ReadFile: func(string) ([]byte, error) { return published, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := v.Verify(text)
		require.Error(t, c.Verdict())
		if len(text) > 40 {
			require.NotContains(t, c.Err.Error(), text[:40])
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
