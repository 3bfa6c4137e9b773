package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// play plays the story and returns an error at the first thing that does not
// come out as expected.
func (t *story) play(ctx context.Context) error {
	began := time.Now()
	for _, chapter := range []func(context.Context) error{
		t.strong, t.weak, t.anonymous, t.ban, t.others, t.overrun, t.failures,
	} {
		if err := chapter(ctx); err != nil {
			return fmt.Errorf("step %d did not come out as expected: %w", t.step, err)
		}
	}
	fmt.Fprintf(t.out, "\nEvery step came out as expected (%.1f s).\n", time.Since(began).Seconds())
	return nil
}

// strong: a good credential, its own account, the result over HTTPS.
func (t *story) strong(ctx context.Context) error {
	t.chapter("A strong credential submits sleepyAdd over SOAP")
	a, err := t.ann.submit(ctx, time.Hour, "add", "a=19", "b=23", "seconds=2")
	if err != nil {
		return err
	}
	if a["account"] != "ann" {
		return fmt.Errorf("mapped to account %q, not to ann", a["account"])
	}
	t.say(a["decision"], "Ann: accepted as account %s, CPU limit %s s, session %s", a["account"], a["grantedCpuTime"], a["session"])
	t.say("", "sandbox %s", a["sandbox"])
	looks := 0
	t.finished, err = t.ann.until(ctx, a["session"], func(a answer) { looks++; t.progress(a, looks) }, "done", "failed", "cancelled", "stopped")
	if err != nil {
		return err
	}
	if t.finished["state"] != "done" {
		return fmt.Errorf("the job is %s: %s", t.finished["state"], t.finished["reason"])
	}
	status, result, err := t.ann.fetch(ctx, a["sandbox"]+"result")
	if err != nil {
		return err
	}
	if status != http.StatusOK || result != "42" {
		return fmt.Errorf("the result is %q (HTTP %d)", result, status)
	}
	t.say("", "fetched %sresult over HTTPS: %s", shorten(a["sandbox"]), result)
	return nil
}

// progress prints a line when there is something new to see.
func (t *story) progress(a answer, looks int) {
	if looks%10 == 1 || a["state"] != "running" {
		fmt.Fprintf(t.out, "   … %s, %s s of CPU time used\n", a["state"], a["usedCpuTime"])
	}
}

func shorten(sandbox string) string {
	_, path, _ := strings.Cut(sandbox, "/sandbox/")
	return "/sandbox/" + path[:min(len(path), 11)] + "…/"
}

// weak: less trust, less time, a shared account.
func (t *story) weak(ctx context.Context) error {
	t.chapter("A weak credential asks for more CPU time than weak ones get")
	if err := t.refuse(t.wendy, ctx, "Wendy asks for 2 h", 2*time.Hour); err != nil {
		return err
	}
	return t.accept(t.wendy, ctx, "Wendy asks for 10 min", 10*time.Minute, "community")
}

// anonymous: no certificate at all.
func (t *story) anonymous(ctx context.Context) error {
	t.chapter("An anonymous caller, without a certificate")
	if err := t.accept(t.nobody, ctx, "nobody asks for 10 s", 10*time.Second, "anonymous"); err != nil {
		return err
	}
	return t.refuse(t.nobody, ctx, "nobody asks for 10 min", 10*time.Minute)
}

func (t *story) accept(c *caller, ctx context.Context, who string, cpu time.Duration, account string) error {
	a, err := c.submit(ctx, cpu, "add", "a=1", "b=2", "seconds=0")
	if err != nil {
		return err
	}
	if a["account"] != account {
		return fmt.Errorf("mapped to account %q, not to %s", a["account"], account)
	}
	t.say(a["decision"], "%s: accepted as account %s, CPU limit %s s", who, a["account"], a["grantedCpuTime"])
	return nil
}

