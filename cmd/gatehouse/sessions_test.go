package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// chief is the one who comes to both doors, by certificate or by token.
const chief = "/DC=test/DC=tested/OU=people/CN=Chief"

// lasting is a site with a clock that can be set ahead.
type lasting struct {
	*running
	issuer *gridtest.Issuer
	ahead  atomic.Int64
}

func newLasting(t *testing.T) *lasting {
	l := &lasting{}
	l.running, l.issuer = withIssuer(t, func(w *world) {
		w.config.clock = func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }
		w.config.Tokens.Issuers[0].Refresh = conf.Duration(50 * time.Millisecond)
		w.config.PAP.TokenAudiences = []string{papName}
		w.config.Administrators = []string{chief, w.config.Tokens.Issuers[0].Issuer + "#chief"}
	})
	return l
}

// visit is somebody's connection, or chain of resumed sessions, to one door.
type visit struct {
	call            func(context.Context) error
	reused, resumed bool // the last request's connection
}

// transport either keeps one connection open, or opens one for each request and
// resumes its session.
func (l *lasting) transport(version uint16, keepAlive bool, e *gridtest.Entity) *http.Transport {
	config, err := l.world.clientTLS("")
	require.NoError(l.t, err)
	config.MinVersion, config.MaxVersion = version, version
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if e != nil {
		c := e.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
	over := &http.Transport{TLSClientConfig: config, DisableKeepAlives: !keepAlive}
	l.t.Cleanup(over.CloseIdleConnections)
	return over
}

func (l *lasting) visit(door string, over http.RoundTripper) *visit {
	v := &visit{}
	traced := tracing{over, v}
	if door == "pap" {
		client, err := api.NewClient(&http.Client{Transport: traced, Timeout: 20 * time.Second}, "https://"+l.papHere())
		require.NoError(l.t, err)
		v.call = func(ctx context.Context) error {
			_, err := client.Revision(ctx)
			return err
		}
		return v
	}
	c := &caller{http: &http.Client{Transport: traced, Timeout: 20 * time.Second}}
	c.soap = soap.Client{HTTP: c.http, URL: l.base + "/services/" + sleepyadd.Name}
	v.call = func(ctx context.Context) error {
		_, err := c.call(ctx, "list", func(*xml.Writer) {})
		return err
	}
	return v
}

type tracing struct {
	http.RoundTripper
	visit *visit
}

func (t tracing) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn:          func(i httptrace.GotConnInfo) { t.visit.reused = i.Reused },
		TLSHandshakeDone: func(s tls.ConnectionState, _ error) { t.visit.resumed = s.DidResume },
	})))
}

// event is something that ends somebody's access, and how to undo it.
type event struct {
	name    string
	happen  func(door string)
	undo    func(door string)
	says    string
	decided bool // it is policy that refuses, not the credential
}

// events are a ban of those names and an expiry, which says so.
func (l *lasting) events(ended string, names ...change.Name) []event {
	by := change.Request{Author: change.Author{Name: "test"}}
	return []event{
		{name: "ban", says: "banned", happen: func(door string) {
			if door == "pap" { // whose administrators only its own policy bans
				l.ban(l.t, fmt.Sprintf("rule deny { %s=%q }", names[len(names)-1].Attribute, names[len(names)-1].Value))
				return
			}
			l.inForce(l.site.pap.Ban(l.t.Context(), by, change.DefaultPAP, change.Ban{Names: names}))
		}, undo: func(door string) {
			if door == "pap" {
				_, err := l.site.pap.RemoveAll(l.t.Context(), by, change.AdminPAP, false)
				require.NoError(l.t, err)
				return
			}
			l.inForce(l.site.pap.Unban(l.t.Context(), by, change.DefaultPAP, change.Ban{Names: names}))
		}, decided: true},
		{name: "expiry", says: ended, happen: func(string) { l.ahead.Store(int64(2 * time.Hour)) }, undo: func(string) { l.ahead.Store(0) }},
	}
}

// ⚿ Neither a connection that is kept open nor a session that is resumed
// outlives a ban, a revocation or an expiry of the certificate it was opened
// with, nor a ban, an expiry or the end of the key of the token that comes over
// it: at TLS 1.2 and 1.3, at the container's door and at the PAP's (threats 25,
// 27).
func TestNothingOutlivesItsCredential(t *testing.T) {
	l := newLasting(t)
	var certificate *gridtest.Entity
	byCertificate := append(l.events("has expired", change.Name{Attribute: "subject", Value: chief}), event{
		name: "revocation", says: "revoked", undo: func(string) {},
		happen: func(string) {
			l.grid.Strong.Revoke(certificate)
			require.NoError(t, l.grid.Strong.WriteCRL(l.world.path("pki", "trust"), nil))
			_, err := l.trust.Reload()
			require.NoError(t, err)
		},
	})
	byToken := append(l.events("it ended", change.Name{Attribute: "oidc-issuer", Value: l.issuer.URL}, change.Name{Attribute: "oidc-subject", Value: "chief"}), event{
		name: "end of the key", says: "no longer publishes", undo: func(string) {},
		happen: func(string) {
			_, err := l.issuer.Rotate("ES256")
			require.NoError(t, err)
		},
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, keepAlive := range []bool{true, false} {
			for _, door := range []string{"container", "pap"} {
				for _, e := range byCertificate {
					t.Run(fmt.Sprintf("%s/keep-alive=%v/%s/certificate/%s", tls.VersionName(version), keepAlive, door, e.name), func(t *testing.T) {
						var err error
						certificate, err = l.grid.Strong.Issue(gridtest.Spec{Subject: chief, NotAfter: time.Now().Add(time.Hour)})
						require.NoError(t, err)
						l.visit(door, l.transport(version, keepAlive, certificate)).ends(t, door, keepAlive, e)
					})
				}
				for _, e := range byToken {
					t.Run(fmt.Sprintf("%s/keep-alive=%v/%s/token/%s", tls.VersionName(version), keepAlive, door, e.name), func(t *testing.T) {
						text := []byte(l.issuer.Token(l.issuer.Claims("chief", map[string]string{"container": siteName, "pap": papName}[door], nil)))
						over := api.WithToken(l.transport(version, keepAlive, nil), func() ([]byte, error) { return text, nil })
						l.visit(door, over).ends(t, door, keepAlive, e)
					})
				}
			}
		}
	}
}

// ends has somebody come until they are let in, twice, and then lets something
// happen.
func (v *visit) ends(t *testing.T, door string, keepAlive bool, e event) {
	require.Eventually(t, func() bool { return v.call(t.Context()) == nil }, 5*time.Second, 10*time.Millisecond, "what was before is undone")
	require.NoError(t, v.call(t.Context()))
	e.happen(door)
	defer e.undo(door)
	var err error
	require.Eventually(t, func() bool { err = v.call(t.Context()); return err != nil }, 5*time.Second, 5*time.Millisecond)
	if door == "pap" {
		require.ErrorIs(t, err, api.ErrRefused)
	} else {
		require.ErrorAs(t, err, new(*refusal))
	}
	if door == "pap" && e.decided {
		require.ErrorContains(t, err, "no right")
	} else {
		require.ErrorContains(t, err, e.says)
	}
	require.Equal(t, []bool{keepAlive, !keepAlive}, []bool{v.reused, !keepAlive && v.resumed}, "the test must test what it says")
}
