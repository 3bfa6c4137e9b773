package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// A folded ban is the ban, whatever is in it, and the folder may be one for all.
func TestFoldedIsTheBan(t *testing.T) {
	var f folder
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just(""), rapid.String())
		when := rapid.Custom(func(t *rapid.T) time.Time {
			at := time.Unix(rapid.Int64().Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
			switch rapid.IntRange(0, 3).Draw(t, "zone") {
			case 0:
				return time.Time{}
			case 1:
				return at.In(time.FixedZone("x", 3600))
			}
			return time.Unix(at.Unix()%(1<<31), 0).UTC()
		})
		b := change.Ban{
			ID: text.Draw(t, "id"), PAP: text.Draw(t, "pap"), Resource: text.Draw(t, "resource"), Action: text.Draw(t, "action"),
			Author: text.Draw(t, "author"), Reason: text.Draw(t, "reason"), Ticket: text.Draw(t, "ticket"),
			Time: when.Draw(t, "time"), Until: when.Draw(t, "until"),
			Private: rapid.Bool().Draw(t, "private"), Alone: rapid.Bool().Draw(t, "alone"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "names") {
			b.Names = append(b.Names, change.Name{Attribute: rapid.SampledFrom([]string{"subject", "vo", ""}).Draw(t, "attribute"), Value: text.Draw(t, "value")})
		}
		kept := f.fold(&b)
		place, id := kept.Where()
		require.Equal(t, [2]string{b.PAP, b.ID}, [2]string{place, id})
		require.Equal(t, &b, kept.ban())
		require.NotSame(t, kept.ban(), kept.ban(), "nobody changes what another one got")
	})
}

// Bans of no name and of an empty one are not alike.
func TestFoldedTellsNamesApart(t *testing.T) {
	var f folder
	for _, names := range [][]change.Name{nil, {{Value: "x"}}, {{}, {Value: "y"}}, {{Attribute: "vo", Value: "z"}}} {
		b := change.Ban{ID: "a", Names: names}
		require.Equal(t, &b, f.fold(&b).ban())
	}
}
