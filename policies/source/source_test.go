package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

func at(n uint64) authz.Revision { return authz.Revision{Lineage: "l", Number: n} }

func unit(kind change.Kind, pap, parent, id, place, text string) change.Edit {
	return change.Edit{Unit: &change.Unit{ID: id, PAP: pap, Parent: parent, Kind: kind, Place: place, Format: change.SPL, Text: text, File: "x.spl", Line: 3, Column: 1}}
}

func pap(alias, place string, enabled bool) change.Edit {
	return change.Edit{PAP: &change.PAP{Alias: alias, Place: place, Enabled: enabled}}
}

func ban(pap, id, subject string) change.Edit {
	return change.Edit{Ban: &change.Ban{ID: id, PAP: pap, Names: []change.Name{{Attribute: "subject", Value: subject}}, Reason: "stole a key", Ticket: "GGUS 7"}}
}

func whole(edits ...change.Edit) change.Set {
	return change.Set{To: at(1), Whole: true, Edits: edits}
}

func TestTree(t *testing.T) {
	var c source.Copy
	u, err := c.Apply(whole(
		pap("default", "V", true), pap("ngi", "F", true), pap("off", "A", false),
		unit(change.KindResource, "default", "", "r", "m", `resource ".*" {`),
		unit(change.KindAction, "default", "r", "a", "m", `private action ".*" {`),
		unit(change.KindRule, "default", "a", "r2", "n", `rule permit { vo = x }`),
		unit(change.KindRule, "default", "a", "r1", "m", `rule deny { vo = y }`),
		change.Edit{Unit: &change.Unit{ID: "rego", PAP: "ngi", Kind: change.KindDocument, Place: "m", Format: change.Rego, Text: "package x"}},
		ban("ngi", "b1", "/CN=Mallory"), ban("off", "b2", "/CN=Alice"),
	))
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(`
root
  bans
    b1
  pap:ngi
    rego rego/1
  pap:default
    r
      a
        r1
        r2`), tree(u.Base.Root))
	bans, _ := u.Base.Root.Children.Find(policies.BansID)
	rule, _ := bans.(*policies.Policy).Rules.Find("b1")
	require.True(t, rule.Ban)
	require.Equal(t, "ngi", rule.PAP)
	require.Equal(t, authz.Deny, rule.Effect)
	require.Equal(t, "you are banned (ticket GGUS 7)", rule.Because, "the reason is for administrators")
	require.Len(t, rule.Target.AnyOf, 1)
	require.Equal(t, profile.FunctionBanName, rule.Target.AnyOf[0].AllOf[0].Matches[0].Function)
}

func tree(n policies.Node) string {
	var b strings.Builder
	write(&b, n, "")
	return strings.TrimSpace(b.String())
}

func write(b *strings.Builder, n policies.Node, indent string) {
	_, id := n.Where()
	switch n := n.(type) {
	case *policies.PolicySet:
		fmt.Fprintln(b, indent+id)
		for c := range n.Children.All() {
			write(b, c, indent+"  ")
		}
	case *policies.Policy:
		fmt.Fprintln(b, indent+id)
		for r := range n.Rules.All() {
			fmt.Fprintln(b, indent+"  "+r.ID)
		}
	case *policies.Foreign:
		fmt.Fprintln(b, indent+id, n.Format)
	}
}

// A ban on a VO bites wherever the VO shows; one on two names needs both.
func TestBanReadings(t *testing.T) {
	rule, err := source.Ban(change.Ban{ID: "x", Names: []change.Name{{Attribute: "vo", Value: "atlas"}, {Attribute: "subject-issuer", Value: "/C=XX/CN=CA"}}, Resource: "https://ce.*", Until: time.Unix(9, 0)})
	require.NoError(t, err)
	require.Len(t, rule.Target.AnyOf, 3)
	var functions []string
	for _, all := range rule.Target.AnyOf[0].AllOf {
		require.Empty(t, all.Matches[0].Attribute.(*policies.Designator).Type, "of any data type")
		functions = append(functions, all.Matches[0].Function)
	}
	require.Contains(t, functions, profile.FunctionBanText)
	require.Contains(t, functions, profile.FunctionBanVO)
	require.Equal(t, profile.FunctionAnchoredRegexp, rule.Target.AnyOf[2].AllOf[0].Matches[0].Function)
	require.Equal(t, time.Unix(9, 0), rule.Until)
	for _, b := range []change.Ban{
		{ID: "nobody"},
		{ID: "unknown", Names: []change.Name{{Attribute: "shoe-size", Value: "44"}}},
		{ID: "empty", Names: []change.Name{{Attribute: "subject"}}},
		{ID: "pattern", Names: []change.Name{{Attribute: "vo", Value: "x"}}, Action: "("},
	} {
		_, err := source.Ban(b)
		require.ErrorContains(t, err, b.ID)
	}
}

