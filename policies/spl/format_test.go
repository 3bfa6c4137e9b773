package spl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

const untidy = `# the farm
resource   "https://ce.example.org/.*"   {  # production
description "our compute element" obligation "http://glite.org/xacml/obligation/local-environment-map" {}


  private action '.*' {
  # known thief
  rule deny{subject="/C=IT/O=Grid/CN=Mallory"}
    rule permit { vo=atlas pfqan="/atlas/Role=production" } # two pairs
  # nobody else
  }
} # end`

const tidy = `# the farm
resource "https://ce.example.org/.*" { # production
    description "our compute element"
    obligation "http://glite.org/xacml/obligation/local-environment-map" { }

    private action '.*' {
        # known thief
        rule deny { subject = "/C=IT/O=Grid/CN=Mallory" }
        rule permit {
            vo = atlas
            pfqan = "/atlas/Role=production"
        } # two pairs
        # nobody else
    }
} # end
`

func TestFormat(t *testing.T) {
	got, err := spl.Format("x.spl", untidy)
	require.NoError(t, err)
	require.Equal(t, tidy, got)
	_, err = spl.Format("x.spl", "resource x {")
	require.Error(t, err)
}

func TestFormatVersionTwo(t *testing.T) {
	got, err := spl.Format("x.spl", `spl 2
resource ".*" { action ".*" { rule permit { credential-strength in (weak strong) requested-cpu-time<=30m obligation "cpu-time-limit" { seconds=30m } because "weak credentials get half an hour" } rule deny { because "no" } } }`)
	require.NoError(t, err)
	require.Equal(t, `spl 2
resource ".*" {
    action ".*" {
        rule permit {
            credential-strength in (weak strong)
            requested-cpu-time <= 30m
            obligation "cpu-time-limit" { seconds = 30m }
            because "weak credentials get half an hour"
        }
        rule deny { because "no" }
    }
}
`, got)
}

// roundTrip checks what holds of every text that parses.
func roundTrip(t require.TestingT, text string) {
	f, err := spl.Parse("x.spl", text)
	if err != nil {
		return
	}
	once, err := spl.Format("x.spl", text)
	require.NoError(t, err, text)
	again, err := spl.Parse("x.spl", once)
	require.NoError(t, err, once)
	require.Equal(t, f.Shape(), again.Shape(), "parse∘Format∘parse is the identity")
	twice, err := spl.Format("x.spl", once)
	require.NoError(t, err)
	require.Equal(t, once, twice, "fmt∘fmt = fmt")
	pieces(t, f)
}

// pieces puts the pieces of a file together again: the same policies, every
// comment still there.
func pieces(t require.TestingT, f *spl.File) {
	var b strings.Builder
	if f.Version == spl.Two {
		b.WriteString("spl 2\n")
	}
	for _, p := range f.Pieces() {
		whole(t, &b, p, f.Version)
	}
	again, err := spl.Parse("x.spl", b.String())
	require.NoError(t, err, b.String())
	require.Equal(t, dump(f), dump(again), b.String())
	require.ElementsMatch(t, comments(f), comments(again), b.String())
}

func comments(f *spl.File) []string {
	var all []string
	for _, s := range f.Shape() {
		if strings.HasPrefix(s, "#") {
			all = append(all, s)
		}
	}
	return all
}

func whole(t require.TestingT, b *strings.Builder, p spl.Piece, v spl.Version) {
	b.WriteString(p.Comments + "\n" + p.Text + "\n")
	var err error
	switch at := (policies.Position{File: "x.spl", Line: p.Position.Line, Column: p.Position.Column}); p.Kind {
	case spl.PieceResource:
		_, err = spl.ParseResource(p.Text, v, at)
	case spl.PieceAction:
		_, err = spl.ParseAction(p.Text, v, at)
	case spl.PieceRule:
		_, err = spl.ParseRule(p.Text, v, at)
	}
	require.NoError(t, err, "a piece parses by itself: %q", p.Text)
	for _, c := range p.Children {
		whole(t, b, c, v)
	}
	if p.Kind != spl.PieceRule {
		b.WriteString("}\n")
	}
}

func TestPiecesKeepEverything(t *testing.T) {
	f, err := spl.Parse("x.spl", untidy)
	require.NoError(t, err)
	all := f.Pieces()
	require.Len(t, all, 1)
	require.Equal(t, "# the farm", all[0].Comments)
	require.True(t, strings.HasSuffix(all[0].Text, "local-environment-map\" {}"), all[0].Text)
	require.Equal(t, "private action '.*' {", all[0].Children[0].Text)
	rules := all[0].Children[0].Children
	require.Equal(t, "# known thief", rules[0].Comments)
	require.Equal(t, `rule deny{subject="/C=IT/O=Grid/CN=Mallory"}`, rules[0].Text)
	require.Equal(t, policies.Position{File: "x.spl", Line: 8, Column: 3}, rules[0].Position)
	require.Equal(t, "rule permit { vo=atlas pfqan=\"/atlas/Role=production\" } # two pairs\n# nobody else\n# end", rules[1].Text)
}

// text draws a file, well formed, with comments and blanks wherever they may be.
func text(r *rapid.T) string {
	two := rapid.Bool().Draw(r, "two")
	g := generator{r: r, two: two}
	if two {
		g.gap()
		g.put("spl 2")
	}
	for range rapid.IntRange(1, 3).Draw(r, "resources") {
		g.resource()
	}
	g.gap()
	return g.out
}

