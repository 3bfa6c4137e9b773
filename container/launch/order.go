package launch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// Operation is what a grant allows.
type Operation string

// The operations. All paths are relative to the job's sandbox.
const (
	Start  Operation = "start"  // make the sandbox and run the executable in it
	Signal Operation = "signal" // end the job
	Read   Operation = "read"   // open a regular file for reading
	List   Operation = "list"   // list a directory
	Stat   Operation = "stat"   // describe one file
	Remove Operation = "remove" // remove a file or directory, or the whole sandbox
)

// The signals of an order to [Signal]. Both end the job and everything it
// started; Terminate lets it tidy up first.
const (
	Terminate = "TERM"
	Kill      = "KILL"
)

// Bounds of an order.
const (
	MaxArguments = 4096      // arguments, and variables
	MaxText      = 128 << 10 // bytes of all arguments, or of all variables
	MaxPath      = 4096
)

// Limits bound a job as a whole: every process it starts counts.
type Limits struct {
	CPU   time.Duration `json:"cpu_ns"`         // CPU time; at least a second
	Wall  time.Duration `json:"wall_ns"`        // elapsed time; at least a second
	Files uint64        `json:"files,omitzero"` // open files per process; 0 means the launcher's default
}

// Order says exactly what is to be done.
//
// A Start order has Executable, Digest, Args, Env, Limits and the names of the
// streams; Signal has Signal; the others have Path. Anything else must be zero.
type Order struct {
	Operation Operation `json:"operation"`
	Job       string    `json:"job"` // session id, 32 lower-case hexadecimal digits; a secret

	// Executable is relative to the launcher's service directory, which only
	// root can write. Digest is the SHA-256 of its content.
	Executable string            `json:"executable,omitzero"`
	Digest     [sha256.Size]byte `json:"digest,omitzero"`
	Args       []string          `json:"args,omitempty"` // the whole vector: Args[0] is the program's name
	Env        []string          `json:"env,omitempty"`  // NAME=value; added to the launcher's own short list
	Limits     Limits            `json:"limits,omitzero"`
	// File names in the sandbox. Empty Stdin is /dev/null. Stdout and Stderr
	// are created, never followed or overwritten.
	Stdin  string `json:"stdin,omitzero"`
	Stdout string `json:"stdout,omitzero"`
	Stderr string `json:"stderr,omitzero"`

	Signal string `json:"signal,omitzero"`
	Path   string `json:"path,omitzero"` // "" is the sandbox itself
}

// Hash returns the SHA-256 of the order's canonical encoding: what a grant
// names.
func (o Order) Hash() [sha256.Size]byte { return sha256.Sum256(o.encode()) }

func (o Order) encode() []byte {
	e := encoder("gatehouse order 1\n")
	e.text(string(o.Operation))
	e.text(o.Job)
	e.text(o.Executable)
	e.bytes(o.Digest[:])
	e.texts(o.Args)
	e.texts(o.Env)
	e.number(uint64(o.Limits.CPU))
	e.number(uint64(o.Limits.Wall))
	e.number(o.Limits.Files)
	e.text(o.Stdin)
	e.text(o.Stdout)
	e.text(o.Stderr)
	e.text(o.Signal)
	e.text(o.Path)
	return e
}

// Check reports what is wrong with the shape of the order. Both ends call it:
// the signer must not sign, and the launcher must not obey, anything else.
func (o Order) Check() error {
	if !ValidJob(o.Job) {
		return errors.New("order: the job id is not 32 lower-case hexadecimal digits")
	}
	switch o.Operation {
	case Start:
		return o.checkStart()
	case Signal:
		if o.Signal != Terminate && o.Signal != Kill {
			return fmt.Errorf("order: signal %q: want %s or %s", o.Signal, Terminate, Kill)
		}
	case Read, List, Stat, Remove:
		if err := checkPath("path", o.Path); err != nil {
			return err
		}
	default:
		return fmt.Errorf("order: unknown operation %q", o.Operation)
	}
	return o.nothingElse()
}

// nothingElse refuses an order that carries fields of another operation: a
// reader of the audit record must not be misled about what was granted.
func (o Order) nothingElse() error {
	only := Order{Operation: o.Operation, Job: o.Job}
	if o.Operation == Signal {
		only.Signal = o.Signal
	} else {
		only.Path = o.Path
	}
	if only.Hash() != o.Hash() {
		return fmt.Errorf("order: %s carries fields of another operation", o.Operation)
	}
	return nil
}

func (o Order) checkStart() error {
	if o.Signal != "" || o.Path != "" {
		return errors.New("order: start carries fields of another operation")
	}
	if o.Executable == "" {
		return errors.New("order: no executable")
	}
	if len(o.Args) == 0 {
		return errors.New("order: the argument vector is empty; its first item is the program's name")
	}
	if o.Limits.CPU < time.Second || o.Limits.Wall < time.Second {
		return errors.New("order: CPU and wall limits of at least one second are required")
	}
	if err := errors.Join(checkPath("executable", o.Executable), checkTexts("arguments", o.Args), checkTexts("environment", o.Env)); err != nil {
		return err
	}
	if err := checkEnv(o.Env); err != nil {
		return err
	}
	return o.checkStreams()
}

func (o Order) checkStreams() error {
	for _, s := range []string{o.Stdin, o.Stdout, o.Stderr} {
		if s == "" {
			continue
		}
		if err := checkPath("stream", s); err != nil {
			return err
		}
		if strings.Contains(s, "/") {
			return fmt.Errorf("order: stream %q: want a plain file name", s)
		}
	}
	return nil
}

// ValidJob reports whether s is a session id: 32 lower-case hexadecimal
// digits. Nothing else ever becomes part of a path.
func ValidJob(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// Tag is the name of a job for logs and process lists. The id itself is a
// secret: whoever knows it owns an anonymous job.
func Tag(job string) string {
	h := sha256.Sum256([]byte(job))
	return fmt.Sprintf("job-%x", h[:6])
}

func checkPath(what, p string) error {
	if p == "" {
		return nil
	}
	if len(p) > MaxPath || strings.ContainsRune(p, 0) || !utf8.ValidString(p) {
		return fmt.Errorf("order: %s: longer than %d bytes, or not plain text", what, MaxPath)
	}
	if !filepath.IsLocal(p) || filepath.Clean(p) != p || p == "." {
		return fmt.Errorf("order: %s %q: want a clean relative path without \"..\"", what, p)
	}
	return nil
}

func checkTexts(what string, list []string) error {
	size := 0
	for _, s := range list {
		if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return fmt.Errorf("order: %s: %q holds a NUL or is not UTF-8", what, s)
		}
		size += len(s) + 1
	}
	if len(list) > MaxArguments || size > MaxText {
		return fmt.Errorf("order: %s: more than %d items or %d bytes", what, MaxArguments, MaxText)
	}
	return nil
}
