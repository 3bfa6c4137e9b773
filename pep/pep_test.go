package pep_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type decide func(context.Context, *authz.Request) (authz.Response, error)

func (f decide) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	return f(ctx, r)
}

type enrich func(context.Context, *authz.Request) error

func (f enrich) Enrich(ctx context.Context, r *authz.Request) error { return f(ctx, r) }

type fulfil func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error)

func (f fulfil) Fulfill(ctx context.Context, r *authz.Request, o authz.Obligation) ([]authz.Obligation, error) {
	return f(ctx, r, o)
}

// book keeps the records, or fails.
type book struct {
	mu      sync.Mutex
	records []authz.Record
	err     error
}

func (b *book) Record(_ context.Context, rec authz.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, rec)
	return b.err
}

func answer(d authz.Decision, obligations ...string) decide {
	return func(context.Context, *authz.Request) (authz.Response, error) {
		r := authz.Response{Decision: d, Reason: &authz.Reason{Policy: "p"}, Revision: authz.Revision{Lineage: "x", Number: 7}}
		for _, id := range obligations {
			r.Obligations = append(r.Obligations, authz.Obligation{ID: id})
		}
		return r, nil
	}
}

func failing(context.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{Decision: authz.Permit}, errors.New("down")
}

func panicking(context.Context, *authz.Request) (authz.Response, error) { panic("boom") }

func TestPermit(t *testing.T) {
	log := &book{}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := &pep.Enforcer{
		Process: "container", Recorder: log, Clock: func() time.Time { return now }, NewID: func() string { return "id1" },
		Enrichers: []authz.Enricher{enrich(func(_ context.Context, r *authz.Request) error {
			r.Add(authz.Subject, "role", authz.StringValue("admin"))
			return nil
		})},
		Decider: decide(func(ctx context.Context, r *authz.Request) (authz.Response, error) {
			v, ok := r.Verified(authz.Subject, "role")
			require.True(t, ok)
			require.Equal(t, "admin", v.Text())
			return answer(authz.Permit, "map", "cpu", "tell")(ctx, r)
		}),
		Fulfillers: map[string]authz.Fulfiller{
			"map": fulfil(func(ctx context.Context, _ *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
				effects, ok := pep.EffectsOf(ctx)
				require.True(t, ok)
				return []authz.Obligation{{ID: "posix"}}, effects.RunAs(authz.Account{Name: "ann", UID: 1001})
			}),
			"cpu": fulfil(func(ctx context.Context, _ *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
				effects, _ := pep.EffectsOf(ctx)
				return nil, errors.Join(effects.LimitCPU(time.Minute), effects.LimitCPU(time.Hour))
			}),
		},
		Understood: pep.Understand("posix", "tell"),
		Describe:   func(_ *authz.Request, rec *authz.Record) { rec.Action = "submit" },
	}
	r := &authz.Request{Peer: "127.0.0.1:1", Credential: &authz.Credential{Subject: "/CN=ann"}}
	o := e.Enforce(t.Context(), r)
	require.True(t, o.Permit, o.Cause)
	require.Equal(t, "id1", o.ID)
	require.Equal(t, "ann", o.Effects.Account.Name)
	require.Equal(t, pep.Limit{Most: time.Minute, Set: true}, o.Effects.CPUTime)
	require.Equal(t, []authz.Obligation{{ID: "posix"}, {ID: "tell"}}, o.Response.Obligations)
	require.Empty(t, r.Attributes, "the caller's request is not changed")
	require.Len(t, o.Request.Attributes, 1)
	require.Equal(t, []authz.Record{{
		Time: now, Event: authz.EventDecision, ID: "id1", Process: "container", Peer: "127.0.0.1:1", Subject: "/CN=ann", Action: "submit",
		Decision: "Permit", Reason: &authz.Reason{Policy: "p"}, Revision: authz.Revision{Lineage: "x", Number: 7}, Account: "ann", Limits: "cpu 60s",
	}}, log.records)
}

