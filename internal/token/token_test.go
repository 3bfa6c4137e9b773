package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const us = "https://ce.example.org:8443"

// rig is a verifier with one issuer behind HTTPS, a clock, and an ear for every
// word that is said about tokens.
type rig struct {
	t        *testing.T
	issuer   *gridtest.Issuer
	config   token.Issuer
	verifier *token.Verifier

	mu     sync.Mutex
	now    time.Time
	heard  bytes.Buffer
	tokens []string
}

func newRig(t *testing.T, change ...func(*token.Issuer)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Now()}
	var err error
	r.issuer, err = gridtest.NewIssuer()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.issuer.Close() })
	ca, err := r.issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	r.config = token.Issuer{Issuer: r.issuer.URL, JWKS: r.issuer.URL + "/jwks", CA: ca}
	for _, f := range change {
		f(&r.config)
	}
	r.verifier, err = token.New(r.options(r.config))
	require.NoError(t, err)
	_ = r.verifier.Refresh(t.Context())
	t.Cleanup(r.checkSecrecy)
	return r
}

func (r *rig) options(issuers ...token.Issuer) token.Options {
	return token.Options{
		Issuers: issuers, Audiences: []string{us}, Now: r.clock,
		Log: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// Write hears what is logged.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard.Write(b)
}

// checkSecrecy ⚿: no part of any token is in any log line or error.
func (r *rig) checkSecrecy() {
	for _, text := range r.tokens {
		for part := range strings.SplitSeq(text, ".") {
			if len(part) >= 8 {
				require.NotContains(r.t, r.heard.String(), part[:min(len(part), 40)])
			}
		}
	}
}

func (r *rig) verify(text string) *authz.Credential {
	r.t.Helper()
	c := r.verifier.Verify(text)
	require.NotNil(r.t, c)
	_, ok := token.ClaimsOf(c)
	require.True(r.t, ok, "a refused token has claims too")
	require.Equal(r.t, fmt.Sprint(c.Err), fmt.Sprint(c.Verdict()))
	r.tokens = append(r.tokens, text)
	fmt.Fprintln(r, c.Err, c.Subject)
	return c
}

func (r *rig) accepted(text string) *token.Claims {
	r.t.Helper()
	c := r.verify(text)
	require.NoError(r.t, c.Verdict())
	claims, _ := token.ClaimsOf(c)
	return claims
}

func (r *rig) refused(text, why string) *token.Claims {
	r.t.Helper()
	c := r.verify(text)
	require.ErrorContains(r.t, c.Verdict(), why)
	require.ErrorContains(r.t, c.Verdict(), "token: ")
	claims, _ := token.ClaimsOf(c)
	return claims
}

func (r *rig) token(changes map[string]any) string {
	return r.issuer.Token(r.issuer.Claims("ann", us, changes))
}

func TestGood(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		r := newRig(t, func(i *token.Issuer) { i.Algorithms = []string{algorithm}; i.VO = "cms" })
		_, err := r.issuer.Rotate(algorithm)
		require.NoError(t, err)
		require.NoError(t, r.verifier.Refresh(t.Context()))
		c := r.accepted(r.token(map[string]any{
			"jti": "id-1", "client_id": "portal", "aud": []string{"https://other", us}, "scope": "compute.create openid",
			"wlcg.groups": []string{"/cms/uscms", "/cms", "/atlas"}, "eduperson_assurance": []string{"https://refeds.org/assurance/IAP/high"},
		}))
		require.Equal(t, []string{r.issuer.URL, "ann", "id-1", "portal"}, []string{c.Issuer, c.Subject, c.ID, c.ClientID})
		require.Equal(t, r.issuer.URL+"#ann", c.Name())
		require.Equal(t, []string{"compute.create", "openid"}, c.Scopes)
		require.Equal(t, []string{"/cms/uscms", "/cms"}, c.Groups)
		require.Equal(t, []string{"/atlas"}, c.Others, "of another VO: nobody vouches for it")
		require.Equal(t, []string{"cms"}, c.VOs)
		require.Equal(t, "/cms/uscms", c.Primary.String())
		require.Equal(t, []string{"https://refeds.org/assurance/IAP/high"}, c.Assurance)
		require.True(t, c.May("compute.create"))
		require.False(t, c.May("compute.cancel"))
	}
}

