package authz

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
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

// A request that is set back to what it was, and added to again, leaves alone
// what was made of it in between.
func TestSetBack(t *testing.T) {
	r := &Request{}
	r.Add(Subject, "a", StringValue("1"))
	before := *r
	before.Attributes = before.Attributes[:1:1]
	r.Add(Subject, "b", StringValue("one"))
	kept := r.Attributes[1]
	*r = before
	r.Add(Subject, "b", StringValue("two"))
	require.Equal(t, "one", kept.Values[0].Text())
	require.Equal(t, "two", r.Attributes[1].Values[0].Text())
}

// Requests that are copied and asked at once do not disturb each other: for the
// race detector.
func TestCopiesAtOnce(t *testing.T) {
	r := &Request{}
	r.Add(Subject, "a", StringValue("1"))
	var wg sync.WaitGroup
	for i := range 8 {
		q := *r
		q.Attributes = slices.Clone(r.Attributes)
		wg.Go(func() {
			q.Touch()
			q.Add(Subject, "b", IntegerValue(int64(i)))
			v, _ := q.Verified(Subject, "b")
			assert.Equal(t, fmt.Sprint(i), v.Text())
		})
		r.Add(Subject, fmt.Sprint(i), StringValue("2"))
	}
	wg.Wait()
}
