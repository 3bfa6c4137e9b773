package spl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

func table(t testing.TB, site ...profile.Attribute) *spl.Table {
	tab, err := spl.NewTable(site...)
	require.NoError(t, err)
	return tab
}

// only lowers a file of one resource, one action and one rule.
func only(t *testing.T, text string) (*policies.PolicySet, *policies.Policy, *policies.Rule) {
	f, err := spl.Parse("x.spl", text)
	require.NoError(t, err)
	sets, err := spl.Lower(f, table(t))
	require.NoError(t, err)
	require.Len(t, sets, 1)
	for n := range sets[0].Children.All() {
		p := n.(*policies.Policy)
		for r := range p.Rules.All() {
			return sets[0], p, r
		}
	}
	t.Fatal("no rule")
	return nil, nil, nil
}

// matches renders a target as "function literal bag-type".
func matches(target *policies.Target) [][][]string {
	var out [][][]string
	for _, any := range target.AnyOf {
		var alternatives [][]string
		for _, all := range any.AllOf {
			var ms []string
			for _, m := range all.Matches {
				d := m.Attribute.(*policies.Designator)
				s := short(m.Function) + " " + m.Value.Type().Name() + ":" + m.Value.Text() + " " + d.Type.Name()
				if d.MustBePresent {
					s += " present"
				}
				ms = append(ms, s)
			}
			alternatives = append(alternatives, ms)
		}
		out = append(out, alternatives)
	}
	return out
}

func short(uri string) string { return uri[strings.LastIndexAny(uri, ":/")+1:] }

func TestLowerVersionOne(t *testing.T) {
	set, policy, rule := only(t, `resource "https://ce/.*" { description "d" obligation "o" { vo = x }
  private action ".*" { rule permit { subject = "/C=IT/O=Grid/CN=Alice" fqan = "/atlas" "action" = "a" vo = atlas } } }`)
	require.Equal(t, policies.FirstApplicable, set.Combining)
	require.Equal(t, "d", set.Description)
	require.Equal(t, [][][]string{{{"anchored-regexp-match string:https://ce/.* string"}}}, matches(set.Target))
	require.Equal(t, authz.Permit, set.Obligations[0].On)
	require.Equal(t, profile.VO, set.Obligations[0].Assignments[0].ID)
	require.True(t, policy.Private)
	require.Equal(t, authz.Permit, rule.Effect)
	require.Equal(t, [][][]string{
		{{"x500Name-equal x500Name:/C=IT/O=Grid/CN=Alice x500Name", "fqan-match fqan:/atlas fqan", "string-equal string:atlas string"}},
		{{"anchored-regexp-match string:a string"}},
	}, matches(rule.Target), "one AllOf per category, as Argus writes them")
	require.Equal(t, "x.spl:2:25", rule.Position.String())
}

// A denial finds an identity in every spelling and under every data type
// (DECISIONS 11 and 12): its bag has no type, its DN the ban reading.
func TestDenialReadsNamesWidely(t *testing.T) {
	_, _, rule := only(t, `resource x { action y { rule deny { subject = "CN=Alice,O=Grid,C=IT" vo = atlas fqan = "/atlas" oidc-issuer = "https://iam.example" } } }`)
	require.Equal(t, [][][]string{{{
		"ban-name-match string:CN=Alice,O=Grid,C=IT ", "ban-text-match string:atlas ", "fqan-match fqan:/atlas ", "ban-uri-match string:https://iam.example ",
	}}}, matches(rule.Target))
}

