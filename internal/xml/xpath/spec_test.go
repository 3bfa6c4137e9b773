package xpath_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
)

// Expressions whose answers follow from the sections of XPath 1.0 named, over a
// document whose every node tells where it is.
func TestSpecification(t *testing.T) {
	doc := parse(t, `<r><a n="1"><b>1a</b><b>1b</b><c><b>1c</b></c></a><a n="2"><b>2a</b></a><a n="3"/><e>7</e><e> 8 </e><e>x</e></r>`)
	for _, c := range []struct {
		section, expression string
		want                []string
	}{
		{"2.5 abbreviated: per parent", "//b[1]", []string{"1a", "1c", "2a"}},
		{"2.5 parenthesised: of all", "(//b)[2]", []string{"1b"}},
		{"2.1", "/r/a/b[last()]", []string{"1b", "2a"}},
		{"2.1", "/r/a[@n='2']/preceding-sibling::a/b", []string{"1a", "1b"}},
		{"2.1", "/r/a[b][2]/b", []string{"2a"}},
		{"2.1", "/r/a[2][b]/b", []string{"2a"}},
		{"2.1", "/r/a[position()>1 and not(b)]/@n", []string{"3"}},
		{"2.2 ancestor", "//c/b/ancestor::a/@n", []string{"1"}},
		{"2.2 descendant", "/r/a/descendant::b", []string{"1a", "1b", "1c", "2a"}},
		{"2.2 following", "/r/a[1]/following::b", []string{"2a"}},
		{"2.2 preceding", "/r/a[2]/preceding::b", []string{"1a", "1b", "1c"}},
		{"2.2 self", "//b[self::b='1c']", []string{"1c"}},
		{"2.2 parent", "//b[.='1c']/../../@n", []string{"1"}},
		{"2.2 descendant-or-self", "/r/a[1]/descendant-or-self::a/@n", []string{"1"}},
		{"2.4 reverse axes count backwards", "/r/a[3]/preceding-sibling::a[1]/@n", []string{"2"}},
		{"3.3 union", "/r/a[1]/b | /r/a[2]/b | /r/a[1]/b", []string{"1a", "1b", "2a"}},
		{"3.4 some node is equal", "/r/a[b='1b']/@n", []string{"1"}},
		{"3.4 some node is not equal", "/r/a[b!='1b']/@n", []string{"1", "2"}},
		{"3.4 number against node", "/r/e[.=7]", []string{"7"}},
		{"3.4 number with blanks", "/r/e[.=8]", []string{" 8 "}},
		{"3.4 not a number", "/r/e[.<9]", []string{"7", " 8 "}},
		{"3.4 empty set", "/r/a[nobody='x']/@n", nil},
		{"3.4 empty set", "/r/a[nobody!='x']/@n", nil},
		{"3.5 arithmetic", "/r/a[@n*2+1=7]/@n", []string{"3"}},
		{"3.5 mod", "/r/a[@n mod 2 = 0]/@n", []string{"2"}},
		{"3.4 and before or", "/r/a[@n=1 or @n=2 and @n=3]/@n", []string{"1"}},
		{"4.1 count", "/r/a[count(.//b)=3]/@n", []string{"1"}},
		{"4.2 contains", "//b[contains(.,'1')]", []string{"1a", "1b", "1c"}},
		{"4.2 starts-with", "//b[starts-with(.,'2')]", []string{"2a"}},
		{"4.2 substring", "//b[substring(.,2,1)='a']", []string{"1a", "2a"}},
		{"4.2 substring-before", "//b[substring-before(.,'a')='2']", []string{"2a"}},
		{"4.2 string-length", "/r/a[string-length(@n)=1][3]/@n", []string{"3"}},
		{"4.2 normalize-space", "/r/e[normalize-space(.)='8']", []string{" 8 "}},
		{"4.2 translate", "//b[translate(.,'ab','AB')='1B']", []string{"1b"}},
		{"4.2 concat", "/r/a[concat(@n,'!')='2!']/@n", []string{"2"}},
		{"4.3 boolean of a set", "/r/a[boolean(c)]/@n", []string{"1"}},
		{"4.4 sum", "/r[sum(a/@n)=6]/a[1]/@n", []string{"1"}},
		{"4.4 floor", "/r/a[floor(@n div 2)=1]/@n", []string{"2", "3"}},
		{"5 text", "/r/a[1]/b[1]/text()", []string{"1a"}},
		{"5.1 the root", "/", []string{"1a1b1c2a7 8 x"}},
	} {
		e, err := xpath.Compile(c.expression, nil)
		require.NoError(t, err, c.expression)
		found, err := e.Select(doc)
		require.NoError(t, err, c.expression)
		if len(found) == 0 {
			require.Empty(t, c.want, "%s: %s", c.section, c.expression)
			continue
		}
		require.ElementsMatch(t, c.want, texts(found), "%s: %s", c.section, c.expression)
	}
}