// ⚿ Where a token must be made for nobody else, one that others may be shown, too,
// is refused.
func TestMadeForUsAlone(t *testing.T) {
	r := newRig(t)
	o := r.options(r.config)
	o.Alone, o.Audiences = true, []string{us, us + "/too"}
	var err error
	r.verifier, err = token.New(o)
	require.NoError(t, err)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	for _, aud := range []any{us, []string{us}, []string{us, us + "/too"}} {
		r.accepted(r.token(map[string]any{"aud": aud}))
	}
	for _, other := range []string{"https://other", "ANY", "", strings.ToUpper(us)} {
		r.refused(r.token(map[string]any{"aud": []string{us, other}}), "")
		r.refused(r.token(map[string]any{"aud": []string{other, us}}), "")
	}
	r.refused(r.token(map[string]any{"aud": []string{"https://other", us}}), "made for somebody else, too")
}

// ⚿ What is wrong in form, time or for whom it is meant is refused.
func TestClaims(t *testing.T) {
	r := newRig(t)
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		changes map[string]any
		why     string
	}{
		"no issuer":             {map[string]any{"iss": nil}, "none that is accepted"},
		"other issuer":          {map[string]any{"iss": "https://evil.example"}, "none that is accepted"},
		"slash":                 {map[string]any{"iss": r.issuer.URL + "/"}, "none that is accepted"},
		"http":                  {map[string]any{"iss": strings.Replace(r.issuer.URL, "https", "http", 1)}, "none that is accepted"},
		"case":                  {map[string]any{"iss": strings.ToUpper(r.issuer.URL)}, "none that is accepted"},
		"unicode":               {map[string]any{"iss": strings.Replace(r.issuer.URL, "1", "１", 1)}, "none that is accepted"},
		"zero width":            {map[string]any{"iss": r.issuer.URL + "\u200b"}, "none that is accepted"},
		"issuers":               {map[string]any{"iss": []string{r.issuer.URL}}, "none that is accepted"},
		"no subject":            {map[string]any{"sub": nil}, "sub is missing"},
		"empty subject":         {map[string]any{"sub": ""}, "sub is not a string"},
		"number":                {map[string]any{"sub": 7}, "sub is not a string"},
		"line break":            {map[string]any{"sub": "ann\nlevel=ERROR"}, "sub holds the character U+000A"},
		"right to left":         {map[string]any{"sub": "ann\u202e"}, "sub holds the character U+202E"},
		"blank":                 {map[string]any{"sub": "ann "}, "blank"},
		"long":                  {map[string]any{"sub": strings.Repeat("a", 1025)}, "longer"},
		"no audience":           {map[string]any{"aud": nil}, "no audience"},
		"wrong audience":        {map[string]any{"aud": "https://ce2.example.org"}, "somebody else"},
		"audience begins alike": {map[string]any{"aud": us + "/x"}, "somebody else"},
		"any":                   {map[string]any{"aud": "https://wlcg.cern.ch/jwt/v1/any"}, "somebody else"},
		"ANY":                   {map[string]any{"aud": "ANY"}, "somebody else"},
		"no audiences":          {map[string]any{"aud": []string{}}, "no audience"},
		"audience in audience":  {map[string]any{"aud": []any{[]string{us}}}, "aud is not a string"},
		"no exp":                {map[string]any{"exp": nil}, "exp is missing"},
		"expired":               {map[string]any{"exp": now - 301, "iat": now - 3600}, "it ended"},
		"text":                  {map[string]any{"exp": "9999999999"}, "exp is not a time"},
		"float":                 {map[string]any{"exp": 1.5e9 + 0.5}, "exp is not a time"},
		"exponent":              {map[string]any{"exp": jsonNumber("1e400")}, "exp is not a time"},
		"small exponent":        {map[string]any{"exp": jsonNumber("2e9")}, "exp is not a time"},
		"negative":              {map[string]any{"exp": -1}, "exp is not a time"},
		"overflow":              {map[string]any{"exp": jsonNumber("18446744073709551616")}, "exp is not a time"},
		"for ever":              {map[string]any{"exp": now + 1e9}, "longer than"},
		"not yet":               {map[string]any{"nbf": now + 400}, "valid only from"},
		"from the future":       {map[string]any{"iat": now + 400}, "not yet"},
		"null":                  {map[string]any{"nbf": jsonNumber("null")}, "nbf is not a time"},
		"bound":                 {map[string]any{"cnf": map[string]any{"jkt": "x"}}, "bound to a key"},
		"two clients":           {map[string]any{"client_id": "a", "azp": "b"}, "differ"},
		"scope list":            {map[string]any{"scope": []string{"compute.create"}}, "scope is not"},
		"scope unicode":         {map[string]any{"scope": "compute.creatе"}, "scope is not"},
		"scope tab":             {map[string]any{"scope": "compute.read\tcompute.create"}, "scope is not"},
		"storage everywhere":    {map[string]any{"scope": "storage.read"}, "storage scope"},
		"storage dots":          {map[string]any{"scope": "storage.read:/a/../b"}, "storage scope"},
		"compute path":          {map[string]any{"scope": "compute.create:/x"}, "compute scope"},
		"no version":            {map[string]any{"wlcg.ver": nil}, "wlcg.ver"},
		"version 2":             {map[string]any{"wlcg.ver": "2.0"}, "wlcg.ver"},
		"version 1.":            {map[string]any{"wlcg.ver": "1."}, "wlcg.ver"},
		"no jti":                {map[string]any{"jti": nil}, "jti"},
		"groups":                {map[string]any{"wlcg.groups": map[string]any{}}, "wlcg.groups is neither"},
		"many groups":           {map[string]any{"wlcg.groups": make([]string, 300)}, "more than 256"},
	} {
		t.Run(name, func(t *testing.T) { r.refused(r.token(c.changes), c.why) })
	}
	r.accepted(r.token(nil))
	r.accepted(r.token(map[string]any{"wlcg.ver": "1.2", "nbf": nil, "scope": `storage.read:/a/b compute.read`}))
	r.accepted(r.token(map[string]any{"exp": now - 200, "iat": now - 3600, "nbf": nil}))
	r.accepted(r.token(map[string]any{"nbf": now + 200, "iat": now + 200}))
}

