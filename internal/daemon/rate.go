package daemon

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxPeers bounds the memory of a rate limit.
const maxPeers = 16384

// LimitRate answers 429 to a peer that asks more often than perSecond on
// average, or more than burst times at once. peer names who asks; nil is
// PeerAddress, and "" is never limited.
func LimitRate(next http.Handler, peer func(*http.Request) string, perSecond float64, burst int, clock func() time.Time) http.Handler {
	if peer == nil {
		peer = PeerAddress
	}
	l := &rates{perSecond: rate.Limit(perSecond), burst: burst, clock: clock, by: map[string]*rate.Limiter{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := peer(r); name != "" && !l.allow(name) {
			w.Header().Set("Retry-After", "1")
			say(w, http.StatusTooManyRequests, "too many requests: ask again later\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// PeerAddress names the network that a request comes from: an IPv4 address or
// an IPv6 /64; "" for a unix socket.
func PeerAddress(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	if from := network(net.TCPAddrFromAddrPort(a)); from.IsValid() {
		return from.String()
	}
	return ""
}

type rates struct {
	perSecond rate.Limit
	burst     int
	clock     func() time.Time

	mu sync.Mutex
	by map[string]*rate.Limiter
}

func (l *rates) allow(name string) bool {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.by[name]
	if limit == nil {
		if len(l.by) >= maxPeers {
			l.forget(now)
		}
		limit = rate.NewLimiter(l.perSecond, l.burst)
		l.by[name] = limit
	}
	return limit.AllowN(now, 1)
}

// forget drops the peers that have been quiet long enough to have a full burst
// again, which is the same as never having asked; then anybody, until there is
// so much room that this is seldom done.
func (l *rates) forget(now time.Time) {
	for name, limit := range l.by {
		if limit.TokensAt(now) >= float64(l.burst) {
			delete(l.by, name)
		}
	}
	for name := range l.by {
		if len(l.by) < maxPeers/2 {
			return
		}
		delete(l.by, name)
	}
}
