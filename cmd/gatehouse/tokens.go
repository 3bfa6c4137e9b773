package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// TokensConfig says whose bearer tokens are taken. Without the section none are.
type TokensConfig struct {
	// Audiences are what we are called in tokens: one of them must be the
	// token's audience.
	Audiences []string            `yaml:"audiences"`
	Issuers   []TokenIssuerConfig `yaml:"issuers"`
}

// TokenIssuerConfig is one issuer; see token.Issuer.
type TokenIssuerConfig struct {
	Issuer     string    `yaml:"issuer"`
	Profile    string    `yaml:"profile"` // wlcg, scitokens or aarc
	Audiences  []string  `yaml:"audiences"`
	Algorithms []string  `yaml:"algorithms"`
	JWKS       string    `yaml:"jwks"`
	JWKSFile   conf.Path `yaml:"jwks-file"`
	CA         conf.Path `yaml:"ca"` // PEM file; the system's CAs if empty
	// GridCAs: the server of the key set is certified by a CA of trust.directory.
	GridCAs  bool          `yaml:"grid-cas"`
	Refresh  conf.Duration `yaml:"refresh"`
	MaxStale conf.Duration `yaml:"max-stale"`
	MaxAge   conf.Duration `yaml:"max-age"`
	VO       string        `yaml:"vo"`
	VOs      []string      `yaml:"vos"`
	Groups   []string      `yaml:"groups"`
	// IgnoreCapabilities: scopes such as compute.read limit no token.
	IgnoreCapabilities bool `yaml:"ignore-capabilities"`
	// SingleUse: each token is good for one request.
	SingleUse bool `yaml:"single-use"`
}

// options are those of a verifier, whoever opens it. grid trusts the servers that
// a CA of the grid certifies.
func (c *TokensConfig) options(grid func() *tls.Config) token.Options {
	o := token.Options{Audiences: c.Audiences, ReadFile: guard.ReadFile, Grid: grid}
	for _, i := range c.Issuers {
		o.Issuers = append(o.Issuers, token.Issuer{
			Issuer: i.Issuer, Profile: token.Profile(i.Profile), Audiences: i.Audiences, Algorithms: i.Algorithms,
			JWKS: i.JWKS, JWKSFile: string(i.JWKSFile), CA: string(i.CA), GridCAs: i.GridCAs,
			Refresh: i.Refresh.Std(), MaxStale: i.MaxStale.Std(), MaxAge: i.MaxAge.Std(),
			VO: i.VO, VOs: i.VOs, Groups: i.Groups, IgnoreCapabilities: i.IgnoreCapabilities, SingleUse: i.SingleUse,
		})
	}
	return o
}

// audiences are all that tokens are made for.
func (c *TokensConfig) audiences() []string {
	all := slices.Clone(c.Audiences)
	for _, i := range c.Issuers {
		all = append(all, i.Audiences...)
	}
	return all
}

// of returns the section for another service of the site.
func (c *TokensConfig) of(audiences []string) *TokensConfig {
	other := TokensConfig{Audiences: audiences, Issuers: slices.Clone(c.Issuers)}
	for i := range other.Issuers {
		other.Issuers[i].Audiences = nil
	}
	return &other
}

// checkTokens refuses tokens for administration that nobody could use, or that
// are handed to jobs.
func (c *Config) checkTokens() error {
	if c.PAP == nil {
		return nil
	}
	all, err := readNamed(slices.Concat(c.Administrators, c.PAP.Followers))
	switch {
	case err != nil:
		return fmt.Errorf("pap.followers: %w", err)
	case len(c.PAP.TokenAudiences) == 0 && len(all.tokens) > 0:
		return fmt.Errorf("%s#%s is named by a token, and the PAP takes none: set pap.token-audiences", all.tokens[0].issuer, all.tokens[0].subject)
	case len(c.PAP.TokenAudiences) == 0:
		return nil
	case c.Tokens == nil:
		return errors.New("pap.token-audiences: add a section tokens with the issuers")
	}
	for _, a := range c.PAP.TokenAudiences {
		if slices.Contains(c.Tokens.audiences(), a) {
			return fmt.Errorf("pap.token-audiences: %s is also an audience of jobs: whoever gets a token to run a job could administer with it", a)
		}
	}
	for _, name := range all.tokens {
		if !slices.ContainsFunc(c.Tokens.Issuers, func(i TokenIssuerConfig) bool { return i.Issuer == name.issuer }) {
			return fmt.Errorf("%s#%s: tokens.issuers has no such issuer", name.issuer, name.subject)
		}
	}
	return nil
}

