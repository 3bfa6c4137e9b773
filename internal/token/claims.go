package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Claims is the Value of a credential made here. It is immutable. Those of a
// refused token are what could be read of it, verified by nobody.
type Claims struct {
	Issuer    string
	Subject   string
	ID        string // jti
	ClientID  string // client_id, or azp
	Audiences []string
	Scopes    []string
	Assurance []string // eduperson_assurance

	// Groups are what the issuer may speak of, normalised: paths of groups, or
	// entitlements with all that they imply. Others are the remaining groups,
	// as claimed: nobody vouches for those.
	Groups, Others []string
	// VOs and FQANs are what configuration makes of the groups, Primary the
	// first of them where they have an order.
	VOs     []string
	FQANs   []authz.FQAN
	Primary authz.FQAN

	IssuedAt, NotBefore, Expires time.Time

	// Limited is set if the scopes limit the token to what they name.
	Limited bool

	bearer *bearer
}

// bearer is the text of a token, behind a pointer so that printing the claims
// does not print it.
type bearer struct{ text string }

// Text returns the text of a verified token, for passing it on to a service that
// will verify it again; false if the credential is none. ⚿ Whoever has it is the
// user: it belongs in no log, no error and no record.
func Text(c *authz.Credential) (string, bool) {
	claims, ok := ClaimsOf(c)
	if !ok || claims.bearer == nil || c.Verdict() != nil {
		return "", false
	}
	return claims.bearer.text, true
}

// ClaimsOf returns the Claims of a credential that this package made.
func ClaimsOf(c *authz.Credential) (*Claims, bool) {
	if c == nil {
		return nil, false
	}
	claims, ok := c.Value.(*Claims)
	return claims, ok
}

// Name is the identity as one text, issuer#subject; an issuer has no "#".
func (c *Claims) Name() string { return c.Issuer + "#" + c.Subject }

// May reports whether the scopes leave a capability such as compute.create to
// the token. It says nothing about whether the user has it.
func (c *Claims) May(capability string) bool {
	return !c.Limited || slices.Contains(c.Scopes, capability)
}

// readClaims reads what every profile has. Everything that could be read is in
// the result, also if there is an error.
func readClaims(o object) (*Claims, error) {
	r := &reader{object: o}
	c := &Claims{
		Issuer: r.text("iss"), Subject: r.text("sub"), ID: r.text("jti"),
		Audiences: r.texts("aud"), Assurance: r.texts("eduperson_assurance"),
	}
	c.readClient(r)
	c.readScopes(r)
	c.readTimes(r)
	c.Others = slices.Concat(r.texts("wlcg.groups"), r.texts("eduperson_entitlement"), r.texts("entitlements"))
	for name, value := range map[string]string{"iss": c.Issuer, "sub": c.Subject} {
		if value == "" {
			r.fail("%s is missing", name)
		}
	}
	if _, bound := o["cnf"]; bound {
		r.fail("it is bound to a key (cnf), of which a bearer token is no proof")
	}
	return c, r.err
}

func (c *Claims) readClient(r *reader) {
	c.ClientID = r.text("client_id")
	azp := r.text("azp")
	if c.ClientID == "" {
		c.ClientID = azp
	} else if azp != "" && azp != c.ClientID {
		r.fail("client_id and azp differ")
	}
}

// readScopes reads scope (RFC 8693 section 4.2, RFC 6749 section 3.3).
func (c *Claims) readScopes(r *reader) {
	value, found := r.object["scope"]
	if !found {
		return
	}
	var list string
	err := json.Unmarshal(value, &list)
	bad := func(c rune) bool { return c != ' ' && (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') }
	if err != nil || value.Kind() != '"' || strings.ContainsFunc(list, bad) {
		r.fail("scope is not a string of words in ASCII")
		return
	}
	if c.Scopes = strings.Fields(list); len(c.Scopes) > maxItems {
		r.fail("scope has more than %d words", maxItems)
	}
}

func (c *Claims) readTimes(r *reader) {
	for name, field := range map[string]*time.Time{"exp": &c.Expires, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		if n, found := r.seconds(name); found {
			*field = time.Unix(n, 0)
		}
	}
	if c.Expires.IsZero() {
		r.fail("exp is missing")
	}
}

// checkAudience wants one of the audiences, exactly. That any service may take
// a token ("ANY", https://wlcg.cern.ch/jwt/v1/any) counts if configuration
// lists it as an audience, and not otherwise. Alone, it must name no other.
func (c *Claims) checkAudience(wanted []string, alone bool) error {
	ours := 0
	for _, a := range c.Audiences {
		if slices.Contains(wanted, a) {
			ours++
		}
	}
	switch {
	case len(c.Audiences) == 0:
		return errors.New("it names no audience (aud)")
	case ours == 0:
		return fmt.Errorf("it is made for somebody else: its audience (aud) must be %s", strings.Join(wanted, " or "))
	case alone && ours < len(c.Audiences):
		return fmt.Errorf("it is made for somebody else, too: its audience (aud) must be %s and nothing else", strings.Join(wanted, " or "))
	}
	return nil
}

// skew is how much clocks may differ.
const skew = 5 * time.Minute

// checkTimes judges exp, nbf and iat at a moment.
func (c *Claims) checkTimes(now time.Time, maxAge time.Duration) error {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case !now.Before(c.Expires.Add(skew)):
		return fmt.Errorf("it ended %s: get a new one", stamp(c.Expires))
	case now.Add(skew).Before(c.NotBefore):
		return fmt.Errorf("it is valid only from %s", stamp(c.NotBefore))
	case now.Add(skew).Before(c.IssuedAt):
		return fmt.Errorf("it was issued %s, which is not yet", stamp(c.IssuedAt))
	}
	begin := c.IssuedAt
	if begin.IsZero() {
		begin = now
	}
	if life := c.Expires.Sub(begin); life > maxAge+skew {
		return fmt.Errorf("it is good for %s, longer than the %s accepted of its issuer", life.Round(time.Second), maxAge)
	}
	return nil
}
