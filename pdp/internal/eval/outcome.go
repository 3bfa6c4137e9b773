package eval

import "github.com/gatehouse-authz/gatehouse/authz"

// outcome is what a node of the tree answers. The duties that go with it are
// the segments it left on the frame.
type outcome struct {
	decision authz.Decision
	extent   authz.Extent
	by       reasoner      // who decided
	status   *authz.Status // what went wrong, with Indeterminate
}

// reasoner gives the reason of a decision; the same one each time.
type reasoner interface{ reason() *authz.Reason }

var notApplicable = outcome{decision: authz.NotApplicable}

func uncertain(extent authz.Extent, by reasoner, status *authz.Status) outcome {
	return outcome{extent: extent, by: by, status: status}
}

func extentOf(effect authz.Effect) authz.Extent {
	if effect == authz.Permit {
		return authz.ExtentPermit
	}
	return authz.ExtentDeny
}

// dutySegment is the obligations and advice of one rule, policy or set.
type dutySegment struct{ obligations, advice []authz.Obligation }

// drop forgets the duties from mark on.
func (f *frame) drop(mark int) { f.duties = f.duties[:mark] }

// keepFrom forgets the duties between mark and from, and keeps the later ones.
func (f *frame) keepFrom(mark, from int) {
	f.duties = f.duties[:mark+copy(f.duties[mark:], f.duties[from:])]
}

// collect joins the duties on the frame. One segment is shared, not copied.
func (f *frame) collect() (obligations, advice []authz.Obligation) {
	for i := range f.duties {
		obligations = join(obligations, f.duties[i].obligations)
		advice = join(advice, f.duties[i].advice)
	}
	return obligations, advice
}

func join(all, more []authz.Obligation) []authz.Obligation {
	switch {
	case len(all) == 0:
		return more
	case len(more) == 0:
		return all
	}
	return append(all[:len(all):len(all)], more...)
}
