package pap_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// flat lists what a snapshot says, item by item in their order, so that two of
// them can be compared however their lists are chunked.
func flat(s *policies.Snapshot) []string {
	return append([]string{s.Revision.String()}, flatNode(s.Root)...)
}

func flatNode(n policies.Node) []string {
	place, id := n.Where()
	switch n := n.(type) {
	case *policies.PolicySet:
		lines := []string{fmt.Sprintf("set %s %s %s %s %d", place, id, n.Position, flatTarget(n.Target), len(n.Obligations))}
		for child := range n.Children.All() {
			lines = append(lines, flatNode(child)...)
		}
		return append(lines, "end "+id)
	case *policies.Policy:
		lines := []string{fmt.Sprintf("policy %s %s %s %s private=%t", place, id, n.Position, flatTarget(n.Target), n.Private)}
		for r := range n.Rules.All() {
			lines = append(lines, fmt.Sprintf("rule %s %s %s %s %v %s", r.Place, r.ID, r.Effect, r.Position, r.Until, flatTarget(r.Target)))
		}
		return append(lines, "end "+id)
	case *policies.Foreign:
		return []string{fmt.Sprintf("foreign %s %s %s", place, id, n.Text)}
	}
	return []string{fmt.Sprintf("%T", n)}
}

func flatTarget(t *policies.Target) string {
	text := ""
	if t == nil {
		return text
	}
	for _, any := range t.AnyOf {
		for _, all := range any.AllOf {
			for _, m := range all.Matches {
				text += m.Function + " " + m.Value.Text() + " | "
			}
		}
		text += " & "
	}
	return text
}

// copying is a follower on another machine: it has records and makes policies.
type copying struct {
	t       require.TestingT
	service *pap.Service
	copy    source.Copy
	follower
}

func (c *copying) catchUp() {
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	set, err := c.service.Feed(ctx, c.copy.Revision())
	require.NoError(c.t, err)
	update, err := c.copy.Apply(set)
	require.NoError(c.t, err)
	c.snapshot, err = c.snapshot.Apply(update)
	require.NoError(c.t, err)
}

// TestFollowersAgree makes random changes; one follower takes every update, one
// looks now and then, one makes the policies from records: all must have what a
// newcomer gets whole.
func TestFollowersAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t)
		every := &follower{t: t, source: s}
		seldom := &follower{t: t, source: s}
		admin := &follower{t: t, source: s.Admin()}
		remote := &copying{t: t, service: s.Service}
		for _, f := range []*follower{every, seldom, admin} {
			f.catchUp()
		}
		remote.catchUp()
		w := &world{site: s, t: rt}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			before := s.number()
			w.step()
			if s.number() == before {
				continue
			}
			every.catchUp()
			remote.catchUp()
			if rapid.Bool().Draw(rt, "look") {
				seldom.catchUp()
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				s.open()
				every.source, seldom.source, remote.service = s, s, s.Service
			}
			admin.catchUp()
			whole, err := s.Next(bg, authz.Revision{})
			require.NoError(rt, err)
			require.NotNil(rt, whole.Base)
			want := flat(whole.Base)
			require.Equal(rt, want, flat(every.snapshot))
			require.Equal(rt, want, flat(remote.snapshot))
			wholeAdmin, err := s.Admin().Next(bg, authz.Revision{})
			require.NoError(rt, err)
			require.Equal(rt, flat(wholeAdmin.Base), flat(admin.snapshot))
		}
		if seldom.at().Number < s.number() {
			seldom.catchUp()
		}
		require.Equal(rt, flat(every.snapshot), flat(seldom.snapshot))
	})
}

// world draws changes that make sense where things stand.
type world struct {
	*site
	t *rapid.T
}

func (w *world) pick(what string, n int) int { return rapid.IntRange(0, n-1).Draw(w.t, what) }

func (w *world) alias() string {
	paps, err := w.PAPs(bg)
	require.NoError(w.t, err)
	if i := w.pick("pap", len(paps)+1); i < len(paps) {
		return paps[i].Alias
	}
	return change.AdminPAP
}

// unit picks a unit of a PAP, of a kind if any is there.
func (w *world) unit(alias string, kinds ...change.Kind) (change.Unit, bool) {
	units, err := w.Units(bg, alias)
	require.NoError(w.t, err)
	var fit []change.Unit
	for _, u := range units {
		for _, k := range kinds {
			if u.Kind == k {
				fit = append(fit, u)
			}
		}
	}
	if len(fit) == 0 {
		return change.Unit{}, false
	}
	return fit[w.pick("unit", len(fit))], true
}

