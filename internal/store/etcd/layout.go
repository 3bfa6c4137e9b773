package etcd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// layout is the prefix of every key of one store; it ends with a slash.
type layout string

func (l layout) meta() string                      { return string(l) + "meta" }
func (l layout) revision() string                  { return string(l) + "revision" }
func (l layout) pending() string                   { return string(l) + "pending" }
func (l layout) records(namespace string) string   { return string(l) + "record/" + namespace + "/" }
func (l layout) removed(namespace string) string   { return string(l) + "removed/" + namespace }
func (l layout) journal() string                   { return string(l) + "journal/" }
func (l layout) chunks(id setID) string            { return string(l) + "chunk/" + id.String() + "/" }
func (l layout) sets() string                      { return string(l) + "set/" }
func (l layout) set(id setID) string               { return l.sets() + id.String() }
func (l layout) lanes() string                     { return string(l) + "lane/" }
func (l layout) record(namespace, k string) string { return l.records(namespace) + k }
func (l layout) chunk(id setID, n int) string      { return l.chunks(id) + fmt.Sprintf("%06d", n) }

func (l layout) entry(number uint64) string {
	return l.journal() + string(binary.BigEndian.AppendUint64(nil, number))
}

// entryNumber is the revision that a journal key stands for.
func (l layout) entryNumber(key string) (uint64, error) {
	rest, ok := strings.CutPrefix(key, l.journal())
	if !ok || len(rest) != 8 {
		return 0, fmt.Errorf("%w: journal key %q", store.ErrCorrupt, key)
	}
	return binary.BigEndian.Uint64([]byte(rest)), nil
}

// metaText is the value of the key meta: the format and the lineage.
const (
	metaWord = "gatehouse-store"
	format   = 1
)

func formatMeta(l store.Lineage) string { return fmt.Sprintf("%s %d %s", metaWord, format, l) }

func parseMeta(value []byte) (store.Lineage, error) {
	var number int
	var lineage string
	if _, err := fmt.Sscanf(string(value), metaWord+" %d %s", &number, &lineage); err != nil {
		return store.Lineage{}, fmt.Errorf("%w: its key meta says %.80q", store.ErrForeign, value)
	}
	if number > format {
		return store.Lineage{}, fmt.Errorf("%w: format %d, known are up to %d", store.ErrNewer, number, format)
	}
	l, err := store.ParseLineage(lineage)
	if err != nil {
		return l, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return l, nil
}

// A value in etcd begins with a byte that says where the rest is.
const (
	inline  = 'i' // here
	chunked = 'c' // in a set of chunks: id, then the length as 8 bytes, big endian
)

// inlineLimit is what a value may have to stand in its own key: an etcd that
// nobody tuned takes requests of 1.5 MiB.
const inlineLimit = 256 << 10

// setRef is a value that lies in chunks.
type setRef struct {
	id     setID
	length uint64
}

func (r setRef) encode() []byte {
	value := append([]byte{chunked}, r.id[:]...)
	return binary.BigEndian.AppendUint64(value, r.length)
}

// decodeValue returns the bytes of an inline value, or where the chunks are.
func decodeValue(raw []byte) (value []byte, ref *setRef, err error) {
	switch {
	case len(raw) > 0 && raw[0] == inline:
		return raw[1:], nil, nil
	case len(raw) == 1+len(setID{})+8 && raw[0] == chunked:
		ref = &setRef{id: setID(raw[1 : 1+len(setID{})]), length: binary.BigEndian.Uint64(raw[1+len(setID{}):])}
		if ref.length <= maxSet {
			return nil, ref, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: a value of %d bytes that is neither inline nor chunked", store.ErrCorrupt, len(raw))
}

func encodeInline(value []byte) []byte {
	return append(append(make([]byte, 0, len(value)+1), inline), value...)
}

func parseNumber(value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: a revision number of %d bytes", store.ErrCorrupt, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func formatNumber(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// change is one key that an update writes, as it will be in etcd.
type change struct {
	key    string
	value  []byte // encoded; nil removes the key
	remove bool
}

func (c change) size() int { return len(c.key) + len(c.value) + 32 }

// A batch is a list of changes in bytes: per change the length of the key, the
// key, 0 for a removal or 1, and then the length of the value and the value.
// Lengths are unsigned varints; keys lack the prefix of the store.
func encodeBatch(l layout, changes []change) []byte {
	var out []byte
	for _, c := range changes {
		key := strings.TrimPrefix(c.key, string(l))
		out = binary.AppendUvarint(out, uint64(len(key)))
		out = append(out, key...)
		if c.remove {
			out = append(out, 0)
			continue
		}
		out = append(out, 1)
		out = binary.AppendUvarint(out, uint64(len(c.value)))
		out = append(out, c.value...)
	}
	return out
}

var errBatch = errors.New("a batch of changes that breaks off or says nonsense")

func decodeBatch(l layout, data []byte) (changes []change, err error) {
	field := func() (f []byte) {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, errBatch)
			return nil
		}
		f, data = data[size:size+int(n)], data[size+int(n):]
		return f
	}
	for len(data) > 0 && err == nil {
		c := change{key: string(l) + string(field())}
		switch {
		case err != nil:
		case len(data) == 0 || data[0] > 1:
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, errBatch)
		case data[0] == 0:
			c.remove, data = true, data[1:]
		default:
			data = data[1:]
			c.value = field()
		}
		changes = append(changes, c)
	}
	return changes, err
}
