package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

// open reads the authorities as serve, check and cert inspect do.
func (t *TrustConfig) open(log *slog.Logger) (*trust.Store, error) {
	accept, err := weak.Parse(t.Accept)
	if err != nil {
		return nil, fmt.Errorf("trust.accept: %w", err)
	}
	return trust.Open(trust.Options{Dir: string(t.Directory), CRLs: trust.CRLPolicy(t.CRL), Accept: accept, Log: log})
}

// openProfiles reads the authentication profiles of the CAs, and the policy
// about them if there is one.
func (t *TrustConfig) openProfiles(log *slog.Logger) (*authnprofile.Directory, error) {
	return authnprofile.Open(authnprofile.Options{Dir: string(t.Directory), Pattern: t.AuthnProfiles, Policy: string(t.VOCAAP), Log: log})
}

// followProfiles needs the authorities.
func (s *site) followProfiles() (err error) {
	if s.profiles, err = s.config.Trust.openProfiles(s.log); err != nil {
		return err
	}
	s.group.Add(daemon.Background("authentication profiles", func(ctx context.Context) error {
		s.profiles.Follow(ctx, trustReload)
		return nil
	}))
	return nil
}

// enrichers are those that stand before every decision about a caller.
func (s *site) enrichers() ([]authz.Enricher, error) {
	return s.enrichBy(pip.AuthnProfile{Current: s.profiles.Current}, pip.Token{Links: s.linker()})
}

// mappingEnrichers are those of the mapping service, which does not learn what the
// account is for: the enforcement point has looked at the scopes.
func (s *site) mappingEnrichers() ([]authz.Enricher, error) {
	return s.enrichBy(pip.AuthnProfile{Current: s.profiles.Current}, pip.Token{Links: s.linker(), ScopesElsewhere: true})
}

// adminEnrichers are those that stand before every decision about an
// administrator or a follower: vo-ca-ap is about users.
func (s *site) adminEnrichers() ([]authz.Enricher, error) {
	return s.enrichBy(pip.AuthnProfile{Current: s.profiles.Current, AddOnly: true}, pip.Token{Links: s.linker()})
}

func (s *site) enrichBy(profiles pip.AuthnProfile, tokens pip.Token) ([]authz.Enricher, error) {
	strength, err := pip.NewStrength(s.config.Strength)
	if err != nil {
		return nil, err
	}
	return []authz.Enricher{
		pip.KeyInfo{Verifier: s.verifier}, pip.X509{CAs: s.trust}, profiles, tokens, strength,
	}, nil
}

const (
	endWarning = 24 * time.Hour // before the end of a CA, a list or our certificate
	endAgain   = 24 * time.Hour // how often the log says so
	endOfHost  = "host"
)

// ends watches when what people are accepted by ends: certificates of CAs,
// revocation lists and our own certificate.
type ends struct {
	trust *trust.Store
	host  func() time.Time
	log   *slog.Logger
	now   func() time.Time

	mu   sync.Mutex
	told map[string]time.Time // when the log was told last
}

func (e *ends) all() []trust.End {
	all := e.trust.Current().Ends()
	if e.host != nil {
		all = append(all, trust.End{Kind: endOfHost, Name: "our own", At: e.host()})
	}
	return all
}

// warnings says what has ended or will within a day.
func (e *ends) warnings() []string {
	var all []string
	now := e.now()
	for _, end := range e.all() {
		if left := end.At.Sub(now); left < endWarning {
			all = append(all, endsSoon(end, left))
		}
	}
	return all
}

func endsSoon(end trust.End, left time.Duration) string {
	what, then := "the certificate of the CA "+end.Name, "nobody below it is accepted"
	switch end.Kind {
	case trust.EndOfCRL:
		what = "the revocation list of " + end.Name
	case endOfHost:
		what, then = "the host certificate", "nobody talks to us"
	}
	switch {
	case end.At.IsZero():
		return "there is no usable revocation list of " + end.Name + ", so " + then
	case left <= 0:
		return fmt.Sprintf("%s ended %s, so %s", what, stamp(end.At), then)
	}
	return fmt.Sprintf("%s ends in %s, then %s", what, left.Round(time.Minute), then)
}

