package pap_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m)
}

// site is a Service under test with a clock that stands still until it is set.
type site struct {
	*pap.Service
	t     *testing.T
	store store.Store
	mu    sync.Mutex
	at    time.Time
}

// start is where the text of a unit begins.
var start = policies.Position{File: "test.spl", Line: 1, Column: 1}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSite(t *testing.T, options ...func(*pap.Options)) *site {
	t.Helper()
	s := &site{t: t, store: mem.New(), at: noon}
	t.Cleanup(func() { _ = s.store.Close() })
	s.open(options...)
	return s
}

// open makes a Service over the site's store, as a restart does.
func (s *site) open(options ...func(*pap.Options)) {
	s.t.Helper()
	o := pap.Options{Store: s.store, Clock: s.clock}
	for _, option := range options {
		option(&o)
	}
	service, err := pap.Open(context.Background(), o)
	require.NoError(s.t, err)
	s.Service = service
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *site) sleep(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

func (s *site) number() uint64 {
	s.t.Helper()
	at, err := s.Revision(context.Background())
	require.NoError(s.t, err)
	return at.Number
}

type papOptions = pap.Options

var bg = context.Background()

// by is the request of an administrator.
func by(name string) change.Request {
	return change.Request{Author: change.Author{Name: name, Via: "tls"}, Message: "because"}
}

func dn(name string) change.Ban {
	return change.Ban{Names: []change.Name{{Attribute: "subject", Value: name}}}
}

// ok is the result of a change that must succeed.
func ok(t *testing.T) func(change.Result, error) change.Result {
	return func(r change.Result, err error) change.Result {
		t.Helper()
		require.NoError(t, err)
		return r
	}
}

// follower applies every update to a snapshot, as an engine does.
type follower struct {
	t        *testing.T
	source   pap.Source
	snapshot *policies.Snapshot
	bases    int
}

func (f *follower) at() authz.Revision {
	if f.snapshot == nil {
		return authz.Revision{}
	}
	return f.snapshot.Revision
}

// catchUp takes one update, which must come at once.
func (f *follower) catchUp() policies.Update {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	update, err := f.source.Next(ctx, f.at())
	require.NoError(f.t, err)
	require.Equal(f.t, f.at(), update.From)
	if update.Base != nil {
		f.bases++
	}
	next, err := f.snapshot.Apply(update)
	require.NoError(f.t, err)
	require.Equal(f.t, update.To, next.Revision)
	f.snapshot = next
	return update
}

var errRefused = errors.New("does not compile")

func isErr(err, target error) bool { return errors.Is(err, target) }

const sample = `# who may submit
resource ".*" {
    obligation "http://glite.org/xacml/obligation/local-environment-map" {}
    # jobs
    action "submit" {
        rule deny { vo="bad" }
        # the rest
        rule permit { vo="good" }
    }
    action "status" {
        rule permit { vo="good" }
    }
}
`
