package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// process runs one program for go-plugin. It differs from go-plugin's own
// runner where a bad program could hold up the host: its end is noticed at once
// and not when its last descendant closes a pipe, the whole process group goes
// with it, and the address it announces must be in its own directory.
type process struct {
	program string
	args    []string
	env     []string
	memory  uint64
	sockets string // directory for its sockets
	spend   func(bytes int)

	cmd            *exec.Cmd
	stdout, stderr *os.File
	exited         chan struct{} // closed at the end of the program
	err            error         // how it ended; read after exited

	mu    sync.Mutex
	pid   int  // 0 unless it was started
	ended bool // it must not be started any more
}

var _ runner.Runner = (*process)(nil)

// drainTime is how long output is read after the end of the program, should a
// descendant hold it open.
const drainTime = 100 * time.Millisecond

// newProcess returns a process that can be started once.
func newProcess(program string, c *Config, spend func(bytes int)) *process {
	return &process{program: program, args: c.Args, memory: c.Memory, spend: spend, exited: make(chan struct{})}
}

// prepare takes the environment that go-plugin made, which is all there is.
func (p *process) prepare(env []string, sockets string) { p.env, p.sockets = env, sockets }

// Start starts the program.
func (p *process) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return errors.New("it was ended before it was started")
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(err, outRead.Close(), outWrite.Close())
	}
	p.stdout, p.stderr = outRead, errRead
	err = p.launch(outWrite, errWrite)
	_, _ = outWrite.Close(), errWrite.Close()
	if err != nil {
		return errors.Join(err, outRead.Close(), errRead.Close())
	}
	p.pid = p.cmd.Process.Pid
	go p.reap()
	if err := limit(p.pid, p.memory); err != nil {
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("cannot limit its memory: %w", err)
	}
	return nil
}

// launch executes the program. A file just written is "busy" for as long as
// some other goroutine's child, forked meanwhile, has yet to execute its own.
func (p *process) launch(stdout, stderr *os.File) error {
	for try := 0; ; try++ {
		p.cmd = exec.Command(p.program, p.args...)
		p.cmd.Env, p.cmd.Dir, p.cmd.SysProcAttr = p.env, "/", attributes()
		p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
		err := p.cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) || try == 10 {
			return err
		}
		time.Sleep(time.Millisecond << try)
	}
}

func (p *process) reap() {
	awaitExit(p.cmd.Process.Pid)
	// Not yet reaped: its number, and so its group's, is still its own.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.err = p.cmd.Wait()
	if p.err == nil {
		p.err = errors.New("exit status 0")
	}
	deadline := time.Now().Add(drainTime)
	_, _ = p.stdout.SetReadDeadline(deadline), p.stderr.SetReadDeadline(deadline)
	close(p.exited)
}

// end ends the program with its process group, or keeps it from being started.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.pid != 0 {
		_ = p.cmd.Process.Kill()
	}
}

// ending returns how the program ended of its own accord, once it is gone.
func (p *process) ending() error {
	var exit *exec.ExitError
	if p.ID() == "" || errors.As(p.err, &exit) && !exit.Exited() {
		return nil
	}
	return p.err
}

// kill ends the program and returns when it is gone.
func (p *process) kill() {
	p.end()
	if p.ID() != "" {
		<-p.exited
	}
}

// stop asks the program to end, and makes it after the grace.
func (p *process) stop(grace time.Duration) {
	if p.ID() == "" {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.kill()
	}
}

// Wait waits for the end of the program.
func (p *process) Wait(context.Context) error {
	<-p.exited
	_, _ = p.stdout.Close(), p.stderr.Close()
	return p.err
}

// Kill ends the program.
func (p *process) Kill(context.Context) error { p.kill(); return nil }

// Stdout is the pipe from the program, metered.
func (p *process) Stdout() io.ReadCloser { return &metered{File: p.stdout, spend: p.spend} }

// Stderr is the pipe from the program, metered.
func (p *process) Stderr() io.ReadCloser { return &metered{File: p.stderr, spend: p.spend} }

// Name is the path of the program.
func (p *process) Name() string { return p.program }

// ID is the process id; empty unless it was started.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return ""
	}
	return strconv.Itoa(p.pid)
}

// Diagnose has nothing to add.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost refuses every address outside the directory that the program was
// given: another socket would be somebody else's.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != p.sockets {
		return "", "", fmt.Errorf("it announces the address %s %q, want a unix socket in its own directory", clip(network), clip(address))
	}
	return network, address, nil
}

// HostToPlugin changes nothing.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// metered accounts for what is read.
type metered struct {
	*os.File
	spend func(bytes int)
}

// Read reads and accounts for it.
func (m *metered) Read(b []byte) (int, error) {
	n, err := m.File.Read(b)
	m.spend(n)
	return n, err
}
