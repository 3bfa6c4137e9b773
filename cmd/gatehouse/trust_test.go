package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

func TestEnds(t *testing.T) {
	grid, err := gridtest.New()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, grid.WriteTrust(dir))
	authorities, err := (&TrustConfig{Directory: conf.Path(dir), CRL: "require"}).open(nil)
	require.NoError(t, err)
	now, host := time.Now(), time.Now().Add(10*24*time.Hour)
	var log bytes.Buffer
	e := &ends{trust: authorities, host: func() time.Time { return host }, log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	count := func() int { e.tell(); n := strings.Count(log.String(), "level=WARN"); log.Reset(); return n }

	now = now.Add(-time.Hour) // certificates and lists of the grid live for a day
	require.Empty(t, e.warnings())
	require.Zero(t, count())
	now = now.Add(2 * time.Hour)
	require.Len(t, e.warnings(), 4, "two CAs and their lists")
	require.Contains(t, e.warnings()[0], "the certificate of the CA /DC=test/DC=strong/CN=CA ends in 23h0m0s")
	require.Equal(t, 4, count())
	now = now.Add(time.Hour)
	require.Zero(t, count(), "once a day")
	host = now.Add(time.Minute)
	require.Contains(t, e.warnings(), "the host certificate ends in 1m0s, then nobody talks to us")
	require.Equal(t, 1, count())
	now = now.Add(24 * time.Hour)
	require.Equal(t, 5, count(), "and on the next day")
	require.Contains(t, strings.Join(e.warnings(), "\n"), "the revocation list of /DC=test/DC=weak/CN=CA ended ")

	lists, err := filepath.Glob(filepath.Join(dir, "*.r0"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(lists[0]))
	_, err = authorities.Reload()
	require.NoError(t, err)
	require.Contains(t, strings.Join(e.warnings(), "\n"), "there is no usable revocation list of")

	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(e))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "gatehouse_trust_seconds_left", families[0].GetName())
	missing := 0
	for _, m := range families[0].GetMetric() {
		require.Less(t, m.GetGauge().GetValue(), 0.0)
		if math.IsInf(m.GetGauge().GetValue(), -1) {
			missing++
		}
	}
	require.Equal(t, 1, missing)
	require.Len(t, families[0].GetMetric(), 5)
}

func TestBoundedWarnings(t *testing.T) {
	facts := bounded(make([]string, 50))
	require.Len(t, facts, manyWarnings+1)
	require.Contains(t, facts[manyWarnings].Value, "and 30 more")
}

// ⚿ What is let in is named in the configuration or not at all, and shown.
func TestAcceptIsNamed(t *testing.T) {
	for _, wrong := range []string{"all", "sha1", "legacy"} {
		require.ErrorContains(t, (&TrustConfig{CRL: "require", Accept: []string{wrong}}).Check(), "want some of draft-proxies")
	}
	var log bytes.Buffer
	w, err := openWorld(t.TempDir())
	require.NoError(t, err)
	w.config.Trust.Accept = []string{"legacy-proxies", "md5-signatures"}
	w.config.Trust.CRL, w.config.Container = "ignore", nil
	s, err := newSite(t.Context(), w.config, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Contains(t, log.String(), "trust.accept lets in what is no longer safe")
	status := statusOf(s)
	require.Contains(t, status, "Warning=trust.accept lets in legacy-proxies, md5-signatures")
	require.Contains(t, status, "Warning=trust.crl is ignore")
	require.Contains(t, status, "RevocationLists=ignore")

	list, err := filepath.Glob(filepath.Join(string(w.config.Trust.Directory), "*.r0"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(list[0], []byte("half a li"), 0o600))
	_, err = s.trust.Reload()
	require.NoError(t, err)
	require.Contains(t, statusOf(s), list[0]+" is not taken and what it held before stays in force")
}

func statusOf(s *site) (status string) {
	for _, f := range s.health.Status(nil) {
		status += f.Name + "=" + fmt.Sprint(f.Value) + "\n"
	}
	return status
}

// ⚿ The authentication profiles gate users, not administrators, and feed the
// strength; a broken vo-ca-ap changes nothing and is named.
func TestProfilesOfTheSite(t *testing.T) {
	w, err := openWorld(t.TempDir())
	require.NoError(t, err)
	put := func(name, text string) string {
		path := w.path("pki", "trust", name)
		require.NoError(t, gridtest.Replace(path, []byte(text), 0o644))
		return path
	}
	put("policy-classic.info", "alias = policy-classic\nsubjectdn = \"/DC=test/DC=strong/CN=CA\"\n")
	put("policy-iota.info", "alias = policy-iota\nsubjectdn = \"/DC=test/DC=weak/CN=CA\"\n")
	policy := put("vo-ca-ap", "/* file:policy-iota.info\n\"-\" file:policy-classic.info\n")
	w.config.Container, w.config.Trust.VOCAAP = nil, conf.Path(policy)
	w.config.Strength = []pip.StrengthRule{{Strength: "strong", AuthnProfile: []string{"policy-classic"}}}
	s, err := newSite(t.Context(), w.config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	judge := func(who string, by func() ([]authz.Enricher, error)) *authz.Request {
		certs, err := readChain(w.path("pki", who+"-cert.pem"), nil)
		require.NoError(t, err)
		r := &authz.Request{Credential: s.verifier.Verify(certs)}
		all, err := by()
		require.NoError(t, err)
		for _, e := range all {
			require.NoError(t, e.Enrich(t.Context(), r))
		}
		return r
	}
	ann := judge("ann", s.enrichers)
	require.NoError(t, ann.Credential.Verdict())
	require.Equal(t, "strong", strengthOf(ann))
	require.ErrorContains(t, judge("wendy", s.enrichers).Credential.Verdict(), "no authentication profile that is accepted here")
	wendy := judge("wendy", s.adminEnrichers)
	require.NoError(t, wendy.Credential.Verdict())
	require.Equal(t, "weak", strengthOf(wendy))
	require.Contains(t, statusOf(s), "AuthenticationProfiles=2")

	put("vo-ca-ap", "/* file:policy-nothing.info\n")
	_, err = s.profiles.Reload()
	require.Error(t, err)
	require.NoError(t, judge("ann", s.enrichers).Credential.Verdict())
	require.Error(t, judge("wendy", s.enrichers).Credential.Verdict())
	require.Contains(t, statusOf(s), "vo-ca-ap is not taken and what it held before stays in force")
	put("vo-ca-ap", "\"-\" file:policy-iota.info\n")
	_, err = s.profiles.Reload()
	require.NoError(t, err)
	require.Error(t, judge("ann", s.enrichers).Credential.Verdict())
	require.NoError(t, judge("wendy", s.enrichers).Credential.Verdict())
}
