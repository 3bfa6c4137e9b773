package api_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/stretchr/testify/require"
)

const policy = `
resource "ce" {
	action "submit" {
		rule permit { vo = "dteam" } # ours
	}
}
`

func TestEverythingOverTheWire(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	defer c.Close()
	name, version, err := c.Ping(bg)
	require.NoError(t, err)
	require.Equal(t, "Gatehouse PAP test", name+" "+version)

	// Bans.
	b := subject("/DC=org/CN=Eve")
	b.Reason, b.Ticket, b.Until = "stolen key", "GGUS-1", time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)
	banned, err := c.Ban(bg, change.Request{Message: "an émergency"}, "default", b)
	require.NoError(t, err)
	require.True(t, banned.Changed)
	require.Len(t, banned.IDs, 1)
	again, err := c.Ban(bg, change.Request{}, "default", subject("CN=eve,DC=ORG"))
	require.NoError(t, err)
	require.Equal(t, banned.IDs, again.IDs)
	bans, err := c.Bans(bg, "")
	require.NoError(t, err)
	require.Len(t, bans, 1)
	require.Equal(t, "alice", bans[0].Author)
	require.Empty(t, bans[0].Until, "loaded again without an end, it has none")
	lifted, err := c.Unban(bg, change.Request{Force: true}, "default", subject("/DC=org/CN=Eve"), subject("/CN=nobody"))
	require.NoError(t, err)
	require.Len(t, lifted.Missing, 1)

	// Rules.
	file, err := c.AddFile(bg, change.Request{}, "default", change.File{Name: "site.spl", Text: policy}, change.At{})
	require.NoError(t, err)
	rule, err := c.AddRule(bg, change.Request{}, "default", change.Rule{
		Names: []change.Name{{Attribute: "vo", Value: "atlas"}}, Resource: "ce", Action: "submit",
	})
	require.NoError(t, err)
	units, err := c.Units(bg, "default")
	require.NoError(t, err)
	require.Len(t, units, 4)
	require.Equal(t, rule.IDs[0], units[2].ID, "a new rule stands on top")
	_, err = c.Move(bg, change.Request{}, "default", units[3].ID, units[2].ID, false)
	require.NoError(t, err)
	_, err = c.Move(bg, change.Request{}, "default", units[3].ID, units[2].ID, true)
	require.NoError(t, err)
	_, err = c.Replace(bg, change.Request{}, "default", rule.IDs[0], change.File{Name: "new", Text: `rule deny { vo = "cms" }`})
	require.NoError(t, err)
	_, err = c.Remove(bg, change.Request{}, "default", units[3].ID, rule.IDs[0])
	require.NoError(t, err)
	_, err = c.Remove(bg, change.Request{}, "default", file.IDs[0])
	require.NoError(t, err)
	_, err = c.AddFile(bg, change.Request{}, "default", change.File{Name: "site.spl", Text: policy}, change.At{})
	require.NoError(t, err)
	_, err = c.RemoveAll(bg, change.Request{}, "default", false)
	require.NoError(t, err)
	units, err = c.Units(bg, "default")
	require.NoError(t, err)
	require.Empty(t, units)

	// PAPs.
	_, err = c.AddPAP(bg, change.Request{}, change.PAP{Alias: "ngi", Enabled: true})
	require.NoError(t, err)
	_, err = c.AddPAP(bg, change.Request{}, change.PAP{Alias: "ngi"})
	require.ErrorIs(t, err, change.ErrExists)
	_, err = c.UpdatePAP(bg, change.Request{}, change.PAP{Alias: "ngi", Public: true})
	require.NoError(t, err)
	_, err = c.UpdatePAP(bg, change.Request{}, change.PAP{Alias: "egi"})
	require.ErrorIs(t, err, change.ErrNotFound)
	_, err = c.Order(bg, change.Request{}, "ngi", "default")
	require.NoError(t, err)
	paps, err := c.PAPs(bg)
	require.NoError(t, err)
	require.Len(t, paps, 2)
	require.Equal(t, "ngi", paps[0].Alias)
	_, err = c.RemovePAP(bg, change.Request{}, "ngi")
	require.NoError(t, err)
	_, err = c.RemovePAP(bg, change.Request{}, "default")
	require.ErrorIs(t, err, change.ErrNotAllowed)

	// Persons and attributes.
	_, err = c.PutPersons(bg, change.Request{}, change.Person{ID: "p/1", Links: []change.Name{{Attribute: "subject", Value: "/CN=a"}}})
	require.NoError(t, err)
	persons, err := c.Persons(bg)
	require.NoError(t, err)
	require.Equal(t, "p/1", persons[0].ID)
	_, err = c.RemovePersons(bg, change.Request{}, "p/1")
	require.NoError(t, err)
	row := change.Row{Name: "queue", ID: "urn:queue", Category: authz.Resource, Type: authz.String, Match: profile.Attributes()[0].Match}
	_, err = c.PutRows(bg, change.Request{}, row)
	require.NoError(t, err)
	rows, err := c.Rows(bg)
	require.NoError(t, err)
	require.Equal(t, []change.Row{row}, rows)
	_, err = c.RemoveRows(bg, change.Request{}, "queue")
	require.NoError(t, err)

	// History.
	entries, err := c.History(bg, change.Query{Limit: 1000})
	require.NoError(t, err)
	require.Greater(t, len(entries), 12)
	require.Equal(t, "an émergency", entries[len(entries)-2].Message)
	require.Equal(t, change.Author{Name: "alice", Via: "tls", Peer: entries[0].Author.Peer}, entries[0].Author)
	entries, err = c.History(bg, change.Query{Before: banned.Revision.Number + 1, Limit: 1, PAP: "default"})
	require.NoError(t, err)
	require.Equal(t, banned.Revision, entries[0].Revision)
	now, err := c.Revision(bg)
	require.NoError(t, err)
	differences, err := c.Diff(bg, banned.Revision.Number, now.Number)
	require.NoError(t, err)
	require.Len(t, differences, 2, "the ban that was lifted, and the place of a PAP")
	back, err := c.Rollback(bg, change.Request{}, change.Restore{To: banned.Revision.Number, Bans: true})
	require.NoError(t, err)
	require.Equal(t, now.Number+1, back.Revision.Number)
	bans, err = c.Bans(bg, "default")
	require.NoError(t, err)
	require.Len(t, bans, 1)
}

