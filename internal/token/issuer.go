package token

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Profile is how an issuer writes its claims.
type Profile string

// The profiles.
const (
	WLCG      Profile = "wlcg"      // WLCG Common JWT Profile, wlcg.ver 1.x
	SciTokens Profile = "scitokens" // ver scitoken:2.0
	AARC      Profile = "aarc"      // entitlements: AARC-G002 and AARC-G069
)

// Issuer is what configuration says about one issuer. Issuer, an audience (here
// or in [Options]) and exactly one of JWKS and JWKSFile are required.
type Issuer struct {
	Issuer     string // its iss, compared byte by byte
	Profile    Profile
	Audiences  []string // instead of those in Options
	Algorithms []string // JWS names; RS256 and ES256 if empty
	JWKS       string   // https URL of its key set
	JWKSFile   string   // or the file that holds it
	CA         string   // PEM file of the CAs behind the URL; the system's if empty
	GridCAs    bool     // the CAs behind the URL are those of Options.Grid

	Refresh  time.Duration // between two looks at the keys: 1 h, a file 1 min
	MaxStale time.Duration // since the keys were last confirmed: 24 h
	MaxAge   time.Duration // of a token, from iat to exp: 6 h

	// Groups are those that the issuer may speak of, each with all groups below:
	// "/cms", "urn:mace:egi.eu:group:cms". If empty, those of VO and VOs; without
	// any of the three, all, which is refused when there are several issuers.
	Groups []string
	VO     string   // what each of its users is a member of
	VOs    []string // what those are members of who are in a group of that name

	// IgnoreCapabilities lets a token do more than its compute.* and storage.*
	// scopes name: they are then only attributes for policies to look at.
	IgnoreCapabilities bool

	// SingleUse takes each token, by its jti, for one request only. This process
	// remembers them, and refuses those issued before it started; others that
	// take tokens for the same audience know nothing of it.
	SingleUse bool
}

// algorithms are those that can be pinned. There is no "none", and nothing
// whose key is a secret: a key set is public.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// complete fills in what is left open and refuses what cannot be.
func (i *Issuer) complete(audiences []string) error {
	if err := i.checkName(); err != nil {
		return err
	}
	if len(i.Audiences) == 0 {
		i.Audiences = audiences
	}
	if len(i.Audiences) == 0 || slices.Contains(i.Audiences, "") {
		return errors.New("no audience: name what its tokens must be made for, or a token for anybody would do here")
	}
	if i.Profile == "" {
		i.Profile = WLCG
	}
	if !slices.Contains([]Profile{WLCG, SciTokens, AARC}, i.Profile) {
		return fmt.Errorf("profile %q: want %s, %s or %s", i.Profile, WLCG, SciTokens, AARC)
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"RS256", "ES256"}
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(algorithms, a) {
			return fmt.Errorf("algorithm %q: want one of %s", a, strings.Join(algorithms, ", "))
		}
	}
	if err := i.checkSource(); err != nil {
		return err
	}
	if err := i.completeTimes(); err != nil {
		return err
	}
	return i.completeGroups()
}

func (i *Issuer) checkName() error {
	u, err := url.Parse(i.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("want an https URL without user, query and fragment")
	}
	for _, c := range []byte(i.Issuer) {
		if c <= ' ' || c >= 0x7f {
			return errors.New("a letter that is not ASCII: write the host in its xn-- form")
		}
	}
	return nil
}

func (i *Issuer) checkSource() error {
	if (i.JWKS == "") == (i.JWKSFile == "") {
		return errors.New("want a key set at a URL (jwks) or in a file (jwks-file), and not both")
	}
	if i.CA != "" && i.GridCAs {
		return errors.New("the CAs behind the URL: either those of the file (ca) or those of the grid (grid-cas)")
	}
	if i.JWKSFile != "" {
		return nil
	}
	if u, err := url.Parse(i.JWKS); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("jwks %q: want an https URL", i.JWKS)
	}
	return nil
}

func (i *Issuer) completeTimes() error {
	usual := time.Hour
	if i.JWKSFile != "" {
		usual = time.Minute
	}
	for _, d := range []struct {
		name  string
		field *time.Duration
		usual time.Duration
	}{{"refresh", &i.Refresh, usual}, {"max-stale", &i.MaxStale, 24 * time.Hour}, {"max-age", &i.MaxAge, 6 * time.Hour}} {
		if *d.field == 0 {
			*d.field = d.usual
		}
		if *d.field < 0 {
			return fmt.Errorf("%s is negative", d.name)
		}
	}
	if i.MaxStale <= i.Refresh {
		return fmt.Errorf("max-stale %s is not longer than refresh %s: the keys would run out between two looks", i.MaxStale, i.Refresh)
	}
	return nil
}

func (i *Issuer) completeGroups() error {
	vos := i.VOs
	if i.VO != "" {
		vos = append([]string{i.VO}, vos...)
	}
	for _, vo := range vos {
		if f, err := authz.ParseFQAN("/" + vo); err != nil || f.VO() != vo {
			return fmt.Errorf("vo %q is no name of a VO", vo)
		}
	}
	if len(i.Groups) == 0 && len(vos) > 0 {
		if i.Profile == AARC {
			return errors.New(`a vo needs groups: name the namespace too, as in "urn:mace:egi.eu:group:` + vos[0] + `"`)
		}
		for _, vo := range vos {
			i.Groups = append(i.Groups, "/"+vo)
		}
	}
	i.Groups = slices.Clone(i.Groups)
	for k, g := range i.Groups {
		var err error
		if i.Groups[k], err = i.Profile.prefix(g); err != nil {
			return fmt.Errorf("groups: %q: %w", g, err)
		}
	}
	return nil
}

// unbounded reports whether the issuer may claim every group there is.
func (i *Issuer) unbounded() bool { return len(i.Groups) == 0 && i.Profile != SciTokens }
