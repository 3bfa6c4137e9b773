package warden_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestJobIsTheAccountAndNothingElse(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSite(t, nil)
	o := s.script("who", `id; umask; pwd -P; grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|SigIgn|SigBlk):' /proc/self/status`)
	s.start(alice, o)
	exit := s.wait(o.Job)
	require.Zero(t, exit.Code, s.output(alice, o.Job, "err"))
	out := s.output(alice, o.Job, "out")
	require.Contains(t, out, "uid=61001 gid=61100 groups=61100,61200\n")
	require.Contains(t, out, "0077\n"+s.home(o.Job)+"\n")
	require.Contains(t, out, "Uid:\t61001\t61001\t61001\t61001")
	require.Contains(t, out, "Gid:\t61100\t61100\t61100\t61100")
	require.Contains(t, out, "Groups:\t61200")
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		require.Contains(t, out, set+":\t0000000000000000")
	}
	require.Contains(t, out, "NoNewPrivs:\t1")
	require.Contains(t, out, "SigIgn:\t0000000000000000")
	require.Contains(t, out, "SigBlk:\t0000000000000000")

	info, err := os.Stat(filepath.Join(s.home(o.Job), "out"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, uint32(61001), info.Sys().(*syscall.Stat_t).Uid)
}

func TestSelfModeRootRunsAsNobody(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSite(t, func(c *warden.Config) { c.AsSelf = true })
	o := s.script("who", `id -u; id -g; id -G`)
	st := s.start(alice, o)
	require.Equal(t, uint32(65534), st.UID, "what it runs as is told")
	require.Equal(t, "alice", st.Account.Name, "and what was granted")
	s.wait(o.Job)
	require.Equal(t, "65534\n65534\n65534\n", s.output(alice, o.Job, "out"))
}

func TestNotRootNeedsSelfMode(t *testing.T) {
	t.Parallel()
	asNobody := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"test"}, Env: []string{openAndTell + "=1"}}
	if os.Geteuid() == 0 {
		asNobody.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := asNobody.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "AsSelf")
}

func TestSetuidProgramGainsNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSite(t, nil)
	id, err := exec.LookPath("id")
	require.NoError(t, err)
	program, err := os.ReadFile(id)
	require.NoError(t, err)
	setuid := filepath.Join(s.config.Services, "setuid-id")
	require.NoError(t, os.WriteFile(setuid, program, 0o755))
	require.NoError(t, os.Chmod(setuid, 0o755|os.ModeSetuid))
	// Without the Warden it would work: else this test shows nothing.
	plain := exec.Command(setuid, "-u")
	plain.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: alice.UID, Gid: alice.Group.GID}}
	out, err := plain.Output()
	require.NoError(t, err)
	if string(out) != "0\n" {
		t.Skip("the temporary directory is mounted nosuid")
	}
	o := s.script("try", setuid+" -u")
	s.start(alice, o)
	s.wait(o.Job)
	require.Equal(t, "61001\n", s.output(alice, o.Job, "out"))
}

func TestNothingIsInherited(t *testing.T) {
	s := newSite(t, nil)
	// Descriptors as a careless library leaves them: open, and not CLOEXEC.
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("top"), 0o600))
	for _, at := range []int{100, 250} {
		fd, err := unix.Open(secret, unix.O_RDONLY, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Dup3(fd, at, 0))
		defer unix.Close(at)
		unix.Close(fd)
	}
	t.Setenv("LD_PRELOAD", "/tmp/evil.so")
	t.Setenv("SECRET", "top")
	o := s.script("look", `ls /proc/self/fd; echo; env; echo; ulimit -c; ulimit -Hc; ulimit -n; ulimit -t; ulimit -Ht`)
	o.Env = []string{"FLAVOUR=sour"}
	o.Limits.Files = 333
	s.start(alice, o)
	s.wait(o.Job)
	parts := strings.SplitN(s.output(alice, o.Job, "out"), "\n\n", 3)
	require.Len(t, parts, 3)
	require.Equal(t, "0\n1\n2\n3", parts[0], "3 is ls's own")
	require.ElementsMatch(t, []string{
		"FLAVOUR=sour", "HOME=" + s.home(o.Job), "LOGNAME=alice", "PATH=/usr/local/bin:/usr/bin:/bin",
		"PWD=" + s.home(o.Job), "SHELL=/bin/sh", "USER=alice",
	}, strings.Split(parts[1], "\n"))
	require.Equal(t, "0\n0\n333\n30\n32\n", parts[2])
}

