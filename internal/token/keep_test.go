package token_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// keeping is a rig whose keys survive restarts.
type keeping struct {
	*rig
	dir string
}

func newKeeping(t *testing.T) *keeping {
	k := &keeping{newRig(t, func(i *token.Issuer) { i.Refresh, i.MaxStale, i.MaxAge = time.Hour, 3*time.Hour, 100*time.Hour }), t.TempDir()}
	k.restart()
	require.NoError(t, k.verifier.Refresh(t.Context()))
	return k
}

// restart begins anew, and fetches nothing.
func (k *keeping) restart() {
	o := k.options(k.config)
	o.Keep = k.dir
	var err error
	k.verifier, err = token.New(o)
	require.NoError(k.t, err)
}

func (k *keeping) file() string {
	all, err := filepath.Glob(filepath.Join(k.dir, "jwks-*.json"))
	require.NoError(k.t, err)
	require.Len(k.t, all, 1)
	return all[0]
}

// Keys survive a restart while the issuer is down, with their age: a restart
// makes none younger.
func TestKeysSurviveARestart(t *testing.T) {
	k := newKeeping(t)
	long := k.token(map[string]any{"exp": k.clock().Add(90 * time.Hour).Unix()})
	confirmed := k.verifier.Sources()[0].Confirmed
	info, err := os.Stat(k.file())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, k.issuer.Close())

	k.pass(2 * time.Hour)
	k.restart()
	k.accepted(long)
	require.True(t, confirmed.Equal(k.verifier.Sources()[0].Confirmed))
	require.Error(t, k.verifier.Refresh(t.Context()), "it is down")
	k.accepted(long)
	k.pass(time.Hour + time.Second)
	k.refused(long, "not confirmed for too long")
	k.restart()
	k.refused(long, "not known yet")
	require.Contains(t, k.heard.String(), "longer ago than 3h0m0s")
}

// ⚿ Kept keys that are not what was kept are not used: neither those of another
// issuer, URL or time, nor what the reader of files refuses.
func TestKeptKeysThatAreNotUsed(t *testing.T) {
	k := newKeeping(t)
	text := k.token(nil)
	good, err := os.ReadFile(k.file())
	require.NoError(t, err)
	stranger, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	secret := stranger.JWK()
	secret["d"] = "AAAA"
	path := k.file()
	for name, c := range map[string]struct{ from, to, why string }{
		"another issuer":    {`"issuer":"` + k.issuer.URL, `"issuer":"https://evil.test`, "another issuer's"},
		"another URL":       {`"from":"` + k.issuer.URL, `"from":"https://evil.test`, "another issuer's"},
		"from the future":   {k.clock().UTC().Format("2006-01-02T15:"), k.clock().UTC().Add(2 * time.Hour).Format("2006-01-02T15:"), "which is not yet"},
		"from long ago":     {k.clock().UTC().Format("2006-01-02T15:"), k.clock().UTC().Add(-4 * time.Hour).Format("2006-01-02T15:"), "longer ago"},
		"no time":           {`"confirmed":`, `"x":`, "unknown"},
		"a name twice":      {`"issuer":`, `"issuer":"x","issuer":`, "duplicate"},
		"a private key":     {string(k.issuer.KeySet()), `{"keys":[` + marshal(t, secret) + `]}`, "private key"},
		"no keys":           {string(k.issuer.KeySet()), `{"keys":[]}`, "no key for any"},
		"cut off":           {`}`, ``, ""},
		"nothing":           {string(good), ``, ""},
		"not even a record": {string(good), `null`, "another issuer's"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, string(good), c.from)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(good), c.from, c.to, 1)), 0o600))
			k.heard.Reset()
			k.restart()
			k.refused(text, "not known yet")
			require.Contains(t, k.heard.String(), "that were kept are not used")
			require.Contains(t, k.heard.String(), c.why)
		})
	}
	require.NoError(t, os.WriteFile(path, good, 0o600))
	o := k.options(k.config)
	o.Keep, o.ReadFile = k.dir, func(p string) ([]byte, error) {
		if p == path {
			return nil, errors.New("mode 0666")
		}
		return os.ReadFile(p)
	}
	k.verifier, err = token.New(o)
	require.NoError(t, err)
	k.refused(text, "not known yet")
	// What configuration does not accept any more is not used either.
	k.config.Algorithms = []string{"RS256"}
	k.restart()
	k.refused(text, "not known yet")
	k.config.Algorithms = nil
	k.restart()
	k.accepted(text)
	// Another URL has keys of its own.
	k.config.JWKS += "?v=2"
	k.restart()
	k.refused(text, "not known yet")
}

