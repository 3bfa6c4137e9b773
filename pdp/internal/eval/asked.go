package eval

import "github.com/gatehouse-authz/gatehouse/authz"

// attributeName is what a designator names, whatever type and issuer it wants.
type attributeName struct {
	category authz.Category
	id       string
}

// asked finds the names that policies ask for, so that one look at each
// attribute of a request shows which of them matter. It never changes.
type asked struct {
	names []attributeName
	spots []int32 // a power of two of them, at most half used: number of the name + 1
}

func newAsked(names []attributeName) asked {
	size := 16
	for size < 2*len(names) {
		size *= 2
	}
	a := asked{names: names, spots: make([]int32, size)}
	for n, name := range names {
		i := a.spot(name.id)
		for a.spots[i] != 0 {
			i = a.after(i)
		}
		a.spots[i] = int32(n + 1)
	}
	return a
}

// find returns the number of a name.
func (a *asked) find(category authz.Category, id string) (n int, ok bool) {
	for i := a.spot(id); a.spots[i] != 0; i = a.after(i) {
		n := int(a.spots[i] - 1)
		if name := &a.names[n]; name.id == id && name.category == category {
			return n, true
		}
	}
	return 0, false
}

// spot makes do with the length and the last letters of an id: they tell most
// apart, and policies have few.
func (a *asked) spot(id string) int {
	h := uint(len(id))
	if h > 2 {
		h = h*31 + uint(id[len(id)-1])*7 + uint(id[len(id)-3])
	}
	return int(h) & (len(a.spots) - 1)
}

func (a *asked) after(i int) int { return (i + 1) & (len(a.spots) - 1) }
