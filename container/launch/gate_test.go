package launch

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/stretchr/testify/require"
)

// fakeRunner remembers what came through the gate.
type fakeRunner struct {
	orders []Order
	result Result
	err    error
}

func (f *fakeRunner) Run(_ context.Context, g Grant, o Order) (Result, error) {
	f.orders = append(f.orders, o)
	return f.result, f.err
}

func (f *fakeRunner) Status(_ context.Context, job string) (Status, error) {
	return Status{Job: job, State: Running, CPU: 5 * time.Second, Exit: &Exit{Signal: "SIGXCPU"}}, f.err
}

func (f *fakeRunner) Jobs(context.Context) ([]Status, error) { return []Status{{Job: jobID}}, f.err }
func (f *fakeRunner) Reap(context.Context, string) error     { return f.err }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newGate(t *testing.T) (*Gate, *fakeRunner, *Signer) {
	t.Helper()
	s, v := pair(t)
	m := openMemory(t, filepath.Join(t.TempDir(), "grants"), "boot1", noon)
	r := new(fakeRunner)
	return &Gate{
		Verifier: v, Memory: m, Accounts: database(), Rules: DefaultAccountRules(), Runner: r, Log: quiet(), Now: at(noon),
	}, r, s
}

func TestGateLetsOnePass(t *testing.T) {
	gate, runner, signer := newGate(t)
	o := startOrder()
	grant, err := signer.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, o)
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, o)
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "used before")
	altered := o
	altered.Args = []string{"run", "rm"}
	_, err = gate.Do(t.Context(), grant, altered)
	require.ErrorIs(t, err, ErrRefused)
	require.Len(t, runner.orders, 1)
}

func TestGateChecksTheAccountAtUse(t *testing.T) {
	gate, runner, signer := newGate(t)
	w := wish(startOrder())
	w.Account = authz.Account{Name: "root", Group: authz.Group{Name: "root"}}
	grant, err := signer.Grant(t.Context(), w)
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, w.Order)
	require.ErrorIs(t, err, ErrForbidden)
	require.Empty(t, runner.orders)
}

func TestCancelGoesOnWhenAccountsAndDiskFail(t *testing.T) {
	gate, runner, signer := newGate(t)
	away := database()
	away.away = true
	gate.Accounts = away
	require.NoError(t, gate.Memory.file.Close())
	o := Order{Operation: Signal, Job: jobID, Signal: Kill}
	grant, err := signer.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, o)
	require.NoError(t, err)
	require.Len(t, runner.orders, 1)

	read := Order{Operation: Read, Job: jobID, Path: "out"}
	grant, err = signer.Grant(t.Context(), wish(read))
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, read)
	require.ErrorIs(t, err, ErrAway)
	require.NotErrorIs(t, err, ErrForbidden, "a directory that is away must not fail a job for good")
	gate.Accounts = database()
	_, err = gate.Do(t.Context(), grant, read)
	require.ErrorIs(t, err, ErrRefused)
	require.Len(t, runner.orders, 1)
}
