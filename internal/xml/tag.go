package xml

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// startTag reads the start tag or empty-element tag at pos.
func (r *Reader) startTag(t *Token) error {
	start := r.pos
	if len(r.frames) >= r.limits.Depth {
		return r.fail(start, ErrLimit, "elements nest deeper than the limit of %d", r.limits.Depth)
	}
	r.pos++
	prefix, local, err := r.qname("element")
	if err != nil {
		return err
	}
	f := r.push()
	f.name.Local, f.prefix, f.tag = local, prefix, r.text[start+1:r.pos]
	f.offset, f.scope = start, len(r.bindings)
	first := len(r.attrs)
	for more := true; more; {
		if more, err = r.tagPart(f, &first); err != nil {
			return err
		}
	}
	if f.name.Space, err = r.elementSpace(f); err != nil {
		return err
	}
	f.attrs = first
	r.opened = r.attrs[first:len(r.attrs):len(r.attrs)]
	if err := r.resolveAttrs(r.opened); err != nil {
		return err
	}
	r.rooted = true
	r.kind, r.offset = Start, start
	t.Kind, t.Name, t.Prefix, t.Attrs, t.Offset = Start, f.name, prefix, r.opened, start
	return nil
}

// tagPart reads one attribute or the end of the tag; more is false after the latter.
func (r *Reader) tagPart(f *frame, first *int) (more bool, err error) {
	spaced := r.skipSpace()
	switch c := r.at(r.pos); {
	case c == '>':
		r.pos++
		return false, nil
	case c == '/' && r.at(r.pos+1) == '>':
		r.pos += 2
		r.empty = true
		return false, nil
	case r.pos >= r.end:
		return false, r.malformed(r.end, "document ends inside the tag <%s", clip(f.tag))
	case !spaced:
		return false, r.malformed(r.pos, "white space, > or /> wanted in the tag <%s", clip(f.tag))
	}
	return true, r.attribute(f, first)
}

// attribute reads one attribute into attrs or, a namespace declaration, into bindings.
func (r *Reader) attribute(f *frame, first *int) error {
	start := r.pos
	if len(r.attrs)-*first+len(r.bindings)-f.scope >= r.limits.Attributes {
		return r.fail(start, ErrLimit, "<%s> has more attributes than the limit of %d", clip(f.tag), r.limits.Attributes)
	}
	prefix, local, err := r.qname("attribute")
	if err != nil {
		return err
	}
	value, err := r.attributeValue()
	if err != nil {
		return err
	}
	switch {
	case prefix == "xmlns":
		return r.declare(f, start, local, value)
	case prefix == "" && local == "xmlns":
		return r.declare(f, start, "", value)
	}
	*r.layOut(first) = Attr{Name: Name{Local: local}, Prefix: prefix, Value: value, Offset: start}
	return nil
}

// layOut gives the place of the next attribute. When there is no more it moves the attributes of this element,
// which begin at first, to new memory, so that those of former elements stay as they are.
func (r *Reader) layOut(first *int) *Attr {
	n := len(r.attrs)
	if n == cap(r.attrs) {
		mine := r.attrs[*first:]
		r.attrs = append(make([]Attr, 0, max(16, min(2*n, 64), 2*len(mine))), mine...)
		*first, n = 0, len(mine)
	}
	r.attrs = r.attrs[:n+1]
	return &r.attrs[n]
}

// resolveAttrs puts namespaces to the attributes of an element and refuses duplicates.
func (r *Reader) resolveAttrs(attrs []Attr) error {
	for i := range attrs {
		a := &attrs[i]
		if a.Prefix == "" {
			continue
		}
		space, ok := r.Namespace(a.Prefix)
		if !ok {
			return r.malformed(a.Offset, "prefix %q is not declared", clip(a.Prefix))
		}
		a.Name.Space = space
	}
	if i := duplicate(attrs); i >= 0 {
		return r.malformed(attrs[i].Offset, "attribute %s appears twice", clip(attrs[i].Name.String()))
	}
	return nil
}

// duplicate is the index of an attribute whose name another has, or -1.
func duplicate(attrs []Attr) int {
	if len(attrs) > 16 {
		return duplicateOfMany(attrs)
	}
	for i := 1; i < len(attrs); i++ {
		for j := range i {
			if attrs[i].Name == attrs[j].Name {
				return i
			}
		}
	}
	return -1
}

// duplicateOfMany keeps elements of hundreds of attributes from costing their square.
func duplicateOfMany(attrs []Attr) int {
	seen := make(map[Name]struct{}, len(attrs))
	for i := range attrs {
		if _, ok := seen[attrs[i].Name]; ok {
			return i
		}
		seen[attrs[i].Name] = struct{}{}
	}
	return -1
}

