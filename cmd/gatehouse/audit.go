package main

import (
	"context"

	"github.com/gatehouse-authz/gatehouse/internal/audit"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
)

// openAudit opens the audit trail, one for all roles of this process.
func (s *site) openAudit() error {
	trail, err := audit.Open(audit.Options{Path: string(s.config.Audit.File), Clock: s.now, Log: s.log})
	if err != nil {
		return err
	}
	s.audit = trail
	s.recorder = newMetered(trail, s.health.Registry())
	s.closeLater(trail)
	s.health.Check("audit", trail.Trouble)
	s.group.Add(daemon.Background("audit", func(ctx context.Context) error {
		trail.Run(ctx)
		return nil
	}))
	return nil
}
