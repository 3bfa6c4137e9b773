package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// The limits of a session directory as it is shown.
const (
	MaxPath    = 1 << 10 // bytes
	MaxDepth   = 32      // names in a path
	MaxEntries = 10000   // of one listing
)

// The errors that a caller can act on.
var (
	// ErrPath: there is nothing of that name that is shown. A file that is
	// absent, a link, a pipe and a directory not yet made look alike.
	ErrPath = errors.New("no such file in the sandbox")
	// ErrName: the path is no path within a sandbox, whatever is there.
	ErrName = errors.New("not a path within a sandbox")
)

// Session is whose directory is meant, and which decision lets it be read:
// what a grant needs to name.
type Session struct {
	ID       string        // 32 lower-case hexadecimal digits
	Account  authz.Account // as which the job ran
	Revision authz.Revision
	Decision string
}

// Entry describes a file or a directory.
type Entry struct {
	Name     string    `json:"name"`
	Dir      bool      `json:"dir,omitempty"`
	Other    bool      `json:"other,omitempty"` // a link, pipe or device: named, never opened
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// Files reads session directories. A path is relative to the session
// directory, "" being the directory itself; see Clean.
type Files interface {
	// List returns the entries of a directory by name, at most MaxEntries, and
	// whether there are more.
	List(ctx context.Context, s Session, path string) (entries []Entry, more bool, err error)
	// Stat describes one file or directory.
	Stat(ctx context.Context, s Session, path string) (Entry, error)
	// Open opens a regular file for reading. The caller closes it.
	Open(ctx context.Context, s Session, path string) (*os.File, Entry, error)
	// Remove removes the session directory and all in it. A missing one is no
	// error.
	Remove(ctx context.Context, s Session) error
}

// Dir returns the directory of a session below the root: "01/0123…ef".
func Dir(id string) string { return id[:2] + "/" + id }

// ValidID reports whether id is a session id: 32 lower-case hexadecimal digits.
// Nothing else becomes part of a path.
func ValidID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

// Clean reads a path as it stands behind the session id in a URL, unescaped. A
// leading or trailing "/" is dropped. Whatever is not already the plain way
// down ("..", ".", "a//b", NUL, "\") is refused with ErrName, not repaired: a
// repaired path is how filters are passed.
func Clean(path string) (string, error) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return "", nil
	}
	if len(path) > MaxPath || strings.Count(path, "/") >= MaxDepth {
		return "", fmt.Errorf("%w: longer than %d bytes or deeper than %d", ErrName, MaxPath, MaxDepth)
	}
	if !utf8.ValidString(path) || strings.ContainsAny(path, "\x00\\") {
		return "", fmt.Errorf("%w: %q holds characters that no path here may hold", ErrName, path)
	}
	if !filepath.IsLocal(path) || filepath.Clean(path) != path || path == "." {
		return "", fmt.Errorf("%w: %q: want names separated by /, none of them . or .. alone", ErrName, path)
	}
	return path, nil
}
