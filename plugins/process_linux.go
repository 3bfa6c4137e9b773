package plugins

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes puts the program into a process group of its own and ends it with
// us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limit bounds what the program may allocate, and keeps its memory, which holds
// people's attributes, out of core files. Address space is no measure: the Go
// runtime reserves more than it uses.
func limit(pid int, memory uint64) error {
	err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: memory, Max: memory}, nil)
	return errors.Join(err, unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil))
}

// awaitExit returns when the process has ended, before it is reaped.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
