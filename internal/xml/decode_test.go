package xml

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T, doc string) (*Reader, Token) {
	t.Helper()
	r := NewReader("doc", []byte(doc), Limits{})
	root, err := r.Root()
	require.NoError(t, err)
	return r, root
}

func TestRootAndExpect(t *testing.T) {
	a, b := Name{Space: "u", Local: "a"}, Name{Local: "b"}
	r := NewReader("doc", []byte("<!-- x --><a xmlns='u'> <b xmlns=''/> </a>"), Limits{})
	_, err := r.Root(b, a)
	require.NoError(t, err)
	_, err = r.Expect(b)
	require.NoError(t, err)
	require.NoError(t, r.Empty())
	_, err = r.Expect(b)
	require.ErrorIs(t, err, ErrContent)
	require.EqualError(t, err, "doc:1:39: end of <{u}a> found, <b> wanted")

	_, err = NewReader("doc", []byte("<a/>"), Limits{}).Root(a, b)
	require.EqualError(t, err, "doc:1:1: element <a> found, <{u}a> or <b> wanted")
}

func TestChildren(t *testing.T) {
	r, _ := open(t, "<r> <a>1</a> <!-- --> <b><c/>x<c><d/></c></b><e/><f>2</f> </r> ")
	var got []string
	for child, err := range r.Children() {
		require.NoError(t, err)
		got = append(got, child.Name.Local)
		switch child.Name.Local {
		case "a", "f": // read to the end
			text, err := r.Content()
			require.NoError(t, err)
			got = append(got, text)
		case "b": // left in the middle
			_, err := r.Next()
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{"a", "1", "b", "e", "f", "2"}, got)
	require.NoError(t, r.Finish())
}

func TestChildrenNested(t *testing.T) {
	r, _ := open(t, "<r><a><b/><b/></a><a/></r>")
	n := 0
	for _, err := range r.Children() {
		require.NoError(t, err)
		for _, err := range r.Children() {
			require.NoError(t, err)
			n++
		}
	}
	require.Equal(t, 2, n)
	require.NoError(t, r.Finish())
}

func TestChildrenGiveErrorsOnce(t *testing.T) {
	for doc, want := range map[string]string{
		"<r><a/> x <b/></r>":   `doc:1:8: unexpected text "x"`,
		"<r><a/><b></r>":       "doc:1:11: end tag </r> does not match <b>, opened at line 1",
		"<r><a/><b/>":          "document ends inside <r>",
		"<r><a><!DOCTYPE></a>": "DOCTYPE",
	} {
		r, _ := open(t, doc)
		var last error
		errs := 0
		for _, err := range r.Children() {
			if last = err; err != nil {
				errs++
			}
		}
		require.ErrorContains(t, last, want)
		require.Equal(t, 1, errs)
	}
}

func TestDecodersThatReadTooFarFail(t *testing.T) {
	r, _ := open(t, "<r><a/><b/></r>")
	var last error
	for _, err := range r.Children() {
		if last = err; err == nil {
			_, _ = r.Next() // </a>
			_, _ = r.Next() // <b>
			_, _ = r.Next() // </b>
			_, _ = r.Next() // </r>
		}
	}
	require.ErrorIs(t, last, ErrContent)
	require.ErrorIs(t, r.Finish(), ErrContent)

	r, _ = open(t, "<x><r><a/></r><r><b/></r></x>")
	_, err := r.Expect(Name{Local: "r"})
	require.NoError(t, err)
	for _, err := range r.Children() {
		if last = err; err == nil {
			_, _ = r.Next() // </a>
			_, _ = r.Next() // </r>
			_, _ = r.Next() // <r>, another of the same depth
		}
	}
	require.ErrorIs(t, last, ErrContent)

	r, _ = open(t, "<r>x</r>")
	_, err = r.Content()
	require.NoError(t, err)
	_, err = r.Content()
	require.ErrorContains(t, err, "called Content not right after a start tag")
}

func TestContent(t *testing.T) {
	for doc, want := range map[string]string{
		"<a/>": "", "<a></a>": "", "<a> x<!-- y --><![CDATA[<]]> </a>": " x< ",
	} {
		r, _ := open(t, doc)
		got, err := r.Content()
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, r.Finish())
	}
	r, _ := open(t, "<a>x<b/>y</a>")
	_, err := r.Content()
	require.EqualError(t, err, "doc:1:5: unexpected element <b>")
	r, _ = open(t, "<a>x</b>")
	_, err = r.Content()
	require.ErrorIs(t, err, ErrMalformed)
}

