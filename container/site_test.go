package container_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/batch/fork"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestMain(m *testing.M) {
	warden.Stage()
	// A supervisor outlives the warden that started it, and so does waiting for it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/gatehouse-authz/gatehouse/container/launch/warden.(*Warden).bury"))
}

// script is a decision point that says what the test tells it to.
type script struct {
	mu      sync.Mutex
	decide  func(*authz.Request) authz.Response
	number  uint64
	changed chan struct{}
	asked   []*authz.Request
}

func newScript() *script {
	return &script{number: 1, changed: make(chan struct{}), decide: usual}
}

// set changes the policies.
func (s *script) set(decide func(*authz.Request) authz.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = decide
	s.number++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *script) Decide(_ context.Context, r *authz.Request) (authz.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	response := s.decide(r)
	response.Revision = authz.Revision{Lineage: "test", Number: s.number}
	return response, nil
}

func (s *script) Changed(ctx context.Context, after authz.Revision) (authz.Revision, error) {
	for {
		s.mu.Lock()
		number, changed := s.number, s.changed
		s.mu.Unlock()
		if number > after.Number {
			return authz.Revision{Lineage: "test", Number: number}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return authz.Revision{}, ctx.Err()
		}
	}
}

// questions returns what was asked since the last call.
func (s *script) questions() []*authz.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func text(r *authz.Request, c authz.Category, id string) string {
	v, _ := r.Verified(c, id)
	return v.Text()
}

// usual permits up to 600 seconds of CPU time, and jobs to their owners.
func usual(r *authz.Request) authz.Response {
	if owns, found := r.Verified(authz.Resource, profile.CallerIsOwner); found && owns.Text() != "true" {
		return authz.Response{Decision: authz.Deny}
	}
	if v, found := r.Verified(authz.Environment, profile.RequestedCPUTime); found && v.Data().(*big.Int).Int64() > 600 {
		return authz.Response{
			Decision: authz.Deny, Reason: &authz.Reason{Policy: "secret-policy", Rule: "secret-rule", Because: "that is too much <&>"},
			Enough: [][]authz.Bound{{{Attribute: "requested-cpu-time", Operator: "<=", Value: "600"}}},
		}
	}
	return authz.Response{Decision: authz.Permit, Obligations: []authz.Obligation{{ID: "test:account"}}}
}

// refuse denies to whoever has that subject.
func refuse(dn authz.DN) func(*authz.Request) authz.Response {
	return func(r *authz.Request) authz.Response {
		if v, found := r.Verified(authz.Subject, profile.SubjectID); found && v.Equal(authz.DNValue(dn)) {
			return authz.Response{Decision: authz.Deny, Reason: &authz.Reason{Ban: true, Rule: "b1", Because: "banned by test"}}
		}
		return usual(r)
	}
}

// names adds the subject, as pep/pip does.
type names struct{}

func (names) Enrich(_ context.Context, r *authz.Request) error {
	if chain, ok := gsi.ChainOf(r.Credential); ok && r.Credential.Verdict() == nil {
		r.Add(authz.Subject, profile.SubjectID, authz.DNValue(chain.Subject))
	}
	return nil
}

// mapping maps everybody to one account and five CPU seconds.
type mapping struct{}

var account = authz.Account{Name: "grid", UID: 61001, Group: authz.Group{Name: "grid", GID: 61100}}

func (mapping) Fulfill(ctx context.Context, _ *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
	effects, _ := pep.EffectsOf(ctx)
	return nil, errors.Join(effects.RunAs(account), effects.LimitCPU(5*time.Second))
}

// trail keeps audit records.
type trail struct {
	mu      sync.Mutex
	records []authz.Record
	hook    func(authz.Record) // set before the first record
}

func (t *trail) Record(_ context.Context, rec authz.Record) error {
	if t.hook != nil {
		t.hook(rec)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records = append(t.records, rec)
	return nil
}

func (t *trail) all() []authz.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]authz.Record(nil), t.records...)
}

// registry knows the one account.
type registry struct{}

func (registry) User(context.Context, string) (uid, gid uint32, err error) {
	return account.UID, account.Group.GID, nil
}

func (registry) Group(_ context.Context, name string) (uint32, error) {
	if name != account.Group.Name {
		return 0, launch.ErrNoGroup
	}
	return account.Group.GID, nil
}

