package eval

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Error is one reason why policies cannot be put in force, with its place.
type Error struct {
	Position policies.Position
	Message  string
}

// Error returns "file:line:column: message".
func (e *Error) Error() string {
	if p := e.Position.String(); p != "" {
		return p + ": " + e.Message
	}
	return e.Message
}

// Limits on what is compiled; evaluation recurses as deep as policies nest.
const (
	maxDepth      = 200 // of policies, and of one expression
	maxErrors     = 50
	maxParameters = 4096 // of one function application
)

// Compiler compiles snapshots. Programs of one compiler share the numbering of
// the attributes they ask for, so that one can be made from another cheaply. A
// Compiler is safe for concurrent use; Programs are immutable.
type Compiler struct {
	languages map[string]Language
	forms     map[string]form
	mu        sync.Mutex // compiling; never held while deciding
	names     *names
	frames    sync.Pool
}

// names numbers the slots and readings that programs use. Numbers are only
// ever added; a program sees those that it was made with.
type names struct {
	attributes []attributeName
	slots      []*numberedSlot
	readings   []*reading
	nameOf     map[attributeName]int
	slotOf     map[slot]int
	readOf     map[reading]int
	prefixes   map[int][]int      // lengths of prefixes, by slot
	lengths    []lengths          // of the keys that policies ask for, by reading
	plain      map[int]*attribute // designators that need not be present, by slot
	pieces     map[uint64]int     // how many bans of subtrees had each, by hash
}

// numberedSlot is a slot with the numbers of its name and type, which is a known
// one: policies with others are refused.
type numberedSlot struct {
	slot
	name int
	kind authz.Kind // 0 is every type
}

// NewCompiler returns a compiler that knows the given foreign languages by the
// format that policies.Foreign names.
func NewCompiler(languages map[string]Language) *Compiler {
	c := &Compiler{languages: languages, forms: specialForms()}
	c.names = &names{nameOf: map[attributeName]int{}, slotOf: map[slot]int{}, readOf: map[reading]int{}, prefixes: map[int][]int{}, plain: map[int]*attribute{}, pieces: map[uint64]int{}}
	c.frames.New = func() any { return new(frame) }
	return c
}

// Program is a compiled snapshot.
type Program struct {
	compiler *Compiler
	names    *names // as far as slots and readings count
	asked    asked
	slots    int
	readings int
	root     *container
	library  []policies.Node
	far      []farIndex
}

// Counts says how much a program holds.
type Counts struct{ Bans, Rules, Policies int }

// Counts returns how much the program holds, references not followed.
func (p *Program) Counts() Counts { return p.root.children.counts }

// compilation is the state of one run of the compiler.
type compilation struct {
	compiler   *Compiler
	tx         *transaction
	errs       []error
	library    map[libraryKey][]policies.Node
	referenced map[policies.Node]*libraryEntry
	kinds      map[kindKey]*banKind
	texts      map[string]string // of literals, each once
	sides      []side            // bounds noted
	depth      int
	scope      *scope
	owner      *owner
	pap        string
}

// Compile makes a program of a snapshot, reusing what it shares with the
// program before (which may be nil). The error joins every *Error found.
func (c *Compiler) Compile(s *policies.Snapshot, before *Program) (*Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	run := &compilation{compiler: c, tx: new(transaction), referenced: map[policies.Node]*libraryEntry{}}
	run.index(s.Library)
	var old node
	if before != nil && before.compiler == c && sameLibrary(before.library, s.Library) {
		old = before.root
	}
	root := run.policySet(s.Root, old)
	if len(run.errs) > 0 {
		return nil, errors.Join(run.errs...)
	}
	view := *c.names
	view.lengths = slices.Clone(view.lengths) // they change in place
	return &Program{
		far:      farBelow(nil, root.(*container)),
		compiler: c, names: &view, asked: askedBefore(before, view.attributes), slots: len(view.slots), readings: len(view.readings),
		root: root.(*container), library: s.Library,
	}, nil
}

// askedBefore takes over what an edit did not change.
func askedBefore(before *Program, names []attributeName) asked {
	if before != nil && len(names) > 0 && len(before.asked.names) == len(names) && &before.asked.names[0] == &names[0] {
		return before.asked
	}
	return newAsked(names)
}

// sameLibrary reports whether two libraries are one and the same.
func sameLibrary(a, b []policies.Node) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// fail notes an error and goes on, so that all are reported.
func (c *compilation) fail(p policies.Position, format string, args ...any) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, &Error{Position: p, Message: fmt.Sprintf(format, args...)})
	}
}

// deeper guards every recursion of the compiler.
func (c *compilation) deeper(p policies.Position) bool {
	if c.depth >= maxDepth {
		c.fail(p, "nested more than %d deep", maxDepth)
		return false
	}
	c.depth++
	return true
}

