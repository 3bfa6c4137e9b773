package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// ⚿ DECISIONS 30: on a full disk bans are taken, reach the decision point and
// end jobs, while permits and other changes stop; /status says why. When there is
// room again all goes on without a restart.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small file system here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	r := newRunning(t, func(w *world) {
		w.config.Data = conf.Path(filepath.Join(dir, "data"))
		w.config.Audit.File, w.config.PAP.Socket = "", ""
		w.config.complete()
	})
	admin := r.admin("admin", "")
	ann, bob := r.person("ann"), r.person("bob")
	j, err := ann.submit(t.Context(), time.Hour, "add", "a=1", "b=2", "seconds=600")
	require.NoError(t, err)
	_, err = ann.until(t.Context(), j["session"], func(answer) {}, "running")
	require.NoError(t, err)

	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	rule := change.Rule{Permit: true, Resource: "x", Action: "y", Names: []change.Name{{Attribute: "vo", Value: "z"}}}
	require.Eventually(t, func() bool {
		_, err := admin.AddRule(t.Context(), change.Request{}, change.DefaultPAP, rule)
		return err != nil
	}, 10*time.Second, time.Millisecond)
	waiting := admin.Waiting(5 * time.Second)
	result, err := waiting.Ban(t.Context(), change.Request{}, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "subject", Value: r.world.dn("ann")}}})
	require.NoError(t, err)
	require.Empty(t, result.Pending)
	for n := range 100 { // and more, until they are taken in the reserve
		_, err := admin.Ban(t.Context(), change.Request{}, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "vo", Value: fmt.Sprint("vo", n)}}})
		require.NoError(t, err)
	}
	require.Contains(t, strings.Join(r.health.Troubles(), "\n"), "only bans and what ends jobs are taken")
	_, err = ann.submit(t.Context(), time.Minute, "add", "a=1", "b=2")
	require.ErrorContains(t, err, "you are banned")
	require.Eventually(t, func() bool {
		now, err := r.jobs.Find(t.Context(), j["session"])
		return err == nil && now.State.Final()
	}, 20*time.Second, 20*time.Millisecond, "her job is ended")
	_, err = bob.submit(t.Context(), time.Minute, "add", "a=1", "b=2")
	require.Error(t, err, "nobody is let in whom no record could be written about")

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool {
		_, err := admin.AddRule(t.Context(), change.Request{}, change.DefaultPAP, rule)
		return err == nil
	}, 15*time.Second, 50*time.Millisecond, "without a restart")
	require.NotContains(t, strings.Join(r.health.Troubles(), "\n"), "only bans and what ends jobs are taken")
	require.Eventually(t, func() bool {
		_, err := bob.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
		return err == nil
	}, 15*time.Second, 50*time.Millisecond)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	require.False(t, errors.Is(err, os.ErrClosed))
}
