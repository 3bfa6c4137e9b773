package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// File is a directory of its own, for a demonstration or a container without
// one. Each line is an account, its uid, its primary group and further groups:
//
//	# account  uid    group=gid …
//	ann        10001  users=10000 cms=10010
type File struct {
	users  map[string]authz.Account
	groups map[string]authz.Group
}

var (
	_ Directory = (*File)(nil)
	_ Lister    = (*File)(nil)
)

// ReadFile reads an account file, which only root or we may be able to change.
func ReadFile(path string) (*File, error) {
	text, err := guard.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := ParseFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// ParseFile reads the text of an account file. All errors are returned, each
// with its line.
func ParseFile(text []byte) (*File, error) {
	f := &File{users: map[string]authz.Account{}, groups: map[string]authz.Group{}}
	var problems []error
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := f.add(words); err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", i+1, err))
		}
	}
	return f, errors.Join(problems...)
}

func (f *File) add(words []string) error {
	const least = 3
	if len(words) < least {
		return errors.New("want an account, its uid and group=gid")
	}
	a := authz.Account{Name: words[0]}
	var err error
	if err = checkName(a.Name); err != nil {
		return err
	}
	if _, twice := f.users[a.Name]; twice {
		return fmt.Errorf("account %s is there already", a.Name)
	}
	if a.UID, err = parseID(words[1]); err != nil {
		return err
	}
	for i, word := range words[2:] {
		group, err := f.group(word)
		if err != nil {
			return err
		}
		if i == 0 {
			a.Group = group
		} else {
			a.Groups = append(a.Groups, group)
		}
	}
	f.users[a.Name] = a
	return nil
}

func (f *File) group(word string) (authz.Group, error) {
	name, number, ok := strings.Cut(word, "=")
	if !ok {
		return authz.Group{}, fmt.Errorf("%q: want group=gid", word)
	}
	if err := checkName(name); err != nil {
		return authz.Group{}, err
	}
	gid, err := parseID(number)
	if err != nil {
		return authz.Group{}, err
	}
	group := authz.Group{Name: name, GID: gid}
	if before, ok := f.groups[name]; ok && before != group {
		return authz.Group{}, fmt.Errorf("group %s has number %d elsewhere", name, before.GID)
	}
	f.groups[name] = group
	return group, nil
}

// User implements Directory.
func (f *File) User(_ context.Context, name string) (authz.Account, error) {
	a, ok := f.users[name]
	if !ok {
		return a, fmt.Errorf("account %s: %w", name, ErrUnknown)
	}
	return a, nil
}

// Names implements Lister.
func (f *File) Names(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(f.users)), nil
}

// Group implements Directory.
func (f *File) Group(_ context.Context, name string) (authz.Group, error) {
	g, ok := f.groups[name]
	if !ok {
		return g, fmt.Errorf("group %s: %w", name, ErrUnknown)
	}
	return g, nil
}
