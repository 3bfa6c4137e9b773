package pool

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// The namespaces; see the package comment.
const (
	leases      = "lease"
	accounts    = "lease-account"
	free        = "lease-free"
	uids        = "lease-uid"
	quarantines = "lease-quarantine"
	history     = "lease-history"
)

func getLease(tx store.ReadTx, record string) (Lease, bool, error) {
	data, ok := tx.Get(leases, record)
	if !ok {
		return Lease{}, false, nil
	}
	l, err := decodeLease(data)
	if err != nil {
		return Lease{}, false, fmt.Errorf("lease %x: %w", record, err)
	}
	l.kept = record
	return l, true, nil
}

func getStatus(tx store.ReadTx, account string) (status, bool, error) {
	data, ok := tx.Get(accounts, account)
	if !ok {
		return status{}, false, nil
	}
	s, err := decodeStatus(data)
	if err != nil {
		return status{}, false, fmt.Errorf("account %s: %w", account, err)
	}
	return s, true, nil
}

// stamp is a time in the order of its bytes.
func stamp(t time.Time) string {
	if t.IsZero() {
		return string(make([]byte, 8))
	}
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())))
}

// freeKey puts accounts that were never used first, then the one that has been
// free for longest.
func freeKey(pool, account string, since time.Time) string {
	return pool + "\x00" + stamp(since) + account
}

// freeAccount reads a key of the free accounts of a pool.
func freeAccount(pool, key string) (string, bool) {
	const least = 1 + 8
	if len(key) <= len(pool)+least {
		return "", false
	}
	return key[len(pool)+least:], true
}

func quarantineKey(until time.Time, account string) string { return stamp(until) + account }

func uidKey(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }

// historyKey inverts the time, so that a scan meets the newest event first.
func historyKey(account string, t time.Time) string {
	return account + "\x00" + string(binary.BigEndian.AppendUint64(nil, ^uint64(t.UnixNano())))
}

// change is one account in one transaction: what was read of it, and the writes
// that keep its records consistent with each other.
type change struct {
	tx      store.WriteTx
	account string
	before  status
	now     time.Time // after all that happened to the account so far
}

// changing reads an account that is to change.
func changing(tx store.WriteTx, account string, now time.Time) (*change, error) {
	s, ok, err := getStatus(tx, account)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoAccount, account)
	}
	// Clocks of several machines differ, and the history has one order.
	if !now.After(s.since) {
		now = s.since.Add(1)
	}
	return &change{tx: tx, account: account, before: s, now: now}, nil
}

// to writes the account's new state, and with it the tables that say who is
// free and who is in quarantine.
func (c *change) to(s status) {
	if c.before.state == Free {
		c.tx.Delete(free, c.before.free)
	}
	if c.before.state == Quarantined {
		c.tx.Delete(quarantines, quarantineKey(c.before.until, c.account))
	}
	s.since = c.now
	switch s.state {
	case Free:
		s.free = freeKey(s.pool, c.account, c.now)
		c.tx.Put(free, s.free, nil)
		c.tx.Delete(uids, uidKey(c.before.uid))
	case Quarantined:
		c.tx.Put(quarantines, quarantineKey(s.until, c.account), nil)
	case Leased, Reserved:
	}
	c.tx.Put(accounts, c.account, s.encode())
}

// note appends to the history.
func (c *change) note(kind Kind, k Key, why Cause) {
	e := Event{Time: c.now, Account: c.account, Kind: kind, Key: k, Cause: why}
	c.tx.Put(history, historyKey(c.account, c.now), e.encode())
}
