package container_test

import (
	"encoding/json"
	"io"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestJob(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("60", "add", "a", "-5", "b", "7", "seconds", "1")
	require.NoError(t, err)
	session, url := get(j, "session"), get(j, "sandbox")
	require.Regexp(t, "^[0-9a-f]{32}$", session)
	require.Equal(t, s.url+"/sandbox/"+session[:2]+"/"+session+"/", url)
	require.Equal(t, "60", get(j, "requestedCpuTime"))
	require.Equal(t, "5", get(j, "grantedCpuTime"), "the obligation tightens the request")
	require.Equal(t, "grid", get(j, "account"))
	require.Equal(t, "1@test", get(j, "revision"))

	done := ann.reach(session, job.Done)
	require.Equal(t, "0", get(done, "exitCode"))
	require.NotEmpty(t, get(done, "started"))
	require.NotEmpty(t, get(done, "ended"))

	code, body, header := ann.fetch(url + "result")
	require.Equal(t, 200, code, body)
	require.Equal(t, "2\n", body)
	require.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	code, body, _ = ann.fetch(url+"stdout", "Range", "bytes=5-5")
	require.Equal(t, 206, code)
	require.Equal(t, "7", body)

	code, body, _ = ann.fetch(url, "Accept", "application/json")
	require.Equal(t, 200, code)
	var list sandbox.Listing
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	var names []string
	for _, e := range list.Entries {
		names = append(names, e.Name)
	}
	require.Subset(t, names, []string{"progress", "result", "stderr", "stdout"})
	_, body, _ = ann.fetch(url)
	require.Contains(t, body, `<a href="./result">result</a>`)
	code, body, _ = ann.fetch(strings.TrimSuffix(url, "/"))
	require.Equal(t, 200, code, "redirected to the directory")
	require.Contains(t, body, "result")

	answer, err := ann.call("list", func(*xml.Writer) {})
	require.NoError(t, err)
	require.Equal(t, session, get(answer.Child(xml.Name{Space: space, Local: "job"}), "session"))

	_, err = ann.about("cancel", session)
	f, kind := fault(t, err)
	require.Equal(t, "conflict", kind, f)
	_, err = ann.about("purge", session)
	require.NoError(t, err)
	_, err = ann.about("status", session)
	_, kind = fault(t, err)
	require.Equal(t, "unknownJob", kind)
	code, _, _ = ann.fetch(url + "result")
	require.Equal(t, 404, code)
}

func TestEveryOperationAsks(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	asked := s.script.questions()
	require.Len(t, asked, 1)
	require.Equal(t, profile.ActionSubmit, text(asked[0], authz.Action, profile.ActionID))
	require.Equal(t, "/services/sleepyAdd", text(asked[0], authz.Resource, profile.ResourceID))
	require.Equal(t, "add", text(asked[0], authz.Action, profile.Method))
	require.Equal(t, "sleepyAdd", text(asked[0], authz.Resource, profile.Service))
	require.Equal(t, "10", text(asked[0], authz.Environment, profile.RequestedCPUTime))
	require.Equal(t, "127.0.0.1", text(asked[0], authz.Subject, profile.Network))
	session := get(j, "session")
	ann.reach(session, job.Done)
	for operation, action := range map[string]string{
		"status": profile.ActionJobInfo, "cancel": profile.ActionTerminate, "purge": profile.ActionTerminate, "sandbox": profile.ActionSandboxRead,
	} {
		if operation == "purge" {
			continue // last
		}
		s.script.questions()
		kind := "job:"
		if operation == "sandbox" {
			kind = "sandbox:"
			ann.fetch(get(j, "sandbox") + "result")
		} else {
			_, _ = ann.about(operation, session)
		}
		asked = s.script.questions()
		require.Len(t, asked, 2, operation)
		require.Equal(t, "/services/sleepyAdd", text(asked[0], authz.Resource, profile.ResourceID))
		require.Equal(t, kind+job.Tag(session), text(asked[1], authz.Resource, profile.ResourceID))
		require.Equal(t, "true", text(asked[1], authz.Resource, profile.CallerIsOwner))
		require.Contains(t, text(asked[1], authz.Resource, profile.Owner), "/CN=Ann")
		for _, q := range asked {
			require.Equal(t, action, text(q, authz.Action, profile.ActionID), operation)
		}
	}
	for _, rec := range s.trail.all() {
		require.NotContains(t, rec.Resource+rec.Message+rec.Cause+rec.Owner, session, "the session id is a secret")
	}
}

func TestRefusalSaysWhatIsEnough(t *testing.T) {
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	_, err := ann.submit("3600", "add", "a", "1", "b", "2")
	f, kind := fault(t, err)
	require.Equal(t, "refused", kind)
	require.Equal(t, "Client.Refused", f.Code.Local)
	detail := f.Received.First
	for detail.Kind != xml.Start {
		detail = detail.Next
	}
	require.Len(t, get(detail, "decision"), 32)
	require.Equal(t, "that is too much <&>", get(detail, "reason"))
	bound := detail.Child(xml.Name{Space: space, Local: "enough"}).Child(xml.Name{Space: space, Local: "bound"})
	require.Equal(t, []string{"requested-cpu-time", "<=", "600"}, []string{get(bound, "attribute"), get(bound, "operator"), get(bound, "value")})
	require.Contains(t, f.String, "requested-cpu-time <= 600")
	require.NotContains(t, f.Received.StringValue()+f.String, "secret-", "policy and rule are for the audit record")
	pending, err := s.jobs.Pending(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)
}

func TestSomebodyElsesJobLooksUnknown(t *testing.T) {
	s := newSite(t)
	ann, bob := s.client(s.user("Ann")), s.client(s.user("Bob"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "30")
	require.NoError(t, err)
	session, absent := get(j, "session"), "00112233445566778899aabbccddeeff"
	shape := func(id string, err error) string {
		f, _ := fault(t, err)
		all := f.Code.Local + "|" + f.String + "|" + f.Received.StringValue()
		return hex32.ReplaceAllString(strings.ReplaceAll(all, id, "ID"), "DECISION")
	}
	for _, permissive := range []bool{false, true} {
		if permissive { // the classic rule: everybody may do everything
			s.script.set(func(*authz.Request) authz.Response { return authz.Response{Decision: authz.Permit} })
		}
		for _, who := range []*client{bob, s.client(nil)} {
			for _, operation := range []string{"status", "cancel", "purge"} {
				_, mine := who.about(operation, session)
				_, none := who.about(operation, absent)
				require.Equal(t, shape(absent, none), shape(session, mine), operation)
			}
			for _, path := range []string{"", "stdout", "nothing"} {
				code, body, _ := who.fetch(s.url + "/sandbox/" + session[:2] + "/" + session + "/" + path)
				none, same, _ := who.fetch(s.url + "/sandbox/" + absent[:2] + "/" + absent + "/" + path)
				require.Equal(t, []any{404, hex32.ReplaceAllString(same, "")}, []any{none, hex32.ReplaceAllString(body, "")})
				require.Equal(t, 404, code)
			}
		}
	}
	answer, err := bob.call("list", func(*xml.Writer) {})
	require.NoError(t, err)
	require.Nil(t, answer.Child(xml.Name{Space: space, Local: "job"}))
	now, err := ann.about("status", session)
	require.NoError(t, err)
	require.Contains(t, []string{"submitted", "running", "registered"}, get(now, "state"), "nobody cancelled it")
}

func TestOperatorsActByPolicy(t *testing.T) {
	s := newSite(t, func(c *container.Config) { c.Operators = true })
	ann, bob := s.client(s.user("Ann")), s.client(s.user("Bob"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "30")
	require.NoError(t, err)
	_, err = bob.about("cancel", get(j, "session"))
	require.Error(t, err, "policy does not permit it")
	s.script.set(func(*authz.Request) authz.Response { return authz.Response{Decision: authz.Permit} })
	_, err = bob.about("cancel", get(j, "session"))
	require.NoError(t, err)
	last := ann.reach(get(j, "session"), job.Cancelled)
	require.Contains(t, get(last, "reason"), "/CN=Bob")
}

func TestAnonymousJobBelongsToItsID(t *testing.T) {
	s := newSite(t)
	nobody := s.client(nil)
	j, err := nobody.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	require.Equal(t, "anonymous", get(j, "owner"))
	s.client(nil).reach(get(j, "session"), job.Done)
	code, body, _ := s.client(nil).fetch(get(j, "sandbox") + "result")
	require.Equal(t, 200, code)
	require.Equal(t, "3\n", body)
	_, err = nobody.call("list", func(*xml.Writer) {})
	_, kind := fault(t, err)
	require.Equal(t, "invalid", kind)
}

func TestProxyIsItsEndEntity(t *testing.T) {
	s := newSite(t)
	user := s.user("Ann")
	proxy, err := user.Proxy(gridtest.ProxySpec{})
	require.NoError(t, err)
	j, err := s.client(user).submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	s.client(proxy).reach(get(j, "session"), job.Done)
}

func TestBanOnTheOpenConnection(t *testing.T) {
	s := newSite(t)
	user := s.user("Ann")
	dn, err := user.DN()
	require.NoError(t, err)
	ann := s.client(user)
	connections := 0
	ann.HTTP.Transport = counting{ann.HTTP.Transport, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			connections++
		}
	}}}
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "300")
	require.NoError(t, err)
	ann.reach(get(j, "session"), job.Running)

	banned := time.Now()
	s.script.set(refuse(dn))
	_, err = ann.submit("", "add", "a", "1", "b", "2")
	f, kind := fault(t, err)
	require.Equal(t, "refused", kind)
	require.Contains(t, f.String, "banned by test")
	code, body, _ := ann.fetch(get(j, "sandbox") + "stdout")
	require.Equal(t, 403, code)
	require.Contains(t, body, "banned by test")
	var record job.Job
	require.Eventually(t, func() bool {
		record, err = s.jobs.Find(t.Context(), get(j, "session"))
		return err == nil && record.Cancel != nil
	}, time.Second, time.Millisecond)
	require.Less(t, record.Cancel.At.Sub(banned), 100*time.Millisecond)
	require.Eventually(t, func() bool {
		record, err = s.jobs.Find(t.Context(), get(j, "session"))
		return err == nil && record.State == job.Cancelled
	}, 5*time.Second, 5*time.Millisecond)
	t.Logf("ban to cancellation recorded: %v, to the end of the job: %v", record.Cancel.At.Sub(banned), record.Ended.Sub(banned))
	require.Equal(t, 1, connections, "all on one connection")

	s.script.set(usual)
	_, err = ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	last, err := ann.about("status", get(j, "session"))
	require.NoError(t, err)
	require.Contains(t, get(last, "reason"), "banned by test")
}

func TestJobStoppedAtItsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("burns five CPU seconds")
	}
	s := newSite(t)
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("1", "burn")
	require.NoError(t, err)
	require.Equal(t, "1", get(j, "grantedCpuTime"))
	last := ann.reach(get(j, "session"), job.Stopped)
	require.Contains(t, get(last, "reason"), "CPU time")
}

func TestPolicyGapDoesNotKillJobs(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	s := newSite(t, func(c *container.Config) { c.Now = clock })
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "300")
	require.NoError(t, err)
	handler, err := container.New(s.config)
	require.NoError(t, err)
	cancelled := func() bool {
		require.NoError(t, handler.Rejudge(t.Context()))
		record, err := s.jobs.Find(t.Context(), get(j, "session"))
		require.NoError(t, err)
		return record.Cancel != nil
	}
	s.script.mu.Lock() // no Watch here: Rejudge is called by hand
	s.script.decide = func(*authz.Request) authz.Response { return authz.Response{Decision: authz.Indeterminate} }
	s.script.mu.Unlock()
	require.False(t, cancelled(), "a decision point that is down ends nobody's job")
	s.script.mu.Lock()
	s.script.decide = func(*authz.Request) authz.Response { return authz.Response{Decision: authz.NotApplicable} }
	s.script.mu.Unlock()
	require.False(t, cancelled())
	now = now.Add(4 * time.Minute)
	require.False(t, cancelled())
	now = now.Add(2 * time.Minute)
	require.True(t, cancelled())
}

