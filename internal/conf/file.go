package conf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// File loads the configuration at path into v, as Load does, and returns the
// SHA-256 of what was loaded in hexadecimal, to be logged. ⚿ The file says who
// may administer, so it must belong to root or to the user that runs the
// program, and nobody else may be able to write to it.
func File(path string, v any) (digest string, err error) {
	data, err := trusted(path, 0o022, MaxSize)
	if err != nil {
		return "", fmt.Errorf("configuration %s: %w", path, err)
	}
	if err := Load(path, data, v); err != nil {
		return "", err
	}
	return Digest(data), nil
}

// Digest returns the SHA-256 of data in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Secret is the path of a file that holds a private key, a password or the
// like. A relative one is relative to the directory of the configuration file.
type Secret string

// UnmarshalText reads the path, not the secret.
func (s *Secret) UnmarshalText(text []byte) error { return (*Path)(s).UnmarshalText(text) }

// maxSecret is more than any key has.
const maxSecret = 1 << 20

// Read returns the content. ⚿ It refuses a file that group or others can touch
// or that belongs to somebody else than root and the user who runs the program.
// The checks are made on the open file; a symbolic link to such a file is fine.
func (s Secret) Read() ([]byte, error) {
	data, err := trusted(string(s), 0o077, maxSecret)
	if err != nil {
		return nil, fmt.Errorf("secret file %s: %w", string(s), err)
	}
	return data, nil
}

// trusted reads a regular file that has none of the mode bits in closed.
func trusted(path string, closed fs.FileMode, most int64) ([]byte, error) {
	// O_NONBLOCK: a FIFO in the place of the file must not hang the program.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := guarded(info, closed); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("larger than %d bytes", most)
	}
	return data, err
}

func guarded(info fs.FileInfo, closed fs.FileMode) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	if open := info.Mode().Perm() & closed; open != 0 {
		return fmt.Errorf("mode %04o lets others in: chmod it to %04o", info.Mode().Perm(), info.Mode().Perm()&^closed)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("cannot tell who owns it")
	}
	if me := os.Geteuid(); stat.Uid != 0 && int(stat.Uid) != me {
		return fmt.Errorf("belongs to uid %d: want root or uid %d, who runs this program", stat.Uid, me)
	}
	return nil
}
