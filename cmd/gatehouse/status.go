package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

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

// reportHost shows when our certificate ends. It is trouble only once it has
// ended: until then everything works, and monitors warn by the metric.
func (s *site) reportHost() {
	s.health.Facts(func() []daemon.Fact {
		return []daemon.Fact{{Name: "HostCertificateEnds", Value: s.host.NotAfter().UTC().Format(time.RFC3339)}}
	})
	s.health.Check("host certificate", func() error {
		if !s.now().Before(s.host.NotAfter()) {
			return fmt.Errorf("ended at %s", s.host.NotAfter().UTC().Format(time.RFC3339))
		}
		return nil
	})
	s.health.Registry().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_host_certificate_end_seconds", Help: "When the host certificate ends, in seconds since 1970.",
	}, func() float64 { return float64(s.host.NotAfter().Unix()) }))
}

// watched is a store that remembers when it broke, for /status: until it is
// opened again it takes no update, bans included.
type watched struct {
	store.Store
	broken atomic.Pointer[error]
}

// Update implements store.Store.
func (w *watched) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	number, err := w.Store.Update(ctx, fn)
	if errors.Is(err, store.ErrBroken) {
		w.broken.Store(&err)
	}
	return number, err
}

func (w *watched) trouble() error {
	if err := w.broken.Load(); err != nil {
		return fmt.Errorf("%w; make room and restart", *err)
	}
	return nil
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
