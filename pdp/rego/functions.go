package rego

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The functions that a document may call are listed by what is allowed, so that
// an upgrade of OPA brings nothing new in by itself: functions without a dot in
// their name, and those of the families below, unless they are withheld.
var (
	families = []string{
		"array", "base64", "base64url", "bits", "glob", "graph", "hex", "internal", "json", "net", "numbers",
		"object", "regex", "semver", "strings", "time", "units", "uri", "urlquery",
	}
	withheld = []string{
		"trace", "print", // they write
		"net.lookup_ip_addr",                      // network
		"json.match_schema", "json.verify_schema", // fetch references
		"strings.render_template",              // runs a template language of its own
		"internal.print", "internal.test_case", // for opa test
		"net.cidr_expand", "numbers.range_step", // of little use, of great size
		"regex.globs_match", "rego.metadata.chain", // exponential; about the document itself
		"cast_array", "cast_boolean", "cast_null", // deprecated, not in Rego version 1
		"cast_object", "cast_set", "cast_string", "set_diff", "re_match",
	}
)

// capabilities are what documents are compiled with.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool { return !allowed(b) })
	c.AllowNet = []string{}
	return c
}

func allowed(b *ast.Builtin) bool {
	if b.Name == ast.NowNanos.Name { // told the time of the request
		return true
	}
	if b.Nondeterministic || slices.Contains(withheld, b.Name) {
		return false
	}
	family, _, dotted := strings.Cut(b.Name, ".")
	return !dotted || slices.Contains(families, family)
}
