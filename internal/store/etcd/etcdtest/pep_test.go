package etcdtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/stretchr/testify/require"
)

// pepVariable makes a process of this program an enforcement point that leases
// out of the pools in etcd, over HTTP on loopback.
const pepVariable = "GATEHOUSE_ETCD_PEP"

type pepConfig struct {
	Endpoints []string
	Accounts  int       // of the pool
	Start     time.Time // of the race: its clock runs faster from then on
}

// The race's clock: a quarantine of a minute passes in a quarter of a second.
const haste = 240

func (c pepConfig) now() time.Time { return c.Start.Add(haste * time.Since(c.Start)) }

// numbered is a directory in which the account cms007 has the uid 10007.
type numbered struct{}

func (numbered) User(_ context.Context, name string) (authz.Account, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, poolName))
	if err != nil {
		return authz.Account{}, err
	}
	return authz.Account{Name: name, UID: uint32(10000 + n), Group: authz.Group{Name: poolName, GID: 10000}}, nil
}

const poolName = "cms"

func (c pepConfig) open(ctx context.Context) (*etcd.Store, *pool.Pools, error) {
	s, err := etcd.Open(ctx, etcd.Options{Endpoints: c.Endpoints, Patience: 12 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	pools, err := pool.Open(ctx, s, pool.Config{
		Pools:     []pool.Definition{{Name: poolName, Members: []string{fmt.Sprintf("%s[001-%03d]", poolName, c.Accounts)}}},
		Directory: numbered{}, Idle: 1 << 62, Quarantine: pool.AnswerLife, Keep: 1 << 62, Now: c.now,
	})
	if err != nil {
		_ = s.Close()
	}
	return s, pools, err
}

// ask is one operation of a client; tell is what came of it.
type ask struct {
	Op       string // lease, release, reserve
	Identity int
	Account  string
	Tag      string // stands in the history as the reason
}

type tell struct {
	Account string
	Result  string // done, or one of the others
	Error   string
}

const (
	done    = "done"
	full    = "full"    // no account is free
	nothing = "nothing" // the state of the account did not allow it
	unknown = "unknown"
)

// runPEP serves until it is killed.
func runPEP(text string) error {
	var c pepConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	_, pools, err := c.open(context.Background())
	if err != nil {
		return err
	}
	go func() {
		for {
			time.Sleep(100 * time.Millisecond)
			_, _ = pools.Sweep(context.Background())
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q ask
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(perform(r.Context(), pools, q))
	}))
}

func perform(ctx context.Context, pools *pool.Pools, q ask) tell {
	why := pool.Cause{By: "race", Why: q.Tag}
	var account string
	var err error
	switch q.Op {
	case "lease":
		var l pool.Lease
		l, err = pools.Lease(ctx, keyOf(q.Identity), why)
		account = l.Account
	case "release":
		_, err = pools.Release(ctx, q.Account, 0, why)
	case "reserve":
		_, err = pools.Reserve(ctx, q.Account, why)
	}
	switch {
	case err == nil:
		return tell{Account: account, Result: done}
	case errors.Is(err, pool.ErrExhausted):
		return tell{Result: full}
	case errors.Is(err, pool.ErrState):
		return tell{Result: nothing}
	}
	return tell{Result: unknown, Error: err.Error()}
}

func keyOf(identity int) pool.Key {
	id, err := pool.Token("https://issuer.example.org", strconv.Itoa(identity))
	if err != nil {
		panic(err)
	}
	return pool.Key{Pool: poolName, Identity: id, Group: poolName}
}

// pep is a running enforcement point.
type pep struct {
	cmd     *exec.Cmd
	address string
}

func startPEP(t testing.TB, c pepConfig) *pep {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), pepVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		require.NoError(t, err, "an enforcement point did not start")
	}
	return &pep{cmd: cmd, address: "http://" + strings.TrimSpace(line)}
}

func (p *pep) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
