package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/go-json-experiment/json"
	"github.com/gorilla/mux"
)

// Options are what a Handler is made of. Service, Decider, Caller and Recorder
// must be set.
type Options struct {
	Service Service
	// Decider says who may do what. An obligation in its answer is one that
	// nobody here fulfils, and makes it a refusal.
	Decider authz.Decider
	// Caller makes the start of a request out of who is calling: the subject's
	// attributes and the credential. An error refuses.
	Caller   func(*http.Request) (*authz.Request, error)
	Recorder authz.Recorder
	Clock    func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil is silent
	Version  string           // for ping
	Hold     time.Duration    // most time the feed is held; 0 is DefaultHold
}

// Handler serves the administration of one Service. It looks at the path below
// /pap/v1/ and is safe for concurrent use.
type Handler struct {
	o        Options
	routes   http.Handler
	released chan struct{}
	release  sync.Once
}

// NewHandler returns a Handler.
func NewHandler(o Options) *Handler {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	h := &Handler{o: o, released: make(chan struct{})}
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	for _, op := range operations {
		router.Handle(prefix+op.path, h.serve(op)).Methods(op.method)
	}
	unknown := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, &Error{Kind: KindUnknownOperation, Message: "unknown operation: " + r.Method + " " + clip(r.URL.Path)})
	})
	router.NotFoundHandler, router.MethodNotAllowedHandler = unknown, unknown
	// A page in an administrator's browser must not act in their name.
	h.routes = http.NewCrossOriginProtection().Handler(router)
	return h
}

const prefix = "/pap/v1/"

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// Release ends what is being held, and holds nothing from now on. Call it when
// the server begins to stop.
func (h *Handler) Release() { h.release.Do(func() { close(h.released) }) }

// holding returns a context that ends after d, or when the Handler is released.
func (h *Handler) holding(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	go func() {
		select {
		case <-h.released:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// operation is one line of the table in the package's doc.
type operation struct {
	method, path string
	name         string // for the audit trail
	// rights are what the caller needs, all of them; none is for everybody
	// whose credential is sound.
	rights func(*call) []right
	// do does it. Its answer is written as JSON, unless it has written one.
	do func(*call) (any, error)
	// changes says that the operation writes; narrows, that it can only take
	// access away, and goes on when the audit trail cannot be written.
	changes, narrows bool
}

// call is one request on its way.
type call struct {
	*Handler
	w      http.ResponseWriter
	r      *http.Request
	op     operation
	vars   map[string]string
	query  url.Values
	caller *authz.Request
	author change.Author
	// request are the conditions of a write, wait how long to wait for
	// followers afterwards; negative is not at all.
	request change.Request
	wait    time.Duration
	wrote   bool
}

func (h *Handler) serve(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Handler: h, w: w, r: r, op: op, caller: &authz.Request{ID: newID()}, vars: map[string]string{}}
		answer, err := c.run()
		switch {
		case err != nil:
			c.failed(err)
		case !c.wrote:
			c.answer(answer)
		}
	})
}

// run is the way of every request: who, what, may they, do.
func (c *call) run() (any, error) {
	if err := c.identify(); err != nil {
		return nil, err
	}
	if err := c.read(); err != nil {
		return nil, err
	}
	if err := c.authorize(c.op.rights(c)...); err != nil {
		return nil, err
	}
	if !c.op.changes {
		return c.op.do(c)
	}
	answer, err := c.op.do(c)
	result, _ := answer.(change.Result)
	c.recordChange(result, err)
	if err != nil {
		return nil, err
	}
	return c.settled(result)
}

// settled waits for the followers if the caller asked for it.
func (c *call) settled(result change.Result) (change.Result, error) {
	if c.wait < 0 {
		return result, nil
	}
	c.patient(c.wait)
	ctx, cancel := c.holding(c.r.Context(), c.wait)
	defer cancel()
	pending, err := c.o.Service.Wait(ctx, result.Revision)
	if err != nil && ctx.Err() == nil {
		// The change itself stands: saying otherwise would be worse.
		c.o.Log.Error("cannot tell whether the followers have settled", "error", err, "id", c.caller.ID)
		pending = append(pending, change.Follower{Name: "unknown"})
	}
	result.Pending = pending
	return result, nil
}

// patient moves the deadlines of the connection for an answer that takes d.
func (c *call) patient(d time.Duration) {
	until := time.Now().Add(d + transfer)
	control := http.NewResponseController(c.w)
	// Where there are no deadlines there are none to move.
	_ = control.SetReadDeadline(until)
	_ = control.SetWriteDeadline(until)
}

// transfer is how long a large answer may take on its way.
const transfer = 10 * time.Minute

func (c *call) answer(v any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.Header().Set("Cache-Control", "no-store")
	if result, ok := v.(change.Result); ok {
		c.w.Header().Set("ETag", `"`+FormatRevision(result.Revision)+`"`)
	}
	if err := json.MarshalWrite(c.w, v); err != nil {
		c.o.Log.Debug("an answer did not get through", "error", err, "operation", c.op.name)
	}
}

// failed answers an error, and tells the log what the caller is not told.
func (c *call) failed(err error) {
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		return // nobody is there to read it
	}
	e := wireError(err, c.caller.ID)
	if e.Kind == KindInternal {
		c.o.Log.Error("an operation failed", "operation", c.op.name, "id", c.caller.ID, "author", c.author.Name, "error", err)
	}
	c.fail(c.w, e)
}

func (h *Handler) fail(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.status())
	_ = json.MarshalWrite(w, e)
}

// newID returns a decision id: 128 random bits in hexadecimal.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