// ⚿ Everything that can go wrong is a refusal, is recorded once, and never
// comes out as a Permit (DECISIONS 30).
func TestEveryFailureRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*pep.Enforcer)
		want   string
	}{
		"no decider":     {func(e *pep.Enforcer) { e.Decider = nil }, "no decision point"},
		"deny all":       {func(e *pep.Enforcer) { e.Decider = authz.DenyAll{} }, ""},
		"deny":           {func(e *pep.Enforcer) { e.Decider = answer(authz.Deny) }, ""},
		"not applicable": {func(e *pep.Enforcer) { e.Decider = answer(authz.NotApplicable) }, ""},
		"indeterminate":  {func(e *pep.Enforcer) { e.Decider = answer(authz.Indeterminate) }, ""},
		"zero response": {func(e *pep.Enforcer) {
			e.Decider = decide(func(context.Context, *authz.Request) (r authz.Response, err error) { return })
		}, ""},
		"decision out of range":  {func(e *pep.Enforcer) { e.Decider = answer(authz.Decision(200)) }, ""},
		"error beside a permit":  {func(e *pep.Enforcer) { e.Decider = decide(failing) }, "down"},
		"decider panics":         {func(e *pep.Enforcer) { e.Decider = decide(panicking) }, "boom"},
		"decider ends goroutine": {func(e *pep.Enforcer) { e.Decider = decide(goexit) }, "without an outcome"},
		"enricher fails": {func(e *pep.Enforcer) {
			e.Enrichers = []authz.Enricher{enrich(func(context.Context, *authz.Request) error { return errors.New("no data") })}
		}, "no data"},
		"enricher panics": {func(e *pep.Enforcer) {
			e.Enrichers = []authz.Enricher{enrich(func(context.Context, *authz.Request) error { panic("boom") })}
		}, "boom"},
		"enricher missing":   {func(e *pep.Enforcer) { e.Enrichers = []authz.Enricher{nil} }, "panic"},
		"unknown obligation": {func(e *pep.Enforcer) { e.Decider = answer(authz.Permit, "what") }, "nobody here understands"},
		"no effect": {func(e *pep.Enforcer) {
			handle(e, func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) { return nil, nil })
		}, "no effect"},
		"fulfiller fails": {func(e *pep.Enforcer) {
			handle(e, func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) {
				return nil, errors.New("full")
			})
		}, "full"},
		"fulfiller panics": {func(e *pep.Enforcer) {
			handle(e, func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) { panic("boom") })
		}, "boom"},
		"fulfiller gives back": {func(e *pep.Enforcer) {
			handle(e, func(_ context.Context, _ *authz.Request, o authz.Obligation) ([]authz.Obligation, error) {
				return []authz.Obligation{o}, nil
			})
		}, "nobody here understands"},
		"translated into the unknown": {func(e *pep.Enforcer) {
			handle(e, func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) {
				return []authz.Obligation{{ID: "other"}}, nil
			})
		}, "nobody here understands"},
		"translated for ever": {func(e *pep.Enforcer) {
			handle(e, func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) {
				return []authz.Obligation{{ID: "do it"}}, nil
			})
			e.Fulfillers["do it"] = fulfil(func(context.Context, *authz.Request, authz.Obligation) ([]authz.Obligation, error) {
				return []authz.Obligation{{ID: "do"}}, nil
			})
		}, "without end"},
		"two accounts": {func(e *pep.Enforcer) {
			handle(e, func(ctx context.Context, _ *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
				effects, _ := pep.EffectsOf(ctx)
				_ = effects.RunAs(authz.Account{Name: "a", UID: 1000})
				return nil, effects.RunAs(authz.Account{Name: "b", UID: 1001})
			})
		}, "two different accounts"},
		"negative limit": {func(e *pep.Enforcer) {
			handle(e, func(ctx context.Context, _ *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
				effects, _ := pep.EffectsOf(ctx)
				return nil, effects.LimitCPU(-1)
			})
		}, "no limit"},
		"too slow": {func(e *pep.Enforcer) {
			e.Deadline = 10 * time.Millisecond
			e.Decider = decide(func(ctx context.Context, r *authz.Request) (authz.Response, error) {
				<-ctx.Done()
				time.Sleep(20 * time.Millisecond)
				return answer(authz.Permit)(ctx, r)
			})
		}, "deadline"},
		"recorder fails":     {func(e *pep.Enforcer) { e.Recorder.(*book).err = errors.New("disk full") }, "disk full"},
		"describing panics":  {func(e *pep.Enforcer) { e.Describe = func(*authz.Request, *authz.Record) { panic("boom") } }, "boom"},
		"no recorder at all": {func(e *pep.Enforcer) { e.Recorder = nil }, "no audit log"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &book{}
			e := &pep.Enforcer{Decider: answer(authz.Permit), Recorder: log}
			require.True(t, e.Enforce(t.Context(), &authz.Request{}).Permit, "the case begins with a permit")
			log.records = nil
			c.change(e)
			o := e.Enforce(t.Context(), &authz.Request{})
			require.False(t, o.Permit)
			require.NotEqual(t, authz.Permit, o.Response.Decision)
			require.Empty(t, o.Response.Obligations)
			require.Zero(t, o.Effects)
			require.NotEmpty(t, o.ID)
			if c.want != "" {
				require.ErrorContains(t, o.Cause, c.want)
				require.NotContains(t, o.Message(), c.want, "internal errors are not for users")
			}
			require.Contains(t, o.Message(), o.ID)
			if e.Recorder != nil && name != "describing panics" {
				require.Len(t, log.records, 1)
				require.Equal(t, o.ID, log.records[0].ID)
			}
			response, err := e.Decide(t.Context(), &authz.Request{})
			require.NoError(t, err)
			require.False(t, response.Permitted())
		})
	}
	require.False(t, (&pep.Enforcer{}).Enforce(t.Context(), &authz.Request{}).Permit, "the zero Enforcer")
	require.False(t, (&pep.Enforcer{Decider: answer(authz.Permit), Recorder: &book{}}).Enforce(t.Context(), nil).Permit, "no request")
}

