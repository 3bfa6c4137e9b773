package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// trail is the file that is written to.
type trail struct {
	path   string
	file   *os.File
	looked time.Time
	torn   bool // the last line may be incomplete
}

var errInUse = errors.New("another process writes to it: give each its own file")

// open opens the file for appending and takes its lock.
func (t *trail) open() error {
	f, err := os.OpenFile(t.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	if err := checkFile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	t.close()
	t.file, t.torn = f, false
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] != '\n' {
			t.torn = true // a crash in the middle of a line
		}
	}
	return nil
}

func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o022 != 0 {
		return fmt.Errorf("%s: others can write to it (mode %04o)", f.Name(), mode.Perm())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
		return fmt.Errorf("%s: %w", f.Name(), errInUse)
	}
	return nil
}

func (t *trail) close() {
	if t.file != nil {
		_ = t.file.Close() // every line was written; nothing is buffered here
		t.file = nil
	}
}

// lookEvery is how often the path is compared with the open file.
const lookEvery = time.Second

// follow opens a new file if the old one was renamed, removed or given up.
func (t *trail) follow(now time.Time) error {
	if t.file != nil {
		if age := now.Sub(t.looked); age >= 0 && age < lookEvery {
			return nil
		}
	}
	t.looked = now
	if t.file != nil && t.isCurrent() {
		return nil
	}
	t.close() // what has no name any more is no trail
	return t.open()
}

func (t *trail) isCurrent() bool {
	open, err := t.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(t.path)
	return err == nil && os.SameFile(open, named)
}

// write appends whole lines or nothing. After a failed sync the file is given
// up: what the kernel dropped, no second sync brings back.
func (t *trail) write(lines []byte, sync bool, now time.Time) error {
	if err := t.follow(now); err != nil {
		return err
	}
	if t.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	if n, err := t.file.Write(lines); err != nil {
		t.torn = n > 0 && t.takeBack(n) != nil || t.torn
		return err
	}
	t.torn = false
	if !sync {
		return nil
	}
	if err := t.file.Sync(); err != nil {
		t.close()
		return err
	}
	return nil
}

// takeBack removes the last n bytes, part of a line that did not fit.
func (t *trail) takeBack(n int) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	return t.file.Truncate(info.Size() - int64(n))
}

// reserve is room on the disk for records that must not be lost when the trail
// cannot be written.
type reserve struct {
	file *os.File
	size int64
	used int64
}

var errReserveFull = errors.New("the reserve is full")

// openReserve allocates the room. What an earlier process left in it is
// counted as used.
func openReserve(path string, size int64) (*reserve, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	r := &reserve{file: f, size: size}
	if err := r.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return r, nil
}

func (r *reserve) prepare() error {
	if err := checkFile(r.file); err != nil {
		return err
	}
	content, err := r.content()
	if err != nil {
		return err
	}
	r.used = int64(len(content))
	r.size = max(r.size, r.used)
	return r.allocate()
}

// allocate makes sure that the blocks are ours: zeros are written, for not
// every file system can allocate otherwise.
func (r *reserve) allocate() error {
	zeros := make([]byte, r.size-r.used)
	if _, err := r.file.WriteAt(zeros, r.used); err != nil {
		return err
	}
	return r.file.Sync()
}

// content returns the lines in the reserve: everything up to the last line
// that is complete.
func (r *reserve) content() ([]byte, error) {
	info, err := r.file.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, info.Size())
	if n, err := r.file.ReadAt(content, 0); n < len(content) && !errors.Is(err, fs.ErrClosed) {
		return nil, err
	}
	end := 0
	for i, c := range content {
		if c == 0 {
			break
		}
		if c == '\n' {
			end = i + 1
		}
	}
	return content[:end], nil
}

// write appends a line. Refusals get half of the room, or strangers could fill
// it and leave none for bans.
func (r *reserve) write(line []byte, refusal bool) error {
	room := r.size
	if refusal {
		room /= 2
	}
	if r.used+int64(len(line)) > room {
		return errReserveFull
	}
	if _, err := r.file.WriteAt(line, r.used); err != nil {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return err
	}
	r.used += int64(len(line))
	return nil
}

// empty gives the room back after its lines were moved.
func (r *reserve) empty() error {
	if _, err := r.file.WriteAt(make([]byte, r.used), 0); err != nil {
		return err
	}
	r.used = 0
	return r.file.Sync()
}
