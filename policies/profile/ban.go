package profile

import "github.com/gatehouse-authz/gatehouse/authz"

// Reading is one place where a ban looks for a name: the values of that
// attribute, of every data type and standing, by that function.
type Reading struct {
	Category authz.Category
	ID       string
	Function string
}

// Identity is a name that a ban may use, with the readings of which any one
// makes it hold: a name counts under whatever profile it arrives.
type Identity struct {
	Name     string
	Readings []Reading
	// Needs is another name without which this one names nobody: a token's
	// subject without its issuer.
	Needs string
}

var identities = []Identity{
	{"subject", seen(FunctionBanName, SubjectID), ""},
	{"subject-issuer", seen(FunctionBanName, SubjectIssuer, X509Issuer, EMISubjectIssuer, EMIX509Issuer), ""},
	{"ca-key", seen(FunctionBanText, CAKey), ""},
	{"vo", append(seen(FunctionBanText, VO, EMIVO), seen(FunctionBanVO, FQAN, PrimaryFQAN, EMIGroup, EMIPrimaryGroup)...), ""},
	{"fqan", seen(FunctionBanFQAN, FQAN, PrimaryFQAN), ""},
	{"oidc-issuer", seen(FunctionBanURI, OIDCIssuer), ""},
	{"oidc-subject", seen(FunctionBanText, OIDCSubject), "oidc-issuer"},
	{"token-id", seen(FunctionBanText, TokenID), ""},
	{"oidc-client-id", seen(FunctionBanText, OIDCClientID), ""},
	{"network", seen(FunctionNetwork, Network), ""},
	{"account", seen(FunctionBanText, Account), ""},
	{"person", seen(FunctionBanText, Person), ""},
}

func seen(function string, ids ...string) []Reading {
	readings := make([]Reading, len(ids))
	for i, id := range ids {
		readings[i] = Reading{authz.Subject, id, function}
	}
	return readings
}

// Identities returns the names that a ban may use.
func Identities() []Identity { return append([]Identity(nil), identities...) }

// LookupIdentity returns the identity of that name.
func LookupIdentity(name string) (Identity, bool) {
	for _, i := range identities {
		if i.Name == name {
			return i, true
		}
	}
	return Identity{}, false
}
