package pap_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// outline shows the units of a PAP, a line each, indented by what they are in.
func outline(t *testing.T, s *site, alias string) string {
	t.Helper()
	units, err := s.Units(bg, alias)
	require.NoError(t, err)
	depth := map[string]int{"": -1}
	var lines []string
	for _, u := range units {
		depth[u.ID] = depth[u.Parent] + 1
		first, _, _ := strings.Cut(u.Text, "\n")
		lines = append(lines, strings.Repeat("  ", depth[u.ID])+strings.TrimSpace(first))
	}
	return strings.Join(lines, "\n")
}

func load(t *testing.T, s *site, text string, at change.At) change.Result {
	t.Helper()
	return ok(t)(s.AddFile(bg, by("Alice"), "default", change.File{Name: "test.spl", Text: text}, at))
}

// ids finds units by the first line of their text.
func ids(t *testing.T, s *site, first string) string {
	t.Helper()
	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	for _, u := range units {
		if strings.HasPrefix(u.Text, first) {
			return u.ID
		}
	}
	require.Fail(t, "no unit", first)
	return ""
}

func TestAddFile(t *testing.T) {
	s := newSite(t)
	first := load(t, s, sample, change.At{})
	require.Len(t, first.IDs, 1)
	require.Equal(t, `resource ".*" {
  action "submit" {
    rule deny { vo="bad" }
    rule permit { vo="good" }
  action "status" {
    rule permit { vo="good" }`, outline(t, s, "default"))
	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	require.Contains(t, units[0].Comments, "who may submit")
	require.Contains(t, units[3].Comments, "the rest")
	require.Equal(t, "test.spl", units[3].File)
	require.Equal(t, 8, units[3].Line)
	history, err := s.History(bg, change.Query{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, sample, history[0].File, "the file is kept whole")

	one := func(name string) string { return `resource "` + name + `" { action "x" { rule deny { vo="v" } } }` }
	load(t, s, one("last"), change.At{})
	load(t, s, one("first")+one("second"), change.At{Before: first.IDs[0]})
	load(t, s, one("behind"), change.At{After: first.IDs[0]})
	load(t, s, `action "new" { rule deny { vo="v" } }`, change.At{Resource: first.IDs[0], Before: ids(t, s, `action "submit"`)})
	var tops []string
	for line := range strings.SplitSeq(outline(t, s, "default"), "\n") {
		if strings.HasPrefix(line, "resource") || strings.Contains(line, `"new"`) {
			tops = append(tops, strings.TrimSuffix(strings.TrimSpace(line), " {"))
		}
	}
	require.Equal(t, []string{`resource "first"`, `resource "second"`, `resource ".*"`, `action "new"`, `resource "behind"`, `resource "last"`}, tops)
}

func TestAddFileRefuses(t *testing.T) {
	s := newSite(t)
	load(t, s, sample, change.At{})
	before := s.number()
	for name, c := range map[string]struct {
		pap  string
		file change.File
		at   change.At
		want error
		says string
	}{
		"syntax":               {"default", change.File{Name: "bad.spl", Text: "resource \"a\" {\n  action \"b\" { rule permit { vo=\"x\" } "}, change.At{}, change.ErrPolicy, "bad.spl:2:"},
		"unknown attribute":    {"default", change.File{Name: "bad.spl", Text: "resource \"a\" { action \"b\" { rule permit {\n vvo=\"x\" } } }"}, change.At{}, change.ErrPolicy, "bad.spl:2:2"},
		"unknown PAP":          {"other", change.File{Text: sample}, change.At{}, change.ErrNotFound, "other"},
		"actions without home": {"default", change.File{Text: `action "a" { rule deny { vo="x" } }`}, change.At{}, change.ErrInvalid, "resource"},
		"unknown resource":     {"default", change.File{Text: `action "a" { rule deny { vo="x" } }`}, change.At{Resource: "nope"}, change.ErrNotFound, "nope"},
		"resource in resource": {"default", change.File{Text: sample}, change.At{Resource: ids(t, s, "resource")}, change.ErrInvalid, "actions"},
		"unknown pivot":        {"default", change.File{Text: sample}, change.At{Before: "nope"}, change.ErrNotFound, "nope"},
		"unread format":        {"default", change.File{Name: "a.cedar", Format: "cedar/1", Text: "permit"}, change.At{}, change.ErrPolicy, "cedar/1"},
		"bad document":         {"default", change.File{Name: "a.xml", Format: change.XACMLThree, Text: "<Policy/>"}, change.At{}, change.ErrPolicy, "a.xml"},
		"too large":            {"default", change.File{Text: strings.Repeat("#", 64<<20+1)}, change.At{}, change.ErrInvalid, "64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.AddFile(bg, by("Alice"), c.pap, c.file, c.at)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
		})
	}
	require.Equal(t, before, s.number())
}

