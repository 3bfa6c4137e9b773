package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gorilla/mux"
)

// right is one thing that a caller must be allowed.
type right struct{ action, pap string }

func (r right) resource() string { return "pap:" + r.pap }

// everyPAP stands in a resource id where an operation concerns all PAPs.
const everyPAP = "*"

// needs returns rights on the PAP of the path, or on all.
func needs(actions ...string) func(*call) []right {
	return func(c *call) []right {
		rights := make([]right, len(actions))
		for i, a := range actions {
			rights[i] = on(a, c.alias())
		}
		return rights
	}
}

func nothing(*call) []right { return nil }

// on returns the right to act on a PAP. ⚿ What the PAP "admin" says is
// configuration: the right to write policy must not be one to make oneself an
// administrator.
func on(action, pap string) right {
	if pap != change.AdminPAP {
		return right{action, pap}
	}
	switch action {
	case profile.ActionPolicyRead:
		action = profile.ActionConfigRead
	case profile.ActionPolicyWrite, profile.ActionBan:
		action = profile.ActionConfigWrite
	}
	return right{action, pap}
}

// alias returns the PAP that the path names.
func (c *call) alias() string {
	if a := c.vars["alias"]; a != "" {
		return a
	}
	return everyPAP
}

// identify says who is calling. ⚿ A credential that does not stand is refused
// here: it is no anonymous caller, and no rule is asked about it.
func (c *call) identify() error {
	caller, err := c.o.Caller(c.r)
	if err == nil && caller == nil {
		err = errors.New("no caller")
	}
	if err != nil {
		return c.refuseCaller(err)
	}
	asked := *caller
	asked.Attributes = append([]authz.Attribute(nil), caller.Attributes...)
	if asked.ID == "" {
		asked.ID = c.caller.ID
	}
	if asked.Peer == "" {
		asked.Peer = c.r.RemoteAddr
	}
	c.caller = &asked
	if c.author.Name = nameOf(&asked); c.author.Name == "" {
		return c.refuseCaller(errors.New("the caller has no name"))
	}
	c.author.Via, c.author.Peer = "socket", c.r.RemoteAddr
	if c.r.TLS != nil {
		c.author.Via = "tls"
	}
	if err := c.verdict(); err != nil {
		return err
	}
	for _, v := range asked.Values(authz.Subject, profile.LimitedProxy) {
		if v.Text() != "false" && v.Text() != "0" {
			return c.refuseCaller(errors.New("a limited proxy cannot administer"))
		}
	}
	return nil
}

// verdict refuses a credential that does not stand now.
func (c *call) verdict() error {
	if c.caller.Credential == nil {
		return nil
	}
	if err := c.caller.Credential.Verdict(); err != nil {
		return c.refuseCaller(err)
	}
	return nil
}

// again judges and authorizes a caller who has waited.
func (c *call) again() error {
	if err := c.verdict(); err != nil {
		return err
	}
	return c.authorize(c.op.rights(c)...)
}

func nameOf(r *authz.Request) string {
	if r.Credential != nil && r.Credential.Subject != "" {
		return r.Credential.Subject
	}
	v, _ := r.Verified(authz.Subject, profile.SubjectID)
	return v.Text()
}

// read takes what every operation has: path, query and headers.
func (c *call) read() (err error) {
	for name, escaped := range mux.Vars(c.r) {
		if c.vars[name], err = url.PathUnescape(escaped); err != nil {
			return fmt.Errorf("%w: path: %w", change.ErrInvalid, err)
		}
		if err := oneLine(name, c.vars[name], 1024); err != nil {
			return err
		}
	}
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return fmt.Errorf("%w: query: %w", change.ErrInvalid, err)
	}
	if !c.op.changes {
		return nil
	}
	return c.readConditions()
}

func (c *call) readConditions() (err error) {
	c.request = change.Request{
		Author: c.author, Message: c.r.Header.Get("X-Message"), Key: c.r.Header.Get("Idempotency-Key"),
		Force: c.query.Get("force") == "true",
	}
	if err := errors.Join(oneLine("X-Message", c.request.Message, 8192), oneLine("Idempotency-Key", c.request.Key, 256)); err != nil {
		return err
	}
	if c.request.IfMatch, err = ParseRevision(c.r.Header.Get("If-Match")); err != nil {
		return err
	}
	if at := c.request.IfMatch; at.Number > 0 && at.Lineage == "" {
		now, err := c.o.Service.Revision(c.r.Context())
		if err != nil {
			return err
		}
		c.request.IfMatch.Lineage = now.Lineage
	}
	c.wait = -1
	if c.query.Has("wait") {
		c.wait, err = duration(c.query.Get("wait"), DefaultWait, MaxWait)
	}
	return err
}