// What cannot be kept is used all the same.
func TestKeysThatCannotBeKept(t *testing.T) {
	k := newKeeping(t)
	k.dir = filepath.Join(k.dir, "nowhere")
	k.restart()
	require.NoError(t, k.verifier.Refresh(t.Context()))
	k.accepted(k.token(nil))
	require.Contains(t, k.heard.String(), "cannot be kept for a restart")
}

// ⚿ Where configuration says so, a token is good for one request: shown again,
// by the next request, by twenty at a time or after a restart, it is refused.
func TestReplayRefused(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.SingleUse = true })
	r.pass(time.Minute) // the clock of this test stands still
	text := r.token(map[string]any{"jti": "one"})
	c := r.verify(text)
	require.NoError(t, c.Verdict())
	require.NoError(t, c.Verdict(), "the request that has it goes on")
	r.refused(text, "used before")
	r.refused(r.token(map[string]any{"jti": "one", "sub": "bob"}), "used before")
	r.accepted(r.token(map[string]any{"jti": "two"}))

	// Whether it was verified meanwhile or not.
	many := r.token(map[string]any{"jti": "many"})
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if r.verifier.Verify(many).Verdict() == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, accepted.Load())

	// A token that is refused is not used up by that.
	early := r.token(map[string]any{"jti": "early", "nbf": r.clock().Add(10 * time.Minute).Unix()})
	r.refused(early, "valid only from")
	r.pass(6 * time.Minute)
	r.accepted(early)
	r.refused(early, "used before")

	var err error
	r.verifier, err = token.New(r.options(r.config))
	require.NoError(t, err)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	r.refused(text, "issued before this service started")
	r.accepted(r.token(map[string]any{"iat": r.clock().Unix()}))
	r.refused(r.token(map[string]any{"iat": r.clock().Add(-2 * time.Second).Unix()}), "issued before this service started")
}

// ⚿ Nor is one good for two by a restart where the issuer's clock is ahead: it would
// seem to be newer than the service that has forgotten it.
func TestReplayAfterARestartIsRefused(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.SingleUse = true })
	r.pass(time.Minute)
	ahead := r.token(map[string]any{"iat": r.clock().Add(3 * time.Minute).Unix(), "nbf": nil})
	r.refused(ahead, "clock is ahead")
	r.pass(4 * time.Minute)
	r.accepted(ahead)
	r.pass(time.Second)
	var err error
	r.verifier, err = token.New(r.options(r.config))
	require.NoError(t, err)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	r.refused(ahead, "issued before this service started")
}

func TestSingleUseNeedsAName(t *testing.T) {
	r := newRig(t, func(i *token.Issuer) { i.SingleUse, i.Profile, i.VO = true, token.SciTokens, "ligo" })
	r.refused(r.token(map[string]any{"ver": "scitoken:2.0", "jti": nil}), "needs a jti and an iat")
	r.refused(r.token(map[string]any{"ver": "scitoken:2.0", "iat": nil}), "needs a jti and an iat")
}

// The server of an issuer's keys may be certified by a CA of the grid.
func TestGridTrust(t *testing.T) {
	r := newRig(t)
	r.config.CA, r.config.GridCAs = "", true
	_, err := token.New(r.options(r.config))
	require.ErrorContains(t, err, "no trust directory")
	pool := x509.NewCertPool()
	o := r.options(r.config)
	o.Grid = func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool} }
	r.verifier, err = token.New(o)
	require.NoError(t, err)
	require.ErrorContains(t, r.verifier.Refresh(t.Context()), "certificate", "⚿ of none of its CAs")
	pool.AddCert(r.issuer.CA.Cert)
	require.NoError(t, r.verifier.Refresh(t.Context()))
	r.accepted(r.token(nil))
}
