package xml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrIllegal is the error of a Writer that was given a text with characters that XML cannot hold.
var ErrIllegal = errors.New("character that xml cannot hold")

// Writer builds one well-formed document in memory. Names are given as written (prefix:local); every prefix must
// be declared, by Namespace, on the element that uses it or around it. The first mistake is kept and returned by
// Bytes, and nothing is written after it. Text with characters that XML cannot hold (control characters, invalid
// UTF-8) is refused; pass texts whose origin is anybody's guess, such as messages of errors, through Clean.
//
// The zero Writer is ready and does not indent.
type Writer struct {
	// Indent, if not empty, puts each element on a line of its own, set in by so much per level. It is for
	// documents whose elements hold either elements or text: text beside elements would gain white space.
	Indent string

	buf      []byte
	elements []element
	bindings []Binding
	prefixes []string // used by attributes of the open tag
	names    []string // of attributes of the open tag
	open     bool     // the start tag is not yet closed
	rooted   bool
	err      error
}

// element is an open element of a Writer.
type element struct {
	tag      string
	scope    int  // len(bindings) before its own
	text     bool // holds text
	children bool // holds elements
}

// Reset empties the Writer and keeps its memory. The bytes it gave before are overwritten.
func (w *Writer) Reset() {
	*w = Writer{Indent: w.Indent, buf: w.buf[:0], elements: w.elements[:0], bindings: w.bindings[:0],
		prefixes: w.prefixes[:0], names: w.names[:0]}
}

// Grow makes room for a document of n bytes, and of the usual depth, at once.
func (w *Writer) Grow(n int) {
	w.buf = slices.Grow(w.buf, n)
	w.elements = slices.Grow(w.elements, 8)
	w.names = slices.Grow(w.names, 4)
	w.bindings = slices.Grow(w.bindings, 2)
}

// Declaration writes the XML declaration. It must come first, if at all.
func (w *Writer) Declaration() {
	if len(w.buf) > 0 {
		w.fail("XML declaration is not the first")
	}
	w.put(`<?xml version="1.0" encoding="UTF-8"?>`)
	if w.Indent != "" {
		w.put("\n")
	}
}

// Start opens an element.
func (w *Writer) Start(tag string) {
	w.closeTag()
	if len(w.elements) == 0 {
		if w.rooted {
			w.fail("<%s> is a second root element", clip(tag))
		}
	} else {
		w.newline(len(w.elements))
		w.elements[len(w.elements)-1].children = true
	}
	if !isQName(tag) {
		w.fail("%q is not a name of an element", clip(tag))
	}
	w.elements = append(w.elements, element{tag: tag, scope: len(w.bindings)})
	w.open, w.rooted = true, true
	w.prefixes, w.names = w.prefixes[:0], w.names[:0]
	w.put("<")
	w.put(tag)
}

// Namespace declares a prefix, or with "" the default namespace, on the element just started.
func (w *Writer) Namespace(prefix, space string) {
	if !w.tagOpen("namespace", prefix) {
		return
	}
	scope := w.elements[len(w.elements)-1].scope
	if _, twice := find(w.bindings[scope:], prefix); twice {
		w.fail("namespace prefix %q is declared twice on one element", prefix)
	}
	if prefix == "xml" || prefix == "xmlns" || space == xmlSpace || space == xmlnsSpace ||
		prefix != "" && (space == "" || !IsNCName(prefix)) {
		w.fail("prefix %q cannot be bound to the namespace %q", clip(prefix), clip(space))
	}
	w.bindings = append(w.bindings, Binding{Prefix: prefix, Space: space})
	w.put(" xmlns")
	if prefix != "" {
		w.put(":")
		w.put(prefix)
	}
	w.value(space)
}

// Attr writes an attribute of the element just started.
func (w *Writer) Attr(name, value string) {
	if !w.tagOpen("attribute", name) {
		return
	}
	if !isQName(name) || name == "xmlns" || strings.HasPrefix(name, "xmlns:") {
		w.fail("%q is not a name of an attribute", clip(name))
	}
	for _, other := range w.names {
		if other == name {
			w.fail("attribute %s is written twice", name)
		}
	}
	w.names = append(w.names, name)
	if prefix, _, found := strings.Cut(name, ":"); found {
		w.prefixes = append(w.prefixes, prefix)
	}
	w.put(" ")
	w.put(name)
	w.value(value)
}

// Text writes character data.
func (w *Writer) Text(s string) {
	w.closeTag()
	if len(w.elements) == 0 {
		w.fail("text outside the root element")
		return
	}
	w.elements[len(w.elements)-1].text = true
	w.escape(s, false)
}

// Leaf writes an element that holds a text and nothing else.
func (w *Writer) Leaf(tag, text string) {
	w.Start(tag)
	if text != "" {
		w.Text(text)
	}
	w.End()
}

// Fragment writes an element that was read by a Reader, with the namespaces it was read with.
func (w *Writer) Fragment(f Fragment) {
	w.closeTag()
	if len(w.elements) == 0 && w.rooted || f.src == nil {
		w.fail("no place for the fragment <%s>", clip(f.tag))
		return
	}
	if len(w.elements) > 0 {
		w.newline(len(w.elements))
		w.elements[len(w.elements)-1].children = true
	}
	w.rooted = true
	w.put(f.within(w.bindings))
}

