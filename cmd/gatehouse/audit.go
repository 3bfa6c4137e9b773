package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

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
	}), daemon.Background("hang-up", s.onHangUp))
	return nil
}

// onHangUp does on SIGHUP what administrators expect of it: the audit trail is
// opened anew after a rotation, and the authorities are read again.
func (s *site) onHangUp(ctx context.Context) error {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP) // for good: one that comes while the service stops must not kill it
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangUps:
			if err := errors.Join(s.audit.Reopen(), s.reloadTrust()); err != nil {
				s.log.Error("not all could be opened anew; what was in force stays", "error", err)
				continue
			}
			s.log.Info("audit trail opened anew, authorities read again")
		}
	}
}

// reloadTrust reads the authorities again; a process that only signs has none.
func (s *site) reloadTrust() error {
	if s.trust == nil {
		return nil
	}
	_, err := s.trust.Reload()
	return err
}
