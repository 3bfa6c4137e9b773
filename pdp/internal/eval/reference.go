package eval

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// reference stands for a policy of the library. One that is not there is
// Indeterminate when it is asked, not before (XACML 3.0 core, 7.15).
type reference struct {
	filings
	from   *policies.Reference
	target node // nil when missing
	why    *authz.Reason
	absent *authz.Status
}

var _ node = (*reference)(nil)

func (r *reference) reason() *authz.Reason     { return r.why }
func (r *reference) where() (place, id string) { return r.from.Place, r.from.ID }
func (r *reference) goal() *target             { return nil }
func (r *reference) settle(crowd)              {}

func (r *reference) eval(f *frame, side views) outcome {
	if r.target == nil {
		return uncertain(authz.ExtentDenyPermit, r, r.absent)
	}
	return r.target.eval(f, side)
}

func (r *reference) applicable(f *frame, side views) (match3, *authz.Status) {
	if r.target == nil {
		return indeterminate, r.absent
	}
	return r.target.applicable(f, side)
}

type libraryKey struct {
	id  string
	set bool
}

// libraryEntry is a policy of the library that something refers to.
type libraryEntry struct {
	made    node
	running bool // being compiled: another reference to it closes a circle
}

func (c *compilation) index(library []policies.Node) {
	c.library = map[libraryKey][]policies.Node{}
	for _, n := range library {
		var k libraryKey
		switch n := n.(type) {
		case *policies.PolicySet:
			k = libraryKey{n.ID, true}
		case *policies.Policy:
			k = libraryKey{n.ID, false}
		default:
			c.fail(n.At(), "the library holds policies and policy sets only")
			continue
		}
		for _, other := range c.library[k] {
			if version(other) == version(n) {
				c.fail(n.At(), "%q version %s is in the library twice", k.id, version(n))
			}
		}
		c.library[k] = append(c.library[k], n)
	}
	for _, list := range c.library { // the newest first
		slices.SortStableFunc(list, func(a, b policies.Node) int { return compareVersions(version(b), version(a)) })
	}
}

func version(n policies.Node) string {
	switch n := n.(type) {
	case *policies.PolicySet:
		return n.Version
	case *policies.Policy:
		return n.Version
	}
	return ""
}

// reference compiles what a reference resolves to: the newest version that its
// patterns allow. What nothing refers to is never compiled.
func (c *compilation) reference(r *policies.Reference) node {
	out := &reference{from: r, why: &authz.Reason{PAP: c.pap, Policy: r.ID, Position: r.Position.String()}}
	found := c.resolve(r)
	if found == nil {
		out.absent = processingError(r.Position, "no policy %q%s in the library", r.ID, wanted(r))
		return out
	}
	entry := c.referenced[found]
	switch {
	case entry == nil:
		entry = &libraryEntry{running: true}
		c.referenced[found] = entry
		scope, owner := c.scope, c.owner
		c.scope = nil
		entry.made = c.node(found, nil)
		c.scope, c.owner = scope, owner
		entry.running = false
	case entry.running:
		c.fail(r.Position, "%q refers to itself by way of this reference", r.ID)
		return nil
	}
	if entry.made == nil {
		return nil
	}
	out.target = entry.made
	return out
}

func (c *compilation) resolve(r *policies.Reference) policies.Node {
	for _, n := range c.library[libraryKey{r.ID, r.Set}] {
		v := version(n)
		if fitsVersion(r.Version, v, 0) && fitsVersion(r.Earliest, v, 1) && fitsVersion(r.Latest, v, -1) {
			return n
		}
	}
	return nil
}

func wanted(r *policies.Reference) string {
	s := ""
	for _, part := range [][2]string{{"version", r.Version}, {"from", r.Earliest}, {"to", r.Latest}} {
		if part[1] != "" {
			s += " " + part[0] + " " + part[1]
		}
	}
	return s
}

// fitsVersion matches a version with a pattern (XACML 3.0 core, 5.13): "*" is
// any one number, "+" any one or more to the end. With bound 1 a version may
// also be later than the pattern, with bound -1 earlier.
func fitsVersion(pattern, v string, bound int) bool {
	if pattern == "" {
		return true
	}
	want, have := strings.Split(pattern, "."), strings.Split(v, ".")
	for i, w := range want {
		switch {
		case w == "+":
			return i < len(have) || bound < 0
		case i >= len(have):
			return bound < 0
		case w == "*":
			continue
		}
		if c := compareNumbers(have[i], w); c != 0 {
			return c == bound
		}
	}
	return len(have) == len(want) || bound > 0
}

func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), compareNumbers)
}

func compareNumbers(a, b string) int {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	if errX != nil || errY != nil {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	}
	return cmp.Compare(x, y)
}
