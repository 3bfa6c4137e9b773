package container

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// submit asks for a job, and registers what was granted.
func (c *Container) submit(r *http.Request, s *service.Deployed, o order) (soap.Body, error) {
	values, err := o.method.Check(o.values)
	if err != nil {
		return nil, invalid(s.Name, err)
	}
	arguments, err := o.method.Vector(values)
	if err != nil {
		return nil, invalid(s.Name, err)
	}
	requested, err := o.method.Request(o.requested, values)
	if err != nil {
		return nil, invalid(s.Name, err)
	}
	who := callerOf(r)
	if err := job.CheckKey(who.owner, o.key); err != nil {
		return nil, invalid(s.Name, err)
	}
	ask := c.aboutService(who, s.Name, profile.ActionSubmit)
	ask.Add(authz.Action, profile.Method, authz.StringValue(o.method.Name))
	ask.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(int64(requested/time.Second)))
	outcome := c.enforce(r, ask)
	if !outcome.Permit {
		return nil, refused(s.Name, outcome)
	}
	granted := c.granted(outcome, requested)
	if granted.Account.IsZero() || granted.CPU < time.Second || granted.Wall < time.Second {
		return nil, c.nothing(s.Name, outcome)
	}
	j, err := c.config.Jobs.Register(r.Context(), job.Submission{
		Owner: who.owner, Service: s.Name, Method: o.method.Name,
		Path: s.Path, Content: s.Content, Arguments: arguments,
		Requested: requested, Granted: granted,
		Asked: job.Freeze(outcome.Request.Attributes), Key: o.key,
	})
	if err != nil {
		return nil, c.jobFault(s.Name, nil, err)
	}
	c.catchUp(r.Context(), &j)
	return c.answer(r, s, "submit", j)
}

// enforce asks. A permit that leaves something to carry out is none: the
// container carries out nothing beyond account and limits.
func (c *Container) enforce(r *http.Request, ask *authz.Request) pep.Outcome {
	o := c.config.Enforcer.Enforce(r.Context(), ask)
	if o.Permit && (len(o.Response.Obligations) > 0 || o.Request == nil) {
		c.config.Log.Error("permit with obligations that the container does not carry out", "decision", o.ID)
		return refusal(o, "an obligation of the permit cannot be carried out here")
	}
	return o
}

// refusal takes a permit back.
func refusal(o pep.Outcome, because string) pep.Outcome {
	return pep.Outcome{ID: o.ID, Request: o.Request, Response: authz.Response{
		Decision: authz.Deny, Revision: o.Response.Revision, Reason: &authz.Reason{Because: because},
	}}
}

// nothing is the fault for a permit that nobody can act on.
func (c *Container) nothing(service string, o pep.Outcome) error {
	why := "you are permitted, but to no CPU time"
	if o.Effects.Account.IsZero() {
		why = "you are permitted, but no local account is set up for you here"
	}
	c.config.Log.Warn("a permit that grants nothing", "decision", o.ID, "why", why)
	return refused(service, refusal(o, why))
}

// granted takes the limits of a decision, which only ever tighten.
func (c *Container) granted(o pep.Outcome, requested time.Duration) job.Granted {
	g := job.Granted{Account: o.Effects.Account, CPU: requested, Wall: c.config.Wall, Revision: o.Response.Revision, Decision: o.ID}
	if o.Effects.CPUTime.Set {
		g.CPU = min(g.CPU, o.Effects.CPUTime.Most)
	}
	if o.Effects.WallTime.Set {
		g.Wall = min(g.Wall, o.Effects.WallTime.Most)
	}
	return g
}

// jobOperation is an operation on one job.
type jobOperation func(r *http.Request, s *service.Deployed, id string) (soap.Body, error)

// permitted asks both questions about an operation on a job and returns the job.
func (c *Container) permitted(r *http.Request, s *service.Deployed, action, id string) (job.Job, pep.Outcome, error) {
	who := callerOf(r)
	first := c.enforce(r, c.aboutService(who, s.Name, action))
	if !first.Permit {
		return job.Job{}, first, refused(s.Name, first)
	}
	j, err := c.config.Jobs.Find(r.Context(), id)
	if err != nil && !errors.Is(err, job.ErrUnknown) {
		return job.Job{}, first, c.jobFault(s.Name, nil, err)
	}
	var found *job.Job
	if err == nil && j.Service == s.Name {
		found = &j
	}
	second := c.enforce(r, c.aboutJob(who, "job", action, id, found))
	owns := found != nil && who.owner.Owns(found.Owner)
	if found == nil || !owns && !(c.config.Operators && second.Permit) {
		return job.Job{}, second, unknownJob(s.Name, second.ID, id)
	}
	if !second.Permit {
		return job.Job{}, second, refused(s.Name, second)
	}
	return j, second, nil
}

