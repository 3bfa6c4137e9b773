package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// visitorRequest is a question of one of many.
func visitorRequest(t testing.TB, n int, vo, action string) *authz.Request {
	r := &authz.Request{ID: fmt.Sprint("r", n)}
	dn, err := authz.ParseDN(fmt.Sprintf("/DC=test/CN=user %03d", n))
	require.NoError(t, err)
	r.Add(authz.Subject, profile.SubjectID, authz.DNValue(dn))
	r.Add(authz.Subject, profile.VO, authz.StringValue(vo))
	r.Add(authz.Subject, profile.CredentialStrength, authz.StringValue("strong"))
	r.Add(authz.Subject, profile.LimitedProxy, authz.BooleanValue(false))
	r.Add(authz.Resource, profile.ResourceID, authz.StringValue("https://ce.test/services/x"))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	r.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(60))
	return r
}

// ⚿ DECISIONS 20: what would lock out, or let in, more than the share of those
// who were here lately needs force, whatever kind of change it is; a ban of one
// person never does.
func TestLargeChangesNeedForce(t *testing.T) {
	r := newRunning(t, nil)
	by := change.Request{Author: change.Author{Name: "test"}}
	forced := change.Request{Author: by.Author, Force: true}
	come := func(n int) {
		vo := []string{"big", "big", "big", "small"}[n%4]
		_, err := r.witness.Decide(t.Context(), visitorRequest(t, n, vo, profile.ActionSubmit))
		require.NoError(t, err)
	}
	ban := func(q change.Request, names ...string) error {
		var bans []change.Ban
		for i := 0; i < len(names); i += 2 {
			bans = append(bans, change.Ban{Names: []change.Name{{Attribute: names[i], Value: names[i+1]}}})
		}
		_, err := r.site.pap.Ban(t.Context(), q, change.DefaultPAP, bans...)
		return err
	}
	unban := func(names ...string) {
		r.inForce(r.site.pap.Unban(t.Context(), forced, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: names[0], Value: names[1]}}}))
	}
	for n := range 4 {
		come(n)
	}
	require.NoError(t, ban(by, "vo", "big"), "three of four are too few to tell")
	unban("vo", "big")
	for n := range 40 {
		come(n)
	}
	before, err := r.site.pap.Revision(t.Context())
	require.NoError(t, err)
	err = ban(by, "vo", "big")
	require.ErrorIs(t, err, change.ErrLarge)
	require.ErrorContains(t, err, "it would change the answer for 30 of the 40 people who were here lately, more than 25 %: 30 would be refused what they may do now (/DC=test/CN=user ")
	after, err := r.site.pap.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)

	require.NoError(t, ban(by, "subject", "/DC=test/CN=user 000"), "one person")
	require.NoError(t, ban(by, "vo", "small"), "ten of forty are not more than a quarter")
	require.NoError(t, ban(forced, "vo", "big"))
	// Lifting it would let as many in again; so would other ways.
	r.inForce(r.site.pap.Ban(t.Context(), by, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "vo", Value: "nobody"}}}))
	_, err = r.site.pap.Unban(t.Context(), by, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "vo", Value: "big"}}})
	require.ErrorIs(t, err, change.ErrLarge)
	require.ErrorContains(t, err, "29 would be permitted what they may not do now")
	unban("vo", "big")
	unban("vo", "small")
	_, err = r.site.pap.RemoveAll(t.Context(), by, change.DefaultPAP, false)
	require.ErrorIs(t, err, change.ErrLarge, "all policies")
	require.ErrorContains(t, err, "39 would be refused")
	_, err = r.site.pap.AddRule(t.Context(), by, change.DefaultPAP, change.Rule{Resource: "https://ce.test/.*", Action: ".*", Names: []change.Name{{Attribute: "vo", Value: "big"}}})
	require.ErrorIs(t, err, change.ErrLarge, "one rule on top")
}

func TestSeen(t *testing.T) {
	var s seen
	var none *seen
	none.note(*visitorRequest(t, 1, "v", "a"))
	for n := range maxSeen + 10 {
		s.note(*visitorRequest(t, n, "v", "a"))
		s.note(*visitorRequest(t, 0, "v", fmt.Sprint("action ", n)))
	}
	anonymous := &authz.Request{ID: "1"}
	anonymous.Add(authz.Subject, profile.OIDCSubject, authz.StringValue("no issuer"))
	s.note(*anonymous)
	s.note(*bearing("https://iam.test/", "ann", "a"))
	asserted := visitorRequest(t, 5000, "v", "a")
	for i := range asserted.Attributes {
		asserted.Attributes[i].Standing = authz.Presented
	}
	s.note(*asserted)
	names, requests := s.all()
	require.Len(t, names, maxSeen)
	require.Equal(t, []string{"https://iam.test/#ann", "/DC=test/CN=user 000"}, names[:2])
	require.Len(t, requests[1], maxRequests)
	require.Len(t, s.people, maxSeen)
	require.NotContains(t, names, "/DC=test/CN=user 001", "not seen for longest")
	require.NotContains(t, names, "/DC=test/CN=user 5000", "nobody verified who that is")
}

// slow decides in its own time.
type slow time.Duration

func (s slow) Decide(ctx context.Context, _ *authz.Request) (authz.Response, error) {
	select {
	case <-time.After(time.Duration(s)):
		return authz.Response{Decision: authz.Permit}, nil
	case <-ctx.Done():
		return authz.Response{}, ctx.Err()
	}
}

// ⚿ Weighing holds up no change: what there is no time for is left out.
func TestWeighingIsBounded(t *testing.T) {
	var s seen
	for n := range maxSeen {
		s.note(*visitorRequest(t, n, "v", "a"))
	}
	start := time.Now()
	w := s.weigh(t.Context(), slow(5*time.Millisecond), always(authz.Deny))
	require.Less(t, time.Since(start), weighing+time.Second)
	require.NotZero(t, w.looked)
	require.Less(t, w.looked, maxSeen)
	require.Equal(t, w.looked, w.changed())
	require.NoError(t, s.weigh(t.Context(), broken{}, always(authz.Deny)).large(1))
}

type broken struct{}

func (broken) Decide(context.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{}, errors.New("broken")
}

func BenchmarkWeigh(b *testing.B) {
	var s seen
	for n := range maxSeen {
		for a := range maxRequests {
			s.note(*visitorRequest(b, n, "v", fmt.Sprint(a)))
		}
	}
	for b.Loop() {
		s.weigh(b.Context(), always(authz.Permit), always(authz.Permit))
	}
}
