package mapping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/go-json-experiment/json"
)

// Client is the Mapper of an enforcement point whose accounts a service names.
// It is safe for concurrent use.
type Client struct {
	c         ClientOptions
	http      *http.Client
	addresses []*url.URL
	current   atomic.Uint32 // index of the address that answered last
}

var (
	_ authz.Mapper = (*Client)(nil)
	_ Namer        = (*Client)(nil)
	_ Confirmer    = (*Client)(nil)
)

// ClientOptions say whom a Client asks and how it checks what it is told.
type ClientOptions struct {
	// Addresses are those of services over one store, https://host:8155; where
	// one does not answer the next is asked.
	Addresses []string
	// HTTP carries our own credential.
	HTTP *http.Client
	// Present takes the caller's chain (DER) and token out of a credential, as
	// they were presented.
	Present func(*authz.Credential) (chain [][]byte, token string, err error)
	// Check looks at an account as if it had been named here: it must exist on
	// this machine, with these numbers, and be one that the rules allow. An error
	// that wraps ErrUnavailable says that nobody knows.
	Check func(context.Context, authz.Account) error
	// Timeout bounds one question to one address; five seconds if zero.
	Timeout time.Duration
	Now     func() time.Time // time.Now if nil
}

// NewClient returns a Client; an address that is none is an error.
func NewClient(c ClientOptions) (*Client, error) {
	if len(c.Addresses) == 0 || c.HTTP == nil || c.Present == nil || c.Check == nil {
		return nil, errors.New("a mapping client needs addresses, a transport, and how to present and check")
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	own := *c.HTTP
	// A redirect would carry a credential somewhere else.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &Client{c: c, http: &own}
	for _, a := range c.Addresses {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("%q is no address of a mapping service: want https://host:8155", a)
		}
		u.Path = ""
		client.addresses = append(client.addresses, u)
	}
	return client, nil
}

// Close closes idle connections.
func (c *Client) Close() error { c.http.CloseIdleConnections(); return nil }

// Map implements authz.Mapper. Errors wrap ErrRefused or ErrUnavailable.
func (c *Client) Map(ctx context.Context, r *authz.Request) (authz.Account, error) {
	return c.name(ctx, r, "")
}

// Named asks for the account, or one out of the pool, that a policy names.
func (c *Client) Named(ctx context.Context, r *authz.Request, login string) (authz.Account, error) {
	if login == "" {
		return authz.Account{}, fmt.Errorf("%w: the policy names no account", ErrRefused)
	}
	return c.name(ctx, r, login)
}

