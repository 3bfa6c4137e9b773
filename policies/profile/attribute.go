package profile

import "github.com/gatehouse-authz/gatehouse/authz"

const (
	own     = "https://gatehouse-authz.github.io/xacml/"
	glite   = "http://glite.org/xacml/"
	emi     = "http://dci-sec.org/xacml/"
	xacml   = "urn:oasis:names:tc:xacml:1.0:"
	interop = "http://authz-interop.org/xacml/"
)

// Attributes of XACML itself (XACML 3.0 core, annex B).
const (
	SubjectID  = xacml + "subject:subject-id"
	KeyInfo    = xacml + "subject:key-info" // PEM chain (gLite), base64 certificates (EMI)
	ResourceID = xacml + "resource:resource-id"
	ActionID   = xacml + "action:action-id"
)

// Attributes of the gLite profiles, and Argus's additions to them.
const (
	ProfileID        = glite + "attribute/profile-id"
	SubjectIssuer    = glite + "attribute/subject-issuer"
	X509Issuer       = glite + "attribute/x509-subject-issuer"
	AuthnProfile     = glite + "attribute/x509-authn-profile"
	VO               = glite + "attribute/virtual-organization"
	FQAN             = glite + "attribute/fqan"
	PrimaryFQAN      = glite + "attribute/fqan/primary"
	VOMSIssuer       = glite + "attribute/voms-issuer"
	PilotClassifier  = glite + "attribute/pilot-job-classifier"
	PilotClassifer   = glite + "attribute/pilot-job-classifer" // as the C client spells it
	UserID           = glite + "attribute/user-id"
	PrimaryGroupID   = glite + "attribute/group-id/primary"
	GroupID          = glite + "attribute/group-id"
	OIDCIssuer       = glite + "attribute/oidc-issuer"
	OIDCOrganisation = glite + "attribute/oidc-organisation"
	OIDCSubject      = glite + "attribute/oidc-subject"
	OIDCGroup        = glite + "attribute/oidc-group"
	OIDCScope        = glite + "attribute/oidc-scope"
	OIDCUserID       = glite + "attribute/oidc-user-id"
	OIDCClientID     = glite + "attribute/oidc-client-id"
)

// Attributes of the EMI profile.
const (
	EMIProfileID      = emi + "attribute/profile-id"
	EMISubjectIssuer  = emi + "attribute/subject-issuer"
	EMIX509Issuer     = emi + "attribute/x509-subject-issuer"
	EMIAuthnProfile   = emi + "attribute/x509-authn-profile"
	EMIVO             = emi + "attribute/virtual-organization"
	EMIGroup          = emi + "attribute/group"
	EMIPrimaryGroup   = emi + "attribute/group/primary"
	EMIRole           = emi + "attribute/role"
	EMIPrimaryRole    = emi + "attribute/role/primary"
	EMIResourceOwner  = emi + "attribute/resource-owner"
	EMIUserID         = emi + "attribute/user-id"
	EMIPrimaryGroupID = emi + "attribute/group-id/primary"
	EMIGroupID        = emi + "attribute/group-id"
)

// Attributes of our own; the package comment says what each holds.
const (
	CredentialStrength = own + "attribute/credential-strength"
	LimitedProxy       = own + "attribute/limited-proxy"
	TokenID            = own + "attribute/token-id"
	CAKey              = own + "attribute/ca-key"
	Network            = own + "attribute/network"
	Account            = own + "attribute/account"
	Person             = own + "attribute/person"
	Assurance          = own + "attribute/assurance"
	RequestedCPUTime   = own + "attribute/requested-cpu-time"
	RequestedWallTime  = own + "attribute/requested-wall-time"
	Owner              = own + "attribute/owner"
	CallerIsOwner      = own + "attribute/caller-is-owner"
	Job                = own + "attribute/job"
	SandboxPath        = own + "attribute/sandbox-path"
	Service            = own + "attribute/service"
	Method             = own + "attribute/method"
	Seconds            = own + "attribute/seconds" // of a limit
)

// Values of the profile-id attribute, type anyURI.
const (
	ProfileGridWN    = glite + "profile/grid-wn/1.0"
	ProfileGridCE    = glite + "profile/grid-ce/1.0"
	ProfileEMICommon = emi + "profile/common-authz/1.1"
	ProfileEMICE     = emi + "profile/common-ce/1.0" // what ARC sends
	ProfileInterop   = "http://authz-interop.org/profile/1.1"
)

// Attribute is a row of the table behind SPL's names.
type Attribute struct {
	Name     string // as SPL writes it
	ID       string
	Category authz.Category
	Type     authz.DataType
	Match    string // function that "=" stands for
	// Deny is the function that takes the place of Match where a rule denies,
	// on values of any data type (DECISIONS 12); "" when Match serves there too.
	Deny string
}

