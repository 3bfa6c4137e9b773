package warden

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseStatOfAMeanName(t *testing.T) {
	text := "42 (a) R 1 (\nb) S 7 8 9 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 98765 1 2 3"
	s, err := parseStat(42, []byte(text))
	require.NoError(t, err)
	require.Equal(t, stat{
		process: process{PID: 42, Start: 98765}, parent: 7, session: 9, own: 2 * time.Second, waited: 500 * time.Millisecond,
	}, s)
	for _, bad := range []string{"", "42 (a", "42 (a) S 1 2", "42 (a) S x 8 9 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 98765 1"} {
		_, err := parseStat(42, []byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzParseStat(f *testing.F) {
	self, err := os.ReadFile("/proc/self/stat")
	require.NoError(f, err)
	f.Add(self)
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStat(1, text)
		if err == nil {
			require.GreaterOrEqual(t, len(text), 40)
			require.Equal(t, 1, s.PID)
		}
	})
}

// ⚿ A number that belongs to another process by now is not signalled.
func TestSignalSparesARecycledNumber(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	s, err := readStat(cmd.Process.Pid)
	require.NoError(t, err)
	old := process{PID: s.PID, Start: s.Start - 1}
	require.NoError(t, old.signal(unix.SIGKILL))
	require.False(t, old.alive())
	time.Sleep(20 * time.Millisecond)
	require.True(t, s.process.alive())
	require.NoError(t, s.process.signal(unix.SIGKILL))
	require.Error(t, cmd.Wait())
	require.False(t, s.process.alive())
	require.NoError(t, s.process.signal(unix.SIGKILL), "gone is no error")
}

func TestDescendants(t *testing.T) {
	all := []stat{
		{process: process{PID: 1}}, {process: process{PID: 5}, parent: 1}, {process: process{PID: 6}, parent: 5},
		{process: process{PID: 7}, parent: 6}, {process: process{PID: 8}, parent: 1},
	}
	var found []int
	for _, s := range descendants(all, 5) {
		found = append(found, s.PID)
	}
	require.Equal(t, []int{6, 7}, found)
}

func TestWhereGroupsAre(t *testing.T) {
	mounts := `25 30 0:22 / /proc rw - proc proc rw
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
	own := "5:cpu,cpuacct:/user\n1:name=systemd:/\n0::/system.slice/x.service\n"
	require.Equal(t, "/sys/fs/cgroup/unified", groupMount(mounts, 2))
	require.Equal(t, "/sys/fs/cgroup/cpu,cpuacct", groupMount(mounts, 1))
	require.Equal(t, "/system.slice/x.service", groupPlace(own, 2))
	require.Equal(t, "/user", groupPlace(own, 1))
	require.Empty(t, groupMount("garbage\n - \n", 2))
	require.Empty(t, groupPlace("garbage\n", 2))

	used, err := parseUsage([]byte("nr_periods 0\nusage_usec 2500000\nuser_usec 1\n"))
	require.NoError(t, err)
	require.Equal(t, 2500*time.Millisecond, used)
	_, err = parseUsage([]byte("user_usec 1\n"))
	require.Error(t, err)
}

func TestInstructionsArriveWholeOrNotAtAll(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	in := instructions{Path: "/bin/true", Args: []string{"true"}, Env: []string{"A=b"}, CPU: time.Second}
	require.NoError(t, writeInstructions(w, in))
	got, err := readInstructions(r)
	require.NoError(t, err)
	require.Equal(t, in, got)

	require.NoError(t, writeInstructions(w, in))
	require.NoError(t, w.Close())
	cut := make([]byte, 40)
	_, err = r.Read(cut)
	require.NoError(t, err)
	half, other, err := os.Pipe()
	require.NoError(t, err)
	_, err = other.Write(cut)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = readInstructions(half)
	require.ErrorContains(t, err, "no instructions")
	require.NoError(t, half.Close())
	require.NoError(t, r.Close())
}