// refuse submits and wants a refusal that says what would have been enough.
func (t *story) refuse(c *caller, ctx context.Context, who string, cpu time.Duration) error {
	r, err := refused(c.submit(ctx, cpu, "add", "a=1", "b=2", "seconds=0"))
	if err != nil {
		return err
	}
	if len(r.enough) == 0 {
		return fmt.Errorf("the refusal does not say what would have been enough: %s", r.text)
	}
	t.say(r.decision, "%s: refused; enough would be %s", who, strings.Join(r.enough, ", or "))
	return nil
}

// refused turns the answer to something that must be refused into the refusal.
func refused(a answer, err error) (*refusal, error) {
	var r *refusal
	switch {
	case err == nil:
		return nil, fmt.Errorf("it was accepted: %v", a)
	case !errors.As(err, &r):
		return nil, fmt.Errorf("it was not refused but failed: %w", err)
	}
	return r, nil
}

// ban: written otherwise than in the certificate, in force on the open
// connection, above every permit.
func (t *story) ban(ctx context.Context) (err error) {
	t.chapter("The administrator bans Ann, spelling her name another way")
	if t.running, err = t.ann.submit(ctx, time.Hour, "add", "a=1", "b=2", "seconds=600"); err != nil {
		return err
	}
	if _, err := t.ann.until(ctx, t.running["session"], func(answer) {}, "running"); err != nil {
		return err
	}
	t.say("", "Ann's long job %s… is running", t.running["session"][:8])
	ban := change.Ban{Names: []change.Name{{Attribute: "subject", Value: `cn = ANN  other, ou=People, dc=Strong, DC=test`}}, Reason: "demo"}
	waiting := t.admin.Waiting(10 * time.Second)
	began := time.Now()
	result, err := waiting.Ban(ctx, change.Request{Message: "demo"}, change.DefaultPAP, ban)
	if err != nil {
		return err
	}
	r, err := refused(t.ann.submit(ctx, time.Second, "add", "a=1", "b=2", "seconds=0"))
	took := time.Since(began)
	if err != nil {
		return err
	}
	if !t.ann.reused {
		return errors.New("the connection was not the same")
	}
	t.say(r.decision, "ban as %s: revision %d\n   submission on the same open connection: refused %.1f ms after the ban was sent",
		ban.Names[0].Value, result.Revision.Number, float64(took)/float64(time.Millisecond))
	if took > 100*time.Millisecond {
		t.say("", "(more than the 100 ms that we want; a loaded machine?)")
	}
	if err := t.stayRefused(ctx); err != nil {
		return err
	}
	if err := t.permitOnTop(ctx); err != nil {
		return err
	}
	if _, err := waiting.Unban(ctx, change.Request{Message: "demo"}, change.DefaultPAP, ban); err != nil {
		return err
	}
	return t.accept(t.ann, ctx, "un-banned: Ann", time.Hour, "ann")
}