func (c *Client) name(ctx context.Context, r *authz.Request, login string) (authz.Account, error) {
	q := question{Decision: r.ID, Revision: r.Decided, Login: login}
	if r.Credential != nil {
		if err := r.Credential.Verdict(); err != nil {
			return authz.Account{}, fmt.Errorf("%w: the credential is refused: %w", ErrRefused, err)
		}
		var err error
		if q.Chain, q.Token, err = c.c.Present(r.Credential); err != nil {
			return authz.Account{}, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if len(q.Chain) == 0 && q.Token == "" { // or it would pass for an anonymous caller
			return authz.Account{}, fmt.Errorf("%w: the credential cannot be shown to the mapping service", ErrRefused)
		}
	} else {
		q.Asserted = carried(r)
		q.MayMap = r.MayMap && len(q.Asserted) > 0
	}
	a, err := c.ask(ctx, "map", &q)
	if err == nil && a.Revision != r.Decided {
		err = fmt.Errorf("%w: the answer is about revision %s, the question about %s", ErrUnavailable, a.Revision, r.Decided)
	}
	if err != nil {
		return authz.Account{}, err
	}
	return a, nil
}

// Confirm asks whether an account named earlier may still be used.
func (c *Client) Confirm(ctx context.Context, a authz.Account) (authz.Account, error) {
	got, err := c.ask(ctx, "confirm", &question{Decision: "confirm", Account: &a})
	if err != nil {
		return authz.Account{}, err
	}
	if got.Name != a.Name || got.UID != a.UID || got.Lease != a.Lease {
		return authz.Account{}, fmt.Errorf("%w: asked about account %s, answered about %s", ErrUnavailable, a.Name, got.Name)
	}
	got.Source = a.Source
	return got, nil
}

// ask asks one address after the other until one knows.
func (c *Client) ask(ctx context.Context, what string, q *question) (authz.Account, error) {
	if q.Decision == "" {
		return authz.Account{}, fmt.Errorf("%w: a request without a decision id", ErrRefused)
	}
	body, err := json.Marshal(q)
	if err != nil {
		return authz.Account{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if len(body) > MaxQuestion {
		return authz.Account{}, fmt.Errorf("%w: the credential or the attributes make a question of %d bytes, at most %d", ErrRefused, len(body), MaxQuestion)
	}
	var failures []error
	first := c.current.Load()
	for i := range uint32(len(c.addresses)) {
		at := (first + i) % uint32(len(c.addresses))
		a, err := c.one(ctx, c.addresses[at], what, q.Decision, body)
		if err == nil || errors.Is(err, ErrRefused) {
			c.current.Store(at)
			return a, err
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return authz.Account{}, fmt.Errorf("%w: %w", ErrUnavailable, errors.Join(failures...))
}

// one asks one address and checks what it says.
func (c *Client) one(ctx context.Context, to *url.URL, what, decision string, body []byte) (authz.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, c.c.Timeout)
	defer cancel()
	data, status, err := c.post(ctx, to.String()+Path+what, body)
	if err != nil {
		return authz.Account{}, err
	}
	if status != http.StatusOK {
		return authz.Account{}, told(to, status, data)
	}
	var got answer
	if err := strict(data, &got); err != nil {
		return authz.Account{}, fmt.Errorf("%s: its answer is none: %w", to, err)
	}
	if got.Decision != decision {
		return authz.Account{}, fmt.Errorf("%s: its answer is about another decision", to)
	}
	return c.checked(ctx, to, got.Account)
}

func (c *Client) post(ctx context.Context, address string, body []byte) ([]byte, int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := c.http.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = got.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(got.Body, MaxAnswer+1))
	if err == nil && len(data) > MaxAnswer {
		err = fmt.Errorf("%s: an answer of more than %d bytes", address, MaxAnswer)
	}
	return data, got.StatusCode, err
}

// told is what the service says when it names no account.
func told(from *url.URL, status int, data []byte) error {
	var said refusal
	if err := strict(data, &said); err != nil {
		return fmt.Errorf("%s: status %d", from, status)
	}
	if status == http.StatusForbidden && said.Kind == kindRefused {
		return fmt.Errorf("%w: %s: %.500q", ErrRefused, from.Host, said.Message)
	}
	return fmt.Errorf("%s: %.40q: %.500q", from, said.Kind, said.Message)
}

// checked believes nothing that could have been checked here: a service gone bad
// can name the wrong one of the accounts that people may be, and no other.
func (c *Client) checked(ctx context.Context, from *url.URL, a authz.Account) (authz.Account, error) {
	if err := checkAccount(&a); err != nil {
		return authz.Account{}, fmt.Errorf("%w: %s: %w", ErrRefused, from.Host, err)
	}
	now := c.c.Now()
	if a.Expires.IsZero() || a.Expired(now) {
		return authz.Account{}, fmt.Errorf("%s: its answer ended at %s, it is %s now: see the clocks", from, a.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if latest := now.Add(MaxLife).UTC(); a.Expires.After(latest) {
		a.Expires = latest
	}
	if err := c.c.Check(ctx, a); errors.Is(err, ErrUnavailable) {
		return authz.Account{}, err
	} else if err != nil {
		return authz.Account{}, fmt.Errorf("%w: %s names account %s: %w", ErrRefused, from.Host, a.Name, err)
	}
	a.Source = from.Host + ": " + a.Source
	return a, nil
}