type generator struct {
	r   *rapid.T
	two bool
	out string
}

func (g *generator) gap() {
	gap := rapid.SampledFrom([]string{" ", " ", " ", "\n", "\n\n", "\t", "\r\n", " # c\n", "\n  # own \n", " # a # ", "\n\n# x\n\n# y}\n"}).Draw(g.r, "gap")
	if g.two && gap == " # a # " {
		gap = "# y#z\n"
	}
	g.out += gap
}

func (g *generator) put(words ...string) {
	for _, w := range words {
		g.out += w
		g.gap()
	}
}

func (g *generator) str() string {
	return rapid.SampledFrom([]string{"a", "b-c_1", `"a b"`, `'é'`, `"x\"y"`, `"x\\.y"`, `""`, `'"'`, `"permit"`}).Draw(g.r, "string")
}

func (g *generator) times(least, most int, f func()) {
	for range rapid.IntRange(least, most).Draw(g.r, "times") {
		f()
	}
}

func (g *generator) resource() {
	g.put("resource", g.str(), "{")
	g.times(0, 1, func() { g.put("description", g.str()) })
	g.times(1, 2, g.action)
	g.times(0, 1, func() { g.duty("obligation") })
	g.put("}")
}

func (g *generator) action() {
	g.times(0, 1, func() { g.put("private") })
	g.put("action", g.str(), "{")
	g.times(0, 1, func() { g.duty("obligation") })
	g.times(1, 3, g.rule)
	g.times(0, 1, func() { g.put("description", g.str()) })
	g.put("}")
}

func (g *generator) duty(word string) {
	g.put(word, g.str(), "{")
	g.times(0, 2, func() { g.put(g.str(), "=", g.str()) })
	g.put("}")
}

func (g *generator) rule() {
	g.put("rule", rapid.SampledFrom([]string{"permit", "deny"}).Draw(g.r, "effect"), "{")
	g.times(1, 3, func() { g.put(g.str(), "=", g.str()) })
	if g.two {
		g.times(0, 1, func() {
			g.put(g.str(), rapid.SampledFrom([]string{"!=", "<", "<=", ">", ">=", "matches"}).Draw(g.r, "op"), g.str())
		})
		g.times(0, 1, func() { g.put(g.str(), "in", "(", g.str(), g.str(), ")") })
		g.times(0, 1, func() { g.duty("advice") })
		g.times(0, 1, func() { g.put("because", g.str(), "until", g.str()) })
	}
	g.put("}")
}

func TestFormatKeepsEveryText(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := text(r)
		_, err := spl.Parse("x.spl", s)
		require.NoError(r, err, s)
		roundTrip(r, s)
	})
}

// sameRead reads a text rule by rule and as a whole, which must come to the
// same, and returns the error.
func sameRead(t require.TestingT, s string, table *spl.Table) error {
	sets, err := spl.Read("x.spl", s, table)
	require.Equal(t, spl.Check("x.spl", s, table), err)
	if err != nil {
		require.Nil(t, sets)
		return err
	}
	f, err := spl.Parse("x.spl", s)
	require.NoError(t, err)
	whole, err := spl.Lower(f, table)
	require.NoError(t, err)
	require.Equal(t, whole, sets)
	return nil
}

func TestReadIsParseAndLower(t *testing.T) {
	names := table(t)
	rapid.Check(t, func(r *rapid.T) {
		s := text(r)
		if rapid.Bool().Draw(r, "broken") {
			i := rapid.IntRange(0, len(s)).Draw(r, "at")
			s = s[:i] + rapid.SampledFrom([]string{"{", "}", `"`, "rule", "\xff", "action x", ""}).Draw(r, "with") + s[min(i+rapid.IntRange(0, 9).Draw(r, "without"), len(s)):]
		}
		_ = sameRead(r, s, names)
	})
	var many strings.Builder
	many.WriteString("resource '.*' { action '.*' {\n")
	for i := range 2000 {
		fmt.Fprintf(&many, "rule deny { subject = \"/CN=%d\" } # %d\n", i, i)
		if i%500 == 0 {
			many.WriteString("rule permit { vo = x } obligation o { }\n} action y {\n")
		}
	}
	require.NoError(t, sameRead(t, many.String()+"description d } }", names))
	require.Error(t, sameRead(t, many.String()+"} action z { } }", names), "an action without anything")
	require.Error(t, sameRead(t, many.String()+"rule deny { subjet = x } } } x", names))
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{untidy, tidy, "spl 2\nresource a{action b{rule deny{c!=d}}}", "# a # resource x{obligation o{}}#", "resource x {\n# only\n\n}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { roundTrip(t, s) })
}

func FuzzParse(f *testing.F) {
	table, err := spl.NewTable()
	require.NoError(f, err)
	for _, s := range []string{untidy, `resource "x\y" { action`, "resource \xff { }", "}}}}", "spl 2 resource x { action y { rule permit { vo in ( a", "\ufeff", "resource 'a' {{{{{{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		file, err := spl.Parse("x.spl", s)
		require.NotNil(t, file)
		checked := sameRead(t, s, table)
		if err != nil {
			require.NotEmpty(t, err.Error())
			require.Error(t, checked)
		}
	})
}
