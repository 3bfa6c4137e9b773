package warden

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"golang.org/x/sys/unix"
)

// What the stage inherits besides an empty environment and /dev/null.
const (
	stageOrders = 3 // pipe: the instructions, after begun is on the disk
	stageReport = 4 // pipe: why it could not become the job; closed when it did
)

const maxInstructions = 4 << 20

// instructions are what the supervisor tells the stage.
type instructions struct {
	Path   string        `json:"path"`
	Args   []string      `json:"args"`
	Env    []string      `json:"env"`
	Home   string        `json:"home"`
	Run    identity      `json:"run"`
	CPU    time.Duration `json:"cpu_ns"`
	Files  uint64        `json:"files"`
	Stdin  string        `json:"stdin,omitzero"`
	Stdout string        `json:"stdout,omitzero"`
	Stderr string        `json:"stderr,omitzero"`
}

// becomeJob is the stage: already the job's user, it waits for its
// instructions, closes every way back and out, and executes the job. It
// returns only when that failed.
func becomeJob() int {
	// prctl and the signal mask belong to the thread that will call execve.
	runtime.LockOSThread()
	unix.CloseOnExec(stageReport)
	report := os.NewFile(stageReport, "report")
	fmt.Fprint(report, become())
	return 126
}

// become returns why there is no job.
func become() error {
	// Nothing inherited survives the execve, whatever the launcher had open.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	in, err := readInstructions(os.NewFile(stageOrders, "orders"))
	if err != nil {
		return err
	}
	if err := cannotReturn(in.Run); err != nil {
		return err
	}
	if err := enterHome(in); err != nil {
		return err
	}
	if err := tie(in); err != nil {
		return err
	}
	return fmt.Errorf("execve: %w", syscall.Exec(in.Path, in.Args, in.Env))
}

// readInstructions reads a length and as many bytes. When the supervisor dies
// before it has sent all, this stage must not become anything.
func readInstructions(r io.Reader) (instructions, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return instructions{}, fmt.Errorf("no instructions: %w", err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxInstructions {
		return instructions{}, errors.New("instructions too long")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return instructions{}, fmt.Errorf("no instructions: %w", err)
	}
	var in instructions
	return in, json.Unmarshal(body, &in, json.RejectUnknownMembers(true), jsonv1.FormatDurationAsNano(true))
}

func writeInstructions(w io.Writer, in instructions) error {
	body, err := json.Marshal(in, jsonv1.FormatDurationAsNano(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// cannotReturn makes sure that this process is the job's user and nobody else,
// in every set of ids that the kernel keeps, and tries to become root again.
func cannotReturn(id identity) error {
	if !id.Switch {
		return nil
	}
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	u, g := int(id.UID), int(id.GID)
	if u == 0 || ruid != u || euid != u || suid != u || rgid != g || egid != g || sgid != g {
		return fmt.Errorf("still uid %d %d %d, gid %d %d %d: want %d:%d", ruid, euid, suid, rgid, egid, sgid, u, g)
	}
	if err := sameGroups(id.Groups); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno == 0 {
		return errors.New("could become root again")
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno == 0 {
		return errors.New("could change its groups")
	}
	return noCapabilities()
}

func sameGroups(want []uint32) error {
	have, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("getgroups: %w", err)
	}
	var expected []int
	for _, g := range want {
		expected = append(expected, int(g))
	}
	slices.Sort(have)
	slices.Sort(expected)
	if !slices.Equal(slices.Compact(have), slices.Compact(expected)) {
		return fmt.Errorf("groups are %v: want %v", have, expected)
	}
	return nil
}

// noCapabilities reads the sets back, as capget(2) shows them to everybody. An
// inheritable set means nothing without privilege, but is cleared as well.
func noCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none, sets [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	if sets != none {
		return fmt.Errorf("still has capabilities %v", sets)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	return nil
}

// enterHome changes to the sandbox and opens the streams there, as the job's
// user: a link that another process of that user plants leads nowhere new.
func enterHome(in instructions) error {
	unix.Umask(0o077)
	if err := unix.Chdir(in.Home); err != nil {
		return fmt.Errorf("sandbox: chdir: %w", err)
	}
	const create = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_APPEND
	streams := []struct {
		name  string
		flags int
	}{{in.Stdin, unix.O_RDONLY | unix.O_NONBLOCK}, {in.Stdout, create}, {in.Stderr, create}}
	for target, s := range streams {
		if err := openStream(target, s.name, s.flags); err != nil {
			return fmt.Errorf("stream %s: %w", s.name, err)
		}
	}
	return nil
}

func openStream(target int, name string, flags int) error {
	if name == "" {
		return nil // /dev/null since the fork
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{
		Flags: uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC), Mode: createMode(flags),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("not a regular file")
	}
	return unix.Dup3(fd, target, 0)
}

// createMode is what openat2 wants: no mode unless a file may be created.
func createMode(flags int) uint64 {
	if flags&unix.O_CREAT == 0 {
		return 0
	}
	return 0o600
}

// tie sets the limits and takes away what could be gained by execve.
func tie(in instructions) error {
	seconds := uint64((in.CPU + time.Second - 1) / time.Second)
	limits := []struct {
		which      int
		soft, hard uint64
	}{
		// SIGXCPU at the limit, SIGKILL two seconds later for who ignores it.
		{unix.RLIMIT_CPU, seconds, seconds + 2},
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, in.Files, in.Files},
	}
	for _, l := range limits {
		// syscall's, not unix's: it keeps execve from restoring Go's old NOFILE.
		if err := syscall.Setrlimit(l.which, &syscall.Rlimit{Cur: l.soft, Max: l.hard}); err != nil {
			return fmt.Errorf("setrlimit %d: %w", l.which, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	// A handled signal is the default again after execve, an ignored one would
	// stay ignored: handle them all. A blocked one would stay blocked.
	signal.Notify(make(chan os.Signal, 1))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil); err != nil {
		return fmt.Errorf("signal mask: %w", err)
	}
	return mortal()
}

// mortal takes back a protection against the OOM killer that a root service
// may have been given.
func mortal() error {
	const path = "/proc/self/oom_score_adj"
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("oom_score_adj: %w", err)
	}
	if !strings.HasPrefix(string(text), "-") {
		return nil
	}
	if err := os.WriteFile(path, []byte("0"), 0); err != nil {
		return fmt.Errorf("oom_score_adj: %w", err)
	}
	return nil
}