// site is a whole container over TLS on the loopback, running real processes.
type site struct {
	t         *testing.T
	grid      *gridtest.Grid
	trust     *trust.Store
	trustDir  string
	script    *script
	trail     *trail
	jobs      *job.Service
	handler   http.Handler
	url       string
	sandboxes string
	services  string
	config    container.Config
}

func newSite(t *testing.T, change ...func(*container.Config)) *site {
	t.Helper()
	t.Parallel() // they mostly wait for their jobs
	grid, err := gridtest.New()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // jobs of another uid must get to their sandbox
	s := &site{t: t, grid: grid, script: newScript(), trail: new(trail), trustDir: filepath.Join(dir, "trust"),
		sandboxes: filepath.Join(dir, "sandbox"), services: filepath.Join(dir, "services")}
	for _, d := range []string{s.trustDir, s.services} {
		require.NoError(t, os.Mkdir(d, 0o755))
	}
	require.NoError(t, grid.WriteTrust(s.trustDir))
	s.trust, err = trust.Open(trust.Options{Dir: s.trustDir})
	require.NoError(t, err)
	verifier := gsi.NewVerifier(s.trust, nil)
	s.start(dir, verifier, change)
	s.listen(verifier)
	return s
}

func (s *site) launcher(dir string) (launch.Launcher, launch.Granter) {
	w, err := warden.Open(s.t.Context(), warden.Config{
		State: filepath.Join(dir, "state"), Sandboxes: s.sandboxes, Services: s.services, AsSelf: true,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, w.Close()) })
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(s.t, err)
	signer, err := launch.NewSigner(private, "test", time.Now)
	require.NoError(s.t, err)
	verifier, err := launch.NewVerifier(public, "test")
	require.NoError(s.t, err)
	memory, err := launch.OpenMemory(filepath.Join(dir, "memory"), "boot", time.Now())
	require.NoError(s.t, err)
	return &launch.Gate{
		Verifier: verifier, Memory: memory, Accounts: registry{}, Rules: launch.DefaultAccountRules(), Runner: w,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}, signer
}