// One error does not hide the others, and each says where it is.
func TestEveryErrorIsReported(t *testing.T) {
	var c source.Copy
	_, err := c.Apply(whole(
		pap("default", "V", true),
		unit(change.KindResource, "default", "", "r", "m", `resource "(?=x)" {`),
		unit(change.KindAction, "default", "r", "a", "m", `action y {`),
		unit(change.KindRule, "default", "a", "r1", "m", `rule permit { sujbect = "/CN=a" }`),
		unit(change.KindRule, "default", "a", "r2", "n", `rule permit { vo }`),
		ban("default", "b1", ""),
		change.Edit{Unit: &change.Unit{ID: "d", PAP: "default", Kind: change.KindDocument, Place: "z", Format: "cobol/1", Text: "x"}},
	))
	for _, want := range []string{
		"x.spl:3:10: regular expression", `x.spl:3:15: unknown attribute "sujbect": did you mean "subject"?`,
		`x.spl:3:18: unexpected "}"`, "ban b1: subject is empty", "cobol/1",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestOneBanIsOneEdit(t *testing.T) {
	var c source.Copy
	_, err := c.Apply(whole(pap("default", "V", true), ban("default", "b1", "/CN=a")))
	require.NoError(t, err)
	u, err := c.Apply(change.Set{From: at(1), To: at(2), Edits: []change.Edit{ban("default", "b2", "/CN=b")}})
	require.NoError(t, err)
	require.Nil(t, u.Base)
	require.Len(t, u.Edits, 1)
	require.Equal(t, []string{policies.BansID}, u.Edits[0].In)
	require.Equal(t, "b2", u.Edits[0].ID)
	_, err = c.Apply(change.Set{From: at(1), To: at(3)})
	require.ErrorContains(t, err, "does not follow")
}

// Two PAPs ban the same person: lifting one ban leaves the other.
func TestLiftingOneBanLeavesTheOther(t *testing.T) {
	var c source.Copy
	u, err := c.Apply(whole(pap("default", "V", true), pap("ngi", "F", true), ban("default", "b", "/CN=a"), ban("ngi", "b", "/CN=a")))
	require.NoError(t, err)
	lift := ban("default", "b", "")
	lift.Remove = true
	next, err := c.Apply(change.Set{From: at(1), To: at(2), Edits: []change.Edit{lift}})
	require.NoError(t, err)
	after, err := u.Base.Apply(next)
	require.NoError(t, err)
	bans, _ := after.Root.Children.Find(policies.BansID)
	rule, ok := bans.(*policies.Policy).Rules.Find("b")
	require.True(t, ok)
	require.Equal(t, "ngi", rule.PAP)
}

// The PAP "admin" is in no snapshot for everyone, even if a feed sends it.
func TestAdminIsNeverForEveryone(t *testing.T) {
	var c source.Copy
	u, err := c.Apply(whole(pap("default", "V", true), pap("admin", "A", true), ban("admin", "b", "/CN=a"), unit(change.KindResource, "admin", "", "r", "m", `resource x {`)))
	require.NoError(t, err)
	require.Equal(t, "root\n  bans\n  pap:default", tree(u.Base.Root))
}

const document = `<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="doc" Version="1.0"
  RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides"><Target/><Rule RuleId="one" Effect="Permit"/></Policy>`

func TestDocuments(t *testing.T) {
	xml := func(text string) change.Edit {
		return change.Edit{Unit: &change.Unit{ID: "doc", PAP: "default", Kind: change.KindDocument, Place: "m", Format: change.XACMLThree, Text: text, File: "doc.xml"}}
	}
	var c source.Copy
	u, err := c.Apply(whole(pap("default", "V", true), xml(document)))
	require.NoError(t, err)
	require.Equal(t, "root\n  bans\n  pap:default\n    doc\n      one", tree(u.Base.Root))
	require.Len(t, u.Base.Library, 1)
	u, err = c.Apply(change.Set{From: at(1), To: at(2), Edits: []change.Edit{xml(strings.Replace(document, `"one"`, `"two"`, 1))}})
	require.NoError(t, err)
	require.NotNil(t, u.Base, "others may refer to it")
	_, err = c.Apply(change.Set{From: at(2), To: at(3), Edits: []change.Edit{xml("<Policy>")}})
	require.ErrorContains(t, err, "doc.xml:1")
	_, err = c.Apply(change.Set{From: at(3), To: at(4), Edits: []change.Edit{xml(strings.Replace(document, `"doc"`, `"other"`, 1))}})
	require.ErrorContains(t, err, `the document holds "other"`)
}

func person(id string, links ...string) change.Edit {
	p := &change.Person{ID: id}
	for _, l := range links {
		name, value, _ := strings.Cut(l, "=")
		p.Links = append(p.Links, change.Name{Attribute: name, Value: value})
	}
	return change.Edit{Person: p}
}

// refused renders the alternatives of the first ban's first disjunction.
func refused(t *testing.T, s *policies.Snapshot) []string {
	bans, _ := s.Root.Children.Find(policies.BansID)
	var all []string
	for r := range bans.(*policies.Policy).Rules.All() {
		for _, way := range r.Target.AnyOf[0].AllOf {
			text := ""
			for _, m := range way.Matches {
				text += " " + m.Value.Text()
			}
			all = append(all, text[1:])
		}
	}
	return all
}

// A ban on one identity refuses the others of the same person, however it is
// spelled, and from the moment that they are linked (DECISIONS 14).
func TestBanFollowsLinks(t *testing.T) {
	var c source.Copy
	ada := person("p1", "subject=CN=Ada,O=Grid", "subject-issuer=/CN=CA", "oidc-issuer=https://iam/", "oidc-subject=42", "account=ada", "subject-issuer=/CN=half")
	u, err := c.Apply(whole(pap("default", "V", true), ada, person("p2", "subject=/CN=Eve"), ban("default", "b", "/o=grid/cn=ada")))
	require.NoError(t, err)
	require.Equal(t, []string{"/o=grid/cn=ada", "p1", "https://iam/ 42", "ada"}, refused(t, u.Base))

	have := u.Base
	step := func(n uint64, e change.Edit) policies.Update {
		next, err := c.Apply(change.Set{From: at(n), To: at(n + 1), Edits: []change.Edit{e}})
		require.NoError(t, err)
		have, err = have.Apply(next)
		require.NoError(t, err)
		return next
	}
	gone := person("p1")
	gone.Remove = true
	require.Nil(t, step(1, gone).Base)
	require.Equal(t, []string{"/o=grid/cn=ada"}, refused(t, have))
	require.Len(t, step(2, ada).Edits, 1)
	require.Len(t, refused(t, have), 4)
	require.Empty(t, step(3, person("p2", "account=eve")).Edits, "nobody banned")
}

// A ban that is to stand alone does not follow, whatever is linked later.
func TestBanAlone(t *testing.T) {
	var c source.Copy
	b := ban("default", "b", "/O=Grid/CN=Ada")
	b.Ban.Alone = true
	u, err := c.Apply(whole(pap("default", "V", true), person("p1", "subject=/O=Grid/CN=Ada", "account=ada"), b))
	require.NoError(t, err)
	require.Equal(t, []string{"/O=Grid/CN=Ada"}, refused(t, u.Base))
	next, err := c.Apply(change.Set{From: at(1), To: at(2), Edits: []change.Edit{person("p1", "subject=/O=Grid/CN=Ada", "account=eve")}})
	require.NoError(t, err)
	require.Empty(t, next.Edits)
}

func TestWho(t *testing.T) {
	one, two := person("p1", "subject=/O=Grid/CN=Ada", "subject-issuer=/CN=CA", "account=ada"), person("p2", "oidc-issuer=https://iam/", "oidc-subject=42")
	who := source.NewWho(slices.Values([]change.Person{*one.Person, *two.Person}))
	for name, c := range map[string]struct{ links, owner string }{
		"spelling":       {"subject=CN=ada,O=Grid", "p1"},
		"same CA":        {"subject=CN=ada,O=Grid;subject-issuer=/cn=ca", "p1"},
		"other CA":       {"subject=CN=ada,O=Grid;subject-issuer=/CN=Other", ""},
		"account":        {"subject=/CN=x;account=ada", "p1"},
		"token":          {"oidc-issuer=HTTPS://iam;oidc-subject=42", "p2"},
		"another's":      {"oidc-issuer=https://iam;oidc-subject=43", ""},
		"half a token":   {"oidc-issuer=https://iam", ""},
		"nobody":         {"subject=/CN=x", ""},
		"without a link": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := person("p3")
			if c.links != "" {
				p = person("p3", strings.Split(c.links, ";")...)
			}
			id, _, found := who.Other(*p.Person)
			require.Equal(t, c.owner, id)
			require.Equal(t, c.owner != "", found)
		})
	}
	_, _, found := who.Other(*one.Person)
	require.False(t, found, "one's own identities are nobody else's")
}

