package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Client is the container's end of a socket: to a launcher, or, as a Granter,
// to the mapping side. It is safe for concurrent use.
type Client struct {
	path    string
	timeout time.Duration
}

var (
	_ Launcher = (*Client)(nil)
	_ Granter  = (*Client)(nil)
)

// NewClient returns a Client of the launcher, or of the mapping side, at a unix
// socket. No call takes
// longer than timeout.
func NewClient(path string, timeout time.Duration) *Client {
	return &Client{path: path, timeout: timeout}
}

// Do has o carried out under grant.
func (c *Client) Do(ctx context.Context, grant Signed, o Order) (Result, error) {
	r, f, err := c.call(ctx, request{Verb: verbDo, Grant: grant, Order: o})
	if err != nil {
		return Result{}, err
	}
	return Result{Status: r.Status, Files: r.Files, File: f}, nil
}

// Status returns what became of a job.
func (c *Client) Status(ctx context.Context, job string) (Status, error) {
	r, _, err := c.call(ctx, request{Verb: verbStatus, Job: job})
	return r.Status, err
}

// Jobs returns every job that was claimed and not yet reaped.
func (c *Client) Jobs(ctx context.Context) ([]Status, error) {
	r, _, err := c.call(ctx, request{Verb: verbJobs})
	return r.Jobs, err
}

// Reap forgets an ended job.
func (c *Client) Reap(ctx context.Context, job string) error {
	_, _, err := c.call(ctx, request{Verb: verbReap, Job: job})
	return err
}

// Grant has w granted by the mapping side.
func (c *Client) Grant(ctx context.Context, w Wish) (Signed, error) {
	r, _, err := c.call(ctx, request{Verb: verbGrant, Wish: &w})
	return r.Grant, err
}

// call returns ErrAway for every failure to get a whole answer: the launcher
// may or may not have done what it was asked.
func (c *Client) call(ctx context.Context, q request) (reply, *os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, f, err := c.exchange(ctx, q)
	if err != nil {
		return reply{}, nil, fmt.Errorf("socket %s: %w: %w", c.path, ErrAway, errors.Join(context.Cause(ctx), err))
	}
	if r.Error == "" && r.Opened == (f != nil) {
		return r, f, nil
	}
	if f != nil {
		_ = f.Close()
	}
	if r.Error == "" {
		return reply{}, nil, fmt.Errorf("socket %s: %w: its answer and its descriptors disagree", c.path, ErrAway)
	}
	return reply{}, nil, fmt.Errorf("socket %s: %w", c.path, &remoteError{kind: r.Kind, text: r.Error})
}

func (c *Client) exchange(ctx context.Context, q request) (reply, *os.File, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.path)
	if err != nil {
		return reply{}, nil, err
	}
	defer conn.Close()
	// Closing early is how a cancelled context ends a read.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	u := conn.(*net.UnixConn)
	if err := writeFrame(u, q, nil); err != nil {
		return reply{}, nil, err
	}
	var r reply
	f, err := readFrame(u, &r, MaxFrame)
	return r, f, err
}
