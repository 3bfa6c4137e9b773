package etcdtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/stretchr/testify/require"
)

const (
	racers     = 200 // clients
	identities = 160
	accounts   = 100
)

// race is many clients that want few accounts of three enforcement points, while
// these are killed and the leader of etcd is killed and frozen.
type race struct {
	t       *testing.T
	cluster *cluster
	config  pepConfig
	http    *http.Client

	mu   sync.Mutex
	peps []*pep

	start   time.Time
	over    atomic.Bool
	leased  atomic.Int64
	tags    atomic.Int64
	history [racers][]event
}

// event is one operation of a client.
type event struct {
	ask  ask
	tell tell
	call int64
	done int64
}

// ⚿ 200 clients race for 100 accounts over three enforcement points on one etcd,
// with SIGKILL for enforcement points and leaders: no account is given to two, no
// identity gets two, over the whole history, and what clients were told is
// linearizable per lease key.
func TestRaceForAccounts(t *testing.T) {
	length := 12 * time.Second
	if text := os.Getenv("GATEHOUSE_RACE"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	r := &race{t: t, cluster: startCluster(t, 3), start: time.Now()}
	r.config = pepConfig{Endpoints: r.cluster.endpoints(), Accounts: accounts, Start: time.Now()}
	r.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: racers}}
	t.Cleanup(r.http.CloseIdleConnections)
	for range 3 {
		r.peps = append(r.peps, startPEP(t, r.config))
	}
	t.Cleanup(r.killAll)
	var clients sync.WaitGroup
	for i := range racers {
		clients.Go(func() { r.run(i) })
	}
	faults := r.disturb(length)
	r.over.Store(true)
	clients.Wait()
	r.judge(faults)
}

// run is one client.
func (r *race) run(client int) {
	var mine string // what it was told last
	for !r.over.Load() {
		q := ask{Op: "lease", Identity: rand.N(identities), Tag: fmt.Sprint(r.tags.Add(1))}
		switch n := rand.N(100); {
		case n < 25 && mine != "":
			q.Op, q.Account = "release", mine
		case n < 30:
			q.Op, q.Account = "reserve", anyAccount()
		case n < 40:
			q.Op, q.Account = "release", anyAccount()
		}
		call := time.Since(r.start).Nanoseconds()
		got := r.send(q)
		finished := time.Since(r.start).Nanoseconds()
		if got.Result == unknown {
			finished = math.MaxInt64
			time.Sleep(time.Duration(rand.N(100)) * time.Millisecond)
		}
		if q.Op == "lease" && got.Result == done {
			mine = got.Account
			r.leased.Add(1)
		}
		r.history[client] = append(r.history[client], event{q, got, call, finished})
		time.Sleep(time.Duration(rand.N(40)) * time.Millisecond)
	}
}

func anyAccount() string { return fmt.Sprintf("%s%03d", poolName, 1+rand.N(accounts)) }

func (r *race) send(q ask) tell {
	body, _ := json.Marshal(q)
	address := r.address()
	res, err := r.http.Post(address, "application/json", bytes.NewReader(body))
	if err != nil {
		return tell{Result: unknown, Error: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	var got tell
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Result == "" {
		return tell{Result: unknown, Error: "the answer broke off"}
	}
	return got
}

// address is that of an enforcement point that was alive a moment ago.
func (r *race) address() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if p := r.peps[rand.N(len(r.peps))]; p != nil {
			return p.address
		}
	}
}

// faults counts what was done to the race.
type faults struct{ peps, leaders, frozen int }

// disturb kills enforcement points and leaders for so long, and until enough was
// leased: the machine may be busy.
func (r *race) disturb(length time.Duration) (n faults) {
	begun := time.Now()
	enough := func() bool { return n.peps > 0 && n.leaders+n.frozen > 0 && r.leased.Load() > 3*accounts }
	for since := time.Duration(0); since < length || !enough() && since < time.Minute; since = time.Since(begun) {
		time.Sleep(time.Second)
		switch rand.N(4) {
		case 0:
			leader := r.cluster.leader()
			r.cluster.kill(leader)
			time.Sleep(700 * time.Millisecond)
			r.cluster.start(leader)
			n.leaders++
		case 1:
			leader := r.cluster.leader()
			r.cluster.freeze(leader)
			time.Sleep(1500 * time.Millisecond)
			r.cluster.thaw(leader)
			n.frozen++
		default:
			r.replace(rand.N(len(r.peps)))
			n.peps++
		}
	}
	return n
}

// replace kills an enforcement point and starts another.
func (r *race) replace(i int) {
	old := r.peps[i] // nobody else changes it
	old.kill()       // with whatever it was at
	r.mu.Lock()
	r.peps[i] = nil
	r.mu.Unlock()
	fresh := startPEP(r.t, r.config)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peps[i] = fresh
}

func (r *race) killAll() {
	for _, p := range r.peps {
		if p != nil {
			p.kill()
		}
	}
}