// A disabled PAP takes no bad text either: it would strike when enabled.
func TestDisabledPAPIsChecked(t *testing.T) {
	s := newSite(t)
	ok(t)(s.AddPAP(bg, by("Alice"), change.PAP{Alias: "off"}))
	_, err := s.AddFile(bg, by("Alice"), "off", change.File{Text: `resource "a" { action "b" { rule permit { vvo="x" } } }`}, change.At{})
	require.ErrorIs(t, err, change.ErrPolicy)
}

func TestDocuments(t *testing.T) {
	s := newSite(t)
	text := func(id, description string) string {
		return `<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="` + id + `" Version="1.0"
  RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides"><Description>` + description + `</Description><Target/>
  <Rule RuleId="r" Effect="Deny"/></Policy>`
	}
	add := func(f change.File) (change.Result, error) {
		return s.AddFile(bg, by("Alice"), "default", f, change.At{})
	}
	f := &follower{t: t, source: s}
	f.catchUp()
	document := change.File{Name: "p.xml", Format: change.XACMLThree, Text: text("urn:p", "one")}
	require.Equal(t, []string{"urn:p"}, ok(t)(add(document)).IDs, "a document keeps its own id")
	_, err := add(document)
	require.ErrorIs(t, err, change.ErrExists)
	rego := ok(t)(add(change.File{Name: "p.rego", Format: change.Rego, Text: "package p"}))
	ok(t)(s.Move(bg, by("Alice"), "default", "urn:p", rego.IDs[0], true))
	replace := func(text string) error {
		document.Text = text
		_, err := s.Replace(bg, by("Alice"), "default", "urn:p", document)
		return err
	}
	require.NoError(t, replace(text("urn:p", "two")))
	require.ErrorIs(t, replace(text("urn:q", "two")), change.ErrInvalid, "another document")
	require.ErrorIs(t, replace(text("urn:p", "two")+"<"), change.ErrPolicy)

	f.catchUp()
	set, _ := f.snapshot.Root.Children.Find("pap:default")
	var got []policies.Node
	for node := range set.(*policies.PolicySet).Children.All() {
		got = append(got, node)
	}
	require.Len(t, got, 2)
	require.Equal(t, "package p", got[0].(*policies.Foreign).Text)
	require.Equal(t, "two", got[1].(*policies.Policy).Description)
}

func TestReplace(t *testing.T) {
	s := newSite(t)
	load(t, s, sample, change.At{})
	resource, rule := ids(t, s, "resource"), ids(t, s, "rule deny")
	replace := func(id, text string) error {
		_, err := s.Replace(bg, by("Alice"), "default", id, change.File{Name: "new.spl", Text: text})
		return err
	}
	require.NoError(t, replace(rule, `rule deny { vo="worse" }`))
	require.Equal(t, rule, ids(t, s, `rule deny { vo="worse" }`), "the id stays")
	require.NoError(t, replace(ids(t, s, `action "submit"`), `action "put" { rule permit { vo="x" } }`))
	require.Equal(t, `resource ".*" {
  action "put" {
    rule permit { vo="x" }
  action "status" {
    rule permit { vo="good" }`, outline(t, s, "default"))
	require.NoError(t, replace(resource, `resource "r" { action "a" { rule deny { vo="y" } } }`))
	require.Equal(t, "resource \"r\" {\n  action \"a\" {\n    rule deny { vo=\"y\" }", outline(t, s, "default"))

	require.ErrorIs(t, replace("nope", sample), change.ErrNotFound)
	require.ErrorIs(t, replace(resource, sample+sample), change.ErrInvalid)
	require.ErrorIs(t, replace(resource, `action "a" { rule deny { vo="y" } }`), change.ErrInvalid)
	require.ErrorIs(t, replace(ids(t, s, "rule"), `rule permit {`), change.ErrPolicy)
}

