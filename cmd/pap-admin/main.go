// Command pap-admin administers a policy administration point: it bans and lifts
// bans, adds, lists, moves and removes policies, and shows what was changed by
// whom. It takes the commands, aliases, options and exit codes of Argus's
// pap-admin and speaks the JSON administration of package pap/api. One file per
// group of verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// The exit codes, Argus's.
const (
	exitOK      = 0
	exitPartial = 1 // done, but not yet in force everywhere, or not for all
	exitFailure = 2 // nothing done: it is not there
	exitInit    = 3 // no usable credential, trust directory or address
	exitUsage   = 4 // wrong arguments
	exitRemote  = 5 // the PAP refused, or does not answer
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// run is the whole program, apart from the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer, env func(string) string) int {
	a := &app{in: in, out: out, errs: errs, env: env}
	root := a.root()
	root.SetArgs(argusSpelling(args))
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if a.close != nil {
		a.close()
	}
	return a.report(err)
}

// coded is an error with its exit code.
type coded struct {
	code  int
	cause error
}

func (e *coded) Error() string { return e.cause.Error() }
func (e *coded) Unwrap() error { return e.cause }

func usage(format string, args ...any) error {
	return &coded{exitUsage, fmt.Errorf(format, args...)}
}

func failure(format string, args ...any) error {
	return &coded{exitFailure, fmt.Errorf(format, args...)}
}

func unusable(err error) error {
	if err == nil {
		return nil
	}
	return &coded{exitUsage, err}
}

// report writes an error in Argus's way and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	code, prefix := exitRemote, "Error: "
	if c := (*coded)(nil); errors.As(err, &c) {
		code = c.code
	} else if !a.asked { // cobra's own words about arguments
		code = exitUsage
	}
	switch code {
	case exitUsage:
		prefix = "\nParse error: "
	case exitPartial, exitFailure:
		prefix = ""
	}
	fmt.Fprintln(a.errs, prefix+clean(err.Error()))
	if hint := hint(err); hint != "" {
		fmt.Fprintln(a.errs, hint)
	}
	return code
}

// hint says what to do about the errors that have one remedy.
func hint(err error) string {
	switch {
	case errors.Is(err, change.ErrLarge):
		return "If that is what you want, repeat the command with --force."
	case errors.Is(err, change.ErrConflict):
		return "Look at the history, then decide again."
	case errors.Is(err, api.ErrRefused):
		return "Your certificate lacks this right: ask an administrator of the PAP, and give them the decision id."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there: is the PAP running, and are --host and --port right?"
	case errors.Is(err, syscall.ENOENT) && errors.As(err, new(*net.OpError)):
		return "There is no such socket: is the PAP running, and is --socket right (<data>/pap.sock)?"
	case errors.Is(err, context.Canceled):
		return "Interrupted: what was acknowledged before holds."
	}
	return ""
}
