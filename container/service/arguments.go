package service

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Values are the texts of parameters by name, as a caller sent them. A
// parameter that was left out is absent.
type Values map[string]string

// Check reads every value, adds the defaults, and refuses what is not declared
// or missing. It returns what Vector and Request take.
func (m *Method) Check(sent Values) (Values, error) {
	checked := make(Values, len(m.Parameters))
	var errs []error
	for i := range m.Parameters {
		p := &m.Parameters[i]
		value, given := sent[p.Name]
		switch {
		case given:
			text, err := p.Check(value)
			errs = append(errs, err)
			checked[p.Name] = text
		case p.Default != nil:
			checked[p.Name] = *p.Default
		case !p.Optional:
			errs = append(errs, fmt.Errorf("parameter %q: missing", p.Name))
		}
	}
	for key := range sent {
		if _, found := m.Parameter(key); !found {
			errs = append(errs, fmt.Errorf("parameter %s: method %q has none of this name", quote(key), m.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return checked, nil
}

// Vector fills the template with checked values: the arguments of the
// executable, without its own name.
func (m *Method) Vector(checked Values) ([]string, error) {
	vector := []string{}
	for _, element := range m.Arguments {
		words, err := m.fill(element, checked)
		if err != nil {
			return nil, err
		}
		vector = append(vector, words...)
	}
	return vector, nil
}

func (m *Method) fill(element Element, checked Values) ([]string, error) {
	words := make([]string, 0, len(element))
	for _, word := range element {
		p, err := m.placeholder(word)
		if err != nil {
			return nil, err
		}
		if p == nil {
			words = append(words, word)
			continue
		}
		value, given := checked[p.Name]
		if !given {
			return nil, nil
		}
		before, after, _ := strings.Cut(word, "{"+p.Name+"}")
		if before == "" && strings.HasPrefix(value, "-") && !p.mayBeginWithDash() {
			return nil, fmt.Errorf("parameter %q: %s is not allowed: it begins with - and would be taken for an option", p.Name, quote(value))
		}
		words = append(words, before+value+after)
	}
	return words, nil
}

func (p *Parameter) mayBeginWithDash() bool {
	return p.Dash || slices.ContainsFunc(p.OneOf, func(s string) bool { return strings.HasPrefix(s, "-") }) ||
		p.numeric() && p.min != nil && p.min.Sign() < 0
}

// placeholder returns the parameter that an argument names, or nil.
func (m *Method) placeholder(word string) (*Parameter, error) {
	if strings.ContainsRune(word, 0) {
		return nil, errors.New("holds a NUL, which no argument can")
	}
	before, rest, open := strings.Cut(word, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !open {
		return nil, nil
	}
	p, found := m.Parameter(inner)
	if !closed || !found {
		return nil, fmt.Errorf("method %q has no parameter %q", m.Name, inner)
	}
	if strings.Contains(after, "{") {
		return nil, errors.New("names two parameters: an argument holds one")
	}
	if before != "" && strings.Trim(before, "-") == "" && len(p.OneOf) == 0 && !p.numeric() {
		return nil, errors.New("makes an option of any value: list the values in one-of")
	}
	return p, nil
}

// Split cuts "-a 1 -note two words" at the declared parameters. Nothing is
// quoted and nothing expanded: a value is the text between two of them,
// without the blanks around it. A word that looks like a parameter of the
// method but is none is an error, not a value.
func (m *Method) Split(command string) (Values, error) {
	values := Values{}
	rest := strings.TrimLeft(command, blanks)
	for rest != "" {
		word, after := cutWord(rest)
		p, found := m.Parameter(strings.TrimPrefix(word, "-"))
		if !found || !strings.HasPrefix(word, "-") {
			return nil, fmt.Errorf("%s: want -name before each value, with a parameter of method %q", quote(word), m.Name)
		}
		if _, twice := values[p.Name]; twice {
			return nil, fmt.Errorf("parameter %q: given twice", p.Name)
		}
		end := m.nextParameter(after)
		values[p.Name] = strings.Trim(after[:end], blanks)
		rest = after[end:]
	}
	return values, nil
}

// nextParameter is the offset of the next word that names a parameter, or the
// length of s. An undeclared -name ends the value too, so that Split refuses it.
func (m *Method) nextParameter(s string) int {
	for offset := 0; offset < len(s); {
		trimmed := strings.TrimLeft(s[offset:], blanks)
		offset = len(s) - len(trimmed)
		word, rest := cutWord(trimmed)
		if bare, dash := strings.CutPrefix(word, "-"); dash && name.MatchString(bare) {
			return offset
		}
		offset = len(s) - len(rest)
	}
	return len(s)
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, blanks); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// Request returns the CPU time that a job asks for: what the caller named, or
// what the rule of the method says when that is 0. Whole seconds, rounded up.
func (m *Method) Request(named time.Duration, checked Values) (time.Duration, error) {
	if named < 0 {
		return 0, errors.New("requested CPU time is negative")
	}
	request := named
	if named == 0 {
		var err error
		if request, err = m.CPUTime.rule(checked); err != nil {
			return 0, err
		}
	}
	if request > m.CPUTime.Maximum {
		return 0, fmt.Errorf("requested CPU time of %d s is more than method %q takes: want at most %d s",
			request/time.Second, m.Name, m.CPUTime.Maximum/time.Second)
	}
	return (request + time.Second - 1).Truncate(time.Second), nil
}

func (t CPUTime) rule(checked Values) (time.Duration, error) {
	value, given := checked[t.Of]
	if t.Of == "" || !given {
		return t.Default, nil
	}
	units, ok := new(big.Rat).SetString(value)
	if !ok {
		return 0, fmt.Errorf("parameter %q: %s is no number", t.Of, quote(value))
	}
	if units.Sign() < 0 {
		return t.Default, nil
	}
	// What exceeds the maximum by far must not overflow before it is refused.
	units.Mul(units, new(big.Rat).SetInt64(int64(t.Each)))
	if most := new(big.Rat).SetInt64(int64(t.Maximum)); units.Cmp(most) > 0 {
		return t.Maximum + time.Second, nil
	}
	f, _ := units.Float64()
	return t.Default + time.Duration(f), nil
}
