package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// startPooled runs a throw-away site in which everybody but bob gets an account
// of a pool.
func startPooled(t *testing.T) (*world, *site) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatehouse-test-") // the accounts of jobs must be able to pass
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, removeAll(dir)) })
	w, err := openWorld(dir)
	require.NoError(t, err)
	text := accountsText + "grid001 20001 users=10000\ngrid002 20002 users=10000\n"
	require.NoError(t, os.WriteFile(w.path("accounts"), []byte(text), 0o644))
	require.NoError(t, os.WriteFile(w.path("grid-mapfile"), []byte(`"`+w.dn("ann")+`" .grid`+"\n"+`"`+w.dn("bob")+`" bob`+"\n"), 0o644))
	w.config.Accounts.Pools = []PoolConfig{{Name: "grid"}}
	w.config.Accounts.Leases = defaultLeases()
	w.config.Accounts.Leases.Quarantine = conf.Duration(time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newSite(ctx, w.config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
	})
	require.Eventually(t, func() bool { return s.engine.Status().Ready }, 10*time.Second, 10*time.Millisecond)
	return w, s
}

// ⚿ A job runs as its owner's leased account, and the account goes to nobody
// else while the job's files are there.
func TestPoolAccountsInTheContainer(t *testing.T) {
	w, s := startPooled(t)
	ann, err := w.caller("ann", s.containerHere())
	require.NoError(t, err)
	job, err := ann.submit(t.Context(), time.Second, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err)
	_, err = ann.until(t.Context(), job["session"], func(answer) {}, "done")
	require.NoError(t, err)
	kept, err := s.jobs.Find(t.Context(), job["session"])
	require.NoError(t, err)
	account := kept.Granted.Account
	require.Regexp(t, `^grid00[12]$`, account.Name)
	require.Equal(t, kept.Granted.Revision, account.Revision)
	require.WithinDuration(t, kept.Registered.Add(leases.AnswerLife), account.Expires, 10*time.Second)

	e, err := s.pools.At(t.Context(), account.Name, time.Now())
	require.NoError(t, err)
	require.Equal(t, w.dn("ann"), e.Identity.Name)
	require.Equal(t, kept.Granted.Decision, e.Decision)
	require.Equal(t, kept.Owner.Key, e.Identity.Key, "jobs and leases belong to one identity")

	_, err = s.pools.Release(t.Context(), account.Name, time.Nanosecond, leases.Cause{By: "test"})
	require.NoError(t, err)
	_, err = s.confirm(t.Context(), account)
	require.Error(t, err, "nothing more is started as it")
	used, err := jobsLeft{s}.InUse(t.Context(), []string{"grid001", "grid002"})
	require.NoError(t, err)
	require.Equal(t, []string{account.Name}, used)

	job, err = ann.submit(t.Context(), time.Second, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err)
	second, err := s.jobs.Find(t.Context(), job["session"])
	require.NoError(t, err)
	require.NotEqual(t, account.Name, second.Granted.Account.Name)
	wendy, err := w.caller("wendy", s.containerHere())
	require.NoError(t, err)
	_, err = wendy.submit(t.Context(), time.Second, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err, "a weak credential has the community's account")

	asked := httptest.NewRecorder()
	s.health.Handler().ServeHTTP(asked, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil))
	for _, line := range []string{`gatehouse_pool_accounts{pool="grid",state="leased"} 1`, `gatehouse_pool_accounts{pool="grid",state="quarantined"} 1`, `gatehouse_pool_exhausted_total{pool="grid"} 0`} {
		require.Contains(t, asked.Body.String(), line)
	}
	require.Contains(t, strings.Join(statusLines(s), "\n"), "pool grid is running out, 0 of 2 accounts are free (1 leased, 1 in quarantine, 0 reserved)")
}

func statusLines(s *site) (all []string) {
	for _, f := range s.health.Status(nil) {
		if text, ok := f.Value.(string); ok {
			all = append(all, f.Name+": "+text)
		}
	}
	return all
}
