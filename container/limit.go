package container

import (
	"container/list"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// mostPeers bounds the memory that strangers can make us use: whoever has not
// called for longest is forgotten, with a full bucket.
const mostPeers = 10000

// limiter gives each peer a token bucket: a credential that stands its own,
// everybody else one per address, so that nobody escapes by inventing names.
type limiter struct {
	config *Config
	mu     sync.Mutex
	peers  map[string]*list.Element
	recent *list.List // of *peer, most recent first
}

type peer struct {
	key    string
	bucket *rate.Limiter
}

func newLimiter(config *Config) *limiter {
	return &limiter{config: config, peers: map[string]*list.Element{}, recent: list.New()}
}

// take takes a token, or says how long to wait for one.
func (l *limiter) take(who *caller) (wait time.Duration, ok bool) {
	now := l.config.Now()
	reservation := l.bucket(who).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return wait, false
	}
	return 0, reservation.OK()
}

func (l *limiter) bucket(who *caller) *rate.Limiter {
	key, limit := "address "+who.network, l.config.Anonymous
	burst := int(min(float64(l.config.Burst), 10*float64(limit)+1))
	if who.credential != nil && who.fault == nil {
		key, limit, burst = "identity "+who.owner.Key, l.config.Rate, l.config.Burst
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.peers[key]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*peer).bucket
	}
	p := &peer{key: key, bucket: rate.NewLimiter(limit, burst)}
	l.peers[key] = l.recent.PushFront(p)
	if l.recent.Len() > mostPeers {
		oldest := l.recent.Remove(l.recent.Back()).(*peer)
		delete(l.peers, oldest.key)
	}
	return p.bucket
}

// patient is a ResponseWriter whose deadline moves with each write, so that a
// slow client may take its time and one that stopped reading may not.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	next    time.Time
}

func newPatient(w http.ResponseWriter) *patient {
	return &patient{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Write writes, within stallTime.
func (p *patient) Write(b []byte) (int, error) {
	if now := time.Now(); now.After(p.next) {
		// Recorders of tests have no deadlines.
		_ = p.control.SetWriteDeadline(now.Add(stallTime))
		p.next = now.Add(stallTime / 8)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets an http.ResponseController reach the connection.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// area is a path without the secret id that may be in it.
func area(path string) string {
	if strings.HasPrefix(path, "/sandbox/") {
		return "/sandbox/"
	}
	return path[:min(len(path), 100)]
}
