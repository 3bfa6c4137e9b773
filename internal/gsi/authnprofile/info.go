package authnprofile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Profile is an authentication profile with the CAs that are accredited under
// it.
type Profile struct {
	Alias   string
	Issuers []authz.DN
}

// ParseProfile reads an .info file. Entries other than alias and subjectdn are
// not looked at. A profile without a CA, without an alias, with either twice,
// or with CAs that are not names in quotes in slash form, is an error.
func ParseProfile(text string) (p Profile, err error) {
	all, err := entries(text)
	if err != nil {
		return p, err
	}
	for _, e := range all {
		key, value, ok := strings.Cut(e.text, "=")
		if !ok {
			return p, fmt.Errorf("line %d: want name = value", e.line)
		}
		if err := p.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return p, fmt.Errorf("line %d: %w", e.line, err)
		}
	}
	switch {
	case p.Alias == "":
		return p, errors.New("no alias")
	case len(p.Issuers) == 0:
		return p, errors.New("no subjectdn, which lists the CAs")
	}
	return p, nil
}

func (p *Profile) set(key, value string) error {
	switch key {
	case "alias":
		if p.Alias != "" {
			return errors.New("a second alias")
		}
		if value == "" {
			return errors.New("the alias is empty")
		}
		p.Alias = value
	case "subjectdn":
		if p.Issuers != nil {
			return errors.New("a second subjectdn")
		}
		return p.addIssuers(value)
	}
	return nil
}

func (p *Profile) addIssuers(value string) error {
	all, err := items(value)
	if err != nil {
		return fmt.Errorf("subjectdn: %w", err)
	}
	if len(all) == 0 {
		return errors.New("subjectdn is empty: it lists the CAs of the profile")
	}
	for _, one := range all {
		if !one.quoted || !strings.HasPrefix(one.text, "/") {
			return fmt.Errorf(`subjectdn: %q: want a name of a CA in quotes, such as "/DC=org/CN=CA"`, one.text)
		}
		d, err := authz.ParseDN(one.text)
		if err != nil {
			return fmt.Errorf("subjectdn: %q: %w", one.text, err)
		}
		p.Issuers = append(p.Issuers, d)
	}
	return nil
}
