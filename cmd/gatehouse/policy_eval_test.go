package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Input that cannot be used is exit code 2, not 1: a script tells a refusal of
// its files from everything else.
func TestPolicyEvalExitCodes(t *testing.T) {
	var out, errs strings.Builder
	code := run(t.Context(), []string{"policy", "eval", "--policy", "absent.spl", "--request", "absent.xml"}, nil, &out, &errs)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs.String(), "absent.spl")
	require.Empty(t, out.String())
}