var anyKind = []change.Kind{change.KindResource, change.KindAction, change.KindRule, change.KindDocument}

// step makes one change. Changes may be refused, but only for a stated reason.
func (w *world) step() {
	alias, request := w.alias(), by("Alice")
	request.Force = true
	var err error
	switch w.pick("what", 12) {
	case 0, 1:
		_, err = w.Ban(bg, request, alias, dn(fmt.Sprintf("/CN=%d", w.pick("who", 5))))
	case 2:
		_, err = w.Unban(bg, request, alias, dn(fmt.Sprintf("/CN=%d", w.pick("who", 5))))
	case 3:
		_, err = w.AddFile(bg, request, alias, change.File{Name: "f.spl", Text: sample}, change.At{})
	case 4:
		_, err = w.AddFile(bg, request, alias, change.File{Name: "f.rego", Format: change.Rego, Text: "package a"}, change.At{})
	case 5, 6:
		_, err = w.AddRule(bg, request, alias, change.Rule{
			Permit: true, Names: []change.Name{{Attribute: "vo", Value: "x"}}, Bottom: w.pick("bottom", 2) == 0,
			Resource: fmt.Sprintf("r%d", w.pick("resource", 2)), Action: fmt.Sprintf("a%d", w.pick("action", 2)),
		})
		if err != nil && strings.Contains(err.Error(), "name the action by its id") {
			return // a move has made two of them
		}
	case 7, 8:
		u, found := w.unit(alias, anyKind...)
		pivot, _ := w.unit(alias, siblings(u.Kind)...)
		if found {
			_, err = w.Move(bg, request, alias, u.ID, pivot.ID, w.pick("after", 2) == 0)
		}
	case 9:
		if u, found := w.unit(alias, anyKind...); found {
			_, err = w.Remove(bg, request, alias, u.ID)
		}
	case 10:
		if u, found := w.unit(alias, change.KindRule); found {
			_, err = w.Replace(bg, request, alias, u.ID, change.File{Name: "r.spl", Text: `rule permit { vo="new" }`})
		} else {
			_, err = w.AddPAP(bg, request, change.PAP{Alias: fmt.Sprintf("p%d", w.pick("alias", 3)), Enabled: w.pick("enabled", 2) == 0})
		}
	case 11:
		_, err = w.Rollback(bg, request, change.Restore{
			To: uint64(w.pick("to", int(w.number()))) + 1, Bans: w.pick("bans", 2) == 0, Admin: w.pick("admin", 3) == 0,
		})
	}
	for _, expected := range []error{change.ErrNotAllowed, change.ErrExists, change.ErrNotFound, nil} {
		if expected == nil {
			require.NoError(w.t, err)
		} else if isErr(err, expected) {
			return
		}
	}
}

func siblings(k change.Kind) []change.Kind {
	if k == change.KindResource || k == change.KindDocument {
		return []change.Kind{change.KindResource, change.KindDocument}
	}
	return []change.Kind{k}
}

// A ban among many, a move and a rule are one edit each.
func TestChangesAreSmallEdits(t *testing.T) {
	s := newSite(t)
	f := &follower{t: t, source: s}
	file := ok(t)(s.AddFile(bg, by("Alice"), "default", change.File{Name: "a.spl", Text: sample}, change.At{}))
	var many []change.Ban
	for i := range 2000 {
		many = append(many, dn(fmt.Sprintf("/CN=%d", i)))
	}
	ok(t)(s.Ban(bg, by("Alice"), "default", many...))
	require.NotNil(t, f.catchUp().Base)

	result := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve")))
	update := f.catchUp()
	require.Nil(t, update.Base)
	require.Len(t, update.Edits, 1)
	require.Equal(t, []string{policies.BansID}, update.Edits[0].In)
	require.Equal(t, result.IDs[0], update.Edits[0].Rule.ID)
	require.True(t, update.Edits[0].Rule.Ban)

	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	require.Equal(t, change.KindRule, units[2].Kind)
	ok(t)(s.Move(bg, by("Alice"), "default", units[2].ID, units[3].ID, true))
	update = f.catchUp()
	require.Len(t, update.Edits, 2, "a move is a removal and a put")
	require.Equal(t, []string{"pap:default", file.IDs[0], units[1].ID}, update.Edits[0].In)

	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=Eve")))
	update = f.catchUp()
	require.Len(t, update.Edits, 1)
	require.Equal(t, policies.Remove, update.Edits[0].Operation)
	require.Equal(t, 1, f.bases)
}

