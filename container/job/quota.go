package job

import (
	"context"
	"errors"

	"github.com/gatehouse-authz/gatehouse/container/sandbox"
)

// lookAtSandbox ends a running job whose sandbox holds too much. It looks again
// after Measure, or twenty times as long as looking took, so that a job with
// many directories cannot keep us busy.
func (s *Service) lookAtSandbox(ctx context.Context, j *Job) {
	now := s.config.Now()
	if !s.measureDue(j.ID) {
		return
	}
	err := s.config.Quota.Check(ctx, s.config.Files, j.Session())
	took := s.config.Now().Sub(now)
	s.mu.Lock()
	if e := s.entries[j.ID]; e != nil {
		e.measure = s.config.Now().Add(max(s.config.Measure, 20*took))
	}
	s.mu.Unlock()
	if !errors.Is(err, sandbox.ErrQuota) {
		if err != nil {
			s.config.Log.Debug("sandbox not measured", "job", j.Tag(), "error", err)
		}
		return
	}
	_, err = s.Cancel(ctx, j.ID, Cancellation{By: "limit", Why: "stopped: " + err.Error(), Limit: true})
	if err != nil && !errors.Is(err, ErrState) {
		s.config.Log.Error("job over its quota not stopped", "job", j.Tag(), "error", err)
	}
}

func (s *Service) measureDue(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	return e != nil && !s.config.Now().Before(e.measure)
}
