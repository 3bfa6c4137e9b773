package authz

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Decisions are as fast as what they read is small.
func TestSizes(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Value{}), uintptr(48))
	require.LessOrEqual(t, unsafe.Sizeof(Request{}), uintptr(128))
}

// The values of one attribute are safe from what happens to another's.
func TestAddKeepsValuesApart(t *testing.T) {
	var r Request
	given := []Value{StringValue("a"), StringValue("b")}
	r.Add(Subject, "first", given...)
	given[0] = StringValue("changed")
	for i := range 40 {
		r.Add(Subject, fmt.Sprint(i), make([]Value, i)...)
	}
	r.Add(Subject, "second", StringValue("c"))
	r.Add(Subject, "third", StringValue("d"))
	second := &r.Attributes[41]
	second.Values = append(second.Values, StringValue("e"))
	require.Equal(t, []Value{StringValue("a"), StringValue("b")}, r.Attributes[0].Values)
	require.Equal(t, []Value{StringValue("c"), StringValue("e")}, second.Values)
	require.Equal(t, []Value{StringValue("d")}, r.Attributes[42].Values)
	for i := range 40 {
		require.Len(t, r.Attributes[1+i].Values, i)
	}
	r.Touch()
}

// A copy that is added to leaves the first as it was.
func TestCopiesAreApart(t *testing.T) {
	r := &Request{}
	r.Add(Subject, "a", StringValue("1"))
	one, two := *r, *r
	one.Attributes, two.Attributes = one.Attributes[:1:1], two.Attributes[:1:1]
	one.Add(Subject, "b", StringValue("one"))
	two.Add(Subject, "b", StringValue("two"))
	require.Equal(t, "one", one.Attributes[1].Values[0].Text())
	require.Equal(t, "two", two.Attributes[1].Values[0].Text())
}
