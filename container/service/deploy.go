package service

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// DescriptionFile is the name of the description in a service's directory.
const DescriptionFile = "service.yaml"

// maxExecutable bounds what is read to be hashed.
const maxExecutable = 1 << 30

// Digest is the SHA-256 of a service as an administrator approves it: of the
// two lines that sha256sum prints for the description and the executable. A
// change to either is another service.
type Digest [sha256.Size]byte

// String is the digest in 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != len(d) {
		return Digest{}, fmt.Errorf("digest %q: want %d hexadecimal digits, as sha256sum prints them", text, 2*len(d))
	}
	return Digest(b), nil
}

// Deployed is a service that may run.
type Deployed struct {
	Service
	Digest Digest
	// Path is the executable below the directory of services, as the launcher
	// wants it: "sleepyAdd/sleepyadd.sh". Content is its SHA-256.
	Path    string
	Content [sha256.Size]byte
}

// ErrUnapproved is behind the error of a service whose digest nobody approved.
var ErrUnapproved = errors.New("the service is not approved at this digest")

// Load reads the service in dir, a directory named as the service, and refuses
// it unless approved holds its digest, and unless dir, all above it and all in
// it can be changed by nobody but root and owner (a uid; pass 0 for root
// alone). The error of an unapproved service shows the digest to approve.
func Load(dir string, approved []Digest, owner uint32) (*Deployed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	d, err := read(dir, owner)
	if err != nil {
		return nil, err
	}
	for _, a := range approved {
		if a == d.Digest {
			return d, nil
		}
	}
	return nil, fmt.Errorf("service %q in %s: %w: if you trust it, approve %s", d.Name, dir, ErrUnapproved, d.Digest)
}

// Inspect reads the service in dir as Load does, for an administrator who is
// about to approve it.
func Inspect(dir string, owner uint32) (*Deployed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return read(dir, owner)
}

func read(dir string, owner uint32) (*Deployed, error) {
	if err := guarded(dir, owner); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, DescriptionFile)
	text, err := readGuarded(file, owner, MaxDescription)
	if err != nil {
		return nil, err
	}
	s, err := Parse(file, text)
	if err != nil {
		return nil, err
	}
	if base := filepath.Base(dir); base != s.Name {
		return nil, fmt.Errorf("%s: the service is called %q and its directory %q: want one name for both", file, s.Name, base)
	}
	program, err := readGuarded(filepath.Join(dir, s.Executable), owner, maxExecutable)
	if err != nil {
		return nil, err
	}
	content := sha256.Sum256(program)
	lines := fmt.Sprintf("%x  %s\n%x  %s\n", sha256.Sum256(text), DescriptionFile, content, s.Executable)
	return &Deployed{
		Service: *s, Digest: sha256.Sum256([]byte(lines)),
		Path: s.Name + "/" + s.Executable, Content: content,
	}, nil
}

// readGuarded reads a regular file that only root and owner can change. It
// looks at the descriptor it reads from, so nothing can be swapped in between.
func readGuarded(path string, owner uint32, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("service: %s: not a regular file", path)
	}
	if err := guardedEntry(path, info, owner); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: larger than %d bytes", path, most)
	}
	return data, err
}

// guarded checks a directory and everything above it: whoever can rename a
// directory on the way can put another in its place.
func guarded(dir string, owner uint32) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("service: %w", err)
		}
		if info.Mode()&os.ModeSymlink != 0 {
			return fmt.Errorf("service: %s: a symbolic link on the way to the service: name the directory itself", at)
		}
		// In a sticky directory only the owner renames an entry.
		if at != dir && info.Mode()&os.ModeSticky != 0 {
			info = unwritable{info}
		}
		if err := guardedEntry(at, info, owner); err != nil {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

type unwritable struct{ os.FileInfo }

// Mode is the mode without the write bits of group and others.
func (u unwritable) Mode() os.FileMode { return u.FileInfo.Mode() &^ 0o022 }

func guardedEntry(path string, info os.FileInfo, owner uint32) error {
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("service: %s: cannot tell who owns it", path)
	}
	if status.Uid != 0 && status.Uid != owner {
		return fmt.Errorf("service: %s: belongs to uid %d, who could change what runs: want root or uid %d", path, status.Uid, owner)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("service: %s: mode %v lets others change what runs: remove the write bits of group and others", path, info.Mode().Perm())
	}
	return nil
}
