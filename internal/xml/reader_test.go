package xml

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// dump reads a document to its end and prints its tokens.
func dump(doc string, limits Limits) (string, error) {
	r := NewReader("doc", []byte(doc), limits)
	var b strings.Builder
	for {
		t, err := r.Next()
		if err != nil {
			return b.String(), err
		}
		switch t.Kind {
		case Start:
			b.WriteString("<" + t.Name.String())
			for _, a := range t.Attrs {
				fmt.Fprintf(&b, " %s=%q", a.Name, a.Value)
			}
			b.WriteString(">")
		case End:
			b.WriteString("</" + t.Name.String() + ">")
		case Text:
			fmt.Fprintf(&b, "%q", t.Text)
		case EOF:
			return b.String(), nil
		}
	}
}

// lastChars are those beside what XML 1.0 leaves out.
const lastChars = "\uFFFD\U0010FFFF\uD7FF\uE000\u0085\u007F"

func TestGoodDocuments(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"empty element":           {`<a/>`, `<a></a>`},
		"space in tags":           {"<a \n x = '1'\ty=\"2\" ></a\r\n>", `<a x="1" y="2"></a>`},
		"declaration":             {`<?xml version="1.0" encoding='utf-8' standalone="yes" ?><a/>`, `<a></a>`},
		"declaration, version":    {`<?xml version='1.0'?><a/>`, `<a></a>`},
		"byte order mark":         {"\uFEFF<?xml version='1.0'?>\n<a/>", `<a></a>`},
		"comments around":         {"<!-- x -->\n<a/>\n<!--y--> ", `<a></a>`},
		"text":                    {`<a>one > two "'</a>`, `<a>"one > two \"'"</a>`},
		"references":              {`<a b="&lt;&#x41;&quot;">&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;</a>`, `<a b="<A\"">"<>&'\"A😀"</a>`},
		"comment in text":         {`<a>admin<!---->.evil</a>`, `<a>"admin.evil"</a>`},
		"comment first":           {`<a><!--x-->b</a>`, `<a>"b"</a>`},
		"comments alone":          {`<a><!--x--><!--y--></a>`, `<a></a>`},
		"cdata":                   {`<a>x<![CDATA[<&]]]]><![CDATA[>]]>&lt;y</a>`, `<a>"x<&]]><y"</a>`},
		"empty cdata":             {`<a><![CDATA[]]></a>`, `<a></a>`},
		"brackets":                {`<a b="]]>">]] ]>]</a>`, `<a b="]]>">"]] ]>]"</a>`},
		"line ends":               {"<a>1\r\n2\r3\n4\r\r\n<![CDATA[\r\n\r]]></a>", `<a>"1\n2\n3\n4\n\n\n\n"</a>`},
		"escaped line ends":       {"<a b='&#xD;&#xA;&#9;'>&#xD;&#10;</a>", `<a b="\r\n\t">"\r\n"</a>`},
		"attribute white space":   {"<a b='1\r\n2\r3\n4\t5'/>", `<a b="1 2 3 4 5"></a>`},
		"namespaces":              {`<a xmlns="u" xmlns:p="v"><p:b p:x="1" x="2"/><c xmlns=""/></a>`, `<{u}a><{v}b {v}x="1" x="2"></{v}b><c></c></{u}a>`},
		"scope ends":              {`<a xmlns:p="1"><p:b xmlns:p="2"><p:c/></p:b><p:d/></a>`, `<a><{2}b><{2}c></{2}c></{2}b><{1}d></{1}d></a>`},
		"prefix before binding":   {`<p:a p:b="1" xmlns:p="u"/>`, `<{u}a {u}b="1"></{u}a>`},
		"xml prefix":              {`<a xml:lang="en"/>`, `<a {http://www.w3.org/XML/1998/namespace}lang="en"></a>`},
		"xml prefix declared":     {`<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:id="i"/>`, `<a {http://www.w3.org/XML/1998/namespace}id="i"></a>`},
		"one name, two spaces":    {`<a xmlns:p="u" xmlns:q="v" p:x="1" q:x="2" x="3"/>`, `<a {u}x="1" {v}x="2" x="3"></a>`},
		"default is not for attr": {`<a xmlns="u" xmlns:p="u" x="1" p:x="2"/>`, `<{u}a x="1" {u}x="2"></{u}a>`},
		"names beyond ASCII":      {`<été·1 ñ-.="x"/>`, `<été·1 ñ-.="x"></été·1>`},
		"last characters":         {"<a>" + lastChars + "</a>", "<a>" + strconv.Quote(lastChars) + "</a>"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := dump(c.doc, Limits{})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestRefusedDocuments(t *testing.T) {
	ten := strings.Repeat("x", 10<<20)
	for name, c := range map[string]struct {
		doc   string
		cause error
		want  string // in the message
	}{
		"nothing":                  {"", ErrMalformed, "doc:1:1: no element"},
		"blank":                    {" \n", ErrMalformed, "doc:2:1: no element"},
		"comment only":             {"<!--x-->", ErrMalformed, "no element"},
		"doctype":                  {"\n <!DOCTYPE a><a/>", ErrForbidden, "doc:2:2: DOCTYPE"},
		"external entity":          {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, ErrForbidden, "DOCTYPE"},
		"billion laughs":           {`<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>`, ErrForbidden, "DOCTYPE"},
		"doctype inside":           {`<a><!DOCTYPE a></a>`, ErrForbidden, "DOCTYPE"},
		"doctype after":            {`<a/><!DOCTYPE a>`, ErrForbidden, "DOCTYPE"},
		"entity declaration":       {`<a><!ENTITY b "c"></a>`, ErrMalformed, "markup declaration"},
		"unknown entity":           {`<a>&nbsp;</a>`, ErrForbidden, `doc:1:4: "&nbsp;"`},
		"unknown entity in attr":   {`<a b="&x;"/>`, ErrForbidden, `"&x;"`},
		"instruction before":       {`<?xml-stylesheet href="x"?><a/>`, ErrForbidden, "processing instruction"},
		"instruction inside":       {`<a><?php x?></a>`, ErrForbidden, "processing instruction"},
		"instruction after":        {`<a/><?b?>`, ErrForbidden, "processing instruction"},
		"declaration not first":    {" <?xml version='1.0'?><a/>", ErrMalformed, "not at the start"},
		"declaration twice":        {"<?xml version='1.0'?><?xml version='1.0'?><a/>", ErrMalformed, "not at the start"},
		"version 1.1":              {"<?xml version='1.1'?><a/>", ErrForbidden, "1.1"},
		"version absent":           {"<?xml encoding='UTF-8'?><a/>", ErrMalformed, "without version"},
		"encoding first":           {"<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>", ErrMalformed, "in this order"},
		"latin 1":                  {"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", ErrForbidden, "ISO-8859-1"},
		"utf-7":                    {"<?xml version='1.0' encoding='UTF-7'?><a/>", ErrForbidden, "UTF-7"},
		"euc-jp":                   {"<?xml version='1.0' encoding='EUC-JP'?><a/>", ErrForbidden, "EUC-JP"},
		"standalone":               {"<?xml version='1.0' standalone='maybe'?><a/>", ErrMalformed, "maybe"},
		"declaration unclosed":     {"<?xml version='1.0'", ErrMalformed, "?>"},
		"declaration glued":        {"<?xml version='1.0'encoding='UTF-8'?><a/>", ErrMalformed, "in this order"},
		"utf-16 le":                {"\xFF\xFE<\x00a\x00/\x00>\x00", ErrMalformed, "UTF-16"},
		"utf-16 be":                {"\xFE\xFF\x00<\x00a\x00/\x00>", ErrMalformed, "UTF-16"},
		"utf-16 without mark":      {"<\x00a\x00/\x00>\x00", ErrMalformed, "UTF-16"},
		"utf-32":                   {"\x00\x00\x00<\x00\x00\x00a", ErrMalformed, "UTF-"},
		"overlong":                 {"<a>\xC0\xBC</a>", ErrMalformed, "doc:1:4: document is not valid UTF-8"},
		"overlong nul":             {"<a>\xC0\x80</a>", ErrMalformed, "UTF-8"},
		"surrogate":                {"<a>\xED\xA0\x80</a>", ErrMalformed, "UTF-8"},
		"beyond unicode":           {"<a>\xF4\x90\x80\x80</a>", ErrMalformed, "UTF-8"},
		"cut sequence":             {"<a>\xC3</a>", ErrMalformed, "UTF-8"},
		"latin 1 byte at the end":  {"<a/>\n<!--e\xE9-->", ErrMalformed, "doc:2:6"},
		"nul":                      {"<a>\x00</a>", ErrMalformed, "U+0000"},
		"nul behind":               {"<a>12345678</a>\x00", ErrMalformed, "U+0000"},
		"escape":                   {"<a b='12345678\x1B'/>", ErrMalformed, "U+001B"},
		"noncharacter":             {"<a>\uFFFE</a>", ErrMalformed, "U+FFFE"},
		"reference to nul":         {"<a>&#0;</a>", ErrMalformed, "&#0;"},
		"reference to surrogate":   {"<a>&#xD800;</a>", ErrMalformed, "&#xD800;"},
		"reference beyond":         {"<a>&#x110000;</a>", ErrMalformed, "&#x110000;"},
		"reference overflows":      {"<a>&#x100000041;</a>", ErrMalformed, "&#x100000041;"},
		"reference, capital X":     {"<a>&#X41;</a>", ErrMalformed, "&#X41;"},
		"reference, no digit":      {"<a>&#;</a>", ErrMalformed, "&#;"},
		"reference, no hex digit":  {"<a>&#x;</a>", ErrMalformed, "&#x;"},
		"reference, hex in ten":    {"<a>&#1A;</a>", ErrMalformed, "&#1A;"},
		"bare ampersand":           {"<a>b & c</a>", ErrMalformed, "&"},
		"ampersand, semicolon":     {"<a>&;</a>", ErrMalformed, "&"},
		"ampersand at the end":     {"<a>&lt</a>", ErrMalformed, "&"},
		"two roots":                {"<a/><b/>", ErrMalformed, "doc:1:5: second root"},
		"trailing junk":            {"<a/>x", ErrMalformed, "text after"},
		"leading junk":             {"x<a/>", ErrMalformed, "text before"},
		"trailing reference":       {"<a/>&#32;", ErrMalformed, "text after"},
		"trailing cdata":           {"<a/><![CDATA[ ]]>", ErrMalformed, "not allowed here"},
		"trailing end tag":         {"<a/></a>", ErrMalformed, "end tag after"},
		"end tag first":            {"</a>", ErrMalformed, "end tag before"},
		"mismatch":                 {"<a>\n<b></a></b>", ErrMalformed, "doc:2:4: end tag </a> does not match <b>, opened at line 2"},
		"mismatch of prefix":       {`<p:a xmlns:p="u" xmlns:q="u"></q:a>`, ErrMalformed, "does not match"},
		"mismatch, longer":         {"<a></ab>", ErrMalformed, "</ab> does not match <a>"},
		"mismatch, shorter":        {"<ab></a>", ErrMalformed, "does not match"},
		"mismatch, nothing":        {"<a></>", ErrMalformed, "name wanted"},
		"end tag with attribute":   {"<a></a b='1'>", ErrMalformed, "> wanted"},
		"unclosed":                 {"<a>\n<b>", ErrMalformed, "doc:2:4: document ends inside <b>"},
		"unclosed text":            {"<a>text", ErrMalformed, "ends inside <a>"},
		"unclosed tag":             {"<a b='1'", ErrMalformed, "inside the tag <a"},
		"unclosed value":           {"<a b='1></a>", ErrMalformed, "not closed"},
		"unclosed end tag":         {"<a></a", ErrMalformed, "ends inside"},
		"unclosed comment":         {"<a><!-- ></a>", ErrMalformed, "comment is not closed"},
		"unclosed cdata":           {"<a><![CDATA[ ]]</a>", ErrMalformed, "CDATA section is not closed"},
		"dashes in comment":        {"<!-- a -- b --><a/>", ErrMalformed, "-- inside"},
		"three dashes":             {"<!-- a ---><a/>", ErrMalformed, "-- inside"},
		"short comment":            {"<!--><a/>", ErrMalformed, "comment is not closed"},
		"cdata close in text":      {"<a>x]]>y</a>", ErrMalformed, "doc:1:5: ]]> in text"},
		"cdata, small letters":     {"<a><![cdata[x]]></a>", ErrMalformed, "markup declaration"},
		"lone <":                   {"<a> < b</a>", ErrMalformed, "name wanted"},
		"< in value":               {"<a b='<'/>", ErrMalformed, "< in an attribute value"},
		"no value":                 {"<a b/>", ErrMalformed, "= wanted"},
		"no quotes":                {"<a b=1/>", ErrMalformed, "not quoted"},
		"no space":                 {"<a b='1'c='2'/>", ErrMalformed, "white space"},
		"slash alone":              {"<a / >", ErrMalformed, "name wanted"},
		"name starts with digit":   {"<1a/>", ErrMalformed, "starts with '1'"},
		"name starts with dash":    {"<-a/>", ErrMalformed, "starts with '-'"},
		"name starts with ·":       {"<·a/>", ErrMalformed, "starts with '·'"},
		"name with ×":              {"<a×/>", ErrMalformed, "white space"},
		"two colons":               {"<a:b:c xmlns:a='u'/>", ErrMalformed, "two colons"},
		"colon first":              {"<:a/>", ErrMalformed, "name wanted"},
		"colon last":               {"<a: xmlns:a='u'/>", ErrMalformed, "name wanted"},
		"local starts with digit":  {"<a:1 xmlns:a='u'/>", ErrMalformed, "starts with '1'"},
		"undeclared prefix":        {"<p:a/>", ErrMalformed, `prefix "p" is not declared`},
		"undeclared in attribute":  {"<a p:b='1'/>", ErrMalformed, `doc:1:4: prefix "p"`},
		"prefix out of scope":      {"<a><b xmlns:p='u'/><p:c/></a>", ErrMalformed, `prefix "p"`},
		"xmlns as prefix":          {"<xmlns:a/>", ErrMalformed, `prefix "xmlns"`},
		"xmlns declared":           {"<a xmlns:xmlns='u'/>", ErrMalformed, "xmlns may not"},
		"xml redeclared":           {"<a xmlns:xml='u'/>", ErrMalformed, "belong to each other"},
		"xml namespace taken":      {"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", ErrMalformed, "belong to each other"},
		"xml namespace as default": {"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", ErrMalformed, "belong to each other"},
		"xmlns namespace taken":    {"<a xmlns='http://www.w3.org/2000/xmlns/'/>", ErrMalformed, "may not be declared"},
		"prefix undone":            {"<a xmlns:p=''/>", ErrMalformed, "no namespace"},
		"duplicate":                {"<a b='1' b='2'/>", ErrMalformed, "doc:1:10: attribute b appears twice"},
		"duplicate, two prefixes":  {"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", ErrMalformed, "attribute {u}b appears twice"},
		"duplicate declaration":    {"<a xmlns:p='u' xmlns:p='v'/>", ErrMalformed, "declared twice"},
		"duplicate default":        {"<a xmlns='u' xmlns='u'/>", ErrMalformed, "declared twice"},
		"duplicate among many":     {"<a " + attributes(40) + " a7='x'/>", ErrMalformed, "a7 appears twice"},
		"depth":                    {strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), ErrLimit, "doc:1:193: elements nest deeper"},
		"attributes":               {"<a " + attributes(257) + "/>", ErrLimit, "more attributes"},
		"declarations":             {"<a xmlns:x='u' " + strings.ReplaceAll(attributes(256), "a", "xmlns:a") + "/>", ErrLimit, "more attributes"},
		"bindings":                 {manyBindings(), ErrLimit, "bindings in scope"},
		"size":                     {"<a>" + ten + "</a>", ErrLimit, "larger than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dump(c.doc, Limits{})
			require.ErrorIs(t, err, c.cause)
			require.ErrorContains(t, err, c.want)
			var where *Error
			require.ErrorAs(t, err, &where)
			require.Equal(t, "doc", where.File)
			require.Less(t, len(err.Error()), 300, "the document must not flood the message")
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='%d'", i, i)
	}
	return b.String()
}

func manyBindings() string {
	var b strings.Builder
	for i := range 3 {
		fmt.Fprintf(&b, "<a%s>", strings.ReplaceAll(attributes(100), "a", fmt.Sprintf("xmlns:p%d", i)))
	}
	return b.String()
}

func TestLimitsAreExact(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	for _, c := range []struct {
		good, bad string
		limits    Limits
	}{
		{nest(64), nest(65), Limits{}},
		{nest(3), nest(4), Limits{Depth: 3}},
		{"<a" + attributes(256) + "/>", "<a" + attributes(257) + "/>", Limits{}},
		{"<a x='1' y='2'/>", "<a x='1' y='2' z='3'/>", Limits{Attributes: 2}},
		{"<a xmlns='u'><b xmlns='v'/><b xmlns='v'/></a>", "<a xmlns='u'><b xmlns='v' xmlns:p='w'/></a>", Limits{Bindings: 2}},
		{"<a>34567</a>", "<a>345678</a>", Limits{Size: 12}},
	} {
		_, err := dump(c.good, c.limits)
		require.NoError(t, err)
		_, err = dump(c.bad, c.limits)
		require.ErrorIs(t, err, ErrLimit)
	}
}

func TestErrorStays(t *testing.T) {
	r := NewReader("doc", []byte("<a></b>"), Limits{})
	_, err := r.Next()
	require.NoError(t, err)
	_, first := r.Next()
	require.Error(t, first)
	tok, again := r.Next()
	require.Equal(t, first, again)
	require.Zero(t, tok)
	require.NotEqual(t, EOF, tok.Kind)
	require.Equal(t, first, r.Finish())
	require.Equal(t, first, r.Skip())
}

func TestTokensOutliveTheReader(t *testing.T) {
	data := []byte("<r>" + strings.Repeat("<a x='1' y='2' z='3'/>", 100) + "</r>")
	r := NewReader("doc", data, Limits{})
	var starts []Token
	read := func() {
		for {
			tok, err := r.Next()
			require.NoError(t, err)
			if tok.Kind == EOF {
				return
			}
			if tok.Kind == Start && tok.Name.Local == "a" {
				starts = append(starts, tok)
			}
		}
	}
	read()
	clear(data)
	r.Reset("other", []byte("<r><b x='9' y='9' z='9'/></r>"), Limits{})
	read()
	require.Len(t, starts, 100)
	for _, s := range starts {
		require.Equal(t, "1", s.Value("x"))
		require.Equal(t, "3", s.Value("z"))
	}
}

func TestPositions(t *testing.T) {
	r := NewReader("f", []byte("\uFEFF<a>\r\n\té<b/>\r<c x='1'\n y='2'/></a>"), Limits{})
	var got []string
	for {
		tok, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, r.Position(tok.Offset), r.Pos())
		got = append(got, r.Pos().String())
		for _, a := range tok.Attrs {
			got = append(got, r.Position(a.Offset).String())
		}
		if tok.Kind == EOF {
			break
		}
	}
	require.Equal(t, []string{"f:1:1", "f:1:4", "f:2:3", "f:2:7", "f:2:7", "f:3:1", "f:3:4", "f:4:2", "f:4:9", "f:4:9", "f:4:13"}, got)
	require.Equal(t, "4:13", Position{Line: 4, Column: 13}.String())
}

func TestPositionsFarIn(t *testing.T) {
	line := strings.Repeat("é", 700)
	doc := "<a>" + strings.Repeat(line+"\n", 50) + line + "<b/></a>"
	r := NewReader("f", []byte(doc), Limits{})
	require.Equal(t, Position{"f", 51, 701}, r.Position(strings.Index(doc, "<b/>")))
	require.Equal(t, Position{"f", 1, 4}, r.Position(3))
	require.Equal(t, Position{"f", 51, 701 + 8}, r.Position(len(doc)+5), "beyond the end is the end")
}

func TestHostileNamesDoNotFloodMessages(t *testing.T) {
	long := strings.Repeat("é", 10000)
	for _, doc := range []string{"<" + long + ">", "<" + long + "></a>", "<" + long + " b>", "<a " + long + "='' " + long + "=''/>",
		"<a>&" + long + ";</a>", "<a>&#" + long + ";</a>", "<" + long + ":a/>", "<?xml version='" + long + "'?><a/>"} {
		_, err := dump(doc, Limits{})
		require.Error(t, err)
		require.Less(t, len(err.Error()), 300)
		require.True(t, utf8.ValidString(err.Error()))
	}
	r := NewReader("doc", []byte("<a>"+long+"</a>"), Limits{})
	_, err := r.Root()
	require.NoError(t, err)
	require.ErrorContains(t, r.Empty(), "unexpected text")
	require.Less(t, len(r.Empty().Error()), 300)
}

func TestKindsAreNamed(t *testing.T) {
	require.Equal(t, []string{"nothing", "end of document", "start tag", "end tag", "text"},
		[]string{Kind(0).String(), EOF.String(), Start.String(), End.String(), Text.String()})
}
