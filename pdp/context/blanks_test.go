package context_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// ⚿ Identifiers are anyURI, whose blanks XML Schema collapses: an attribute is
// not hidden from a deny rule by a blank in its name.
func TestBlanksInIdentifiersHideNothing(t *testing.T) {
	q := one(t, three(`<Attributes Category=" `+string(authz.Subject)+`&#xA;"><Attribute AttributeId="&#9;a " IncludeInResult=" true "><AttributeValue DataType=" `+
		string(authz.String)+` "> kept </AttributeValue></Attribute></Attributes>`))
	require.Equal(t, []string{" kept "}, values(q, authz.Subject, "a"))
	require.Equal(t, authz.String, q.Attributes[0].Values[0].Type())
	require.True(t, q.Attributes[0].IncludeInResult)
}
