package xml

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genDocument draws a well-formed document in its many spellings: prefixes, quotes, white space, references,
// CDATA, comments.
func genDocument(t *rapid.T) string {
	var b strings.Builder
	b.WriteString(rapid.SampledFrom([]string{"", `<?xml version="1.0"?>`, `<?xml version='1.0' encoding="UTF-8"?>` + "\n"}).Draw(t, "declaration"))
	misc := rapid.SampledFrom([]string{"", " ", "\n<!-- c -->", "<!---->"})
	b.WriteString(misc.Draw(t, "before"))
	genElement(t, &b, []string{""}, 4)
	b.WriteString(misc.Draw(t, "after"))
	return b.String()
}

var (
	genLocal = rapid.SampledFrom([]string{"a", "b", "Attribute", "x-1", "_y.z", "été"})
	genSpace = rapid.SampledFrom([]string{"", " ", "\n\t"})
)

func genElement(t *rapid.T, b *strings.Builder, prefixes []string, depth int) {
	var declared []string
	var tag strings.Builder
	for range rapid.IntRange(0, 2).Draw(t, "declarations") {
		p := rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "prefix")
		if !strings.Contains(tag.String(), "xmlns:"+p) {
			fmt.Fprintf(&tag, " xmlns:%s='urn:%s'", p, rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "space"))
			declared = append(declared, p)
		}
	}
	if rapid.Bool().Draw(t, "default") {
		fmt.Fprintf(&tag, " xmlns=\"%s\"", rapid.SampledFrom([]string{"", "urn:d"}).Draw(t, "space"))
	}
	prefixes = append(prefixes[:len(prefixes):len(prefixes)], declared...)
	qname := func(prefix, local string) string {
		if prefix == "" {
			return local
		}
		return prefix + ":" + local
	}
	name := qname(rapid.SampledFrom(prefixes).Draw(t, "prefix"), genLocal.Draw(t, "local"))
	for i := range rapid.IntRange(0, 3).Draw(t, "attributes") {
		attr := qname(rapid.SampledFrom(prefixes).Draw(t, "prefix"), fmt.Sprintf("%s%d", genLocal.Draw(t, "local"), i))
		quote := rapid.SampledFrom([]string{"'", `"`}).Draw(t, "quote")
		tag.WriteString(" " + attr + genSpace.Draw(t, "space") + "=" + genSpace.Draw(t, "space") + quote)
		tag.WriteString(rapid.SampledFrom([]string{"", "value", "&lt;&amp;&#x20AC;", "a]]>b", "é"}).Draw(t, "value") + quote)
	}
	b.WriteString("<" + name + tag.String() + genSpace.Draw(t, "space"))
	if rapid.Bool().Draw(t, "empty") {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for range rapid.IntRange(0, 4).Draw(t, "content") {
		if depth > 0 && rapid.Bool().Draw(t, "child") {
			genElement(t, b, prefixes, depth-1)
			continue
		}
		b.WriteString(rapid.SampledFrom([]string{"text", " \n", "a > b ]] ", "\r\n\r", "&quot;&#65;", "<![CDATA[<&>\r\n]]>", "<![CDATA[]]>",
			"<!-- - -->", "日本語\U0001F600"}).Draw(t, "piece"))
	}
	b.WriteString("</" + name + genSpace.Draw(t, "space") + ">")
}

// whiteSpace does to attribute values what encoding/xml leaves undone (XML 1.0, section 3.3.3).
var whiteSpace = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ", "\r", " ")

// dumpStandard prints the tokens of encoding/xml as dump does, with texts joined over comments.
func dumpStandard(doc string) (string, error) {
	d := stdxml.NewDecoder(strings.NewReader(doc))
	var b, text strings.Builder
	depth := 0
	flush := func() {
		if text.Len() > 0 && depth > 0 {
			fmt.Fprintf(&b, "%q", text.String())
		}
		text.Reset()
	}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		} else if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case stdxml.StartElement:
			flush()
			depth++
			b.WriteString("<" + Name(tok.Name).String())
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name != (stdxml.Name{Local: "xmlns"}) {
					fmt.Fprintf(&b, " %s=%q", Name(a.Name), whiteSpace.Replace(a.Value))
				}
			}
			b.WriteString(">")
		case stdxml.EndElement:
			flush()
			depth--
			b.WriteString("</" + Name(tok.Name).String() + ">")
		case stdxml.CharData:
			text.Write(tok)
		}
	}
}

// TestLikeTheStandardReader compares with encoding/xml on documents that both must accept.
func TestLikeTheStandardReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDocument(t)
		want, err := dumpStandard(doc)
		require.NoError(t, err, doc)
		got, err := dump(doc, Limits{})
		require.NoError(t, err, doc)
		require.Equal(t, want, got, doc)
	})
}

// TestTreeAndFragmentSayTheSame compares the ways to look at a document.
func TestTreeAndFragmentSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDocument(t)
		want, err := dump(doc, Limits{})
		require.NoError(t, err)
		r := NewReader("doc", []byte(doc), Limits{})
		_, err = r.Root()
		require.NoError(t, err)
		f, err := r.Raw()
		require.NoError(t, err)
		var w Writer
		w.Start("o")
		w.Namespace("", "urn:other")
		w.Namespace("p", "urn:other")
		w.Fragment(f)
		w.End()
		out, err := w.Bytes()
		require.NoError(t, err)
		got, err := dump(string(out), Limits{})
		require.NoError(t, err, string(out))
		require.Equal(t, "<{urn:other}o>"+want+"</{urn:other}o>", got)

		root, err := Parse("doc", []byte(doc), Limits{})
		require.NoError(t, err)
		require.Equal(t, want, dumpNode(root))
	})
}

