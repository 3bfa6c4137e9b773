package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
)

// certificateWarning is how long before its end a certificate is trouble.
const certificateWarning = 24 * time.Hour

// reportEngine shows the engine in /status and makes a stale or empty one
// trouble.
func (s *site) reportEngine() {
	s.health.Facts(func() []daemon.Fact {
		status := s.engine.Status()
		return []daemon.Fact{
			{Name: "PolicyRevision", Value: status.Revision.String()},
			{Name: "PolicyAgeSeconds", Value: int(status.Age.Seconds())},
			{Name: "NumberOfPolicies", Value: status.Policies},
			{Name: "NumberOfRules", Value: status.Rules},
			{Name: "NumberOfBans", Value: status.Bans},
		}
	})
	s.health.Check("policies", func() error {
		if status := s.engine.Status(); !status.Ready {
			return fmt.Errorf("%s", status.Cause)
		}
		return nil
	})
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_policy_age_seconds", Help: "Time since the policies in force were last confirmed by their source.",
	}, func() float64 { return s.engine.Status().Age.Seconds() })
	bans := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_bans", Help: "Bans in force.",
	}, func() float64 { return float64(s.engine.Status().Bans) })
	s.health.Registry().MustRegister(age, bans)
}

// reportHost makes a certificate that is about to end trouble.
func (s *site) reportHost() {
	s.health.Facts(func() []daemon.Fact {
		return []daemon.Fact{{Name: "HostCertificateEnds", Value: s.host.NotAfter().UTC().Format(time.RFC3339)}}
	})
	s.health.Check("host certificate", func() error {
		if left := s.host.NotAfter().Sub(s.now()); left < certificateWarning {
			return fmt.Errorf("ends in %s", left.Round(time.Minute))
		}
		return nil
	})
}

// metered counts what is recorded, on the way to the audit trail.
type metered struct {
	authz.Recorder
	records *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetered(r authz.Recorder, registry *prometheus.Registry) *metered {
	m := &metered{
		Recorder: r,
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_records_total", Help: "Audit records by the role that wrote them, event and decision.",
		}, []string{"process", "event", "decision"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_decision_seconds", Help: "Time from request to answer at the enforcement point.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 12),
		}, []string{"process"}),
	}
	registry.MustRegister(m.records, m.seconds)
	return m
}

// Record implements authz.Recorder.
func (m *metered) Record(ctx context.Context, rec authz.Record) error {
	m.records.WithLabelValues(rec.Process, string(rec.Event), rec.Decision).Inc()
	if rec.Event == authz.EventDecision {
		m.seconds.WithLabelValues(rec.Process).Observe(rec.Duration.Seconds())
	}
	return m.Recorder.Record(ctx, rec)
}

var _ authz.Recorder = (*metered)(nil)
