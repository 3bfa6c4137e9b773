package pap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	jsontwo "github.com/go-json-experiment/json" // three times as fast to decode

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// The namespaces of the store, and what their keys are. Aliases hold no "/".
const (
	spacePAPs      = "paps"      // alias
	spaceBans      = "bans"      // alias/id
	spaceUnits     = "units"     // alias/id
	spaceRows      = "rows"      // name
	spacePersons   = "persons"   // id
	spaceLinks     = "links"     // SHA-256 of a person's key, "/", id; and linksMade
	spaceFollowers = "followers" // name
	spaceRequests  = "requests"  // SHA-256 of author and idempotency key
	spaceTree      = "tree"      // alias NUL parent NUL place NUL id: the children of a unit in order
	spaceTimes     = "times"     // time, unit or ban: when a record needs attention
)

// ref is where a record lies in the store.
type ref struct{ space, key string }

func refOf(e change.Edit) ref {
	switch {
	case e.PAP != nil:
		return ref{spacePAPs, e.PAP.Alias}
	case e.Ban != nil:
		return ref{spaceBans, e.Ban.PAP + "/" + e.Ban.ID}
	case e.Unit != nil:
		return ref{spaceUnits, e.Unit.PAP + "/" + e.Unit.ID}
	case e.Row != nil:
		return ref{spaceRows, e.Row.Name}
	default:
		return ref{spacePersons, e.Person.ID}
	}
}

// record is the part of an edit that is stored.
func record(e change.Edit) any {
	switch {
	case e.PAP != nil:
		return e.PAP
	case e.Ban != nil:
		return e.Ban
	case e.Unit != nil:
		return e.Unit
	case e.Row != nil:
		return e.Row
	default:
		return e.Person
	}
}

// stored makes the edit that puts the record which value holds.
func (r ref) stored(value []byte) (change.Edit, error) {
	var e change.Edit
	switch r.space {
	case spacePAPs:
		e.PAP = &change.PAP{}
	case spaceBans:
		e.Ban = &change.Ban{}
	case spaceUnits:
		e.Unit = &change.Unit{}
	case spaceRows:
		e.Row = &change.Row{}
	default:
		e.Person = &change.Person{}
	}
	if err := jsontwo.Unmarshal(value, record(e)); err != nil {
		return e, fmt.Errorf("record %s %q: %w", r.space, r.key, err)
	}
	return e, nil
}

// maxID bounds an id that somebody else chose, in bytes: it becomes part of keys.
const maxID = 1 << 10

// mustFit refuses an id that is too long to be one.
func mustFit(id string) error {
	if len(id) > maxID {
		return fmt.Errorf("%w: an id of %d bytes, at most %d", change.ErrInvalid, len(id), maxID)
	}
	return nil
}

// removal is the edit that removes the record of e, with nothing but its name.
func removal(e change.Edit) change.Edit {
	gone := change.Edit{Remove: true}
	switch {
	case e.PAP != nil:
		gone.PAP = &change.PAP{Alias: e.PAP.Alias}
	case e.Ban != nil:
		gone.Ban = &change.Ban{ID: e.Ban.ID, PAP: e.Ban.PAP}
	case e.Unit != nil:
		gone.Unit = &change.Unit{ID: e.Unit.ID, PAP: e.Unit.PAP}
	case e.Row != nil:
		gone.Row = &change.Row{Name: e.Row.Name}
	default:
		gone.Person = &change.Person{ID: e.Person.ID}
	}
	return gone
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // only strings, numbers and times: cannot fail
		panic(fmt.Sprintf("pap: encode %T: %v", v, err))
	}
	return data
}

// treeKey is where a unit stands among its siblings.
func treeKey(u *change.Unit) string {
	return treePrefix(u.PAP, u.Parent) + u.Place + "\x00" + u.ID
}

func treePrefix(pap, parent string) string { return pap + "\x00" + parent + "\x00" }

// timeKey sorts by time, then by the record that needs attention then.
func timeKey(t time.Time, name string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixNano(), 0)))) + name
}

func splitTimeKey(key string) (time.Time, string) {
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(key[:8])))), key[8:]
}

// linksMade is the key that says that all persons are in spaceLinks.
const linksMade = "all"

func linkPrefix(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16]) + "/"
}
