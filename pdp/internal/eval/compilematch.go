package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// match compiles one match in place. Its function is of the literal and one
// value of the attribute (XACML 3.0 core, 5.9).
func (c *compilation) match(from *policies.Match, to *match) {
	to.from, to.reading = from, -1
	if to.attr = c.attribute(from.Attribute); to.attr != nil {
		to.required = to.attr.required
	}
	f, ok := lookupFunction(from.Function)
	switch {
	case to.attr == nil:
		return
	case !ok:
		c.fail(from.Position, "no function %q%s", from.Function, c.suggestion(from.Function))
		return
	case !c.checkLiteral(from.Value, from.Position):
		return
	}
	if err := f.accepts([]typ{{data: from.Value.Type()}, {data: to.attr.typ}}); err != nil || f.result != boolean {
		if err == nil {
			err = fmt.Errorf("it is no predicate")
		}
		c.fail(from.Position, "%s cannot match: %s", shortName(from.Function), err)
		return
	}
	if d, ok := from.Attribute.(*policies.Designator); ok && f.reader != nil && d.MustBePresent {
		to.attr.missing = missing(d, from.Value) // which would do
	}
	if to.attr.selector == nil && c.keyedMatch(f, to) {
		return
	}
	test, err := f.bindLiteral(from.Value)
	if err != nil {
		c.fail(from.Position, "%s: %s", shortName(from.Function), err)
		return
	}
	to.test, to.tested = test, true
	if f.needs != nil && to.attr.selector == nil {
		f.needs(c, to)
	}
}

// keyedMatch makes the comparison one of keys, if the literal has a key.
func (c *compilation) keyedMatch(f *function, to *match) bool {
	switch {
	case f.reader != nil:
		var l keyList
		f.reader.literal(to.from.Value, &l)
		if len(l.keys) == 0 {
			return false
		}
		c.compareKeys(to, f.reader, l.keys[0].key) // equality has no other
	case f.equality != nil:
		reader, key := f.equality(to.from.Value)
		if reader == nil {
			return false
		}
		c.compareKeys(to, reader, key)
	default:
		return false
	}
	return true
}

func (c *compilation) compareKeys(to *match, by *keyReader, key string) {
	to.key = literalKey{authz.Hash(key), c.text(key)}
	to.reading = int32(c.reading(reading{slot: to.attr.slot, by: by}))
	c.wants(int(to.reading), to.key.hash)
}

// wants notes the length of a key that a policy asks for.
func (c *compilation) wants(reading int, hash uint64) {
	wanted := &c.compiler.names.lengths[reading]
	*wanted = wanted.with(hash)
}

// mostTexts bounds how many literals are kept to be shared, while compiling.
const mostTexts = 1 << 17

// text returns the same text each time: those that many rules compare with are
// then near.
func (c *compilation) text(s string) string {
	if same, ok := c.texts[s]; ok {
		return same
	}
	if c.texts == nil {
		c.texts = map[string]string{}
	}
	if len(c.texts) < mostTexts {
		s = strings.Clone(s) // out of the text of the policies, to its like
		c.texts[s] = s
	}
	return s
}

// needs notes keys of which a value must have one for a tested match to hold.
func (m *match) needs(keys ...file) {
	if len(keys) != 1 {
		several := keys // here, that one key costs no memory
		m.files = &several
		return
	}
	m.reading, m.key.hash = int32(keys[0].reading), keys[0].hash
}

// needsGroup files the match of an FQAN pattern under the group it names; that
// of a ban under its text as well.
func needsGroup(c *compilation, m *match) {
	text := trimmed(m.from.Value)
	var keys []file
	if p, err := newFQANPattern(text); err == nil {
		by := c.reading(reading{slot: m.attr.slot, by: groupKey})
		hash := authz.Hash(p.group)
		c.wants(by, hash)
		keys = append(keys, file{by, hash})
	}
	if m.from.Function == profile.FunctionBanFQAN {
		keys = append(keys, file{c.reading(reading{slot: m.attr.slot, by: textKey}), authz.Hash(text)})
	}
	m.needs(keys...)
}

// mostPrefixes bounds the lengths of prefixes by which one slot is read.
const mostPrefixes = 12

// needsPrefix files the match of an anchored pattern under the text that it
// begins with. A shorter prefix does as well, if there are many lengths.
func needsPrefix(c *compilation, m *match) {
	prefix := literalPrefix(m.from.Value.Text())
	if prefix == "" {
		return
	}
	n := c.compiler.names
	lengths := n.prefixes[m.attr.slot]
	if !slices.Contains(lengths, len(prefix)) && len(lengths) < mostPrefixes {
		lengths = append(lengths, len(prefix))
		n.prefixes[m.attr.slot] = lengths
	}
	best := 0
	for _, length := range lengths {
		if length <= len(prefix) {
			best = max(best, length)
		}
	}
	if best > 0 {
		m.needs(file{c.reading(reading{slot: m.attr.slot, by: prefixKey, length: best}), authz.Hash(prefix[:best])})
	}
}
