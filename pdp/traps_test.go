package pdp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// adding is a source of attributes in front of a decider.
type adding struct {
	authz.Decider
	attribute authz.Attribute
}

func (a adding) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	r.Attributes = append(r.Attributes, a.attribute)
	return a.Decider.Decide(ctx, r)
}

// Trap 22 of reference/xacml.md: an attribute that a source gives counts also
// when the request has nothing at all in that category.
func TestTrap22SourceOfAnAbsentCategory(t *testing.T) {
	asks := &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{{
		Function: "urn:oasis:names:tc:xacml:1.0:function:string-equal", Value: authz.StringValue("office"),
		Attribute: &policies.Designator{Category: "urn:own:place", ID: "where", Type: authz.String, MustBePresent: true},
	}}}}}}}
	engine, err := inForce(&policies.Snapshot{Revision: revision(1), Root: rootOf(policies.FirstApplicable, &policies.Policy{
		Header: policies.Header{ID: "p", Combining: policies.FirstApplicable},
		Rules:  policies.NewList(&policies.Rule{ID: "r", Effect: authz.Permit, Target: asks}),
	})})
	require.NoError(t, err)
	alone, err := engine.Decide(bg, &authz.Request{})
	require.NoError(t, err)
	require.Equal(t, authz.StatusMissingAttribute, alone.Status.Code)
	where := authz.Attribute{Category: "urn:own:place", ID: "where", Values: []authz.Value{authz.StringValue("office")}, Standing: authz.Verified}
	helped, err := adding{engine, where}.Decide(bg, &authz.Request{})
	require.NoError(t, err)
	require.Equal(t, authz.Permit, helped.Decision)
}
