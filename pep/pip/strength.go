package pip

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// StrengthRule says how much a credential is worth if everything the rule
// names fits: the end entity's IGTF profile is one of AuthnProfile, its CA is
// CA, the token's issuer is TokenIssuer, one of Assurance is asserted by it.
type StrengthRule struct {
	Strength     string   `yaml:"strength"`
	AuthnProfile []string `yaml:"authn-profile,omitempty"`
	CA           string   `yaml:"ca,omitempty"` // name of the end entity's issuer
	TokenIssuer  string   `yaml:"token-issuer,omitempty"`
	Assurance    []string `yaml:"assurance,omitempty"`
}

// Strength adds the attribute credential-strength.
type Strength struct{ rules []strengthRule }

type strengthRule struct {
	StrengthRule
	ca authz.DN
}

var _ authz.Enricher = (*Strength)(nil)

// NewStrength checks the rules; the first that fits wins. A strength other
// than weak and strong, a CA that is no name, or a rule that names nothing, is
// an error.
func NewStrength(rules []StrengthRule) (*Strength, error) {
	s := &Strength{}
	for i, r := range rules {
		at := fmt.Sprintf("credential-strength, rule %d", i+1)
		if r.Strength != profile.Weak && r.Strength != profile.Strong {
			return nil, fmt.Errorf("%s: strength %q: want %s or %s", at, r.Strength, profile.Weak, profile.Strong)
		}
		one := strengthRule{StrengthRule: r}
		if r.CA != "" {
			var err error
			if one.ca, err = authz.ParseDN(r.CA); err != nil {
				return nil, fmt.Errorf("%s: ca %q: %w", at, r.CA, err)
			}
		}
		if r.CA == "" && r.TokenIssuer == "" && len(r.AuthnProfile) == 0 {
			return nil, fmt.Errorf("%s: name a ca, an authn-profile or a token-issuer: anybody would fit", at)
		}
		s.rules = append(s.rules, one)
	}
	return s, nil
}

// Enrich implements authz.Enricher. It only looks at verified attributes, so
// it runs after the enrichers that verify. What was asserted as strength is
// worth nothing. A refused credential gets no strength at all.
func (s *Strength) Enrich(_ context.Context, r *authz.Request) error {
	demote(r, authz.Subject, profile.CredentialStrength)
	if r.Credential != nil && !stands(r.Credential) {
		return nil
	}
	r.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(s.of(r)))
	return nil
}

func (s *Strength) of(r *authz.Request) string {
	_, subject := r.Verified(authz.Subject, profile.SubjectID)
	_, token := r.Verified(authz.Subject, profile.OIDCSubject)
	if r.Credential == nil && !subject && !token {
		return profile.Anonymous
	}
	for i := range s.rules {
		if s.rules[i].fits(r) {
			return s.rules[i].Strength
		}
	}
	return profile.Weak
}

func (rule *strengthRule) fits(r *authz.Request) bool {
	return (len(rule.AuthnProfile) == 0 || has(r, rule.AuthnProfile, profile.AuthnProfile, profile.EMIAuthnProfile)) &&
		(rule.CA == "" || hasName(r, rule.ca)) &&
		(rule.TokenIssuer == "" || has(r, []string{rule.TokenIssuer}, profile.OIDCIssuer)) &&
		(len(rule.Assurance) == 0 || has(r, rule.Assurance, profile.Assurance))
}

// has reports whether a verified value of one of the ids is among the texts.
func has(r *authz.Request, texts []string, ids ...string) bool {
	for _, id := range ids {
		for a, v := range r.Values(authz.Subject, id) {
			if a.Standing == authz.Verified && slices.Contains(texts, v.Text()) {
				return true
			}
		}
	}
	return false
}

func hasName(r *authz.Request, ca authz.DN) bool {
	for _, id := range []string{profile.X509Issuer, profile.EMIX509Issuer} {
		for a, v := range r.Values(authz.Subject, id) {
			if d, ok := v.Data().(authz.DN); ok && a.Standing == authz.Verified && d.Equal(ca) {
				return true
			}
		}
	}
	return false
}
