package spl

import (
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Table holds the attributes that a text may name: those of profile and a
// site's own. It is immutable; the zero Table knows no name.
type Table struct {
	rows  map[string]profile.Attribute
	names []string
}

// NewTable returns the table of the profile's attributes and the given rows,
// which must not take a name again or compare by a function that is unknown.
func NewTable(site ...profile.Attribute) (*Table, error) {
	t := &Table{rows: map[string]profile.Attribute{}}
	for _, a := range slices.Concat(profile.Attributes(), site) {
		switch {
		case a.Name == "" || a.ID == "" || a.Category == "" || a.Match == "":
			return nil, fmt.Errorf("attribute %q lacks a name, id, category or match function", a.Name)
		case !a.Type.Known():
			return nil, fmt.Errorf("attribute %q has the unknown data type %q", a.Name, a.Type)
		}
		if _, taken := t.rows[a.Name]; taken {
			return nil, fmt.Errorf("attribute %q is defined already", a.Name)
		}
		t.rows[a.Name] = a
		t.names = append(t.names, a.Name)
	}
	return t, nil
}

// Lookup returns the row of a name.
func (t *Table) Lookup(name string) (profile.Attribute, bool) {
	a, ok := t.rows[name]
	return a, ok
}
