package context

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// identifiers are those that documents repeat, by themselves: what is read is
// looked up here, not copied. It is written once, here, and only read.
var identifiers = func() map[string]string {
	all := map[string]string{}
	add := func(ids ...string) {
		for _, id := range ids {
			all[id] = id
		}
	}
	add(authz.StatusOK, string(authz.FQANType), profile.KeyInfo, profile.EMIProfileID,
		environmentID+"current-time", environmentID+"current-date", environmentID+"current-dateTime")
	for _, a := range profile.Attributes() {
		add(a.ID)
	}
	add("Category")
	for name, c := range shortCategories {
		add(name, string(c))
	}
	for _, t := range shortTypes {
		add(string(t))
	}
	return all
}()

// identifier is s apart from the document it was read from.
func identifier(s string) string {
	if id, ok := identifiers[s]; ok {
		return id
	}
	return strings.Clone(s)
}