func TestSkipEmptyFinish(t *testing.T) {
	r, _ := open(t, "<a><b><c/>x</b><d> <!-- --> </d><e>x</e></a>")
	_, err := r.Next()
	require.NoError(t, err)
	require.NoError(t, r.Skip())
	require.Equal(t, 2, r.Depth())
	_, err = r.Expect(Name{Local: "d"})
	require.NoError(t, err)
	require.NoError(t, r.Empty())
	require.ErrorContains(t, r.Finish(), "unexpected element <e>")
	require.ErrorContains(t, r.Empty(), `unexpected text "x"`)

	r, _ = open(t, "<a><b></a>")
	require.ErrorIs(t, r.Skip(), ErrMalformed, "what is skipped is checked")
	r, _ = open(t, "<a/><a/>")
	require.NoError(t, r.Empty())
	require.ErrorIs(t, r.Finish(), ErrMalformed)
}

func TestRequired(t *testing.T) {
	r, root := open(t, "<a x='1' p:y='2' xmlns:p='u'/>")
	v, err := r.Required(root, "x")
	require.NoError(t, err)
	require.Equal(t, "1", v)
	_, err = r.Required(root, "y")
	require.EqualError(t, err, "doc:1:1: <a> has no attribute y")
	y, ok := root.Attr(Name{Space: "u", Local: "y"})
	require.True(t, ok)
	require.Equal(t, Attr{Name{"u", "y"}, "p", "2", 9}, y)
	require.Empty(t, root.Value("y"))
}

func TestQName(t *testing.T) {
	r, _ := open(t, "<a xmlns='d' xmlns:p='u'><b xmlns:p='v'> p:x </b></a>")
	_, err := r.Expect(Name{"d", "b"})
	require.NoError(t, err)
	text, err := r.Content()
	require.NoError(t, err)
	name, err := r.QName(text)
	require.NoError(t, err)
	require.Equal(t, Name{"v", "x"}, name, "at the end tag the bindings of the element still hold")
	name, err = r.QName("x")
	require.NoError(t, err)
	require.Equal(t, Name{"d", "x"}, name)
	for _, bad := range []string{"q:x", "", ":", "p:", ":x", "p:x:y", "1", "p:1", "p x"} {
		_, err = r.QName(bad)
		require.ErrorIs(t, err, ErrContent, bad)
	}
	_, err = r.Next()
	require.NoError(t, err)
	name, err = r.QName("p:x")
	require.NoError(t, err)
	require.Equal(t, Name{"u", "x"}, name)
	_, ok := r.Namespace("q")
	require.False(t, ok)
}

func TestWrap(t *testing.T) {
	cause := errors.New("not a number")
	r, root := open(t, "\n<a/>")
	err := r.Wrap(root.Offset, cause)
	require.EqualError(t, err, "doc:2:1: not a number")
	require.ErrorIs(t, err, cause)
}

func TestFragments(t *testing.T) {
	doc := "<e xmlns='d' xmlns:p='u' xmlns:q='w&amp;'>\n <b>\n  <p:c xmlns:q='x' q:y='1'> <!-- kept --> <f/></p:c></b></e>"
	r, _ := open(t, doc)
	_, err := r.Expect(Name{"d", "b"})
	require.NoError(t, err)
	_, err = r.Expect(Name{"u", "c"})
	require.NoError(t, err)
	f, err := r.Raw()
	require.NoError(t, err)
	require.NoError(t, restOf(r))

	require.Equal(t, Name{"u", "c"}, f.Name)
	require.Equal(t, "<p:c xmlns:q='x' q:y='1'> <!-- kept --> <f/></p:c>", f.String())
	require.Equal(t, `<p:c xmlns:p="u" xmlns="d" xmlns:q='x' q:y='1'> <!-- kept --> <f/></p:c>`, f.Standalone())
	alone, err := dump(f.Standalone(), Limits{})
	require.NoError(t, err)
	require.Equal(t, `<{u}c {x}y="1">"  "<{d}f></{d}f></{u}c>`, alone)

	again := f.Reader(Limits{})
	root, err := again.Root(Name{"u", "c"})
	require.NoError(t, err)
	require.Equal(t, "doc:3:3", again.Pos().String())
	v, _ := root.Attr(Name{"x", "y"})
	require.Equal(t, "1", v.Value)
	_, err = again.Expect(Name{"d", "f"})
	require.NoError(t, err)
	require.NoError(t, again.Empty())
	_, err = again.Next()
	require.NoError(t, err)
	require.NoError(t, again.Finish(), "the document around the fragment is not seen")
}

func restOf(r *Reader) error {
	for {
		if t, err := r.Next(); err != nil || t.Kind == EOF {
			return err
		}
	}
}

func TestFragmentUndoesDefault(t *testing.T) {
	r, _ := open(t, "<e><a x='1'/></e>")
	_, err := r.Expect(Name{Local: "a"})
	require.NoError(t, err)
	f, err := r.Raw()
	require.NoError(t, err)
	var w Writer
	w.Start("o")
	w.Namespace("", "other")
	w.Fragment(f)
	w.End()
	out, err := w.Bytes()
	require.NoError(t, err)
	require.Equal(t, `<o xmlns="other"><a xmlns="" x='1'/></o>`, string(out))
	require.Equal(t, "<a x='1'/>", f.Standalone())
	require.Empty(t, Fragment{}.Standalone())
	require.Error(t, restOf(Fragment{}.Reader(Limits{})))
}

