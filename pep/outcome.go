package pep

import (
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Outcome is what an Enforcer answers. Only Permit says yes.
type Outcome struct {
	Permit bool
	// ID is the decision id, for the user to quote and to join records.
	ID string
	// Response is the decision behind the outcome, with the obligations that
	// are left for the caller, all of which it said it understands. Its
	// Decision is Permit only if the outcome is.
	Response authz.Response
	// Effects says how to carry a permitted request out.
	Effects Effects
	// Request is the request as it was decided, with everything the
	// enrichers added. Nil if it was refused before that, or too slowly.
	Request *authz.Request
	// Cause is the error behind a refusal, for logs and never for users.
	Cause error

	credential error // why the credential was refused; the user may know
}

// Message returns what the user may read: the author's words, what would have
// been enough, and the decision id; never policy names or internal errors.
func (o Outcome) Message() string {
	var b strings.Builder
	switch reason := o.Response.Reason; {
	case o.Permit:
		b.WriteString("permitted")
	case o.credential != nil:
		b.WriteString("your credential was refused: " + o.credential.Error())
	case reason != nil && reason.Because != "":
		b.WriteString("not permitted: " + reason.Because)
	case o.Cause != nil || o.Response.Decision == authz.Indeterminate:
		b.WriteString("not permitted: the request could not be decided; try again later or tell the administrator")
	default:
		b.WriteString("not permitted")
	}
	if !o.Permit && o.credential == nil {
		for i, bounds := range o.Response.Enough {
			b.WriteString([]string{"; enough would be ", ", or "}[min(i, 1)])
			for j, bound := range bounds {
				b.WriteString([]string{"", " and "}[min(j, 1)] + bound.String())
			}
		}
	}
	fmt.Fprintf(&b, " (decision %s)", o.ID)
	return b.String()
}

// failure is an outcome without a decision.
func failure(err error) Outcome {
	return Outcome{Cause: err, Response: undecided("the request could not be decided")}
}

func undecided(message string) authz.Response {
	return authz.Response{
		Decision: authz.Indeterminate, Extent: authz.ExtentDenyPermit,
		Status: &authz.Status{Code: authz.StatusProcessingError, Message: message},
	}
}
