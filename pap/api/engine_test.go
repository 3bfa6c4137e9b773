package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/stretchr/testify/require"
)

// The whole way of a ban: an administrator's command over mutual TLS, the
// store, the feed over mutual TLS, and a decision point that denies.
func TestBanReachesADecisionPoint(t *testing.T) {
	s := newSite(t)
	c := s.as("alice")
	_, err := c.AddFile(bg, change.Request{}, "default", change.File{Name: "f", Text: `resource ".*" { action ".*" { rule permit { vo = "dteam" } } }`}, change.At{})
	require.NoError(t, err)
	engine := pdp.New(pdp.Options{MaxStale: time.Hour})
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error, 1)
	f := s.follower("pdp", "copy")
	go func() { done <- engine.Follow(ctx, f) }()
	defer func() { cancel(); <-done }()

	dn, err := authz.ParseDN("/DC=org/DC=example/CN=Eve")
	require.NoError(t, err)
	ask := &authz.Request{}
	ask.Add(authz.Subject, profile.SubjectID, authz.DNValue(dn))
	ask.Add(authz.Resource, profile.ResourceID, authz.StringValue("ce"))
	ask.Add(authz.Action, profile.ActionID, authz.StringValue("submit"))
	for _, a := range profile.Attributes() {
		if a.Name == "vo" {
			vo, err := authz.ParseValue(a.Type, "dteam")
			require.NoError(t, err)
			ask.Add(a.Category, a.ID, vo)
		}
	}
	decide := func() authz.Decision {
		answer, err := engine.Decide(bg, ask)
		require.NoError(t, err)
		return answer.Decision
	}
	require.Eventually(t, func() bool { return decide() == authz.Permit }, 5*time.Second, time.Millisecond)

	start := time.Now()
	r, err := c.Waiting(5*time.Second).Ban(bg, change.Request{}, "default", subject("CN = eve , DC=Example,DC=ORG"))
	require.NoError(t, err)
	require.Empty(t, r.Pending)
	require.Equal(t, authz.Deny, decide(), "the answer to --wait means that it is in force")
	t.Logf("from the command to the answer that every decision point denies: %v", time.Since(start))

	_, err = c.Waiting(5*time.Second).Unban(bg, change.Request{Force: true}, "default", change.Ban{ID: r.IDs[0]})
	require.NoError(t, err)
	require.Equal(t, authz.Permit, decide())
}
