package container_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pep"
)

// away is a back end that does not answer.
type away struct{ batch.Submitter }

// gate permits all, and keeps what it was asked.
type gate struct{ asked int }

func (g *gate) Enforce(_ context.Context, r *authz.Request) pep.Outcome {
	g.asked++
	return pep.Outcome{Permit: true, ID: "d", Request: r, Response: authz.Response{Decision: authz.Permit}, Effects: pep.Effects{Account: account}}
}

// bare is a container without a network or running jobs.
func bare(t testing.TB) (*container.Container, *gate, *job.Service) {
	t.Helper()
	dir := t.TempDir()
	target, digest, err := sleepyadd.Install(dir)
	require.NoError(t, err)
	deployed, err := service.Load(target, []service.Digest{digest}, uint32(os.Geteuid()))
	require.NoError(t, err)
	files, err := sandbox.OpenLocal(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Close()) })
	jobs, err := job.New(job.Config{Store: mem.New(), Submitter: away{}, Files: files})
	require.NoError(t, err)
	enforcer := new(gate)
	c, err := container.New(container.Config{
		Services: []*service.Deployed{deployed}, Jobs: jobs, Files: files, Enforcer: enforcer, Decider: authz.DenyAll{},
		Credential: func(*tls.ConnectionState) *authz.Credential { return nil }, Anonymous: 1e9, Burst: 1e9,
		Rate: 1e9,
	})
	require.NoError(t, err)
	return c, enforcer, jobs
}

func post(c http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "https://localhost/services/sleepyAdd", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/xml")
	c.ServeHTTP(w, r)
	return w
}

// FuzzCall: whatever is posted, the answer is an envelope or a plain refusal,
// and only a whole, valid submission makes a job.
func FuzzCall(f *testing.F) {
	c, enforcer, jobs := bare(f)
	for _, body := range []string{
		`<submit><method><add><a>1</a><b>2</b></add></method></submit>`,
		`<submit><requestedCpuTime>5</requestedCpuTime><requestKey>0123456789abcdef0123456789abcdef</requestKey><method><burn/></method></submit>`,
		`<submit><method><command><method>add</method><arguments>-a 1 -b 2</arguments></command></method></submit>`,
		`<submit><method><add><a>1</a><b x:nil="true" xmlns:x="http://www.w3.org/2001/XMLSchema-instance"/></add></method></submit>`,
		`<status><session>0123456789abcdef0123456789abcdef</session></status>`,
		`<list/>`, `<purge/>`, `<cancel><session/></cancel>`,
	} {
		f.Add(envelope(body))
		f.Add(body)
	}
	before := 0
	f.Fuzz(func(t *testing.T, body string) {
		enforcer.asked = 0
		w := post(c, body)
		switch w.Code {
		case http.StatusOK, http.StatusInternalServerError:
			_, err := xml.Parse("answer", w.Body.Bytes(), xml.Limits{})
			require.NoError(t, err)
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		default:
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		now, err := jobs.Pending(t.Context())
		require.NoError(t, err)
		if len(now) > before {
			require.Equal(t, http.StatusOK, w.Code)
			require.NotZero(t, enforcer.asked, "a job that nobody decided about")
		}
		before = len(now)
	})
}

// FuzzSandboxPath: no path gets an answer other than a refusal from a tree in
// which nothing belongs to the caller.
func FuzzSandboxPath(f *testing.F) {
	c, _, _ := bare(f)
	id := strings.Repeat("ab", 16)
	for _, path := range []string{"", "x", "../", "%2e%2e/", "..%2f..%2f", "\\..", "a//b", "%00", "%zz", "./", strings.Repeat("a/", 100)} {
		f.Add("/sandbox/ab/" + id + "/" + path)
	}
	f.Add("/sandbox/../sleepyAdd/service.yaml")
	f.Add("/sandbox/%2e%2e/sleepyAdd/service.yaml")
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest(http.MethodGet, "https://localhost/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if strings.HasPrefix(path, "/sandbox/") {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, w.Code, path)
		}
		require.NotContains(t, w.Body.String(), "sleepyadd.sh", "a file from outside of the sandboxes")
	})
}

func TestCommand(t *testing.T) {
	c, _, jobs := bare(t)
	for arguments, want := range map[string][]string{
		"-a 1 -b 2":                    {"add", "1", "2", "3"},
		"-b -2 -a 1 -seconds 0":        {"add", "1", "-2", "0"},
		"-a 1 -b 2; rm -rf /":          nil,
		"-a `id` -b 2":                 nil,
		"-a 1 -b 2 -c 3":               nil,
		"add 1 2":                      nil,
		"-a 1 -b 2 -seconds -1":        nil,
		"-a 1 -b 2 -seconds \"1\" ":    nil,
		"-a\t1\n-b   2  -seconds 1   ": {"add", "1", "2", "1"},
	} {
		before, err := jobs.Pending(t.Context())
		require.NoError(t, err)
		w := post(c, envelope("<submit><method><command><method>add</method><arguments>"+arguments+"</arguments></command></method></submit>"))
		after, err := jobs.Pending(t.Context())
		require.NoError(t, err)
		if want == nil {
			require.Equal(t, 500, w.Code, arguments)
			require.Len(t, after, len(before))
			continue
		}
		require.Equal(t, 200, w.Code, w.Body)
		require.Len(t, after, len(before)+1)
		var found bool
		for _, j := range after {
			found = found || strings.Join(j.Arguments, "\x00") == strings.Join(want, "\x00")
		}
		require.True(t, found, "%q", want)
	}
}

// BenchmarkStatus is the cost of one call without TLS and without deciding.
func BenchmarkStatus(b *testing.B) {
	c, _, jobs := bare(b)
	require.Equal(b, 200, post(c, envelope(`<submit><method><add><a>1</a><b>2</b></add></method></submit>`)).Code)
	pending, err := jobs.Pending(b.Context())
	require.NoError(b, err)
	body := envelope("<status><session>" + pending[0].ID + "</session></status>")
	b.ReportAllocs()
	for b.Loop() {
		if w := post(c, body); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