func TestConditionsOfAWrite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	first, err := c.Ban(bg, change.Request{Key: "k"}, "default", eve(1))
	require.NoError(t, err)
	repeated, err := c.Ban(bg, change.Request{Key: "k"}, "default", eve(1))
	require.NoError(t, err)
	require.True(t, repeated.Repeated)
	require.Equal(t, first.IDs, repeated.IDs)
	_, err = c.Ban(bg, change.Request{Key: "k"}, "default", eve(2))
	require.ErrorIs(t, err, change.ErrConflict)

	_, err = c.Ban(bg, change.Request{IfMatch: authz.Revision{Lineage: first.Revision.Lineage, Number: 99}}, "default", eve(2))
	require.ErrorIs(t, err, change.ErrConflict)
	second, err := c.Ban(bg, change.Request{IfMatch: first.Revision}, "default", eve(2))
	require.NoError(t, err)
	require.Equal(t, first.Revision.Number+1, second.Revision.Number)

	over := s.over("alice")
	const bans, body = "/pap/v1/paps/default/bans", `{"bans":[{"names":[{"attribute":"subject","value":"/CN=x"}]}]}`
	status, e := s.raw(over, http.MethodPost, bans, "application/json", body, "If-Match", "1")
	require.Equal(t, http.StatusPreconditionFailed, status)
	require.Equal(t, api.KindConflict, e.Kind)
	status, _ = s.raw(over, http.MethodPost, bans, "application/json", body, "If-Match", `"`+api.FormatRevision(second.Revision)+`"`)
	require.Equal(t, http.StatusOK, status)

	all, err := c.Bans(bg, "default")
	require.NoError(t, err)
	_, err = c.RemoveAll(bg, change.Request{}, "default", true)
	require.ErrorIs(t, err, change.ErrLarge)
	left, err := c.Bans(bg, "default")
	require.NoError(t, err)
	require.Equal(t, all, left)
	_, err = c.RemoveAll(bg, change.Request{Force: true}, "default", true)
	require.NoError(t, err)
}

func TestErrorsOfPolicyHaveTheirPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.as("alice").AddFile(bg, change.Request{}, "default", change.File{Name: "site.spl", Text: "resource \"x\" {\n  actoin \"y\" { rule permit { vo = \"a\" } }\n}"}, change.At{})
	require.ErrorIs(t, err, change.ErrPolicy)
	var e *api.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "site.spl 2 3", strings.Join([]string{e.File, itoa(e.Line), itoa(e.Column)}, " "))
	require.Contains(t, e.Message, "actoin")
}

func itoa(n int) string { return string(rune('0' + n)) }

func TestListingInArgusLayout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	_, err := c.AddFile(bg, change.Request{}, "default", change.File{Name: "f", Text: policy}, change.At{})
	require.NoError(t, err)
	banned, err := c.Ban(bg, change.Request{}, "default", change.Ban{Names: []change.Name{{Attribute: "subject", Value: "/DC=org/CN=Eve"}, {Attribute: "vo", Value: "x"}}},
		change.Ban{Resource: "ce", Action: "submit", Names: []change.Name{{Attribute: "vo", Value: "bad"}}})
	require.NoError(t, err)
	units, err := c.Units(bg, "default")
	require.NoError(t, err)
	bans, err := c.Bans(bg, "default")
	require.NoError(t, err)
	require.Equal(t, banned.IDs[0], bans[0].ID)

	var out strings.Builder
	some, err := api.Listing{Units: units, Bans: bans}.Write(&out)
	require.NoError(t, err)
	require.True(t, some)
	require.Equal(t, `
resource ".*" {

    action ".*" {
        rule deny { 
            subject="CN=Eve,DC=org" 
            vo="x" 
        }
    }
}

resource "ce" {

    action "submit" {
        rule deny { vo="bad" }
        rule permit { vo="dteam" }
    }
}
`, out.String())
	out.Reset()
	some, err = api.Listing{Units: units, Bans: bans, Resource: "none"}.Write(&out)
	require.NoError(t, err)
	require.False(t, some)

	r, err := http.NewRequest(http.MethodGet, s.url()+"/pap/v1/paps/default/rules?ids=all&resource=ce", nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/plain")
	over := s.over("alice")
	answer, err := over.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text := read(t, answer)
	require.Contains(t, text, "id="+banned.IDs[1])
	require.NotContains(t, text, "CN=Eve")
}

