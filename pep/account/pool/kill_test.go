package pool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
)

// childEnv names the store that a re-executed test binary leases from until it
// is killed.
const childEnv = "GATEHOUSE_TEST_POOL_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

const killPool, killUsers = 40, 60

func killSetting(path string) (*setting, *bolt.Store, error) {
	s := newSetting(killPool)
	kept, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return nil, nil, err
	}
	s.store, s.config.Now = kept, time.Now
	return s, kept, nil
}

// user is an identity without the help of a test.
func user(n int) Identity {
	return Identity{Name: fmt.Sprint("user", n), Key: fmt.Sprint("token 1 i user", n)}
}

// child leases, releases and reserves from four sides and prints what is
// acknowledged, after it is.
func child(path string) {
	s, _, err := killSetting(path)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	p, err := Open(context.Background(), s.store, s.config)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if line, err := childStep(p); err != nil {
					fmt.Println("error", err)
				} else if line != "" {
					fmt.Println(line)
				}
			}
		})
	}
	wg.Wait()
}

func childStep(p *Pools) (string, error) {
	n := rand.IntN(killUsers)
	l, err := p.Lease(context.Background(), cms(user(n)), Cause{By: "child"})
	if errors.Is(err, ErrExhausted) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if rand.IntN(4) == 0 {
		a, err := p.Release(context.Background(), l.Account, 0, Cause{By: "child"})
		if errors.Is(err, ErrState) {
			return "", nil
		}
		return fmt.Sprintf("released %d %s %d", n, l.Account, a.Since.UnixNano()), err
	}
	return fmt.Sprintf("leased %d %s %d", n, l.Account, l.Granted.UnixNano()), nil
}

// Leases that were acknowledged survive SIGKILL, each change is wholly there or
// wholly absent, and the history tells all that was acknowledged.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	rounds := 4
	if os.Getenv("GATEHOUSE_LONG") != "" {
		rounds = 100
	}
	acked := 0
	for range rounds {
		lines := killed(t, path)
		s, kept, err := killSetting(path)
		require.NoError(t, err)
		audit(t, kept)
		p := s.open(t)
		for _, line := range lines {
			acked++
			checkAck(t, p, line)
		}
		giveBack(t, p)
		require.NoError(t, kept.Close())
	}
	require.Greater(t, acked, rounds, "too little was acknowledged to show anything")
}

// killed runs a child for a moment and returns what it acknowledged.
func killed(t *testing.T, path string) (lines []string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	scanner := bufio.NewScanner(out)
	require.True(t, scanner.Scan())
	require.Equal(t, "ready", scanner.Text())
	time.AfterFunc(time.Duration(20+rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	for scanner.Scan() {
		require.NotContains(t, scanner.Text(), "error")
		lines = append(lines, scanner.Text())
	}
	_ = cmd.Wait() // it was killed
	if n := len(lines); n > 0 && len(strings.Fields(lines[n-1])) < 4 {
		lines = lines[:n-1]
	}
	return lines
}

// checkAck looks an acknowledged change up in the history.
func checkAck(t *testing.T, p *Pools, line string) {
	t.Helper()
	var what, account string
	var n int
	var at int64
	_, err := fmt.Sscan(line, &what, &n, &account, &at)
	require.NoError(t, err, line)
	e, err := p.At(t.Context(), account, time.Unix(0, at))
	require.NoError(t, err)
	require.Equal(t, time.Unix(0, at).UTC(), e.Time, line)
	require.Equal(t, what == "leased", e.Kind == Granted, line)
	if e.Kind == Granted {
		require.Equal(t, user(n).Key, e.Identity.Key, line)
	}
}

// giveBack ends the quarantines, so that the next child has something to give.
func giveBack(t *testing.T, p *Pools) {
	t.Helper()
	p.config.Now = func() time.Time { return time.Now().Add(DefaultQuarantine + time.Hour) }
	_, _, err := p.endQuarantines(t.Context())
	require.NoError(t, err)
}