// stayRefused looks at what the ban does to a sandbox and a running job.
func (t *story) stayRefused(ctx context.Context) error {
	status, text, err := t.ann.fetch(ctx, t.finished["sandbox"]+"result")
	if err != nil {
		return err
	}
	if status != http.StatusForbidden || !t.ann.reused {
		return fmt.Errorf("sandbox read: HTTP %d (same connection: %t): %s", status, t.ann.reused, text)
	}
	t.say("", "her sandbox on the same open connection: HTTP %d", status)
	began := time.Now()
	for {
		jobs, err := t.site.jobs.Pending(ctx)
		if err != nil {
			return err
		}
		pending := false
		for _, j := range jobs {
			pending = pending || j.ID == t.running["session"]
		}
		if !pending {
			t.say("", "her running job: cancelled")
			return nil
		}
		if time.Since(began) > 10*time.Second {
			return errors.New("her running job was not cancelled within 10 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// permitOnTop shows that no rule outranks a ban.
func (t *story) permitOnTop(ctx context.Context) error {
	rule := change.Rule{Permit: true, Names: []change.Name{{Attribute: "subject", Value: t.world.dn("ann")}}, Resource: ".*", Action: ".*"}
	added, err := t.admin.Waiting(10*time.Second).AddRule(ctx, change.Request{Message: "demo"}, change.DefaultPAP, rule)
	if err != nil {
		return err
	}
	r, err := refused(t.ann.submit(ctx, time.Second, "add", "a=1", "b=2", "seconds=0"))
	if err != nil {
		return err
	}
	t.say(r.decision, "a permit rule for her put on top of everything: still refused")
	_, err = t.admin.Waiting(10*time.Second).Remove(ctx, change.Request{Message: "demo"}, change.DefaultPAP, added.IDs...)
	return err
}

// others: what is somebody else's stays so.
func (t *story) others(ctx context.Context) error {
	t.chapter("Bob tries Ann's sandbox and Ann's job")
	status, text, err := t.bob.fetch(ctx, t.finished["sandbox"]+"result")
	if err != nil {
		return err
	}
	if status != http.StatusNotFound && status != http.StatusForbidden {
		return fmt.Errorf("sandbox read: HTTP %d: %s", status, text)
	}
	t.say("", "sandbox: HTTP %d, %s", status, text)
	r, err := refused(t.bob.onJob(ctx, "status", t.finished["session"]))
	if err != nil {
		return err
	}
	t.say(r.decision, "status: %s", r.text)
	if r, err = refused(t.bob.onJob(ctx, "cancel", t.finished["session"])); err != nil {
		return err
	}
	t.say(r.decision, "cancel: %s", r.text)
	return nil
}

// overrun: a job that takes more than it was granted.
func (t *story) overrun(ctx context.Context) error {
	t.chapter("A job burns more CPU time than it was granted")
	a, err := t.bob.submit(ctx, time.Second, "burn", "rounds=1000000000")
	if err != nil {
		return err
	}
	looks := 0
	if a, err = t.bob.until(ctx, a["session"], func(a answer) { looks++; t.progress(a, looks) }, "stopped", "done", "failed", "cancelled"); err != nil {
		return err
	}
	if a["state"] != "stopped" {
		return fmt.Errorf("the job is %s", a["state"])
	}
	t.say("", "Bob's job: %s after %s s of CPU time: %s", a["state"], a["usedCpuTime"], a["reason"])
	return nil
}

// failures: what goes wrong refuses.
func (t *story) failures(ctx context.Context) error {
	t.chapter("Whatever goes wrong refuses")
	policy := change.File{Name: "unfulfillable.spl", Text: `spl 2
resource ".*" {
    action ".*" {
        rule permit {
            subject = "` + t.world.dn("bob") + `"
            obligation "urn:demo:stand-on-one-leg" { }
        }
    }
}
`}
	// Bottom is not set and Before names the first, so that it is tried first.
	units, err := t.admin.Units(ctx, change.DefaultPAP)
	if err != nil {
		return err
	}
	at := change.At{}
	if len(units) > 0 {
		at.Before = units[0].ID
	}
	added, err := t.admin.Waiting(10*time.Second).AddFile(ctx, change.Request{Message: "demo"}, change.DefaultPAP, policy, at)
	if err != nil {
		return err
	}
	r, err := refused(t.bob.submit(ctx, time.Second, "add", "a=1", "b=2", "seconds=0"))
	if err != nil {
		return err
	}
	t.say(r.decision, "a permit with the obligation %q, which nobody can fulfil: refused", "urn:demo:stand-on-one-leg")
	if _, err := t.admin.Waiting(10*time.Second).Remove(ctx, change.Request{Message: "demo"}, change.DefaultPAP, added.IDs...); err != nil {
		return err
	}
	t.plug.out.Store(true)
	if r, err = refused(t.bob.submit(ctx, time.Second, "add", "a=1", "b=2", "seconds=0")); err != nil {
		return err
	}
	t.say(r.decision, "the decision point is down: refused")
	t.plug.out.Store(false)
	return t.accept(t.bob, ctx, "it is back: Bob", time.Hour, "bob")
}