// rows are what a snapshot keeps of its bans, which are in memory once for all
// who have the same.
func rows(s *policies.Snapshot) []policies.Item {
	node, _ := s.Root.Children.Find(policies.BansID)
	var all []policies.Item
	for _, chunk := range node.(*policies.Policy).Rules.Chunks() {
		all = append(all, chunk...)
	}
	return all
}

// The two engines of one service have the same bans in memory; whoever comes at
// another revision gets those of that one.
func TestBasesShareTheirBans(t *testing.T) {
	s := newSite(t)
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve"), dn("/CN=Mallory")))
	one, err := s.Next(bg, authz.Revision{})
	require.NoError(t, err)
	two, err := s.Admin().Next(bg, authz.Revision{})
	require.NoError(t, err)
	have := rows(one.Base)
	require.Len(t, have, 2)
	for i, it := range rows(two.Base) {
		require.Same(t, have[i], it)
	}
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Trudy")))
	three, err := s.Next(bg, authz.Revision{})
	require.NoError(t, err)
	require.Len(t, rows(three.Base), 3)
	require.Len(t, have, 2)
}

// ⚿ Bans that could not be read to the end are given to nobody, also not to who
// asks next.
func TestBaseOfAFailedReadIsForgotten(t *testing.T) {
	s := newSite(t)
	var many []change.Ban
	for i := range 20_000 { // several batches
		many = append(many, dn(fmt.Sprintf("/CN=%d", i)))
	}
	ok(t)(s.Ban(bg, by("Alice"), "default", many...))
	for _, looks := range []int{4, 10, 30, 70} {
		ctx := &failing{Context: bg, looks: looks}
		_, err := s.Next(ctx, authz.Revision{})
		require.ErrorIs(t, err, context.Canceled)
		require.Negative(t, ctx.looks)
	}
	u, err := s.Next(bg, authz.Revision{})
	require.NoError(t, err)
	require.Len(t, rows(u.Base), len(many))
}

// failing is a context that is done after it has been looked at so often.
type failing struct {
	context.Context
	looks int
}

func (f *failing) Err() error {
	if f.looks--; f.looks < 0 {
		return context.Canceled
	}
	return nil
}

// A record that cannot be read fails the whole, wherever among many it lies.
func TestOneBadRecordAmongManyFails(t *testing.T) {
	for _, at := range []int{0, 4095, 4096, 9999} {
		s := newSite(t)
		_, err := s.store.Update(bg, func(tx store.WriteTx) error {
			for i := range 10_000 {
				value := fmt.Sprintf(`{"id":"%05d","pap":"default","names":[{"attribute":"subject","value":"/CN=%d"}]}`, i, i)
				if i == at {
					value = value[1:]
				}
				tx.Put("bans", fmt.Sprintf("default/%05d", i), []byte(value))
			}
			return nil
		})
		require.NoError(t, err)
		_, err = s.Next(bg, authz.Revision{})
		require.ErrorContains(t, err, fmt.Sprintf("default/%05d", at))
		_, err = s.Bans(bg, "default")
		require.ErrorContains(t, err, fmt.Sprintf("default/%05d", at))
	}
}

func TestNextWaits(t *testing.T) {
	s := newSite(t)
	f := &follower{t: t, source: s}
	f.catchUp()
	ctx, cancel := context.WithTimeout(bg, 30*time.Millisecond)
	defer cancel()
	_, err := s.Next(ctx, f.at())
	require.ErrorIs(t, err, context.DeadlineExceeded)

	got := make(chan policies.Update, 1)
	go func() {
		update, _ := s.Next(bg, f.at())
		got <- update
	}()
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve")))
	require.Len(t, (<-got).Edits, 1)
}

// A quiet source says that it is there: an engine stops trusting policies that
// nobody confirms.
func TestNextConfirms(t *testing.T) {
	s := newSite(t, func(o *pap.Options) { o.Confirm = 20 * time.Millisecond })
	for _, source := range []pap.Source{s, s.Admin()} {
		f := &follower{t: t, source: source}
		at := f.catchUp().To
		update := f.catchUp()
		require.Equal(t, policies.Update{From: at, To: at}, update)
	}
	require.NoError(t, s.store.Close())
	_, err := s.Next(bg, authz.Revision{})
	require.Error(t, err, "a source that cannot read confirms nothing")
}

