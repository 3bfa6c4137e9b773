package lint

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// contains tells whether m is about a whole of which g is about a part: a
// network, the names below a name, the groups below a group.
func contains(m, g policies.Match) bool {
	switch m.Function {
	case profile.FunctionNetwork:
		return g.Function == m.Function && widerNetwork(m.Value.Text(), g.Value.Text())
	case profile.FunctionSubtree:
		return (g.Function == m.Function || g.Function == profile.FunctionX500NameEqual) && above(m.Value, g.Value)
	case profile.FunctionBanSubtree:
		switch g.Function {
		case m.Function, profile.FunctionBanName, profile.FunctionSubtree, profile.FunctionX500NameEqual:
			return morePieces(m.Value, g.Value)
		}
	case profile.FunctionFQANPattern:
		return (g.Function == m.Function || g.Function == profile.FunctionFQAN) && fitsPattern(m.Value.Text(), g.Value.Text())
	case profile.FunctionBanFQAN: // g is none itself: it also finds the very text, blanks around it or not, which is no FQAN
		return (g.Function == profile.FunctionFQANPattern || g.Function == profile.FunctionFQAN) && fitsPattern(m.Value.Text(), g.Value.Text())
	}
	return false
}

func widerNetwork(wide, narrow string) bool {
	a, errA := network(wide)
	b, errB := network(narrow)
	return errA == nil && errB == nil && a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

func network(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// above tells whether the RDNs of one name begin those of another.
func above(top, below authz.Value) bool {
	a, ok := top.Data().(authz.DN)
	b, also := below.Data().(authz.DN)
	n := len(a.RDNs())
	if !ok || !also || n == 0 || n > len(b.RDNs()) {
		return false
	}
	head, err := authz.NewDN(b.RDNs()[:n])
	return err == nil && head.Equal(a)
}

// morePieces tells whether all pieces of one name, in the reading of bans, are
// among those of another.
func morePieces(top, below authz.Value) bool {
	have := strings.Split(banKey(below), "\x00")
	for _, want := range strings.Split(banKey(top), "\x00") {
		i := slices.Index(have, want)
		if i < 0 {
			return false
		}
		have = have[i+1:] // both are sorted
	}
	return true
}

func banKey(v authz.Value) string {
	if d, ok := v.Data().(authz.DN); ok {
		return d.BanKey()
	}
	return authz.BanKey(v.Text())
}

// fitsPattern tells whether a pattern of FQANs takes all that another asks for,
// which must name one FQAN: "/vo/*" is the group and all below it, "Role=*" any
// role, no role none.
func fitsPattern(pattern, text string) bool {
	f, err := authz.ParseFQAN(strings.TrimSpace(text))
	if err != nil || strings.Contains(text, "*") {
		return false
	}
	group, role, hasRole := strings.Cut(pattern, "/Role=")
	if hasRole = hasRole && role != "NULL"; hasRole != (f.Role() != "") || hasRole && role != "*" && role != f.Role() {
		return false
	}
	top, deep := strings.CutSuffix(group, "/*")
	return f.Group() == top || deep && strings.HasPrefix(f.Group(), top+"/")
}
