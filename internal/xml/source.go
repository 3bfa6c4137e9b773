package xml

import (
	"sync"
	"unicode/utf8"
)

// source is a document and the way from offsets to lines. Positions are worked out only when asked for, from
// marks set every markEvery bytes, so that neither one long line nor a million short ones makes a look-up slow.
type source struct {
	name string
	text string

	mu    sync.Mutex // trees are read by many goroutines
	marks []mark
}

// mark is the place, counted from 0, of the byte at its index times markEvery.
type mark struct {
	line, column uint32
}

const markEvery = 512

// byteOrderMark is U+FEFF in UTF-8; it takes no column.
const byteOrderMark = "\xEF\xBB\xBF"

func (s *source) position(offset int) Position {
	offset = max(0, min(offset, len(s.text)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.marks) == 0 {
		s.marks = append(s.marks, mark{})
	}
	for len(s.marks)*markEvery <= offset {
		from := (len(s.marks) - 1) * markEvery
		s.marks = append(s.marks, s.advance(s.marks[len(s.marks)-1], from, from+markEvery))
	}
	i := offset / markEvery
	m := s.advance(s.marks[i], i*markEvery, offset)
	return Position{File: s.name, Line: int(m.line) + 1, Column: int(m.column) + 1}
}

// advance moves m over the bytes in [from, to). A character counts at its first byte, the pair CR LF at its LF.
func (s *source) advance(m mark, from, to int) mark {
	if from == 0 && to >= len(byteOrderMark) && s.text[:len(byteOrderMark)] == byteOrderMark {
		from = len(byteOrderMark)
	}
	for i := from; i < to; i++ {
		switch c := s.text[i]; {
		case c == '\n', c == '\r' && (i+1 == len(s.text) || s.text[i+1] != '\n'):
			m.line, m.column = m.line+1, 0
		case c == '\r', !utf8.RuneStart(c):
		default:
			m.column++
		}
	}
	return m
}

// Position tells the line and column of an offset (Token.Offset, Attr.Offset).
func (r *Reader) Position(offset int) Position { return r.src.position(offset) }

// Pos is the position of the token that Next gave last.
func (r *Reader) Pos() Position { return r.src.position(r.offset) }
