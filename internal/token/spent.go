package token

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxSpent bounds the tokens of an issuer that are remembered because each is
// good for one use.
const maxSpent = 1 << 16

// spent remembers the tokens of one issuer that were used. What it cannot
// remember is refused, and so is what it may have forgotten: tokens from before
// the start.
type spent struct {
	since time.Time
	mu    sync.Mutex
	until map[string]time.Time // by jti
}

// spend notes that a token is used now; an error says that it may have been
// before.
func (s *spent) spend(c *Claims, now time.Time) error {
	switch {
	case c.ID == "" || c.IssuedAt.IsZero():
		return errors.New("tokens of its issuer are good for one use here, so it needs a jti and an iat")
	case c.IssuedAt.Before(s.since.Truncate(time.Second)):
		return errors.New("it was issued before this service started, and whether it was used then is not known: get a new one")
	case c.IssuedAt.After(now): // after a restart it would pass for a new one
		return fmt.Errorf("it was issued %s, which is not yet: its issuer's clock is ahead, and tokens of its issuer are good for one use here", c.IssuedAt.UTC().Format(time.RFC3339))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, used := s.until[c.ID]; used && now.Before(until) {
		return errors.New("it was used before, and tokens of its issuer are good for one use here")
	}
	if len(s.until) >= maxSpent {
		s.forget(now)
	}
	if len(s.until) >= maxSpent {
		return errors.New("too many tokens were used lately: try again later")
	}
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	s.until[c.ID] = c.Expires.Add(2 * skew) // by then it is refused by its exp
	return nil
}

func (s *spent) forget(now time.Time) {
	for id, until := range s.until {
		if !now.Before(until) {
			delete(s.until, id)
		}
	}
}
