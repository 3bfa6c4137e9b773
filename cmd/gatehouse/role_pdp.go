package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pdp/rego"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// languages are the policy languages besides SPL and XACML.
func languages() map[string]pdp.Language {
	return map[string]pdp.Language{string(change.Rego): rego.New()}
}

// buildPDP makes the engine follow the PAP in this process, or one elsewhere.
func (s *site) buildPDP(ctx context.Context) error {
	c := s.config.PDP
	if c == nil {
		return nil
	}
	if s.engine == nil {
		s.engine = s.newEngine()
	}
	s.reportEngine()
	source, err := s.source()
	if err != nil {
		return err
	}
	s.group.Add(daemon.Component{Name: "pdp", Run: func(ctx context.Context, ready func()) error {
		go s.announce(ctx, ready)
		return s.engine.Follow(ctx, source)
	}})
	return nil
}

// announce calls ready once the engine has policies.
func (s *site) announce(ctx context.Context, ready func()) {
	if _, err := s.engine.Changed(ctx, authz.Revision{}); err == nil {
		ready()
	}
}

func (s *site) source() (pdp.Source, error) {
	c := s.config.PDP
	if len(c.Follow) == 0 {
		return &local{service: s.pap, name: followerName(c.Name)}, nil
	}
	client, err := api.NewClient(&http.Client{Transport: s.toPAP()}, c.Follow...)
	if err != nil {
		return nil, fmt.Errorf("pdp.follow: %w", err)
	}
	follower, err := api.NewFollower(api.FollowerOptions{
		Client: client, Name: followerName(c.Name), Path: filepath.Join(string(s.config.Data), "policies.copy"), Clock: s.now, Log: s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("pdp: %w", err)
	}
	s.follower = follower
	s.health.Facts(func() []daemon.Fact {
		if err := follower.Trouble(); err != nil {
			return []daemon.Fact{{Name: "Feed", Value: err.Error()}}
		}
		return []daemon.Fact{{Name: "Feed", Value: "OK"}}
	})
	return follower, nil
}

// toPAP connects to a PAP elsewhere with our certificate or, in its place, with
// a token.
func (s *site) toPAP() http.RoundTripper {
	secret := s.config.PDP.TokenFile
	if secret == "" {
		return &http.Transport{TLSClientConfig: s.verifier.ClientTLS(s.host), ForceAttemptHTTP2: true}
	}
	over := &http.Transport{TLSClientConfig: s.verifier.ClientTLS(nil), ForceAttemptHTTP2: true}
	return api.WithToken(over, secret.Read)
}

func followerName(name string) string {
	if name != "" {
		return name
	}
	host, err := os.Hostname()
	if err != nil {
		return "pdp"
	}
	return "pdp@" + host
}

// local is the PAP in this process as a source. The engine asks for what comes
// after a revision once it has that revision in force, so asking is reporting:
// "pap-admin --wait" counts on it.
type local struct {
	service *pap.Service
	name    string
}

// confirmEvery is how often the PAP in this process says that nothing changed.
const confirmEvery = time.Minute

// Next implements pdp.Source.
func (l *local) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	if after != (authz.Revision{}) {
		err := l.service.Report(ctx, change.Follower{Name: l.name, Identity: "this process", Applied: after, Settled: after})
		if err != nil {
			return policies.Update{}, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, confirmEvery)
	defer cancel()
	update, err := l.service.Next(limited, after)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return policies.Update{From: after, To: after}, nil
	}
	return update, err
}

var _ pdp.Source = (*local)(nil)
