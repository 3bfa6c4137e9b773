package token_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// ⚿ No start with a configuration that would accept more than was meant.
func TestConfiguration(t *testing.T) {
	good := func() token.Issuer { return token.Issuer{Issuer: "https://i.test/", JWKS: "https://i.test/jwks"} }
	other := func() token.Issuer { return token.Issuer{Issuer: "https://other.test", JWKS: "https://i.test/jwks"} }
	for why, change := range map[string]func(*token.Issuer, *token.Options){
		"no audience":                func(_ *token.Issuer, o *token.Options) { o.Audiences = nil },
		"no audience:":               func(i *token.Issuer, _ *token.Options) { i.Audiences = []string{""} },
		"either those of the file":   func(i *token.Issuer, _ *token.Options) { i.CA, i.GridCAs = "/x", true },
		"want an https URL":          func(i *token.Issuer, _ *token.Options) { i.Issuer = "http://i.test" },
		"query and fragment":         func(i *token.Issuer, _ *token.Options) { i.Issuer = "https://i.test/#x" },
		"not ASCII":                  func(i *token.Issuer, _ *token.Options) { i.Issuer = "https://ı.test" },
		"profile":                    func(i *token.Issuer, _ *token.Options) { i.Profile = "oidc" },
		"and not both":               func(i *token.Issuer, _ *token.Options) { i.JWKSFile = "/x" },
		"a key set at a URL":         func(i *token.Issuer, _ *token.Options) { i.JWKS = "" },
		"jwks \"http:":               func(i *token.Issuer, _ *token.Options) { i.JWKS = "http://i.test" },
		"max-stale is negative":      func(i *token.Issuer, _ *token.Options) { i.MaxStale = -1 },
		"not longer than refresh":    func(i *token.Issuer, _ *token.Options) { i.MaxStale = time.Minute },
		"no name of a VO":            func(i *token.Issuer, _ *token.Options) { i.VO = "a/b" },
		"a vo needs groups":          func(i *token.Issuer, _ *token.Options) { i.VO, i.Profile = "cms", token.AARC },
		"want the path":              func(i *token.Issuer, _ *token.Options) { i.Groups = []string{"/cms/Role=x"} },
		"no group membership":        func(i *token.Issuer, _ *token.Options) { i.Groups, i.Profile = []string{"/cms"}, token.AARC },
		"named twice":                func(_ *token.Issuer, o *token.Options) { o.Issuers = []token.Issuer{with(good()), with(good())} },
		"may claim every group":      func(_ *token.Issuer, o *token.Options) { o.Issuers = []token.Issuer{with(good()), other()} },
		"no token issuer":            func(_ *token.Issuer, o *token.Options) { o.Issuers = []token.Issuer{} },
		"no such file or directory":  func(i *token.Issuer, _ *token.Options) { i.CA = "/nowhere/ca.pem" },
		"holds no certificate":       func(i *token.Issuer, _ *token.Options) { i.CA = "/dev/null" },
		"algorithm \"ES256K\": want": func(i *token.Issuer, _ *token.Options) { i.Algorithms = []string{"ES256K"} },
	} {
		t.Run(why, func(t *testing.T) {
			i, o := good(), token.Options{Audiences: []string{us}}
			change(&i, &o)
			if o.Issuers == nil {
				o.Issuers = []token.Issuer{i}
			}
			_, err := token.New(o)
			require.ErrorContains(t, err, why)
		})
	}
	_, err := token.New(token.Options{Audiences: []string{us}, Issuers: []token.Issuer{good()}})
	require.NoError(t, err)
}

func with(i token.Issuer) token.Issuer { i.VO = "cms"; return i }
