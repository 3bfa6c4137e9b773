package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([^\n]+))?\n(.*?)^```$")

// The manual's examples are what it says they are: every block of SPL is
// accepted, every console shows what the program prints. "…" stands for lines
// left out.
func TestManualOfSPL(t *testing.T) {
	text := manual(t, "spl.md")
	table, err := spl.NewTable()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	policiesSeen, consoles := 0, 0
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		kind, name, body := block[1], block[2], block[3]
		if name != "" {
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, []byte(body), 0o644))
		}
		switch kind {
		case "spl":
			policiesSeen++
			require.NoError(t, spl.Check("spl.md", body, table))
		case "console":
			consoles++
			command, want, _ := strings.Cut(body, "\n")
			args := strings.Fields(strings.TrimPrefix(command, "$ gatehouse "))
			var out strings.Builder
			run(t.Context(), args, nil, &out, &out)
			requireShown(t, want, out.String(), command)
		}
	}
	require.GreaterOrEqual(t, policiesSeen, 4)
	require.GreaterOrEqual(t, consoles, 7)
	for _, a := range profile.Attributes() {
		require.Contains(t, text, "`"+a.Name+"`", "every name is in the manual")
	}
	for _, d := range profile.Duties() {
		require.Contains(t, text, "`"+d.Name+"`")
	}
}

// requireShown compares an output with what the manual shows of it.
func requireShown(t *testing.T, want, have, command string) {
	t.Helper()
	rest := have
	for i, part := range strings.Split("\n"+want, "\n…\n") {
		part = strings.TrimPrefix(part, "\n")
		at := strings.Index(rest, part)
		require.GreaterOrEqual(t, at, 0, "%s\nthe manual shows\n%s\nand it printed\n%s", command, part, have)
		if i == 0 {
			require.Zero(t, at, "%s\nthe manual shows\n%s\nand it printed\n%s", command, part, have)
		}
		rest = rest[at+len(part):]
	}
	if !strings.HasSuffix(want, "…\n") {
		require.Empty(t, rest, command)
	}
}
