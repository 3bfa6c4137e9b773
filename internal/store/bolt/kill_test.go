package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childEnv names the store that a re-executed test binary writes to until it is
// killed.
const childEnv = "GATEHOUSE_TEST_BOLT_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// child writes records from four sides, each update two records and an entry,
// and prints what is acknowledged.
func child(path string) {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	for writer := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), writer, i)
				number, err := s.Update(context.Background(), func(tx store.WriteTx) error {
					tx.Put("left", key, []byte(strings.Repeat(key, 1+i%300)))
					tx.Put("right", key, []byte(strconv.FormatUint(tx.Revision()+1, 10)))
					tx.Append([]byte(key))
					return nil
				})
				if err != nil {
					fmt.Println("error", err)
					return
				}
				fmt.Printf("ack %d %s\n", number, key) // one write each: os.Stdout has no buffer
			}
		})
	}
	wg.Wait()
}

// kills is how often the child is killed: GATEHOUSE_KILLS, or 300 with
// GATEHOUSE_LONG, else a few.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("GATEHOUSE_KILLS")); err == nil {
		return n
	}
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return 300
	}
	return 8
}

// TestKill kills a writing process at random moments: what it acknowledged is
// there, everything else is wholly there or wholly absent.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	acked := map[string]uint64{}
	for range kills() {
		killOnce(t, path, acked)
		verify(t, path, acked)
	}
	require.NotEmpty(t, acked)
	t.Logf("%d kills, %d acknowledged updates", kills(), len(acked))
}

func killOnce(t *testing.T, path string, acked map[string]uint64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	// From the first moment on, so that opening and creating are killed too.
	timer := time.AfterFunc(time.Duration(rand.IntN(120))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		require.NotEqual(t, "error", fields[0], lines.Text())
		if len(fields) == 3 && fields[0] == "ack" {
			number, err := strconv.ParseUint(fields[1], 10, 64)
			require.NoError(t, err)
			acked[fields[2]] = number
		}
	}
}

func verify(t *testing.T, path string, acked map[string]uint64) {
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		entries := map[string]uint64{}
		for number, entry := range tx.Journal(1, tx.Revision()) {
			entries[string(entry)] = number
		}
		require.Len(t, entries, int(tx.Revision()), "an entry for each revision")
		for key, number := range acked { // no require on each: it is slow on large maps
			if entries[key] != number {
				require.Failf(t, "an acknowledged update is lost", "%s: %d, want %d", key, entries[key], number)
			}
		}
		left, right := 0, 0
		for key, value := range tx.Scan("left", "", "") {
			if _, ok := entries[key]; !ok || len(value)%len(key) != 0 {
				require.Failf(t, "half an update", "left %s", key)
			}
			left++
		}
		for key, value := range tx.Scan("right", "", "") {
			if strconv.FormatUint(entries[key], 10) != string(value) {
				require.Failf(t, "half an update", "right %s", key)
			}
			right++
		}
		require.Equal(t, len(entries), left)
		require.Equal(t, len(entries), right)
		return nil
	}))
}
