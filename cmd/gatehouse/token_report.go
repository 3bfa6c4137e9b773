package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// inspectToken reports on a token as the service of a configuration would take
// it. It fetches the keys first, and never prints the token.
func inspectToken(ctx context.Context, i *inspection, in io.Reader, out io.Writer) error {
	config := i.config
	if config == "" {
		return unusable(errors.New("--token needs --config: whose tokens are accepted stands there and nowhere else"))
	}
	c, _, err := loadConfig(config)
	if err != nil {
		return unusable(err)
	}
	if c.Tokens == nil {
		return unusable(fmt.Errorf("%s has no section tokens: no token is accepted", config))
	}
	text, err := readToken(i.token, in)
	if err != nil {
		return unusable(err)
	}
	tokens, service, action := c.Tokens, "jobs", profile.ActionServiceInfo // which needs no scope
	if c.Container == nil && c.PAP != nil && len(c.PAP.TokenAudiences) > 0 {
		tokens, service, action = tokens.of(c.PAP.TokenAudiences), "administration", profile.ActionPolicyRead
	}
	v, err := token.New(tokens.options(c.gridTrust))
	if err != nil {
		return unusable(fmt.Errorf("tokens: %w", err))
	}
	strength, err := pip.NewStrength(c.Strength)
	if err != nil {
		return unusable(err)
	}
	unfetched := v.Refresh(ctx)
	credential := v.Verify(text)
	r := &authz.Request{Credential: credential}
	r.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	for _, e := range []authz.Enricher{pip.Token{}, strength} {
		if err := e.Enrich(ctx, r); err != nil {
			return err
		}
	}
	claims, _ := token.ClaimsOf(credential)
	if i.format == "json" {
		return tokenJSON(out, r, claims, service, unfetched)
	}
	if unfetched != nil {
		fmt.Fprintf(out, "Keys not fetched: %v\n\n", unfetched)
	}
	printClaims(out, claims)
	fmt.Fprintf(out, "  %-12s %s\n", "as one for", service)
	if err := r.Credential.Verdict(); err != nil { // also by an enricher
		fmt.Fprintf(out, "\nRefused: %s.\n", err)
		return errChainRefused
	}
	fmt.Fprintf(out, "\nStrength  %s\nAccepted%s.\n", strengthOf(r), within(claims))
	return nil
}

func tokenJSON(out io.Writer, r *authz.Request, claims *token.Claims, service string, unfetched error) error {
	i := verdict(r).claims(claims)
	i.For = service
	if unfetched != nil {
		i.KeysFailed = unfetched.Error()
	}
	if err := i.write(out); err != nil || i.Accepted {
		return err
	}
	return errChainRefused
}

// readToken reads one token, with the blanks that a shell leaves around it.
func readToken(path string, in io.Reader) (string, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 2*token.MaxSize))
	return strings.TrimSpace(string(text)), err
}

func printClaims(out io.Writer, c *token.Claims) {
	var fqans []string
	for _, f := range c.FQANs {
		fqans = append(fqans, f.String())
	}
	fmt.Fprintln(out, "Token")
	for _, row := range []struct {
		name   string
		values []string
	}{
		{"issuer", []string{c.Issuer}}, {"subject", []string{c.Subject}}, {"id", []string{c.ID}}, {"client", []string{c.ClientID}},
		{"audience", c.Audiences}, {"issued", when(c.IssuedAt)}, {"not before", when(c.NotBefore)}, {"ends", when(c.Expires)},
		{"scope", c.Scopes}, {"assurance", c.Assurance}, {"VO", c.VOs}, {"FQAN", fqans}, {"group", c.Groups}, {"not counted", c.Others},
	} {
		for _, value := range row.values {
			if value != "" {
				fmt.Fprintf(out, "  %-12s %s\n", row.name, value)
			}
		}
	}
}

func when(t time.Time) []string {
	if t.IsZero() {
		return nil
	}
	return []string{stamp(t)}
}

func within(c *token.Claims) string {
	if !c.Limited {
		return ""
	}
	return " within its scopes"
}