func dumpNode(n *Node) string {
	if n.Kind == Text {
		return fmt.Sprintf("%q", n.Text)
	}
	var b strings.Builder
	b.WriteString("<" + n.Name.String())
	for _, a := range n.Attrs {
		fmt.Fprintf(&b, " %s=%q", a.Name, a.Value)
	}
	b.WriteString(">")
	for c := n.First; c != nil; c = c.Next {
		b.WriteString(dumpNode(c))
	}
	return b.String() + "</" + n.Name.String() + ">"
}

// TestWriterReaderRoundTrip writes arbitrary texts and reads them back.
func TestWriterReaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value, text := rapid.String().Draw(t, "value"), rapid.String().Draw(t, "text")
		checkRoundTrip(t, value, text)
	})
}

func checkRoundTrip(t require.TestingT, value, text string) {
	var w Writer
	w.Start("p:a")
	w.Namespace("p", "u")
	w.Attr("v", value)
	w.Text(text)
	w.End()
	out, err := w.Bytes()
	if illegal(value) >= 0 || illegal(text) >= 0 {
		require.ErrorIs(t, err, ErrIllegal)
		value, text = Clean(value), Clean(text)
		w = Writer{}
		w.Start("p:a")
		w.Namespace("p", "u")
		w.Attr("v", value)
		w.Text(text)
		w.End()
		out, err = w.Bytes()
	}
	require.NoError(t, err)
	r := NewReader("doc", out, Limits{})
	root, err := r.Root(Name{"u", "a"})
	require.NoError(t, err)
	require.Equal(t, value, root.Value("v"))
	got, err := r.Content()
	require.NoError(t, err)
	require.Equal(t, text, got)
	require.NoError(t, r.Finish())
}

// FuzzReader: the reader neither panics nor loops, keeps to its limits, and what it accepts encoding/xml accepts
// too, reading the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><a xmlns:p="u" p:b="&lt;"><!-- c --><![CDATA[x]]>&#65;</a>`))
	f.Add(soapQuery())
	f.Add([]byte("<a>\r\n\xEF\xBF\xBE</a>"))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		r := NewReader("fuzz", data, Limits{Depth: 16, Attributes: 16, Nodes: 1 << 12})
		for range 2*len(data) + 2 {
			tok, err := r.Next()
			if err != nil {
				var where *Error
				require.ErrorAs(t, err, &where)
				return
			}
			require.LessOrEqual(t, len(tok.Attrs), 16)
			require.LessOrEqual(t, r.Depth(), 16)
			if tok.Kind == EOF {
				compareWithStandard(t, string(data))
				return
			}
		}
		t.Fatal("more tokens than bytes could give")
	})
}

func compareWithStandard(t *testing.T, doc string) {
	want, err := dumpStandard(strings.TrimPrefix(doc, byteOrderMark))
	if err != nil {
		return // encoding/xml has the names of XML 1.0's fourth edition and refuses some prefixes
	}
	got, err := dump(doc, Limits{})
	require.NoError(t, err)
	if !strings.Contains(doc, "xmlns") && !strings.ContainsAny(doc, "\t\r\n") { // which it does not treat as the specifications say
		require.Equal(t, want, got)
	}
}

// FuzzWriter: what is written is read back.
func FuzzWriter(f *testing.F) {
	f.Add("a\t\r\n<>&\"'", "]]>\r\n")
	f.Add("\x00", "\xFF\uFFFE")
	f.Fuzz(func(t *testing.T, value, text string) { checkRoundTrip(t, value, text) })
}

// TestHostileDocumentsAreCheap bounds what refused and accepted monsters may allocate.
func TestHostileDocumentsAreCheap(t *testing.T) {
	const size = 1 << 20
	fill := func(head, piece, tail string) []byte {
		return []byte(head + strings.Repeat(piece, (size-len(head)-len(tail))/len(piece)) + tail)
	}
	for name, doc := range map[string][]byte{
		"open tags":    fill("", "<a>", ""),
		"wide":         fill("<r>", "<a/>", "</r>"),
		"attributes":   fill("<r>", "<a b='' c='' d=''/>", "</r>"),
		"namespaces":   fill("<r>", "<a xmlns='u' xmlns:p='v'/>", "</r>"),
		"references":   fill("<r>", "&#65;", "</r>"),
		"comments":     fill("<r>", "<!---->", "</r>"),
		"cdata":        fill("<r>", "<![CDATA[x]]>", "</r>"),
		"ampersands":   fill("<r>", "&", "</r>"),
		"brackets":     fill("<r>", "]", "</r>"),
		"many lookups": fill("<r"+strings.ReplaceAll(attributes(250), "a", "xmlns:a")+">", "<b c='' a0:d=''/>", "</r>"),
		"many twins":   fill("<r>", "<b"+attributes(256)+"/>", "</r>"),
		"one long tag": fill("<", "a", "/>"),
		"one value":    fill("<a b='", "\n&amp;", "'/>"),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = drain(NewReader("doc", doc, Limits{}))
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			require.Less(t, allocated, uint64(40*len(doc)), "bytes allocated in all")
		})
	}
}

// TestConformanceDocuments reads every XML file of the XACML conformance kits and compares one in four with what
// encoding/xml reads, which is the slow part.
func TestConformanceDocuments(t *testing.T) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(shared, "conformance", "xacml?", "*", "*.xml"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("no conformance kits: set GATEHOUSE_SHARED to the directory that holds them")
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := dump(string(data), Limits{})
		require.NoError(t, err, file)
		if i%4 != 0 {
			continue
		}
		want, err := dumpStandard(string(bytes.TrimPrefix(data, []byte(byteOrderMark))))
		require.NoError(t, err, file)
		require.Equal(t, want, got, file)
	}
	t.Logf("%d documents", len(files))
}
