package audit

import (
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const (
	foldWindow = time.Minute // how long equal refusals are only counted
	maxKinds   = 64          // different refusals of one peer within the window
	maxPeers   = 4096        // peers counted one by one
)

// kind is what makes two refusals equal. Cause is not in it: it may hold times.
type kind struct {
	event                                                         authz.Event
	process, subject, strength, action, resource, owner, decision string
	rule                                                          string
}

// folding counts repeated refusals.
type folding struct {
	peers map[string]*peer
}

type peer struct {
	since time.Time
	kinds map[kind]*count
	other count // refusals beyond maxKinds
}

type count struct {
	n    int
	last authz.Record
}

// isRefusal reports whether a record may be folded: refused traffic, which
// costs whoever sends it nothing.
func isRefusal(rec authz.Record) bool {
	return rec.Decision != authz.Permit.String() && (rec.Event == authz.EventDecision || rec.Event == authz.EventRefused)
}

func kindOf(rec authz.Record) kind {
	k := kind{rec.Event, rec.Process, rec.Subject, rec.Strength, rec.Action, rec.Resource, rec.Owner, rec.Decision, ""}
	if rec.Reason != nil {
		k.rule = rec.Reason.Policy + "\x00" + rec.Reason.Rule
	}
	return k
}

// add reports whether the record is to be written now; if not, it is counted.
func (f *folding) add(rec authz.Record, now time.Time) (write bool) {
	name := host(rec.Peer)
	p := f.peers[name]
	if p == nil && len(f.peers) >= maxPeers {
		name = ""
		p = f.peers[name]
	}
	if p == nil {
		if f.peers == nil {
			f.peers = map[string]*peer{}
		}
		p = &peer{since: now, kinds: map[kind]*count{}}
		f.peers[name] = p
	}
	k := kindOf(rec)
	c := p.kinds[k]
	switch {
	case c == nil && len(p.kinds) < maxKinds:
		p.kinds[k] = &count{}
		return true
	case c == nil:
		c = &p.other
	}
	c.n++
	c.last = rec
	return false
}

// due returns the folded records whose window is over, or all, and forgets
// them.
func (f *folding) due(now time.Time, all bool) []authz.Record {
	var records []authz.Record
	for name, p := range f.peers {
		if age := now.Sub(p.since); !all && age >= 0 && age < foldWindow {
			continue
		}
		for _, c := range p.kinds {
			records = c.append(records)
		}
		records = p.other.append(records)
		delete(f.peers, name)
	}
	return records
}

// append adds the last record with the number of those before it.
func (c *count) append(records []authz.Record) []authz.Record {
	if c.n == 0 {
		return records
	}
	c.last.Suppressed = c.n - 1
	return append(records, c.last)
}
