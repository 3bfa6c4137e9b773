package eval_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// standardFunctions lists the functions of XACML 3.0 core, A.3 and 10.2.8,
// without those that it plans to retire.
func standardFunctions() (all []string) {
	add := func(version, names string) {
		for name := range strings.FieldsSeq(names) {
			all = append(all, version+name)
		}
	}
	each := func(version, kinds, suffixes string) {
		for kind := range strings.FieldsSeq(kinds) {
			for suffix := range strings.FieldsSeq(suffixes) {
				add(version, kind+suffix)
			}
		}
	}
	const (
		one         = "string boolean integer double time date dateTime anyURI hexBinary base64Binary x500Name rfc822Name"
		durations   = "dayTimeDuration yearMonthDuration"
		comparisons = "-greater-than -greater-than-or-equal -less-than -less-than-or-equal"
		bags        = "-one-and-only -bag-size -is-in -bag"
		sets        = "-intersection -at-least-one-member-of -union -subset -set-equals"
	)
	each(old, one, "-equal") // A.3.1
	each(three, durations, "-equal")
	add(three, "string-equal-ignore-case")
	add(old, `integer-add double-add integer-subtract double-subtract integer-multiply double-multiply integer-divide double-divide
		integer-mod integer-abs double-abs round floor`) // A.3.2
	add(old, "string-normalize-space string-normalize-to-lower-case double-to-integer integer-to-double or and n-of not")        // A.3.3 to A.3.5
	each(old, "integer double string time dateTime date", comparisons)                                                           // A.3.6, A.3.8
	each(three, "dateTime", "-add-dayTimeDuration -add-yearMonthDuration -subtract-dayTimeDuration -subtract-yearMonthDuration") // A.3.7
	each(three, "date", "-add-yearMonthDuration -subtract-yearMonthDuration")
	add(two, "time-in-range string-concatenate")
	for _, family := range []string{bags, sets} { // A.3.10, A.3.11
		each(old, one, family)
		each(three, durations, family)
	}
	each(two, "ipAddress dnsName", "-one-and-only -bag-size -bag")
	each(three, "boolean integer double time date dateTime anyURI dayTimeDuration yearMonthDuration x500Name rfc822Name ipAddress dnsName", "-from-string") // A.3.9
	add(three, `string-from-boolean string-from-integer string-from-double string-from-time string-from-date string-from-dateTime string-from-anyURI
		string-from-dayTimeDuration string-from-yearMonthDuration string-from-x500Name string-from-rfc822Name string-from-ipAddress string-from-dnsName`)
	each(three, "string anyURI", "-starts-with -ends-with -contains -substring")
	add(three, "any-of all-of any-of-any map") // A.3.12
	add(old, "all-of-any any-of-all all-of-all")
	add(old, "x500Name-match rfc822Name-match string-regexp-match") // A.3.13, A.3.14
	each(two, "anyURI ipAddress dnsName rfc822Name x500Name", "-regexp-match")
	add(three, "xpath-node-count xpath-node-equal xpath-node-match access-permitted") // A.3.15, A.3.16
	return all
}

// Every function of the standard is there, by its name: what is wrong with an
// application to nothing is never that there is no such function.
func TestEveryStandardFunctionIsThere(t *testing.T) {
	all := standardFunctions()
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 253)
	for _, id := range all {
		_, err := tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: apply(id)})
		if err != nil {
			require.NotContains(t, err.Error(), "no function", id)
		}
	}
	_, err := tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: apply(old + "string-from-moon")})
	require.ErrorContains(t, err, "no function")
}
