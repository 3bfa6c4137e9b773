package xml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func written(t *testing.T, indent string, write func(*Writer)) string {
	t.Helper()
	w := Writer{Indent: indent}
	write(&w)
	out, err := w.Bytes()
	require.NoError(t, err)
	_, err = dump(string(out), Limits{})
	require.NoError(t, err, string(out))
	return string(out)
}

func TestWriter(t *testing.T) {
	out := written(t, "", func(w *Writer) {
		w.Declaration()
		w.Start("p:a")
		w.Namespace("p", "u&v")
		w.Namespace("", "d")
		w.Attr("x", "<\"'>&\t\n\r ")
		w.Attr("p:x", "2")
		w.Attr("xml:lang", "en")
		w.Text("<\"'>&\t\n\r]]>")
		w.Leaf("b", "")
		w.Leaf("p:c", "t")
		w.End()
	})
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><p:a xmlns:p="u&amp;v" xmlns="d" x="&lt;&quot;'&gt;&amp;&#x9;&#xA;&#xD; " p:x="2" xml:lang="en">`+
		"&lt;\"'&gt;&amp;\t\n&#xD;]]&gt;<b/><p:c>t</p:c></p:a>", out)
}

func TestWriterIndents(t *testing.T) {
	out := written(t, "  ", func(w *Writer) {
		w.Declaration()
		w.Start("a")
		w.Start("b")
		w.Leaf("c", "text")
		w.Leaf("c", "")
		w.End()
		w.Start("d")
		w.End()
		w.End()
	})
	require.Equal(t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>\n    <c>text</c>\n    <c/>\n  </b>\n  <d/>\n</a>", out)
}

func TestWriterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		write func(*Writer)
		want  string
	}{
		"nothing":            {func(w *Writer) {}, "no root element"},
		"unclosed":           {func(w *Writer) { w.Start("a") }, "<a> is not closed"},
		"two roots":          {func(w *Writer) { w.Leaf("a", ""); w.Leaf("b", "") }, "second root"},
		"end without start":  {func(w *Writer) { w.Leaf("a", ""); w.End() }, "without a start"},
		"text outside":       {func(w *Writer) { w.Leaf("a", ""); w.Text("x") }, "outside"},
		"late declaration":   {func(w *Writer) { w.Start("a"); w.Declaration(); w.End() }, "not the first"},
		"bad name":           {func(w *Writer) { w.Leaf("a b", "") }, `"a b" is not a name`},
		"injected name":      {func(w *Writer) { w.Leaf("a><b", "") }, "is not a name"},
		"injected attribute": {func(w *Writer) { w.Start("a"); w.Attr("b='1' c", "2"); w.End() }, "is not a name"},
		"undeclared":         {func(w *Writer) { w.Leaf("p:a", "") }, `prefix "p" is not declared`},
		"undeclared, attr":   {func(w *Writer) { w.Start("a"); w.Attr("p:b", ""); w.End() }, `prefix "p" is not declared`},
		"out of scope": {func(w *Writer) {
			w.Start("a")
			w.Start("b")
			w.Namespace("p", "u")
			w.End()
			w.Leaf("p:c", "")
			w.End()
		}, `prefix "p" is not declared`},
		"declared twice":   {func(w *Writer) { w.Start("a"); w.Namespace("p", "u"); w.Namespace("p", "v"); w.End() }, "declared twice"},
		"attribute twice":  {func(w *Writer) { w.Start("a"); w.Attr("b", "u"); w.Attr("b", "v"); w.End() }, "written twice"},
		"declared by attr": {func(w *Writer) { w.Start("a"); w.Attr("xmlns:p", "u"); w.End() }, "not a name of an attribute"},
		"attribute twins": {func(w *Writer) {
			w.Start("a")
			w.Namespace("p", "u")
			w.Namespace("q", "u")
			w.Attr("p:b", "1")
			w.Attr("q:b", "2")
			w.End()
		}, "{u}b is written twice"},
		"attribute after text":  {func(w *Writer) { w.Start("a"); w.Text("x"); w.Attr("b", "1"); w.End() }, "not written right after"},
		"namespace after child": {func(w *Writer) { w.Start("a"); w.Leaf("b", ""); w.Namespace("p", "u"); w.End() }, "not written right after"},
		"prefix undone":         {func(w *Writer) { w.Start("a"); w.Namespace("p", ""); w.End() }, "cannot be bound"},
		"xml bound":             {func(w *Writer) { w.Start("a"); w.Namespace("xml", xmlSpace); w.End() }, "cannot be bound"},
		"nul":                   {func(w *Writer) { w.Leaf("a", "x\x00") }, ErrIllegal.Error()},
		"invalid":               {func(w *Writer) { w.Start("a"); w.Attr("b", "\xFF"); w.End() }, ErrIllegal.Error()},
		"noncharacter":          {func(w *Writer) { w.Leaf("a", "\uFFFF") }, ErrIllegal.Error()},
		"no fragment":           {func(w *Writer) { w.Fragment(Fragment{}) }, "no place"},
	} {
		t.Run(name, func(t *testing.T) {
			var w Writer
			c.write(&w)
			out, err := w.Bytes()
			require.ErrorContains(t, err, c.want)
			require.Nil(t, out)
			w.Reset()
			w.Leaf("a", "")
			out, err = w.Bytes()
			require.NoError(t, err)
			require.Equal(t, "<a/>", string(out))
		})
	}
}

func TestClean(t *testing.T) {
	require.Equal(t, "plain\n", Clean("plain\n"))
	require.Equal(t, "a\uFFFDb\uFFFD\uFFFDc", Clean("a\x00b\uFFFE\xFFc"))
	written(t, "", func(w *Writer) { w.Leaf("a", Clean("\x1B[31m\xED\xA0\x80")) })
}

func BenchmarkWriter(b *testing.B) {
	var w Writer
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		w.Start("soap:Envelope")
		w.Namespace("soap", "http://schemas.xmlsoap.org/soap/envelope/")
		w.Start("soap:Body")
		for range 20 {
			w.Start("soap:Attribute")
			w.Attr("AttributeId", "urn:oasis:names:tc:xacml:1.0:subject:subject-id")
			w.Attr("DataType", "http://www.w3.org/2001/XMLSchema#string")
			w.Leaf("soap:AttributeValue", "CN=Alice Example,OU=People,O=Example,C=XX")
			w.End()
		}
		w.End()
		w.End()
		if _, err := w.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}
