package authz

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplanationAsJSONAndBack(t *testing.T) {
	dn, err := ParseDN("/O=x/CN=a")
	require.NoError(t, err)
	e := Explanation{
		Response: Response{
			Decision: Deny, Extent: ExtentNone, Reason: &Reason{Policy: "p", Rule: "r"},
			Obligations: []Obligation{{ID: "o", Assignments: []Assignment{{ID: "a", Value: DNValue(dn)}, {ID: "b"}}}},
		},
		Root: &Step{Kind: StepPolicy, ID: "p", Result: "Deny"},
	}
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.Contains(t, string(text), `"decision":"Deny"`)
	var back Explanation
	require.NoError(t, json.Unmarshal(text, &back))
	require.True(t, back.Response.Obligations[0].Assignments[0].Value.Equal(DNValue(dn)))
	require.True(t, back.Response.Obligations[0].Assignments[1].Value.IsZero())
	require.Equal(t, e.Root, back.Root)
	require.Error(t, json.Unmarshal([]byte(`{"Response":{"Decision":"Perhaps"}}`), &back))
}
