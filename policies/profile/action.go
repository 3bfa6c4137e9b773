package profile

// Actions of the gLite profiles.
const (
	ActionExecute            = glite + "action/execute"
	ActionAny                = glite + "action/ANY"
	ActionSubmit             = glite + "action/ce/job/submit"
	ActionTerminate          = glite + "action/ce/job/terminate"
	ActionJobInfo            = glite + "action/ce/job/get-info"
	ActionManage             = glite + "action/ce/job/manage"
	ActionLeaseInfo          = glite + "action/ce/lease/get-info"
	ActionLeaseManage        = glite + "action/ce/lease/manage"
	ActionServiceInfo        = glite + "action/ce/get-info"
	ActionDelegationInfo     = glite + "action/ce/delegation/get-info"
	ActionDelegationManage   = glite + "action/ce/delegation/manage"
	ActionSubscriptionInfo   = glite + "action/ce/subscription/get-info"
	ActionSubscriptionManage = glite + "action/ce/subscription/manage"
)

// Actions of EMI and ARC. ARC sends the EMI-ES operation appended to one of
// its port type namespaces, or the delegation namespace.
const (
	ActionEMIAny               = emi + "action/ANY"
	ActionESCreation           = "http://www.eu-emi.eu/es/2010/12/creation"
	ActionESActivity           = "http://www.eu-emi.eu/es/2010/12/activity"
	ActionESActivityManagement = "http://www.eu-emi.eu/es/2010/12/activitymanagement"
	ActionESResourceInfo       = "http://www.eu-emi.eu/es/2010/12/resourceinfo"
	ActionGridSiteDelegation   = "http://www.gridsite.org/namespaces/delegation-21"
)

// Actions of our own: files of a sandbox, and administration (DECISIONS 18).
const (
	ActionSandboxRead  = own + "action/sandbox/read" // list a directory or fetch a file
	ActionSandboxWrite = own + "action/sandbox/write"
	ActionPolicyRead   = own + "action/pap/policy-read"
	ActionPolicyWrite  = own + "action/pap/policy-write"
	ActionBan          = own + "action/pap/ban" // ban and un-ban
	ActionConfigRead   = own + "action/pap/config-read"
	ActionConfigWrite  = own + "action/pap/config-write"
	ActionFollow       = own + "action/pap/follow" // read the feed of updates and report progress
)

// Operation gives the action-id of an operation of an existing protocol.
type Operation struct{ Name, Action string }

// creamOperations follow CREAM's own authorization plug-in.
var creamOperations = []Operation{
	{"JobRegister", ActionSubmit}, {"JobStart", ActionSubmit}, {"JobSetLeaseId", ActionSubmit},
	{"JobCancel", ActionTerminate}, {"JobPurge", ActionTerminate},
	{"JobInfo", ActionJobInfo}, {"JobStatus", ActionJobInfo}, {"JobList", ActionJobInfo}, {"QueryEvent", ActionJobInfo},
	{"JobSuspend", ActionManage}, {"JobResume", ActionManage},
	{"getLease", ActionLeaseInfo}, {"getLeaseList", ActionLeaseInfo},
	{"setLease", ActionLeaseManage}, {"deleteLease", ActionLeaseManage},
	{"getServiceInfo", ActionServiceInfo}, {"getVersion", ActionServiceInfo},
	{"getInterfaceVersion", ActionServiceInfo}, {"getServiceMetadata", ActionServiceInfo},
}

var delegationOperations = []Operation{
	{"getTerminationTime", ActionDelegationInfo},
	{"getProxyReq", ActionDelegationManage}, {"getNewProxyReq", ActionDelegationManage},
	{"putProxy", ActionDelegationManage}, {"renewProxyReq", ActionDelegationManage}, {"destroy", ActionDelegationManage},
}

// executionOperations are those of EMI-ES as CREAM maps them.
var executionOperations = []Operation{
	{"CreateActivity", ActionSubmit},
	{"ListActivities", ActionJobInfo}, {"GetActivityStatus", ActionJobInfo}, {"GetActivityInfo", ActionJobInfo},
	{"CancelActivity", ActionTerminate}, {"WipeActivity", ActionTerminate},
	{"PauseActivity", ActionManage}, {"ResumeActivity", ActionManage}, {"RestartActivity", ActionManage}, {"NotifyService", ActionManage},
	{"InitDelegation", ActionDelegationManage}, {"PutDelegation", ActionDelegationManage},
	{"GetDelegationInfo", ActionDelegationInfo},
	{"GetResourceInfo", ActionServiceInfo}, {"QueryResourceInfo", ActionServiceInfo},
}

// CREAMOperations returns the operations of CREAM2.
func CREAMOperations() []Operation { return append([]Operation(nil), creamOperations...) }

// DelegationOperations returns the operations of the GridSite delegation port.
func DelegationOperations() []Operation { return append([]Operation(nil), delegationOperations...) }

// ExecutionOperations returns the operations of EMI-ES.
func ExecutionOperations() []Operation { return append([]Operation(nil), executionOperations...) }
