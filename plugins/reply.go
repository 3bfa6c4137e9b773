package plugins

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins/internal/wire"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// What one reply may add.
const (
	maxAttributes = 64
	maxValues     = 1024 // in all
	maxText       = 16 << 10
	maxName       = 512 // of an attribute id or issuer
)

var categories = map[authz.Category]bool{
	authz.Subject: true, authz.Resource: true, authz.Action: true,
	authz.Environment: true, authz.RecipientSubject: true, authz.Intermediary: true,
}

// issuer is the namespace of what a plug-in says on its own authority.
func (c *Config) issuer() string { return "plugin:" + c.Name }

// accept turns a reply into attributes to add, or says which rule it breaks.
func (c *Config) accept(reply *v1.EnrichReply, call string) ([]authz.Attribute, error) {
	if reply.GetCall() != call {
		return nil, errors.New("it answers another request's call")
	}
	if err := checkSizes(reply.GetAdded()); err != nil {
		return nil, err
	}
	added, err := wire.Parse(reply.GetAdded())
	if err != nil {
		return nil, err
	}
	for i := range added {
		c.demote(&added[i])
	}
	return added, nil
}

// demote takes from an attribute what the plug-in may not give it.
func (c *Config) demote(a *authz.Attribute) {
	if !slices.Contains(c.Assert, AttributeName{Category: a.Category, ID: a.ID}) {
		a.Standing, a.Issuer = authz.Presented, c.issuer()
	}
	if a.Issuer == "" {
		a.Issuer = c.issuer()
	}
}

func checkSizes(added []*v1.Attribute) error {
	if len(added) > maxAttributes {
		return fmt.Errorf("it adds %d attributes; %d are the most", len(added), maxAttributes)
	}
	values := 0
	for _, a := range added {
		if err := checkAttribute(a); err != nil {
			return fmt.Errorf("it adds attribute %q: %w", clip(a.GetId()), err)
		}
		if values += len(a.GetValues()); values > maxValues {
			return fmt.Errorf("it adds more than %d values", maxValues)
		}
	}
	return nil
}

func checkAttribute(a *v1.Attribute) error {
	switch {
	case !categories[authz.Category(a.GetCategory())]:
		return fmt.Errorf("category %q is none of XACML's", clip(a.GetCategory()))
	case a.GetId() == "" || !plain(a.GetId()):
		return fmt.Errorf("want an id of 1 to %d bytes without blanks and control characters", maxName)
	case !plain(a.GetIssuer()):
		return fmt.Errorf("want an issuer of at most %d bytes without control characters", maxName)
	case len(a.GetValues()) == 0:
		return errors.New("no values")
	}
	for _, v := range a.GetValues() {
		if t := authz.DataType(v.GetType()); !t.Known() || t.Canonical() == authz.XPathExpression {
			return fmt.Errorf("data type %q is not one that a plug-in can add", clip(v.GetType()))
		}
		if len(v.GetText()) > maxText {
			return fmt.Errorf("a value of %d bytes; %d are the most", len(v.GetText()), maxText)
		}
	}
	return nil
}

// plain reports whether s can stand in a log and be compared by eye. An issuer
// may be a distinguished name, so spaces are allowed.
func plain(s string) bool {
	return len(s) <= maxName && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && (!unicode.IsPrint(r) || unicode.IsSpace(r)) })
}

// clip shortens what came from elsewhere for an error or a log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
