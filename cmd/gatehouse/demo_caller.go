package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// caller is a user of the container: one person, one HTTPS connection kept
// open.
type caller struct {
	http   *http.Client
	soap   soap.Client
	reused bool // the last call went over a connection opened before
}

// answer is a job as the container describes it, by the names of the fields.
type answer map[string]string

// refusal is what a refused caller reads.
type refusal struct {
	text, decision string
	enough         []string
}

func (r *refusal) Error() string { return r.text }

func (w *world) caller(file, base string) (*caller, error) {
	config, err := w.clientTLS(file)
	if err != nil {
		return nil, err
	}
	// HTTP/1.1 and one connection, so that "the same connection" is plain to see.
	transport := &http.Transport{TLSClientConfig: config, MaxConnsPerHost: 1, ForceAttemptHTTP2: false}
	c := &caller{http: &http.Client{Transport: transport, Timeout: time.Minute}}
	c.soap = soap.Client{HTTP: c.http, URL: base + "/services/" + sleepyadd.Name}
	return c, nil
}

func (c *caller) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { c.reused = i.Reused }})
}

// submit asks for one run of a method of sleepyAdd with so much CPU time.
func (c *caller) submit(ctx context.Context, cpu time.Duration, method string, parameters ...string) (answer, error) {
	return c.call(ctx, "submit", func(w *xml.Writer) {
		w.Leaf("s:requestedCpuTime", strconv.Itoa(int(cpu/time.Second)))
		w.Start("s:method")
		w.Start("s:" + method)
		for _, p := range parameters {
			name, value, _ := strings.Cut(p, "=")
			w.Leaf("s:"+name, value)
		}
		w.End()
		w.End()
	})
}

func (c *caller) onJob(ctx context.Context, operation, session string) (answer, error) {
	return c.call(ctx, operation, func(w *xml.Writer) { w.Leaf("s:session", session) })
}

func (c *caller) call(ctx context.Context, operation string, children func(*xml.Writer)) (answer, error) {
	space := container.Namespace(sleepyadd.Name)
	body := func(w *xml.Writer) {
		w.Start("s:" + operation)
		w.Namespace("s", space)
		children(w)
		w.End()
	}
	var got answer
	err := c.soap.Call(c.trace(ctx), space+"/"+operation, body, func(r *xml.Reader, _ xml.Token) error {
		node, err := r.Node()
		if err == nil {
			got = fieldsOf(node.Child(xml.Name{Space: space, Local: "job"}))
		}
		return err
	})
	return got, readable(err)
}

func fieldsOf(n *xml.Node) answer {
	a := answer{}
	if n == nil {
		return a
	}
	for child := range n.Elements() {
		a[child.Name.Local] = child.StringValue()
	}
	return a
}

// readable turns a fault about a refusal into what its reader needs.
func readable(err error) error {
	var fault *soap.Fault
	if !errors.As(err, &fault) {
		return err
	}
	r := &refusal{text: fault.String}
	if fault.Received == nil {
		return r
	}
	for detail := range fault.Received.Elements() {
		for field := range detail.Elements() {
			switch field.Name.Local {
			case "decision":
				r.decision = field.StringValue()
			case "enough":
				r.enough = append(r.enough, boundsOf(field))
			}
		}
	}
	return r
}

func boundsOf(enough *xml.Node) string {
	var all []string
	for bound := range enough.Elements() {
		var words []string
		for part := range bound.Elements() {
			words = append(words, part.StringValue())
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, " and ")
}

// fetch reads a file of a sandbox.
func (c *caller) fetch(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(c.trace(ctx), http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, strings.TrimSpace(string(data)), err
}

// until asks for the status of a job until it is in one of the states, telling
// each look to watch.
func (c *caller) until(ctx context.Context, session string, watch func(answer), states ...string) (answer, error) {
	for {
		a, err := c.onJob(ctx, "status", session)
		if err != nil {
			return nil, err
		}
		watch(a)
		for _, s := range states {
			if a["state"] == s {
				return a, nil
			}
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("the job is still %s: %w", a["state"], ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