type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) {
	if n == "1e400" || n == "null" || n == "2e9" || len(n) > 10 {
		return []byte(n), nil
	}
	return nil, fmt.Errorf("%s", string(n))
}

// ⚿ What a token says about how it is to be verified counts for nothing.
func TestHeader(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Algorithms = []string{"ES256", "RS256"} })
	key := r.issuer.Key()
	payload := []byte(fmt.Sprintf(`{"iss":%q,"sub":"ann","aud":%q,"jti":"1","wlcg.ver":"1.0","iat":%d,"exp":%d}`, r.issuer.URL, us, time.Now().Unix(), time.Now().Unix()+600))
	evil, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	evil.ID = key.ID
	good := map[string]any{"alg": "ES256", "kid": key.ID}
	with := func(pairs ...any) map[string]any {
		h := map[string]any{"alg": "ES256", "kid": key.ID}
		for k := 0; k < len(pairs); k += 2 {
			h[pairs[k].(string)] = pairs[k+1]
		}
		return h
	}
	hidden := r.issuer.URL + "/evil"
	for name, c := range map[string]struct {
		header map[string]any
		why    string
	}{
		"none":       {with("alg", "none"), "no key"},
		"None":       {with("alg", "nOnE"), "no key"},
		"HS256":      {with("alg", "HS256"), "no key"},
		"RS256":      {with("alg", "RS256"), "no key"},
		"no alg":     {map[string]any{"kid": key.ID}, "alg is missing"},
		"alg list":   {with("alg", []string{"ES256"}), "alg is not a string"},
		"jku":        {with("jku", hidden), "jku is not accepted"},
		"x5u":        {with("x5u", hidden), "x5u is not accepted"},
		"x5c":        {with("x5c", []string{"MII"}), "x5c is not accepted"},
		"jwk":        {with("jwk", evil.JWK()), "jwk is not accepted"},
		"crit":       {with("crit", []string{"exp"}, "exp", 1), "crit is not accepted"},
		"empty crit": {with("crit", []string{}), "crit is not accepted"},
		"b64":        {with("b64", false), "b64 is not accepted"},
		"zip":        {with("zip", "DEF"), "zip is not accepted"},
		"nested":     {with("cty", "JWT"), "cty is not accepted"},
		"path":       {with("kid", "../../../../dev/null"), "no key"},
		"query":      {with("kid", "' OR 1=1 --"), "no key"},
		"empty kid":  {with("kid", ""), "kid is not a string"},
		"huge kid":   {with("kid", strings.Repeat("k", 5000)), "longer than"},
		"kid list":   {with("kid", []string{key.ID}), "kid is not a string"},
		"logout":     {with("typ", "logout+jwt"), "typ"},
		"proof":      {with("typ", "dpop+jwt"), "typ"},
	} {
		t.Run(name, func(t *testing.T) { r.refused(key.Sign(c.header, payload), c.why) })
	}
	fetched := r.issuer.Fetched()
	r.accepted(key.Sign(good, payload))
	r.accepted(key.Sign(map[string]any{"alg": "ES256"}, payload)) // the only key
	r.accepted(key.Sign(with("typ", "AT+JWT", "x5t", "abc"), payload))
	r.refused(evil.Sign(good, payload), "signature is wrong")

	signed := strings.Split(key.Sign(good, payload), ".")
	other := strings.Split(key.Sign(good, bytes.Replace(payload, []byte("ann"), []byte("bob"), 1)), ".")
	r.refused(signed[0]+"."+other[1]+"."+signed[2], "signature is wrong")
	r.refused(signed[0]+"."+signed[1]+".", "not signed")
	r.refused(signed[0]+"."+signed[1]+".AAAA", "signature is wrong")
	r.refused(signed[0]+"."+signed[1]+"."+encode(make([]byte, 64)), "signature is wrong")
	for _, text := range []string{"", "x", "..", "...", "a.b.c", signed[0], strings.Join(signed, "..")} {
		require.Error(t, r.verify(text).Verdict(), text)
	}
	r.refused(strings.Join(signed, ".")+".a.b", "JWE")
	r.refused(strings.Repeat(".", 10000), "three parts")
	r.refused(strings.Join(signed, ".")+strings.Repeat("A", token.MaxSize), "longer than")
	r.refused(strings.Join(signed, ".")+"=", "base64url")
	// The last letter of a signature has bits that say nothing: one token, one text.
	r.refused(signed[0]+"."+signed[1]+"."+signed[2][:85]+string(signed[2][85]+1), "signature: not base64url")
	r.refused(signed[0]+"."+signed[1][:10]+"\r\n"+signed[1][10:]+"."+signed[2], "line breaks")
	require.Equal(t, fetched, r.issuer.Fetched(), "no request waits for the network, whatever it names")
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// ⚿ HMAC with the public key as its secret is the old confusion: no algorithm
// is taken from the token, and no secret can be configured.
func TestKeyConfusion(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Algorithms = []string{"RS256"} })
	_, err := r.issuer.Rotate("RS256")
	require.NoError(t, err)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	claims := r.issuer.Claims("ann", us, nil)
	for _, secret := range secrets(t, r.issuer.Key()) {
		r.refused(hmacToken(t, r.issuer.Key().ID, claims, secret), "no key")
	}
	r.config.Algorithms = []string{"HS256"}
	_, err = token.New(r.options(r.config))
	require.ErrorContains(t, err, `algorithm "HS256"`)
	r.config.Algorithms = []string{"none"}
	_, err = token.New(r.options(r.config))
	require.ErrorContains(t, err, `algorithm "none"`)
}