// judge reads the whole history out of the store and holds what the clients
// saw against it and against the model.
func (r *race) judge(n faults) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, pools, err := r.config.open(ctx)
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, s.Close()) }()
	events := map[string][]pool.Event{}
	ended := map[string]string{} // tag of a release -> key of the lease that it ended
	for i := range accounts {
		account := fmt.Sprintf("%s%03d", poolName, i+1)
		all, err := pools.History(ctx, pool.Past{Account: account, Most: 1 << 20})
		require.NoError(r.t, err)
		slices.Reverse(all) // oldest first
		events[account] = all
		for _, e := range all {
			if e.Kind == pool.Released && !e.Identity.IsZero() {
				ended[e.Why] = e.Identity.Key
			}
		}
	}
	r.linearizable(ended)
	grants := checkHistory(r.t, events)
	total, outcomes, causes := 0, map[string]int{}, map[string]int{}
	for i := range r.history {
		for _, e := range r.history[i] {
			total++
			outcomes[e.ask.Op+" "+e.tell.Result]++
			if e.tell.Error != "" {
				causes[shorten.ReplaceAllString(e.tell.Error, "#")]++
			}
		}
	}
	r.t.Logf("%d operations of %d clients: %v; %d grants; killed: %d enforcement points, %d leaders; frozen: %d leaders",
		total, racers, outcomes, grants, n.peps, n.leaders, n.frozen)
	for cause, n := range causes {
		r.t.Logf("%d unknown: %.300s", n, cause)
	}
	require.Greater(r.t, grants, accounts, "accounts must have changed hands")
	require.Positive(r.t, outcomes["lease full"], "the pool must have been exhausted")
	require.Positive(r.t, n.peps)
	require.Positive(r.t, n.leaders+n.frozen)
}

var shorten = regexp.MustCompile(`[0-9]+`)

// span is the time in which somebody held an account.
type span struct {
	identity, account string
	from, to          time.Time
}

// checkHistory holds that no account was in two hands, that nobody held two, and
// that no account was given away before its quarantine was over.
func checkHistory(t *testing.T, events map[string][]pool.Event) (grants int) {
	t.Helper()
	byIdentity := map[string][]span{}
	for account, all := range events {
		var open *span
		var released time.Time
		for _, e := range all {
			switch e.Kind {
			case pool.Granted:
				require.Nil(t, open, "%s was given to %s while %+v held it", account, e.Identity.Name, open)
				if !released.IsZero() {
					require.GreaterOrEqual(t, e.Time.Sub(released), pool.AnswerLife, "%s was given away out of quarantine", account)
				}
				open = &span{identity: e.Identity.Key, account: account, from: e.Time, to: e.Time.AddDate(100, 0, 0)}
				grants++
			case pool.Released:
				if open != nil {
					require.Equal(t, open.identity, e.Identity.Key, "%s", account)
					open.to = e.Time
					byIdentity[open.identity] = append(byIdentity[open.identity], *open)
					open = nil
				}
				released = e.Time
			case pool.Held:
				require.Nil(t, open, "%s was reserved while %+v held it", account, open)
			}
		}
		if open != nil {
			byIdentity[open.identity] = append(byIdentity[open.identity], *open)
		}
	}
	for identity, spans := range byIdentity {
		slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
		for i := 1; i < len(spans); i++ {
			require.False(t, spans[i].from.Before(spans[i-1].to), "%s held %s and %s at once", identity, spans[i-1].account, spans[i].account)
		}
	}
	return grants
}

// linearizable gives what the clients saw to porcupine, one lease key at a time.
// Whose lease a release ended says the history; one that ended none is no
// operation of any key.
func (r *race) linearizable(ended map[string]string) {
	byKey := map[string][]porcupine.Operation{}
	for client := range r.history {
		for _, e := range r.history[client] {
			op := porcupine.Operation{ClientId: client, Call: e.call, Return: e.done, Output: e.tell}
			switch key, tagged := ended[e.ask.Tag]; {
			case e.ask.Op == "lease":
				op.Input = step{op: "lease"}
				id := keyOf(e.ask.Identity).Identity.Key
				byKey[id] = append(byKey[id], op)
			case tagged:
				op.Input = step{op: "release", account: e.ask.Account}
				// The history says that it was made, whatever its client heard.
				op.Output = tell{Result: done}
				byKey[key] = append(byKey[key], op)
			}
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	var bad sync.Map
	for key, history := range byKey {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if result := checkKey(history); result != porcupine.Ok {
				bad.Store(key, fmt.Sprintf("%s: %+v", result, history))
			}
		})
	}
	wg.Wait()
	bad.Range(func(key, why any) bool {
		r.t.Errorf("lease key %s is not linearizable: %.2000s", key, why)
		return true
	})
	r.t.Logf("porcupine: %d lease keys", len(byKey))
}
