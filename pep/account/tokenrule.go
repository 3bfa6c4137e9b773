package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// TokenRule names the account for holders of a token: of one subject, of the
// members of a group, or of the holders of an entitlement, of one issuer.
type TokenRule struct {
	Issuer string `yaml:"issuer"` // the claim iss, to the letter
	// One of the three.
	Subject     string `yaml:"subject"`     // the claim sub, to the letter
	Group       string `yaml:"group"`       // "/cms/prod": that group, not those below
	Entitlement string `yaml:"entitlement"` // AARC-G002 or G069; who has more of it, a role or a group below, has it too
	Account     string `yaml:"account"`     // a name, or a pool: ".cms"
}

// tokenRule is a rule ready to be compared.
type tokenRule struct {
	TokenRule
	group  string // as the attribute oidc-group has it
	source string
}

// Check refuses a rule that says too little or too much.
func (t *TokenRule) Check() error {
	_, err := t.read()
	return err
}

func (t *TokenRule) read() (tokenRule, error) {
	rule := tokenRule{TokenRule: *t, group: t.Group}
	said := 0
	for _, s := range []string{t.Subject, t.Group, t.Entitlement} {
		if s != "" {
			said++
		}
	}
	switch {
	case t.Issuer == "":
		return rule, errors.New("issuer is missing: a subject or group of a token means nothing without it")
	case said != 1:
		return rule, errors.New("want one of subject, group and entitlement")
	case t.Account == "":
		return rule, errors.New("account is missing")
	}
	if t.Entitlement != "" {
		var err error
		if rule.group, err = token.NormalEntitlement(t.Entitlement); err != nil {
			return rule, fmt.Errorf("entitlement %q: %w", t.Entitlement, err)
		}
	}
	return rule, nil
}

// readTokenRules checks the accounts of the rules as those of the account map.
// One that a subject has must be nobody else's.
func (m *Mapper) readTokenRules(ctx context.Context) error {
	owners := map[string]string{}
	for i := range m.config.Tokens {
		rule, err := m.config.Tokens[i].read()
		if err == nil {
			err = m.checkTokenAccount(ctx, &rule, owners)
		}
		if err != nil {
			return fmt.Errorf("accounts.tokens[%d]: %w", i, err)
		}
		rule.source = fmt.Sprintf("accounts.tokens[%d]", i)
		m.tokens = append(m.tokens, rule)
	}
	return nil
}

func (m *Mapper) checkTokenAccount(ctx context.Context, rule *tokenRule, owners map[string]string) error {
	if rule.Subject == "" || strings.HasPrefix(rule.Account, ".") || m.shared(rule.Account) {
		return m.checkMany(ctx, rule.Account)
	}
	owner := rule.Issuer + "#" + rule.Subject
	if other, ok := owners[rule.Account]; ok && other != owner {
		return m.checkShared(rule.Account)
	}
	owners[rule.Account] = owner
	if _, err := m.checkStatic(ctx, rule.Account); err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	return nil
}

// byToken applies the rules to somebody who comes with a token and without a
// certificate.
func (m *Mapper) byToken(r *authz.Request, id Identity, maps *mapFiles) (naming, bool, error) {
	issuer, subject := tokenOf(r)
	if len(m.tokens) == 0 || issuer == "" || !id.Name.IsZero() {
		return naming{}, false, nil
	}
	for i := range m.tokens {
		rule := &m.tokens[i]
		if rule.Issuer != issuer || !rule.fits(r, subject) {
			continue
		}
		groups, err := maps.groups.of(id, m.config.Prefer)
		if err != nil {
			return naming{}, false, fmt.Errorf("%s#%s: %w", issuer, subject, err)
		}
		return naming{id: id, login: rule.Account, source: rule.source, many: rule.Subject == "", groups: groups}, true, nil
	}
	return naming{}, false, nil
}

func (t *tokenRule) fits(r *authz.Request, subject string) bool {
	if t.Subject != "" {
		return t.Subject == subject
	}
	for a, v := range r.Values(authz.Subject, profile.OIDCGroup) {
		if a.Standing == authz.Verified && (a.Issuer == "" || a.Issuer == t.Issuer) && v.Text() == t.group {
			return true
		}
	}
	return false
}
