package context

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Result is the answer to one question.
type Result struct {
	authz.Response
	// Attributes are those of the question that it asked to have included.
	Attributes []authz.Attribute
	// Resource is the resource-id of the question, which 2.0 repeats.
	Resource string
}

// Response is a response context: a result for each question.
type Response struct {
	Results []Result
}

// Decide asks d each question of the request and returns the answers. The
// response is whole and refuses in every case of doubt: where d has no answer
// the result is Indeterminate, and the first such error is returned beside it,
// for a log.
func (r *Request) Decide(ctx context.Context, d authz.Decider) (Response, error) {
	questions, err := r.asked()
	if err != nil {
		return Refuse(err), err
	}
	var failures []error
	results := make([]Result, len(questions))
	for i, q := range questions {
		result := &results[i]
		result.Response, err = d.Decide(ctx, q.Request)
		if err != nil {
			result.Response = authz.Response{Status: &authz.Status{Code: authz.StatusProcessingError, Message: "the decision point has no answer"}}
			failures = append(failures, err)
		}
		result.Attributes, result.Resource = included(q.Request), resourceOf(q.Request)
	}
	response := Response{Results: together(questions, results)}
	if r.Combined {
		response = combine(response)
	}
	if len(failures) > 0 {
		return response, fmt.Errorf("%d of %d questions without an answer: %w", len(failures), len(questions), failures[0])
	}
	return response, nil
}

// together gives the nodes of each hierarchy, which stand side by side, one
// result.
func together(questions []asked, results []Result) []Result {
	out := results[:0]
	for from := 0; from < len(results); {
		to := from + 1
		for whole := questions[from].whole; whole != nil && to < len(results) && questions[to].whole == whole; {
			to++
		}
		if whole := questions[from].whole; whole != nil {
			out = append(out, whole.answer(results[from:to]))
		} else {
			out = append(out, results[from])
		}
		from = to
	}
	return out
}

func included(q *authz.Request) (attrs []authz.Attribute) {
	for _, a := range q.Attributes {
		if a.IncludeInResult {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

func resourceOf(q *authz.Request) string {
	for _, v := range q.Values(authz.Resource, profile.ResourceID) {
		return v.Text()
	}
	return ""
}

// combine makes one result of all: their decision if it is one and brings no
// obligations or advice, else Indeterminate (Multiple Decision profile 1.0, 3).
func combine(all Response) Response {
	first := all.Results[0].Response
	for _, r := range all.Results {
		if r.Decision != first.Decision || len(r.Obligations)+len(r.Advice) > 0 {
			return refusal(authz.StatusProcessingError, "the decisions differ, or carry obligations or advice, and cannot be combined")
		}
	}
	one := authz.Response{Decision: first.Decision, Revision: first.Revision}
	if one.Decision == authz.Indeterminate {
		one.Status = first.Status
	}
	return Response{Results: []Result{{Response: one}}}
}

// Refuse is the response to a request that cannot be read or asked:
// Indeterminate, syntax-error.
func Refuse(err error) Response {
	return refusal(authz.StatusSyntaxError, err.Error())
}

func refusal(code, message string) Response {
	return Response{Results: []Result{{Response: authz.Response{Status: &authz.Status{Code: code, Message: message}}}}}
}

// ErrResults says that a response does not hold the one result that was asked
// for.
var ErrResults = errors.New("want one result")

// One returns the only result of the answer to one question.
func (r Response) One() (Result, error) {
	if len(r.Results) != 1 {
		return Result{}, fmt.Errorf("response has %d results: %w", len(r.Results), ErrResults)
	}
	return r.Results[0], nil
}