func (s *site) start(dir string, verifier *gsi.Verifier, change []func(*container.Config)) {
	target, digest, err := sleepyadd.Install(s.services)
	require.NoError(s.t, err)
	deployed, err := service.Load(target, []service.Digest{digest}, uint32(os.Geteuid()))
	require.NoError(s.t, err)
	launcher, granter := s.launcher(dir)
	files, err := sandbox.OpenLocal(s.sandboxes)
	require.NoError(s.t, err)
	state := mem.New()
	s.jobs, err = job.New(job.Config{
		Store: state, Submitter: fork.New(launcher, granter), Files: files, Recorder: s.trail, Poll: 20 * time.Millisecond,
	})
	require.NoError(s.t, err)
	s.config = container.Config{
		Services: []*service.Deployed{deployed}, Jobs: s.jobs, Files: files, Recorder: s.trail,
		Enforcer: &pep.Enforcer{
			Process: "container", Enrichers: []authz.Enricher{names{}}, Decider: s.script, Recorder: s.trail,
			Fulfillers: map[string]authz.Fulfiller{"test:account": mapping{}},
			Describe: func(r *authz.Request, rec *authz.Record) {
				rec.Resource = text(r, authz.Resource, profile.ResourceID)
			},
		},
		Decider: s.script, Credential: verifier.FromTLS, Judge: time.Hour, Anonymous: 1000, Rate: 1000, Burst: 2000,
	}
	for _, f := range change {
		f(&s.config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	handler, err := container.New(s.config)
	require.NoError(s.t, err)
	running.Go(func() { _ = s.jobs.Run(ctx) })
	running.Go(func() { _ = handler.Watch(ctx) })
	s.handler = handler
	s.t.Cleanup(func() {
		s.endAll()
		cancel()
		running.Wait()
		require.NoError(s.t, files.Close())
		require.NoError(s.t, state.Close())
	})
}

// endAll cancels what a test left running.
func (s *site) endAll() {
	pending, err := s.jobs.Pending(context.Background())
	require.NoError(s.t, err)
	for _, j := range pending {
		_, _ = s.jobs.Cancel(context.Background(), j.ID, job.Cancellation{By: "test"})
	}
	require.Eventually(s.t, func() bool {
		pending, err := s.jobs.Pending(context.Background())
		return err == nil && len(pending) == 0
	}, 10*time.Second, 10*time.Millisecond)
}

func (s *site) listen(verifier *gsi.Verifier) {
	entity, err := s.grid.Strong.Host("localhost", "127.0.0.1")
	require.NoError(s.t, err)
	dir := s.t.TempDir()
	cert, key, err := entity.WritePEM(dir, "host")
	require.NoError(s.t, err)
	host, err := gsi.LoadHost(cert, key, nil, nil)
	require.NoError(s.t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	server := &http.Server{
		Handler: s.handler, TLSConfig: verifier.ServerTLS(host, true),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	container.Secure(server)
	server.WriteTimeout = 300 * time.Millisecond // of a server that does not know about long answers
	s.url = "https://" + listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(listener, "", "")
	}()
	s.t.Cleanup(func() {
		require.NoError(s.t, server.Close())
		<-served
	})
}

// client is a client with the credential of e, nil for none.
type client struct {
	*soap.Client
	t *testing.T
}

func (s *site) client(e *gridtest.Entity) *client {
	config := (*gridtest.Entity)(nil).ClientTLS(s.grid.Pool())
	if e != nil {
		config = e.ClientTLS(s.grid.Pool())
	}
	return s.clientTLS(config)
}

func (s *site) clientTLS(config *tls.Config) *client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &client{t: s.t, Client: &soap.Client{
		HTTP: &http.Client{Transport: transport, Timeout: 20 * time.Second}, URL: s.url + "/services/sleepyAdd",
	}}
}

func (s *site) user(name string) *gridtest.Entity {
	e, err := s.grid.Strong.User(name)
	require.NoError(s.t, err)
	return e
}

var space = container.Namespace("sleepyAdd")

// call calls an operation and returns the answer.
func (c *client) call(operation string, children func(w *xml.Writer)) (answer *xml.Node, err error) {
	err = c.Call(context.Background(), space+"/"+operation, func(w *xml.Writer) {
		w.Start(operation)
		w.Namespace("", space)
		children(w)
		w.End()
	}, func(r *xml.Reader, start xml.Token) error {
		if start.Name != (xml.Name{Space: space, Local: operation + "Response"}) {
			return r.Unexpected(start)
		}
		var err error
		answer, err = r.Node()
		return err
	})
	return answer, err
}

func (c *client) submit(cpu, method string, parameters ...string) (*xml.Node, error) {
	answer, err := c.call("submit", func(w *xml.Writer) {
		if cpu != "" {
			w.Leaf("requestedCpuTime", cpu)
		}
		w.Start("method")
		w.Start(method)
		for i := 0; i < len(parameters); i += 2 {
			w.Leaf(parameters[i], parameters[i+1])
		}
		w.End()
		w.End()
	})
	if err != nil {
		return nil, err
	}
	return answer.Child(xml.Name{Space: space, Local: "job"}), nil
}

func (c *client) about(operation, session string) (*xml.Node, error) {
	answer, err := c.call(operation, func(w *xml.Writer) { w.Leaf("session", session) })
	if err != nil {
		return nil, err
	}
	if j := answer.Child(xml.Name{Space: space, Local: "job"}); j != nil {
		return j, nil
	}
	return answer, nil
}

func get(n *xml.Node, local string) string {
	if child := n.Child(xml.Name{Space: space, Local: local}); child != nil {
		return child.StringValue()
	}
	return ""
}

// reach waits until the job is in that state.
func (c *client) reach(session string, state job.State) *xml.Node {
	c.t.Helper()
	var last *xml.Node
	require.Eventually(c.t, func() bool {
		j, err := c.about("status", session)
		require.NoError(c.t, err)
		last = j
		if now := job.State(get(j, "state")); now.Final() && now != state {
			require.Equal(c.t, state, now, get(j, "reason"))
		}
		return get(j, "state") == string(state)
	}, 15*time.Second, 20*time.Millisecond)
	return last
}

// fetch gets a URL.
func (c *client) fetch(url string, header ...string) (int, string, http.Header) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(c.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.HTTP.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res.StatusCode, string(body), res.Header
}

// fault returns the fault in an error with the name of its detail.
func fault(t *testing.T, err error) (*soap.Fault, string) {
	t.Helper()
	f := new(soap.Fault)
	require.ErrorAs(t, err, &f)
	if f.Received == nil {
		return f, ""
	}
	for child := range f.Received.Elements() {
		require.Equal(t, space, child.Name.Space)
		return f, child.Name.Local
	}
	return f, ""
}
