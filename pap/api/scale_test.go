package api_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// TestScale measures a follower among many bans; GATEHOUSE_BANS says how many.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("GATEHOUSE_BANS"))
	if n == 0 {
		n = 2_000 // GATEHOUSE_BANS=1000000 measures
	}
	s := newSite(t)
	by := change.Request{Author: change.Author{Name: "test"}}
	for i := 0; i < n; i += 10_000 {
		var bans []change.Ban
		for j := i; j < min(n, i+10_000); j++ {
			bans = append(bans, eve(j))
		}
		_, err := s.service.Ban(bg, by, "default", bans...)
		require.NoError(t, err)
	}
	start := time.Now()
	e := s.engine(s.follower("one", "copy"))
	for e.bans() < n {
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d bans fetched and made into policies in %v", n, time.Since(start))
	start = time.Now()
	now, err := s.service.Revision(bg)
	require.NoError(t, err)
	_, err = s.service.Wait(bg, now)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(s.dir, "copy"))
	require.NoError(t, err)
	t.Logf("copy of %d MB on disk after %v", info.Size()>>20, time.Since(start))
	for i := range 5 {
		start = time.Now()
		r := s.ban(n + i)
		committed := time.Since(start)
		for e.bans() <= n+i {
			time.Sleep(100 * time.Microsecond)
		}
		inForce := time.Since(start)
		_, err = s.service.Wait(bg, r.Revision)
		require.NoError(t, err)
		t.Logf("one more ban: committed %v, with the follower %v, settled %v", committed, inForce, time.Since(start))
	}
	e.end()
	s.stop()
	start = time.Now()
	again := s.engine(s.follower("one", "copy"))
	for again.bans() < n+5 {
		time.Sleep(time.Millisecond)
	}
	t.Logf("restarted from its copy in %v", time.Since(start))
}
