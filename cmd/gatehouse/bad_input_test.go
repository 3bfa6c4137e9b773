package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// running is a real site in this process, with everything that serve has: TLS,
// store, policies, launcher.
type running struct {
	*site
	t     *testing.T
	world *world
	base  string
	grid  *gridtest.Grid // whose strong CA the site trusts
}

// newRunning starts a site. change, if given, has the last word over its
// configuration.
func newRunning(t *testing.T, change func(*world)) *running {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	w, err := openWorld(filepath.Join(dir, "site"))
	require.NoError(t, err)
	r := &running{t: t, world: w}
	r.trustMore()
	if change != nil {
		change(w)
	}
	r.site, err = newSite(t.Context(), w.config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, r.Close())
		require.NoError(t, removeAll(dir))
	})
	r.base = r.containerHere()
	first, err := r.engine.Changed(t.Context(), authz.Revision{})
	require.NoError(t, err)
	require.NotZero(t, first.Number)
	return r
}

// trustMore adds a grid of the test's own, whose CAs issue on demand.
func (r *running) trustMore() {
	r.t.Helper()
	tested, err := gridtest.NewCA("/DC=test/DC=tested")
	require.NoError(r.t, err)
	r.grid = &gridtest.Grid{Strong: tested}
	require.NoError(r.t, gridtest.WriteTrust(r.world.path("pki", "trust"), tested))
}