// ⚿ Each operation asks for its own right, and what is refused has not happened.
func TestEveryOperationNeedsItsRight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	over := s.over("mallory")
	before, err := s.service.Revision(bg)
	require.NoError(t, err)
	const j = "application/json"
	for _, c := range []struct{ method, path, body, right string }{
		{"GET", "revision", "", profile.ActionPolicyRead + " pap:*"},
		{"GET", "bans", "", profile.ActionPolicyRead + " pap:*"},
		{"GET", "paps/default/bans", "", profile.ActionPolicyRead + " pap:default"},
		{"POST", "paps/default/bans", `{"bans":[]}`, profile.ActionBan + " pap:default"},
		{"DELETE", "paps/default/bans", `{"bans":[]}`, profile.ActionBan + " pap:default"},
		{"GET", "paps/default/rules", "", profile.ActionPolicyRead + " pap:default"},
		{"POST", "paps/default/rules", `{}`, profile.ActionPolicyWrite + " pap:default"},
		{"DELETE", "paps/default/rules?all=true", "", profile.ActionPolicyWrite + " pap:default"},
		{"PATCH", "paps/default/rules/x", `{}`, profile.ActionPolicyWrite + " pap:default"},
		{"DELETE", "paps/default/rules/x", "", profile.ActionPolicyWrite + " pap:default"},
		{"POST", "paps/admin/rules", `{}`, profile.ActionConfigWrite + " pap:admin"},
		{"POST", "paps/%61dmin/rules", `{}`, profile.ActionConfigWrite + " pap:admin"},
		{"GET", "paps/admin/rules", "", profile.ActionConfigRead + " pap:admin"},
		{"POST", "paps/admin/bans", `{"bans":[]}`, profile.ActionConfigWrite + " pap:admin"},
		{"GET", "paps", "", profile.ActionConfigRead + " pap:*"},
		{"GET", "paps/default", "", profile.ActionConfigRead + " pap:default"},
		{"PUT", "paps/default", `{}`, profile.ActionConfigWrite + " pap:default"},
		{"DELETE", "paps/default", "", profile.ActionConfigWrite + " pap:default"},
		{"PUT", "order", `{}`, profile.ActionConfigWrite + " pap:*"},
		{"GET", "persons", "", profile.ActionPolicyRead + " pap:*"},
		{"POST", "persons", `{}`, profile.ActionPolicyWrite + " pap:*"},
		{"DELETE", "persons/x", "", profile.ActionPolicyWrite + " pap:*"},
		{"GET", "attributes", "", profile.ActionPolicyRead + " pap:*"},
		{"POST", "attributes", `{}`, profile.ActionPolicyWrite + " pap:*"},
		{"DELETE", "attributes/x", "", profile.ActionPolicyWrite + " pap:*"},
		{"GET", "history", "", profile.ActionPolicyRead + " pap:*"},
		{"GET", "history?pap=admin", "", profile.ActionConfigRead + " pap:admin"},
		{"GET", "diff?from=0&to=1", "", profile.ActionPolicyRead + " pap:*"},
		{"POST", "rollback", `{"to":1}`, profile.ActionPolicyWrite + " pap:*"},
		{"GET", "followers", "", profile.ActionConfigRead + " pap:*"},
		{"DELETE", "followers/x", "", profile.ActionConfigWrite + " pap:*"},
		{"PUT", "followers/x", `{}`, profile.ActionFollow + " pap:*"},
		{"GET", "feed?wait=0s", "", profile.ActionFollow + " pap:*"},
	} {
		s.audit.take()
		status, e := s.raw(over, c.method, "/pap/v1/"+c.path, j, c.body)
		require.Equal(t, http.StatusForbidden, status, c)
		require.Equal(t, api.KindRefused, e.Kind, c)
		require.Contains(t, e.Message, "ask Alice", "what the author wrote for the user")
		require.NotContains(t, e.Message, "hidden", "the rule is none of theirs")
		require.Contains(t, e.Message, e.Decision)
		records := s.audit.take()
		require.Len(t, records, 1, c)
		require.Equal(t, c.right, records[0].Action+" "+records[0].Resource, c)
		require.Equal(t, "Deny mallory "+e.Decision, records[0].Decision+" "+records[0].Subject+" "+records[0].ID)
		require.Equal(t, "hidden", records[0].Reason.Rule)
	}
	after, err := s.service.Revision(bg)
	require.NoError(t, err)
	require.Equal(t, before, after)
	status, _ := s.raw(over, http.MethodGet, "/pap/v1/ping", "", "")
	require.Equal(t, http.StatusOK, status)
}

