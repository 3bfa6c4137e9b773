package token

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzEntitlement: what is accepted has a normal form that is accepted and says
// the same, so that no spelling is two memberships.
func FuzzEntitlement(f *testing.F) {
	for _, s := range []string{
		"urn:mace:egi.eu:group:cms:role=x#a", "urn:a:b:group:%41", "urn:a:b:c:group:group:role=%C3%A9", "urn:a:b:group:role%3Dx", "URN:A:B:GROUP:group:x",
		"urn:a:group:group:x", "urn:a:b:group:x:role=%3a", "urn:a:b:group:%e2%80%ae",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseEntitlement(text)
		if err != nil {
			return
		}
		implied := e.implied()
		again, err := parseEntitlement(implied[0])
		require.NoError(t, err, implied[0])
		require.Equal(t, e, again)
		require.NotEmpty(t, e.groups)
		_, err = entitlementPrefix(e.bare())
		require.NoError(t, err)
	})
}
