package warden

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process names a process for good: its start time tells it from a later one
// with the same number.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot
}

// stat is what /proc/<pid>/stat says (proc(5)).
type stat struct {
	process
	parent  int
	session int
	zombie  bool
	own     time.Duration // CPU time of the process
	waited  time.Duration // and of the children it has waited for
}

// tick is the unit of CPU times in /proc: sysconf(_SC_CLK_TCK) is 100 on every
// Linux architecture.
const tick = 10 * time.Millisecond

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, text)
}

// parseStat reads from the last parenthesis on: the command name before it is
// the job's to choose, brackets, blanks and newlines included.
func parseStat(pid int, text []byte) (stat, error) {
	i := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[i+1:]))
	if i < 0 || len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat: not understood", pid)
	}
	var bad error
	number := func(field int) uint64 { // field as numbered in proc(5)
		n, err := strconv.ParseUint(fields[field-3], 10, 64)
		bad = errors.Join(bad, err)
		return n
	}
	s := stat{zombie: fields[0] == "Z" || fields[0] == "X"}
	s.PID = pid
	s.parent = int(number(4))
	s.session = int(number(6))
	s.own = time.Duration(number(14)+number(15)) * tick
	// cutime and cstime are signed in the kernel, never negative in fact.
	s.waited = time.Duration(number(16)+number(17)) * tick
	s.Start = number(22)
	if bad != nil {
		return stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, bad)
	}
	return s, nil
}

// allStats returns every process that can be seen. One that ends meanwhile is
// left out.
func allStats() ([]stat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var list []stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			list = append(list, s)
		}
	}
	return list, nil
}

// descendants returns the processes below root, without root.
func descendants(all []stat, root int) []stat {
	children := make(map[int][]stat)
	for _, s := range all {
		children[s.parent] = append(children[s.parent], s)
	}
	var found []stat
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		found = append(found, children[queue[0]]...)
		for _, s := range children[queue[0]] {
			queue = append(queue, s.PID)
		}
	}
	return found
}

// alive reports whether p still runs: as itself, and not as a zombie.
func (p process) alive() bool {
	s, err := readStat(p.PID)
	return err == nil && s.Start == p.Start && !s.zombie
}

// signal sends sig to p and to no other process that has its number by now. A
// process that is gone is no error.
func (p process) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	// The descriptor holds the process; if its start time is right now, it is right.
	if s, err := readStat(p.PID); err != nil || s.Start != p.Start {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	return nil
}
