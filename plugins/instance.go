package plugins

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins/internal/wire"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// maxStrikes is how many requests in a row may go unanswered before the
// program is ended.
const maxStrikes = 3

// stopGrace is how long a program may take to end when asked.
const stopGrace = 500 * time.Millisecond

// instance is one run of a program.
type instance struct {
	config  *Config
	dir     string // its own, removed with it
	process *process
	client  *plugin.Client
	calls   *wire.Client
	info    *v1.InfoReply
	strikes atomic.Int32
	served  atomic.Bool // it has answered

	once   sync.Once
	failed chan struct{} // closed when it must be replaced
	cause  error         // why; read after failed
}

// start checks and starts the program; an error says why there is none.
func (h *Host) start(c *Config) (*instance, error) {
	dir, err := os.MkdirTemp(h.dir, "p")
	if err != nil {
		return nil, err
	}
	i := &instance{config: c, dir: dir, failed: make(chan struct{})}
	program, err := pin(*c, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	out := newOutput(h.log.With("plugin", c.Name), i.fail)
	i.process = newProcess(program, c, out.spend)
	i.client = plugin.NewClient(i.goPlugin(out))
	// go-plugin waits here and there without a deadline; the end of the program
	// releases it everywhere.
	watchdog := time.AfterFunc(c.StartTimeout, i.process.end)
	err = i.connect()
	if !watchdog.Stop() && err != nil {
		err = fmt.Errorf("it was not ready within %s: %w", c.StartTimeout, err)
	}
	if err != nil {
		i.stop(0)
		if end := i.process.ending(); end != nil {
			err = fmt.Errorf("it ended with %w before it was ready; what it wrote is in the log", end)
		}
		return nil, err
	}
	go i.watch()
	return i, nil
}

func (i *instance) goPlugin(out *output) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		Plugins:          wire.Set(wire.Servers{}),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     i.config.StartTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: i.dir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, sockets string) (runner.Runner, error) {
			i.process.prepare(cmd.Env, sockets)
			return i.process, nil
		},
		Stderr:     &stream{to: out},
		SyncStdout: &stream{to: out, meter: true},
		SyncStderr: &stream{to: out, meter: true},
		Logger:     hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage))},
	}
}

// connect starts the program, dispenses what it serves and makes the first
// call.
func (i *instance) connect() error {
	connection, err := i.client.Client()
	if err != nil {
		return errors.New(clip(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	dispensed, err := connection.Dispense(wire.Name)
	if err != nil {
		return err
	}
	i.calls = dispensed.(*wire.Client)
	ctx, cancel := context.WithTimeout(context.Background(), i.config.StartTimeout)
	defer cancel()
	i.info, err = i.calls.Info(ctx, &v1.InfoRequest{})
	if err != nil {
		return fmt.Errorf("its first answer: %s", clip(err.Error()))
	}
	if !slices.Contains(i.info.GetKinds(), wire.KindEnricher) {
		return fmt.Errorf("it serves %q, want %q", i.info.GetKinds(), wire.KindEnricher)
	}
	return nil
}

// watch turns the end of the program into a failure.
func (i *instance) watch() {
	<-i.process.exited
	i.fail(fmt.Errorf("it ended: %w", i.process.err))
}

// fail has the instance replaced. Only the first cause counts.
func (i *instance) fail(cause error) {
	i.once.Do(func() {
		i.cause = cause
		close(i.failed)
	})
}

// stop ends the program and gives back everything that belongs to it.
func (i *instance) stop(grace time.Duration) {
	if grace > 0 {
		i.process.stop(grace)
	}
	i.process.kill()
	// The program is gone, so that nothing in here waits for it.
	i.client.Kill()
	_ = os.RemoveAll(i.dir)
}

// enrich makes one call.
func (i *instance) enrich(ctx context.Context, r *authz.Request) ([]authz.Attribute, error) {
	call := rand.Text()
	request := &v1.EnrichRequest{Call: call, Decision: r.ID, Peer: r.Peer, Attributes: wire.Attributes(r.Attributes)}
	if n := proto.Size(request); n > wire.MaxMessage {
		return nil, fmt.Errorf("the request has %d bytes; %d are the most that a plug-in is sent", n, wire.MaxMessage)
	}
	reply, err := i.calls.Enrich(ctx, request)
	if err != nil {
		return nil, i.judge(err)
	}
	added, err := i.config.accept(reply, call)
	if err != nil {
		i.fail(err)
		return nil, err
	}
	i.strikes.Store(0)
	i.served.Store(true)
	return added, nil
}

// judge decides what an error means for the plug-in, and returns it for the
// caller.
func (i *instance) judge(err error) error {
	s := status.Convert(err)
	readable := fmt.Errorf("%s: %q", s.Code(), clip(s.Message()))
	switch s.Code() {
	case codes.FailedPrecondition: // it is well, and says no
		i.strikes.Store(0)
		return readable
	case codes.Canceled: // our caller went away
		return readable
	case codes.ResourceExhausted, codes.Unimplemented:
		i.fail(readable)
		return readable
	}
	if i.strikes.Add(1) >= maxStrikes {
		i.fail(fmt.Errorf("%d requests in a row went unanswered, the last with %w", maxStrikes, readable))
	}
	return readable
}
