package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// ourselves is this test's program under the name by which it is gatehouse.
func ourselves(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "gatehouse")
	require.NoError(t, os.Symlink(program, name))
	return name
}

// process is a gatehouse serve of its own.
type process struct {
	cmd *exec.Cmd
	log string
}

func serveProcess(t *testing.T, dir, config, text string) *process {
	t.Helper()
	path := filepath.Join(dir, config)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	p := &process{cmd: exec.Command(ourselves(t), "serve", "--create-store", "--config", path), log: path + ".log"}
	log, err := os.Create(p.log)
	require.NoError(t, err)
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// listening waits until somebody listens.
func (p *process) listening(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
	}
	said, _ := os.ReadFile(p.log)
	require.FailNow(t, "nobody listens", "%s", said)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// A container whose accounts another process names: it gets them while that runs
// and refuses when it does not.
func TestMappingService(t *testing.T) {
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var service *process
	r := newRunning(t, func(w *world) {
		service = serveProcess(t, w.dir, "mapping.yaml", fmt.Sprintf(`
data: mapping
host: {certificate: pki/host-cert.pem, key: pki/host-key.pem}
trust: {directory: pki/trust}
status: 127.0.0.1:0
credential-strength: [{strength: strong, ca: /DC=test/DC=strong/CN=CA}]
mapping: {listen: %q, peers: [{subject: /DC=test/DC=strong/OU=hosts/CN=localhost, issuer: /DC=test/DC=strong/CN=CA}]}
accounts: {grid-mapfile: grid-mapfile, file: accounts, shared: [community]}
`, address))
		service.listening(t, address)
		w.config.Accounts = AccountsConfig{File: w.config.Accounts.File, Floor: 1000, Service: []string{"https://localhost:" + port}}
	})
	submit := func(who string) error {
		_, err := r.person(who).submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
		return err
	}
	causes := func() (all string) {
		for _, rec := range r.audit.Recent() {
			all += rec.Cause + "\n"
		}
		return all
	}
	require.NoError(t, submit("ann"))
	trail := func() string {
		text, err := os.ReadFile(r.world.path("mapping", "audit.jsonl"))
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, trail(), `"account":"ann"`)
	require.Contains(t, trail(), `"peer":"/DC=test/DC=strong/OU=hosts/CN=localhost"`)
	require.NoError(t, submit("wendy"), "the account that the policy names is one that the service shares")
	require.Contains(t, trail(), `"account":"community"`)
	require.Error(t, submit(""), "the service does not share the account anonymous")

	// A uid that the service says and this machine does not know as that.
	require.NoError(t, os.WriteFile(r.world.path("accounts"), []byte(strings.ReplaceAll(accountsText, "10001", "10009")), 0o644))
	require.NoError(t, submit("ann"), "each side has read its account file when it started")

	require.Contains(t, causes(), "the mapping service names no account")
	require.NotContains(t, causes(), "no mapping service answers")
	service.kill()
	require.Error(t, submit("ann"))
	require.Contains(t, causes(), "no mapping service answers")
}

// A token goes along to the mapping service, which verifies it again by its own
// configuration, and is in neither's audit trail nor log.
func TestMappingServiceTakesTokens(t *testing.T) {
	const us = "https://ce.example.org"
	issuer, err := gridtest.NewIssuer()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, issuer.Close()) })
	ca, err := issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	var service *process
	r := newRunning(t, func(w *world) {
		service = serveProcess(t, w.dir, "mapping.yaml", fmt.Sprintf(`
data: mapping
host: {certificate: pki/host-cert.pem, key: pki/host-key.pem}
trust: {directory: pki/trust}
status: 127.0.0.1:0
tokens: {audiences: [%q], issuers: [{issuer: %q, jwks: %q, ca: %q, vo: cms}]}
mapping: {listen: %q, peers: [{subject: /DC=test/DC=strong/OU=hosts/CN=localhost, issuer: /DC=test/DC=strong/CN=CA}]}
accounts: {file: accounts, shared: [community]}
`, us, issuer.URL, issuer.URL+"/jwks", ca, address))
		service.listening(t, address)
		w.config.Container.Anonymous = false
		w.config.Accounts = AccountsConfig{File: w.config.Accounts.File, Floor: 1000, Service: []string{"https://localhost:" + port}}
		w.config.Tokens = &TokensConfig{Audiences: []string{us}, Issuers: []TokenIssuerConfig{{
			Issuer: issuer.URL, JWKS: issuer.URL + "/jwks", CA: conf.Path(ca), VO: "cms", Refresh: conf.Duration(time.Hour),
		}}}
	})
	text := issuer.Token(issuer.Claims("ann", us, nil))
	ann := r.bearer("", text)
	require.Eventually(t, func() bool { // once both have the issuer's keys
		j, err := ann.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
		return err == nil && j["account"] == "community"
	}, 10*time.Second, 50*time.Millisecond)
	limited := r.bearer("", issuer.Token(issuer.Claims("ann", us, map[string]any{"scope": "compute.create compute.read"})))
	j, err := limited.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err, "the scopes allow it, which the service cannot tell")
	require.Equal(t, "community", j["account"])
	reader := r.bearer("", issuer.Token(issuer.Claims("ann", us, map[string]any{"scope": "compute.read"})))
	_, err = reader.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.Error(t, err, "the scopes do not allow it")
	for _, path := range []string{r.world.path("mapping", "audit.jsonl"), service.log, string(r.world.config.Audit.File)} {
		said, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(said), strings.Split(text, ".")[2], path)
	}
	trail, err := os.ReadFile(r.world.path("mapping", "audit.jsonl"))
	require.NoError(t, err)
	require.Contains(t, string(trail), issuer.URL+"#ann", "the service knows whose token it is")
}

