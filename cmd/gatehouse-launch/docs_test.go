package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
)

// Every key of launch.yaml has its row in the manual with the default that the
// program takes, no row is about a key that is none, and the example loads.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n## launch.yaml\n")
	require.True(t, found)
	body, _, _ := strings.Cut(rest, "\n## ")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|([^|]*)\\|").FindAllStringSubmatch(body, -1) {
		rows[m[1]] = strings.TrimSpace(m[2])
	}
	c := reflect.ValueOf(defaults())
	for i := range c.NumField() {
		key := c.Type().Field(i).Tag.Get("yaml")
		require.Contains(t, rows, key)
		if !c.Field(i).IsZero() {
			require.Equal(t, fmt.Sprintf("`%v`", c.Field(i)), rows[key], key)
		}
		delete(rows, key)
	}
	require.Empty(t, rows, "rows about keys that are none")

	_, block, found := strings.Cut(body, "```yaml\n# launch.yaml\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	example := defaults()
	require.NoError(t, conf.Load("launch.yaml", []byte(block), &example))
	example.RunJobsAsSelf = true // else only root may
	require.NoError(t, example.check())
}
