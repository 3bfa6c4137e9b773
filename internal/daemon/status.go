package daemon

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ListenLoopback listens on a TCP address of this machine's loopback, and
// refuses any other: health and metrics are not for the network.
func ListenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("health address %q: %w", address, err)
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("health address %q is not on loopback: use 127.0.0.1 or [::1]", address)
	}
	return net.Listen("tcp", address)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// Handler serves
//
//	/healthz   200 while the process runs
//	/readyz    200 when it wants requests, else 503 with what is wrong
//	/status    "Name: value" lines, or JSON if the Accept header asks for it
//	/metrics   Prometheus
//
// to loopback names only: a browser on this machine that was lured to a name of
// somebody else's gets 403.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /status", h.StatusHandler())
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if bare, _, err := net.SplitHostPort(host); err == nil {
			host = bare
		}
		if !isLoopback(host) {
			say(w, http.StatusForbidden, "ask for this page by a loopback name\n")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// StatusHandler serves the status alone, wherever the caller puts it. What is
// wrong stands in lines "Trouble: …", in JSON in the list "Troubles"; so do the
// facts that Listed names.
func (h *Health) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		troubles := h.Troubles()
		facts := h.Status(troubles)
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			sayJSON(w, facts, h.listed, troubles)
			return
		}
		for _, t := range troubles {
			facts = append(facts, Fact{"Trouble", t})
		}
		say(w, http.StatusOK, Text(facts))
	})
}

func sayJSON(w http.ResponseWriter, facts []Fact, listed, troubles []string) {
	lists := map[string][]any{}
	for _, name := range listed {
		lists[name] = []any{}
	}
	out := map[string]any{"Troubles": append([]string{}, troubles...)}
	for _, f := range facts {
		if list, ok := lists[f.Name]; ok {
			lists[f.Name] = append(list, f.Value)
		} else {
			out[f.Name] = f.Value
		}
	}
	for name, list := range lists {
		out[name+"s"] = list
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(out)
}

func (h *Health) readyz(w http.ResponseWriter, _ *http.Request) {
	if troubles := h.Troubles(); len(troubles) > 0 {
		say(w, http.StatusServiceUnavailable, strings.Join(troubles, "\n")+"\n")
		return
	}
	say(w, http.StatusOK, "ok\n")
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
}