// Two people of one name under different CAs are two people.
func TestBanTellsIssuersApart(t *testing.T) {
	var c source.Copy
	b := ban("default", "b", "/CN=Ada")
	b.Ban.Names = append(b.Ban.Names, change.Name{Attribute: "subject-issuer", Value: "/CN=Other CA"})
	u, err := c.Apply(whole(pap("default", "V", true), person("p1", "subject=/CN=Ada", "subject-issuer=/CN=CA", "account=ada"), b))
	require.NoError(t, err)
	require.Equal(t, []string{"/CN=Ada"}, refused(t, u.Base))
}

// Switching a small PAP makes edits, so that a million bans elsewhere are not
// made anew.
func TestPAPsAreSwitchedByEdits(t *testing.T) {
	var c source.Copy
	_, err := c.Apply(whole(pap("default", "V", true), pap("ngi", "F", false), ban("ngi", "b", "/CN=a"), unit(change.KindResource, "ngi", "", "r", "m", `resource x {`)))
	require.NoError(t, err)
	for n, step := range []struct {
		edit change.Edit
		want int
	}{{pap("ngi", "F", true), 2}, {pap("ngi", "z", true), 2}, {pap("ngi", "z", false), 2}, {pap("new", "a", false), 0}} {
		u, err := c.Apply(change.Set{From: at(uint64(n) + 1), To: at(uint64(n) + 2), Edits: []change.Edit{step.edit}})
		require.NoError(t, err)
		require.Nil(t, u.Base)
		require.Len(t, u.Edits, step.want)
	}
}

