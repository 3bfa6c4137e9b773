package token

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNormalEntitlement(t *testing.T) {
	for text, want := range map[string]string{
		"URN:Mace:EGI.eu:group:cms:prod":           "urn:mace:egi.eu:group:cms:prod",
		"urn:mace:egi.eu:group:cms:role=pilot#egi": "urn:mace:egi.eu:group:cms:role=pilot#egi",
		"urn:mace:egi.eu:group:c%6Ds":              "urn:mace:egi.eu:group:cms",
	} {
		got, err := NormalEntitlement(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	_, err := NormalEntitlement("/cms")
	require.ErrorIs(t, err, errEntitlement)
}
