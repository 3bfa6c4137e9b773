package main

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	firstCell = regexp.MustCompile("(?m)^\\| (`[^|]*) \\|")
	quoted    = regexp.MustCompile("`([^`]+)`")
)

// tabled are the words in the first cells of the tables of a section.
func tabled(t *testing.T, heading string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, cell := range firstCell.FindAllStringSubmatch(section(t, manual(t, "overview.md"), heading), -1) {
		for _, word := range quoted.FindAllStringSubmatch(cell[1], -1) {
			require.NotContains(t, all, word[1], "twice")
			all[word[1]] = true
		}
	}
	return all
}

// The overview names each package that there is, and none that there is not.
func TestOverviewNamesEveryPackage(t *testing.T) {
	const root = "../.."
	there := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if dir, err := filepath.Rel(root, filepath.Dir(path)); err == nil && dir != "." && strings.HasSuffix(path, ".go") &&
			!strings.HasPrefix(dir, "bench/") {
			there[filepath.ToSlash(dir)] = true
		}
		return err
	}))
	require.Equal(t, there, tabled(t, "Packages"))
}

// It names each verb of gatehouse, and those below it.
func TestOverviewNamesEveryVerb(t *testing.T) {
	commands := section(t, manual(t, "overview.md"), "Commands")
	for _, verb := range newRoot().Commands() {
		if verb.Name() == "completion" || verb.Name() == "help" {
			continue
		}
		row := regexp.MustCompile("(?m)^\\| `gatehouse " + verb.Name() + "` .*$").FindString(commands)
		require.NotEmpty(t, row, verb.Name())
		for _, below := range verb.Commands() {
			require.Contains(t, row, "`"+below.Name()+"`", verb.Name())
		}
	}
}
