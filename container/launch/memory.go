package launch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Memory remembers the grants that were used: see "Replays" in the package
// documentation. The file is a line with the boot id, two numbers (horizon and
// floor) and 24 bytes per grant: its id and its expiry.
type Memory struct {
	mu      sync.Mutex
	path    string
	boot    string
	file    *os.File
	size    int64
	seen    map[ID]int64 // expiry, Unix nanoseconds
	horizon int64        // no grant that expires at or before is ever accepted again
	floor   int64        // no grant issued before is accepted
}

const (
	memoryHeader = "gatehouse used grants 1 "
	memoryRecord = len(ID{}) + 8
	memoryLimit  = 1 << 20 // bytes, then the expired are dropped
)

// OpenMemory reads the memory at path, or begins one. After a reboot (another
// boot id, see [BootID]) or when the file is damaged it refuses every grant
// issued before now.
func OpenMemory(path, boot string, now time.Time) (*Memory, error) {
	m := &Memory{path: path, boot: boot, seen: make(map[ID]int64)}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		m.floor = now.UnixNano()
	case err != nil:
		return nil, fmt.Errorf("memory of grants: %w", err)
	default:
		if err := m.load(text); err != nil {
			// What was lost may have been used by a signer whose clock is ahead.
			m.floor = max(m.floor, now.Add(skew).UnixNano())
		}
		if header, _, _ := strings.Cut(string(text), "\n"); header != memoryHeader+boot {
			// The disk may have lost the last lines; a reboot outlasts any skew.
			m.floor = max(m.floor, now.UnixNano())
		}
	}
	if err := m.rewrite(now); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Memory) load(text []byte) error {
	header, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok || !bytes.HasPrefix(header, []byte(memoryHeader)) || len(body) < 16 {
		return errors.New("not a memory of grants")
	}
	m.horizon = int64(binary.BigEndian.Uint64(body))
	m.floor = int64(binary.BigEndian.Uint64(body[8:]))
	body = body[16:]
	for len(body) >= memoryRecord {
		m.seen[ID(body[:len(ID{})])] = int64(binary.BigEndian.Uint64(body[len(ID{}):]))
		body = body[memoryRecord:]
	}
	if len(body) > 0 {
		return errors.New("a torn record")
	}
	return nil
}

// errMemory marks a grant that is fresh but could not be written down.
var errMemory = errors.New("cannot remember the grant")

// Use marks g as used. It errors if it was used before, or if that cannot be
// known any more.
func (m *Memory) Use(g Grant, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return errors.New("the memory of grants is closed")
	}
	if g.Issued.UnixNano() < m.floor {
		return errors.New("the grant was issued before this launcher started: ask for a new one")
	}
	if g.Expires.UnixNano() <= m.horizon {
		return errors.New("the grant expired; that the clock was set back does not revive it")
	}
	if _, used := m.seen[g.ID]; used {
		return errors.New("the grant was used before")
	}
	m.seen[g.ID] = g.Expires.UnixNano()
	if err := m.append(g); err != nil {
		return fmt.Errorf("%w: %w", errMemory, err)
	}
	if m.size > memoryLimit {
		return m.rewrite(now)
	}
	return nil
}

func (m *Memory) append(g Grant) error {
	record := binary.BigEndian.AppendUint64(g.ID[:len(g.ID):len(g.ID)], uint64(g.Expires.UnixNano()))
	n, err := m.file.WriteAt(record, m.size)
	if err != nil {
		return errors.Join(err, m.file.Truncate(m.size))
	}
	m.size += int64(n)
	return nil
}

// rewrite drops what has expired and replaces the file in one step.
func (m *Memory) rewrite(now time.Time) error {
	m.horizon = max(m.horizon, now.UnixNano())
	text := []byte(memoryHeader + m.boot + "\n")
	text = binary.BigEndian.AppendUint64(text, uint64(m.horizon))
	text = binary.BigEndian.AppendUint64(text, uint64(m.floor))
	for id, expires := range m.seen {
		if expires <= m.horizon {
			delete(m.seen, id)
			continue
		}
		text = append(text, id[:]...)
		text = binary.BigEndian.AppendUint64(text, uint64(expires))
	}
	return m.replace(text)
}

func (m *Memory) replace(text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(m.path), ".grants-")
	if err != nil {
		return fmt.Errorf("memory of grants: %w", err)
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("memory of grants: %w", err), f.Close(), os.Remove(f.Name()))
	}
	if m.file != nil {
		_ = m.file.Close()
	}
	m.file, m.size = f, int64(len(text))
	return nil
}

// Close closes the file. No grant is accepted afterwards.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	return err
}

// BootID names the present run of the kernel: process numbers, file locks and
// unsynced writes do not outlive it.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
