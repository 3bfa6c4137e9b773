package launch

import (
	"encoding/binary"
	"errors"
	"time"
)

// encoder appends the canonical encoding: see the package documentation.
type encoder []byte

func (e *encoder) bytes(b []byte) {
	*e = binary.BigEndian.AppendUint32(*e, uint32(len(b)))
	*e = append(*e, b...)
}

func (e *encoder) text(s string)       { e.bytes([]byte(s)) }
func (e *encoder) number(n uint64)     { *e = binary.BigEndian.AppendUint64(*e, n) }
func (e *encoder) instant(t time.Time) { e.number(uint64(t.UnixNano())) }

func (e *encoder) flag(b bool) {
	if b {
		e.number(1)
	} else {
		e.number(0)
	}
}

func (e *encoder) texts(list []string) {
	e.number(uint64(len(list)))
	for _, s := range list {
		e.text(s)
	}
}

var errShort = errors.New("ends early")

// decoder reads what encoder wrote. After the first error it returns zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.rest) {
		if d.err == nil {
			d.err = errShort
		}
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) bytes() []byte {
	b := d.take(4)
	if b == nil {
		return nil
	}
	return d.take(int(binary.BigEndian.Uint32(b)))
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) number() uint64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (d *decoder) small() uint32 {
	n := d.number()
	if n > 1<<32-1 && d.err == nil {
		d.err = errors.New("a number is too large")
	}
	return uint32(n)
}

func (d *decoder) instant() time.Time { return time.Unix(0, int64(d.number())).UTC() }
