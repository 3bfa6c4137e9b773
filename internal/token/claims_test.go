package token

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzClaims: whatever an issuer signs, it speaks of nobody but its own, and
// what is accepted is fit to be compared and printed.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"iss":"https://i.test","sub":"ann","exp":2000000000,"iat":1999990000,"jti":"1","wlcg.ver":"1.0","wlcg.groups":["/cms/a","/atlas"],"scope":"storage.read:/a compute.create"}`,
		`{"iss":"https://i.test","sub":"ann","exp":2000000000,"ver":"scitoken:2.0","scope":"read:/a"}`,
		`{"iss":"https://i.test","sub":"ann","exp":2000000000,"entitlements":["urn:mace:egi.eu:group:cms:x:role=y#z","urn:a:b:group:cms"],"azp":"c","eduperson_assurance":"x"}`,
		`{"exp":1e400,"aud":[[]],"scope":"\u0000"}`, `{}`, `[]`, `{"cnf":{}}`,
	} {
		f.Add([]byte(s))
	}
	var issuers []*Issuer
	for _, i := range []Issuer{
		{Profile: WLCG, VO: "cms"}, {Profile: SciTokens, VO: "cms"}, {Profile: AARC, VOs: []string{"cms"}, Groups: []string{"urn:mace:egi.eu:group:cms"}},
	} {
		i.Issuer, i.JWKS = "https://i.test", "https://i.test/jwks"
		require.NoError(f, i.complete([]string{"us"}))
		issuers = append(issuers, &i)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseObject(data)
		if err != nil {
			return
		}
		for _, i := range issuers {
			c, err := readClaims(o)
			if err == nil {
				err = i.accept(c, o)
			}
			for _, s := range append([]string{c.Issuer, c.Subject, c.ID, c.ClientID}, append(c.Groups, c.Others...)...) {
				require.NoError(t, clean(s))
			}
			for _, vo := range c.VOs {
				require.Equal(t, "cms", vo)
			}
			for _, fqan := range c.FQANs {
				require.Equal(t, "cms", fqan.VO())
			}
			if err != nil {
				continue
			}
			require.NotEmpty(t, c.Issuer)
			require.NotEmpty(t, c.Subject)
			require.False(t, c.Expires.IsZero())
			require.Error(t, c.checkTimes(c.Expires.Add(skew), time.Hour))
		}
	})
}
