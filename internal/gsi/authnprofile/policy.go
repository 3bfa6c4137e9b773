package authnprofile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The keys of a vo-ca-ap file that name no virtual organization.
const (
	anyVO = "/*"
	noVO  = `"-"`
)

// Policy is a vo-ca-ap file: file names of profiles by key.
type Policy map[string][]string

var (
	voKey    = regexp.MustCompile(`^/[A-Za-z0-9][A-Za-z0-9._-]*$`)
	fileItem = regexp.MustCompile(`^file:([A-Za-z0-9][A-Za-z0-9._+-]*\.info)$`)
)

// ParsePolicy reads a vo-ca-ap file. One that says nothing is an error, as is a
// CA named by its DN, which only LCMAPS understands.
func ParsePolicy(text string) (Policy, error) {
	all, err := entries(text)
	if err != nil {
		return nil, err
	}
	p := Policy{}
	for _, e := range all {
		if err := p.add(e.text); err != nil {
			return nil, fmt.Errorf("line %d: %w", e.line, err)
		}
	}
	if len(p) == 0 {
		return nil, errors.New("it accepts nobody: want lines such as /vo file:policy-igtf-classic.info")
	}
	return p, nil
}

func (p Policy) add(line string) error {
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		end = len(line)
	}
	key := line[:end]
	if key != anyVO && key != noVO && !voKey.MatchString(key) {
		return fmt.Errorf(`%q: want /vo, /* or "-"`, key)
	}
	if _, twice := p[key]; twice {
		return fmt.Errorf("a second line for %s", key)
	}
	all, err := items(line[end:])
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s has no profiles", key)
	}
	for _, one := range all {
		m := fileItem.FindStringSubmatch(one.text)
		if m == nil || one.quoted {
			return fmt.Errorf("%q: want file:NAME.info, the file of a profile in the trust directory; a CA cannot be named by its DN here", one.text)
		}
		p[key] = append(p[key], m[1])
	}
	return nil
}
