package container_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
)

var hex32 = regexp.MustCompile(`[0-9a-f]{32}`)

// counting tells a trace about each connection.
type counting struct {
	http.RoundTripper
	trace *httptrace.ClientTrace
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), c.trace)))
}

func (c *client) post(url, body string) (int, string) {
	c.t.Helper()
	res, err := c.HTTP.Post(url, "text/xml; charset=utf-8", strings.NewReader(body))
	require.NoError(c.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res.StatusCode, string(answer)
}

func envelope(body string) string {
	return `<s:Envelope xmlns:s="` + soap.Namespace + `" xmlns="` + space + `"><s:Body>` + body + `</s:Body></s:Envelope>`
}

func TestBadCalls(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	good := `<submit><method><add><a>1</a><b>2</b></add></method></submit>`
	for name, c := range map[string]struct {
		body string
		code int
		want string
	}{
		"not xml":            {"submit", 500, "Client"},
		"truncated":          {envelope(good)[:200], 500, "Client"},
		"doctype":            {"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>" + envelope(good), 500, "DOCTYPE"},
		"entity":             {envelope(strings.Replace(good, "1", "&y;", 1)), 500, "entities"},
		"processing":         {"<?xml-stylesheet href='x'?>" + envelope(good), 500, "processing instruction"},
		"two bodies":         {envelope(good + good), 500, "too many"},
		"depth":              {strings.Replace(envelope(good), "<s:Body>", "<s:Header>"+strings.Repeat("<x>", 100)+strings.Repeat("</x>", 100)+"</s:Header><s:Body>", 1), 500, "64"},
		"10 MiB":             {envelope(good + strings.Repeat(" ", 10<<20)), 413, "limit"},
		"attributes":         {envelope("<submit" + attributes(300) + "/>"), 500, "attributes"},
		"unknown operation":  {envelope("<erase/>"), 500, "unknown operation"},
		"other namespace":    {envelope(`<submit xmlns="urn:x"/>`), 500, "speaks"},
		"no method":          {envelope("<submit/>"), 500, "without a method"},
		"unknown method":     {envelope("<submit><method><rm/></method></submit>"), 500, "has no method"},
		"two methods":        {envelope(`<submit><method><add><a>1</a><b>2</b></add><burn/></method></submit>`), 500, "more than one method"},
		"unknown parameter":  {envelope(`<submit><method><add><a>1</a><b>2</b><c>3</c></add></method></submit>`), 500, "has none of this name"},
		"parameter twice":    {envelope(`<submit><method><add><a>1</a><a>1</a><b>2</b></add></method></submit>`), 500, "twice"},
		"missing parameter":  {envelope(`<submit><method><add><a>1</a></add></method></submit>`), 500, "missing"},
		"shell in parameter": {envelope(`<submit><method><add><a>$(id)</a><b>2</b></add></method></submit>`), 500, "want a long"},
		"too long":           {envelope(`<submit><method><add><a>1</a><b>2</b><seconds>99999</seconds></add></method></submit>`), 500, "at most 3600"},
		"negative cpu":       {envelope(`<submit><requestedCpuTime>-1</requestedCpuTime><method><burn/></method></submit>`), 500, "whole number of seconds"},
		"huge cpu":           {envelope(`<submit><requestedCpuTime>99999999999999999999</requestedCpuTime><method><burn/></method></submit>`), 500, "whole number of seconds"},
		"much cpu":           {envelope(`<submit><requestedCpuTime>7201</requestedCpuTime><method><burn/></method></submit>`), 500, "at most 7200"},
		"session":            {envelope(`<status><session>../../etc/passwd</session></status>`), 500, "32 lower-case"},
		"weak key":           {envelope(`<submit><requestKey>` + strings.Repeat("k", 300) + `</requestKey><method><add><a>1</a><b>2</b></add></method></submit>`), 500, "longer than 256"},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := ann.post(ann.URL, c.body)
			require.Equal(t, c.code, code, body)
			require.Contains(t, body, c.want)
		})
	}
	code, body := ann.post(s.url+"/services/other", envelope(good))
	require.Equal(t, 500, code)
	require.Contains(t, body, "no such service")
	pending, err := s.jobs.Pending(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending, "nothing was done")
	require.Empty(t, s.script.questions(), "nobody was asked")
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("b", i) + "='1'")
	}
	return b.String()
}