func handle(e *pep.Enforcer, f fulfil) {
	e.Decider = answer(authz.Permit, "do")
	e.Fulfillers = map[string]authz.Fulfiller{"do": f}
}

func goexit(context.Context, *authz.Request) (authz.Response, error) {
	runtime.Goexit()
	return authz.Response{Decision: authz.Permit}, nil
}

func TestCallerIsGone(t *testing.T) {
	log := &book{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := &pep.Enforcer{Recorder: log, Decider: decide(func(ctx context.Context, r *authz.Request) (authz.Response, error) {
		return authz.Response{}, ctx.Err()
	})}
	require.False(t, e.Enforce(ctx, &authz.Request{}).Permit)
	require.Len(t, log.records, 1, "what was refused is recorded although nobody waits")
}

// ⚿ A credential that does not stand permits nothing, even where an anonymous
// caller would be let in; a ban on its names is reported as a ban.
func TestRefusedCredential(t *testing.T) {
	expired := &authz.Credential{Subject: "/CN=ann", Err: errors.New("it ended yesterday")}
	later := &authz.Credential{Judge: func() error { return errors.New("revoked") }}
	for _, c := range []*authz.Credential{expired, later} {
		log := &book{}
		e := &pep.Enforcer{Decider: answer(authz.Permit), Recorder: log}
		o := e.Enforce(t.Context(), &authz.Request{Credential: c})
		require.False(t, o.Permit)
		require.Contains(t, o.Message(), c.Verdict().Error(), "whose certificate it is may know what is wrong with it")
		require.Equal(t, authz.Indeterminate, o.Response.Decision)
		require.Equal(t, uint64(7), o.Response.Revision.Number)

		e.Decider = answer(authz.Deny)
		o = e.Enforce(t.Context(), &authz.Request{Credential: c})
		require.Equal(t, "p", o.Response.Reason.Policy)
		require.Equal(t, "Deny", log.records[1].Decision)

		response, err := pep.Enrich(answer(authz.Permit)).Decide(t.Context(), &authz.Request{Credential: c})
		require.NoError(t, err)
		require.False(t, response.Permitted(), "before a wire, too")
	}
	brought := enrich(func(_ context.Context, r *authz.Request) error {
		r.Credential = expired
		return nil
	})
	response, err := pep.Enrich(answer(authz.Permit), brought).Decide(t.Context(), &authz.Request{})
	require.NoError(t, err)
	require.False(t, response.Permitted(), "a credential that an enricher finds in the request")
}

func TestMessage(t *testing.T) {
	response := authz.Response{
		Decision: authz.Deny, Reason: &authz.Reason{Policy: "secret-policy", Rule: "secret-rule", Because: "the machine is for students"},
		Enough: [][]authz.Bound{{{Attribute: "requested-cpu-time", Operator: "<=", Value: "600"}, {Attribute: "x", Operator: "=", Value: "y"}}, {{Attribute: "credential-strength", Operator: ">=", Value: "strong"}}},
	}
	e := &pep.Enforcer{NewID: func() string { return "abc" }, Decider: decide(func(context.Context, *authz.Request) (authz.Response, error) { return response, nil })}
	require.Equal(t, "not permitted: the machine is for students; enough would be requested-cpu-time <= 600 and x = y, or credential-strength >= strong (decision abc)",
		e.Enforce(t.Context(), &authz.Request{}).Message())
}

func TestIDs(t *testing.T) {
	e := &pep.Enforcer{Decider: answer(authz.Permit), Recorder: &book{}}
	require.Equal(t, "given", e.Enforce(t.Context(), &authz.Request{ID: "given"}).ID)
	a, b := e.Enforce(t.Context(), &authz.Request{}).ID, e.Enforce(t.Context(), &authz.Request{}).ID
	require.Len(t, a, 32)
	require.NotEqual(t, a, b)
}

// able is a Decider with both abilities.
type able struct{ decide }

func (able) Explain(_ context.Context, r *authz.Request) (authz.Explanation, error) {
	return authz.Explanation{Response: authz.Response{Decision: authz.Permit}, Root: &authz.Step{ID: r.Attributes[0].ID}}, nil
}

func (able) Changed(_ context.Context, after authz.Revision) (authz.Revision, error) {
	after.Number++
	return after, nil
}

func TestAbilities(t *testing.T) {
	add := enrich(func(_ context.Context, r *authz.Request) error {
		r.Add(authz.Subject, "added")
		return nil
	})
	for _, d := range []authz.Decider{
		&pep.Enforcer{Decider: able{}, Enrichers: []authz.Enricher{add}},
		pep.Enrich(able{}, add),
	} {
		x, err := d.(authz.Explainer).Explain(t.Context(), &authz.Request{})
		require.NoError(t, err)
		require.Equal(t, "added", x.Root.ID)
		require.True(t, x.Response.Permitted())
		x, err = d.(authz.Explainer).Explain(t.Context(), &authz.Request{Credential: &authz.Credential{Err: errors.New("expired")}})
		require.NoError(t, err)
		require.False(t, x.Response.Permitted())
		rev, err := d.(authz.Watcher).Changed(t.Context(), authz.Revision{Number: 1})
		require.NoError(t, err)
		require.Equal(t, uint64(2), rev.Number)
	}
	for _, d := range []authz.Decider{&pep.Enforcer{}, &pep.Enforcer{Decider: answer(authz.Permit)}, pep.Enrich(nil)} {
		_, err := d.(authz.Explainer).Explain(t.Context(), &authz.Request{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = d.(authz.Watcher).Changed(t.Context(), authz.Revision{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func TestEnrichKeepsTheRequest(t *testing.T) {
	r := &authz.Request{}
	d := pep.Enrich(decide(func(_ context.Context, q *authz.Request) (authz.Response, error) {
		require.Len(t, q.Attributes, 1)
		return authz.Response{Decision: authz.Permit}, nil
	}), enrich(func(_ context.Context, q *authz.Request) error {
		q.Add(authz.Subject, "a")
		return nil
	}))
	response, err := d.Decide(t.Context(), r)
	require.NoError(t, err)
	require.True(t, response.Permitted())
	require.Empty(t, r.Attributes)
	_, err = pep.Enrich(decide(panicking)).Decide(t.Context(), r)
	require.ErrorContains(t, err, "boom")
	_, err = pep.Enrich(nil).Decide(t.Context(), r)
	require.Error(t, err)
}

func TestFailover(t *testing.T) {
	for name, c := range map[string]struct {
		deciders []authz.Decider
		want     authz.Decision
		err      bool
	}{
		"none":                         {nil, 0, true},
		"all down":                     {[]authz.Decider{decide(failing), decide(panicking), nil}, 0, true},
		"second":                       {[]authz.Decider{decide(failing), answer(authz.Permit)}, authz.Permit, false},
		"not applicable is an answer":  {[]authz.Decider{answer(authz.NotApplicable), answer(authz.Permit)}, authz.NotApplicable, false},
		"indeterminate is an answer":   {[]authz.Decider{answer(authz.Indeterminate), answer(authz.Permit)}, authz.Indeterminate, false},
		"deny before permit":           {[]authz.Decider{answer(authz.Deny), answer(authz.Permit)}, authz.Deny, false},
		"the second is then not asked": {[]authz.Decider{answer(authz.Permit), decide(panicking)}, authz.Permit, false},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := pep.Failover(c.deciders...).Decide(t.Context(), &authz.Request{})
			require.Equal(t, c.err, err != nil)
			require.Equal(t, c.want, response.Decision)
		})
	}
}

// The answer of DenyOverrides does not depend on order, and permits only when
// all answered and none objected.
func TestDenyOverrides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "answers")
		var deciders []authz.Decider
		count := map[int]int{}
		for _, k := range kinds {
			count[k]++
			if k == 4 {
				deciders = append(deciders, decide(failing))
			} else {
				deciders = append(deciders, answer(authz.Decision(k), "o"))
			}
		}
		response, err := pep.DenyOverrides(deciders...).Decide(context.Background(), &authz.Request{})
		switch {
		case count[int(authz.Deny)] > 0:
			require.NoError(t, err)
			require.Equal(t, authz.Deny, response.Decision)
		case count[4] > 0 || len(kinds) == 0:
			require.Error(t, err)
			require.False(t, response.Permitted())
		case count[int(authz.Indeterminate)] > 0:
			require.Equal(t, authz.Indeterminate, response.Decision)
		case count[int(authz.Permit)] > 0:
			require.Equal(t, authz.Permit, response.Decision)
			require.Len(t, response.Obligations, count[int(authz.Permit)], "every permit's obligations")
		default:
			require.Equal(t, authz.NotApplicable, response.Decision)
		}
	})
}

// A limit only tightens, in whatever order obligations come.
func TestLimitsOnlyTighten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, 6).Draw(t, "limits")
		var e pep.Effects
		least := seconds[0]
		for _, s := range seconds {
			require.NoError(t, e.LimitCPU(time.Duration(s)*time.Second))
			require.NoError(t, e.LimitWall(time.Duration(s)*time.Second))
			least = min(least, s)
			require.Equal(t, time.Duration(least)*time.Second, e.CPUTime.Most)
			require.Equal(t, e.CPUTime, e.WallTime)
		}
	})
	require.Equal(t, "none", pep.Limit{}.String())
	_, ok := pep.EffectsOf(context.Background())
	require.False(t, ok)
}

