package container

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// soapHandler reads the calls of one service.
func (c *Container) soapHandler(s *service.Deployed) http.Handler {
	return &soap.Handler{
		MaxBody: MaxBody,
		Decode: func(r *xml.Reader, start xml.Token) (soap.Call, error) {
			call, err := c.decode(s, r, start)
			if fault := new(soap.Fault); err != nil && !errors.As(err, &fault) {
				return nil, invalid(s.Name, err)
			}
			return call, err
		},
		Report: func(r *http.Request, err error) {
			c.config.Log.Debug("call refused", "service", s.Name, "peer", callerOf(r).network, "error", err)
		},
	}
}

// decode reads the child of the Body. It does not act.
func (c *Container) decode(s *service.Deployed, r *xml.Reader, start xml.Token) (soap.Call, error) {
	if start.Name.Space != Namespace(s.Name) {
		return nil, r.Errorf(start.Offset, "the call is in the namespace %q: service %q speaks %q", start.Name.Space, s.Name, Namespace(s.Name))
	}
	switch start.Name.Local {
	case "submit":
		order, err := readSubmit(s, r)
		return func(q *http.Request) (soap.Body, error) { return c.submit(q, s, order) }, err
	case "list":
		fields, err := readFields(r, start.Name.Space, "behind")
		behind := fields["behind"]
		if err == nil && behind != "" && !sandbox.ValidID(behind) {
			err = errSession
		}
		return func(q *http.Request) (soap.Body, error) { return c.list(q, s, behind) }, err
	case "status", "cancel", "purge":
		act := map[string]jobOperation{"status": c.status, "cancel": c.cancel, "purge": c.purge}[start.Name.Local]
		fields, err := readFields(r, start.Name.Space, "session")
		id := strings.TrimSpace(fields["session"])
		if err == nil && !sandbox.ValidID(id) {
			err = errSession
		}
		return func(q *http.Request) (soap.Body, error) { return act(q, s, id) }, err
	}
	return nil, r.Errorf(start.Offset, "unknown operation %q: want submit, status, list, cancel or purge", start.Name.Local)
}

var errSession = errors.New("session: want 32 lower-case hexadecimal digits")

// order is a decoded submit.
type order struct {
	requested time.Duration
	key       string
	method    *service.Method
	values    service.Values // as sent
}

func readSubmit(s *service.Deployed, r *xml.Reader) (o order, err error) {
	seen := map[string]bool{}
	for child, err := range r.Children() {
		if err != nil {
			return o, err
		}
		if err := once(r, child, Namespace(s.Name), seen); err != nil {
			return o, err
		}
		switch child.Name.Local {
		case "requestedCpuTime":
			o.requested, err = readSeconds(r, child)
		case "requestKey":
			o.key, _, err = readText(r, child)
		case "method":
			o.method, o.values, err = readMethod(s, r)
		default:
			err = r.Unexpected(child)
		}
		if err != nil {
			return o, err
		}
	}
	if o.method == nil {
		return o, errors.New("submit without a method")
	}
	return o, nil
}

// mostSeconds keeps a duration from overflowing: 290 years.
const mostSeconds = 1 << 33

func readSeconds(r *xml.Reader, child xml.Token) (time.Duration, error) {
	text, given, err := readText(r, child)
	if err != nil || !given {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(text), "+"), 10, 63)
	if err != nil || n == 0 || n > mostSeconds {
		return 0, r.Errorf(child.Offset, "requestedCpuTime: want a whole number of seconds, at least 1")
	}
	return time.Duration(n) * time.Second, nil
}

// readMethod reads the one child of <method>: a method with typed parameters,
// or a command.
func readMethod(s *service.Deployed, r *xml.Reader) (*service.Method, service.Values, error) {
	var method *service.Method
	var values service.Values
	for child, err := range r.Children() {
		if err != nil {
			return nil, nil, err
		}
		if method != nil {
			return nil, nil, r.Errorf(child.Offset, "more than one method: a job has one")
		}
		if child.Name.Space != Namespace(s.Name) {
			return nil, nil, r.Unexpected(child)
		}
		if child.Name.Local == service.Command {
			method, values, err = readCommand(s, r)
		} else {
			method, values, err = readParameters(s, r, child)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return method, values, nil
}

func readParameters(s *service.Deployed, r *xml.Reader, start xml.Token) (*service.Method, service.Values, error) {
	method, found := s.Method(start.Name.Local)
	if !found {
		return nil, nil, r.Errorf(start.Offset, "service %q has no method %q", s.Name, start.Name.Local)
	}
	values := service.Values{}
	seen := map[string]bool{}
	for child, err := range r.Children() {
		if err != nil {
			return nil, nil, err
		}
		if err := once(r, child, start.Name.Space, seen); err != nil {
			return nil, nil, err
		}
		text, given, err := readText(r, child)
		if err != nil {
			return nil, nil, err
		}
		if given {
			values[child.Name.Local] = text
		}
	}
	return method, values, nil
}

func readCommand(s *service.Deployed, r *xml.Reader) (*service.Method, service.Values, error) {
	fields, err := readFields(r, Namespace(s.Name), "method", "arguments")
	if err != nil {
		return nil, nil, err
	}
	method, found := s.Method(fields["method"])
	if !found {
		return nil, nil, fmt.Errorf("service %q has no method %.64q", s.Name, fields["method"])
	}
	values, err := method.Split(fields["arguments"])
	return method, values, err
}

// readFields reads children that hold text, each at most once.
func readFields(r *xml.Reader, space string, names ...string) (map[string]string, error) {
	seen, fields := map[string]bool{}, map[string]string{}
	for child, err := range r.Children() {
		if err != nil {
			return nil, err
		}
		if err := once(r, child, space, seen); err != nil {
			return nil, err
		}
		known := false
		for _, name := range names {
			known = known || name == child.Name.Local
		}
		if !known {
			return nil, r.Unexpected(child)
		}
		text, given, err := readText(r, child)
		if err != nil {
			return nil, err
		}
		if given {
			fields[child.Name.Local] = text
		}
	}
	return fields, nil
}

func once(r *xml.Reader, child xml.Token, space string, seen map[string]bool) error {
	if child.Name.Space != space {
		return r.Unexpected(child)
	}
	if seen[child.Name.Local] {
		return r.Errorf(child.Offset, "element %q is there twice", child.Name.Local)
	}
	seen[child.Name.Local] = true
	return nil
}

var nilled = xml.Name{Space: "http://www.w3.org/2001/XMLSchema-instance", Local: "nil"}

// readText reads an element that holds text. xsi:nil, which some toolkits send
// for what was left out, is as good as absent.
func readText(r *xml.Reader, start xml.Token) (text string, given bool, err error) {
	text, err = r.Content()
	if a, found := start.Attr(nilled); found && (a.Value == "true" || a.Value == "1") {
		return "", false, err
	}
	return strings.Clone(text), true, err
}
