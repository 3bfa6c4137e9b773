package container

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// sandbox answers GET /sandbox/<2>/<id>/<path>.
func (c *Container) sandbox(w http.ResponseWriter, r *http.Request) {
	id, path, err := sandboxPath(r.URL.EscapedPath())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	j, outcome, ok := c.mayRead(w, r, id, path)
	if !ok {
		return
	}
	s := sandbox.Session{ID: id, Account: j.Granted.Account, Revision: outcome.Response.Revision, Decision: outcome.ID}
	err = sandbox.Serve(w, r, c.config.Files, s, path)
	switch {
	case err == nil:
	case errors.Is(err, sandbox.ErrPath) && path == "" && !j.State.Final():
		http.Error(w, "the sandbox is made when the job starts; it is "+string(j.State), http.StatusNotFound)
	case errors.Is(err, sandbox.ErrPath):
		http.Error(w, "there is no such file in the sandbox, or it is a link, a pipe or a device, which are not served", http.StatusNotFound)
	default:
		c.config.Log.Error("sandbox cannot be read", "job", j.Tag(), "error", err)
		http.Error(w, "the sandbox cannot be read now: try again later", http.StatusServiceUnavailable)
	}
}

// sandboxPath splits the path as it was sent. What is no plain path is refused
// before anybody is asked about it.
func sandboxPath(escaped string) (id, path string, err error) {
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return "", "", errors.New("the path is not validly escaped")
	}
	rest := strings.TrimPrefix(plain, "/sandbox/")
	two, rest, _ := strings.Cut(rest, "/")
	id, path, _ = strings.Cut(rest, "/")
	if !sandbox.ValidID(id) || two != id[:2] {
		return "", "", errors.New("want /sandbox/<first two digits>/<session id>/<path>; the levels above a session are not listed")
	}
	path, err = sandbox.Clean(path)
	return id, path, err
}

// mayRead asks both questions, and answers the client itself on a refusal.
// Who does not own the sandbox reads the same as about one that is not there.
func (c *Container) mayRead(w http.ResponseWriter, r *http.Request, id, path string) (job.Job, pep.Outcome, bool) {
	j, err := c.config.Jobs.Find(r.Context(), id)
	if err != nil && !errors.Is(err, job.ErrUnknown) {
		c.config.Log.Error("job cannot be found", "job", job.Tag(id), "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return job.Job{}, pep.Outcome{}, false
	}
	var found *job.Job
	if err == nil {
		found = &j
	}
	who := callerOf(r)
	first := c.enforce(r, c.aboutService(who, j.Service, profile.ActionSandboxRead))
	ask := c.aboutJob(who, "sandbox", profile.ActionSandboxRead, id, found)
	ask.Add(authz.Resource, profile.SandboxPath, authz.StringValue(path))
	second := c.enforce(r, ask)
	owns := found != nil && who.owner.Owns(found.Owner)
	both := first.Permit && second.Permit
	switch {
	case found == nil || !owns && !(c.config.Operators && both):
		http.Error(w, "you have no such sandbox (decision "+second.ID+")", http.StatusNotFound)
	case !first.Permit:
		http.Error(w, first.Message(), http.StatusForbidden)
	case !second.Permit:
		http.Error(w, second.Message(), http.StatusForbidden)
	default:
		return j, second, true
	}
	return job.Job{}, second, false
}