// tell logs each warning once a day.
func (e *ends) tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, next := e.now(), map[string]time.Time{}
	for _, end := range e.all() {
		left := end.At.Sub(now)
		if left >= endWarning {
			continue
		}
		key := end.Kind + end.Name
		last, known := e.told[key]
		if !known || now.Sub(last) >= endAgain {
			last = now
			e.log.Warn(endsSoon(end, left))
		}
		next[key] = last
	}
	e.told = next
}

func (e *ends) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		e.tell()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

var secondsLeft = prometheus.NewDesc("gatehouse_trust_seconds_left",
	"Time until a CA certificate (ca), a revocation list (crl) or the host certificate (host) ends; below zero it has. -Inf: a list that is needed and not there.",
	[]string{"kind", "name"}, nil)

// Describe implements prometheus.Collector.
func (e *ends) Describe(to chan<- *prometheus.Desc) { to <- secondsLeft }

// Collect implements prometheus.Collector.
func (e *ends) Collect(to chan<- prometheus.Metric) {
	now := e.now()
	for _, end := range e.all() {
		left := math.Inf(-1)
		if !end.At.IsZero() {
			left = end.At.Sub(now).Seconds()
		}
		to <- prometheus.MustNewConstMetric(secondsLeft, prometheus.GaugeValue, left, end.Kind, strings.ToValidUTF8(end.Name, "?"))
	}
}

var _ prometheus.Collector = (*ends)(nil)

// manyWarnings bounds the lines of one kind in /status.
const manyWarnings = 20

// reportTrust shows by what callers are judged, what of it will end, and which
// files are not in force.
func (s *site) reportTrust(troubles ...func() []follow.Trouble) {
	if on := s.trust.Accepts().Names(); len(on) > 0 {
		s.log.Warn("trust.accept lets in what is no longer safe; take it out as soon as nobody needs it", "accept", on)
	}
	e := &ends{trust: s.trust, host: s.hostEnds, log: s.log, now: s.now}
	s.health.Registry().MustRegister(e)
	s.group.Add(daemon.Background("expiry", func(ctx context.Context) error {
		e.watch(ctx, trustReload)
		return nil
	}))
	s.health.Facts(func() []daemon.Fact {
		facts := []daemon.Fact{
			{Name: "RevocationLists", Value: s.config.Trust.CRL},
			{Name: "TrustedCAs", Value: s.trust.Current().Len()},
			{Name: "AuthenticationProfiles", Value: s.profiles.Current().Len()},
		}
		if on := s.trust.Accepts().Names(); len(on) > 0 {
			facts = append(facts, daemon.Fact{Name: "Warning", Value: "trust.accept lets in " + strings.Join(on, ", ")})
		}
		if trust.CRLPolicy(s.config.Trust.CRL) == trust.Ignore {
			facts = append(facts, daemon.Fact{Name: "Warning", Value: "trust.crl is ignore, so revoked certificates are accepted"})
		}
		warnings := e.warnings()
		for _, tell := range troubles {
			warnings = append(warnings, untaken(tell())...)
		}
		return append(facts, bounded(warnings)...)
	})
}

// hostEnds looks at the files first: nobody may have connected for long.
func (s *site) hostEnds() time.Time {
	_, _ = s.host.GetCertificate(nil) // it never fails
	return s.host.NotAfter()
}

// hostTroubles is our own certificate as one of the files that are followed.
func (s *site) hostTroubles() []follow.Trouble {
	err := s.host.Trouble()
	if err == nil {
		return nil
	}
	return []follow.Trouble{{Path: string(s.config.Host.Certificate), Err: err, Kept: true}}
}

func untaken(troubles []follow.Trouble) []string {
	var all []string
	for _, t := range troubles {
		state := "and counts as absent"
		if t.Kept {
			state = "and what it held before stays in force"
		}
		all = append(all, fmt.Sprintf("%s is not taken %s (%v)", t.Path, state, t.Err))
	}
	return all
}

func bounded(warnings []string) []daemon.Fact {
	var facts []daemon.Fact
	for i, w := range warnings {
		if i == manyWarnings {
			return append(facts, daemon.Fact{Name: "Warning", Value: fmt.Sprintf("and %d more of that kind; see the log", len(warnings)-i)})
		}
		facts = append(facts, daemon.Fact{Name: "Warning", Value: w})
	}
	return facts
}
