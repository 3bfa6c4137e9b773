// Command gatehouse-launch is the one part of Gatehouse that runs as root. It
// starts and ends jobs and opens their files under the accounts of their
// owners, for local peers that are named in its configuration, and only on a
// grant signed by the mapping side (see container/launch). It never reads the
// network, and it must never be installed setuid.
//
//	gatehouse-launch -config FILE          serve until SIGTERM; jobs go on
//	gatehouse-launch check -config FILE    validate without serving
//	gatehouse-launch keys -private FILE -public FILE
//	                                       make the mapping side's key pair
//
// Under systemd the unit needs KillMode=process and Delegate=yes: the
// supervisors of the jobs live in the unit's control group and must outlive it.
//
// Exit status: 0, or 1 with a message on standard error; 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"golang.org/x/sys/unix"
)

func main() {
	warden.Stage()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

var errUsage = errors.New("usage: gatehouse-launch [check] -config FILE | keys -private FILE -public FILE; see gatehouse-launch -help")

const help = `gatehouse-launch starts and ends jobs and opens their files as the accounts of
their owners. It runs as root, reads no network, and does nothing without a grant.

  gatehouse-launch -config FILE          serve until SIGTERM; jobs go on
  gatehouse-launch check -config FILE    validate the configuration, say nothing if it is usable
  gatehouse-launch keys -private FILE -public FILE
                                         make the key pair for grants

Examples:
  gatehouse-launch check -config /etc/gatehouse/launch.yaml
  gatehouse-launch keys -private /etc/gatehouse/signer/grant.key -public /etc/gatehouse/grant.pub

Exit code 0: stopped when asked, or usable, or written; 1: an error, named; 2:
wrong arguments.
`

func run(ctx context.Context, args []string, stderr io.Writer) int {
	err := command(ctx, args, stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintln(stderr, "gatehouse-launch:", err)
	return 1
}

func command(ctx context.Context, args []string, stderr io.Writer) error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return errors.New("installed setuid or setgid: take that bit away and start it as a service")
	}
	verb := "serve"
	if len(args) > 0 && (args[0] == "check" || args[0] == "keys") {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("gatehouse-launch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, help) }
	file := flags.String("config", "", "configuration `FILE`")
	private := flags.String("private", "", "with keys: `FILE` for the mapping side's private key")
	public := flags.String("public", "", "with keys: `FILE` for the public key")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case flags.NArg() > 0:
	case verb == "keys" && *private != "" && *public != "":
		return launch.WriteKeys(*private, *public)
	case verb == "check" && *file != "":
		_, _, err := load(*file)
		return err
	case verb == "serve" && *file != "":
		return serve(ctx, *file, stderr)
	}
	return errUsage
}