// slot returns the number of a slot.
func (c *compilation) slot(s slot) int {
	n := c.compiler.names
	i, ok := n.slotOf[s]
	if !ok {
		i = len(n.slots)
		n.slots = append(n.slots, &numberedSlot{slot: s, name: c.name(s.attributeName), kind: authz.KindOf(s.typ)})
		n.slotOf[s] = i
	}
	return i
}

func (c *compilation) name(a attributeName) int {
	n := c.compiler.names
	i, ok := n.nameOf[a]
	if !ok {
		i = len(n.attributes)
		n.attributes = append(n.attributes, a)
		n.nameOf[a] = i
	}
	return i
}

func (c *compilation) reading(r reading) int {
	n := c.compiler.names
	i, ok := n.readOf[r]
	if !ok {
		i = len(n.readings)
		n.readings, n.lengths = append(n.readings, &r), append(n.lengths, 0)
		n.readOf[r] = i
	}
	return i
}

// node compiles a node; nil after an error.
func (c *compilation) node(n policies.Node, old node) node {
	if !c.deeper(n.At()) {
		return nil
	}
	defer func() { c.depth-- }()
	switch n := n.(type) {
	case *policies.PolicySet:
		return c.policySet(n, old)
	case *policies.Policy:
		return c.policy(n, old)
	case *policies.Reference:
		return c.reference(n)
	case *policies.Foreign:
		return c.foreign(n, old)
	}
	c.fail(policies.Position{}, "a %T is no policy", n)
	return nil
}

func (c *compilation) policySet(s *policies.PolicySet, old node) node {
	before := reusable(old, s)
	out := c.container(s, &s.Header, true)
	defer func(pap string) { c.pap = pap }(c.pap)
	c.pap = out.why.PAP
	byID := map[string]node{}
	if before != nil && s.Children.Len() < 10_000 {
		for ch := range before.children.all() {
			_, id := ch.where()
			byID[id] = ch.(node)
		}
	}
	out.children = compileList(c, s.Children, listOf(before, out), func(it policies.Item, _ *slab[ban]) child {
		_, id := it.Where()
		if made := c.node(it.(policies.Node), byID[id]); made != nil {
			return made
		}
		return nil
	})
	out.pass()
	return out
}

func (c *compilation) policy(p *policies.Policy, old node) node {
	before := reusable(old, p)
	out := c.container(p, &p.Header, false)
	defer func(s *scope, o *owner) { c.scope, c.owner = s, o }(c.scope, c.owner)
	c.scope = c.newScope(p.Variables)
	c.owner = &owner{pap: out.why.PAP, policy: p.ID}
	out.target, out.duties = c.target(p.Target), c.duties(p.Obligations, p.Advice) // may use variables
	out.children = compileList(c, p.Rules, listOf(before, out), func(it policies.Item, room *slab[ban]) child {
		if r, ok := it.(*policies.Row); ok {
			return c.row(r, room)
		}
		return c.rule(it.(*policies.Rule))
	})
	out.pass()
	return out
}

// reusable returns the old container if it was made of the same kind of node.
func reusable(old node, n policies.Node) *container {
	before, ok := old.(*container)
	if !ok || before == nil {
		return nil
	}
	_, wasSet := before.from.(*policies.PolicySet)
	_, isSet := n.(*policies.PolicySet)
	if wasSet != isSet {
		return nil
	}
	return before
}

// listOf returns the children of the old container if those that are still
// there mean the same in the new one: they bear its name and use its variables.
func listOf(before, now *container) *list {
	if before == nil || before.why.PAP != now.why.PAP || before.header.ID != now.header.ID {
		return nil
	}
	if p, ok := before.from.(*policies.Policy); ok && len(p.Variables) > 0 {
		return nil
	}
	if p, ok := now.from.(*policies.Policy); ok && len(p.Variables) > 0 {
		return nil
	}
	return before.children
}

// container compiles what policies and policy sets have in common.
func (c *compilation) container(n policies.Node, h *policies.Header, set bool) *container {
	out := &container{from: n, header: h, set: set}
	out.why = &authz.Reason{PAP: cmp.Or(h.PAP, c.pap), Policy: h.ID, Position: h.Position.String()}
	combine, ok := findAlgorithm(h.Combining, set)
	if !ok {
		c.fail(h.Position, "%q: no combining algorithm for %s: %q", h.ID, listName(set), h.Combining)
	}
	out.combine = combine
	if set {
		out.target, out.duties = c.target(h.Target), c.duties(h.Obligations, h.Advice)
	}
	return out
}

func listName(set bool) string {
	if set {
		return "policies"
	}
	return "rules"
}

// CheckItems compiles what edits put, each by itself: all that can be said of
// them without the policies around.
func (c *Compiler) CheckItems(edits []policies.Edit) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	run := &compilation{compiler: c, tx: new(transaction), referenced: map[policies.Node]*libraryEntry{}, owner: &owner{}}
	for _, e := range edits {
		switch {
		case e.Rule != nil:
			run.rule(e.Rule)
		case e.Node != nil:
			run.node(e.Node, nil)
		}
	}
	return errors.Join(run.errs...)
}
