package main

import (
	"context"
	"log/slog"

	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// openVOMS reads the directory of VOMS servers, which is nil if none is
// configured: then no attribute certificate counts.
func (t *TrustConfig) openVOMS(host *gsi.Host, log *slog.Logger) (*voms.Directory, error) {
	if t.VOMSDirectory == "" {
		return nil, nil
	}
	var names []string
	if host != nil {
		names = host.Names()
	}
	return voms.Open(voms.Options{Dir: string(t.VOMSDirectory), Hosts: names, Log: log})
}

// openVerifier needs the authorities and the host certificate.
func (s *site) openVerifier() error {
	directory, err := s.config.Trust.openVOMS(s.host, s.log)
	if err != nil {
		return err
	}
	troubles := []func() []follow.Trouble{s.hostTroubles, func() []follow.Trouble { return s.trust.Current().Troubles() }}
	var options []gsi.Option
	if directory != nil {
		options = append(options, gsi.WithVOMS(directory, s.log))
		s.group.Add(daemon.Background("voms", func(ctx context.Context) error {
			directory.Follow(ctx, trustReload)
			return nil
		}))
		troubles = append(troubles, func() []follow.Trouble { return directory.Current().Troubles() })
	}
	if err := s.followProfiles(); err != nil {
		return err
	}
	s.reportTrust(append(troubles, s.profiles.Troubles)...)
	s.verifier = gsi.NewVerifier(s.trust, s.now, options...)
	return nil
}
