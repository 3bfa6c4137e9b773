package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
)

// demoTime bounds the whole story.
const demoTime = 3 * time.Minute

func newDemo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play the main story on loopback ports: jobs, limits, a ban, refusals",
		Long: `Demo makes a throw-away PKI and store in a temporary directory, runs PAP, PDP,
PEP and the SOAP container in this process on loopback ports over mutual TLS,
and plays a story, one line for each thing that happens. The exit code is 0
only if everything came out as expected.`,
		Example: "  gatehouse demo\n  gatehouse demo --keep    # leave everything running, with commands to try",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running afterwards")
	return cmd
}

func demo(ctx context.Context, out io.Writer, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nlogs and data are left in %s", err, dir)
			return
		}
		err = removeAll(dir)
	}()
	// Jobs of another uid must be able to reach their sandboxes.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	w, err := openWorld(dir)
	if err != nil {
		return err
	}
	logs, err := os.Create(w.path("gatehouse.log"))
	if err != nil {
		return err
	}
	defer logs.Close()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := newSite(running, w.config, slog.New(slog.NewJSONHandler(logs, nil)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	plug := &plug{Decider: s.enforcer.Decider}
	s.enforcer.Decider = plug

	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	t, err := newStory(out, w, s, plug)
	if err != nil {
		return err
	}
	t.introduce(logs.Name())
	limited, stop := context.WithTimeout(ctx, demoTime)
	defer stop()
	if err := t.play(limited); err != nil || !keep {
		return err
	}
	fmt.Fprintf(out, "\nEverything goes on until you press Ctrl-C. In another terminal:\n%s%s", w.hints(t.pap, t.base), w.questions())
	select {
	case <-ctx.Done():
	case err = <-ended:
		ended <- nil
	}
	return err
}

// removeAll removes the directory once the supervisors of the last jobs, which
// outlive this process by design, have written their records.
func removeAll(dir string) (err error) {
	for range 50 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// plug is a decision point that can be taken away: while out, it answers
// nothing, as one that is down.
type plug struct {
	authz.Decider
	out atomic.Bool
}

var errUnplugged = errors.New("the decision point does not answer")

// Decide implements authz.Decider.
func (p *plug) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	if p.out.Load() {
		return authz.Response{}, errUnplugged
	}
	return p.Decider.Decide(ctx, r)
}

// story is the state of a demo under way.
type story struct {
	out   io.Writer
	world *world
	site  *site
	plug  *plug
	admin *api.Client
	base  string // of the container
	pap   string // host:port

	ann, bob, wendy, nobody *caller
	step                    int
	finished                answer // Ann's first job
	running                 answer // Ann's long job
}

func newStory(out io.Writer, w *world, s *site, p *plug) (*story, error) {
	t := &story{out: out, world: w, site: s, plug: p}
	t.base, t.pap = s.containerHere(), s.papHere()
	for file, c := range map[string]**caller{"ann": &t.ann, "bob": &t.bob, "wendy": &t.wendy, "": &t.nobody} {
		var err error
		if *c, err = w.caller(file, t.base); err != nil {
			return nil, err
		}
	}
	admin, err := w.caller("admin", t.base)
	if err != nil {
		return nil, err
	}
	t.admin, err = api.NewClient(admin.http, "https://"+t.pap)
	return t, err
}

func (t *story) introduce(log string) {
	me := "the invoking user"
	if u, err := user.Current(); err == nil {
		me = u.Username
	}
	if os.Geteuid() == 0 {
		me = "uid 65534 without groups, because root started this"
	}
	fmt.Fprintf(t.out, "PAP at %s, container at %s, everything in %s\n", t.pap, t.base, filepath.Dir(log))
	fmt.Fprintf(t.out, "run-as-invoking-user: jobs run as %s; the account that was granted is recorded and shown\n", me)
}

// say prints one line of the story: what happened, who decided, how long it
// took.
func (t *story) say(decision, format string, args ...any) {
	fmt.Fprintf(t.out, "   %s\n", fmt.Sprintf(format, args...))
	if why := t.because(decision); why != "" {
		fmt.Fprintf(t.out, "      %s\n", why)
	}
}

// because looks a decision up in the audit trail, as an administrator would.
func (t *story) because(decision string) string {
	if decision == "" {
		return ""
	}
	records := t.site.audit.Find(decision)
	if len(records) == 0 {
		return ""
	}
	r := records[0]
	by := rule(r.Reason)
	if r.Cause != "" {
		by = r.Cause
	}
	return fmt.Sprintf("%s (%s), revision %d, in %.2f ms", r.Decision, by, r.Revision.Number, float64(r.Duration)/float64(time.Millisecond))
}

// rule names policy, rule and place, ids cut to what tells them apart.
func rule(r *authz.Reason) string {
	if r == nil {
		return "no rule applied"
	}
	short := func(id string) string { return id[:min(len(id), 12)] }
	switch {
	case r.Ban:
		return "ban " + short(strings.TrimPrefix(r.Rule, "ban-")) + " of PAP " + r.PAP
	case r.Position == "":
		return "policy " + short(r.Policy)
	}
	return fmt.Sprintf("policy %s, rule %s at %s", short(r.Policy), short(r.Rule), r.Position)
}

func (t *story) chapter(title string) {
	t.step++
	fmt.Fprintf(t.out, "\n%d. %s\n", t.step, title)
}
