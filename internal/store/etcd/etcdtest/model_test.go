package etcdtest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// step is an operation on one lease key, as a client saw it.
type step struct {
	op      string // lease, release
	account string // released; of a lease it is in the output
}

// held is the state of a lease key: no account, a certain one, or one that
// nobody has been told yet.
type held string

const (
	nobody  held = ""
	unnamed held = "?"
)

// leaseModel says what the clients of one lease key may see: as long as its
// account is not released, it is the same. An operation of unknown outcome was
// made at some time after it was called, or never.
var leaseModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{nobody} },
	Step: func(state, input, output any) []any {
		next := transitions(state.(held), input.(step), output.(tell))
		all := make([]any, len(next))
		for i := range next {
			all[i] = next[i]
		}
		return all
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " -> ", output) },
}

func transitions(now held, in step, out tell) []held {
	if in.op == "release" {
		switch {
		case now == held(in.account) || now == unnamed:
			return []held{nobody}
		case out.Result == unknown:
			return []held{now}
		}
		return nil
	}
	switch {
	case out.Result == unknown && now == nobody:
		return []held{nobody, unnamed}
	case out.Result == unknown:
		return []held{now}
	case out.Result == full && now == nobody:
		return []held{now}
	case out.Result == full:
		return nil
	case now == nobody || now == unnamed || now == held(out.Account):
		return []held{held(out.Account)}
	}
	return nil
}

// checkKey looks for an order of the operations in which the model allows them.
func checkKey(history []porcupine.Operation) porcupine.CheckResult {
	model := leaseModel.ToModel()
	return porcupine.CheckOperationsTimeout(model, history, time.Minute)
}

// The model can refuse: histories that must not be.
func TestModelCanRefuse(t *testing.T) {
	at := func(from, to int64, in step, out tell) porcupine.Operation {
		return porcupine.Operation{Input: in, Output: out, Call: from, Return: to}
	}
	lease, ok := step{op: "lease"}, func(a string) tell { return tell{Account: a, Result: done} }
	release := func(a string) step { return step{op: "release", account: a} }
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		"the same twice":        {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, lease, ok("a"))}, porcupine.Ok},
		"two accounts":          {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, lease, ok("b"))}, porcupine.Illegal},
		"two accounts at once":  {[]porcupine.Operation{at(1, 4, lease, ok("a")), at(2, 3, lease, ok("b"))}, porcupine.Illegal},
		"another after release": {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, release("a"), tell{Result: done}), at(5, 6, lease, ok("b"))}, porcupine.Ok},
		"before the release":    {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(5, 6, release("a"), tell{Result: done}), at(3, 4, lease, ok("b"))}, porcupine.Illegal},
		"full while held":       {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, lease, tell{Result: full})}, porcupine.Illegal},
		"the old one again":     {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, release("a"), tell{Result: done}), at(5, 6, lease, ok("b")), at(7, 8, lease, ok("a"))}, porcupine.Illegal},
		"of a killed server":    {[]porcupine.Operation{at(1, math.MaxInt64, lease, tell{Result: unknown}), at(3, 4, lease, ok("b")), at(5, 6, lease, ok("b"))}, porcupine.Ok},
		"released by the dead":  {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, math.MaxInt64, release("a"), tell{Result: unknown}), at(5, 6, lease, ok("a")), at(7, 8, lease, ok("b"))}, porcupine.Ok},
		"a release of another":  {[]porcupine.Operation{at(1, 2, lease, ok("a")), at(3, 4, release("b"), tell{Result: done})}, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, checkKey(c.history)) })
	}
}
