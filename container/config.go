package container

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/pep"
)

// Limits and times that hold for every container.
const (
	MaxBody   = 4 << 20 // bytes of a call (DECISIONS 33: job descriptions)
	MaxHeader = 64 << 10
	MaxList   = 1000 // jobs in one answer

	headerTime = 5 * time.Second
	bodyTime   = 30 * time.Second
	stallTime  = time.Minute // for a client that takes no more of an answer
	idleTime   = 2 * time.Minute
)

// Config is what a Container is made of. Services, Jobs, Files, Enforcer,
// Decider and Credential are required.
type Config struct {
	Services []*service.Deployed
	Jobs     *job.Service
	Files    sandbox.Files
	Enforcer Enforcer
	// Decider judges jobs again. It must not enrich: the attributes are those
	// of the submission. If it is an authz.Watcher, each change is followed at
	// once.
	Decider  authz.Decider
	Recorder authz.Recorder // of refusals before any decision; nil records nothing
	Log      *slog.Logger
	Now      func() time.Time

	// Credential gives the credential of a connection, judged now, or nil when
	// none was presented: (*gsi.Verifier).FromTLS.
	Credential func(*tls.ConnectionState) *authz.Credential
	// Bearer gives the credential that a bearer token is: (*token.Verifier).Verify.
	// Nil accepts no tokens.
	Bearer func(token string) *authz.Credential
	// Named refuses callers who present nothing. Where TLS asks everybody for
	// a certificate, it has seen to that already.
	Named bool

	// Address is where clients reach this container, "https://ce.example.org:8443".
	// Empty means whatever host the client asked for.
	Address string
	// Resource gives the resource-id of a service; by default it is the
	// endpoint, Address + "/services/" + name, and without an Address the path.
	Resource func(service string) string
	// Operators lets policy permit operations on other people's jobs.
	Operators bool

	Wall      time.Duration // elapsed time of a job to which no decision gave a limit; default 24 h
	Grace     time.Duration // see the package comment; default 5 min
	Judge     time.Duration // between two looks without a change; default 1 min
	Rate      rate.Limit    // calls per second of one peer; default 500
	Burst     int           // at once; default 1000, and ten seconds' worth of an address
	Anonymous rate.Limit    // calls per second of one address without a credential that stands; default 20
}

func (c *Config) complete() error {
	if c.Jobs == nil || c.Files == nil || c.Enforcer == nil || c.Decider == nil || c.Credential == nil {
		return errors.New("container: jobs, files, enforcer, decider and credential are required")
	}
	c.Address = strings.TrimSuffix(c.Address, "/")
	if c.Resource == nil {
		c.Resource = func(name string) string { return c.Address + "/services/" + name }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	setDefault(&c.Wall, 24*time.Hour)
	setDefault(&c.Grace, 5*time.Minute)
	setDefault(&c.Judge, time.Minute)
	setDefault(&c.Rate, 500)
	setDefault(&c.Burst, 1000)
	setDefault(&c.Anonymous, 20)
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Secure sets the times and sizes of a server that strangers reach. It leaves
// WriteTimeout alone: the container sets a deadline for each answer, which a
// long download renews as long as the client takes it.
func Secure(s *http.Server) {
	s.ReadHeaderTimeout = headerTime
	s.ReadTimeout = bodyTime
	s.IdleTimeout = idleTime
	s.MaxHeaderBytes = MaxHeader
}

// index makes the table of services, refusing two of one name.
func index(services []*service.Deployed) (map[string]*service.Deployed, error) {
	table := make(map[string]*service.Deployed, len(services))
	for _, s := range services {
		if table[s.Name] != nil {
			return nil, fmt.Errorf("container: two services are called %q", s.Name)
		}
		table[s.Name] = s
	}
	return table, nil
}

// Enforcer is the enforcement point that each call passes: *pep.Enforcer. It
// must leave no obligation to the container, which carries out none itself.
type Enforcer interface {
	Enforce(ctx context.Context, r *authz.Request) pep.Outcome
}

var _ Enforcer = (*pep.Enforcer)(nil)
