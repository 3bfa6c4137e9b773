package eval

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFunctionsThatAreNearlyRight(t *testing.T) {
	run := &compilation{compiler: NewCompiler(nil)}
	for id, want := range map[string]string{
		one0 + "string-starts-with":  three0 + "string-starts-with",
		one0 + "string-eqaul":        one0 + "string-equal",
		one0 + "strin-equal":         one0 + "string-equal",
		one0 + "string-equals":       one0 + "string-equal",
		"urn:other:string-equal":     one0 + "string-equal",
		one0 + "something-different": "",
	} {
		got := run.suggestion(id)
		if want != "" {
			want = `; did you mean "` + want + `"?`
		}
		require.Equal(t, want, got, id)
	}
}
