package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/kit"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
)

// Every case of the conformance kits from the command line: files in, flags as
// a user would give them, and what is printed compared with the oracle. The
// disputed cases are those of package kit.
func TestPolicyEvalRunsTheKits(t *testing.T) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	for name, total := range map[string]int{"xacml2": 374, "xacml3": 487} {
		k, err := kit.Open(filepath.Join(shared, "conformance"), name)
		if errors.Is(err, fs.ErrNotExist) {
			t.Skipf("no conformance kits in %s: set GATEHOUSE_SHARED", shared)
		}
		require.NoError(t, err)
		require.Len(t, k.Cases, total)
		extra := kitFiles(t)
		agree := 0
		for _, c := range k.Cases {
			answer, differs := evalCase(t, c, extra)
			if d, ok := k.Disputed[c.ID]; ok {
				require.Equal(t, d.Answer, answer, c.ID)
				require.Error(t, differs, c.ID)
				continue
			}
			require.NoError(t, differs, c.ID)
			agree++
		}
		require.Equal(t, total-len(k.Disputed), agree)
		t.Logf("%s: %d of %d cases agree from the command line", name, agree, total)
	}
}

// kitFiles writes what the instructions of the kits give in prose: a source of
// attributes and a tree of resources.
func kitFiles(t *testing.T) (dir string) {
	dir = t.TempDir()
	tree, err := yaml.Marshal(kit.Tree())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tree.yaml"), tree, 0o600))
	role := fmt.Sprintf(`{"Request": {"AccessSubject": {"Attribute": {"AttributeId": %q, "Value": "Physician"}}}}`, kit.Role)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "role.json"), []byte(role), 0o600))
	return dir
}

// evalCase gives the answer in short, and how it differs from the oracle's.
func evalCase(t *testing.T, c kit.Case, extra string) (answer string, differs error) {
	args := []string{"policy", "eval", "--request", c.Request, "--now", "2026-11-22T12:00:00Z", "--hierarchy", filepath.Join(extra, "tree.yaml")}
	for _, p := range c.Roots {
		args = append(args, "--policy", p)
	}
	for _, p := range c.References {
		args = append(args, "--policy-ref", p)
	}
	if len(c.Roots) > 1 {
		args = append(args, "--root-combining", "only-one-applicable")
	}
	if c.NeedsRole() {
		args = append(args, "--attributes", filepath.Join(extra, "role.json"))
	}
	var out, errs strings.Builder
	code := run(t.Context(), args, nil, &out, &errs)
	want, unreadable := c.Answer()
	switch {
	case code == exitUsage && (c.MayRefuse() || c.MayRefuseRequest()) && want.Results[0].Decision == authz.Indeterminate:
		require.Regexp(t, `:[0-9]+:[0-9]+: `, errs.String(), c.ID)
		return "refused", nil
	case code == exitUsage && strings.Contains(errs.String(), filepath.Base(c.Request)):
		return kit.Summary(wire.Refuse(errors.New(errs.String()))), errors.New(errs.String())
	case code != exitOK:
		return "refused", errors.New(errs.String())
	}
	got, err := wire.ReadResponse("answer", []byte(out.String()))
	require.NoError(t, err, c.ID)
	if unreadable != nil {
		return kit.Summary(got), unreadable
	}
	return kit.Summary(got), kit.Compare(want, got)
}