// ⚿ Two readers must not be able to see two different tokens.
func TestDuplicates(t *testing.T) {
	r := newRig(t)
	key := r.issuer.Key()
	header := []byte(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, key.ID))
	body := fmt.Sprintf(`"iss":%q,"aud":%q,"jti":"1","wlcg.ver":"1.0","iat":%d,"exp":%d`, r.issuer.URL, us, time.Now().Unix(), time.Now().Unix()+600)
	r.accepted(key.SignRaw(header, []byte(`{"sub":"ann",`+body+`}`)))
	for name, payload := range map[string]string{
		"twice":         `{"sub":"ann","sub":"bob",` + body + `}`,
		"escaped":       `{"sub":"ann","s\u0075b":"bob",` + body + `}`,
		"inner":         `{"sub":"ann","x":{"a":1,"a":2},` + body + `}`,
		"byte order":    "\ufeff" + `{"sub":"ann",` + body + `}`,
		"trailing":      `{"sub":"ann",` + body + `}{}`,
		"trailing NUL":  `{"sub":"ann",` + body + "}\x00",
		"array":         `[{"sub":"ann",` + body + `}]`,
		"null":          `null`,
		"deep":          `{"sub":"ann","x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `,` + body + `}`,
		"comment":       `{"sub":"ann",/**/` + body + `}`,
		"not UTF-8":     `{"sub":"ann","x":"` + "\xff" + `",` + body + `}`,
		"lone half":     `{"sub":"ann","x":"\ud800",` + body + `}`,
		"trailing word": `{"sub":"ann",` + body + `,}`,
	} {
		t.Run(name, func(t *testing.T) { r.refused(key.SignRaw(header, []byte(payload)), "claims: ") })
	}
	r.refused(key.SignRaw([]byte(fmt.Sprintf(`{"alg":"none","alg":"ES256","kid":%q}`, key.ID)), []byte(`{"sub":"ann",`+body+`}`)), "twice")
	// A claim in another case is another claim.
	r.refused(key.SignRaw(header, []byte(`{"SUB":"ann",`+body+`}`)), "sub is missing")
}

// ⚿ A refused token still says whom bans should look for, and it is the same
// for tokens that nobody signed.
func TestRefusedTokensHaveNames(t *testing.T) {
	r := newRig(t)
	c := r.refused(r.token(map[string]any{"jti": "stolen", "exp": time.Now().Unix() - 3000, "iat": time.Now().Unix() - 6000, "wlcg.groups": []string{"/cms"}}), "it ended")
	require.Equal(t, []string{"ann", "stolen"}, []string{c.Subject, c.ID})
	evil, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	text := evil.Sign(map[string]any{"alg": "none"}, []byte(`{"iss":"https://x.test","sub":"eve","wlcg.groups":["/cms"],"scope":7}`))
	c = r.refused(text, "none that is accepted")
	require.Equal(t, []string{"https://x.test", "eve"}, []string{c.Issuer, c.Subject})
	require.Equal(t, []string{"/cms"}, c.Others)
	require.Empty(t, c.Groups)
	require.Empty(t, c.FQANs)
}

// A token is good until it expires, as often as it is shown: see the package
// comment. Expiry holds on the credential of a connection that stays open.
func TestReplayAndExpiry(t *testing.T) {
	r := newRig(t)
	text := r.token(map[string]any{"jti": "same"})
	c := r.verify(text)
	for range 3 {
		require.NoError(t, r.verify(text).Verdict(), "bearer tokens are shown again and again")
	}
	r.accepted(r.token(map[string]any{"jti": "same", "sub": "bob"})) // a jti is a name, not a ticket
	require.Equal(t, c.Digest, r.verify(text).Digest)
	r.pass(64 * time.Minute)
	require.NoError(t, c.Verdict(), "within the skew")
	r.pass(2 * time.Minute)
	require.ErrorContains(t, c.Verdict(), "it ended")
	require.ErrorContains(t, r.verifier.Verify(text).Err, "it ended")
}

// ⚿ A key that leaves takes its tokens along, on open connections too; a new
// one is found without any request waiting for it.
func TestRotation(t *testing.T) {
	r := newRig(t)
	first := r.issuer.Key()
	text := r.token(nil)
	open := r.verify(text)
	require.NoError(t, open.Verdict())
	second, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	r.issuer.Publish(second, first)

	stop := r.follow()
	defer stop()
	require.Eventually(t, func() bool { return r.verifier.Sources()[0].Keys == 2 }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, open.Verdict(), "both are published")
	r.accepted(r.token(nil))

	third, err := r.issuer.Rotate("ES256")
	require.NoError(t, err)
	fresh := r.token(nil)
	r.refused(fresh, "no key") // and it is too soon to look again
	fetched := r.issuer.Fetched()
	for range 20 {
		r.refused(fresh, "no key")
	}
	require.Equal(t, fetched, r.issuer.Fetched(), "made-up kids are no way to have us hammer an issuer")
	r.pass(time.Minute)
	r.refused(fresh, "no key")
	require.Eventually(t, func() bool { return r.verifier.Verify(fresh).Err == nil }, 5*time.Second, 5*time.Millisecond)
	require.ErrorContains(t, open.Verdict(), "no longer publishes")
	r.refused(text, "no longer publishes")
	// The same kid with another key is another key.
	forged, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	last := r.verify(fresh)
	forged.ID = third.ID
	r.issuer.Publish(forged)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	require.ErrorContains(t, last.Verdict(), "no longer publishes")
}

func (r *rig) follow() (stop func()) {
	ctx, cancel := contextWithCancel(r.t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.verifier.Follow(ctx)
	}()
	return func() { cancel(); <-done }
}

// ⚿ An issuer that cannot be reached is believed for a while, and never more
// than before.
func TestKeysUnavailable(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.Refresh, i.MaxStale, i.MaxAge = time.Hour, 2*time.Hour, 100*time.Hour })
	long := r.token(map[string]any{"exp": time.Now().Add(90 * time.Hour).Unix()})
	r.accepted(long)
	key := r.issuer.Key()
	big := append([]byte(`{"keys":[`), bytes.Repeat([]byte(" "), 300<<10)...)
	elsewhere := http.RedirectHandler(r.issuer.URL+"/jwks", http.StatusFound).ServeHTTP
	twin, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	twin.ID = key.ID
	both := fmt.Sprintf(`{"keys":[%s,%s]}`, marshal(t, key.JWK()), marshal(t, twin.JWK()))
	private := key.JWK()
	private["d"] = "AAAA"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		why    string
	}{
		"down":        {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, "503"},
		"garbage":     {say("<html>"), "well-formed"},
		"empty":       {say(`{"keys":[]}`), "no key for any"},
		"no keys":     {say(`{}`), "no array keys"},
		"twice":       {say(`{"keys":[],"keys":[]}`), "twice"},
		"secret":      {say(`{"keys":[{"kty":"oct","k":"AAAA","kid":"x","alg":"ES256"}]}`), "no key for any"},
		"private":     {say(`{"keys":[` + marshal(t, private) + `]}`), "private key"},
		"two of one":  {say(both), "two keys have the kid"},
		"large":       {say(string(big)), "longer than"},
		"elsewhere":   {elsewhere, "302"},
		"off a curve": {say(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + encode(make([]byte, 32)) + `","y":"` + encode(bytes.Repeat([]byte{1}, 32)) + `"}]}`), "no key for any"},
	} {
		t.Run(name, func(t *testing.T) {
			r.issuer.Answer(c.answer)
			require.ErrorContains(t, r.verifier.Refresh(t.Context()), c.why)
			require.Contains(t, r.verifier.Sources()[0].Fault, c.why)
			require.True(t, r.verifier.Sources()[0].Usable)
			r.accepted(long)
		})
	}
	open := r.verify(long)
	r.pass(2*time.Hour + time.Second)
	require.ErrorContains(t, open.Verdict(), "not confirmed")
	r.refused(long, "not confirmed")
	require.False(t, r.verifier.Sources()[0].Usable)
	r.issuer.Answer(nil)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	r.accepted(long)
	require.NoError(t, open.Verdict())
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// ⚿ Only the CAs that configuration names vouch for the server of the keys.
func TestTrust(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.CA = "" })
	require.ErrorContains(t, r.verifier.Refresh(t.Context()), "certificate")
	r.refused(r.token(nil), "not known yet")
	stranger, err := gridtest.NewIssuer()
	require.NoError(t, err)
	defer stranger.Close()
	r.config.CA, err = stranger.WriteCA(t.TempDir())
	require.NoError(t, err)
	v, err := token.New(r.options(r.config))
	require.NoError(t, err)
	require.ErrorContains(t, v.Refresh(t.Context()), "certificate")
}

func TestKeysFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	r := newRig(t)
	require.NoError(t, os.WriteFile(path, r.issuer.KeySet(), 0o644))
	r.config.JWKS, r.config.CA, r.config.JWKSFile = "", "", path
	var err error
	r.verifier, err = token.New(r.options(r.config))
	require.NoError(t, err)
	require.NoError(t, r.issuer.Close(), "no network at all")
	text := r.token(nil)
	r.accepted(text)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o644))
	require.Error(t, r.verifier.Refresh(t.Context()))
	r.accepted(text)
	_, err = r.issuer.Rotate("ES256")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, r.issuer.KeySet(), 0o644))
	require.NoError(t, r.verifier.Refresh(t.Context()))
	r.refused(text, "no longer publishes")
	require.NoError(t, os.Remove(path))
	_, err = token.New(r.options(r.config))
	require.ErrorContains(t, err, path, "no start without its keys")
}

// ⚿ The text of a token is for passing on, and for nothing else: neither printing
// nor marshalling shows it.
func TestText(t *testing.T) {
	r := newRig(t)
	good := r.token(nil)
	c := r.verify(good)
	text, ok := token.Text(c)
	require.True(t, ok)
	require.Equal(t, good, text)
	claims, _ := token.ClaimsOf(c)
	data, err := json.Marshal(claims)
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", claims), fmt.Sprintf("%+v", *claims), string(data)} {
		require.NotContains(t, shown, strings.Split(good, ".")[2])
	}
	_, ok = token.Text(r.verify(good + "x"))
	require.False(t, ok, "a refused token is not passed on")
	_, ok = token.Text(nil)
	require.False(t, ok)
}
