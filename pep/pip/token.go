package pip

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Linker knows which identities are one person's.
type Linker interface {
	// Linked reports whether the holder of a certificate and the subject of a
	// token are known as one person. It helps a caller, so names are compared
	// in the standard reading. An error counts as no.
	Linked(ctx context.Context, subject, issuer authz.DN, tokenIssuer, tokenSubject string) (bool, error)
}

// Token adds what the request's token says, be it the credential itself or
// beside a certificate. It refuses the credential, and so the request, if
// certificate and token are not linked as one person (DECISIONS 14), or if the
// scopes of the token limit it to other actions. Run it after [X509].
type Token struct {
	Links Linker // nil: nobody is linked to anybody
	// ScopesElsewhere leaves it to whoever asks whether the scopes allow the
	// action: where a request names none, as when an account is asked for.
	ScopesElsewhere bool
}

var _ authz.Enricher = Token{}

// tokenIDs are the attributes that tell of a token.
var tokenIDs = []string{
	profile.OIDCIssuer, profile.OIDCSubject, profile.OIDCGroup, profile.OIDCScope, profile.OIDCClientID, profile.TokenID, profile.Assurance,
}

// Enrich implements authz.Enricher.
func (t Token) Enrich(ctx context.Context, r *authz.Request) error {
	claims, ok := token.ClaimsOf(r.Credential)
	if !ok && r.Credential != nil {
		claims, ok = token.ClaimsOf(r.Credential.Beside)
	}
	if !ok {
		return nil
	}
	for _, id := range tokenIDs {
		demote(r, authz.Subject, id)
	}
	if !stands(r.Credential) {
		shown(r, claims)
		return nil
	}
	err := t.onePerson(ctx, r, claims)
	if err == nil && !t.ScopesElsewhere {
		err = within(r, claims)
	}
	if err != nil {
		refuse(r, err)
		shown(r, claims)
		return nil
	}
	vouched(r, claims)
	return nil
}

func (t Token) onePerson(ctx context.Context, r *authz.Request, claims *token.Claims) error {
	chain, both := gsi.ChainOf(r.Credential)
	if !both {
		if r.Credential.Beside != nil {
			return errors.New("a token and a credential of another kind cannot be used in one request")
		}
		return nil
	}
	linked := false
	if t.Links != nil {
		var err error
		if linked, err = t.Links.Linked(ctx, chain.Subject, chain.Issuer, claims.Issuer, claims.Subject); err != nil {
			return fmt.Errorf("whether certificate and token are one person's cannot be known: %w", err)
		}
	}
	if !linked {
		return errors.New("the certificate and the token are not linked as one person here: present one of them, or have the administrator link them")
	}
	return nil
}

// within refuses an action that the token's scopes do not name. An action for
// which there is no scope is refused as well: the token is limited to others.
func within(r *authz.Request, claims *token.Claims) error {
	if !claims.Limited {
		return nil
	}
	asked := false
	for _, v := range r.Values(authz.Action, profile.ActionID) {
		asked = true
		needed, known := capability(v.Text())
		switch {
		case !known:
			return errors.New("the scopes of the token limit it to other actions")
		case needed != "" && !claims.May(needed):
			return fmt.Errorf("the token lacks the scope %s", needed)
		}
	}
	if !asked {
		return errors.New("the scopes of the token limit it to some actions, and none is named")
	}
	return nil
}

// refuse takes the credential back: nothing that was verified about the caller
// counts for them any more, and all of it still against them. A caller whom a
// peer vouched for gets a refused credential, so as not to pass for anonymous.
func refuse(r *authz.Request, err error) {
	var refused authz.Credential
	if r.Credential != nil {
		refused = *r.Credential
	}
	refused.Err, refused.Judge = err, nil
	r.Credential = &refused
	for i := range r.Attributes {
		if a := &r.Attributes[i]; a.Category == authz.Subject && a.ID != profile.Network {
			a.Standing = authz.Presented
		}
	}
}

// shown adds what a refused token says, which only counts against the caller.
func shown(r *authz.Request, c *token.Claims) {
	present(r, profile.OIDCIssuer, texts(c.Issuer)...)
	present(r, profile.OIDCSubject, texts(c.Subject)...)
	present(r, profile.TokenID, texts(c.ID)...)
	present(r, profile.OIDCClientID, texts(c.ClientID)...)
	present(r, profile.OIDCScope, texts(c.Scopes...)...)
	present(r, profile.Assurance, texts(c.Assurance...)...)
	present(r, profile.OIDCGroup, texts(c.Groups...)...)
	present(r, profile.OIDCGroup, texts(c.Others...)...)
	present(r, profile.VO, texts(c.VOs...)...)
	present(r, profile.FQAN, fqans(c)...)
}

// vouched adds what a token that stands says. Its issuer is the issuer of
// every attribute.
func vouched(r *authz.Request, c *token.Claims) {
	issued(r, c, profile.OIDCIssuer, texts(c.Issuer)...)
	issued(r, c, profile.OIDCSubject, texts(c.Subject)...)
	issued(r, c, profile.TokenID, texts(c.ID)...)
	issued(r, c, profile.OIDCClientID, texts(c.ClientID)...)
	issued(r, c, profile.OIDCScope, texts(c.Scopes...)...)
	issued(r, c, profile.Assurance, texts(c.Assurance...)...)
	issued(r, c, profile.OIDCGroup, texts(c.Groups...)...)
	present(r, profile.OIDCGroup, texts(c.Others...)...)
	member(r, c)
}

// member adds VO and groups as VOMS would give them. VOMS attributes of a
// certificate in the same request stay, and its primary FQAN comes first.
func member(r *authz.Request, c *token.Claims) {
	chain, both := gsi.ChainOf(r.Credential)
	granted := both && chain.VOMS != nil
	if len(c.VOs) == 0 {
		return
	}
	if !granted {
		for _, id := range vomsIDs {
			demote(r, authz.Subject, id)
		}
	}
	issued(r, c, profile.VO, texts(c.VOs...)...)
	issued(r, c, profile.FQAN, fqans(c)...)
	if !c.Primary.IsZero() && !granted {
		issued(r, c, profile.PrimaryFQAN, authz.FQANValue(c.Primary))
	}
}

func issued(r *authz.Request, c *token.Claims, id string, v ...authz.Value) {
	if len(v) > 0 {
		r.Attributes = append(r.Attributes, authz.Attribute{
			Category: authz.Subject, ID: id, Issuer: c.Issuer, Values: v, Standing: authz.Verified,
		})
	}
}

func fqans(c *token.Claims) []authz.Value {
	all := make([]authz.Value, len(c.FQANs))
	for i, f := range c.FQANs {
		all[i] = authz.FQANValue(f)
	}
	return all
}

// texts makes string values, leaving out what is not there.
func texts(all ...string) []authz.Value {
	values := make([]authz.Value, 0, len(all))
	for _, s := range all {
		if s != "" {
			values = append(values, authz.StringValue(s))
		}
	}
	return values
}
