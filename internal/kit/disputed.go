package kit

// The cases whose oracles we do not follow, each with the reason. Nothing else
// is excused: a case that is not here must agree, one that is here must not.

const (
	unreadablePath = "the policy's path md:record[?] is no XPath: like any other text that cannot be compiled " +
		"(IIC332, IIC335) it is refused when the policy is loaded, with its place, and not found out by each request"
)

var disputed = map[string]map[string]Dispute{"xacml2": disputedTwo, "xacml3": disputedThree}

var disputedTwo = map[string]Dispute{
	"IIIF005": {unreadablePath, "refused"},
}

var disputedThree = map[string]Dispute{
	"IIIF005": {unreadablePath, "refused"},
	"IIA023": {"erratum: request and oracle hold values that are none of their types (a time zone of -14:30, which XML " +
		"Schema ends at 14:00), so the request has a syntax error", "Indeterminate syntax-error"},
	"IID029": {"erratum: the target of policy 1 looks for action-id among the subject's attributes and insists that it be " +
		"present, so that it is Indeterminate and with it only-one-applicable (core, C.9); the oracle is that of the 2.0 " +
		"original, which has it right", "Indeterminate missing-attribute"},
	"IID312": {"erratum: RuleId rule5 stands twice in one policy, which the core (5.21) forbids", "refused"},
	"IIIG300": {"policy2 applies and permits; core 5.48 lists every policy whose target and condition hold, whether or not " +
		"its effect is that of the decision, so it belongs in the PolicyIdentifierList beside the denying policy4", "Deny"},
}