// authorize asks for the rights, and leaves a record if the operation is a
// change or refused.
func (c *call) authorize(rights ...right) error {
	for _, r := range rights {
		answer, err := c.decide(r)
		if err != nil || !answer.Permitted() {
			_ = c.record(authz.EventDecision, r, answer, err, c.op.name) // refused, recorded or not
			return refusal(answer, c.caller.ID, r)
		}
		if !c.op.changes {
			continue
		}
		err = c.record(authz.EventDecision, r, answer, nil, c.op.name)
		if err != nil && !c.op.narrows {
			return fmt.Errorf("%w: the audit trail cannot be written, so nothing but bans is accepted", ErrUnavailable)
		}
	}
	return nil
}

func (c *call) decide(r right) (authz.Response, error) {
	ask := *c.caller
	ask.Attributes = append([]authz.Attribute(nil), c.caller.Attributes...)
	ask.Add(authz.Action, profile.ActionID, authz.StringValue(r.action))
	ask.Add(authz.Resource, profile.ResourceID, authz.StringValue(r.resource()))
	answer, err := c.o.Decider.Decide(c.r.Context(), &ask)
	if err != nil {
		return authz.Response{}, err
	}
	if answer.Permitted() && len(answer.Obligations) > 0 {
		answer.Decision = authz.Indeterminate
		return answer, fmt.Errorf("obligation %s of the permit is not understood here", answer.Obligations[0].ID)
	}
	return answer, nil
}

// refusal is what a refused caller may read: the right they lack, the author's
// words and the decision id, never the rule.
func refusal(answer authz.Response, id string, r right) error {
	e := &Error{Kind: KindRefused, Decision: id}
	e.Message = fmt.Sprintf("refused: no right to %s on %s", r.action[strings.LastIndex(r.action, "pap/")+len("pap/"):], r.resource())
	if answer.Reason != nil && answer.Reason.Because != "" {
		e.Message += ": " + answer.Reason.Because
	}
	e.Message += " (decision " + id + ")"
	return e
}

// refuseCaller refuses before any rule is asked.
func (c *call) refuseCaller(cause error) error {
	_ = c.record(authz.EventRefused, right{pap: c.alias()}, authz.Response{Decision: authz.Deny}, cause, c.op.name)
	return &Error{
		Kind: KindRefused, Decision: c.caller.ID,
		Message: fmt.Sprintf("refused: %v (decision %s)", cause, c.caller.ID),
	}
}

// record writes one line of the audit trail. What cannot be written is in the
// log; whoever was about to permit refuses.
func (c *call) record(event authz.Event, r right, answer authz.Response, cause error, message string) error {
	rec := c.line(event, r, message)
	rec.Decision, rec.Reason, rec.Revision = answer.Decision.String(), answer.Reason, answer.Revision
	if cause != nil {
		rec.Cause = cause.Error()
	}
	return c.write(rec)
}

// recordChange writes what came of a change that was permitted.
func (c *call) recordChange(result change.Result, cause error) {
	r := right{pap: c.alias()}
	if rights := c.op.rights(c); len(rights) > 0 {
		r = rights[0]
	}
	rec := c.line(authz.EventChange, r, c.op.name)
	if c.request.Message != "" {
		rec.Message += ": " + c.request.Message
	}
	rec.Decision, rec.Revision = "done", result.Revision
	switch {
	case cause != nil:
		rec.Decision, rec.Cause = "failed", cause.Error()
	case !result.Changed:
		rec.Decision = "unchanged"
	}
	// The change stands, recorded or not: its own history has it too.
	_ = c.write(rec)
}

func (c *call) line(event authz.Event, r right, message string) authz.Record {
	rec := authz.Record{
		Time: c.o.Clock(), Event: event, ID: c.caller.ID, Process: "pap", Peer: c.caller.Peer,
		Subject: c.author.Name, Action: r.action, Resource: r.resource(), Message: message,
	}
	if rec.Peer == "" || rec.Peer == "@" {
		rec.Peer = c.author.Via
	}
	return rec
}

func (c *call) write(rec authz.Record) error {
	err := c.o.Recorder.Record(context.WithoutCancel(c.r.Context()), rec)
	if err != nil {
		c.o.Log.Error("the audit trail cannot be written", "error", err, "id", rec.ID, "event", rec.Event,
			"subject", rec.Subject, "action", rec.Action, "resource", rec.Resource, "decision", rec.Decision, "time", rec.Time.Format(time.RFC3339))
	}
	return err
}
