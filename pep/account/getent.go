package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Getent is the machine's own directory, through the command getent: a static
// Go binary would see /etc/passwd only, and neither LDAP nor SSSD. Put a Cache
// before it: each look starts processes.
type Getent struct {
	// Command is the absolute path of getent; found in PATH if empty.
	Command string
	// Timeout bounds each process; five seconds if zero.
	Timeout time.Duration
}

var (
	_ Directory = Getent{}
	_ Lister    = Getent{}
)

// The exit status of getent for a key that is not there.
const getentNotFound = 2

func (g Getent) run(ctx context.Context, args ...string) ([]string, error) {
	command := g.Command
	if command == "" {
		var err error
		if command, err = exec.LookPath("getent"); err != nil {
			return nil, err
		}
	}
	timeout := g.Timeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == getentNotFound {
		err = ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("getent %s: %w", strings.Join(args, " "), err)
	}
	return strings.Split(string(bytes.TrimRight(out, "\n")), "\n"), nil
}

// User implements Directory.
func (g Getent) User(ctx context.Context, name string) (authz.Account, error) {
	if err := checkName(name); err != nil {
		return authz.Account{}, err
	}
	lines, err := g.run(ctx, "passwd", name)
	if err != nil {
		return authz.Account{}, err
	}
	a, gid, err := parsePasswd(lines[0])
	if err != nil {
		return authz.Account{}, err
	}
	gids := []uint32{gid}
	lines, err = g.run(ctx, "initgroups", name)
	if err != nil {
		return authz.Account{}, err
	}
	more, err := parseInitgroups(lines[0], name)
	if err != nil {
		return authz.Account{}, err
	}
	for _, n := range more {
		if n != gid {
			gids = append(gids, n)
		}
	}
	groups, err := g.byNumber(ctx, gids)
	if err != nil {
		return authz.Account{}, err
	}
	a.Group, a.Groups = groups[0], groups[1:]
	return a, nil
}

// Names implements Lister: what getent lists without a key.
func (g Getent) Names(ctx context.Context) ([]string, error) {
	lines, err := g.run(ctx, "passwd")
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(lines))
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names, nil
}

// Group implements Directory.
func (g Getent) Group(ctx context.Context, name string) (authz.Group, error) {
	if err := checkName(name); err != nil {
		return authz.Group{}, err
	}
	lines, err := g.run(ctx, "group", name)
	if err != nil {
		return authz.Group{}, err
	}
	return parseGroup(lines[0])
}

// byNumber names the groups; one without a name is an error: nobody could say
// whether it is privileged.
func (g Getent) byNumber(ctx context.Context, gids []uint32) ([]authz.Group, error) {
	args := []string{"group"}
	for _, n := range gids {
		args = append(args, strconv.FormatUint(uint64(n), 10))
	}
	lines, err := g.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	names := map[uint32]authz.Group{}
	for _, line := range lines {
		group, err := parseGroup(line)
		if err != nil {
			return nil, err
		}
		names[group.GID] = group
	}
	all := make([]authz.Group, len(gids))
	for i, n := range gids {
		group, ok := names[n]
		if !ok {
			return nil, fmt.Errorf("group %d: %w", n, ErrUnknown)
		}
		all[i] = group
	}
	return all, nil
}

func parsePasswd(line string) (a authz.Account, gid uint32, err error) {
	f := strings.Split(line, ":")
	const fields = 7
	if len(f) < fields {
		return a, 0, fmt.Errorf("getent passwd: %q is no passwd entry", line)
	}
	if a.UID, err = parseID(f[2]); err == nil {
		gid, err = parseID(f[3])
	}
	a.Name = f[0]
	return a, gid, err
}

func parseGroup(line string) (authz.Group, error) {
	f := strings.Split(line, ":")
	const fields = 3
	if len(f) < fields || f[0] == "" {
		return authz.Group{}, fmt.Errorf("getent group: %q is no group entry", line)
	}
	n, err := parseID(f[2])
	return authz.Group{Name: f[0], GID: n}, err
}

// parseInitgroups reads "name  100 101 102".
func parseInitgroups(line, name string) ([]uint32, error) {
	f := strings.Fields(line)
	if len(f) == 0 || f[0] != name {
		return nil, fmt.Errorf("getent initgroups: %q is not about %s", line, name)
	}
	var all []uint32
	for _, s := range f[1:] {
		n, err := parseID(s)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("id %q: %w", s, err)
	}
	return uint32(n), nil
}