// TestBanBetweenDecisionAndRegistration: the jobs are judged again while one
// that was just permitted is not yet among them.
func TestBanBetweenDecisionAndRegistration(t *testing.T) {
	s := newSite(t)
	user := s.user("Ann")
	dn, err := user.DN()
	require.NoError(t, err)
	s.trail.hook = func(rec authz.Record) {
		if rec.Event == authz.EventJob && rec.Message == "registered" {
			s.script.set(refuse(dn))
			time.Sleep(100 * time.Millisecond) // Watch finds nothing to cancel
		}
	}
	j, err := s.client(user).submit("", "add", "a", "1", "b", "2", "seconds", "300")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		record, err := s.jobs.Find(t.Context(), get(j, "session"))
		require.NoError(t, err)
		return record.State == job.Cancelled
	}, 5*time.Second, 5*time.Millisecond)
}

// TestDownloadOutlastsTheServersPatience: a client that goes on reading gets
// the whole file, however long it takes.
func TestDownloadOutlastsTheServersPatience(t *testing.T) {
	s := newSite(t, func(c *container.Config) { c.Wall = time.Hour })
	ann := s.client(s.user("Ann"))
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	session := get(j, "session")
	ann.reach(session, job.Done)
	const size = 8 << 20
	require.NoError(t, os.WriteFile(filepath.Join(s.sandboxes, session[:2], session, "large"), make([]byte, size), 0o644))
	res, err := ann.HTTP.Get(get(j, "sandbox") + "large")
	require.NoError(t, err)
	defer res.Body.Close()
	n, buffer := 0, make([]byte, 1<<20)
	for {
		m, err := io.ReadFull(res.Body, buffer)
		n += m
		time.Sleep(100 * time.Millisecond)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Equal(t, size, n)
}