func TestAlwaysTheSameAccount(t *testing.T) {
	var e pep.Effects
	require.Error(t, e.RunAs(authz.Account{}))
	require.NoError(t, e.RunAs(authz.Account{Name: "ann", UID: 1001}))
	require.NoError(t, e.RunAs(authz.Account{Name: "ann", UID: 1001, Source: "elsewhere"}))
	require.Error(t, e.RunAs(authz.Account{Name: "ann", UID: 1002}))
}

func TestManyAtOnce(t *testing.T) {
	log := &book{}
	e := &pep.Enforcer{Decider: answer(authz.Permit), Recorder: log, Enrichers: []authz.Enricher{enrich(func(_ context.Context, r *authz.Request) error {
		r.Add(authz.Subject, "id", authz.StringValue(r.ID))
		return nil
	})}}
	shared := &authz.Request{Peer: strings.Repeat("x", 3)}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			o := e.Enforce(t.Context(), shared)
			v, _ := o.Request.Verified(authz.Subject, "id")
			if v.Text() != o.ID {
				t.Error("one request in another's place")
			}
		})
	}
	group.Wait()
	require.Len(t, log.records, 50)
}

func BenchmarkEnforce(b *testing.B) {
	e := &pep.Enforcer{Decider: answer(authz.Permit), Recorder: recordNothing{}}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Enforce(b.Context(), &authz.Request{}).Permit {
			b.Fatal("refused")
		}
	}
}

type recordNothing struct{}

func (recordNothing) Record(context.Context, authz.Record) error { return nil }

// Fulfillers learn by which revision the request is permitted; what a request
// claimed about that before counts nothing.
func TestFulfillersKnowTheRevision(t *testing.T) {
	var seen authz.Revision
	e := &pep.Enforcer{
		Recorder: &book{}, Decider: answer(authz.Permit, "map"),
		Fulfillers: map[string]authz.Fulfiller{"map": fulfil(func(ctx context.Context, r *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
			seen = r.Decided
			effects, _ := pep.EffectsOf(ctx)
			effects.Done()
			return nil, nil
		})},
	}
	asked := &authz.Request{Decided: authz.Revision{Lineage: "x", Number: 99}}
	require.True(t, e.Enforce(t.Context(), asked).Permit)
	require.Equal(t, authz.Revision{Lineage: "x", Number: 7}, seen)
}
