package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/gatehouse-authz/gatehouse/internal/sheet"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// clean makes text from elsewhere harmless on a terminal: control characters
// and those that turn the direction of writing become visible escapes. Line
// ends and tabs stay.
func clean(s string) string {
	if !strings.ContainsFunc(s, dangerous) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !dangerous(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

func dangerous(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 ||
		0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e || 0x2060 <= r && r <= 0x206f || r == 0xfeff
}

// oneLine also shows line ends and tabs: the text is one item of many.
func oneLine(s string) string {
	return clean(strings.NewReplacer("\n", `\x0a`, "\t", `\x09`).Replace(s))
}

// cleaner cleans all that is written through it.
type cleaner struct{ to io.Writer }

func (c cleaner) Write(p []byte) (int, error) {
	_, err := io.WriteString(c.to, clean(string(p)))
	return len(p), err
}

func (a *app) json(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// done reports what a change came to: as JSON, or with -v the given words. A
// change that is not in force everywhere is done in part.
func (a *app) done(result change.Result, words string) error {
	if a.output == "json" {
		if err := a.json(result); err != nil {
			return err
		}
	} else if a.verbose && words != "" {
		state := "revision " + result.Revision.String()
		if !result.Changed {
			state += ", unchanged"
		}
		fmt.Fprintf(a.out, "%s (%s)\n", clean(words), state)
	}
	if len(result.Pending) == 0 {
		if a.verbose && a.wait >= 0 && a.output == "text" {
			fmt.Fprintln(a.out, "in force everywhere")
		}
		return nil
	}
	var names []string
	for _, f := range result.Pending {
		names = append(names, fmt.Sprintf("  %s (at revision %d, last heard of %s)", oneLine(f.Name), f.Settled.Number, stamp(f.Seen)))
	}
	return &coded{exitPartial, fmt.Errorf("done at revision %d, but not yet in force at:\n%s", result.Revision.Number, strings.Join(names, "\n"))}
}

// lines is a table for people.
type lines struct{ *sheet.Sheet }

// table makes one that fits, or with -v one that leaves nothing out.
func (a *app) table(columns ...string) lines {
	s := sheet.New(a.out, columns...)
	if a.verbose {
		s.Wide()
	}
	return lines{s}
}

// row adds a line; a cell keeps its line ends and nothing else that steers.
func (l lines) row(cells ...string) {
	for i, c := range cells {
		parts := strings.Split(c, "\n")
		for j := range parts {
			parts[j] = oneLine(parts[j])
		}
		cells[i] = strings.Join(parts, "\n")
	}
	l.Row(cells...)
}

// author is who changed something: of a distinguished name only what people call
// each other by, unless -v wants all.
func (a *app) author(name string) string {
	cn := strings.LastIndex(name, "/CN=")
	if cn > 0 && name[0] == '/' && !strings.Contains(name, `\`) && !a.verbose { // not out of the middle of a token's subject
		return name[cn+len("/CN="):]
	}
	return name
}

// stamp is a time in UTC, as in the audit trail and in what gatehouse prints.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// minute is shorter, where many columns stand side by side.
func minute(t time.Time) string { return strings.TrimSuffix(stamp(t.Truncate(time.Minute)), ":00") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// bar shows that something takes long: after two seconds, on a terminal.
type bar struct {
	mu    sync.Mutex // over shown, which options may not be set on while it is used
	shown *progressbar.ProgressBar
	stop  chan struct{}
	ended chan struct{}
}

// patience is how long silence is fine.
const patience = 2 * time.Second

// progress starts a bar of a number of steps; 0 is unknown.
func (a *app) progress(what string, steps int) *bar {
	f, ok := a.errs.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	if steps == 0 {
		steps = -1
	}
	b := &bar{stop: make(chan struct{}), ended: make(chan struct{})}
	b.shown = progressbar.NewOptions(steps, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
		progressbar.OptionSetVisibility(false), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	go b.watch()
	return b
}

// watch makes the bar visible when patience ends and keeps its clock going.
func (b *bar) watch() {
	defer close(b.ended)
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-wait.C:
			b.mu.Lock()
			progressbar.OptionSetVisibility(true)(b.shown)
			_ = b.shown.RenderBlank()
			b.mu.Unlock()
			wait.Reset(time.Second)
		}
	}
}

func (b *bar) add(n int) {
	if b.shown == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.shown.Add(n)
}

func (b *bar) done() {
	if b.shown == nil {
		return
	}
	close(b.stop)
	<-b.ended
	_ = b.shown.Finish()
}

// version is the module version, or the commit that the program was built of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
