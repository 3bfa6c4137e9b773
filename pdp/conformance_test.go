package pdp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// The conformance kits of OASIS, every case of them: policy documents through
// policies/xacml, the request and the response as bytes through pdp/context,
// the decision by the Engine. A case whose oracle is disputed stands in a list
// with the reason and with our answer, and fails when that answer changes.

// conformanceCase is a line of a kit's INDEX.tsv.
type conformanceCase struct {
	kit      string            // folder
	names    map[string]string // the files there, by their names in small letters
	id       string
	policies []string
	request  string
	response string
}

// dispute says why we do not give the answer of a kit, and what we answer: the
// decision and status of each result, or "refused" for a policy that is not
// put in force.
type dispute struct{ reason, answer string }

func TestConformanceTwo(t *testing.T) { conform(t, "xacml2", 374, disputedTwo) }

func TestConformanceThree(t *testing.T) { conform(t, "xacml3", 487, disputedThree) }

func conform(t *testing.T, kit string, total int, disputed map[string]dispute) {
	cases := conformanceCases(t, kit)
	require.Len(t, cases, total)
	agreeing, listed := 0, 0
	for _, c := range cases {
		t.Run(c.id, func(t *testing.T) {
			answer, differs := c.run(t)
			d, ok := disputed[c.id]
			switch {
			case !ok:
				require.NoError(t, differs, "answer: %s", answer)
				agreeing++
			case differs == nil:
				t.Errorf("the case agrees with its oracle now: take it off the list")
			default:
				require.Equal(t, d.answer, answer, "%v", differs)
				listed++
				t.Logf("disputed: %s: we answer %s", d.reason, answer)
			}
		})
	}
	require.Len(t, disputed, listed, "a listed case is not in the kit")
	t.Logf("%s: %d cases, %d agree, %d disputed", kit, len(cases), agreeing, listed)
}

func conformanceCases(t *testing.T, kit string) (cases []conformanceCase) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	folder := filepath.Join(shared, "conformance", kit)
	index, err := os.Open(filepath.Join(folder, "INDEX.tsv"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no conformance kit at %s: set GATEHOUSE_SHARED", folder)
	}
	require.NoError(t, err)
	defer index.Close()
	names := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		names[strings.ToLower(path)] = path
		return err
	}))
	for lines := bufio.NewScanner(index); lines.Scan(); {
		f := strings.Split(lines.Text(), "\t")
		if f[0] != "id" {
			cases = append(cases, conformanceCase{folder, names, f[0], strings.Split(f[1], ","), f[2], f[3]})
		}
	}
	return cases
}

// read returns a file of the kit, whatever the case of its name's letters.
func (c conformanceCase) read(t *testing.T, name string) (string, []byte) {
	path, ok := c.names[strings.ToLower(filepath.Join(c.kit, name))]
	require.True(t, ok, "no such file: %s", name)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return filepath.Base(path), data
}

// run answers the case in the form of its request and compares what a client
// would read; the answer in JSON must say the same.
func (c conformanceCase) run(t *testing.T) (answer string, differs error) {
	name, data := c.read(t, c.response)
	want, unreadable := wire.ReadResponse(name, data)
	engine, err := c.engine(t)
	if err != nil {
		return "refused", c.refused(want, err)
	}
	name, data = c.read(t, c.request)
	request, err := wire.Read(name, data, conformanceOptions())
	form, response := wire.ThreeXML, wire.Response{}
	if err != nil {
		response = wire.Refuse(err)
	} else {
		form = request.Form
		response, err = request.Decide(t.Context(), attributeSource{t, engine, c.id})
		require.NoError(t, err)
	}
	if unreadable != nil {
		return summary(response), unreadable
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
		if differs = compare(want, got); differs != nil {
			return summary(got), fmt.Errorf("%w\n%s", differs, written)
		}
	}
	return summary(response), nil
}

// refused accepts that an invalid policy is never put in force, where the kit
// expects an error: its instructions allow either.
func (c conformanceCase) refused(want wire.Response, err error) error {
	if slices.Contains([]string{"IIA004", "IIC003", "IIC012", "IIC014", "IIC332", "IIC335"}, c.id) && want.Results[0].Decision == authz.Indeterminate {
		return nil
	}
	return err
}

func conformanceOptions() wire.Options {
	return wire.Options{
		Verified: func(authz.Category, string) bool { return true },
		Children: tree,
	}
}

// tree is that of IIICSpecial.txt.
func tree(resource authz.Value) (children []authz.Value, err error) {
	below := map[string][]string{
		"urn:root":        {"urn:root:child1", "urn:root:child2"},
		"urn:root:child1": {"urn:root:child1:descendant1", "urn:root:child1:descendant2"},
		"urn:root:child2": {"urn:root:child2:descendant1", "urn:root:child2:descendant2"},
	}
	for _, uri := range below[resource.Text()] {
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
	id     string
}

func (s attributeSource) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	if s.id == "IIA002" {
		r.Add(authz.Subject, "urn:oasis:names:tc:xacml:1.0:example:attribute:role", authz.StringValue("Physician"))
	}
	response, err := s.engine.Decide(ctx, r)
	require.NoError(s.t, err)
	explanation, err := s.engine.Explain(ctx, r)
	require.NoError(s.t, err)
	require.NoError(s.t, compareOne(wire.Result{Response: response}, wire.Result{Response: explanation.Response}))
	require.Equal(s.t, response.Extent, explanation.Response.Extent)
	require.Equal(s.t, response.Status, explanation.Response.Status)
	require.Contains(s.t, explanation.Root.Result, response.Decision.String())
	return response, err
}

// engine puts the case's policies in force. A single policy set is the root
// itself; a policy is the only child of one under first-applicable, which
// passes on everything about its answer. Several roots are a repository, of
// which only one may apply (IID029, IID030).
func (c conformanceCase) engine(t *testing.T) (*pdp.Engine, error) {
	var nodes []policies.Node
	for _, file := range c.policies {
		name, data := c.read(t, file)
		node, err := xacml.Parse(name, data)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	snapshot := &policies.Snapshot{Revision: revision(1)}
	switch {
	case strings.HasPrefix(c.id, "IID029"), strings.HasPrefix(c.id, "IID030"):
		snapshot.Root = rootOf(policies.OnlyOneApplicable, nodes...)
	default:
		snapshot.Root, snapshot.Library = rootOf(policies.FirstApplicable, nodes[0]), nodes[1:]
	}
	if c.id == "IIE003" {
		// By its instructions: a policy that does not pass the checks is never
		// made available, and the reference to it must do no harm.
		_, err := inForce(&policies.Snapshot{Revision: revision(1), Root: rootOf(policies.FirstApplicable, nodes[2])})
		require.Error(t, err)
		snapshot.Library = nodes[1:2]
	}
	return inForce(snapshot)
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

func summary(r wire.Response) string {
	var all []string
	for _, one := range r.Results {
		s := one.Decision.String()
		if one.Status != nil {
			s += " " + one.Status.Code[strings.LastIndexByte(one.Status.Code, ':')+1:]
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}
