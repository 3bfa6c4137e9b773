package plugins

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-authz/gatehouse/authz"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

// Whatever bytes a plug-in answers, what is accepted is bounded, typed and no
// more than presented.
func FuzzReply(f *testing.F) {
	for _, r := range []*v1.EnrichReply{
		{},
		{Call: "c", Added: []*v1.Attribute{{}}},
		{Call: "c", Added: []*v1.Attribute{{
			Category: string(authz.Subject), Id: "a", Issuer: "somebody", Standing: v1.Standing_STANDING_VERIFIED,
			Values: []*v1.Value{{Type: string(authz.X500Name), Text: "/CN=x"}, {Type: string(authz.Integer), Text: "7"}},
		}}},
	} {
		seed, err := proto.Marshal(r)
		require.NoError(f, err)
		f.Add(seed)
	}
	c := Config{Name: "p"}
	f.Fuzz(func(t *testing.T, b []byte) {
		var reply v1.EnrichReply
		if proto.Unmarshal(b, &reply) != nil {
			return
		}
		added, err := c.accept(&reply, "c")
		if err != nil {
			require.Empty(t, added)
			return
		}
		require.LessOrEqual(t, len(added), maxAttributes)
		for _, a := range added {
			require.Equal(t, authz.Presented, a.Standing)
			require.Equal(t, "plugin:p", a.Issuer)
			require.NotEmpty(t, a.Values)
			for _, v := range a.Values {
				require.True(t, v.Type().Known())
			}
		}
	})
}