func TestTree(t *testing.T) {
	doc := "<r xmlns='d' xmlns:p='u'>\n <p:a x='1'>one<b>two</b><!-- --> three</p:a><c xmlns:p='v'/></r>"
	root, err := Parse("doc", []byte(doc), Limits{})
	require.NoError(t, err)
	require.Equal(t, Name{"d", "r"}, root.Name)
	require.Nil(t, root.Parent)
	require.Equal(t, "\n onetwo three", root.StringValue())

	a := root.Child(Name{"u", "a"})
	require.Equal(t, "p", a.Prefix)
	require.Equal(t, "1", a.Value("x"))
	require.Equal(t, "doc:2:2", a.Position().String())
	require.Same(t, root, a.Parent)
	require.Equal(t, Text, a.Prev.Kind)
	require.Same(t, a, a.Prev.Next)
	require.Equal(t, "onetwo three", a.StringValue())
	require.Equal(t, "one", a.First.StringValue())
	require.Equal(t, " three", a.Last.Text)
	require.Equal(t, "two", a.First.Next.StringValue())

	c := a.Next
	require.Same(t, c, root.Last)
	require.Empty(t, c.StringValue())
	name, err := c.QName("p:x")
	require.NoError(t, err)
	require.Equal(t, Name{"v", "x"}, name)
	name, err = a.First.QName("p:x")
	require.NoError(t, err)
	require.Equal(t, Name{"u", "x"}, name)
	_, err = a.QName("z:x")
	require.EqualError(t, err, `doc:2:2: prefix "z" of "z:x" is not declared`)
	require.ElementsMatch(t, []Binding{{"", "d"}, {"p", "v"}}, c.Bindings())
	require.ElementsMatch(t, []Binding{{"", "d"}, {"p", "u"}}, a.First.Bindings())

	var names []string
	for child := range root.Elements() {
		names = append(names, child.Name.Local)
	}
	require.Equal(t, []string{"a", "c"}, names)
	require.Nil(t, root.Child(Name{Local: "a"}))
}

func TestTreeRefuses(t *testing.T) {
	for _, doc := range []string{"", "<a>", "<a/><b/>", "<a><b></a></b>"} {
		_, err := Parse("doc", []byte(doc), Limits{})
		require.ErrorIs(t, err, ErrMalformed, doc)
	}
	_, err := Parse("doc", []byte("<a>x<b/>y</a>"), Limits{Nodes: 4})
	require.NoError(t, err)
	_, err = Parse("doc", []byte("<a>x<b/>y</a>"), Limits{Nodes: 3})
	require.ErrorIs(t, err, ErrLimit)
	_, err = Parse("doc", []byte("<a x='1' y='2'/>"), Limits{Nodes: 2})
	require.ErrorIs(t, err, ErrLimit)
}

func TestTreeOfPart(t *testing.T) {
	r, _ := open(t, "<r xmlns:p='u'><p:a x='1'>t</p:a><b/></r>")
	_, err := r.Next()
	require.NoError(t, err)
	n, err := r.Node()
	require.NoError(t, err)
	require.Equal(t, "1", n.Value("x"))
	require.Nil(t, n.Parent)
	require.Nil(t, n.Next)
	space, ok := n.Namespace("p")
	require.True(t, ok)
	require.Equal(t, "u", space)
	_, err = r.Expect(Name{Local: "b"})
	require.NoError(t, err)
}

func TestTreeIsReadByMany(t *testing.T) {
	root, err := Parse("doc", []byte("<r>"+strings.Repeat("<a>\n</a>", 2000)+"</r>"), Limits{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			line := 0
			for n := range root.Elements() {
				line++
				if n.Position().Line != line {
					t.Errorf("element %d is at %s", line, n.Position())
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestHelpersPassErrorsOn(t *testing.T) {
	for name, call := range map[string]func(*Reader) error{
		"Raw":     func(r *Reader) error { _, err := r.Raw(); return err },
		"Node":    func(r *Reader) error { _, err := r.Node(); return err },
		"Content": func(r *Reader) error { _, err := r.Content(); return err },
		"Skip":    (*Reader).Skip,
		"Empty":   (*Reader).Empty,
		"Finish":  (*Reader).Finish,
		"Expect":  func(r *Reader) error { _, err := r.Expect(Name{Local: "b"}); return err },
		"Children": func(r *Reader) (last error) {
			for _, err := range r.Children() {
				last = err
			}
			return last
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t, "<a> <!DOCTYPE x></a>")
			require.ErrorIs(t, call(r), ErrForbidden, "met on the way")
			require.ErrorIs(t, call(r), ErrForbidden, "met before")
			if name == "Finish" || name == "Expect" {
				return
			}
			r, _ = open(t, "<a>x</a>")
			_, err := r.Next()
			require.NoError(t, err)
			require.ErrorIs(t, call(r), ErrContent, "not at a start tag")
		})
	}
}