// client is somebody with the certificate of an entity; nil has none.
func (r *running) client(chain *tls.Certificate) *http.Client {
	r.t.Helper()
	config, err := r.world.clientTLS("")
	require.NoError(r.t, err)
	if chain != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return chain, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func (r *running) person(file string) *caller {
	r.t.Helper()
	c, err := r.world.caller(file, r.base)
	require.NoError(r.t, err)
	r.t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func (r *running) issue(s gridtest.Spec) *tls.Certificate {
	r.t.Helper()
	e, err := r.grid.Strong.Issue(s)
	require.NoError(r.t, err)
	c := e.TLS()
	return &c
}

// state is what bad input must not change: the revision of the policies and
// how many jobs were ever registered.
func (r *running) state() (authz.Revision, int) {
	r.t.Helper()
	revision, err := r.pap.Revision(context.Background()) // also in a Cleanup
	require.NoError(r.t, err)
	jobs := 0
	for _, rec := range r.audit.Recent() {
		if rec.Event == authz.EventJob && rec.Message == "registered" {
			jobs++
		}
	}
	return revision, jobs
}

// unchanged holds that a test changes nothing.
func (r *running) unchanged(t *testing.T) {
	revision, jobs := r.state()
	t.Cleanup(func() {
		after, now := r.state()
		require.Equal(t, revision, after, "no policy changed")
		require.Equal(t, jobs, now, "no job came or went")
	})
}

// post sends one call and returns status and body of the answer.
func post(t *testing.T, client *http.Client, url, body string) (int, string) {
	t.Helper()
	res, err := client.Post(url, "text/xml; charset=utf-8", strings.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(answer)
}

const goodCall = `<submit><method><add><a>1</a><b>2</b><seconds>0</seconds></add></method></submit>`

func envelope(body string) string {
	return `<s:Envelope xmlns:s="` + soap.Namespace + `" xmlns="` + container.Namespace(sleepyadd.Name) + `"><s:Body>` + body + `</s:Body></s:Envelope>`
}

func TestBadInput(t *testing.T) {
	r := newRunning(t, func(w *world) { w.config.Container.Anonymous = false })
	ann := r.person("ann")
	code, body := post(t, ann.http, ann.soap.URL, envelope(goodCall))
	require.Equal(t, http.StatusOK, code, "what follows is a good call spoilt: %s", body)
	_, jobs := r.state()
	require.Equal(t, 1, jobs)

	t.Run("call", func(t *testing.T) { r.badCalls(t, ann) })
	t.Run("credential", r.badCredentials)
	t.Run("policy", r.badPolicies)
}

func (r *running) badCalls(t *testing.T, ann *caller) {
	deep := "<s:Header>" + strings.Repeat("<x>", 100) + strings.Repeat("</x>", 100) + "</s:Header><s:Body>"
	for name, c := range map[string]struct {
		body string
		code int
		want string
	}{
		"no XML":              {"submit, please", 500, "Client"},
		"cut off":             {envelope(goodCall)[:150], 500, "Client"},
		"DOCTYPE":             {`<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">` + envelope(goodCall), 500, "DOCTYPE"},
		"external entity":     {`<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>` + envelope(strings.Replace(goodCall, "1", "&y;", 1)), 500, "DOCTYPE"},
		"undeclared entity":   {envelope(strings.Replace(goodCall, "1", "&y;", 1)), 500, "entities"},
		"two bodies":          {strings.Replace(envelope(goodCall), "</s:Envelope>", "<s:Body>"+goodCall+"</s:Body></s:Envelope>", 1), 500, "Body"},
		"two calls in a body": {envelope(goodCall + goodCall), 500, "too many"},
		"two documents":       {envelope(goodCall) + envelope(goodCall), 500, "Client"},
		"depth":               {strings.Replace(envelope(goodCall), "<s:Body>", deep, 1), 500, "64"},
		"10 MiB":              {envelope(goodCall + strings.Repeat(" ", 10<<20)), 413, "limit"},
		"unknown operation":   {envelope("<erase/>"), 500, `unknown operation "erase": want submit`},
		"unknown method":      {envelope("<submit><method><rm/></method></submit>"), 500, "has no method"},
		"path for a session":  {envelope("<status><session>../../etc/passwd</session></status>"), 500, "32 lower-case"},
	} {
		t.Run(name, func(t *testing.T) {
			r.unchanged(t)
			code, body := post(t, ann.http, ann.soap.URL, c.body)
			require.Equal(t, c.code, code, body)
			require.Contains(t, body, c.want)
			require.NotContains(t, body, "root:")
		})
	}
}

// What is said in the documentation of gsi.ServerTLS holds: only a missing
// certificate and a chain of excessive size end the handshake; any other bad
// credential reads why.
func (r *running) badCredentials(t *testing.T) {
	subject := "/DC=test/DC=tested/OU=people/CN=Tess"
	expired := r.issue(gridtest.Spec{Subject: subject, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	stranger, err := gridtest.NewCA("/DC=test/DC=stranger")
	require.NoError(t, err)
	eve, err := stranger.User("Eve")
	require.NoError(t, err)
	unknown := eve.TLS()
	many, large := *r.issue(gridtest.Spec{Subject: subject}), *r.issue(gridtest.Spec{Subject: subject})
	for range 99 {
		many.Certificate = append(many.Certificate, many.Certificate[0])
	}
	for len(bytes.Join(large.Certificate, nil)) <= 64<<10 {
		large.Certificate = append(large.Certificate, large.Certificate[0])
	}
	for name, c := range map[string]struct {
		chain  *tls.Certificate
		aborts string // what the client reads if the handshake ends
		want   string
	}{
		"none":              {nil, "certificate required", ""},
		"expired":           {expired, "", "expired"},
		"unknown authority": {&unknown, "", "stranger"},
		"100 certificates":  {&many, "", "100 certificates"},
		"more than 64 KiB":  {&large, "bad certificate", ""},
	} {
		for where, call := range map[string]func(*http.Client) (*http.Response, error){
			"container": func(h *http.Client) (*http.Response, error) {
				return h.Post(r.base+"/services/"+sleepyadd.Name, "text/xml", strings.NewReader(envelope(goodCall)))
			},
			"pap": func(h *http.Client) (*http.Response, error) {
				return h.Get("https://" + r.papHere() + "/pap/v1/revision")
			},
		} {
			t.Run(name+" at the "+where, func(t *testing.T) {
				r.unchanged(t)
				res, err := call(r.client(c.chain))
				if c.aborts != "" {
					require.ErrorContains(t, err, c.aborts)
					return
				}
				require.NoError(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NotEqual(t, http.StatusOK, res.StatusCode)
				require.Contains(t, string(body), c.want)
			})
		}
	}
}

func (r *running) badPolicies(t *testing.T) {
	admin := r.person("admin")
	client, err := api.NewClient(admin.http, "https://"+r.papHere())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text         string
		line, column int
		want         string
	}{
		"misspelt word":     {"resource \".*\" {\n  action \".*\" {\n    rule permt { subject = \"CN=x\" }\n  }\n}\n", 3, 10, "permit"},
		"missing brace":     {"resource \".*\" {\n  action \".*\" {\n    rule permit { subject = \"CN=x\" }\n", 4, 1, "}"},
		"trailing garbage":  {"resource \".*\" {\n  action \".*\" {\n    rule permit { subject = \"CN=x\" }\n  }\n}\n}\n", 6, 1, "}"},
		"unknown attribute": {"resource \".*\" {\n  action \".*\" {\n    rule permit { subjekt = \"CN=x\" }\n  }\n}\n", 3, 19, "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			r.unchanged(t)
			_, err := client.AddFile(t.Context(), change.Request{Message: "test"}, change.DefaultPAP, change.File{Name: "site.spl", Text: c.text}, change.At{})
			var said *api.Error
			require.ErrorAs(t, err, &said)
			require.Equal(t, []any{"site.spl", c.line, c.column}, []any{said.File, said.Line, said.Column}, said.Message)
			require.Contains(t, said.Message, c.want)
		})
	}
}

// Nothing in a sandbox leads out of it, or to what the job cannot have made.
func TestBadPathsInASandbox(t *testing.T) {
	r := newRunning(t, func(w *world) {
		dir := w.path("services", "links")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "service.yaml"), []byte("name: links\ndocumentation: Makes links.\nexecutable: links.sh\nmethods:\n  - {name: make, documentation: Makes them., cpu-time: {default: 5s, maximum: 1h}}\n"), 0o644))
		script := "#!/bin/sh\nln -s /etc/passwd soft\nln -s /etc etc\nln -s plain near\necho mine >plain\necho two >hard\nln hard harder\nmkfifo pipe\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "links.sh"), []byte(script), 0o755))
		found, err := service.Inspect(dir, uint32(os.Geteuid()))
		require.NoError(t, err)
		w.config.Container.Approved["links"] = found.Digest.String()
	})
	ann := r.person("ann")
	space := container.Namespace("links")
	code, body := post(t, ann.http, r.base+"/services/links", `<s:Envelope xmlns:s="`+soap.Namespace+`" xmlns="`+space+`"><s:Body><submit><method><make/></method></submit></s:Body></s:Envelope>`)
	require.Equal(t, http.StatusOK, code, body)
	_, rest, _ := strings.Cut(body, "sandbox>")
	box, _, _ := strings.Cut(rest, "<")
	require.Contains(t, box, "/sandbox/")
	require.Eventually(t, func() bool {
		code, _, err := ann.fetch(t.Context(), box+"pipe")
		require.NoError(t, err)
		listed, text, err := ann.fetch(t.Context(), box)
		require.NoError(t, err)
		return code == http.StatusNotFound && listed == http.StatusOK && strings.Contains(text, "pipe")
	}, 20*time.Second, 50*time.Millisecond)
	r.unchanged(t)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"plain":              {200, "mine"},
		"soft":               {404, "a link"},
		"near":               {404, "a link"},
		"etc/passwd":         {404, "a link"},
		"hard":               {404, "a link"},
		"harder":             {404, "a link"},
		"pipe":               {404, "a link"},
		"absent":             {404, "no such file"},
		"%2e%2e/%2e%2e/x":    {400, ".."},
		"..%2f..%2fpap.sock": {400, ".."},
		"plain%00":           {400, "no path here may hold"},
	} {
		code, text, err := ann.fetch(t.Context(), box+path)
		require.NoError(t, err)
		require.Equal(t, want.code, code, "%s: %s", path, text)
		require.Contains(t, text, want.text, path)
		require.NotContains(t, text, "root:")
	}
}

