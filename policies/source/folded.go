package source

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// folded is a ban in the little memory that a million may take: what many have
// in common is there once, the words of its own are one string.
type folded struct {
	like *change.Ban // without those words; the ban itself if text is ""
	text string      // id, reason, ticket, times and the values of the names, each behind its length
}

var _ policies.Item = (*folded)(nil)

// Where returns the PAP and the id of the ban: what names its record.
func (f *folded) Where() (place, id string) {
	if f.text == "" {
		return f.like.PAP, f.like.ID
	}
	id, _ = cutWord(f.text)
	return f.like.PAP, id
}

// ban makes the record, each time anew.
func (f *folded) ban() *change.Ban {
	b, rest := *f.like, f.text
	if rest == "" {
		return &b
	}
	var at, until string
	b.Names = slices.Clone(b.Names)
	for _, word := range []*string{&b.ID, &b.Reason, &b.Ticket, &at, &until} {
		*word, rest = cutWord(rest)
	}
	b.Time, b.Until = moment(at), moment(until)
	for i := range b.Names {
		b.Names[i].Value, rest = cutWord(rest)
	}
	return &b
}

// folder folds bans.
type folder struct {
	known map[likeness]*change.Ban
	text  []byte
}

// likeness is what bans have in common that are folded alike.
type likeness struct {
	pap, attributes, resource, action, author string
	private, alone                            bool
}

func (f *folder) fold(b *change.Ban) *folded {
	times := [2]string{instant(b.Time), instant(b.Until)}
	if moment(times[0]) != b.Time || moment(times[1]) != b.Until {
		return &folded{like: b}
	}
	words := []string{b.ID, b.Reason, b.Ticket, times[0], times[1]}
	for _, n := range b.Names {
		words = append(words, n.Value)
	}
	f.text = f.text[:0]
	for _, w := range words {
		f.text = append(binary.AppendUvarint(f.text, uint64(len(w))), w...)
	}
	return &folded{like: f.likenessOf(b), text: string(f.text)}
}

func (f *folder) likenessOf(b *change.Ban) *change.Ban {
	var attributes strings.Builder // each with an end, so that none and an empty one differ
	for _, n := range b.Names {
		attributes.WriteString(n.Attribute + "\x00")
	}
	key := likeness{b.PAP, attributes.String(), b.Resource, b.Action, b.Author, b.Private, b.Alone}
	like := f.known[key]
	if like == nil {
		like = &change.Ban{PAP: b.PAP, Resource: b.Resource, Action: b.Action, Author: b.Author, Private: b.Private, Alone: b.Alone}
		for _, n := range b.Names {
			like.Names = append(like.Names, change.Name{Attribute: n.Attribute})
		}
		if f.known == nil {
			f.known = map[likeness]*change.Ban{}
		}
		f.known[key] = like
	}
	return like
}

// cutWord takes a word off the front of others.
func cutWord(s string) (word, rest string) {
	n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	end := size + int(n)
	return s[size:end], s[end:]
}

// instant writes a time as the records have it, in UTC; moment reads it.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())))
}

func moment(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(s)))).UTC()
}