func TestMove(t *testing.T) {
	s := newSite(t)
	load(t, s, `resource "r" { action "a" { rule deny { vo="1" } rule deny { vo="2" } rule deny { vo="3" } } action "b" { rule deny { vo="4" } } }`, change.At{})
	rule := func(n string) string { return ids(t, s, `rule deny { vo="`+n+`"`) }
	move := func(id, pivot string, after bool) change.Result {
		return ok(t)(s.Move(bg, by("Alice"), "default", id, pivot, after))
	}
	order := func() string {
		var got []string
		for line := range strings.SplitSeq(outline(t, s, "default"), "\n") {
			if _, rest, found := strings.Cut(line, `vo="`); found {
				got = append(got, rest[:1])
			} else if _, rest, found := strings.Cut(line, `action "`); found {
				got = append(got, rest[:1])
			}
		}
		return strings.Join(got, "")
	}
	require.Equal(t, "a123b4", order())
	move(rule("3"), rule("1"), false)
	require.Equal(t, "a312b4", order())
	move(rule("3"), rule("1"), true)
	require.Equal(t, "a132b4", order())
	require.False(t, move(rule("3"), rule("1"), true).Changed, "it is there")
	require.False(t, move(rule("3"), rule("3"), true).Changed)
	move(rule("4"), rule("3"), false)
	require.Equal(t, "a1432b", order(), "into another action")
	move(ids(t, s, `action "b"`), ids(t, s, `action "a"`), false)
	require.Equal(t, "ba1432", order(), "with what is below")

	_, err := s.Move(bg, by("Alice"), "default", rule("1"), ids(t, s, `action "b"`), false)
	require.ErrorIs(t, err, change.ErrInvalid, "a rule beside an action")
	_, err = s.Move(bg, by("Alice"), "default", rule("1"), "nope", false)
	require.ErrorIs(t, err, change.ErrNotFound)
}

func TestRemove(t *testing.T) {
	s := newSite(t)
	load(t, s, sample, change.At{})
	ok(t)(s.Remove(bg, by("Alice"), "default", ids(t, s, `action "submit"`)))
	require.Equal(t, "resource \".*\" {\n  action \"status\" {\n    rule permit { vo=\"good\" }", outline(t, s, "default"))
	_, err := s.Remove(bg, by("Alice"), "default", ids(t, s, `action "status"`), "nope")
	require.ErrorIs(t, err, change.ErrNotFound)
	require.Contains(t, outline(t, s, "default"), "status", "all or none")
}

