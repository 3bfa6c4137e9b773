package context_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// kit returns the files of the conformance kits that match a pattern, by name.
func kit(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	names, err := filepath.Glob(filepath.Join(shared, "conformance", pattern))
	require.NoError(t, err)
	if len(names) == 0 {
		t.Skipf("no conformance kit at %s: set GATEHOUSE_SHARED", shared)
	}
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		files[filepath.Base(name)] = data
	}
	return files
}
