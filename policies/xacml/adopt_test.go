package xacml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatternsThatBothDialectsReadAlike(t *testing.T) {
	for pattern, want := range map[string]string{
		`^(.*)$`: ".*", `^(a|b)$`: "a|b", `^(https://x\.y/[a-z0-9]+)$`: `https://x\.y/[a-z0-9]+`, `^(a(b|c)?)$`: "a(b|c)?", `^([^/]*)$`: "[^/]*",
	} {
		got, ok := anchoredPattern(pattern)
		require.True(t, ok, pattern)
		require.Equal(t, want, got)
	}
	for _, pattern := range []string{
		`a`, `^a$`, `^(a)|(b)$`, `^(a{2})$`, `^(a^b)$`, `^(a$)$`, `^(\d)$`, `^(\i)$`, `^([a-z-[aeiou]])$`, `^([[:alpha:]])$`, `^((?i)a)$`, `^(é)$`, `^([]a])$`, `^([a)$`, `^(\)$`,
	} {
		_, ok := anchoredPattern(pattern)
		require.False(t, ok, pattern)
	}
}
