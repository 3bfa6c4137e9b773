package pep_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/audit"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/pep/obligation"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const pilotsOnly = `resource ".*" {
  obligation "` + profile.ObligationMap + `" {}
  action ".*" {
    rule permit { pfqan = "/testvo/Role=pilot" }
  }
}
`

var author = change.Request{Author: change.Author{Name: "test"}}

// pilots is an enforcement point over a real engine whose policy admits the
// pilots of testvo, who run as the shared account "pilot".
type pilots struct {
	grid     *gridtest.Grid
	server   *gridtest.VOMS
	verifier *gsi.Verifier
	pap      *pap.Service
	engine   *pdp.Engine
	enforcer *pep.Enforcer
}

func newPilots(t *testing.T) *pilots {
	t.Helper()
	p := &pilots{}
	var err error
	p.grid, err = gridtest.New()
	require.NoError(t, err)
	trustDir, vomsDir := t.TempDir(), t.TempDir()
	require.NoError(t, p.grid.WriteTrust(trustDir))
	p.server, err = p.grid.Strong.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	require.NoError(t, p.server.WriteLSC(vomsDir))
	authorities, err := trust.Open(trust.Options{Dir: trustDir})
	require.NoError(t, err)
	directory, err := voms.Open(voms.Options{Dir: vomsDir})
	require.NoError(t, err)
	p.verifier = gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil))
	p.follow(t)
	p.enforce(t)
	return p
}

func (p *pilots) follow(t *testing.T) {
	t.Helper()
	var err error
	p.engine = pdp.New(pdp.Options{})
	p.pap, err = pap.Open(t.Context(), pap.Options{Store: mem.New(), Check: p.engine.Check})
	require.NoError(t, err)
	_, err = p.pap.AddFile(t.Context(), author, change.DefaultPAP, change.File{Name: "pilots.spl", Text: pilotsOnly}, change.At{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.engine.Follow(ctx, p.pap) }()
	t.Cleanup(func() {
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
	p.inForce(t)
}

func (p *pilots) inForce(t *testing.T) {
	t.Helper()
	want, err := p.pap.Revision(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		response, err := p.engine.Decide(t.Context(), &authz.Request{ID: "1"})
		return err == nil && response.Revision == want
	}, 5*time.Second, time.Millisecond)
}

func (p *pilots) enforce(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	accounts, err := account.ParseFile([]byte("pilot 10001 pilots=10000 physics=10010\n"))
	require.NoError(t, err)
	logins, groups := filepath.Join(dir, "grid-mapfile"), filepath.Join(dir, "groupmapfile")
	require.NoError(t, os.WriteFile(logins, []byte("\"/testvo/Role=pilot\" pilot\n"), 0o600))
	require.NoError(t, os.WriteFile(groups, []byte("\"/testvo/Role=pilot\" pilots\n\"/testvo/physics\" physics\n"), 0o600))
	mapper, err := account.NewMapper(t.Context(), account.Config{Directory: accounts, AccountMap: logins, GroupMap: groups, Shared: []string{"pilot"}})
	require.NoError(t, err)
	trail, err := audit.Open(audit.Options{Path: filepath.Join(dir, "audit.jsonl")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, trail.Close()) })
	p.enforcer = &pep.Enforcer{
		Process: "container", Enrichers: []authz.Enricher{pip.X509{}}, Decider: p.engine,
		Fulfillers: obligation.All(mapper, mapper, false), Recorder: trail, Describe: pip.Describe,
	}
}

// ask enforces a request with that chain. The names asserted are what a peer
// without rights sends along.
func (p *pilots) ask(t *testing.T, e *gridtest.Entity, asserted ...string) pep.Outcome {
	t.Helper()
	r := &authz.Request{Credential: p.verifier.Verify(e.Chain)}
	r.Add(authz.Resource, profile.ResourceID, authz.StringValue("https://ce.example.org/"))
	r.Add(authz.Action, profile.ActionID, authz.StringValue("submit"))
	for _, text := range asserted {
		f, err := authz.ParseFQAN(text)
		require.NoError(t, err)
		r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: profile.PrimaryFQAN, Values: []authz.Value{authz.FQANValue(f)}})
	}
	return p.enforcer.Enforce(t.Context(), r)
}

// From the VOMS server's signature to the local account, with everything real;
// and everybody else stays out, for whatever reason he has no such role.
func TestPilotsOfAVirtualOrganization(t *testing.T) {
	p := newPilots(t)
	const role = "/testvo/Role=pilot"
	ann, err := p.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	bob, err := p.grid.Strong.User("Bob")
	require.NoError(t, err)
	carry := func(e, holder *gridtest.Entity, s gridtest.ACSpec) *gridtest.Entity {
		ac, err := p.server.Certify(holder, s)
		require.NoError(t, err)
		proxy, err := e.Proxy(gridtest.ProxySpec{Change: gridtest.Carrying(ac)})
		require.NoError(t, err)
		return proxy
	}
	pilot := carry(ann, ann, gridtest.ACSpec{FQANs: []string{role, "/testvo/physics"}})
	o := p.ask(t, pilot)
	require.True(t, o.Permit, o.Message())
	require.Equal(t, "pilot", o.Effects.Account.Name)
	require.Equal(t, "pilots", o.Effects.Account.Group.Name)
	require.Equal(t, []authz.Group{{Name: "physics", GID: 10010}}, o.Effects.Account.Groups)
	for name, e := range map[string]*gridtest.Entity{
		"no attribute certificate": ann,
		"role is not the primary":  carry(ann, ann, gridtest.ACSpec{FQANs: []string{"/testvo", role}}),
		"⚿ stolen":                 carry(bob, ann, gridtest.ACSpec{FQANs: []string{role}}),
		"⚿ expired":                carry(ann, ann, gridtest.ACSpec{FQANs: []string{role}, NotAfter: time.Now().Add(-time.Minute)}),
		"⚿ forged":                 carry(ann, ann, gridtest.ACSpec{FQANs: []string{role}, SignWith: ann.Key}),
	} {
		require.False(t, p.ask(t, e).Permit, name)
	}
	require.False(t, p.ask(t, ann, role).Permit, "⚿ what is only asserted (threats 42)")
}

// ⚿ A ban on a role bites whoever presents it, whether or not its attribute
// certificate counts (DECISIONS 12).
func TestBannedRole(t *testing.T) {
	p := newPilots(t)
	ann, err := p.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	pilot, err := ann.VOMSProxy(p.server, "/testvo/Role=pilot", "/testvo/banned")
	require.NoError(t, err)
	require.True(t, p.ask(t, pilot).Permit)
	_, err = p.pap.Ban(t.Context(), author, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "fqan", Value: "/testvo/banned"}}})
	require.NoError(t, err)
	p.inForce(t)
	o := p.ask(t, pilot)
	require.False(t, o.Permit)
	require.True(t, o.Response.Reason.Ban)

	ac, err := p.server.Certify(ann, gridtest.ACSpec{FQANs: []string{"/testvo/banned"}, NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	expired, err := pilot.Proxy(gridtest.ProxySpec{Change: gridtest.Carrying(ac)})
	require.NoError(t, err)
	o = p.ask(t, expired)
	require.True(t, o.Response.Reason.Ban, "an expired certificate presents it still")
}
