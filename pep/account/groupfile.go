package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// GroupFile holds local groups and their members in the form of /etc/group:
//
//	cms:x:2000:ann,cms001
//
// It adds to what a directory of accounts knows, where groups for jobs are kept
// by Gatehouse's administrator rather than by that of the directory.
type GroupFile struct {
	groups map[string]authz.Group
	of     map[string][]authz.Group // by member
}

// ReadGroupFile reads a group file, which only root or we may be able to change.
func ReadGroupFile(path string) (*GroupFile, error) {
	text, err := guard.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g, err := ParseGroupFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// ParseGroupFile reads the text of a group file. All errors are returned, each
// with its line.
func ParseGroupFile(text []byte) (*GroupFile, error) {
	g := &GroupFile{groups: map[string]authz.Group{}, of: map[string][]authz.Group{}}
	var problems []error
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := g.add(line); err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", i+1, err))
		}
	}
	return g, errors.Join(problems...)
}

func (g *GroupFile) add(line string) error {
	const fields = 4
	f := strings.Split(line, ":")
	if len(f) != fields {
		return errors.New("want name:x:number:members")
	}
	if err := checkName(f[0]); err != nil {
		return err
	}
	gid, err := parseID(f[2])
	if err != nil {
		return err
	}
	group := authz.Group{Name: f[0], GID: gid}
	for name, other := range g.groups {
		if name == group.Name || other.GID == gid {
			return fmt.Errorf("group %s (%d) is there already: %s (%d)", group.Name, gid, name, other.GID)
		}
	}
	g.groups[group.Name] = group
	for member := range strings.SplitSeq(f[3], ",") {
		if member = strings.TrimSpace(member); member == "" {
			continue
		}
		if err := checkName(member); err != nil {
			return err
		}
		g.of[member] = append(g.of[member], group)
	}
	return nil
}

// Over returns a directory whose groups are those of the file and, under names
// that the file does not have, those of d.
func (g *GroupFile) Over(d Directory) Directory { return &overlaid{d, g} }

type overlaid struct {
	Directory
	file *GroupFile
}

var (
	_ Directory = (*overlaid)(nil)
	_ Lister    = (*overlaid)(nil)
)

// User implements Directory. A group that has two numbers is an error.
func (o *overlaid) User(ctx context.Context, name string) (authz.Account, error) {
	a, err := o.Directory.User(ctx, name)
	if err != nil {
		return a, err
	}
	for _, known := range append([]authz.Group{a.Group}, a.Groups...) {
		if own, ok := o.file.groups[known.Name]; ok && own != known {
			return authz.Account{}, fmt.Errorf("account %s: group %s has number %d in the group file and %d in the directory", name, own.Name, own.GID, known.GID)
		}
	}
	groups := slices.Clone(a.Groups)
	for _, more := range o.file.of[name] {
		if more != a.Group && !slices.Contains(groups, more) {
			groups = append(groups, more)
		}
	}
	a.Groups = groups
	return a, nil
}

// Group implements Directory.
func (o *overlaid) Group(ctx context.Context, name string) (authz.Group, error) {
	if group, ok := o.file.groups[name]; ok {
		return group, nil
	}
	return o.Directory.Group(ctx, name)
}

// Names implements Lister.
func (o *overlaid) Names(ctx context.Context) ([]string, error) { return Names(ctx, o.Directory) }
