package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"golang.org/x/sys/unix"
)

// room keeps space on the disk for urgent updates: the file always owns some
// blocks beyond what it uses. When the disk gives no more, ordinary updates are
// refused before they write anything, and urgent ones use those blocks. It is
// used by one goroutine at a time, but for trouble.
type room struct {
	file      *os.File
	reserve   int64
	allocated int64 // from the begin of the file
	without   bool  // this file system cannot promise blocks
	trouble   atomic.Pointer[error]
	// allocate is fallocate(2); tests replace it.
	allocate func(f *os.File, from, n int64) error
}

func newRoom(f *os.File, reserve int64) *room {
	return &room{file: f, reserve: reserve, allocate: fallocate}
}

func fallocate(f *os.File, from, n int64) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), 0, from, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// ensure makes sure that the reserve is there beyond what is used. ErrFull says
// that the disk does not give it.
func (r *room) ensure(used int64) error {
	if r.reserve == 0 || r.without {
		return nil
	}
	want := used + r.reserve
	if r.allocated >= want {
		r.trouble.Store(nil)
		return nil
	}
	to := want + r.reserve // ahead, so as not to ask each time
	err := r.allocate(r.file, r.allocated, to-r.allocated)
	if noRoom(err) {
		to = want
		err = r.allocate(r.file, r.allocated, to-r.allocated)
	}
	switch {
	case err == nil:
		r.allocated = to
		r.trouble.Store(nil)
		return nil
	case noRoom(err):
		return r.refuse(err)
	}
	r.without = true
	return nil
}

// refuse notes that there is no room.
func (r *room) refuse(cause error) error {
	err := fmt.Errorf("%w: %w", store.ErrFull, cause)
	r.trouble.Store(&err)
	return err
}

func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// refusedWrite reports whether a commit failed because a write found no room. A
// failed fsync is not that: what was written before it may be lost, and nobody
// can say.
func refusedWrite(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Op == "write" && noRoom(at.Err)
}
