package pip

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The compute capabilities of the WLCG Common JWT Profile ("Compute
// capabilities"). There they cover all jobs of an account; here, as everywhere,
// a job answers to its owner only, so a scope never widens anything.
const (
	computeCreate = "compute.create"
	computeRead   = "compute.read"
	computeModify = "compute.modify"
	computeCancel = "compute.cancel"
)

// capabilities says which scope an action needs of a token whose scopes limit
// it; "" is none: what a service is, anybody whom policy permits may ask.
var capabilities = map[string]string{
	profile.ActionSubmit:           computeCreate,
	profile.ActionExecute:          computeCreate,
	profile.ActionSandboxWrite:     computeCreate,
	profile.ActionDelegationManage: computeCreate,
	profile.ActionJobInfo:          computeRead,
	profile.ActionLeaseInfo:        computeRead,
	profile.ActionSandboxRead:      computeRead,
	profile.ActionDelegationInfo:   computeRead,
	profile.ActionManage:           computeModify,
	profile.ActionLeaseManage:      computeModify,
	profile.ActionTerminate:        computeCancel,
	profile.ActionServiceInfo:      "",
}

// executionNamespaces are those to which ARC appends an operation of EMI-ES.
var executionNamespaces = []string{
	profile.ActionESActivityManagement, profile.ActionESActivity, profile.ActionESCreation, profile.ActionESResourceInfo, profile.ActionGridSiteDelegation,
}

// capability returns what an action needs; known is false for an action that
// has no place in the profile.
func capability(action string) (needed string, known bool) {
	if needed, known = capabilities[action]; known {
		return needed, true
	}
	for _, namespace := range executionNamespaces {
		name, ok := strings.CutPrefix(action, namespace)
		name = strings.TrimPrefix(name, "/")
		if !ok {
			continue
		}
		for _, o := range append(profile.ExecutionOperations(), profile.DelegationOperations()...) {
			if o.Name == name {
				needed, known = capabilities[o.Action]
				return needed, known
			}
		}
	}
	return "", false
}
