package daemon

import (
	"net"
	"net/netip"
	"sync"
)

// Default connection caps of an HTTP server.
const (
	DefaultConns        = 4096
	DefaultConnsPerPeer = 256
)

// LimitConns returns a listener that holds at most total connections and perPeer
// from one address; one that is too many is closed at once. IPv6 peers count by
// their /64. Unix sockets count in the total only.
func LimitConns(l net.Listener, total, perPeer int) net.Listener {
	return &limited{Listener: l, total: total, perPeer: perPeer, by: map[netip.Prefix]int{}}
}

type limited struct {
	net.Listener
	total, perPeer int

	mu  sync.Mutex
	all int
	by  map[netip.Prefix]int
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := network(c.RemoteAddr())
		if l.enter(from) {
			return &countedConn{Conn: c, leave: func() { l.leave(from) }}, nil
		}
		_ = c.Close()
	}
}

func network(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (l *limited) enter(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.total || from.IsValid() && l.by[from] >= l.perPeer {
		return false
	}
	l.all++
	if from.IsValid() {
		l.by[from]++
	}
	return true
}

func (l *limited) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if !from.IsValid() {
		return
	}
	if l.by[from]--; l.by[from] == 0 {
		delete(l.by, from)
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
