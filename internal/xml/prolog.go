package xml

import "strings"

// prolog reads the byte order mark and the XML declaration.
func (r *Reader) prolog() error {
	if strings.HasPrefix(r.text, byteOrderMark) {
		r.pos = len(byteOrderMark)
	}
	if rest := r.text[r.pos:]; !strings.HasPrefix(rest, "<?xml") || len(rest) < 6 || classes[rest[5]]&space == 0 {
		return nil
	}
	start := r.pos
	r.pos += len("<?xml")
	version, ok := r.pseudo("version")
	if !ok {
		return r.malformed(start, "XML declaration without version")
	}
	if version != "1.0" {
		return r.fail(start, ErrForbidden, "XML version %q, only 1.0 is read", clip(version))
	}
	if encoding, ok := r.pseudo("encoding"); ok && !strings.EqualFold(encoding, "UTF-8") {
		return r.fail(start, ErrForbidden, "encoding %q, only UTF-8 is read", clip(encoding))
	}
	if standalone, ok := r.pseudo("standalone"); ok && standalone != "yes" && standalone != "no" {
		return r.malformed(start, "standalone is %q, want yes or no", clip(standalone))
	}
	r.skipSpace()
	if !strings.HasPrefix(r.text[r.pos:], "?>") {
		return r.malformed(r.pos, "XML declaration is not version, encoding, standalone, in this order, and ?>")
	}
	r.pos += len("?>")
	return nil
}

// pseudo reads one name="value" of the XML declaration, or moves nothing.
func (r *Reader) pseudo(name string) (value string, ok bool) {
	start := r.pos
	defer func() {
		if !ok {
			r.pos = start
		}
	}()
	if !r.skipSpace() || !strings.HasPrefix(r.text[r.pos:], name) {
		return "", false
	}
	r.pos += len(name)
	r.skipSpace()
	if r.at(r.pos) != '=' {
		return "", false
	}
	r.pos++
	r.skipSpace()
	quote := r.at(r.pos)
	if quote != '"' && quote != '\'' {
		return "", false
	}
	n := strings.IndexByte(r.text[r.pos+1:r.end], quote)
	if n < 0 {
		return "", false
	}
	value = r.text[r.pos+1 : r.pos+1+n]
	r.pos += n + 2
	return value, true
}

// outside reads what stands before and after the root element.
func (r *Reader) outside(t *Token) error {
	for {
		r.skipSpace()
		start := r.pos
		switch c := r.at(start); {
		case start >= r.end:
			return r.endOfDocument(t)
		case c != '<':
			return r.malformed(start, "text %s the root element", r.side())
		}
		switch c := r.at(start + 1); {
		case c == '?':
			return r.instruction(start)
		case c == '!':
			if err := r.comment(); err != nil {
				return err
			}
		case c == '/':
			return r.malformed(start, "end tag %s the root element", r.side())
		case r.rooted:
			return r.malformed(start, "second root element")
		default:
			return r.startTag(t)
		}
	}
}

func (r *Reader) side() string {
	if r.rooted {
		return "after"
	}
	return "before"
}

func (r *Reader) endOfDocument(t *Token) error {
	if !r.rooted {
		return r.malformed(r.end, "no element in the document")
	}
	r.kind, r.offset = EOF, r.end
	t.Kind, t.Offset = EOF, r.end
	return nil
}

// comment skips a comment, or refuses what else begins with <!.
func (r *Reader) comment() error {
	start := r.pos
	rest := r.text[start:r.end]
	if !strings.HasPrefix(rest, "<!--") {
		if strings.HasPrefix(rest, "<!DOCTYPE") {
			return r.fail(start, ErrForbidden, "DOCTYPE is not allowed")
		}
		return r.malformed(start, "markup declaration is not allowed here")
	}
	n := strings.Index(rest[4:], "--")
	if n < 0 {
		return r.malformed(start, "comment is not closed")
	}
	r.pos = start + 4 + n + 2
	if r.at(r.pos) != '>' {
		return r.malformed(r.pos-2, "-- inside a comment")
	}
	r.pos++
	return nil
}

func (r *Reader) instruction(start int) error {
	if rest := r.text[start:r.end]; len(rest) > 5 && strings.EqualFold(rest[:5], "<?xml") && classes[rest[5]]&nameByte == 0 {
		return r.malformed(start, "XML declaration not at the start of the document")
	}
	return r.fail(start, ErrForbidden, "processing instruction is not allowed")
}