func TestBadCredentialsAreNeverAnonymous(t *testing.T) {
	s := newSite(t)
	old, err := s.grid.Strong.Issue(gridtest.Spec{Subject: "/DC=test/DC=strong/CN=Old", NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	stranger, err := gridtest.NewCA("/DC=test/DC=stranger")
	require.NoError(t, err)
	unknown, err := stranger.User("Eve")
	require.NoError(t, err)
	user := s.user("Ann")
	long := user.TLS()
	for range 100 {
		long.Certificate = append(long.Certificate, long.Certificate[0])
	}
	for name, c := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"expired":          {old.ClientTLS(s.grid.Pool()), "expired|ended|not valid"},
		"unknown CA":       {unknown.ClientTLS(s.grid.Pool()), "."},
		"100 certificates": {with(user.ClientTLS(s.grid.Pool()), long), "certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			who := s.clientTLS(c.config)
			_, err := who.submit("", "add", "a", "1", "b", "2")
			if name == "100 certificates" && err != nil && !soap.IsFault(err, soap.CodeClient) {
				require.ErrorContains(t, err, "tls", "too large for the handshake itself")
				return
			}
			f, kind := fault(t, err)
			require.Equal(t, "unauthenticated", kind, f)
			require.Regexp(t, c.want, f.String)
			code, body, _ := who.fetch(s.url + "/services/sleepyAdd?wsdl")
			require.Equal(t, 403, code)
			require.Contains(t, body, "not accepted")
		})
	}
	require.Empty(t, s.script.questions())
	refusals := 0
	for _, rec := range s.trail.all() {
		if rec.Event == authz.EventRefused {
			refusals++
			require.NotEmpty(t, rec.Cause)
		}
	}
	require.GreaterOrEqual(t, refusals, 4)
}

func with(config *tls.Config, c tls.Certificate) *tls.Config {
	config.Certificates = nil
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	return config
}

func TestRevocationReachesOpenConnections(t *testing.T) {
	s := newSite(t)
	user := s.user("Ann")
	ann := s.client(user)
	_, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	s.grid.Strong.Revoke(user)
	require.NoError(t, s.grid.Strong.WriteCRL(s.trustDir, nil))
	_, err = s.trust.Reload()
	require.NoError(t, err)
	_, err = ann.submit("", "add", "a", "1", "b", "2")
	f, kind := fault(t, err)
	require.Equal(t, "unauthenticated", kind)
	require.Contains(t, f.String, "revoked")
}

func TestSandboxPaths(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	session := get(j, "session")
	ann.reach(session, job.Done)
	other, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	ann.reach(get(other, "session"), job.Done)

	dir := filepath.Join(s.sandboxes, session[:2], session)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("result", filepath.Join(dir, "near")))
	require.NoError(t, os.Symlink("../../"+get(other, "session")[:2]+"/"+get(other, "session"), filepath.Join(dir, "next")))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "etc")))
	require.NoError(t, os.Link(filepath.Join(dir, "result"), filepath.Join(dir, "hard")))

	for path, want := range map[string]int{
		"stdout": 200, "link": 404, "near": 404, "next/result": 404, "etc/passwd": 404, "hard": 404, "result": 404,
		"../" + session + "/stdout": 400, "%2e%2e/%2e%2e/stdout": 400, "..%2fstdout": 400, "./stdout": 400, "a//b": 400,
		"stdout%00": 400, "..\\stdout": 400, "%5c..": 400, strings.Repeat("a/", 40) + "b": 400, strings.Repeat("a", 300): 404, strings.Repeat("a", 2000): 400,
	} {
		req, err := http.NewRequest(http.MethodGet, s.url, nil)
		require.NoError(t, err)
		req.URL.Opaque = "/sandbox/" + session[:2] + "/" + session + "/" + path // as it stands
		if strings.Contains(path, "\\") {
			req.URL.Opaque = strings.ReplaceAll(req.URL.Opaque, "\\", "%5C")
		}
		res, err := ann.HTTP.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, "%s: %s", path, body)
		require.NotContains(t, string(body), "root:")
	}
	for _, path := range []string{"/sandbox/", "/sandbox/" + session[:2], "/sandbox/" + session[:2] + "/", "/sandbox/00/" + session + "/stdout"} {
		if strings.Contains(path, "/00/") && session[:2] == "00" {
			continue
		}
		code, _, _ := ann.fetch(s.url + path)
		require.Equal(t, 400, code, path)
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Now()
	s := newSite(t, func(c *container.Config) {
		c.Rate, c.Anonymous, c.Burst, c.Now = 1, 1, 3, func() time.Time { return now }
	})
	ann, bob := s.client(s.user("Ann")), s.client(s.user("Bob"))
	url := s.url + "/services/sleepyAdd?wsdl"
	for range 3 {
		code, _, _ := ann.fetch(url)
		require.Equal(t, 200, code)
	}
	code, _, header := ann.fetch(url)
	require.Equal(t, 503, code)
	require.NotEmpty(t, header.Get("Retry-After"))
	code, _, _ = bob.fetch(url)
	require.Equal(t, 200, code, "one peer's flood is not another's")
}

func TestOversizedHeader(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	req, err := http.NewRequest(http.MethodGet, s.url+"/services/", nil)
	require.NoError(t, err)
	req.Header.Set("X", string(bytes.Repeat([]byte("x"), 2*container.MaxHeader)))
	ann.HTTP.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	res, err := ann.HTTP.Do(req)
	if err == nil {
		defer res.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	}
}