// The edits of any change bring a follower to the tree that the records make
// by themselves.
func TestEditsComeToTheSame(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g := &history{r: r, n: 1}
		first := whole(pap("default", "V", true), pap("ngi", "k", rapid.Bool().Draw(r, "enabled")), pap("admin", "1", true))
		u, err := g.copy.Apply(first)
		require.NoError(r, err)
		have := u.Base
		for range rapid.IntRange(1, 12).Draw(r, "changes") {
			set := change.Set{From: at(g.n), To: at(g.n + 1)}
			for range rapid.IntRange(1, 4).Draw(r, "edits") {
				set.Edits = append(set.Edits, g.edit()...)
			}
			g.n++
			u, err := g.copy.Apply(set)
			require.NoError(r, err)
			have, err = have.Apply(u)
			require.NoError(r, err)
			want, err := source.Snapshot(&g.copy, source.Everyone, at(g.n))
			require.NoError(r, err)
			require.Equal(r, tree(want.Root), tree(have.Root))
			require.Equal(r, dump(want.Root), dump(have.Root))
		}
	})
}

// dump is everything about a tree but how its lists are cut into chunks.
func dump(n policies.Node) []string {
	var lines []string
	switch n := n.(type) {
	case *policies.PolicySet:
		lines = append(lines, fmt.Sprintf("%+v", n.Header))
		for c := range n.Children.All() {
			lines = append(lines, dump(c)...)
		}
	case *policies.Policy:
		lines = append(lines, n.ID+n.Place+n.Description)
		for r := range n.Rules.All() {
			line := fmt.Sprint(r.ID, r.Place, r.Effect)
			for _, all := range r.Target.AnyOf[0].AllOf {
				for _, m := range all.Matches {
					line += " " + m.Value.Text()
				}
			}
			lines = append(lines, line)
		}
	}
	for i, l := range lines { // targets are compared by what they say
		if j := strings.Index(l, "Target:"); j >= 0 {
			lines[i] = l[:j]
		}
	}
	return lines
}

