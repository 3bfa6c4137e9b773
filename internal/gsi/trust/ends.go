package trust

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
)

// The kinds of what ends.
const (
	EndOfCA  = "ca"
	EndOfCRL = "crl"
)

// End is when something ends by which people are accepted.
type End struct {
	Kind string    // EndOfCA or EndOfCRL
	Name string    // of the CA, in slash form
	At   time.Time // zero for a revocation list that is needed and not there
}

// Ends returns when each CA and each revocation list in use ends, by kind and
// name. Of several keys of one CA the list that ends first counts, as everybody
// below that key is then refused. Lists that are ignored are not there.
func (a *Anchors) Ends() []End {
	first := map[[2]string]time.Time{}
	note := func(kind, name string, at time.Time) {
		key := [2]string{kind, name}
		if known, ok := first[key]; !ok || at.Before(known) {
			first[key] = at
		}
	}
	for _, one := range a.authorities {
		ca := name.Text(one.cert.RawSubject)
		note(EndOfCA, ca, one.cert.NotAfter)
		switch {
		case a.policy == Ignore:
		case one.crl != nil:
			note(EndOfCRL, ca, one.crl.nextUpdate)
		case a.policy == Require || one.crlError != nil:
			note(EndOfCRL, ca, time.Time{})
		}
	}
	var all []End
	for key, at := range first {
		all = append(all, End{key[0], key[1], at})
	}
	slices.SortFunc(all, func(a, b End) int { return strings.Compare(a.Kind+a.Name, b.Kind+b.Name) })
	return all
}