// ⚿ Nobody asks the mapping service but the peers that the configuration names,
// with their CA: no user, no other host, no proxy of the peer's.
func TestMappingServiceAnswersItsPeersOnly(t *testing.T) {
	var address string
	r := newRunning(t, func(w *world) {
		address = freeAddress(t)
		w.config.Mapping = &MappingConfig{Listen: conf.Address(address), Peers: []MappingPeer{
			{Subject: "/DC=test/DC=strong/OU=hosts/CN=localhost", Issuer: "/DC=test/DC=strong/CN=CA"},
			{Subject: "/DC=test/DC=strong/OU=people/CN=Ann Other", Issuer: "/DC=test/DC=weak/CN=CA"},
		}}
		for i := range w.config.Mapping.Peers {
			require.NoError(t, w.config.Mapping.Peers[i].Check())
		}
	})
	_, port, _ := net.SplitHostPort(address)
	for _, who := range []string{"ann", "bob", "admin"} {
		config, err := r.world.clientTLS(who)
		require.NoError(t, err)
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Post("https://localhost:"+port+"/mapping/v1/map", "application/json", strings.NewReader(`{"decision":"d"}`))
		require.NoError(t, err, who)
		require.Equal(t, http.StatusForbidden, res.StatusCode, who)
		_ = res.Body.Close()
	}
	config, err := r.world.clientTLS("")
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	_, err = (&http.Client{Transport: transport}).Post("https://localhost:"+port+"/mapping/v1/map", "application/json", strings.NewReader(`{"decision":"d"}`))
	require.Error(t, err, "no certificate, no connection")
}