// endTag reads the end tag at pos.
func (r *Reader) endTag(t *Token) error {
	start := r.pos
	top := &r.frames[len(r.frames)-1]
	r.pos += 2
	if !strings.HasPrefix(r.text[r.pos:r.end], top.tag) {
		return r.mismatch(start, top)
	}
	r.pos += len(top.tag)
	if r.at(r.pos) != '>' {
		spaced := r.skipSpace()
		switch {
		case r.pos >= r.end:
			return r.unclosed()
		case !spaced:
			return r.mismatch(start, top)
		case r.at(r.pos) != '>':
			return r.malformed(r.pos, "> wanted in the tag </%s", clip(top.tag))
		}
	}
	r.pos++
	r.endToken(t, start)
	return nil
}

func (r *Reader) mismatch(start int, top *frame) error {
	r.pos = start + 2
	if _, _, err := r.qname("element"); err != nil {
		return err
	}
	return r.malformed(start, "end tag </%s> does not match <%s>, opened at line %d",
		clip(r.text[start+2:r.pos]), clip(top.tag), r.Position(top.offset).Line)
}

// qname reads a qualified name at pos: NCName, or NCName:NCName.
func (r *Reader) qname(what string) (prefix, local string, err error) {
	start := r.pos
	prefix, err = r.ncname(what)
	if err != nil || r.at(r.pos) != ':' {
		return "", prefix, err
	}
	r.pos++
	if local, err = r.ncname(what); err != nil {
		return "", "", err
	}
	if r.at(r.pos) == ':' {
		return "", "", r.malformed(start, "%s name has two colons", what)
	}
	return prefix, local, nil
}

// ncname reads a name without colon at pos.
func (r *Reader) ncname(what string) (string, error) {
	start, i, text := r.pos, r.pos, r.text[:r.end]
	for i < len(text) && classes[text[i]]&nameByte != 0 {
		i++
	}
	if i == start || classes[text[start]]&nameStart == 0 || i < len(text) && text[i] >= utf8.RuneSelf {
		return r.wideName(what)
	}
	r.pos = i
	return text[start:i], nil
}

// wideName reads a name with characters beyond ASCII, or tells why there is none.
func (r *Reader) wideName(what string) (string, error) {
	start, i := r.pos, r.pos
	for _, c := range r.text[start:r.end] {
		if !isNameChar(c) {
			break
		}
		i += utf8.RuneLen(c)
	}
	if i == start {
		return "", r.malformed(start, "%s name wanted", what)
	}
	if c, _ := utf8.DecodeRuneInString(r.text[start:]); !isNameStart(c) {
		return "", r.malformed(start, "%s name starts with %q", what, c)
	}
	r.pos = i
	return r.text[start:i], nil
}

// declare enters a namespace declaration of the element f (Namespaces in XML 1.0, sections 2.2 and 3).
func (r *Reader) declare(f *frame, offset int, prefix, space string) error {
	switch {
	case prefix == "xmlns":
		return r.malformed(offset, "prefix xmlns may not be declared")
	case (prefix == "xml") != (space == xmlSpace):
		return r.malformed(offset, "prefix xml and the namespace %s belong to each other alone", xmlSpace)
	case space == xmlnsSpace:
		return r.malformed(offset, "namespace %s may not be declared", xmlnsSpace)
	case prefix != "" && space == "":
		return r.malformed(offset, "prefix %q is bound to no namespace", clip(prefix))
	case slices.ContainsFunc(r.bindings[f.scope:], func(b Binding) bool { return b.Prefix == prefix }):
		return r.malformed(offset, "namespace prefix %q is declared twice", clip(prefix))
	case len(r.bindings) >= r.limits.Bindings:
		return r.fail(offset, ErrLimit, "more namespace bindings in scope than the limit of %d", r.limits.Bindings)
	}
	r.bindings = append(r.bindings, Binding{Prefix: prefix, Space: space})
	return nil
}

// elementSpace finds the namespace of the innermost element, f. Most elements share the prefix of their parent.
func (r *Reader) elementSpace(f *frame) (string, error) {
	if n := len(r.frames); n > 1 && f.scope == len(r.bindings) && r.frames[n-2].prefix == f.prefix {
		return r.frames[n-2].name.Space, nil
	}
	space, ok := r.Namespace(f.prefix)
	if !ok {
		return "", r.malformed(f.offset, "prefix %q is not declared", clip(f.prefix))
	}
	return space, nil
}

// Namespace is the namespace bound to prefix where the reader stands: within the element of the last Start or
// End. The empty prefix stands for the default namespace and is always bound, if only to "".
func (r *Reader) Namespace(prefix string) (space string, ok bool) {
	return lookup(r.bindings, prefix)
}

func lookup(bindings []Binding, prefix string) (string, bool) {
	for i := len(bindings) - 1; i >= 0; i-- {
		if bindings[i].Prefix == prefix {
			return bindings[i].Space, true
		}
	}
	if prefix == "xml" {
		return xmlSpace, true
	}
	return "", prefix == ""
}
