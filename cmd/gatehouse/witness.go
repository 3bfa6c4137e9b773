package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// witnessed is how many decisions a process can explain afterwards.
const witnessed = 1024

// witness stands before a Decider and keeps the last requests, so that the
// question "why?" can be answered after the fact. It holds attributes, never
// credentials or documents.
type witness struct {
	authz.Decider
	now  func() time.Time
	seen *seen // who was here lately; nil where there is no PAP

	mu   sync.Mutex
	last []testimony // a ring; next is the oldest
	next int
}

type testimony struct {
	at       time.Time
	request  authz.Request
	response authz.Response
}

// Decide implements authz.Decider.
func (w *witness) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	response, err := w.Decider.Decide(ctx, r)
	if err == nil && r.ID != "" {
		kept := authz.Request{ID: r.ID, Peer: r.Peer, Attributes: slices.Clone(r.Attributes)}
		w.keep(testimony{w.now(), kept, response})
		w.seen.note(kept)
	}
	return response, err
}

// Changed implements authz.Watcher if the Decider behind does.
func (w *witness) Changed(ctx context.Context, after authz.Revision) (authz.Revision, error) {
	return w.Decider.(authz.Watcher).Changed(ctx, after)
}

func (w *witness) keep(t testimony) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.last) < witnessed {
		w.last = append(w.last, t)
		return
	}
	w.last[w.next] = t
	w.next = (w.next + 1) % witnessed
}

// find returns what is kept of a decision id or of a person in any spelling of
// the name, newest first.
func (w *witness) find(query string, most int) []testimony {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := ""
	if strings.Contains(query, "=") {
		key = authz.BanKey(query)
	}
	var found []testimony
	for i := range w.last {
		t := &w.last[(w.next+len(w.last)-1-i)%len(w.last)]
		if t.request.ID == query || key != "" && t.about(key) {
			found = append(found, *t)
		}
		if len(found) == most {
			break
		}
	}
	return found
}

func (t *testimony) about(key string) bool {
	for _, v := range t.request.Values(authz.Subject, profile.SubjectID) {
		if d, ok := v.Data().(authz.DN); ok && d.BanKey() == key || !ok && authz.BanKey(v.Text()) == key {
			return true
		}
	}
	return false
}

// reply is one explained decision on the control socket.
type reply struct {
	ID          string             `json:"id"`
	Time        time.Time          `json:"time"`
	Subject     string             `json:"subject,omitempty"`
	Action      string             `json:"action,omitempty"`
	Resource    string             `json:"resource,omitempty"`
	Decision    string             `json:"decision"` // as it was then
	Revision    authz.Revision     `json:"revision"` // of then
	Explanation *authz.Explanation `json:"explanation,omitempty"`
}

// why answers GET /why?q=…&n=… with explained decisions. The explanation is by
// the policies in force now; Revision tells whether they are those of then.
func (s *site) why(w http.ResponseWriter, r *http.Request) {
	replies := []reply{}
	if s.witness != nil {
		lines := s.lines(r.Context())
		for _, t := range s.witness.find(r.URL.Query().Get("q"), 10) {
			one := reply{ID: t.request.ID, Time: t.at, Decision: t.response.Decision.String(), Revision: t.response.Revision}
			one.Subject = textOf(&t.request, authz.Subject, profile.SubjectID)
			one.Action = textOf(&t.request, authz.Action, profile.ActionID)
			one.Resource = textOf(&t.request, authz.Resource, profile.ResourceID)
			if e, err := s.engine.Explain(r.Context(), &t.request); err == nil {
				lines.annotate(e.Root)
				one.Explanation = &e
			}
			replies = append(replies, one)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(replies); err != nil {
		s.log.Warn("why: the answer could not be sent", "error", err)
	}
}

// lines are the lines of all policies, where the PAP is in this process.
func (s *site) lines(ctx context.Context) sources {
	known := sources{}
	if s.pap == nil {
		return known
	}
	paps, err := s.pap.PAPs(ctx)
	if err != nil {
		return known
	}
	for _, p := range paps {
		units, err := s.pap.Units(ctx, p.Alias)
		if err != nil {
			continue
		}
		for _, u := range units {
			known.add(u.File, u.Line, u.Text)
		}
	}
	return known
}

func textOf(r *authz.Request, c authz.Category, id string) string {
	for _, v := range r.Values(c, id) {
		if d, ok := v.Data().(authz.DN); ok {
			return d.Slash()
		}
		return v.Text()
	}
	return ""
}

// openControl opens the socket of the management verbs, which only root and
// the user of this process can use.
func (s *site) openControl(context.Context) error {
	l, err := daemon.ListenUnix(s.config.controlSocket())
	if err != nil {
		return err
	}
	s.closeLater(ignoreClosed{l})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /why", s.why)
	s.accountRoutes(mux)
	s.group.Add(daemon.HTTP{Name: "control", Listener: l, Handler: mux, Log: s.log}.Component())
	return nil
}