// attributes are Argus's attribute-mappings.ini and then our own. One row
// differs: emi-resource-owner is an x500Name that Argus compares as a string,
// which can never match.
var attributes = []Attribute{
	{"resource", ResourceID, authz.Resource, authz.String, FunctionAnchoredRegexp, ""},
	{"action", ActionID, authz.Action, authz.String, FunctionAnchoredRegexp, ""},
	{"subject", SubjectID, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"subject-issuer", SubjectIssuer, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"x509-subject-issuer", X509Issuer, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"x509-authn-profile", AuthnProfile, authz.Subject, authz.String, FunctionAnchoredRegexp, FunctionAnchoredRegexp},
	{"vo", VO, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"fqan", FQAN, authz.Subject, authz.FQANType, FunctionFQAN, FunctionFQAN},
	{"pfqan", PrimaryFQAN, authz.Subject, authz.FQANType, FunctionFQAN, FunctionFQAN},
	{"pilot-classifier", PilotClassifier, authz.Action, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-subject-issuer", EMISubjectIssuer, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"emi-x509-subject-issuer", EMIX509Issuer, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"emi-x509-authn-profile", EMIAuthnProfile, authz.Subject, authz.String, FunctionAnchoredRegexp, FunctionAnchoredRegexp},
	{"emi-vo", EMIVO, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-group", EMIGroup, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-primary-group", EMIPrimaryGroup, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-role", EMIRole, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-primary-role", EMIPrimaryRole, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-resource-owner", EMIResourceOwner, authz.Resource, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"oidc-issuer", OIDCIssuer, authz.Subject, authz.String, FunctionStringEqual, FunctionBanURI},
	{"oidc-organisation", OIDCOrganisation, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"oidc-subject", OIDCSubject, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"oidc-group", OIDCGroup, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"oidc-scope", OIDCScope, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"oidc-user-id", OIDCUserID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"oidc-client-id", OIDCClientID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},

	{"profile-id", ProfileID, authz.Environment, authz.AnyURI, FunctionAnyURIEqual, ""},
	{"voms-issuer", VOMSIssuer, authz.Subject, authz.X500Name, FunctionX500NameEqual, FunctionBanName},
	{"user-id", UserID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"primary-group-id", PrimaryGroupID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"group-id", GroupID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-user-id", EMIUserID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-primary-group-id", EMIPrimaryGroupID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"emi-group-id", EMIGroupID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},

	{"credential-strength", CredentialStrength, authz.Subject, authz.String, FunctionStringEqual, ""},
	{"limited-proxy", LimitedProxy, authz.Subject, authz.Boolean, FunctionBooleanEqual, ""},
	{"ca-key", CAKey, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"token-id", TokenID, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"network", Network, authz.Subject, authz.String, FunctionNetwork, FunctionNetwork},
	{"account", Account, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"person", Person, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"assurance", Assurance, authz.Subject, authz.String, FunctionStringEqual, FunctionBanText},
	{"requested-cpu-time", RequestedCPUTime, authz.Environment, authz.Integer, FunctionIntegerEqual, ""},
	{"requested-wall-time", RequestedWallTime, authz.Environment, authz.Integer, FunctionIntegerEqual, ""},
	{"owner", Owner, authz.Resource, authz.String, FunctionStringEqual, FunctionBanText},
	{"caller-is-owner", CallerIsOwner, authz.Resource, authz.Boolean, FunctionBooleanEqual, ""},
	{"job", Job, authz.Resource, authz.String, FunctionStringEqual, FunctionBanText},
	{"sandbox-path", SandboxPath, authz.Resource, authz.String, FunctionStringEqual, FunctionBanText},
	{"service", Service, authz.Resource, authz.String, FunctionStringEqual, FunctionBanText},
	{"method", Method, authz.Action, authz.String, FunctionStringEqual, FunctionBanText},
	{"seconds", Seconds, authz.Environment, authz.Integer, FunctionIntegerEqual, ""},
}

// Attributes returns the rows, Argus's first.
func Attributes() []Attribute { return append([]Attribute(nil), attributes...) }

// Lookup returns the row of an SPL name.
func Lookup(name string) (Attribute, bool) {
	for _, a := range attributes {
		if a.Name == name {
			return a, true
		}
	}
	return Attribute{}, false
}

// ByID returns the row of an attribute.
func ByID(c authz.Category, id string) (Attribute, bool) {
	for _, a := range attributes {
		if a.ID == id && a.Category == c {
			return a, true
		}
	}
	return Attribute{}, false
}
