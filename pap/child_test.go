package pap_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// childEnv has the store and the number of bans for a re-executed test binary
// that writes until it is done or killed.
const childEnv = "GATEHOUSE_TEST_PAP_CHILD"

const writers = 8

// child is the administration point that gets killed: eight writers place bans,
// a ninth tries a bad policy again and again. It reports whether it was one.
func child() bool {
	path, count, found := strings.Cut(os.Getenv(childEnv), "\x1f")
	if !found {
		return false
	}
	n, _ := strconv.Atoi(count)
	if err := administer(path, n); err != nil {
		fmt.Println("error", err)
	}
	return true
}

func administer(path string, n int) error {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	service, err := pap.Open(bg, pap.Options{Store: store, Check: refuseNodes})
	if err != nil {
		return err
	}
	done := make(chan struct{})
	var writing, spoiling sync.WaitGroup
	spoiling.Go(func() { spoil(service, done) })
	for w := range writers {
		writing.Go(func() { write(service, w, n) })
	}
	writing.Wait()
	close(done)
	spoiling.Wait()
	fmt.Println("done")
	return store.Close()
}

// refuseNodes is a compiler that takes bans and nothing else.
func refuseNodes(u policies.Update) error {
	for _, e := range u.Edits {
		if e.Node != nil {
			return errRefused
		}
	}
	return nil
}

func write(service *pap.Service, w, n int) {
	for i := w; i < n; i += writers {
		result, err := service.Ban(bg, by(fmt.Sprintf("writer %d", w)), "default", numbered(i))
		if err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Printf("ack %d %s\n", i, result.IDs[0]) // one write: os.Stdout has no buffer
	}
}

func numbered(i int) change.Ban {
	b := dn(fmt.Sprintf("/DC=org/CN=Number %d", i))
	b.Reason = strings.Repeat(strconv.Itoa(i), 1+i%200)
	if i%2 == 0 {
		b.Until = time.Date(2100, 1, 1, 0, 0, i, 0, time.UTC)
	}
	return b
}

func spoil(service *pap.Service, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
		_, err := service.AddFile(bg, by("Mallory"), "default", change.File{Name: "bad.spl", Text: sample}, change.At{})
		if !errors.Is(err, errRefused) {
			fmt.Println("error a bad policy was not refused:", err)
			return
		}
		fmt.Println("refused")
	}
}

// TestKill writes bans from eight sides while the process is killed at random
// moments: 1,000 bans and 50 kills with GATEHOUSE_LONG, fewer without. Every
// acknowledged ban is there after the restart, every other one wholly there or
// wholly absent, and a bad policy in between holds up none of them.
func TestKill(t *testing.T) {
	bans, kills := 150, 5
	if os.Getenv("GATEHOUSE_LONG") != "" {
		bans, kills = 1000, 50
	}
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	r := &run{t: t, path: path, bans: bans, acked: map[int]string{}}
	for killed := 0; killed < kills; {
		if r.once(2 * (bans - len(r.acked)) / (kills - killed)) {
			killed++
		}
		r.verify()
	}
	r.once(-1)
	r.verify()
	require.Len(t, r.acked, bans)
	require.Positive(t, r.refused, "no bad policy was tried")
	t.Logf("%d bans, %d kills, %d refused policies in between", bans, kills, r.refused)
}

type run struct {
	t       *testing.T
	path    string
	bans    int
	acked   map[int]string
	refused int
}

// once runs the child and kills it some time after it acknowledged up to limit
// new bans; never if limit is negative. It reports whether it killed it.
func (r *run) once(limit int) bool {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\x1f%d", childEnv, r.path, r.bans))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(r.t, err)
	require.NoError(r.t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if limit >= 0 {
		limit = rand.IntN(limit + 1)
		if limit == 0 { // while it opens
			time.AfterFunc(time.Duration(rand.IntN(30))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
	}
	return !r.listen(out, limit, cmd.Process)
}

// listen collects what the child acknowledges, also what it wrote before it was
// killed, and reports whether it came to its end.
func (r *run) listen(out io.Reader, limit int, process *os.Process) (done bool) {
	fresh := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case fields[0] == "ack" && len(fields) == 3:
			i, err := strconv.Atoi(fields[1])
			require.NoError(r.t, err)
			if _, known := r.acked[i]; !known {
				fresh++
			}
			r.acked[i] = fields[2]
			if fresh == limit && limit > 0 {
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				_ = process.Kill()
			}
		case fields[0] == "refused":
			r.refused++
		case fields[0] == "done":
			done = true
		case fields[0] == "error":
			require.Fail(r.t, lines.Text())
		}
	}
	return done
}

func (r *run) verify() {
	r.t.Helper()
	store, err := bolt.Open(r.path, bolt.Options{Verify: true})
	require.NoError(r.t, err)
	defer store.Close()
	service, err := pap.Open(bg, pap.Options{Store: store})
	require.NoError(r.t, err)
	bans, err := service.Bans(bg, "default")
	require.NoError(r.t, err)
	there := map[string]change.Ban{}
	for _, b := range bans {
		there[b.ID] = b
	}
	whole := map[string]int{}
	for i := range r.bans {
		want := numbered(i)
		want.PAP = "default"
		for id, b := range there {
			if b.Names[0] != want.Names[0] {
				continue
			}
			whole[id] = i
			want.ID, want.Author, want.Time = id, b.Author, b.Time
			require.Equal(r.t, want, b, "half a ban")
		}
	}
	require.Len(r.t, whole, len(there), "bans that nobody wrote")
	for i, id := range r.acked {
		if n, found := whole[id]; !found || n != i {
			require.Failf(r.t, "an acknowledged ban is lost", "%d %s", i, id)
		}
	}
	r.consistent(service, len(there))
}

// consistent checks the history against the bans, and that policies can be made.
func (r *run) consistent(service *pap.Service, bans int) {
	r.t.Helper()
	at, err := service.Revision(bg)
	require.NoError(r.t, err)
	require.EqualValues(r.t, bans+1, at.Number, "one revision for each ban and one for the PAP")
	entries, err := service.History(bg, change.Query{Limit: 10 * r.bans})
	require.NoError(r.t, err)
	require.Len(r.t, entries, bans+1)
	units, err := service.Units(bg, "default")
	require.NoError(r.t, err)
	require.Empty(r.t, units, "a bad policy left something behind")
	update, err := service.Next(bg, authz.Revision{})
	require.NoError(r.t, err)
	node, _ := update.Base.Root.Children.Find(policies.BansID)
	require.Equal(r.t, bans, node.(*policies.Policy).Rules.Len())
}
