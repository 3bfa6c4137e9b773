package main

import (
	"container/list"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const (
	maxSeen     = 1000 // identities
	maxRequests = 4    // of each, of different actions and resources
	// leastChanged is how many people a change must concern to be large, and
	// leastSeen how many must have been there to tell: where there are few, one
	// of them is a large share, and a ban of one person must not wait for force.
	leastChanged = 5
	leastSeen    = 20
	// weighing is how long a change may be weighed. Whoever was not looked at by
	// then is taken to be like the others.
	weighing = 300 * time.Millisecond
	examples = 5
)

// seen is who was here lately and what they asked for, so that the effect of a
// change can be told before it is made. It holds attributes, never credentials.
type seen struct {
	mu     sync.Mutex
	people map[string]*list.Element
	order  list.List // of *visitor, who was here last in front
}

// visitor is one identity with its last requests.
type visitor struct {
	name     string
	requests map[string]authz.Request // by action and resource
}

// note keeps a request. Its attributes must not change any more.
func (s *seen) note(r authz.Request) {
	name := nameOf(&r)
	if s == nil || name == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.people[name]
	if !known {
		e = s.add(name)
	}
	s.order.MoveToFront(e)
	v := e.Value.(*visitor)
	what := textOf(&r, authz.Action, profile.ActionID) + " " + textOf(&r, authz.Resource, profile.ResourceID)
	if _, ok := v.requests[what]; !ok && len(v.requests) == maxRequests {
		for some := range v.requests {
			delete(v.requests, some)
			break
		}
	}
	v.requests[what] = r
}

func (s *seen) add(name string) *list.Element {
	if s.people == nil {
		s.people = map[string]*list.Element{}
	}
	if len(s.people) == maxSeen {
		delete(s.people, s.order.Remove(s.order.Back()).(*visitor).name)
	}
	s.people[name] = s.order.PushFront(&visitor{name, map[string]authz.Request{}})
	return s.people[name]
}

// nameOf is who a request is from, as verified; "" is nobody in particular.
func nameOf(r *authz.Request) string {
	if subject, ok := r.Verified(authz.Subject, profile.SubjectID); ok {
		if dn, ok := subject.Data().(authz.DN); ok {
			return dn.Slash()
		}
		return subject.Text()
	}
	issuer, known := r.Verified(authz.Subject, profile.OIDCIssuer)
	subject, ok := r.Verified(authz.Subject, profile.OIDCSubject)
	if !known || !ok {
		return ""
	}
	return issuer.Text() + "#" + subject.Text()
}

// all are copies of everybody's requests, who was here last first.
func (s *seen) all() (names []string, requests [][]authz.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.order.Front(); e != nil; e = e.Next() {
		v := e.Value.(*visitor)
		names = append(names, v.name)
		var own []authz.Request
		for _, r := range v.requests {
			own = append(own, r)
		}
		requests = append(requests, own)
	}
	return names, requests
}

// weight is what a change does to those who were here lately.
type weight struct {
	looked     int
	lose, gain []string // who is refused, or permitted, something that they were not before
}

func (w weight) changed() int { return len(w.lose) + len(w.gain) }

// weigh compares the answers of two decision points, as many as there is time
// for. Somebody who loses one thing and gains another has lost.
func (s *seen) weigh(ctx context.Context, before, after authz.Decider) (w weight) {
	ctx, cancel := context.WithTimeout(ctx, weighing)
	defer cancel()
	names, requests := s.all()
	for i, name := range names {
		lose, gain := false, false
		for _, r := range requests[i] {
			was, err := before.Decide(ctx, &r)
			is, err2 := after.Decide(ctx, &r)
			if err != nil || err2 != nil {
				return w // out of time
			}
			lose = lose || was.Decision == authz.Permit && is.Decision != authz.Permit
			gain = gain || was.Decision != authz.Permit && is.Decision == authz.Permit
		}
		w.looked++
		switch {
		case lose:
			w.lose = append(w.lose, name)
		case gain:
			w.gain = append(w.gain, name)
		}
	}
	return w
}

// large says what makes a change large: more than the share, in per cent, of
// those who were here lately.
func (w weight) large(share int) error {
	if w.looked < leastSeen || w.changed() < leastChanged || 100*w.changed() <= share*w.looked {
		return nil
	}
	var parts []string
	for _, p := range []struct {
		names []string
		what  string
	}{{w.lose, "would be refused what they may do now"}, {w.gain, "would be permitted what they may not do now"}} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(p.names), p.what, someOf(p.names)))
		}
	}
	return fmt.Errorf("it would change the answer for %d of the %d people who were here lately, more than %d %%: %s",
		w.changed(), w.looked, share, strings.Join(parts, ", "))
}

func someOf(names []string) string {
	if len(names) <= examples {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:examples], ", ") + ", …"
}

// weighUpdate is pap.Options.Weigh. Where the engine does not know what is before
// or after, nobody has asked it anything either.
func (s *site) weighUpdate(u policies.Update) error {
	before, known := s.engine.At(u.From)
	after, checked := s.engine.At(u.To)
	if !known || !checked {
		return nil
	}
	return s.seen.weigh(context.Background(), before, after).large(s.config.PAP.LargeChange)
}
