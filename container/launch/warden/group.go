package warden

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups is where control groups for jobs are made: a directory of a cgroup
// file system of the given version, or nowhere.
type groups struct {
	Base    string `json:"base,omitzero"`
	Version int    `json:"version,omitzero"`
}

// findGroups looks below this process's own place in the unified hierarchy,
// then in cpuacct, for a directory where it can make groups.
func findGroups() groups {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return groups{}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return groups{}
	}
	for _, version := range []int{2, 1} {
		mount, place := groupMount(string(mounts), version), groupPlace(string(own), version)
		if mount == "" || place == "" {
			continue
		}
		g := groups{Base: filepath.Join(mount, place, "gatehouse-jobs"), Version: version}
		if g.usable() {
			return g
		}
	}
	return groups{}
}

func (g groups) usable() bool {
	if err := os.Mkdir(g.Base, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return false
	}
	if _, err := (group{dir: g.Base, version: g.Version}).used(); err != nil {
		return false
	}
	// The directory may be another user's, from an earlier run.
	probe, err := os.MkdirTemp(g.Base, "probe-")
	if err != nil {
		return false
	}
	return os.Remove(probe) == nil
}

// groupMount finds the mount point in /proc/self/mountinfo (proc(5)).
func groupMount(mountinfo string, version int) string {
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		if version == 2 && kind[0] == "cgroup2" {
			return fields[4]
		}
		if version == 1 && kind[0] == "cgroup" && hasOption(kind[2], "cpuacct") {
			return fields[4]
		}
	}
	return ""
}

// groupPlace finds this process's path in /proc/self/cgroup.
func groupPlace(own string, version int) string {
	for line := range strings.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if version == 2 && parts[0] == "0" || version == 1 && hasOption(parts[1], "cpuacct") {
			return parts[2]
		}
	}
	return ""
}

func hasOption(list, option string) bool {
	return strings.Contains(","+list+",", ","+option+",")
}

// group is the control group of one job: see tree.
type group struct {
	dir     string
	version int
}

var _ tree = group{}

// add moves a process, with everything it will start, into the group.
func (g group) add(pid int) error {
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

func (g group) used() (time.Duration, error) {
	if g.version == 1 {
		text, err := os.ReadFile(filepath.Join(g.dir, "cpuacct.usage"))
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(n), err
	}
	text, err := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	return parseUsage(text)
}

func parseUsage(text []byte) (time.Duration, error) {
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("usage_usec ")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return time.Duration(n) * time.Microsecond, err
		}
	}
	return 0, errors.New("cpu.stat: no usage_usec")
}

func (g group) members() ([]process, error) {
	f, err := os.Open(filepath.Join(g.dir, "cgroup.procs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []process
	for lines := bufio.NewScanner(f); lines.Scan(); {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if s, err := readStat(pid); err == nil && !s.zombie {
			list = append(list, s.process)
		}
	}
	return list, nil
}

func (g group) kill() error {
	if g.version == 2 {
		err := os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
		if !errors.Is(err, os.ErrNotExist) { // before Linux 5.14
			return err
		}
	}
	return signalAll(g, unix.SIGKILL)
}

// close removes the group. The kernel needs a moment to see it empty.
func (g group) close() error {
	var err error
	for range 50 {
		if err = unix.Rmdir(g.dir); err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s: %w", g.dir, err)
}