// ⚿ Rights do not reach further than they say.
func TestRightsAreNarrow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rights.grant("author", profile.ActionPolicyWrite, "*")
	s.rights.grant("author", profile.ActionPolicyRead, "*")
	c := s.as("author")
	_, err := c.AddFile(bg, change.Request{}, "default", change.File{Name: "f", Text: policy}, change.At{})
	require.NoError(t, err)
	_, err = c.AddFile(bg, change.Request{}, change.AdminPAP, change.File{Name: "f", Text: policy}, change.At{})
	require.ErrorIs(t, err, api.ErrRefused, "the right to write policy does not reach the PAP admin")
	_, err = c.Units(bg, change.AdminPAP)
	require.ErrorIs(t, err, api.ErrRefused)
	_, err = c.Ban(bg, change.Request{}, "default", eve(1))
	require.ErrorIs(t, err, api.ErrRefused)
	_, err = c.RemoveAll(bg, change.Request{Force: true}, "default", true)
	require.ErrorIs(t, err, api.ErrRefused, "removing bans is the right to ban")
	_, err = c.Feed(bg, authz.Revision{})
	require.ErrorIs(t, err, api.ErrRefused, "the feed needs the right to follow")
	s.rights.grant("author", profile.ActionConfigWrite, "pap:*")
	_, err = c.Rollback(bg, change.Request{}, change.Restore{To: 1, Bans: true})
	require.ErrorIs(t, err, api.ErrRefused)
	_, err = c.Rollback(bg, change.Request{}, change.Restore{To: 1, Admin: true})
	require.ErrorIs(t, err, api.ErrRefused)
	_, err = c.Rollback(bg, change.Request{}, change.Restore{To: 1})
	require.NoError(t, err)
}

// ⚿ Whatever goes wrong while deciding refuses.
func TestUncertainIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	for name, set := range map[string]func(){
		"error":            func() { s.rights.answer(authz.Response{}, errors.New("pdp is away")) },
		"error and permit": func() { s.rights.answer(authz.Response{Decision: authz.Permit}, errors.New("odd")) },
		"not applicable":   func() { s.rights.answer(authz.Response{Decision: authz.NotApplicable}, nil) },
		"unfulfilled": func() {
			s.rights.answer(authz.Response{Decision: authz.Permit, Obligations: []authz.Obligation{{ID: "urn:log"}}}, nil)
		},
	} {
		set()
		_, err := c.Ban(bg, change.Request{}, "default", eve(1))
		require.ErrorIs(t, err, api.ErrRefused, name)
	}
	s.rights.answer(authz.Response{}, nil)
	bans, err := c.Bans(bg, "default")
	require.NoError(t, err)
	require.Empty(t, bans)
}

func TestChangesAreRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	s.audit.take()
	result, err := c.Ban(bg, change.Request{Message: "why"}, "default", eve(1))
	require.NoError(t, err)
	records := s.audit.take()
	require.Len(t, records, 2)
	require.Equal(t, authz.EventDecision, records[0].Event)
	require.Equal(t, "Permit", records[0].Decision)
	require.Equal(t, authz.EventChange, records[1].Event)
	require.Equal(t, "done ban: why", records[1].Decision+" "+records[1].Message)
	require.Equal(t, result.Revision, records[1].Revision)
	require.Equal(t, records[0].ID, records[1].ID)
	_, err = c.Remove(bg, change.Request{}, "default", "nothing")
	require.ErrorIs(t, err, change.ErrNotFound)
	records = s.audit.take()
	require.Equal(t, "failed", records[1].Decision)
	require.Contains(t, records[1].Cause, "not found")
	_, err = c.Bans(bg, "default")
	require.NoError(t, err)
	require.Empty(t, s.audit.take(), "reading is not recorded")
}

