package daemon

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Fact is one line of the status: a name in the style of Argus, such as
// "NumberOfPolicies", and its value.
type Fact struct {
	Name  string
	Value any
}

// Health collects what the process says about itself. It is safe for concurrent
// use.
type Health struct {
	service, version string
	clock            func() time.Time
	started          time.Time
	registry         *prometheus.Registry
	listed           []string

	mu     sync.Mutex
	ready  bool
	checks []check
	facts  []func() []Fact
}

type check struct {
	name string
	ask  func() error
}

// NewHealth returns the health of a service that starts now and is not ready
// yet. Its metrics registry holds those of the Go runtime and the process.
func NewHealth(service, version string, clock func() time.Time) *Health {
	h := &Health{service: service, version: version, clock: clock, started: clock(), registry: prometheus.NewRegistry()}
	h.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return h
}

// Registry is where metrics are registered for /metrics.
func (h *Health) Registry() *prometheus.Registry { return h.registry }

// SetReady says whether the process wants requests.
func (h *Health) SetReady(ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = ready
}

// Check adds a question that is asked for /readyz and /status; an error means
// trouble and is shown as its cause. It must answer at once.
func (h *Health) Check(name string, ask func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, ask})
}

// Facts adds lines to the status, asked for each time. It must answer at once
// and say nothing secret.
func (h *Health) Facts(tell func() []Fact) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts = append(h.facts, tell)
}

// Listed names facts of which there can be several, such as "Warning": in JSON
// they are a list, "Warnings", that is there even if it is empty. It is called
// before the status is served.
func (h *Health) Listed(names ...string) { h.listed = names }

// Troubles returns what the checks say, "name: cause" each; empty is well. A
// process that is not ready has at least one.
func (h *Health) Troubles() []string {
	h.mu.Lock()
	checks, ready := h.checks, h.ready
	h.mu.Unlock()
	var out []string
	if !ready {
		out = append(out, "process: starting or stopping")
	}
	for _, c := range checks {
		if err := c.ask(); err != nil {
			out = append(out, fmt.Sprintf("%s: %v", c.name, err))
		}
	}
	return out
}

// Status returns the lines of the status in their order: those that the probes
// for Argus read first, then the facts. Status is "OK" if there is no trouble.
func (h *Health) Status(troubles []string) []Fact {
	lines := h.head(troubles)
	h.mu.Lock()
	facts := h.facts
	h.mu.Unlock()
	for _, tell := range facts {
		lines = append(lines, tell()...)
	}
	return lines
}

func (h *Health) head(troubles []string) []Fact {
	status := "OK"
	if len(troubles) > 0 {
		status = "ERROR"
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return []Fact{
		{"Status", status},
		{"Service", h.service},
		{"ServiceVersion", h.version},
		{"ServiceStartupTime", h.started.UTC().Format(time.RFC3339)},
		{"ServiceStartupTimeMillis", h.started.UnixMilli()},
		{"ServiceUptimeSeconds", int64(h.clock().Sub(h.started).Seconds())},
		{"NumberOfProcessors", runtime.NumCPU()},
		{"MaxMemory", fmt.Sprintf("%d bytes", debug.SetMemoryLimit(-1))},
		{"UsedMemory", fmt.Sprintf("%d bytes", m.Alloc)},
	}
}

// Text writes status lines as "Name: value", the form of Argus. Probes split
// each line at ": " and want exactly two parts, so values hold no ": " and no
// line break.
func Text(facts []Fact) string {
	var b strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, oneLine(fmt.Sprint(f.Value)))
	}
	return b.String()
}

func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimRight(s, " ")
	for strings.Contains(s, ": ") {
		s = strings.ReplaceAll(s, ": ", ":")
	}
	return s
}