func TestLowerVersionTwo(t *testing.T) {
	_, _, rule := only(t, `spl 2
resource x { action y { rule permit {
  credential-strength in (weak strong)
  requested-cpu-time <= 1h30m
  fqan matches "/atlas/*/Role=*"
  subject matches "/C=IT/O=Grid"
  service matches "sl\\w+"
  subject != "/C=IT/CN=Mallory"
  vo != "evil"
  obligation cpu-time-limit { seconds = 2h }
  advice "https://example.org/a" { vo = x }
  because "té" from "2026-01-01" until "2026-02-01T12:00:00+01:00" } } }`)
	require.Equal(t, [][][]string{
		{{"fqan-pattern-match string:/atlas/*/Role=* fqan", "rdn-subtree-match x500Name:/C=IT/O=Grid x500Name"}},
		{{`anchored-regexp-match string:sl\w+ string`}},
		{{"integer-greater-than-or-equal integer:5400 integer"}},
		{{"string-equal string:weak string"}, {"string-equal string:strong string"}},
	}, matches(rule.Target))
	both := rule.Condition.(*policies.Apply)
	require.Equal(t, profile.FunctionAnd, both.Function)
	none := both.Arguments[0].(*policies.Apply)
	require.Equal(t, profile.FunctionNone, none.Function)
	require.Equal(t, profile.FunctionBanName, none.Arguments[0].(*policies.FunctionName).Function, "what speaks against a permit is read widely")
	require.Empty(t, none.Arguments[2].(*policies.Designator).Type)
	require.Equal(t, profile.ObligationCPUTime, rule.Obligations[0].ID)
	require.Equal(t, "7200", rule.Obligations[0].Assignments[0].Expression.(*policies.Literal).Value.Text())
	require.Len(t, rule.Advice, 1)
	require.Equal(t, "té", rule.Because)
	require.Equal(t, time.Date(2026, 2, 1, 11, 0, 0, 0, time.UTC), rule.Until)
	require.False(t, rule.From.IsZero())

	_, _, rule = only(t, `spl 2
resource x { action y { rule deny { requested-cpu-time > 60 fqan matches "/atlas/*" subject matches "/C=IT" vo != "ok" } } }`)
	require.Equal(t, [][][]string{
		{{"ban-fqan-match string:/atlas/* ", "ban-subtree-match string:/C=IT "}},
		{{"integer-less-than integer:60 integer present"}},
	}, matches(rule.Target), "a denial cannot tell without a value")
	require.Equal(t, profile.FunctionStringEqual, rule.Condition.(*policies.Apply).Arguments[0].(*policies.FunctionName).Function, "what helps against a denial is read strictly")
}

func TestErrors(t *testing.T) {
	wrap := func(s string) string { return "resource x { action y { rule permit { " + s + " } } }" }
	two := func(s string) string { return "spl 2\n" + wrap(s) }
	for text, want := range map[string]string{
		wrap(`subjct = "CN=a"`):                            `x.spl:1:39: unknown attribute "subjct": did you mean "subject"?`,
		wrap(`dn = "CN=a"`):                                `did you mean "subject"?`,
		wrap(`subject = "Alice"`):                          `x.spl:1:49: subject: not a x500Name`,
		wrap(`fqan = "atlas"`):                             `fqan: not a fqan`,
		wrap(`vo = a vo`):                                  `unexpected "}": want "="`,
		wrap(`vo != a`):                                    `unexpected '!': only after the statement "spl 2"`,
		"Resource x { }":                                   `x.spl:1:1: unexpected "Resource": want resource or action: did you mean "resource"?`,
		`resource "(?=x)" { obligation o { } }`:            `(?= does not mean the same as in Argus`,
		`resource "[a&&b]" { obligation o { } }`:           `within [ ]`,
		`resource "[]]](?i)x" { obligation o { } }`:        `(?i does not mean the same`,
		`resource "a**" { obligation o { } }`:              `invalid nested repetition operator`,
		`resource "a\b" { obligation o { } }`:              `\b does not mean the same`,
		`resource "x`:                                      `x.spl:1:12: string does not end on its line`,
		"resource x {\n action y { rule deny { vo = a } }": `x.spl:2:35: resource does not end`,
		"action y { rule deny { vo = a } }":                `action outside a resource: put it into a resource`,
		"spl 3\nresource x { obligation o { } }":           `x.spl:1:5: unknown version 3`,
		two(`because "x"`):                                 `permit rule without a condition`,
		two(`credential-strength >= storng`):               `did you mean "strong"?`,
		two(`vo < a`):                                      `vo has no order`,
		two(`limited-proxy matches true`):                  `neither a name nor a string`,
		two(`requested-cpu-time <= 30x`):                   `not a integer`,
		two(`fqan matches "/a*"`):                          `"*" stands for all groups below one`,
		two(`fqan matches "/a/*/b"`):                       `stands at the end of the group`,
		two(`network = "10.0.0.0/33"`):                     `neither an address nor a network`,
		two(`vo = a from "yesterday"`):                     `is no time`,
		two(`vo = a from "2026-02-02" until "2026-02-01"`): `rule ends before it begins`,
		two(`vo = a obligation cpu-limit { }`):             `neither a URI nor one of`,
		two(`vo = a because "x" because "y"`):              `because is given twice`,
		two(`vo = because`):                                `unexpected keyword "because": want a value: put it in quotes`,
		two(`vo in ( )`):                                   `want a value or ")"`,
		"resource \"\xff\" { obligation o { } }":           `not valid UTF-8`,
		"# \xff\nresource x { obligation o { } }":          `comment is not valid UTF-8`,
		"\ufeffresource x { obligation o { } }":            `byte order mark`,
	} {
		err := spl.Check("x.spl", text, table(t))
		require.ErrorContains(t, err, want, text)
	}
}

