package policies

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// The ids of the nodes that every snapshot has.
const (
	RootID = "root"
	BansID = "bans"
)

// PAPID returns the id of the policy set that holds the policies of a PAP.
func PAPID(alias string) string { return "pap:" + alias }

// Snapshot is the whole of the policies at one revision. It is immutable.
type Snapshot struct {
	Revision authz.Revision
	Root     *PolicySet
	// Library holds the policies that References resolve to, in any order.
	Library []Node
}

// NewRoot returns the root of DECISIONS 10: bans before everything, then the
// given policy sets in their places.
func NewRoot(bans List[*Rule], paps ...Node) *PolicySet {
	first := &Policy{
		Header: Header{ID: BansID, Version: "1.0", Combining: DenyOverrides, Description: "bans of every enabled PAP"},
		Rules:  bans,
	}
	return &PolicySet{
		Header:   Header{ID: RootID, Version: "1.0", Combining: FirstApplicable},
		Children: NewList(append([]Node{first}, paps...)...),
	}
}

// Update takes a follower from one revision to another: Base replaces all that
// the follower has, Edits change it in their order. Edits apply only to From.
type Update struct {
	From, To authz.Revision
	Base     *Snapshot
	Edits    []Edit
	// Confirmed is when the source last knew To to be the newest. Zero is now.
	// It is earlier when a follower serves its copy while its PAP is away;
	// staleness counts from it (DECISIONS 9).
	Confirmed time.Time
}

// Operation is what an Edit does.
type Operation uint8

// The operations.
const (
	Put Operation = iota + 1 // insert the item, or replace the one of that place and id
	Remove
)

// Edit changes one item of one list. In is the ids on the way from the root
// (exclusive) to the node whose list changes: empty for the root's own
// children, ["bans"] for a ban, ["pap:default", "<resource>", "<action>"] for
// an SPL rule. Place and ID name the item; with Put exactly one of Rule and
// Node is set and carries the same place and id. A move is a Remove and a Put.
type Edit struct {
	Operation Operation
	In        []string
	Place, ID string
	Rule      *Rule
	Node      Node
}

// PutRule returns the edit that puts a rule into the policy at that path.
func PutRule(r *Rule, in ...string) Edit {
	return Edit{Operation: Put, In: in, Place: r.Place, ID: r.ID, Rule: r}
}

// PutNode returns the edit that puts a node into the policy set at that path.
func PutNode(n Node, in ...string) Edit {
	place, id := n.Where()
	return Edit{Operation: Put, In: in, Place: place, ID: id, Node: n}
}

// RemoveItem returns the edit that removes an item from the node at that path.
func RemoveItem(place, id string, in ...string) Edit {
	return Edit{Operation: Remove, In: in, Place: place, ID: id}
}

// Apply returns the snapshot after an update; the one before stays valid. It
// fails, changing nothing, when the update does not follow on the snapshot or
// an edit names something that is not there: the follower must then ask for a
// new base.
func (s *Snapshot) Apply(u Update) (*Snapshot, error) {
	if u.Base != nil {
		return u.Base, nil
	}
	if s == nil || s.Revision != u.From {
		return nil, fmt.Errorf("update from revision %s does not follow on %s", u.From, s.at())
	}
	root := s.Root
	for i, e := range u.Edits {
		next, err := root.edit(e, e.In)
		if err != nil {
			return nil, fmt.Errorf("edit %d of update to %s: %w", i, u.To, err)
		}
		root = next
	}
	return &Snapshot{Revision: u.To, Root: root, Library: s.Library}, nil
}

func (s *Snapshot) at() string {
	if s == nil {
		return "nothing"
	}
	return s.Revision.String()
}

// edit returns a copy of the set with the edit made at the path below it.
func (s *PolicySet) edit(e Edit, in []string) (*PolicySet, error) {
	next := *s
	if len(in) == 0 {
		children, err := change(s.Children, e, e.Node, e.Node != nil && e.Rule == nil)
		if err != nil {
			return nil, fmt.Errorf("in %q: %w", s.ID, err)
		}
		next.Children = children
		return &next, nil
	}
	child, ok := s.Children.Find(in[0])
	if !ok {
		return nil, fmt.Errorf("no %q in %q", in[0], s.ID)
	}
	edited, err := editNode(child, e, in[1:])
	if err != nil {
		return nil, err
	}
	next.Children = s.Children.Put(edited)
	return &next, nil
}

func editNode(n Node, e Edit, in []string) (Node, error) {
	switch n := n.(type) {
	case *PolicySet:
		return n.edit(e, in)
	case *Policy:
		if len(in) > 0 {
			return nil, fmt.Errorf("%q is a policy and holds no %q", n.ID, in[0])
		}
		rules, err := change(n.Rules, e, e.Rule, e.Rule != nil && e.Node == nil)
		if err != nil {
			return nil, fmt.Errorf("in %q: %w", n.ID, err)
		}
		next := *n
		next.Rules = rules
		return &next, nil
	}
	_, id := n.Where()
	return nil, fmt.Errorf("%q cannot be edited, only replaced", id)
}

func change[T Item](l List[T], e Edit, item T, fits bool) (List[T], error) {
	switch {
	case e.Operation == Put && fits:
		if place, id := item.Where(); place != e.Place || id != e.ID {
			return l, fmt.Errorf("item %q at %q under the name %q at %q", id, place, e.ID, e.Place)
		}
		return l.Put(item), nil
	case e.Operation == Remove:
		next, ok := l.Remove(e.Place, e.ID)
		if !ok {
			return l, fmt.Errorf("no item %q at %q", e.ID, e.Place)
		}
		return next, nil
	}
	return l, fmt.Errorf("operation %d with the wrong kind of item %q", e.Operation, e.ID)
}

// Compose joins two updates that follow on each other.
func Compose(a, b Update) (Update, error) {
	switch {
	case b.Base != nil:
		return Update{From: a.From, To: b.To, Base: b.Base, Confirmed: b.Confirmed}, nil
	case a.To != b.From:
		return Update{}, fmt.Errorf("update from %s does not follow on one to %s", b.From, a.To)
	case a.Base != nil:
		base, err := a.Base.Apply(b)
		return Update{From: a.From, To: b.To, Base: base, Confirmed: b.Confirmed}, err
	}
	return Update{From: a.From, To: b.To, Edits: slices.Concat(a.Edits, b.Edits), Confirmed: b.Confirmed}, nil
}