// ⚿ With no audit trail nothing is widened, but bans go on (DECISIONS 30).
func TestNoAuditNoChangeButBans(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice")
	_, err := c.Ban(bg, change.Request{}, "default", eve(1), eve(2))
	require.NoError(t, err)
	s.audit.fail(errors.New("disk full"))
	_, err = c.Ban(bg, change.Request{}, "default", eve(3))
	require.NoError(t, err)
	_, err = c.Unban(bg, change.Request{}, "default", eve(1))
	require.ErrorIs(t, err, api.ErrUnavailable)
	_, err = c.AddFile(bg, change.Request{}, "default", change.File{Name: "f", Text: policy}, change.At{})
	require.ErrorIs(t, err, api.ErrUnavailable)
	bans, err := c.Bans(bg, "default")
	require.NoError(t, err)
	require.Len(t, bans, 3)
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	over := s.over("alice")
	const j = "application/json"
	deep := strings.Repeat("[", 100_000)
	for name, c := range map[string]struct {
		method, path, kind, body string
		status                   int
		want                     string
		header                   []string
	}{
		"form":               {"POST", "paps/default/bans", "application/x-www-form-urlencoded", `{"bans":[]}`, 400, "application/json", nil},
		"text":               {"POST", "paps/default/bans", "text/plain", `{"bans":[]}`, 400, "application/json", nil},
		"no type":            {"POST", "paps/default/bans", "", `{"bans":[]}`, 400, "application/json", nil},
		"empty":              {"POST", "paps/default/bans", j, ``, 400, "EOF", nil},
		"unknown name":       {"POST", "paps/default/bans", j, `{"bnas":[]}`, 400, "bnas", nil},
		"nested unknown":     {"POST", "paps/default/bans", j, `{"bans":[{"names":[],"pp":1}]}`, 400, "pp", nil},
		"twice":              {"POST", "paps/default/bans", j, `{"bans":[],"bans":[]}`, 400, "duplicate", nil},
		"twice, nested":      {"POST", "paps/default/bans", j, `{"bans":[{"action":"a","action":"b"}]}`, 400, "duplicate", nil},
		"another case":       {"POST", "paps/default/bans", j, `{"Bans":[]}`, 400, "Bans", nil},
		"two values":         {"POST", "paps/default/bans", j, `{"bans":[]}{}`, 400, "after top-level value", nil},
		"not UTF-8":          {"POST", "paps/default/bans", j, "{\"bans\":[{\"reason\":\"\xff\"}]}", 400, "UTF-8", nil},
		"deep":               {"POST", "paps/default/bans", j, `{"bans":` + deep, 400, "invalid", nil},
		"wrong type":         {"POST", "paps/default/bans", j, `{"bans":"all"}`, 400, "bans", nil},
		"nobody":             {"POST", "paps/default/bans", j, `{"bans":[{"names":[]}]}`, 400, "", nil},
		"too large":          {"PUT", "order", j, `{"aliases":["` + strings.Repeat("x", api.MaxBody) + `"]}`, 413, "at most", nil},
		"rule and file":      {"POST", "paps/default/rules", j, `{"rule":{"permit":true,"names":[]},"file":{"name":"","text":""}}`, 400, "either", nil},
		"neither":            {"POST", "paps/default/rules", j, `{}`, 400, "either", nil},
		"move and replace":   {"PATCH", "paps/default/rules/x", j, `{"before":"a","after":"b"}`, 400, "one of", nil},
		"all, unsaid":        {"DELETE", "paps/default/rules", "", "", 400, "all=true", nil},
		"other alias":        {"PUT", "paps/a", j, `{"alias":"b"}`, 400, "path names", nil},
		"unknown PAP":        {"GET", "paps/nowhere/bans", "", "", 404, "", nil},
		"unknown path":       {"GET", "nothing", "", "", 404, "unknown operation", nil},
		"method":             {"PUT", "bans", j, "{}", 404, "unknown operation", nil},
		"dots":               {"GET", "paps/../paps", "", "", 404, "unknown operation", nil},
		"control in path":    {"GET", "paps/a%0ab/bans", "", "", 400, "one line", nil},
		"slash in path":      {"GET", "paps/a%2fb/bans", "", "", 404, "", nil},
		"bad query":          {"GET", "feed?after=%zz", "", "", 400, "query", nil},
		"bad revision":       {"GET", "feed?after=x", "", "", 400, "no revision", nil},
		"bad wait":           {"GET", "feed?wait=soon", "", "", 400, "length of time", nil},
		"negative wait":      {"GET", "feed?wait=-1s", "", "", 400, "length of time", nil},
		"bad limit":          {"GET", "history?limit=many", "", "", 400, "no number", nil},
		"bad ids":            {"GET", "paps/default/rules?ids=some", "", "", 400, "none, heads or all", []string{"Accept", "text/plain"}},
		"bad If-Match":       {"POST", "paps/default/bans", j, `{"bans":[]}`, 400, "no revision", []string{"If-Match", "*"}},
		"bad If-None-Match":  {"PUT", "paps/x", j, `{}`, 400, "If-None-Match", []string{"If-None-Match", `"1"`}},
		"long key":           {"POST", "paps/default/bans", j, `{"bans":[]}`, 400, "Idempotency-Key", []string{"Idempotency-Key", strings.Repeat("k", 257)}},
		"message not UTF-8":  {"POST", "paps/default/bans", j, `{"bans":[]}`, 400, "X-Message", []string{"X-Message", "\xff"}},
		"message escapes":    {"POST", "paps/default/bans", j, `{"bans":[]}`, 400, "X-Message", []string{"X-Message", "\u009b31m"}},
		"report of progress": {"PUT", "followers/x", j, `{"applied":{"number":-1}}`, 400, "", nil},
	} {
		status, e := s.raw(over, c.method, "/pap/v1/"+c.path, c.kind, c.body, c.header...)
		require.Equal(t, c.status, status, name)
		require.Contains(t, e.Message, c.want, name)
	}
	bans, err := s.service.Bans(bg, "")
	require.NoError(t, err)
	require.Empty(t, bans)
}

