package pdp_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/kit"
	"github.com/gatehouse-authz/gatehouse/pdp"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// The conformance kits of OASIS, every case of them: policy documents through
// policies/xacml, the request and the response as bytes through pdp/context,
// the decision by the Engine. A case whose oracle is disputed stands in a list
// with the reason and with our answer, and fails when that answer changes.

func TestConformanceTwo(t *testing.T) { conform(t, "xacml2", 374) }

func TestConformanceThree(t *testing.T) { conform(t, "xacml3", 487) }

func conform(t *testing.T, name string, total int) {
	k, err := kit.Open(kits(), name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no conformance kit at %s: set GATEHOUSE_SHARED", kits())
	}
	require.NoError(t, err)
	require.Len(t, k.Cases, total)
	agreeing, listed := 0, 0
	for _, c := range k.Cases {
		t.Run(c.ID, func(t *testing.T) {
			answer, differs := runCase(t, c)
			d, ok := k.Disputed[c.ID]
			switch {
			case !ok:
				require.NoError(t, differs, "answer: %s", answer)
				agreeing++
			case differs == nil:
				t.Errorf("the case agrees with its oracle now: take it off the list")
			default:
				require.Equal(t, d.Answer, answer, "%v", differs)
				listed++
				t.Logf("disputed: %s: we answer %s", d.Reason, answer)
			}
		})
	}
	require.Len(t, k.Disputed, listed, "a listed case is not in the kit")
	t.Logf("%s: %d cases, %d agree, %d disputed", name, len(k.Cases), agreeing, listed)
}

// kits is the folder of the kits.
func kits() string {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	return filepath.Join(shared, "conformance")
}

// runCase answers the case in the form of its request and compares what a
// client would read; the answer in JSON must say the same.
func runCase(t *testing.T, c kit.Case) (answer string, differs error) {
	want, unreadable := c.Answer()
	engine, err := caseEngine(t, c)
	if err != nil {
		if c.MayRefuse() && want.Results[0].Decision == authz.Indeterminate {
			err = nil
		}
		return "refused", err
	}
	data, err := os.ReadFile(c.Request)
	require.NoError(t, err)
	request, err := wire.Read(filepath.Base(c.Request), data, conformanceOptions())
	form, response := wire.ThreeXML, wire.Response{}
	if err != nil {
		response = wire.Refuse(err)
	} else {
		form = request.Form
		response, err = request.Decide(t.Context(), attributeSource{t, engine, c})
		require.NoError(t, err)
	}
	if unreadable != nil {
		return kit.Summary(response), unreadable
	}
	hideRoot(&response)
	for _, f := range []wire.Form{form, wire.JSON} {
		if f == wire.JSON && form == wire.TwoXML {
			continue
		}
		written, err := response.Write(f)
		require.NoError(t, err)
		got, err := wire.ReadResponse("answer", written)
		require.NoError(t, err, "%s", written)
		if differs = kit.Compare(want, got); differs != nil {
			return kit.Summary(got), fmt.Errorf("%w\n%s", differs, written)
		}
	}
	return kit.Summary(response), nil
}

func conformanceOptions() wire.Options {
	return wire.Options{
		Verified: func(authz.Category, string) bool { return true },
		Children: tree,
	}
}

// tree is that of IIICSpecial.txt.
func tree(resource authz.Value) (children []authz.Value, err error) {
	for _, uri := range kit.Tree()[resource.Text()] {
		child, err := authz.ParseValue(resource.Type(), uri)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}

// attributeSource is the external source of IIA002Special.txt and PIP.txt. It
// also sees to it that an explanation gives the same answer, with a tree.
type attributeSource struct {
	t      *testing.T
	engine *pdp.Engine
	c      kit.Case
}

func (s attributeSource) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	if s.c.NeedsRole() {
		r.Add(authz.Subject, kit.Role, authz.StringValue("Physician"))
	}
	response, err := s.engine.Decide(ctx, r)
	require.NoError(s.t, err)
	explanation, err := s.engine.Explain(ctx, r)
	require.NoError(s.t, err)
	require.NoError(s.t, kit.CompareOne(wire.Result{Response: response}, wire.Result{Response: explanation.Response}))
	require.Equal(s.t, response.Extent, explanation.Response.Extent)
	require.Equal(s.t, response.Status, explanation.Response.Status)
	require.Contains(s.t, explanation.Root.Result, response.Decision.String())
	return response, err
}

// caseEngine puts the case's policies in force. A single policy set is the root
// itself; a policy is the only child of one under first-applicable, which
// passes on everything about its answer. Several roots are a repository, of
// which only one may apply (IID029, IID030).
func caseEngine(t *testing.T, c kit.Case) (*pdp.Engine, error) {
	roots, err := parsePolicies(c.Roots)
	if err != nil {
		return nil, err
	}
	snapshot := &policies.Snapshot{Revision: revision(1)}
	if snapshot.Library, err = parsePolicies(c.References); err != nil {
		return nil, err
	}
	combining := policies.FirstApplicable
	if len(roots) > 1 {
		combining = policies.OnlyOneApplicable
	}
	snapshot.Root = rootOf(combining, roots...)
	if len(c.Withheld) > 0 {
		// By its instructions: a policy that does not pass the checks is never
		// made available, and the reference to it must do no harm.
		invalid, err := parsePolicies(c.Withheld)
		require.NoError(t, err)
		_, err = inForce(&policies.Snapshot{Revision: revision(1), Root: rootOf(policies.FirstApplicable, invalid...)})
		require.Error(t, err)
	}
	return inForce(snapshot)
}

func parsePolicies(paths []string) (nodes []policies.Node, err error) {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		node, err := xacml.Parse(filepath.Base(path), data)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func inForce(s *policies.Snapshot) (*pdp.Engine, error) {
	noon := func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	e := pdp.New(pdp.Options{Clock: noon})
	return e, e.Apply(policies.Update{To: s.Revision, Base: s})
}

func rootOf(combining policies.Algorithm, nodes ...policies.Node) *policies.PolicySet {
	if set, ok := nodes[0].(*policies.PolicySet); ok && len(nodes) == 1 {
		return set
	}
	return &policies.PolicySet{
		Header:   policies.Header{ID: policies.RootID, Version: "1.0", Combining: combining},
		Children: policies.NewList(placed(nodes)...),
	}
}

func placed(nodes []policies.Node) []policies.Node {
	for i, place := range policies.Places(len(nodes)) {
		switch n := nodes[i].(type) {
		case *policies.Policy:
			n.Place = place
		case *policies.PolicySet:
			n.Place = place
		}
	}
	return nodes
}

// hideRoot takes the root that was put around a policy from the list of those
// that applied.
func hideRoot(r *wire.Response) {
	for i := range r.Results {
		r.Results[i].Policies = slices.DeleteFunc(slices.Clone(r.Results[i].Policies), func(p authz.PolicyID) bool { return p.ID == policies.RootID })
	}
}