// ⚿ DECISIONS 27: what a launcher does not obey.
func TestBadGrants(t *testing.T) {
	r := newRunning(t, nil)
	revision, before := r.state()
	// A launcher as the site has, over a socket as gatehouse-launch has.
	other := &site{config: r.world.config, log: slog.New(slog.DiscardHandler), now: time.Now}
	other.config.Data += "-other"
	config := *other.config.Container
	config.Sandboxes += "-other"
	other.config.Container = &config
	gate, granter, err := other.ownLauncher(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	me := []uint32{uint32(os.Geteuid())}
	path := r.world.path("launch.sock")
	l, err := launch.Listen(path, me)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- (&launch.Server{Launcher: gate, Peers: me, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	client := launch.NewClient(path, 10*time.Second)

	script, err := os.ReadFile(r.world.path("services", sleepyadd.Name, "sleepyadd.sh"))
	require.NoError(t, err)
	order := wished(launch.Start).Order
	order.Executable, order.Args = sleepyadd.Name+"/sleepyadd.sh", []string{"sleepyadd.sh", "add", "1", "2", "0"}
	order.Digest = sha256.Sum256(script)
	wish := launch.Wish{Order: order, Account: wishedAccount, Decision: "d1"}
	_, eve, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	sign := func(key ed25519.PrivateKey, name string, at time.Time) launch.Signed {
		pen, err := launch.NewSigner(key, name, func() time.Time { return at })
		require.NoError(t, err)
		signed, err := pen.Grant(t.Context(), wish)
		require.NoError(t, err)
		return signed
	}
	good := func() launch.Signed {
		signed, err := granter.Grant(t.Context(), wish)
		require.NoError(t, err)
		return signed
	}
	altered := good()
	altered[len(altered)/2] ^= 1
	changed := order
	changed.Args = append([]string{"sleepyadd.sh", "rm"}, "-rf")
	for name, c := range map[string]struct {
		grant launch.Signed
		order launch.Order
		want  string
	}{
		"none":              {nil, order, "no grant"},
		"forged":            {sign(eve, launcherName, time.Now()), order, "forged or altered"},
		"altered":           {altered, order, "forged or altered"},
		"cut off":           {good()[:80], order, "forged or altered"},
		"for other words":   {good(), changed, "another order"},
		"for another order": {good(), launch.Order{Operation: launch.Remove, Job: order.Job}, "another order"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Do(t.Context(), c.grant, c.order)
			require.ErrorIs(t, err, launch.ErrRefused)
			require.ErrorContains(t, err, c.want)
			jobs, err := client.Jobs(t.Context())
			require.NoError(t, err)
			require.Empty(t, jobs)
		})
	}
	t.Run("replayed", func(t *testing.T) {
		used := good()
		_, err := client.Do(t.Context(), used, order)
		require.NoError(t, err)
		_, err = client.Do(t.Context(), used, order)
		require.ErrorIs(t, err, launch.ErrRefused)
		require.ErrorContains(t, err, "used before")
		jobs, err := client.Jobs(t.Context())
		require.NoError(t, err)
		require.Len(t, jobs, 1, "run once")
		require.Eventually(t, func() bool {
			status, err := client.Status(t.Context(), order.Job)
			return err == nil && status.State == launch.Ended
		}, 20*time.Second, 20*time.Millisecond)
	})
	after, jobs := r.state()
	require.Equal(t, revision, after)
	require.Equal(t, before, jobs)
}
