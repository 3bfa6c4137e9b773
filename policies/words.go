package policies

import (
	"encoding/binary"
	"time"
)

// words are the strings of a row. They are kept one behind the other in one
// string, behind the lengths of all but the last as unsigned varints. For
// because and description that is one more than the length, or 0 if the shape
// says the same.
type words struct {
	id, place, because, description string
	end                             string // of its time, in eight bytes; none if it has no end
	literal                         string
}

// append encodes the words of a row of that shape.
func (w *words) append(to []byte, s *Shape) []byte {
	to = binary.AppendUvarint(to, uint64(len(w.id)))
	to = binary.AppendUvarint(to, uint64(len(w.place)))
	to, because := unlessSame(to, w.because, s.because)
	to, description := unlessSame(to, w.description, s.description)
	to = binary.AppendUvarint(to, uint64(len(w.end)))
	for _, part := range [...]string{w.id, w.place, because, description, w.end, w.literal} {
		to = append(to, part...)
	}
	return to
}

func unlessSame(to []byte, own, shared string) ([]byte, string) {
	if own == shared {
		return append(to, 0), ""
	}
	return binary.AppendUvarint(to, uint64(len(own))+1), own
}

// words decodes the words of the row, without allocation.
func (r *Row) words() words {
	rest := r.text
	var n [5]int
	for i := range n {
		n[i], rest = uvarint(rest)
	}
	w := words{because: r.shape.because, description: r.shape.description}
	w.id, rest = rest[:n[0]], rest[n[0]:]
	w.place, rest = rest[:n[1]], rest[n[1]:]
	if n[2] > 0 {
		w.because, rest = rest[:n[2]-1], rest[n[2]-1:]
	}
	if n[3] > 0 {
		w.description, rest = rest[:n[3]-1], rest[n[3]-1:]
	}
	w.end, w.literal = rest[:n[4]], rest[n[4]:]
	return w
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (n int, rest string) {
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= int(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return n, s[i+1:]
		}
	}
}

// end encodes when a rule ends; until decodes it.
func end(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())))
}

func (w words) until() time.Time {
	if w.end == "" {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(w.end)))).UTC()
}
