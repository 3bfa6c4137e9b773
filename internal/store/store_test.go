package store_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
)

func FuzzParseLineage(f *testing.F) {
	for _, seed := range []string{"", "00", strings.Repeat("0", 32), strings.Repeat("g", 32), "000102030405060708090A0B0C0D0E0F", strings.Repeat("0", 33)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := store.ParseLineage(text)
		if err != nil {
			require.Zero(t, l)
			return
		}
		require.Equal(t, strings.ToLower(text), l.String())
	})
}