// Two PAPs over one etcd, one of them a process of its own: a ban at the one is in
// force at the other, and waiting for followers counts those of both.
func TestTwoPAPsOverOneStore(t *testing.T) {
	etcd := etcdserver.Start(t)
	address := freeAddress(t)
	var other *process
	r := newRunning(t, func(w *world) {
		w.config.Store.Etcd = &EtcdConfig{Endpoints: []string{etcd}, Prefix: "site/"}
		other = serveProcess(t, w.dir, "pap.yaml", fmt.Sprintf(`
data: pap
host: {certificate: pki/host-cert.pem, key: pki/host-key.pem}
trust: {directory: pki/trust}
status: 127.0.0.1:0
administrators: [%q]
credential-strength: [{strength: strong, ca: /DC=test/DC=strong/CN=CA}]
pap: {listen: %q, socket: other.sock}
store: {etcd: {endpoints: [%q], prefix: site/}}
`, w.dn("admin"), address, etcd))
		other.listening(t, address)
	})
	_, port, _ := net.SplitHostPort(address)
	config, err := r.world.clientTLS("admin")
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	client, err := api.NewClient(&http.Client{Transport: transport, Timeout: 20 * time.Second}, "https://localhost:"+port)
	require.NoError(t, err)
	_, err = r.person("ann").submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err)
	done, err := client.Waiting(10*time.Second).Ban(t.Context(), change.Request{}, change.DefaultPAP,
		change.Ban{Names: []change.Name{{Attribute: "subject", Value: r.world.dn("ann")}}})
	require.NoError(t, err)
	require.Empty(t, done.Pending)
	require.Eventually(t, func() bool {
		_, err := r.person("ann").submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
		return err != nil && strings.Contains(err.Error(), "ban")
	}, 5*time.Second, 50*time.Millisecond)
	_, err = r.person("bob").submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err, "nobody else is banned")
}

// Two mapping services lease out of one pool in etcd: whoever got an account from
// the one has it from the other, and two people never the same.
func TestMappingServicesShareLeases(t *testing.T) {
	etcd := etcdserver.Start(t)
	var services []*process
	var addresses []string
	r := newRunning(t, func(w *world) {
		text := accountsText + "cms001 20001 cms=20000\ncms002 20002 cms=20000\n"
		require.NoError(t, os.WriteFile(w.path("accounts"), []byte(text), 0o644))
		gridmap := fmt.Sprintf("%q .cms\n%q .cms\n%q .cms\n", w.dn("ann"), w.dn("bob"), w.dn("admin"))
		require.NoError(t, os.WriteFile(w.path("grid-mapfile"), []byte(gridmap), 0o644))
		for i := range 2 {
			address := freeAddress(t)
			p := serveProcess(t, w.dir, fmt.Sprintf("mapping%d.yaml", i), fmt.Sprintf(`
data: mapping%d
host: {certificate: pki/host-cert.pem, key: pki/host-key.pem}
trust: {directory: pki/trust}
status: 127.0.0.1:0
credential-strength: [{strength: strong, ca: /DC=test/DC=strong/CN=CA}]
mapping: {listen: %q, peers: [{subject: /DC=test/DC=strong/OU=hosts/CN=localhost, issuer: /DC=test/DC=strong/CN=CA}]}
accounts: {grid-mapfile: grid-mapfile, file: accounts, pools: [{name: cms, members: ["cms[001-002]"]}]}
store: {etcd: {endpoints: [%q]}}
`, i, address, etcd))
			p.listening(t, address)
			_, port, _ := net.SplitHostPort(address)
			services, addresses = append(services, p), append(addresses, "https://localhost:"+port)
		}
		w.config.Accounts = AccountsConfig{File: w.config.Accounts.File, Floor: 1000, Service: addresses}
	})
	account := func(who string) string {
		_, err := r.person(who).submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
		if err != nil {
			return err.Error()
		}
		name := ""
		for _, rec := range r.audit.Recent() {
			if rec.Subject == r.world.dn(who) && rec.Account != "" {
				name = rec.Account
			}
		}
		return name
	}
	ann, bob := account("ann"), account("bob")
	require.ElementsMatch(t, []string{"cms001", "cms002"}, []string{ann, bob})
	services[0].kill()
	require.Equal(t, ann, account("ann"), "the other service knows the lease")
	require.Equal(t, bob, account("bob"))
	require.NotContains(t, account("admin"), "cms", "the pool is exhausted, and nobody gets an account that somebody has")
}
