package token

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// wlcgVersion: tokens of the documents 1.0 to 1.2 say "1.0"; a minor version
// adds and never changes.
var wlcgVersion = regexp.MustCompile(`^1\.[0-9]{1,4}$`)

// accept checks what the profile of the issuer asks for and takes from the
// token what configuration lets the issuer say.
func (i *Issuer) accept(c *Claims, o object) error {
	r := &reader{object: o}
	switch i.Profile {
	case WLCG:
		i.acceptWLCG(c, r)
	case SciTokens:
		if r.text("ver") != "scitoken:2.0" {
			r.fail("ver is not scitoken:2.0")
		}
	case AARC:
		i.acceptAARC(c, r)
	}
	if i.VO != "" && !slices.Contains(c.VOs, i.VO) {
		c.VOs = append([]string{i.VO}, c.VOs...)
	}
	c.Limited = !i.IgnoreCapabilities && slices.ContainsFunc(c.Scopes, i.Profile.capability)
	return r.err
}

// capability reports whether a scope says what its token may do.
func (p Profile) capability(scope string) bool {
	prefixes := []string{"compute.", "storage."}
	if p == SciTokens {
		prefixes = append(prefixes, "read:", "write:", "condor:", "queue", "execute")
	}
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(scope, prefix) })
}

func (i *Issuer) acceptWLCG(c *Claims, r *reader) {
	if !wlcgVersion.MatchString(r.text("wlcg.ver")) {
		r.fail("wlcg.ver is not 1.x")
	}
	if c.ID == "" || c.IssuedAt.IsZero() {
		r.fail("jti or iat is missing")
	}
	for _, s := range c.Scopes {
		if err := checkScope(s); err != nil {
			r.fail("%w", err)
		}
	}
	c.Others = nil
	for _, g := range r.texts("wlcg.groups") {
		f, err := authz.ParseFQAN(g)
		if err != nil || f.Role() != "" || f.String() != g || !i.speaksOf(g) {
			c.Others = append(c.Others, g)
			continue
		}
		c.Groups = append(c.Groups, g)
		i.enrol(c, f)
	}
	if len(c.FQANs) > 0 {
		c.Primary = c.FQANs[0]
	}
}

// checkScope refuses a storage scope without a path, or with one that is not
// plain, and a compute scope with one (WLCG profile, "Scope-based attributes").
func checkScope(scope string) error {
	name, where, has := strings.Cut(scope, ":")
	if strings.HasPrefix(name, "storage.") && (!has || !strings.HasPrefix(where, "/") || path.Clean(where) != where) {
		return errors.New("a storage scope without a plain absolute path")
	}
	if strings.HasPrefix(name, "compute.") && has {
		return errors.New("a compute scope with a path")
	}
	return nil
}

// maxImplied bounds the groups that entitlements imply.
const maxImplied = 2048

func (i *Issuer) acceptAARC(c *Claims, r *reader) {
	c.Others = nil
	seen, named := map[string]bool{}, 0
	for _, text := range slices.Concat(r.texts("eduperson_entitlement"), r.texts("entitlements")) {
		e, err := parseEntitlement(text)
		if err != nil || !i.speaksOf(e.bare()) {
			c.Others = append(c.Others, text)
			continue
		}
		for _, implied := range e.implied() {
			if !seen[implied] {
				seen[implied] = true
				c.Groups = append(c.Groups, implied)
			}
		}
		if i.enrolEntitlement(c, e) {
			named++
		}
	}
	if len(c.Groups) > maxImplied {
		r.fail("more than %d groups", maxImplied)
	}
	if named == 1 {
		c.Primary = c.FQANs[0] // entitlements have no order: of two, neither is first
	}
}

// enrol makes a member of a VO out of a member of a group, if configuration
// says that the issuer speaks for that VO.
func (i *Issuer) enrol(c *Claims, f authz.FQAN) bool {
	if f.VO() != i.VO && !slices.Contains(i.VOs, f.VO()) {
		return false
	}
	if !slices.ContainsFunc(c.FQANs, f.Equal) {
		c.FQANs = append(c.FQANs, f)
	}
	if !slices.Contains(c.VOs, f.VO()) {
		c.VOs = append(c.VOs, f.VO())
	}
	return true
}

// enrolEntitlement enrols in the group, with the role, without it, and in the
// groups above.
func (i *Issuer) enrolEntitlement(c *Claims, e entitlement) bool {
	at := "/" + strings.Join(e.groups, "/")
	names := []string{at}
	if e.role != "" {
		names = []string{at + "/Role=" + e.role, at}
	}
	for at = path.Dir(at); at != "/"; at = path.Dir(at) {
		names = append(names, at)
	}
	enrolled := false
	for _, name := range names {
		// A group may be called what no FQAN can be; then it is none.
		if f, err := authz.ParseFQAN(name); err == nil && f.String() == name {
			enrolled = i.enrol(c, f) || enrolled
		}
	}
	return enrolled
}

// speaksOf reports whether a group is one of Groups or below one.
func (i *Issuer) speaksOf(group string) bool {
	if len(i.Groups) == 0 {
		return true
	}
	between := "/"
	if i.Profile == AARC {
		between = ":"
	}
	return slices.ContainsFunc(i.Groups, func(g string) bool {
		return group == g || strings.HasPrefix(group, g+between)
	})
}

// prefix normalises what configuration names as a group.
func (p Profile) prefix(group string) (string, error) {
	if p == AARC {
		return entitlementPrefix(group)
	}
	f, err := authz.ParseFQAN(group)
	if err != nil {
		return "", err
	}
	if f.Role() != "" || f.String() != group {
		return "", fmt.Errorf("want the path of a group, such as %s", f.Group())
	}
	return group, nil
}
