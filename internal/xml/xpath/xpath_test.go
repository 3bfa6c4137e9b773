package xpath_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
)

const library = `<lib xmlns="urn:books" xmlns:p="urn:people">
  <book id="1" lang="en"><title>Go</title><p:author>Ann</p:author></book>
  <book id="2"><title>XML</title><p:author>Bob</p:author><p:author>Ann</p:author></book>
  <plain xmlns="">x<b>y</b>z</plain>
</lib>`

var prefixes = map[string]string{"b": "urn:books", "q": "urn:people"}

func parse(t require.TestingT, text string) xpath.Node {
	root, err := xml.Parse("test", []byte(text), xml.Limits{})
	require.NoError(t, err)
	return xpath.Document(root)
}

func texts(nodes []xpath.Node) (all []string) {
	for _, n := range nodes {
		all = append(all, n.Value())
	}
	return all
}

func TestSelect(t *testing.T) {
	doc := parse(t, library)
	for expression, want := range map[string][]string{
		"//b:title":                                 {"Go", "XML"},
		"/b:lib/b:book[2]/q:author/text()":          {"Bob", "Ann"},
		"b:lib/b:book/@id":                          {"1", "2"},
		"//b:book[q:author='Ann']/@id":              {"1", "2"},
		"//b:book[not(@lang)]/b:title":              {"XML"},
		"//plain":                                   {"xyz"},
		"//plain/text()":                            {"x", "z"},
		"//title":                                   nil, // in no namespace
		"//*[local-name()='title']":                 {"Go", "XML"},
		"//*[namespace-uri()='urn:people']":         {"Ann", "Bob", "Ann"},
		"(//q:author)[last()]":                      {"Ann"},
		"//b:book[count(q:author)>1]/@id":           {"2"},
		"//q:author[.='Bob']/../@id":                {"2"},
		"//b:book/@lang | //b:book[2]/b:title":      {"en", "XML"},
		"//b:title | //b:title":                     {"Go", "XML"},
		"/b:lib/b:book[position()=2]/q:author[2]":   {"Ann"},
		"//b:book[1]/following-sibling::b:book/@id": {"2"},
	} {
		e, err := xpath.Compile(expression, prefixes)
		require.NoError(t, err, expression)
		found, err := e.Select(doc)
		require.NoError(t, err, expression)
		require.Equal(t, want, texts(found), expression)
	}
}

func TestSelectFromAContext(t *testing.T) {
	doc := parse(t, library)
	books := must(t, "//b:book", doc)
	require.Equal(t, []string{"XML"}, texts(must(t, "b:title", books[1])))
	require.Equal(t, []string{"Go", "XML"}, texts(must(t, "//b:title", books[1])), "an absolute path starts at the document")
}

func must(t require.TestingT, expression string, from xpath.Node) []xpath.Node {
	e, err := xpath.Compile(expression, prefixes)
	require.NoError(t, err, expression)
	found, err := e.Select(from)
	require.NoError(t, err, expression)
	return found
}

// The path of any node leads to that node and to no other.
func TestPath(t *testing.T) {
	doc := parse(t, library)
	all := append(must(t, "//node()", doc), must(t, "//@*", doc)...)
	all = append(all, must(t, "/", doc)...)
	require.Greater(t, len(all), 15)
	for _, n := range all {
		e, err := xpath.Compile(n.Path(), nil)
		require.NoError(t, err, n.Path())
		found, err := e.Select(doc)
		require.NoError(t, err)
		require.Len(t, found, 1, n.Path())
		require.True(t, found[0] == n, n.Path())
	}
}

func TestWithin(t *testing.T) {
	doc := parse(t, library)
	book, title, id := must(t, "//b:book[1]", doc)[0], must(t, "//b:title", doc), must(t, "//b:book[1]/@id", doc)[0]
	require.True(t, title[0].Within(book))
	require.False(t, title[1].Within(book))
	require.True(t, id.Within(book))
	require.False(t, book.Within(id))
	require.True(t, book.Within(doc))
	require.False(t, doc.Within(book))
}

func TestRefused(t *testing.T) {
	for _, expression := range []string{
		"", "//b:record[?]", "//x:title", "count(//b:title)", "'text'", "1+1", "//b:title=2", "//b:title[", "$variable",
		"sum('a')", "//b:title[replace(replace(.,'x','xx'),'x','xx')=1]", "//*[ends-with(.,'x')]", "//*[name()='title']", "//b:*", "//@*[1]", "matches(//b:title,'[')", strings.Repeat("(", 300) + "a" + strings.Repeat(")", 300), strings.Repeat("a", 20<<10),
	} {
		_, err := xpath.Compile(expression, prefixes)
		require.Error(t, err, expression)
	}
}

// TestHostileExpression shows the attack: nested counts over every node would
// take hours, and give up instead.
func TestHostileExpression(t *testing.T) {
	doc := parse(t, "<a>"+strings.Repeat("<b>x</b>", 2000)+"</a>")
	e, err := xpath.Compile("//*[count(//*[count(//*[count(//*)>0])>0])>0]", nil)
	require.NoError(t, err)
	start := time.Now()
	_, err = e.Select(doc)
	require.ErrorIs(t, err, xpath.ErrBudget)
	require.Less(t, time.Since(start), 20*time.Second)
}

// One expression is used by many goroutines at once (run with -race).
func TestConcurrent(t *testing.T) {
	doc := parse(t, library)
	e, err := xpath.Compile("//b:book[q:author='Ann'][position()<3]/q:author[last()] | //b:title", prefixes)
	require.NoError(t, err)
	want, err := e.Select(doc)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				found, err := e.Select(doc)
				if err != nil || len(found) != len(want) {
					t.Errorf("found %d, want %d: %v", len(found), len(want), err)
				}
			}
		})
	}
	all.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"//b:title", "/b:lib/*[2]/@id", "//*[count(q:author)=2]", "(//a)[1]", "a[?]", "//b:book[q:author='Ann']", "string(//a)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		e, err := xpath.Compile(expression, prefixes)
		if err != nil {
			return
		}
		doc := parse(t, library)
		found, err := e.Select(doc)
		if err != nil {
			return
		}
		for _, n := range found {
			n.Value()
			n.Path()
		}
	})
}