func TestAddRule(t *testing.T) {
	s := newSite(t)
	add := func(effect bool, vo string, edit func(*change.Rule)) change.Result {
		rule := change.Rule{Permit: effect, Names: []change.Name{{Attribute: "vo", Value: vo}}, Resource: "r", Action: "a"}
		edit(&rule)
		return ok(t)(s.AddRule(bg, by("Alice"), "default", rule))
	}
	nothing := func(*change.Rule) {}
	first := add(true, "1", nothing)
	add(false, "2", nothing)
	add(false, "3", func(r *change.Rule) { r.Bottom = true })
	action := ids(t, s, `action "a"`)
	add(false, "4", func(r *change.Rule) {
		r.Resource, r.Action, r.ActionID, r.After = "", "", action, first.IDs[0]
	})
	add(false, "5", func(r *change.Rule) { r.Resource = "top" })
	add(false, "6", func(r *change.Rule) { r.Resource, r.Bottom = "bottom", true })
	add(true, `it's`, func(r *change.Rule) { r.Action = "b"; r.Obligation = "http://x/o" })
	require.Equal(t, `resource "top" {
  action "a" {
    rule deny { "vo"="5" }
resource "r" {
  action "b" {
    rule permit { "vo"="it's" }
  action "a" {
    rule deny { "vo"="2" }
    rule permit { "vo"="1" }
    rule deny { "vo"="4" }
    rule deny { "vo"="3" }
resource "bottom" {
  action "a" {
    rule deny { "vo"="6" }`, outline(t, s, "default"))
	update, err := s.Next(bg, authz.Revision{})
	require.NoError(t, err)
	set, _ := update.Base.Root.Children.Find("pap:default")
	r, _ := set.(*policies.PolicySet).Children.Find(ids(t, s, `resource "r"`))
	b, _ := r.(*policies.PolicySet).Children.Find(ids(t, s, `action "b"`))
	require.Equal(t, "http://x/o", b.(*policies.Policy).Obligations[0].ID)

	for name, rule := range map[string]change.Rule{
		"injection by value":     {Names: []change.Name{{Attribute: "vo", Value: "x' } rule permit { vo=\"y"}}, Resource: "r", Action: "a"},
		"injection by attribute": {Names: []change.Name{{Attribute: `vo"="a" } rule permit { "vo`, Value: "x"}}, Resource: "r", Action: "a"},
		"two lines":              {Names: []change.Name{{Attribute: "vo", Value: "x\ny"}}, Resource: "r", Action: "a"},
		"escape out":             {Names: []change.Name{{Attribute: "vo", Value: `x\`}}, Resource: "r", Action: "a"},
		"no condition":           {Resource: "r", Action: "a"},
		"nowhere":                {Names: []change.Name{{Attribute: "vo", Value: "x"}}, Resource: "r"},
	} {
		_, err := s.AddRule(bg, by("Alice"), "default", rule)
		require.Error(t, err, name)
	}
}

func TestPAPs(t *testing.T) {
	s := newSite(t)
	for _, alias := range []string{"one", "two", "three"} {
		ok(t)(s.AddPAP(bg, by("Alice"), change.PAP{Alias: alias}))
	}
	order := func() (got []string) {
		paps, err := s.PAPs(bg)
		require.NoError(t, err)
		for _, p := range paps {
			got = append(got, p.Alias)
		}
		return got
	}
	require.Equal(t, []string{"default", "one", "two", "three"}, order())
	ok(t)(s.Order(bg, by("Alice"), "three", "default"))
	require.Equal(t, []string{"three", "default", "one", "two"}, order())
	require.False(t, ok(t)(s.Order(bg, by("Alice"), "three", "default")).Changed)
	ok(t)(s.Order(bg, by("Alice")))
	require.Equal(t, "default", order()[0], "default comes first when it is not listed")
	_, err := s.Order(bg, by("Alice"), "nobody")
	require.ErrorContains(t, err, "unknown alias")
	_, err = s.Order(bg, by("Alice"), "one", "one")
	require.ErrorIs(t, err, change.ErrNotFound)

	_, err = s.AddPAP(bg, by("Alice"), change.PAP{Alias: "one"})
	require.ErrorIs(t, err, change.ErrExists)
	_, err = s.AddPAP(bg, by("Alice"), change.PAP{Alias: "a/b"})
	require.ErrorIs(t, err, change.ErrInvalid)
	_, err = s.RemovePAP(bg, by("Alice"), "default")
	require.ErrorIs(t, err, change.ErrNotAllowed)
	_, err = s.RemovePAP(bg, by("Alice"), "nobody")
	require.ErrorIs(t, err, change.ErrNotFound)

	ok(t)(s.Ban(bg, by("Alice"), "one", dn("/CN=Eve")))
	bans := func() int {
		update, err := s.Next(bg, authz.Revision{})
		require.NoError(t, err)
		node, _ := update.Base.Root.Children.Find(policies.BansID)
		return node.(*policies.Policy).Rules.Len()
	}
	require.Zero(t, bans(), "a new PAP is disabled, as in Argus")
	ok(t)(s.UpdatePAP(bg, by("Alice"), change.PAP{Alias: "one", Enabled: true}))
	require.Equal(t, 1, bans())
	forced := by("Alice")
	forced.Force = true
	ok(t)(s.RemovePAP(bg, forced, "one"))
	all, err := s.Bans(bg, "")
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestRowsAndPersons(t *testing.T) {
	s := newSite(t)
	text := `resource "a" { action "b" { rule permit { room="42" } } }`
	_, err := s.AddFile(bg, by("Alice"), "default", change.File{Text: text}, change.At{})
	require.ErrorIs(t, err, change.ErrPolicy)
	row := change.Row{Name: "room", ID: "urn:site:room", Category: authz.Subject, Type: authz.String, Match: "urn:oasis:names:tc:xacml:1.0:function:string-equal"}
	ok(t)(s.PutRows(bg, by("Alice"), row))
	load(t, s, text, change.At{})
	_, err = s.RemoveRows(bg, by("Alice"), "room")
	require.ErrorIs(t, err, change.ErrPolicy, "a unit uses it")
	_, err = s.PutRows(bg, by("Alice"), change.Row{Name: "x"})
	require.ErrorIs(t, err, change.ErrInvalid)

	result := ok(t)(s.PutPersons(bg, by("Alice"), change.Person{Links: []change.Name{{Attribute: "subject", Value: "/CN=Eve"}, {Attribute: "account", Value: "eve"}}}))
	persons, err := s.Persons(bg)
	require.NoError(t, err)
	require.Equal(t, result.IDs[0], persons[0].ID)
	ok(t)(s.RemovePersons(bg, by("Alice"), result.IDs...))
	_, err = s.RemovePersons(bg, by("Alice"), result.IDs...)
	require.ErrorIs(t, err, change.ErrNotFound)
}

// Persons come and go in one change, and half a link is refused: no ban would
// follow it.
func TestPersons(t *testing.T) {
	s := newSite(t)
	names := func(pairs ...string) (all []change.Name) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, change.Name{Attribute: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	ok(t)(s.PutPersons(bg, by("Alice"), change.Person{ID: "old", Links: names("account", "eve")}))
	before, err := s.Revision(bg)
	require.NoError(t, err)
	for why, links := range map[string][]change.Name{
		"without oidc-issuer next to it": names("oidc-subject", "4f1b"),
		"without subject next to it":     names("account", "x", "subject-issuer", "/CN=CA"),
		"does not name one person":       names("vo", "atlas"),
		"is empty":                       names("account", " "),
		"says nothing about anybody":     names("subject", "/"),
	} {
		_, err := s.ChangePersons(bg, by("Alice"), []change.Person{{ID: "new", Links: links}}, []string{"old"})
		require.ErrorIs(t, err, change.ErrInvalid)
		require.ErrorContains(t, err, why)
	}
	result := ok(t)(s.ChangePersons(bg, by("Alice"), []change.Person{{ID: "new", Links: names("account", "eve")}}, []string{"old"}))
	require.Equal(t, []string{"new", "old"}, result.IDs)
	require.Equal(t, before.Number+1, result.Revision.Number, "one revision, and none of those refused")
	persons, err := s.Persons(bg)
	require.NoError(t, err)
	require.Len(t, persons, 1)
	require.Equal(t, "new", persons[0].ID)
}

// ⚿ A ban finds whom it follows by any of their names, after changes of the
// person, a roll-back, and in a store from before persons were found that way.
func TestBanFindsThePerson(t *testing.T) {
	var last policies.Update
	s := newSite(t, func(o *pap.Options) { o.Check = func(u policies.Update) error { last = u; return nil } })
	account := func(name string) change.Name { return change.Name{Attribute: "account", Value: name} }
	// ways counts the identities that a ban of the account refuses.
	ways := func(name string) int {
		t.Helper()
		b := change.Ban{Names: []change.Name{account(name)}}
		ok(t)(s.Ban(bg, by("Alice"), "default", b))
		require.Len(t, last.Edits, 1)
		n := len(last.Edits[0].Rule.Target.AnyOf[0].AllOf)
		ok(t)(s.Unban(bg, by("Alice"), "default", b))
		return n
	}
	eve := change.Person{ID: "e/v/e", Links: []change.Name{account("eve"), {Attribute: "subject", Value: "/CN=Eve"}}}
	put := ok(t)(s.PutPersons(bg, by("Alice"), eve, change.Person{ID: "bob", Links: []change.Name{account("bob")}}))
	require.Equal(t, 3, ways("eve"), "account, subject and id")
	require.Equal(t, 2, ways("bob"))
	require.Equal(t, 1, ways("nobody"))
	eve.Links = []change.Name{account("evelyn"), {Attribute: "subject", Value: "/CN=Eve"}}
	ok(t)(s.PutPersons(bg, by("Alice"), eve))
	require.Equal(t, 1, ways("eve"), "no longer hers")
	require.Equal(t, 3, ways("evelyn"))
	ok(t)(s.Rollback(bg, by("Alice"), change.Restore{To: put.Revision.Number}))
	require.Equal(t, 3, ways("eve"))
	require.Equal(t, 1, ways("evelyn"))

	_, err := s.store.Update(bg, func(tx store.WriteTx) error {
		for key := range tx.Scan("links", "", "") {
			tx.Delete("links", key)
		}
		return nil
	})
	require.NoError(t, err)
	s.open(func(o *pap.Options) { o.Check = func(u policies.Update) error { last = u; return nil } })
	require.Equal(t, 3, ways("eve"))
	ok(t)(s.RemovePersons(bg, by("Alice"), "e/v/e"))
	require.Equal(t, 1, ways("eve"))
}

var _ pap.Source = (*pap.Service)(nil)
