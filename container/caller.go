package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// caller is who sent a request.
type caller struct {
	credential *authz.Credential // nil: anonymous
	owner      job.Owner         // the identity
	network    string            // the address it came from
	fault      error             // why the credential is refused
}

type callerKey struct{}

func withCaller(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf returns the caller that ServeHTTP put into every context.
func callerOf(r *http.Request) *caller { return r.Context().Value(callerKey{}).(*caller) }

// identify looks at the connection anew: yesterday's verdict is no verdict.
func (c *Container) identify(r *http.Request) *caller {
	who := &caller{network: address(r.RemoteAddr), credential: c.presented(r)}
	if who.credential == nil {
		if c.config.Named {
			who.fault = errors.New("there is none: present a certificate or a token")
		}
		return who
	}
	if who.fault = who.credential.Verdict(); who.fault != nil {
		return who
	}
	who.owner, who.fault = identity(who.credential)
	return who
}

// identity is what jobs belong to (DECISIONS 13): the end entity's name with
// its issuer's, whatever proxy stands on it and whatever key the CA has now; or
// a token's subject with its issuer. Of a certificate and a token together, it
// is the certificate's.
func identity(credential *authz.Credential) (job.Owner, error) {
	if claims, ok := token.ClaimsOf(credential); ok {
		return job.Owner{Name: claims.Name(), Key: fmt.Sprintf("token %d %s %s", len(claims.Issuer), claims.Issuer, claims.Subject)}, nil
	}
	chain, ok := gsi.ChainOf(credential)
	if !ok {
		return job.Owner{}, errors.New("a credential of a kind that owns no jobs here")
	}
	if chain.Subject.IsZero() || chain.Issuer.IsZero() {
		return job.Owner{}, errors.New("the certificate names nobody, or nobody who issued it")
	}
	subject, issuer := chain.Subject.Key(), chain.Issuer.Key()
	return job.Owner{Name: chain.Subject.Slash(), Key: fmt.Sprintf("x509 %d %s %s", len(subject), subject, issuer)}, nil
}

func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}

// name is the caller for audit and for the owner of a cancelled job.
func (c *caller) name() string {
	if c.credential == nil {
		return "anonymous"
	}
	return c.credential.Subject
}

// question starts a request of this caller.
func (c *caller) question(resource, action string) *authz.Request {
	q := &authz.Request{Credential: c.credential, Peer: c.network}
	q.Add(authz.Resource, profile.ResourceID, authz.StringValue(resource))
	q.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	if c.network != "" {
		q.Add(authz.Subject, profile.Network, authz.StringValue(c.network))
	}
	return q
}

// aboutService asks: may this caller use this service and action?
func (c *Container) aboutService(who *caller, service, action string) *authz.Request {
	q := who.question(c.config.Resource(service), action)
	q.Add(authz.Resource, profile.Service, authz.StringValue(service))
	return q
}

// aboutJob asks: may this caller act on a job of this owner? kind is "job" or
// "sandbox". A job that does not exist is asked about like somebody else's, so
// that neither the time nor the trail tells them apart.
func (c *Container) aboutJob(who *caller, kind, action, id string, found *job.Job) *authz.Request {
	q := who.question(kind+":"+job.Tag(id), action)
	q.Add(authz.Resource, profile.Job, authz.StringValue(job.Tag(id)))
	if found == nil {
		q.Add(authz.Resource, profile.CallerIsOwner, authz.BooleanValue(false))
		return q
	}
	q.Add(authz.Resource, profile.Owner, authz.StringValue(found.Owner.String()))
	q.Add(authz.Resource, profile.CallerIsOwner, authz.BooleanValue(who.owner.Owns(found.Owner)))
	q.Add(authz.Resource, profile.Service, authz.StringValue(found.Service))
	q.Add(authz.Action, profile.Method, authz.StringValue(found.Method))
	return q
}

var host = regexp.MustCompile(`^([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// address is where the client reaches this container.
func (c *Container) address(r *http.Request) (string, error) {
	if c.config.Address != "" {
		return c.config.Address, nil
	}
	if !host.MatchString(r.Host) {
		return "", fmt.Errorf("the Host header %q is no host: want name or name:port", r.Host)
	}
	return "https://" + r.Host, nil
}

// recordRefusal notes what was refused before any decision. The record counts
// against nobody's request: it is refused anyway.
func (c *Container) recordRefusal(r *http.Request, who *caller, cause error) {
	if c.config.Recorder == nil {
		return
	}
	err := c.config.Recorder.Record(r.Context(), authz.Record{
		Time: c.config.Now(), Event: authz.EventRefused, Process: "container", Peer: who.network,
		Subject: who.name(), Resource: area(r.URL.Path), Decision: authz.Deny.String(), Cause: cause.Error(),
	})
	if err != nil {
		c.config.Log.Error("audit record lost", "error", err)
	}
}
