package eval

import (
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
	// plain are all of its matches, if there are no alternatives among them.
	plain  conjunction
	anyOf  []anyOf
	from   *policies.Target
	beyond *beyond // what it asks for at least, if that is a bound on one side
}

type anyOf struct{ allOf []allOf }

type allOf struct{ matches conjunction }

// match is one comparison with a literal: by key, or by a test. Its parts that
// most requests look at lie together with those of its neighbours.
type match struct {
	// key is that of a keyed match. Of a tested one it is a hash alone, which a
	// value must have for the match to hold.
	key      literalKey
	reading  int32 // of the key, -1 without one
	required bool  // the attribute must be present
	tested   bool  // there is a test
	*matchRest
}

// matchRest is what else there is to a match.
type matchRest struct {
	attr *attribute // designator or selector
	test test       // nil for a keyed match
	from *policies.Match
	// files, of a tested match, stand for key where there is not one but
	// several of which a value must have one; nil if there are no such keys.
	files *[]file
}

// needed returns the keys of which a value must have one for the match to hold.
func (m *match) needed() []file {
	if m.reading < 0 {
		return m.several()
	}
	return []file{{int(m.reading), m.key.hash}}
}

// several returns the keys that stand for the one.
func (m *match) several() []file {
	if m.files == nil {
		return nil
	}
	return *m.files
}

// file is the hash of a key under a reading.
type file struct {
	reading int
	hash    uint64
}

// eval follows table 1: one NoMatch beats Indeterminate.
func (t *target) eval(f *frame, v view) (match3, *authz.Status) {
	switch {
	case t == nil:
		return matches, nil
	case t.plain != nil:
		return t.plain.eval(f, v)
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

// eval follows table 3.
func (a *allOf) eval(f *frame, v view) (match3, *authz.Status) {
	return a.matches.eval(f, v)
}

// conjunction is the matches of one allOf, or of several of which each is the
// only alternative: there tables 1 and 3 agree.
type conjunction []match

// eval lets one False beat Indeterminate, and so looks first at keys alone.
func (ms conjunction) eval(f *frame, v view) (match3, *authz.Status) {
	rest, extent := false, f.extent(v, false)
	for i := range ms {
		switch m := &ms[i]; {
		case !m.required && !m.tested:
			if !m.compare(f, extent) {
				return noMatch, nil
			}
		case m.required:
			rest = true
		case m.reading < 0:
			if !f.hasAny(m.several(), extent) {
				return noMatch, nil
			}
			rest = true
		default:
			if !f.hasKey(file{int(m.reading), m.key.hash}, extent) {
				return noMatch, nil
			}
			rest = true
		}
	}
	if !rest {
		return matches, nil
	}
	return ms.evalRest(f, v)
}

func (ms conjunction) evalRest(f *frame, v view) (match3, *authz.Status) {
	result, cause := matches, (*authz.Status)(nil)
	for i := range ms {
		if !ms[i].tested && !ms[i].required {
			continue
		}
		m, status := ms[i].eval(f, v)
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
	var bag []authz.Value
	var status *authz.Status
	if m.required || m.tested {
		if bag, status = m.attr.bag(f, v, false); status != nil {
			return indeterminate, status
		}
	}
	if !m.tested {
		if m.compare(f, f.extent(v, false)) {
			return matches, nil
		}
		return noMatch, nil
	}
	if f.mute && f.trace == nil && m.isUnreadable(f, f.extent(v, false)) {
		return indeterminate, unsaid
	}
	result := noMatch
	for i := range bag {
		ok, err := m.test(bag[i])
		switch {
		case err != nil && status == nil:
			result, status = indeterminate, f.failed(m, err)
		case ok:
			return matches, nil
		}
	}
	return result, status
}

// unsaid is the cause of what nobody will hear the cause of.
var unsaid = &authz.Status{Code: authz.StatusProcessingError}

// failed is what an error of a match amounts to.
func (f *frame) failed(m *match, err error) *authz.Status {
	if f.mute && f.trace == nil {
		return unsaid
	}
	return failed(m.from.Position, m.from.Function, err)
}

// isUnreadable reports whether keys alone tell that no value is in the network of
// a match and some are no addresses: who comes with one meets every such match.
func (m *match) isUnreadable(f *frame, extent int) bool {
	files := m.several()
	return len(files) == 2 && f.names.readings[files[0].reading].by == networkKey && f.hasKey(files[1], extent) && !f.hasKey(files[0], extent)
}

func (m *match) compare(f *frame, extent int) bool {
	keys := f.keysAt(cellOf(int(m.reading), extent))
	for i := range keys {
		if keys[i].is(&m.key) {
			return true
		}
	}
	return false
}
