package pdp

import (
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// CombinesPolicies reports whether the engine has a combining algorithm of that
// name for policies (XACML 3.0 core, annex C).
func CombinesPolicies(a policies.Algorithm) bool { return eval.CombinesPolicies(a) }
