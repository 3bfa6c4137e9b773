package xml

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genElements draws a document of elements alone, with attributes of several namespaces, at times many.
func genElements(t *rapid.T, b *strings.Builder, depth int) {
	n := rapid.SampledFrom([]int{0, 0, 1, 2, 3, 7, 15, 16, 17, 40}).Draw(t, "attributes")
	b.WriteString(`<e xmlns:p="urn:` + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "space") + `"`)
	for i := range n {
		fmt.Fprintf(b, ` %sa%d="%d"`, rapid.SampledFrom([]string{"", "", "p:"}).Draw(t, "prefix"), i, b.Len())
	}
	b.WriteString(">")
	for range rapid.IntRange(0, 3).Draw(t, "children") {
		if depth > 0 {
			genElements(t, b, depth-1)
		}
	}
	b.WriteString("</e>")
}

// visit reads the children of the element at start by Child and compares them with those of the tree, and the
// attributes of start before and after. Some children are left unread, or in the middle.
func visit(t *rapid.T, r *Reader, start *Token, n *Node) {
	own := slices.Clone(start.Attrs)
	require.Equal(t, n.Attrs, own)
	var child Token
	want := slices.Collect(n.Elements())
	for depth := r.Depth(); ; {
		more, err := r.Child(depth, &child)
		require.NoError(t, err)
		require.Equal(t, own, start.Attrs, "of the element around")
		if !more {
			break
		}
		require.NotEmpty(t, want)
		switch rapid.IntRange(0, 4).Draw(t, "how") {
		case 0:
			require.Equal(t, want[0].Attrs, child.Attrs)
		case 1:
			_, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, want[0].Attrs, child.Attrs)
		case 2:
			tree, err := r.Node()
			require.NoError(t, err)
			require.Equal(t, want[0].Attrs, tree.Attrs)
		default:
			visit(t, r, &child, want[0])
		}
		want = want[1:]
	}
	require.Empty(t, want)
}

// Child gives what a tree holds, and overwrites nothing that is still open.
func TestChildOverwritesOnlyWhatIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		genElements(t, &b, 3)
		root, err := Parse("doc", []byte(b.String()), Limits{})
		require.NoError(t, err)
		r := NewReader("doc", []byte(b.String()), Limits{})
		start, err := r.Root()
		require.NoError(t, err)
		visit(t, r, &start, root)
		require.NoError(t, r.Finish())
	})
}
