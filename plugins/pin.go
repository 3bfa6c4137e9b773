package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hashicorp/go-plugin"
)

// The reasons why a program is not started.
var (
	ErrChecksum  = errors.New("the program is not the one that configuration names")
	ErrUntrusted = errors.New("somebody else could have written the program")
)

// maxProgram bounds the size of a plug-in's program.
const maxProgram = 1 << 30

// pin copies the program into dir, which only we can enter, and checks the
// copy. Whatever happens to the original afterwards, the copy is what was
// checked.
func pin(c Config, dir string) (string, error) {
	if err := trust(c.Path); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "program")
	if err := copyProgram(program, c.Path); err != nil {
		return "", err
	}
	return program, c.verify(program)
}

// Check returns what would keep the plug-in from being started as far as can be
// told without running it: a bad configuration, [ErrUntrusted], [ErrChecksum].
func (c Config) Check() error {
	c, err := c.checked()
	if err != nil {
		return err
	}
	if err := trust(c.Path); err != nil {
		return fmt.Errorf("plug-in %s: %w", c.Name, err)
	}
	if err := c.verify(c.Path); err != nil {
		return fmt.Errorf("plug-in %s: %w", c.Name, err)
	}
	return nil
}

// verify compares the checksum of the file at the path.
func (c Config) verify(path string) error {
	want, err := hex.DecodeString(c.SHA256)
	if err != nil {
		return err
	}
	ok, err := (&plugin.SecureConfig{Checksum: want, Hash: sha256.New()}).Check(path)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: %w: its SHA-256 is not %s; if you replaced it, put the new checksum into the configuration",
			c.Path, ErrChecksum, c.SHA256)
	}
	return nil
}

func copyProgram(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, maxProgram+1))
	if err == nil && n > maxProgram {
		err = fmt.Errorf("%s is larger than 1 GiB", from)
	}
	return errors.Join(err, out.Close())
}

// trust returns an error unless only root and our own user can change what is
// at the path: the file, and every directory on the way to it, as written and
// after following symbolic links. A sticky directory above, such as /tmp, will
// do if what it holds is root's or ours.
func trust(path string) error {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w: it is no regular file", path, ErrUntrusted)
	}
	if err := ours(resolved, info, false); err != nil {
		return err
	}
	for _, p := range []string{path, resolved} {
		for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil {
				return err
			}
			if err := ours(dir, info, dir != filepath.Dir(p)); err != nil {
				return err
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}

func ours(path string, info fs.FileInfo, stickyWillDo bool) error {
	if info.Mode().Perm()&0o022 != 0 && (!stickyWillDo || info.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("%s: %w: its mode is %s; chmod go-w %s", path, ErrUntrusted, info.Mode(), path)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %w: it belongs to uid %d, not to root or uid %d", path, ErrUntrusted, s.Uid, os.Geteuid())
	}
	return nil
}
