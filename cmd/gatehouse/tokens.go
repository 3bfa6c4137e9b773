package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// TokensConfig says whose bearer tokens the container takes. Without the
// section it takes none.
type TokensConfig struct {
	// Audiences are what we are called in tokens: one of them must be the
	// token's audience.
	Audiences []string            `yaml:"audiences"`
	Issuers   []TokenIssuerConfig `yaml:"issuers"`
}

// TokenIssuerConfig is one issuer; see token.Issuer.
type TokenIssuerConfig struct {
	Issuer     string        `yaml:"issuer"`
	Profile    string        `yaml:"profile"` // wlcg, scitokens or aarc
	Audiences  []string      `yaml:"audiences"`
	Algorithms []string      `yaml:"algorithms"`
	JWKS       string        `yaml:"jwks"`
	JWKSFile   conf.Path     `yaml:"jwks-file"`
	CA         conf.Path     `yaml:"ca"` // PEM file; the system's CAs if empty
	Refresh    conf.Duration `yaml:"refresh"`
	MaxStale   conf.Duration `yaml:"max-stale"`
	MaxAge     conf.Duration `yaml:"max-age"`
	VO         string        `yaml:"vo"`
	VOs        []string      `yaml:"vos"`
	Groups     []string      `yaml:"groups"`
	// IgnoreCapabilities: scopes such as compute.read limit no token.
	IgnoreCapabilities bool `yaml:"ignore-capabilities"`
}

// open makes a verifier, as serve and check do.
func (c *TokensConfig) open(log *slog.Logger, now func() time.Time) (*token.Verifier, error) {
	o := token.Options{Audiences: c.Audiences, Log: log, Now: now, ReadFile: guard.ReadFile}
	for _, i := range c.Issuers {
		o.Issuers = append(o.Issuers, token.Issuer{
			Issuer: i.Issuer, Profile: token.Profile(i.Profile), Audiences: i.Audiences, Algorithms: i.Algorithms,
			JWKS: i.JWKS, JWKSFile: string(i.JWKSFile), CA: string(i.CA),
			Refresh: i.Refresh.Std(), MaxStale: i.MaxStale.Std(), MaxAge: i.MaxAge.Std(),
			VO: i.VO, VOs: i.VOs, Groups: i.Groups, IgnoreCapabilities: i.IgnoreCapabilities,
		})
	}
	return token.New(o)
}

// bearer opens the tokens section and keeps its keys up to date. Without one it
// returns nil: no tokens are accepted.
func (s *site) bearer() (func(string) *authz.Credential, error) {
	if s.config.Tokens == nil {
		return nil, nil
	}
	v, err := s.config.Tokens.open(s.log, s.now)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	s.group.Add(daemon.Background("token keys", func(ctx context.Context) error {
		v.Follow(ctx)
		return nil
	}))
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
	return v.Verify, nil
}

func confirmed(t time.Time) string {
	if t.IsZero() {
		return "the start"
	}
	return t.UTC().Format(time.RFC3339)
}
