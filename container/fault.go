package container

import (
	"context"
	"errors"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pep"
)

// finer makes a fault code finer: Client.Refused.
func finer(code xml.Name, word string) xml.Name {
	code.Local += "." + word
	return code
}

// detail writes the element that a fault is typed by.
func detail(service, name string, children func(w *xml.Writer)) soap.Body {
	return func(w *xml.Writer) {
		w.Start("f:" + name)
		w.Namespace("f", Namespace(service))
		children(w)
		w.End()
	}
}

// refused is the fault of a refusal: what a user may know of it, which is the
// author's words, what would have been enough, and the id by which an
// administrator finds the rest.
func refused(service string, o pep.Outcome) *soap.Fault {
	return &soap.Fault{
		Code:   finer(soap.CodeClient, "Refused"),
		String: xml.Clean(o.Message()),
		Detail: detail(service, "refused", func(w *xml.Writer) {
			w.Leaf("f:decision", o.ID)
			if text := because(o); text != "" {
				w.Leaf("f:reason", xml.Clean(text))
			}
			for _, bounds := range o.Response.Enough {
				writeBounds(w, bounds)
			}
		}),
	}
}

func writeBounds(w *xml.Writer, bounds []authz.Bound) {
	w.Start("f:enough")
	for _, b := range bounds {
		w.Start("f:bound")
		w.Leaf("f:attribute", xml.Clean(b.Attribute))
		w.Leaf("f:operator", xml.Clean(b.Operator))
		w.Leaf("f:value", xml.Clean(b.Value))
		w.End()
	}
	w.End()
}

func because(o pep.Outcome) string {
	if o.Response.Reason == nil {
		return ""
	}
	return o.Response.Reason.Because
}

// unknownJob is the fault for a job that does not exist and for somebody
// else's: whoever asks must not learn which.
func unknownJob(service, decision, id string) *soap.Fault {
	return &soap.Fault{
		Code:   finer(soap.CodeClient, "UnknownJob"),
		String: "you have no such job of this service (decision " + decision + ")",
		Detail: detail(service, "unknownJob", func(w *xml.Writer) {
			w.Leaf("f:decision", decision)
			w.Leaf("f:session", id)
		}),
	}
}

func simple(code xml.Name, word, service, name, message string, cause error) *soap.Fault {
	message = xml.Clean(message)
	return &soap.Fault{
		Code: finer(code, word), String: message, Cause: cause,
		Detail: detail(service, name, func(w *xml.Writer) { w.Leaf("f:message", message) }),
	}
}

func invalid(service string, err error) *soap.Fault {
	return simple(soap.CodeClient, "Invalid", service, "invalid", err.Error(), err)
}

// unauthenticated is the fault for a credential that does not stand. The name
// comes from the URL: one that is no service of ours gets no typed detail.
func (c *Container) unauthenticated(service string, err error) *soap.Fault {
	f := simple(soap.CodeClient, "Unauthenticated", service, "unauthenticated", "your credential is not accepted: "+err.Error(), err)
	if c.services[service] == nil {
		f.Detail = nil
	}
	return f
}

// jobFault translates an error of the job service.
func (c *Container) jobFault(service string, j *job.Job, err error) *soap.Fault {
	switch {
	case errors.Is(err, job.ErrKey):
		return invalid(service, err)
	case errors.Is(err, job.ErrFull), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return simple(soap.CodeServer, "Unavailable", service, "unavailable", "not done: try again later", err)
	case errors.Is(err, job.ErrState) && j != nil:
		return &soap.Fault{
			Code: finer(soap.CodeClient, "Conflict"), String: err.Error(), Cause: err,
			Detail: detail(service, "conflict", func(w *xml.Writer) {
				w.Leaf("f:state", string(j.State))
				w.Leaf("f:message", err.Error())
			}),
		}
	}
	c.config.Log.Error("job service failed", "service", service, "error", err)
	return simple(soap.CodeServer, "Unavailable", service, "unavailable", "not done: the container cannot use its store now; try again later", err)
}