// A follower of another lineage, or of a future that a restored backup does not
// know, starts anew instead of waiting for numbers that mean something else.
func TestNextFromElsewhere(t *testing.T) {
	s := newSite(t)
	at, err := s.Revision(bg)
	require.NoError(t, err)
	for name, after := range map[string]authz.Revision{
		"nothing":         {},
		"another lineage": {Lineage: "00", Number: at.Number},
		"the future":      {Lineage: at.Lineage, Number: at.Number + 7},
	} {
		update, err := s.Next(bg, after)
		require.NoError(t, err, name)
		require.NotNil(t, update.Base, name)
		set, err := s.Feed(bg, after)
		require.NoError(t, err, name)
		require.True(t, set.Whole, name)
	}
}

// ⚿ The PAP "admin" is in no list, no snapshot of others and no feed, and the
// rights of policy do not reach it.
func TestAdminIsApart(t *testing.T) {
	s := newSite(t)
	ok(t)(s.AddFile(bg, by("Root"), change.AdminPAP, change.File{Name: "admin.spl", Text: sample}, change.At{}))
	ok(t)(s.Ban(bg, by("Root"), "default", dn("/CN=Eve")))
	paps, err := s.PAPs(bg)
	require.NoError(t, err)
	require.Len(t, paps, 1)

	update, err := s.Next(bg, authz.Revision{})
	require.NoError(t, err)
	_, there := update.Base.Root.Children.Find("pap:admin")
	require.False(t, there)
	at := update.To
	for _, after := range []authz.Revision{{}, {Lineage: at.Lineage, Number: 1}} {
		set, err := s.Feed(bg, after)
		require.NoError(t, err)
		for _, e := range set.Edits {
			require.Nil(t, e.Unit)
		}
	}
	differing, err := s.Diff(bg, 1, at.Number)
	require.NoError(t, err)
	require.Len(t, differing, 1)
	history, err := s.History(bg, change.Query{})
	require.NoError(t, err)
	require.Len(t, history, 2, "the entry of the admin file is not among them")
	history, err = s.History(bg, change.Query{PAP: change.AdminPAP})
	require.NoError(t, err)
	require.Len(t, history, 1)

	ok(t)(s.Rollback(bg, by("Alice"), change.Restore{To: 1}))
	units, err := s.Units(bg, change.AdminPAP)
	require.NoError(t, err)
	require.NotEmpty(t, units, "a rollback of policies leaves it alone")
	_, err = s.AddPAP(bg, by("Alice"), change.PAP{Alias: change.AdminPAP})
	require.ErrorIs(t, err, change.ErrNotAllowed)
	_, err = s.RemovePAP(bg, by("Alice"), change.AdminPAP)
	require.ErrorIs(t, err, change.ErrNotAllowed)

	own, err := s.Admin().Next(bg, authz.Revision{})
	require.NoError(t, err)
	_, there = own.Base.Root.Children.Find("pap:admin")
	require.True(t, there)
	_, there = own.Base.Root.Children.Find("pap:default")
	require.False(t, there)
	bans, there := own.Base.Root.Children.Find(policies.BansID)
	require.True(t, there)
	require.Equal(t, 1, bans.(*policies.Policy).Rules.Len(), "who is banned does not administer either")
}

// ⚿ A follower that is ahead of a store which an older one replaced does not
// count as having what it never saw: --wait must not lie.
func TestReportAheadIsRefused(t *testing.T) {
	s := newSite(t).Service
	now, err := s.Revision(t.Context())
	require.NoError(t, err)
	ahead := authz.Revision{Lineage: now.Lineage, Number: now.Number + 1}
	err = s.Report(t.Context(), change.Follower{Name: "pdp", Identity: "/CN=pdp", Applied: ahead, Settled: ahead})
	require.ErrorIs(t, err, change.ErrConflict)
	require.ErrorContains(t, err, "older store")
	require.NoError(t, s.Report(t.Context(), change.Follower{Name: "pdp", Identity: "/CN=pdp", Applied: now, Settled: now}))
	other := authz.Revision{Lineage: "another", Number: 99}
	require.NoError(t, s.Report(t.Context(), change.Follower{Name: "pdp", Identity: "/CN=pdp", Applied: other}), "another lineage is re-based, not refused")
}
