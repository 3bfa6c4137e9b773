package pool

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Records are binary: a look-up is on the way of every request. A record is a
// version byte, then its fields in order; strings and lists have their length
// before them, times are nanoseconds since 1970 (zero for none).
const recordVersion = 1

var errRecord = errors.New("the record is damaged, or written by a newer program")

type encoder []byte

func newEncoder() encoder { return append(make(encoder, 0, 256), recordVersion) }

func (e *encoder) number(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) texts(all []string) {
	e.number(uint64(len(all)))
	for _, s := range all {
		e.text(s)
	}
}

func (e *encoder) time(t time.Time) {
	n := int64(0)
	if !t.IsZero() {
		n = t.UnixNano()
	}
	e.number(uint64(n))
}

// decoder hands out parts of one string: a record is copied once.
type decoder struct {
	data string
	bad  bool
}

func newDecoder(data []byte) *decoder {
	if len(data) == 0 || data[0] != recordVersion {
		return &decoder{bad: true}
	}
	return &decoder{data: string(data[1:])}
}

func (d *decoder) number() uint64 {
	var n uint64
	for i := 0; i < len(d.data) && i < binary.MaxVarintLen64; i++ {
		c := d.data[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.data = d.data[i+1:]
			return n
		}
	}
	d.data, d.bad = "", true
	return 0
}

func (d *decoder) uid() uint32 {
	n := d.number()
	if n > math.MaxUint32 {
		d.data, d.bad = "", true
		return 0
	}
	return uint32(n)
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.data)) {
		d.data, d.bad = "", true
		return ""
	}
	s := d.data[:n]
	d.data = d.data[n:]
	return s
}

func (d *decoder) texts() []string {
	n := d.number()
	if n > uint64(len(d.data)) {
		d.data, d.bad = "", true
		return nil
	}
	if n == 0 {
		return nil
	}
	all := make([]string, 0, min(n, 64))
	for range n {
		all = append(all, d.text())
	}
	return all
}

func (d *decoder) time() time.Time {
	n := d.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

// end returns an error unless all was read, and nothing is left over.
func (d *decoder) end() error {
	if d.bad || len(d.data) > 0 {
		return errRecord
	}
	return nil
}

func (e *encoder) key(k *Key) {
	e.text(k.Pool)
	e.text(k.Identity.Name)
	e.text(k.Identity.Key)
	e.text(k.Group)
	e.texts(k.Groups)
}

func (d *decoder) key() (k Key) {
	k.Pool = d.text()
	k.Identity.Name = d.text()
	k.Identity.Key = d.text()
	k.Group = d.text()
	k.Groups = d.texts()
	return k
}

func (l *Lease) encode() []byte {
	e := newEncoder()
	e.key(&l.Key)
	e.text(l.Account)
	e.number(uint64(l.UID))
	e.time(l.Granted)
	e.time(l.Used)
	e.time(l.Ended)
	return e
}

func decodeLease(data []byte) (Lease, error) {
	d := newDecoder(data)
	l := Lease{Key: d.key(), Account: d.text(), UID: d.uid(), Granted: d.time(), Used: d.time(), Ended: d.time()}
	return l, d.end()
}

// status is the record of an account.
type status struct {
	pool  string
	state State
	since time.Time
	until time.Time // of the quarantine
	uid   uint32    // given away under, until it is free again
	lease string    // record key of its lease; of the one it had while quarantined
	free  string    // key in lease-free while it is free
}

func (s *status) encode() []byte {
	e := newEncoder()
	e.text(s.pool)
	e.text(string(s.state))
	e.time(s.since)
	e.time(s.until)
	e.number(uint64(s.uid))
	e.text(s.lease)
	e.text(s.free)
	return e
}

func decodeStatus(data []byte) (status, error) {
	d := newDecoder(data)
	s := status{pool: d.text(), state: State(d.text()), since: d.time(), until: d.time(), uid: d.uid(), lease: d.text(), free: d.text()}
	return s, d.end()
}

func (e Event) encode() []byte {
	out := newEncoder()
	out.time(e.Time)
	out.text(string(e.Kind))
	out.key(&e.Key)
	out.text(e.By)
	out.text(e.Why)
	out.text(e.Decision)
	out.text(e.Revision.Lineage)
	out.number(e.Revision.Number)
	return out
}

func decodeEvent(account string, data []byte) (Event, error) {
	d := newDecoder(data)
	e := Event{Account: account, Time: d.time(), Kind: Kind(d.text()), Key: d.key()}
	e.By, e.Why, e.Decision = d.text(), d.text(), d.text()
	e.Revision.Lineage, e.Revision.Number = d.text(), d.number()
	return e, d.end()
}