func (c *Container) status(r *http.Request, s *service.Deployed, id string) (soap.Body, error) {
	j, _, err := c.permitted(r, s, profile.ActionJobInfo, id)
	if err != nil {
		return nil, err
	}
	return c.answer(r, s, "status", j)
}

func (c *Container) cancel(r *http.Request, s *service.Deployed, id string) (soap.Body, error) {
	_, outcome, err := c.permitted(r, s, profile.ActionTerminate, id)
	if err != nil {
		return nil, err
	}
	by := callerOf(r).name()
	j, err := c.config.Jobs.Cancel(r.Context(), id, job.Cancellation{By: by, Why: "cancelled by " + by, Decision: outcome.ID})
	if err != nil {
		return nil, c.conflict(r, s, id, outcome, err)
	}
	return c.answer(r, s, "cancel", j)
}

func (c *Container) purge(r *http.Request, s *service.Deployed, id string) (soap.Body, error) {
	_, outcome, err := c.permitted(r, s, profile.ActionTerminate, id)
	if err != nil {
		return nil, err
	}
	if err := c.config.Jobs.Purge(r.Context(), id); err != nil {
		return nil, c.conflict(r, s, id, outcome, err)
	}
	return c.wrap(s, "purgeResponse", func(w *xml.Writer) { w.Leaf("r:session", id) }), nil
}

// conflict answers with the state that the job is in now.
func (c *Container) conflict(r *http.Request, s *service.Deployed, id string, o pep.Outcome, err error) error {
	now, e := c.config.Jobs.Find(r.Context(), id)
	if errors.Is(e, job.ErrUnknown) || errors.Is(err, job.ErrUnknown) {
		return unknownJob(s.Name, o.ID, id)
	}
	return c.jobFault(s.Name, &now, err)
}

func (c *Container) list(r *http.Request, s *service.Deployed, behind string) (soap.Body, error) {
	who := callerOf(r)
	outcome := c.enforce(r, c.aboutService(who, s.Name, profile.ActionJobInfo))
	if !outcome.Permit {
		return nil, refused(s.Name, outcome)
	}
	if who.owner.Anonymous() {
		return nil, invalid(s.Name, errors.New("an anonymous caller has no list: ask for the status of each session"))
	}
	jobs, err := c.config.Jobs.List(r.Context(), who.owner, behind, MaxList)
	if err != nil {
		return nil, c.jobFault(s.Name, nil, err)
	}
	address, err := c.address(r)
	if err != nil {
		return nil, invalid(s.Name, err)
	}
	return c.wrap(s, "listResponse", func(w *xml.Writer) {
		for i := range jobs {
			if jobs[i].Service == s.Name {
				writeJob(w, address, &jobs[i])
			}
		}
		w.Leaf("r:more", strconv.FormatBool(len(jobs) == MaxList))
	}), nil
}

// answer is the answer that holds one job.
func (c *Container) answer(r *http.Request, s *service.Deployed, operation string, j job.Job) (soap.Body, error) {
	address, err := c.address(r)
	if err != nil {
		return nil, invalid(s.Name, err)
	}
	return c.wrap(s, operation+"Response", func(w *xml.Writer) { writeJob(w, address, &j) }), nil
}

func (c *Container) wrap(s *service.Deployed, name string, children func(w *xml.Writer)) soap.Body {
	return func(w *xml.Writer) {
		w.Start("r:" + name)
		w.Namespace("r", Namespace(s.Name))
		children(w)
		w.End()
	}
}

// writeJob writes the fields of jobFields, in their order.
func writeJob(w *xml.Writer, address string, j *job.Job) {
	leaf := func(name, text string, optional bool) {
		if !optional || text != "" {
			w.Leaf("r:"+name, xml.Clean(text))
		}
	}
	w.Start("r:job")
	leaf("session", j.ID, false)
	leaf("sandbox", address+"/sandbox/"+sandbox.Dir(j.ID)+"/", false)
	leaf("method", j.Method, false)
	leaf("state", string(j.State), false)
	leaf("registered", instant(j.Registered), false)
	leaf("started", instant(j.Started), true)
	leaf("ended", instant(j.Ended), true)
	leaf("requestedCpuTime", seconds(j.Requested), false)
	leaf("grantedCpuTime", seconds(j.Granted.CPU), false)
	leaf("grantedWallTime", seconds(j.Granted.Wall), false)
	leaf("usedCpuTime", fmt.Sprintf("%.3f", j.CPU.Seconds()), false)
	leaf("owner", j.Owner.String(), false)
	leaf("account", j.Granted.Account.Name, false)
	leaf("decision", j.Granted.Decision, false)
	leaf("revision", j.Granted.Revision.String(), false)
	if j.Exit != nil {
		leaf("exitCode", strconv.Itoa(j.Exit.Code), false)
		leaf("signal", j.Exit.Signal, true)
		leaf("reason", j.Exit.Why, true)
	} else if j.Cancel != nil {
		leaf("reason", "being cancelled: "+j.Cancel.Why, false)
	}
	w.End()
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