func TestProtectionFromTheOOMKillerIsNotInherited(t *testing.T) {
	const path = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	// Takes CAP_SYS_RESOURCE; without it this shows only that nothing breaks.
	if err := os.WriteFile(path, []byte("-500"), 0); err == nil {
		defer os.WriteFile(path, before, 0)
	}
	s := newSite(t, nil)
	o := s.script("oom", "cat "+path)
	s.start(alice, o)
	require.Empty(t, s.wait(o.Job).Error)
	require.NotContains(t, s.output(alice, o.Job, "out"), "-")
}

func TestIgnoredSignalsAreReset(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("signals", `kill -TERM $$; echo survived`)
	s.start(alice, o)
	require.Equal(t, "SIGTERM", s.wait(o.Job).Signal)
}

// accountings runs a test with control groups and with /proc.
func accountings(t *testing.T, run func(t *testing.T, s *site)) {
	for name, dir := range map[string]string{"cgroup": "", "proc": warden.NoGroups} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *warden.Config) { c.Groups = dir })
			if strings.HasPrefix(s.warden.Accounting(), name) {
				run(t, s)
				return
			}
			t.Skip("no control groups can be made here")
		})
	}
}

const burn = `while :; do :; done`

func TestCPULimitCountsTheWholeTree(t *testing.T) {
	t.Parallel()
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("burn", `for i in 1 2 3; do sh -c '`+burn+`' & done; wait; echo done`)
		o.Limits.CPU = time.Second
		s.start(alice, o)
		exit := s.wait(o.Job)
		require.Equal(t, launch.CPULimit, exit.Cause)
		require.GreaterOrEqual(t, exit.CPU, time.Second)
		require.Less(t, exit.CPU, 2*time.Second, "three children must not get three times the limit")
		require.Empty(t, s.output(alice, o.Job, "out"))
	})
}

func TestCPUOfTheDeadCounts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("burns CPU time for seconds")
	}
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("burn", `while :; do sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'; done`)
		o.Limits.CPU = time.Second
		s.start(alice, o)
		exit := s.wait(o.Job)
		require.Equal(t, launch.CPULimit, exit.Cause)
		require.Less(t, exit.CPU, 2*time.Second)
	})
}

func TestNobodyEscapes(t *testing.T) {
	t.Parallel()
	accountings(t, func(t *testing.T, s *site) {
		// A daemon: new session, parent gone, deaf to signals; it would say so.
		o := s.script("escape", `setsid sh -c '(trap "" TERM XCPU HUP; : > up; while :; do :; done) & ' & while [ ! -e up ]; do sleep 0.01; done; exit 0`)
		s.start(alice, o)
		exit := s.wait(o.Job)
		require.Zero(t, exit.Code)
		require.Empty(t, processesIn(t, s.home(o.Job)), "what the job left running is gone before it counts as ended")
	})
}

func TestEscapedBurnerIsStopped(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("burns CPU time for seconds")
	}
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("escape", `setsid sh -c '(trap "" TERM XCPU; `+burn+`) & ' ; sleep 20`)
		o.Limits.CPU = time.Second
		s.start(alice, o)
		exit := s.wait(o.Job)
		require.Equal(t, launch.CPULimit, exit.Cause)
		require.Empty(t, processesIn(t, s.home(o.Job)))
	})
}

func TestDeafJobIsKilled(t *testing.T) {
	t.Parallel()
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("deaf", `trap '' TERM XCPU INT HUP; : > up; while :; do sleep 0.1; done`)
		s.start(alice, o)
		require.Eventually(t, func() bool { _, err := os.Stat(s.home(o.Job) + "/up"); return err == nil }, 5*time.Second, 5*time.Millisecond)
		_, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Terminate})
		require.NoError(t, err)
		exit := s.wait(o.Job)
		require.Equal(t, launch.Cancelled, exit.Cause)
		require.Equal(t, "SIGKILL", exit.Signal)
		require.Empty(t, processesIn(t, s.home(o.Job)))
	})
}

func TestPoliteJobMayTidyUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("polite", `trap 'echo bye; exit 7' TERM; : > up; while :; do sleep 0.05; done`)
	s.start(alice, o)
	require.Eventually(t, func() bool { _, err := os.Stat(s.home(o.Job) + "/up"); return err == nil }, 5*time.Second, 5*time.Millisecond)
	_, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Terminate})
	require.NoError(t, err)
	exit := s.wait(o.Job)
	require.Equal(t, 7, exit.Code)
	require.Equal(t, launch.Cancelled, exit.Cause)
	require.Equal(t, "bye\n", s.output(alice, o.Job, "out"))
}

func TestWallLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("sleep", `sleep 20`)
	o.Limits.Wall = time.Second
	s.start(alice, o)
	exit := s.wait(o.Job)
	require.Equal(t, launch.WallLimit, exit.Cause)
	require.Equal(t, "SIGTERM", exit.Signal)
}

// processesIn returns the processes whose working directory is dir.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	var found []string
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, dir) {
			found = append(found, fmt.Sprint(link, " → ", at))
		}
	}
	return found
}

func TestExecutableMustBeApproved(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(t *testing.T, s *site, o *launch.Order)
		want  string
	}{
		"changed": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.WriteFile(filepath.Join(s.config.Services, "x"), []byte("#!/bin/sh\nid\n"), 0o755))
		}, "approve it again"},
		"writable by others": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.Chmod(filepath.Join(s.config.Services, "x"), 0o777))
		}, "lets others write it"},
		"directory writable by others": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.Chmod(s.config.Services, 0o777))
		}, "lets others write it"},
		"link": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.Rename(filepath.Join(s.config.Services, "x"), filepath.Join(s.config.Services, "y")))
			require.NoError(t, os.Symlink("y", filepath.Join(s.config.Services, "x")))
		}, "too many levels of symbolic links"},
		"directory that leads out": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.Symlink("/bin", filepath.Join(s.config.Services, "out")))
			o.Executable = "out/sh"
		}, "leads out of the service directory"},
		"pipe": {func(t *testing.T, s *site, o *launch.Order) {
			require.NoError(t, os.Remove(filepath.Join(s.config.Services, "x")))
			require.NoError(t, unix.Mkfifo(filepath.Join(s.config.Services, "x"), 0o755))
		}, "not an executable file"},
		"absent": {func(t *testing.T, s *site, o *launch.Order) { o.Executable = "z" }, "no such file"},
		"somebody else's": {func(t *testing.T, s *site, o *launch.Order) {
			needRoot(t)
			require.NoError(t, os.Chown(filepath.Join(s.config.Services, "x"), int(bob.UID), -1))
		}, "belongs to uid 61002"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			o := s.script("x", `echo never > "$HOME/ran"`)
			c.spoil(t, s, &o)
			_, err := s.run(alice, o)
			require.ErrorIs(t, err, launch.ErrForbidden)
			require.ErrorContains(t, err, c.want)
			s.settles(o.Job, launch.Claimed) // surely not run
			require.NoFileExists(t, s.home(o.Job)+"/ran")
		})
	}
}

func TestStartFailureIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", "true")
	o.Stdin = "absent"
	s.start(alice, o)
	exit := s.wait(o.Job)
	require.Equal(t, launch.StartFailed, exit.Cause)
	require.Contains(t, exit.Error, "stream absent: no such file")
}

func TestStreamsFollowNoLink(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSite(t, nil)
	o := s.script("x", "echo pwned")
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o666))
	require.NoError(t, os.MkdirAll(s.home(o.Job), 0o711))
	require.NoError(t, os.Chmod(s.config.Sandboxes, 0o711))
	require.NoError(t, os.Symlink(victim, s.home(o.Job)+"/out"))
	s.start(alice, o)
	require.Equal(t, launch.StartFailed, s.wait(o.Job).Cause)
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}
