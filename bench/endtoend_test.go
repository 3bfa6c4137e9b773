package bench

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/audit"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// idle is a back end without jobs: what is measured starts none.
type idle struct{}

func (idle) Submit(context.Context, batch.Job) error { return batch.ErrRefused }
func (idle) Status(_ context.Context, id string) (batch.Status, error) {
	return batch.Status{ID: id, State: batch.Absent}, nil
}
func (idle) Cancel(context.Context, batch.Job) error      { return batch.ErrNoJob }
func (idle) List(context.Context) ([]batch.Status, error) { return nil, nil }
func (idle) Reap(context.Context, string) error           { return nil }

// BenchmarkEndToEnd is one authorised SOAP call ("list", two decisions' worth
// of credential, policy, audit and XML; 10,000 bans in force) over a kept-alive
// mutual-TLS connection, beside a bare net/http handler that echoes the same
// body over the same TLS. Client and server share the machine, so the ratio
// says more than the times. Not measured: handshakes, job starts.
func BenchmarkEndToEnd(b *testing.B) {
	grid, err := gridtest.New()
	require.NoError(b, err)
	user, err := grid.Strong.User("Ann Other")
	require.NoError(b, err)
	verifier, host := credentials(b, grid)
	handler := guarded(b, verifier)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = w.Write(body)
	})
	call := `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><list xmlns="` + container.Namespace(sleepyadd.Name) + `"/></s:Body></s:Envelope>`
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"echo", echo}, {"gatehouse", handler}} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewUnstartedServer(c.handler)
			server.TLS = verifier.ServerTLS(host, false)
			server.StartTLS()
			defer server.Close()
			config := user.ClientTLS(grid.Pool())
			config.ServerName = "localhost"
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
			_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
			url := "https://localhost:" + port + "/services/" + sleepyadd.Name
			b.ReportAllocs()
			for b.Loop() {
				post(b, client, url, call)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func post(b *testing.B, client *http.Client, url, body string) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	require.NoError(b, err)
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	res, err := client.Do(req)
	require.NoError(b, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(b, err)
	res.Body.Close()
	require.Equal(b, http.StatusOK, res.StatusCode, "%s", text)
}

func credentials(b *testing.B, grid *gridtest.Grid) (*gsi.Verifier, *gsi.Host) {
	dir := b.TempDir()
	require.NoError(b, os.Mkdir(filepath.Join(dir, "trust"), 0o755))
	require.NoError(b, grid.WriteTrust(filepath.Join(dir, "trust")))
	anchors, err := trust.Open(trust.Options{Dir: filepath.Join(dir, "trust"), CRLs: trust.Require})
	require.NoError(b, err)
	host, err := grid.Strong.Host("localhost", "127.0.0.1")
	require.NoError(b, err)
	cert, key, err := host.WritePEM(dir, "host")
	require.NoError(b, err)
	loaded, err := gsi.LoadHost(cert, key, nil, nil)
	require.NoError(b, err)
	return gsi.NewVerifier(anchors, nil), loaded
}

// guarded is the container as the program builds it, with the default policy
// and 10,000 bans.
func guarded(b *testing.B, verifier *gsi.Verifier) http.Handler {
	ctx := b.Context()
	store := mem.New()
	b.Cleanup(func() { store.Close() })
	engine := pdp.New(pdp.Options{MaxStale: -1})
	administration, err := pap.Open(ctx, pap.Options{Store: store, Check: engine.Check})
	require.NoError(b, err)
	r := change.Request{Author: change.Author{Name: "bench"}}
	_, err = administration.AddFile(ctx, r, change.DefaultPAP, change.File{Name: "default.spl", Text: policies.Default()}, change.At{})
	require.NoError(b, err)
	_, err = administration.Ban(ctx, r, change.DefaultPAP, Bans(10_000)...)
	require.NoError(b, err)
	update, err := administration.Next(ctx, authz.Revision{})
	require.NoError(b, err)
	require.NoError(b, engine.Apply(update))

	trail, err := audit.Open(audit.Options{Path: filepath.Join(b.TempDir(), "audit.jsonl")})
	require.NoError(b, err)
	b.Cleanup(func() { trail.Close() })
	strength, err := pip.NewStrength([]pip.StrengthRule{{Strength: "strong", CA: "/DC=test/DC=strong/CN=CA"}})
	require.NoError(b, err)
	enforcer := &pep.Enforcer{Process: "bench", Enrichers: []authz.Enricher{pip.X509{}, strength}, Decider: engine, Recorder: trail, Describe: pip.Describe}

	dir := b.TempDir()
	installed, digest, err := sleepyadd.Install(dir)
	require.NoError(b, err)
	deployed, err := service.Load(installed, []service.Digest{digest}, uint32(os.Geteuid()))
	require.NoError(b, err)
	files, err := sandbox.OpenLocal(b.TempDir())
	require.NoError(b, err)
	jobs, err := job.New(job.Config{Store: store, Submitter: idle{}, Files: files})
	require.NoError(b, err)
	c, err := container.New(container.Config{
		Services: []*service.Deployed{deployed}, Jobs: jobs, Files: files, Enforcer: enforcer, Decider: engine,
		Recorder: trail, Credential: verifier.FromTLS, Rate: 1e9, Burst: 1e9,
	})
	require.NoError(b, err)
	return c
}
