package eval_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// So many bans that they are hashed on several cores deny whom they name, with
// their own reason, and nobody else; one more and one less does not disturb
// the others.
func TestManyBans(t *testing.T) {
	const n = 10_001
	w := newWorkload(n)
	c := eval.NewCompiler(nil)
	p, err := c.Compile(w.snapshot, nil)
	require.NoError(t, err)
	require.Equal(t, n, p.Counts().Bans)
	denied := func(p *eval.Program, dn string) string {
		got := p.Decide(context.Background(), gridRequest(t, dn, vo(0), "https://elsewhere.example.org", actions[0]), someNow)
		if got.Decision != authz.Deny {
			require.Equal(t, authz.NotApplicable, got.Decision)
			return ""
		}
		return got.Reason.Rule
	}
	for i := range n {
		require.Equal(t, fmt.Sprintf("ban-%07d", i), denied(p, bannedDN(i)))
	}
	require.Empty(t, denied(p, normalDN(1)))

	fresh := &policies.Rule{ID: "fresh", Effect: authz.Deny, Ban: true, Target: oneMatch(profile.FunctionBanName, normalDN(1), &policies.Designator{Category: authz.Subject, ID: profile.SubjectID})}
	next, err := w.snapshot.Apply(policies.Update{
		From: w.snapshot.Revision, To: authz.Revision{Lineage: "l", Number: 2},
		Edits: []policies.Edit{policies.PutRule(fresh, policies.BansID), policies.RemoveItem("", "ban-0005000", policies.BansID)},
	})
	require.NoError(t, err)
	after, err := c.Compile(next, p)
	require.NoError(t, err)
	for i, want := range map[int]string{4999: "ban-0004999", 5000: "", 5001: "ban-0005001"} {
		require.Equal(t, want, denied(after, bannedDN(i)))
	}
	require.Equal(t, "fresh", denied(after, normalDN(1)))
	require.Equal(t, "ban-0005000", denied(p, bannedDN(5000)))
	require.Empty(t, denied(p, normalDN(1)))
}
