package xml

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Root reads the start tag of the root element and refuses one that has none of the given names. Without names
// any is welcome.
func (r *Reader) Root(names ...Name) (Token, error) {
	t, err := r.Next()
	if err == nil {
		err = r.oneOf(t, names)
	}
	return t, err
}

// Expect reads the next token but blank text, which must be the start tag of an element of that name.
func (r *Reader) Expect(name Name) (Token, error) {
	t, err := r.significant()
	if err == nil {
		err = r.oneOf(t, []Name{name})
	}
	return t, err
}

func (r *Reader) oneOf(t Token, names []Name) error {
	if t.Kind == Start && (len(names) == 0 || slices.Contains(names, t.Name)) {
		return nil
	}
	wanted := make([]string, len(names))
	for i, name := range names {
		wanted[i] = "<" + name.String() + ">"
	}
	return r.Errorf(t.Offset, "%s found, %s wanted", t.describe(), strings.Join(wanted, " or "))
}

// significant reads the next token but blank text.
func (r *Reader) significant() (t Token, err error) {
	err = r.nextSignificant(&t)
	return t, err
}

// nextSignificant is significant into a zero token.
func (r *Reader) nextSignificant(t *Token) error {
	if err := r.next(t); err != nil || t.Kind != Text || !isBlank(t.Text) {
		return err
	}
	*t = Token{}
	return r.next(t)
}

// Children goes over the child elements of the element whose start tag was read last and ends behind its end
// tag. The loop body may read the child to its end (Content, Children, Skip, Raw, Node) or leave it, wholly or in
// part: the rest is skipped. Text between the children is an error unless blank. An error is given once, as the
// last pair; to drop it is to act on half a document. A loop that is left early leaves the reader where it is.
func (r *Reader) Children() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		depth := len(r.frames)
		for t := (Token{}); ; {
			more, err := r.child(depth, &t)
			if err != nil {
				yield(Token{}, err)
				return
			}
			if !more || !yield(t, nil) {
				return
			}
		}
	}
}

// Child is a step of Children, for decoders that are called more often than anything else: it copies no tokens and
// lays attributes out where those of former children were. It reads the start tag of the next child into t, which
// is the zero Token at first and its own result later; more is false once it has read the end tag of the element
// instead. depth is what Depth said when the start tag of that element had been read.
//
// The Attrs of the former child, and of every Token and Node from within it, are overwritten. Strings stay good.
func (r *Reader) Child(depth int, t *Token) (more bool, err error) {
	if t.Kind != 0 {
		if err := r.leave(depth + 1); err != nil {
			return false, err
		}
		// In another array than that of the former child nothing is left but what was within it.
		r.attrs = r.attrs[:min(len(r.attrs), r.frames[depth].attrs)]
	}
	return r.child(depth, t)
}

// child is Child that overwrites nothing.
func (r *Reader) child(depth int, t *Token) (more bool, err error) {
	if t.Kind == 0 {
		err = r.atStart("Child")
	} else {
		err = r.leave(depth + 1)
	}
	*t = Token{}
	if err == nil {
		err = r.nextSignificant(t)
	}
	if err == nil && t.Kind == Text {
		err = r.Unexpected(*t)
	}
	return err == nil && t.Kind == Start, err
}

// leave reads on until the end tag of the element at depth has been read.
func (r *Reader) leave(depth int) error {
	for r.kind != End || len(r.frames) != depth {
		if len(r.frames) < depth {
			return r.fail(r.offset, ErrContent, "decoder read beyond the element it was given")
		}
		if _, err := r.Next(); err != nil {
			return err
		}
	}
	return r.err
}

// atStart guards against calls that make sense right after a start tag only. A decoder's mistake is an error, not
// a panic: what document brings it about is the sender's choice.
func (r *Reader) atStart(method string) error {
	if r.err == nil && r.kind != Start {
		return r.fail(r.offset, ErrContent, "decoder called %s not right after a start tag", method)
	}
	return r.err
}

// Skip reads the element whose start tag was read last to its end.
func (r *Reader) Skip() error {
	if err := r.atStart("Skip"); err != nil {
		return err
	}
	return r.leave(len(r.frames))
}

// Content reads the element whose start tag was read last to its end and gives its text, untrimmed. A child
// element is an error.
func (r *Reader) Content() (string, error) {
	if err := r.atStart("Content"); err != nil {
		return "", err
	}
	t, err := r.Next()
	if err != nil || t.Kind == End {
		return "", err
	}
	text := t.Text
	if t.Kind == Text {
		if t, err = r.Next(); err != nil {
			return "", err
		}
	}
	if t.Kind != End {
		return "", r.Unexpected(t)
	}
	return text, nil
}

// Empty reads the element whose start tag was read last to its end; it may hold nothing but blanks.
func (r *Reader) Empty() error {
	if err := r.atStart("Empty"); err != nil {
		return err
	}
	t, err := r.significant()
	if err == nil && t.Kind != End {
		err = r.Unexpected(t)
	}
	return err
}

// Finish checks that nothing but the end of the document follows.
func (r *Reader) Finish() error {
	t, err := r.significant()
	if err == nil && t.Kind != EOF {
		err = r.Unexpected(t)
	}
	return err
}

// Required is the value of an attribute in no namespace that the start tag must have.
func (r *Reader) Required(start Token, local string) (string, error) {
	a, ok := start.Attr(Name{Local: local})
	if !ok {
		return "", r.Errorf(start.Offset, "<%s> has no attribute %s", clip(start.Name.Local), local)
	}
	return a.Value, nil
}

// QName resolves a qualified name that stands in content or in an attribute value (xsi:type, a fault code) with
// the bindings in scope. A name without a prefix is in the default namespace.
func (r *Reader) QName(value string) (Name, error) {
	name, err := resolve(value, r.Namespace)
	if err != nil {
		return Name{}, r.Errorf(r.offset, "%s", err.Error())
	}
	return name, nil
}

func resolve(value string, namespace func(string) (string, bool)) (Name, error) {
	value = strings.Trim(value, " \t\r\n")
	prefix, local, found := strings.Cut(value, ":")
	if !found {
		prefix, local = "", value
	}
	if !IsNCName(local) || found && !IsNCName(prefix) {
		return Name{}, fmt.Errorf("%q is not a qualified name", clip(value))
	}
	space, ok := namespace(prefix)
	if !ok {
		return Name{}, fmt.Errorf("prefix %q of %q is not declared", clip(prefix), clip(value))
	}
	return Name{Space: space, Local: local}, nil
}

// Errorf makes an error of a decoder at an offset (Token.Offset, Attr.Offset). Its cause is ErrContent.
func (r *Reader) Errorf(offset int, format string, args ...any) error {
	return &Error{Position: r.Position(offset), Message: fmt.Sprintf(format, args...), Cause: ErrContent}
}

// Wrap puts the position of an offset to an error. The result unwraps to err.
func (r *Reader) Wrap(offset int, err error) error {
	return &Error{Position: r.Position(offset), Message: err.Error(), Cause: err}
}

// Unexpected is the error of a token that has no place where it was found.
func (r *Reader) Unexpected(t Token) error {
	return r.Errorf(t.Offset, "unexpected %s", t.describe())
}

func (t Token) describe() string {
	switch t.Kind {
	case Start:
		return "element <" + clip(t.Name.String()) + ">"
	case End:
		return "end of <" + clip(t.Name.String()) + ">"
	case Text:
		return fmt.Sprintf("text %q", clip(strings.Trim(t.Text, " \t\r\n")))
	default:
		return t.Kind.String()
	}
}
