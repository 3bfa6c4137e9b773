package profile

import "github.com/gatehouse-authz/gatehouse/authz"

// Standard functions (XACML 3.0 core, annex A.3) that SPL stands for.
const (
	FunctionStringEqual   = xacml + "function:string-equal"
	FunctionBooleanEqual  = xacml + "function:boolean-equal"
	FunctionIntegerEqual  = xacml + "function:integer-equal"
	FunctionDoubleEqual   = xacml + "function:double-equal"
	FunctionDateEqual     = xacml + "function:date-equal"
	FunctionTimeEqual     = xacml + "function:time-equal"
	FunctionDateTimeEqual = xacml + "function:dateTime-equal"
	FunctionAnyURIEqual   = xacml + "function:anyURI-equal"
	FunctionX500NameEqual = xacml + "function:x500Name-equal"
	FunctionAnd           = xacml + "function:and"
	FunctionStringRegexp  = xacml + "function:string-regexp-match" // unanchored, XPath
)

// FunctionFQAN is gLite's comparison of FQANs.
const FunctionFQAN = glite + "algorithm/fqan-match"

// Our own functions; the package comment defines each.
const (
	FunctionAnchoredRegexp         = own + "function/anchored-regexp-match"
	FunctionFQANPattern            = own + "function/fqan-pattern-match"
	FunctionSubtree                = own + "function/rdn-subtree-match"
	FunctionBanName                = own + "function/ban-name-match"
	FunctionBanSubtree             = own + "function/ban-subtree-match"
	FunctionBanText                = own + "function/ban-text-match"
	FunctionBanURI                 = own + "function/ban-uri-match"
	FunctionBanFQAN                = own + "function/ban-fqan-match"
	FunctionBanVO                  = own + "function/ban-vo-match"
	FunctionNetwork                = own + "function/network-match"
	FunctionStrengthLess           = own + "function/credential-strength-less-than"
	FunctionStrengthLessOrEqual    = own + "function/credential-strength-less-than-or-equal"
	FunctionStrengthGreater        = own + "function/credential-strength-greater-than"
	FunctionStrengthGreaterOrEqual = own + "function/credential-strength-greater-than-or-equal"
	FunctionNone                   = own + "function/none-of"
)

// Comparison is an ordered comparison: Function(literal, value) holds exactly
// when "value Operator literal" does. So "requested-cpu-time <= 600" is
// integer-greater-than-or-equal(600, value).
type Comparison struct {
	Operator string // < <= > >=
	Function string
}

var comparisons = map[authz.DataType][]Comparison{
	authz.Integer:  standard("1.0", "integer"),
	authz.Double:   standard("1.0", "double"),
	authz.Date:     standard("1.0", "date"),
	authz.Time:     standard("1.0", "time"),
	authz.DateTime: standard("1.0", "dateTime"),
}

var strengthComparisons = []Comparison{
	{"<", FunctionStrengthGreater},
	{"<=", FunctionStrengthGreaterOrEqual},
	{">", FunctionStrengthLess},
	{">=", FunctionStrengthLessOrEqual},
}

func standard(version, typ string) []Comparison {
	f := "urn:oasis:names:tc:xacml:" + version + ":function:" + typ
	return []Comparison{
		{"<", f + "-greater-than"},
		{"<=", f + "-greater-than-or-equal"},
		{">", f + "-less-than"},
		{">=", f + "-less-than-or-equal"},
	}
}

// Comparisons returns the ordered comparisons of an attribute: of its type, or
// of strengths for credential-strength; none when it has no order.
func (a Attribute) Comparisons() []Comparison {
	if a.ID == CredentialStrength {
		return strengthComparisons
	}
	return comparisons[a.Type]
}

// The credential strengths.
const (
	Anonymous = "anonymous"
	Weak      = "weak"
	Strong    = "strong"
)

// Strengths returns the credential strengths, weakest first.
func Strengths() []string { return []string{Anonymous, Weak, Strong} }
