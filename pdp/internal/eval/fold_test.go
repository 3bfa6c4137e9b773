package eval

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// What depends on no request is computed when policies are loaded, but for
// errors, which are Indeterminate only where they are asked for.
func TestConstantsAreFolded(t *testing.T) {
	literal := func(v authz.Value) policies.Expression { return &policies.Literal{Value: v} }
	call := func(name string, args ...policies.Expression) policies.Expression {
		return &policies.Apply{Function: name, Arguments: args}
	}
	one, two := literal(authz.IntegerValue(1)), literal(authz.IntegerValue(2))
	yes, no := literal(authz.BooleanValue(true)), literal(authz.BooleanValue(false))
	asked := call(one0+"string-is-in", literal(authz.StringValue("a")), &policies.Designator{Category: authz.Subject, ID: "x", Type: authz.String})
	for name, c := range map[string]struct {
		of   policies.Expression
		want string // "" if it has to wait for a request
	}{
		"arithmetic":           {call(one0+"integer-add", one, call(one0+"integer-multiply", two, two)), "5"},
		"text":                 {call(two0+"string-concatenate", literal(authz.StringValue("a")), literal(authz.StringValue("b"))), "ab"},
		"comparison":           {call(one0+"integer-less-than", one, two), "true"},
		"pattern":              {call(one0+"string-regexp-match", literal(authz.StringValue("^a")), literal(authz.StringValue("ab"))), "true"},
		"not":                  {call(one0+"not", call(one0+"integer-equal", one, two)), "true"},
		"n-of":                 {call(one0+"n-of", one, no, yes), "true"},
		"size of a bag":        {call(one0+"integer-bag-size", call(one0+"integer-bag", one, two)), "2"},
		"and decided":          {call(one0+"and", asked, no), "false"},
		"or decided":           {call(one0+"or", asked, yes), "true"},
		"and of nothing":       {call(one0 + "and"), "true"},
		"and of what holds":    {call(one0+"and", yes, asked), ""},
		"an attribute":         {call(one0+"not", asked), ""},
		"division by zero":     {call(one0+"integer-divide", one, literal(authz.IntegerValue(0))), ""},
		"a pattern of no kind": {call(one0+"string-regexp-match", call(two0+"string-concatenate", literal(authz.StringValue("(")), literal(authz.StringValue("a"))), literal(authz.StringValue("a"))), ""},
	} {
		t.Run(name, func(t *testing.T) {
			run := &compilation{compiler: NewCompiler(nil), tx: new(transaction), referenced: map[policies.Node]*libraryEntry{}}
			x := run.expression(c.of)
			require.Empty(t, run.errs)
			if c.want == "" {
				require.Nil(t, x.constant)
				return
			}
			require.NotNil(t, x.constant)
			require.Equal(t, c.want, x.constant.value.Text())
			require.Equal(t, x.typ.data, x.constant.value.Type())
		})
	}
}
