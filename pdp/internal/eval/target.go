package eval

import (
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// match3 is the result of matching (XACML 3.0 core, tables 1 to 3).
type match3 uint8

const (
	noMatch match3 = iota
	indeterminate
	matches
)

// target is compiled policies.Target; a nil target matches everything.
type target struct {
	anyOf []anyOf
	from  *policies.Target
}

type anyOf struct{ allOf []allOf }

type allOf struct{ matches []match }

// match is one comparison with a literal: by key, or by a test.
type match struct {
	from    *policies.Match
	attr    *attribute // designator or selector
	reading int        // of a keyed match; -1 for a tested one
	keys    []hashedKey
	test    func(v authz.Value) (bool, error)
	// files, of a tested match, are the keys of which a value must have one for
	// the match to hold; none if there are no such keys.
	files []file
}

// needed returns the keys of which a value must have one for the match to hold.
func (m *match) needed() []file {
	if m.reading < 0 {
		return m.files
	}
	files := make([]file, len(m.keys))
	for i, k := range m.keys {
		files[i] = file{m.reading, k.hash}
	}
	return files
}

// guardsOf returns keys without any of which a target does not match, whatever
// else is in it; none if there is but one, by which the index finds it.
func guardsOf(t *target) []file {
	if t == nil {
		return nil
	}
	var guards []file
	for i := range t.anyOf {
		if len(t.anyOf[i].allOf) != 1 {
			continue
		}
		for _, m := range t.anyOf[i].allOf[0].matches {
			if m.reading >= 0 && !m.attr.required && len(m.keys) == 1 {
				guards = append(guards, file{m.reading, m.keys[0].hash})
			}
		}
	}
	if len(guards) < 2 {
		return nil
	}
	return slices.Clip(guards)
}

// file is the hash of a key under a reading.
type file struct {
	reading int
	hash    uint64
}

// eval follows table 1: one NoMatch beats Indeterminate.
func (t *target) eval(f *frame, v view) (match3, *authz.Status) {
	if t == nil {
		return matches, nil
	}
	result, cause := matches, (*authz.Status)(nil)
	for i := range t.anyOf {
		m, status := t.anyOf[i].eval(f, v)
		switch m {
		case noMatch:
			return noMatch, nil
		case indeterminate:
			if result == matches {
				result, cause = indeterminate, status
			}
		}
	}
	return result, cause
}

// eval follows table 2: one Match beats Indeterminate.
func (a *anyOf) eval(f *frame, v view) (match3, *authz.Status) {
	result, cause := noMatch, (*authz.Status)(nil)
	for i := range a.allOf {
		m, status := a.allOf[i].eval(f, v)
		switch m {
		case matches:
			return matches, nil
		case indeterminate:
			if result == noMatch {
				result, cause = indeterminate, status
			}
		}
	}
	return result, cause
}

// eval follows table 3: one False beats Indeterminate.
func (a *allOf) eval(f *frame, v view) (match3, *authz.Status) {
	result, cause := matches, (*authz.Status)(nil)
	for i := range a.matches {
		m, status := a.matches[i].eval(f, v)
		switch m {
		case noMatch:
			return noMatch, nil
		case indeterminate:
			if result == matches {
				result, cause = indeterminate, status
			}
		}
	}
	return result, cause
}

// eval follows 7.6: one True beats the error of another value.
func (m *match) eval(f *frame, v view) (match3, *authz.Status) {
	if m.reading >= 0 && !m.attr.required {
		return m.compare(f, v), nil
	}
	bag, status := m.attr.bag(f, v, false)
	if status != nil {
		return indeterminate, status
	}
	if m.reading >= 0 {
		return m.compare(f, v), nil
	}
	result := noMatch
	for i := range bag {
		ok, err := m.test(bag[i])
		switch {
		case err != nil && status == nil:
			result, status = indeterminate, failed(m.from.Position, m.from.Function, err)
		case ok:
			return matches, nil
		}
	}
	return result, status
}

func (m *match) compare(f *frame, v view) match3 {
	if shareKey(f.readKeys(m.reading, f.extent(v, false)), m.keys) {
		return matches
	}
	return noMatch
}
