package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/go-json-experiment/json"
)

// Client administers a PAP over the wire. It is a Service: the Author of a
// change.Request is ignored, since the server knows who is calling. Errors are
// *Error when the server answered, with the sentinels of this package and of
// package change behind them, and those of net/http when it did not. It is safe
// for concurrent use.
type Client struct {
	http      *http.Client
	addresses []*url.URL
	current   *atomic.Uint32 // index of the address that answered last
	wait      time.Duration  // negative is not at all
}

var _ Service = (*Client)(nil)

// NewClient returns a Client for the PAP at the given addresses: URLs such as
// "https://pap.example.org:8150", all of one store. Where one does not answer
// the next is tried. The http.Client carries the credential; it needs no
// Timeout, since every call obeys its context.
func NewClient(over *http.Client, addresses ...string) (*Client, error) {
	if len(addresses) == 0 {
		return nil, errors.New("no address of a PAP")
	}
	c := &Client{current: new(atomic.Uint32), wait: -1}
	for _, a := range addresses {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is no address of a PAP: want https://host:8150", a)
		}
		u.Path = strings.TrimSuffix(u.Path, "/")
		c.addresses = append(c.addresses, u)
	}
	own := *over
	// A redirect would carry the change somewhere else.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

// NewSocketClient returns a Client for the PAP behind a unix socket.
func NewSocketClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	c, _ := NewClient(&http.Client{Transport: &http.Transport{DialContext: dial, IdleConnTimeout: time.Minute}}, "http://localhost")
	return c
}

// Waiting returns a Client whose changes are answered when every follower has
// them in force, or after d with the missing ones in Result.Pending.
func (c *Client) Waiting(d time.Duration) *Client {
	w := *c
	w.wait = d
	return &w
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// message is one request.
type message struct {
	method string
	path   []string // segments below the prefix, not escaped
	query  url.Values
	header http.Header
	body   []byte
	// held is how long the server may take to begin its answer.
	held time.Duration
}

func get(path ...string) message { return message{method: http.MethodGet, path: path} }

// answerIn is how long a server may take to begin its answer to what it does
// not hold: a large change among a million bans takes a while.
const answerIn = 2 * time.Minute

// maxAnswer bounds what a client reads: a million bans are a quarter of it.
const maxAnswer = 1 << 30

// ask sends a message and reads the answer into v, unless that is nil; it
// reports whether the answer had a body.
func (c *Client) ask(ctx context.Context, m message, v any) (bool, error) {
	first := c.current.Load()
	var errs []error
	for i := range c.addresses {
		n := (int(first) + i) % len(c.addresses)
		some, err := c.askOne(ctx, c.addresses[n], m, v)
		var answered *Error
		// Another address of one store says the same, unless this one cannot.
		if err == nil || errors.As(err, &answered) && answered.Kind != KindUnavailable {
			c.current.Store(uint32(n))
			return some, err
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return false, errors.Join(errs...)
}

func (c *Client) askOne(ctx context.Context, base *url.URL, m message, v any) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := m.request(ctx, base)
	if err != nil {
		return false, err
	}
	slow := time.AfterFunc(m.patience(), cancel)
	answer, err := c.http.Do(r)
	if !slow.Stop() && err != nil {
		return false, fmt.Errorf("PAP %s does not answer", base.Host)
	}
	if err != nil {
		return false, fmt.Errorf("PAP %s: %w", base.Host, err)
	}
	defer answer.Body.Close()
	slow = time.AfterFunc(transfer, cancel)
	defer slow.Stop()
	return read(base, answer, v)
}

// patience is how long to wait for the answer to begin.
func (m message) patience() time.Duration {
	if m.held > 0 {
		return m.held + lateness
	}
	return answerIn
}

func (m message) request(ctx context.Context, base *url.URL) (*http.Request, error) {
	segments := make([]string, len(m.path))
	for i, s := range m.path {
		segments[i] = url.PathEscape(s)
	}
	u := base.Scheme + "://" + base.Host + base.EscapedPath() + prefix + strings.Join(segments, "/")
	if len(m.query) > 0 {
		u += "?" + m.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, m.method, u, bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	for name, values := range m.header {
		r.Header[name] = values
	}
	if m.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// read reads an answer. A server of a later version may say more than this
// client knows; what it says twice is still an error.
func read(base *url.URL, answer *http.Response, v any) (bool, error) {
	body := io.LimitReader(answer.Body, maxAnswer)
	switch {
	case answer.StatusCode == http.StatusNoContent:
		return false, nil
	case answer.StatusCode != http.StatusOK:
		return false, readError(base, answer, body)
	case v == nil:
		_, _ = io.Copy(io.Discard, io.LimitReader(body, MaxBody))
		return true, nil
	}
	if err := json.UnmarshalRead(body, v); err != nil {
		return false, fmt.Errorf("PAP %s: answer: %w", base.Host, err)
	}
	return true, nil
}

func readError(base *url.URL, answer *http.Response, body io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(body, MaxBody))
	e := &Error{}
	if err == nil {
		err = json.Unmarshal(data, e)
	}
	if err != nil || e.Kind == "" {
		return fmt.Errorf("PAP %s: status %s, and no error of ours", base.Host, answer.Status)
	}
	return e
}

// change sends a write. Without a key of the caller's it gets one, so that it
// can be sent to another address without being done twice.
func (c *Client) change(ctx context.Context, req change.Request, m message, body any) (change.Result, error) {
	m.query = orNew(m.query)
	m.header = headers(req, m.header)
	if req.Force {
		m.query.Set("force", "true")
	}
	if c.wait >= 0 {
		m.query.Set("wait", c.wait.String())
		m.held = c.wait + answerIn
	}
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return change.Result{}, err
		}
		m.body = data
	}
	var result change.Result
	_, err := c.ask(ctx, m, &result)
	return result, err
}

// send sends what is neither a question nor a change of policy.
func (c *Client) send(ctx context.Context, m message, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	m.body = data
	_, err = c.ask(ctx, m, nil)
	return err
}

// poll asks the feed once, held for at most that long. It reports whether there
// is anything newer than after.
func (c *Client) poll(ctx context.Context, after authz.Revision, hold time.Duration) (change.Set, bool, error) {
	m := get("feed")
	m.query = url.Values{"after": {FormatRevision(after)}, "wait": {hold.String()}}
	m.held = max(hold, time.Second)
	var set change.Set
	some, err := c.ask(ctx, m, &set)
	return set, some, err
}

func orNew(q url.Values) url.Values {
	if q == nil {
		return url.Values{}
	}
	return q
}

func headers(req change.Request, h http.Header) http.Header {
	if h == nil {
		h = http.Header{}
	}
	if req.Key == "" {
		req.Key = newID()
	}
	h.Set("Idempotency-Key", req.Key)
	if req.Message != "" {
		h.Set("X-Message", req.Message)
	}
	if at := FormatRevision(req.IfMatch); at != "" {
		h.Set("If-Match", `"`+at+`"`)
	}
	return h
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// Ping asks who is there and returns the service's name and version.
func (c *Client) Ping(ctx context.Context) (service, version string, err error) {
	var p pong
	_, err = c.ask(ctx, get("ping"), &p)
	return p.Service, p.Version, err
}

// Revision returns the revision that holds.
func (c *Client) Revision(ctx context.Context) (authz.Revision, error) {
	var p pong
	_, err := c.ask(ctx, get("revision"), &p)
	return p.Revision, err
}