// End closes the innermost element.
func (w *Writer) End() {
	if len(w.elements) == 0 {
		w.fail("end of an element without a start")
		return
	}
	last := w.elements[len(w.elements)-1]
	if w.open {
		w.checkTag()
		w.put("/>")
		w.open = false
	} else {
		if last.children {
			w.newline(len(w.elements) - 1)
		}
		w.put("</")
		w.put(last.tag)
		w.put(">")
	}
	w.bindings = w.bindings[:last.scope]
	w.elements = w.elements[:len(w.elements)-1]
}

// Bytes gives the document, or the first mistake that was made. The bytes are good until Reset.
func (w *Writer) Bytes() ([]byte, error) {
	switch {
	case w.err != nil:
		return nil, w.err
	case len(w.elements) > 0:
		return nil, fmt.Errorf("writing xml: <%s> is not closed", clip(w.elements[len(w.elements)-1].tag))
	case !w.rooted:
		return nil, errors.New("writing xml: no root element")
	}
	return w.buf, nil
}

func (w *Writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("writing xml: "+format, args...)
	}
}

// put appends s unless something has gone wrong.
func (w *Writer) put(s string) {
	if w.err == nil {
		w.buf = append(w.buf, s...)
	}
}

func (w *Writer) tagOpen(what, name string) bool {
	if !w.open {
		w.fail("%s %s is not written right after a start tag", what, clip(name))
	}
	return w.open
}

// closeTag ends the start tag, now that all its declarations are known.
func (w *Writer) closeTag() {
	if w.open {
		w.checkTag()
		w.put(">")
		w.open = false
	}
}

func (w *Writer) checkTag() {
	tag := w.elements[len(w.elements)-1].tag
	if prefix, _, found := strings.Cut(tag, ":"); found {
		w.checkPrefix(prefix)
	}
	for _, prefix := range w.prefixes {
		w.checkPrefix(prefix)
	}
	if len(w.prefixes) > 1 {
		w.checkTwins()
	}
}

func (w *Writer) checkPrefix(prefix string) {
	if _, ok := lookup(w.bindings, prefix); !ok {
		w.fail("prefix %q is not declared", clip(prefix))
	}
}

// checkTwins refuses attributes that are one under two prefixes.
func (w *Writer) checkTwins() {
	attrs := make([]Attr, 0, len(w.names))
	for _, name := range w.names {
		if prefix, local, found := strings.Cut(name, ":"); found {
			space, _ := lookup(w.bindings, prefix)
			attrs = append(attrs, Attr{Name: Name{Space: space, Local: local}})
		}
	}
	if i := duplicate(attrs); i >= 0 {
		w.fail("attribute %s is written twice", attrs[i].Name)
	}
}

func (w *Writer) newline(depth int) {
	if w.Indent == "" || w.elements[len(w.elements)-1].text {
		return
	}
	w.put("\n")
	for range depth {
		w.put(w.Indent)
	}
}

func (w *Writer) value(s string) {
	w.put(`="`)
	w.escape(s, true)
	w.put(`"`)
}

func (w *Writer) escape(s string, attribute bool) {
	if w.err != nil {
		return
	}
	if isPlain(s) {
		w.buf = append(w.buf, s...)
		return
	}
	if i := illegal(s); i >= 0 {
		w.err = fmt.Errorf("writing xml: %w: byte %d of %q", ErrIllegal, i, clip(s))
		return
	}
	w.buf = appendEscaped(w.buf, s, attribute)
}

// isPlain tells whether s is ASCII that stands for itself everywhere.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = escapes[c] == ""
	}
	return t
}()

// illegal is the offset of the first thing in s that is no character of XML, or -1.
func illegal(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < 0x20 && !isChar(rune(c)) {
				return i
			}
			i++
			continue
		}
		c, n := utf8.DecodeRuneInString(s[i:])
		if c == utf8.RuneError && n == 1 || !isChar(c) {
			return i
		}
		i += n
	}
	return -1
}

// escapes holds what stands for a byte; onlyValues are those that may stay in text as they are.
var escapes = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;",
	'\t': "&#x9;", '\n': "&#xA;", '\r': "&#xD;"}

const onlyValues = "\"\t\n"

// appendEscaped writes s so that a reader gets s back, line ends and all.
func appendEscaped(buf []byte, s string, attribute bool) []byte {
	done := 0
	for i := range len(s) {
		by := escapes[s[i]]
		if by == "" || !attribute && strings.IndexByte(onlyValues, s[i]) >= 0 {
			continue
		}
		buf = append(append(buf, s[done:i]...), by...)
		done = i + 1
	}
	return append(buf, s[done:]...)
}

// isQName tells whether s is NCName or NCName:NCName.
func isQName(s string) bool {
	prefix, local, found := strings.Cut(s, ":")
	return IsNCName(prefix) && (!found || IsNCName(local))
}

// Clean replaces what XML cannot hold by U+FFFD, for texts that must be sent whatever they are.
func Clean(s string) string {
	if illegal(s) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		if !isChar(c) {
			return utf8.RuneError
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
