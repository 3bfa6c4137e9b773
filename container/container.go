package container

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
)

// Container is the http.Handler of all services and sandboxes.
type Container struct {
	config   Config
	services map[string]*service.Deployed
	router   *mux.Router
	limits   *limiter

	mu      sync.Mutex
	seen    authz.Revision       // the newest that the Decider told of
	doubted map[string]time.Time // jobs that no rule applies to any more, since when
}

// New returns a Container. It serves at once; Watch must run for jobs to be
// judged again.
func New(config Config) (*Container, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	services, err := index(config.Services)
	if err != nil {
		return nil, err
	}
	c := &Container{config: config, services: services, doubted: map[string]time.Time{}}
	c.limits = newLimiter(&c.config)
	c.route()
	return c, nil
}

// route sets up the paths. They are matched as sent: a cleaned path is not the
// one that was asked for.
func (c *Container) route() {
	c.router = mux.NewRouter().SkipClean(true).UseEncodedPath()
	c.router.HandleFunc("/services", c.index).Methods(http.MethodGet, http.MethodHead)
	c.router.HandleFunc("/services/", c.index).Methods(http.MethodGet, http.MethodHead)
	for _, s := range c.services {
		path := "/services/" + s.Name
		c.router.Handle(path, c.soapHandler(s)).Methods(http.MethodPost)
		c.router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { c.describe(w, r, s) }).Methods(http.MethodGet, http.MethodHead)
	}
	c.router.PathPrefix("/sandbox/").HandlerFunc(c.sandbox).Methods(http.MethodGet, http.MethodHead)
	c.router.NotFoundHandler = http.HandlerFunc(c.notFound)
}

// ServeHTTP answers one request.
func (c *Container) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = newPatient(w)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	caller := c.identify(r)
	if wait, ok := c.limits.take(caller); !ok {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())+1))
		http.Error(w, "too many requests: slow down", http.StatusServiceUnavailable)
		return
	}
	if caller.fault != nil {
		c.refuseCredential(w, r, caller)
		return
	}
	c.router.ServeHTTP(w, r.WithContext(withCaller(r.Context(), caller)))
}

// refuseCredential answers whoever presented a credential that does not stand,
// in the form that the client is waiting for.
func (c *Container) refuseCredential(w http.ResponseWriter, r *http.Request, caller *caller) {
	c.recordRefusal(r, caller, caller.fault)
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/services/") {
		name := strings.TrimPrefix(r.URL.Path, "/services/")
		if err := (soap.Style{}).Refuse(w, c.unauthenticated(name, caller.fault)); err != nil {
			c.config.Log.Debug("answer not sent", "error", err)
		}
		return
	}
	http.Error(w, "your credential is not accepted: "+caller.fault.Error(), c.challenge(w, caller))
}

func (c *Container) notFound(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		err := &soap.Fault{Code: soap.CodeClient, String: "there is no such service here; GET /services/ lists them"}
		if err := (soap.Style{}).Refuse(w, err); err != nil {
			c.config.Log.Debug("answer not sent", "error", err)
		}
		return
	}
	http.Error(w, "there is nothing here; services are listed at /services/", http.StatusNotFound)
}

// index lists the services for people.
func (c *Container) index(w http.ResponseWriter, r *http.Request) {
	address, err := c.address(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var names []string
	for name := range c.services {
		names = append(names, name)
	}
	slices.Sort(names)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, name := range names {
		fmt.Fprintf(w, "%s/services/%s?wsdl\t%s\n", address, name, strings.ReplaceAll(c.services[name].Documentation, "\n", " "))
	}
}

// describe answers GET on a service: its WSDL.
func (c *Container) describe(w http.ResponseWriter, r *http.Request, s *service.Deployed) {
	if !strings.EqualFold(r.URL.RawQuery, "wsdl") {
		http.Error(w, "this is a SOAP service: POST calls, or GET "+r.URL.Path+"?wsdl for its description", http.StatusMethodNotAllowed)
		return
	}
	address, err := c.address(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	document, err := WSDL(&s.Service, address+"/services/"+s.Name)
	if err != nil {
		c.config.Log.Error("WSDL cannot be written", "service", s.Name, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write(document) // the client has gone: nobody to tell
}

var _ http.Handler = (*Container)(nil)