// ⚿ A page of somebody else's in an administrator's browser changes nothing.
func TestOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	over := s.over("alice")
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
		r, err := http.NewRequest(http.MethodDelete, s.url()+"/pap/v1/paps/default/rules?all=true", nil)
		require.NoError(t, err)
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		answer, err := over.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusForbidden, answer.StatusCode)
	}
}

func TestSocketClient(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_ = os.Remove(filepath.Join(s.dir, "none"))
	c := api.NewSocketClient(filepath.Join(s.dir, "none"))
	_, _, err := c.Ping(bg)
	require.ErrorContains(t, err, "no such file")
}

func TestClientAddresses(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"", "pap.example.org:8150", "ftp://x", "https://", "https://u:p@x", "https://x/?q", "https://x/#f", "://"} {
		_, err := api.NewClient(http.DefaultClient, a)
		require.Error(t, err, a)
	}
	_, err := api.NewClient(http.DefaultClient)
	require.Error(t, err)

	s := newSite(t)
	c, err := api.NewClient(s.over("alice"), "https://127.0.0.1:1", s.url())
	require.NoError(t, err)
	_, err = c.Ban(bg, change.Request{}, "default", eve(1))
	require.NoError(t, err, "the second address answers")
	s.stop()
	_, err = c.Ban(bg, change.Request{}, "default", eve(1))
	require.ErrorContains(t, err, s.address)
	require.ErrorContains(t, err, "127.0.0.1:1")
}

// ⚿ A bad credential is refused before any rule is asked, with its cause, even
// for what needs no right.
func TestBadCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, cause := range map[string]string{
		"expired": "expired yesterday", "limited": "limited proxy", "nameless": "no name", "unknown": "nobody knows the CA",
	} {
		s.rights.grant(name, "*", "*")
		s.audit.take()
		_, _, err := s.as(name).Ping(bg)
		require.ErrorIs(t, err, api.ErrRefused, name)
		require.ErrorContains(t, err, cause, name)
		records := s.audit.take()
		require.Len(t, records, 1)
		require.Equal(t, authz.EventRefused, records[0].Event)
		require.Contains(t, records[0].Cause, cause)
	}
}

// ⚿ Who loses the right to follow while the feed is held does not get what
// comes.
func TestHeldFeedIsAuthorizedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now, err := s.service.Revision(bg)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := s.as("pdp").Feed(bg, now)
		failed <- err
	}()
	time.Sleep(100 * time.Millisecond)
	s.rights.revoke("pdp", profile.ActionFollow, "*")
	s.ban(1)
	require.ErrorIs(t, <-failed, api.ErrRefused)
}