// Every error is reported, in order, with its line and a caret; columns count
// characters.
func TestErrorsAreAllReported(t *testing.T) {
	err := spl.Check("x.spl", "resource x {\n\taction \"é\" {\n\t\trule permit { subjec = \"é\", vo=/a }\n\t\tRule deny { vo = x }\n\t\trule Deny { ca = x }\n\t}\n", table(t))
	require.Equal(t, strings.TrimSpace(`
x.spl:3:17: unknown attribute "subjec": did you mean "subject"?
			rule permit { subjec = "é", vo=/a }
			              ^
x.spl:3:29: unexpected ',': nothing separates conditions but blanks
			rule permit { subjec = "é", vo=/a }
			                          ^
x.spl:3:34: unexpected '/': put a value in quotes unless it is letters, digits, "_" and "-"
			rule permit { subjec = "é", vo=/a }
			                               ^
x.spl:4:3: unexpected "Rule": want description, obligation or rule: did you mean "rule"?
			Rule deny { vo = x }
			^
x.spl:5:8: unexpected "Deny": want permit or deny: did you mean "deny"?
			rule Deny { ca = x }
			     ^
x.spl:5:15: unknown attribute "ca": did you mean "subject-issuer"?
			rule Deny { ca = x }
			            ^
x.spl:7:1: resource does not end: close it with "}"`), err.Error())
}

func TestSiteRows(t *testing.T) {
	row := profile.Attribute{Name: "project", ID: "urn:site:project", Category: authz.Subject, Type: authz.String, Match: profile.FunctionStringEqual}
	require.NoError(t, spl.Check("x.spl", `resource x { action y { rule deny { project = p } } }`, table(t, row)))
	_, err := spl.NewTable(row, row)
	require.ErrorContains(t, err, "defined already")
	row.Name = "subject"
	_, err = spl.NewTable(row)
	require.ErrorContains(t, err, "defined already")
	row.Name, row.Type = "x", "urn:unknown"
	_, err = spl.NewTable(row)
	require.ErrorContains(t, err, "unknown data type")
}

// A hostile line must not steer the terminal it is shown on.
func TestErrorsEscapeTheLine(t *testing.T) {
	err := spl.Check("x.spl", "resource \x1b[2Jx { }", table(t))
	require.NotContains(t, err.Error(), "\x1b")
}

func TestList(t *testing.T) {
	f, err := spl.Parse("x.spl", `resource '.*' { description d obligation "o" { vo = v } obligation p { }
  private action ".*" { description "e" rule deny { vo = x } rule permit { subject = "/C=IT/O=A/CN=B/C" pfqan = "/x/Role=y" } } action z { rule deny { vo="a\"b" } } }`)
	require.NoError(t, err)
	r := f.Resources[0]
	r.ID, r.Actions[0].ID, r.Actions[1].ID = "1", "2", "5"
	r.Actions[0].Rules[0].ID, r.Actions[0].Rules[1].ID, r.Actions[1].Rules[0].ID = "3", "4", "6"
	const all = `
id=1
resource ".*" {
    description="d"
    obligation "o" {
        vo="v"
    }
    obligation "p" {
    }

    id=2
    private
    action ".*" {
        description="e"

        id=3
        rule deny { vo="x" }

        id=4
        rule permit { 
            subject="CN=B/C,O=A,C=IT" 
            pfqan="/x/Role=y" 
        }
    }

    id=5
    action "z" {

        id=6
        rule deny { vo="a\"b" }
    }
}
`
	var b strings.Builder
	require.NoError(t, spl.List(&b, table(t), f.Resources, spl.AllIDs))
	require.Equal(t, all, b.String())
	heads := strings.NewReplacer("\n        id=3\n", "", "\n        id=4\n", "", "\n        id=6\n", "").Replace(all)
	b.Reset()
	require.NoError(t, spl.List(&b, table(t), f.Resources, spl.HeadIDs))
	require.Equal(t, heads, b.String())
	none := strings.NewReplacer("id=1\n", "", "    id=2\n", "", "    id=5\n", "").Replace(heads)
	b.Reset()
	require.NoError(t, spl.List(&b, table(t), f.Resources, spl.NoIDs))
	require.Equal(t, none, b.String())
}