// history draws edits that keep the records whole: a unit goes with all that is
// below it, as the administration point sees to.
type history struct {
	r    *rapid.T
	copy source.Copy
	n    uint64
	ids  int
	live []change.Unit
}

func (h *history) pick(options ...string) string { return rapid.SampledFrom(options).Draw(h.r, "pick") }

func (h *history) place() string { return h.pick("A", "G", "M", "T", "k", "z") }

func (h *history) edit() []change.Edit {
	alias := h.pick("default", "ngi", "admin")
	switch h.pick("ban", "un-ban", "resource", "action", "rule", "rule", "move", "text", "remove", "enable", "person", "person") {
	case "ban":
		return []change.Edit{ban(h.pick("default", "ngi"), h.pick("b1", "b2", "b3"), "/CN="+h.pick("x", "y"))}
	case "un-ban":
		e := ban(h.pick("default", "ngi"), h.pick("b1", "b2", "b3"), "")
		e.Remove = true
		if !slices.ContainsFunc(slices.Collect(h.copy.Bans(e.Ban.PAP)), func(b change.Ban) bool { return b.ID == e.Ban.ID }) {
			return nil
		}
		return []change.Edit{e}
	case "resource":
		return h.put(change.Unit{Kind: change.KindResource, PAP: alias, Text: `resource "` + h.pick("a", "b") + `" {`})
	case "action":
		return h.below(change.KindResource, change.KindAction, `action "`+h.pick("a", "b")+`" {`)
	case "rule":
		return h.below(change.KindAction, change.KindRule, `rule deny { vo = `+h.pick("a", "b")+` }`)
	case "move":
		return h.alter(func(u *change.Unit) { u.Place = h.place() })
	case "text":
		return h.alter(func(u *change.Unit) { u.Text = strings.NewReplacer(`"a"`, `"b"`, `= b`, `= c`).Replace(u.Text) })
	case "remove":
		return h.remove()
	case "person":
		e := person("p", "subject=/CN="+h.pick("x", "y", "z"), "account=a")
		e.Remove = rapid.Bool().Draw(h.r, "remove")
		return []change.Edit{e}
	}
	return []change.Edit{pap(h.pick("ngi", "other"), h.pick("A", "k"), rapid.Bool().Draw(h.r, "enabled"))}
}

func (h *history) put(u change.Unit) []change.Edit {
	h.ids++
	u.ID, u.Place, u.Format, u.File = fmt.Sprint("u", h.ids), h.place(), change.SPL, "x.spl"
	h.live = append(h.live, u)
	return []change.Edit{{Unit: &u}}
}

func (h *history) below(parent, kind change.Kind, text string) []change.Edit {
	for _, u := range h.live {
		if u.Kind == parent && rapid.Bool().Draw(h.r, "here") {
			return h.put(change.Unit{Kind: kind, PAP: u.PAP, Parent: u.ID, Text: text})
		}
	}
	return nil
}

func (h *history) alter(f func(*change.Unit)) []change.Edit {
	if len(h.live) == 0 {
		return nil
	}
	u := &h.live[rapid.IntRange(0, len(h.live)-1).Draw(h.r, "unit")]
	f(u)
	is := *u
	return []change.Edit{{Unit: &is}}
}

func (h *history) remove() []change.Edit {
	if len(h.live) == 0 {
		return nil
	}
	var edits []change.Edit
	gone := map[string]bool{h.live[rapid.IntRange(0, len(h.live)-1).Draw(h.r, "unit")].ID: true}
	for range 3 {
		for _, u := range h.live {
			if gone[u.Parent] {
				gone[u.ID] = true
			}
		}
	}
	h.live = slices.DeleteFunc(h.live, func(u change.Unit) bool {
		if gone[u.ID] {
			edits = append(edits, change.Edit{Remove: true, Unit: &u})
		}
		return gone[u.ID]
	})
	return edits
}