// bearer opens the tokens section for the container. Without one it returns nil:
// no tokens are accepted.
func (s *site) bearer() (func(string) *authz.Credential, error) {
	if s.config.Tokens == nil || s.takesToken != nil {
		return s.takesToken, nil
	}
	v, err := s.openTokens("token keys", s.config.Tokens, false)
	if err != nil {
		return nil, err
	}
	s.reportTokens(v)
	s.takesToken = v.Verify
	return v.Verify, nil
}

// papBearer opens it for the PAP, which has audiences of its own, or none. ⚿ A
// token that is also made for jobs, or for any other service, administers nothing.
func (s *site) papBearer() (func(string) *authz.Credential, error) {
	if len(s.config.PAP.TokenAudiences) == 0 {
		return nil, nil
	}
	v, err := s.openTokens("pap token keys", s.config.Tokens.of(s.config.PAP.TokenAudiences), true)
	if err != nil {
		return nil, err
	}
	if s.config.Container == nil {
		s.reportTokens(v)
	}
	return v.Verify, nil
}

// openTokens makes a verifier and keeps its keys up to date, and for a restart.
func (s *site) openTokens(name string, c *TokensConfig, alone bool) (*token.Verifier, error) {
	o := c.options(func() *tls.Config { return s.verifier.ClientTLS(nil) })
	o.Alone, o.Log, o.Now, o.Keep = alone, s.log, s.now, filepath.Join(string(s.config.Data), "token-keys")
	if err := os.MkdirAll(o.Keep, 0o700); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	v, err := token.New(o)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	s.group.Add(daemon.Background(name, func(ctx context.Context) error {
		v.Follow(ctx)
		return nil
	}))
	return v, nil
}

// reportTokens shows in /status how we stand with each issuer.
func (s *site) reportTokens(v *token.Verifier) {
	s.health.Facts(func() []daemon.Fact {
		var facts []daemon.Fact
		for _, i := range v.Sources() {
			state := fmt.Sprintf("OK, %d keys", i.Keys)
			if i.Fault != "" {
				state = fmt.Sprintf("%d keys, not confirmed since %s: %s", i.Keys, confirmed(i.Confirmed), i.Fault)
			}
			facts = append(facts, daemon.Fact{Name: "TokenIssuer", Value: i.Issuer + " " + state})
		}
		return facts
	})
}

// gridTrust trusts the servers that the trust directory certifies; if that
// cannot be read, none.
func (c *Config) gridTrust() *tls.Config {
	authorities, err := c.Trust.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	}
	return gsi.NewVerifier(authorities, time.Now).ClientTLS(nil)
}

// checkTokenIssuers opens the tokens section for each service that takes tokens.
func (c *Config) checkTokenIssuers() error {
	var all []error
	if c.PAP != nil && len(c.PAP.TokenAudiences) > 0 {
		_, err := token.New(c.Tokens.of(c.PAP.TokenAudiences).options(c.gridTrust))
		all = append(all, err)
	}
	if c.Container != nil || all == nil {
		_, err := token.New(c.Tokens.options(c.gridTrust))
		all = append(all, err)
	}
	return errors.Join(all...)
}

func confirmed(t time.Time) string {
	if t.IsZero() {
		return "the start"
	}
	return t.UTC().Format(time.RFC3339)
}
