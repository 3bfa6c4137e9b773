package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
)

const (
	getentPath  = "/usr/bin/getent"
	getentWait  = 5 * time.Second
	getentFresh = 60 * time.Second
	notFound    = 2 // getent(1): one or more supplied keys could not be found
)

// getent asks getent(1), because a program without cgo sees only /etc/passwd,
// and the accounts of a site live in LDAP or SSSD. Answers are kept for a
// minute, failures are not.
type getent struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	known map[string]entry // by "database name"
}

type entry struct {
	fields []string // nil: surely no such name
	until  time.Time
}

var _ launch.Accounts = (*getent)(nil)

func newGetent(path string, now func() time.Time) *getent {
	return &getent{path: path, now: now, known: make(map[string]entry)}
}

// User returns the numbers of a user (passwd(5)).
func (g *getent) User(ctx context.Context, name string) (uid, gid uint32, err error) {
	fields, err := g.lookUp(ctx, "passwd", name, 7)
	if err != nil {
		return 0, 0, err
	}
	if fields == nil {
		return 0, 0, errors.New("no such user")
	}
	if uid, err = number(fields[2]); err != nil {
		return 0, 0, fmt.Errorf("getent passwd: %w", err)
	}
	if gid, err = number(fields[3]); err != nil {
		return 0, 0, fmt.Errorf("getent passwd: %w", err)
	}
	return uid, gid, nil
}

// Group returns the number of a group (group(5)).
func (g *getent) Group(ctx context.Context, name string) (uint32, error) {
	fields, err := g.lookUp(ctx, "group", name, 4)
	if err != nil {
		return 0, err
	}
	if fields == nil {
		return 0, launch.ErrNoGroup
	}
	gid, err := number(fields[2])
	if err != nil {
		return 0, fmt.Errorf("getent group: %w", err)
	}
	return gid, nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 { // (uid_t)-1 means "leave as it is" to setresuid(2)
		err = errors.New("number -1")
	}
	return uint32(n), err
}

func (g *getent) lookUp(ctx context.Context, database, name string, width int) ([]string, error) {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":\x00\n\r\t /") {
		return nil, fmt.Errorf("%q is not a name", name)
	}
	key := database + " " + name
	g.mu.Lock()
	known, ok := g.known[key]
	g.mu.Unlock()
	if ok && g.now().Before(known.until) {
		return known.fields, nil
	}
	fields, err := g.ask(ctx, database, name, width)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known[key] = entry{fields: fields, until: g.now().Add(getentFresh)}
	return fields, nil
}

func (g *getent) ask(ctx context.Context, database, name string, width int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, getentWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.path, database, name)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == notFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getent %s %s: %w: %w", database, name, launch.ErrAway, err)
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\n"), ":")
	// Asked for "0", getent answers with root: a number is no name here.
	if len(fields) != width || fields[0] != name {
		return nil, fmt.Errorf("getent %s: answered %q to %q", database, out, name)
	}
	return fields, nil
}
