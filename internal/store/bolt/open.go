package bolt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// Format is the layout this package reads and writes.
const Format = 1

// mapped is address space, not memory: room for the file to grow before an
// update, a ban say, has to wait for running views in order to map it anew.
const mapped = 1 << 30

// Options say how to open a store. The zero value is for a server that may
// create its store.
type Options struct {
	// Wait is how long to wait for another process to let go of the file;
	// 0 means two seconds.
	Wait time.Duration
	// MustExist refuses a missing or empty file with fs.ErrNotExist instead of
	// creating a store. A server that has been set up wants this: a store that
	// vanished must not come back empty, without a single ban.
	MustExist bool
	// Verify reads every page before the store is used, in time proportional
	// to the file, and refuses a damaged one with store.ErrCorrupt. Without it
	// only the pages that opening needs are looked at.
	Verify bool
	// Reserve is how many bytes of disk to own for urgent updates, over what the
	// store uses; 0 is none. Where the file system cannot promise them there is
	// none either.
	Reserve int64
}

// Open opens the store at path, with mode 0600 if it creates it.
//
// Errors: store.ErrInUse, store.ErrNewer, store.ErrForeign, store.ErrCorrupt,
// fs.ErrNotExist (see Options.MustExist) and those of the file system, each
// with the path.
func Open(path string, options Options) (*Store, error) {
	if err := precheck(path, options); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s, err := openFile(path, options)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

// precheck looks for a file that is missing or empty, which bbolt would make new.
func precheck(path string, options Options) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !options.MustExist {
			return nil
		}
		return fmt.Errorf("%w: create it first, or restore a backup", fs.ErrNotExist)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: not a regular file", store.ErrForeign)
	case info.Size() == 0 && options.MustExist:
		return fmt.Errorf("%w: the file is empty: restore a backup", fs.ErrNotExist)
	}
	return nil
}

func openFile(path string, options Options) (_ *Store, err error) {
	db, file, err := openDB(path, options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if err := guarded(func() error { return prepare(db, path, options.Verify) }); err != nil {
		return nil, err
	}
	s := &Store{path: path, db: db, room: newRoom(file, options.Reserve)}
	return s, guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			current, err := newState(tx)
			if err == nil && tx.Bucket(bucketJournal) == nil {
				err = errNoBucket
			}
			if err == nil {
				s.bell = backend.NewBell(current.revision)
				_ = s.room.ensure(tx.Size()) // Trouble tells
			}
			return err
		})
	})
}

// openDB opens the file with bbolt and says what its errors mean here.
func openDB(path string, options Options) (db *bbolt.DB, file *os.File, err error) {
	wait := options.Wait
	if wait == 0 {
		wait = 2 * time.Second
	}
	// The file is let go by hand if bbolt panics.
	err = guarded(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: wait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapped,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				opened, err := os.OpenFile(name, flag, mode)
				file = opened
				return opened, err
			},
		})
		return err
	})
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, store.ErrCorrupt):
		release(file)
		return nil, nil, err
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, fmt.Errorf("%w: waited %s for its lock; stop that process or give it another file", store.ErrInUse, wait)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, nil, fmt.Errorf("%w: %w", store.ErrForeign, err)
	case errors.Is(err, berrors.ErrChecksum):
		return nil, nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil, nil, err
}

// release lets go of a file that a panic left open. Closing it is not enough: the
// mapping that was left behind keeps the lock.
func release(file *os.File) {
	if file != nil {
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		_ = file.Close()
	}
}

// guarded runs fn and turns a panic, or a fault on a mapped page that the file
// does not have, into ErrCorrupt: bbolt trusts the pages it reads.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v; restore a backup", store.ErrCorrupt, cause)
		}
	}()
	return fn()
}

// prepare checks the format, or lays out a store in a file without buckets.
func prepare(db *bbolt.DB, path string, verify bool) error {
	fresh := false
	err := db.View(func(tx *bbolt.Tx) error {
		if err := whole(tx, path, verify); err != nil {
			return err
		}
		first, _ := tx.Cursor().First()
		fresh = first == nil
		if fresh {
			return nil
		}
		return checkFormat(tx)
	})
	if err != nil || !fresh {
		return err
	}
	if err := db.Update(layOut); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// whole refuses a file that is shorter than its own account of itself, or with
// verify any whose pages do not fit together.
func whole(tx *bbolt.Tx, path string, verify bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: cut off at %d of %d bytes; restore a backup", store.ErrCorrupt, info.Size(), tx.Size())
	}
	var first error
	if verify {
		for err := range tx.Check() { // to its end: a goroutine sends
			if first == nil {
				first = fmt.Errorf("%w: %w; restore a backup", store.ErrCorrupt, err)
			}
		}
	}
	return first
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || meta.Get(keyFormat) == nil {
		return fmt.Errorf("%w: a bbolt file of another program", store.ErrForeign)
	}
	format, err := strconv.ParseUint(string(meta.Get(keyFormat)), 10, 32)
	if err != nil {
		return fmt.Errorf("%w: format %q is no number", store.ErrCorrupt, meta.Get(keyFormat))
	}
	if format > Format {
		return fmt.Errorf("%w: it has format %d, this program knows up to %d; run a newer gatehouse", store.ErrNewer, format, Format)
	}
	return nil
}

func layOut(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketRecords, bucketJournal} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	var lineage store.Lineage
	rand.Read(lineage[:]) // never fails: see crypto/rand
	meta := tx.Bucket(bucketMeta)
	return errors.Join(
		meta.Put(keyFormat, []byte(strconv.Itoa(Format))),
		meta.Put(keyLineage, lineage[:]),
		meta.Put(keyRevision, number(0)),
	)
}

// syncDir makes the new file's name durable; fsync of the file alone does not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
