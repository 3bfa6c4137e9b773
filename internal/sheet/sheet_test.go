package sheet

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func render(columns []string, rows ...[]string) string {
	var b strings.Builder
	s := New(&b, columns...)
	for _, r := range rows {
		s.Row(r...)
	}
	s.Render()
	return b.String()
}

func TestNarrowTableStaysAsItIs(t *testing.T) {
	require.Equal(t, ""+
		" WHO            WHY\n"+
		" subject=/CN=x  stolen key\n", render([]string{"WHO", "WHERE", "WHY"}, []string{"subject=/CN=x", "", "stolen key"}), "and the empty column goes")
}

// A name is broken before the next of its parts, and what cannot be broken is
// left whole, so that it can be copied.
func TestWideTableIsBrokenWhereAReaderCanFollow(t *testing.T) {
	dn, id := "/DC=org/DC=grid/OU=people/CN=A Site Administrator Of Many Names", "ban-d5e153f2fba3e90d0c89252f76fa4a09"
	said := render([]string{"WHO", "BY", "ID"}, []string{"subject=" + dn, dn, id})
	require.Contains(t, said, id)
	require.Contains(t, said, "\n")
	require.Equal(t, " subject=/DC=org/DC=grid      /DC=org/DC=grid/OU=people  ban-d5e153f2fba3e90d0c89252f76fa4a09", strings.Split(said, "\n")[1], said)
}

func TestWide(t *testing.T) {
	var b strings.Builder
	s := New(&b, "WHO")
	s.Wide()
	s.Row(strings.Repeat("/CN=x", 50))
	s.Render()
	require.Contains(t, b.String(), strings.Repeat("/CN=x", 50))
}

// However wide the cells are, no line is wider than the sheet, and no letter of
// a cell is lost.
func TestEveryTableFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`([a-zäö]{1,12}[ /,]){0,12}[a-z]{1,12}`)
		row := rapid.SliceOfN(cell, 4, 4).Draw(t, "row")
		said := render([]string{"ONE", "TWO", "THREE", "FOUR"}, row)
		for line := range strings.SplitSeq(said, "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), Width, said)
		}
		letters := func(s string) string { return strings.Join(strings.Fields(s), "") }
		for i, c := range row {
			require.Equal(t, letters(c), letters(wrap(c, 20)), "cell %d", i)
		}
	})
}
