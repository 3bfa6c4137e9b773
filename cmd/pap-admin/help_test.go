package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/command"
)

// The help of every verb has an example and says what exit codes mean.
func TestHelpIsWhole(t *testing.T) {
	require.Empty(t, command.Lacking((&app{}).root()))
}
