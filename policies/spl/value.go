package spl

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// how a condition compares: the function, the type of its literal and of the
// bag, "" for a bag of every type.
type how struct {
	function string
	literal  authz.DataType
	bag      authz.DataType
	ordered  bool
}

// reading returns how an attribute is compared by an operator, in a permit or
// in a denial.
func reading(row profile.Attribute, operator string, deny bool) (how, error) {
	switch operator {
	case "=", "in", "!=":
		if deny && row.Deny != "" {
			return how{function: row.Deny, literal: literalType(row.Deny, row)}, nil
		}
		return how{function: row.Match, literal: literalType(row.Match, row), bag: row.Type}, nil
	case "matches":
		return pattern(row, deny)
	}
	for _, c := range row.Comparisons() {
		if c.Operator == operator {
			return how{function: c.Function, literal: row.Type, bag: row.Type, ordered: true}, nil
		}
	}
	return how{}, fmt.Errorf("%s has no order: %q cannot compare it", row.Name, operator)
}

func pattern(row profile.Attribute, deny bool) (how, error) {
	h := how{literal: authz.String, bag: row.Type}
	if deny && row.Deny != "" {
		h.bag = ""
	}
	switch {
	case row.Type == authz.FQANType && deny:
		h.function = profile.FunctionBanFQAN
	case row.Type == authz.FQANType:
		h.function = profile.FunctionFQANPattern
	case row.Type == authz.X500Name && deny:
		h.function = profile.FunctionBanSubtree
	case row.Type == authz.X500Name:
		h.function, h.literal = profile.FunctionSubtree, authz.X500Name
	case row.Type == authz.String || row.Type == authz.AnyURI:
		h.function = profile.FunctionAnchoredRegexp
	default:
		return how{}, fmt.Errorf("%s is neither a name nor a string: \"matches\" cannot compare it", row.Name)
	}
	return h, nil
}

// literalType returns the type of a function's first argument.
func literalType(function string, row profile.Attribute) authz.DataType {
	switch function {
	case profile.FunctionBanName, profile.FunctionBanSubtree, profile.FunctionBanText, profile.FunctionBanURI,
		profile.FunctionBanFQAN, profile.FunctionBanVO, profile.FunctionNetwork,
		profile.FunctionAnchoredRegexp, profile.FunctionFQANPattern, profile.FunctionStringRegexp:
		return authz.String
	}
	return row.Type
}

// literal reads a value for a function and checks what the function asks of it.
func (l *Lowerer) literal(row profile.Attribute, h how, w Word) (authz.Value, bool) {
	v, ok := l.value(h.literal, row, w)
	if !ok {
		return v, false
	}
	var err error
	switch h.function {
	case profile.FunctionAnchoredRegexp, profile.FunctionStringRegexp:
		err = checkPattern(w.Text, l.version)
	case profile.FunctionFQANPattern, profile.FunctionBanFQAN:
		err = checkFQANPattern(w.Text)
	case profile.FunctionBanName, profile.FunctionBanSubtree:
		if row.Type == authz.X500Name && !strings.Contains(w.Text, "=") {
			err = fmt.Errorf(`not a distinguished name: %q: want "/C=XX/O=Org/CN=Name" or "CN=Name,O=Org,C=XX"`, w.Text)
		}
	case profile.FunctionNetwork:
		err = checkNetwork(w.Text)
	}
	if err == nil && row.ID == profile.CredentialStrength && !slices.Contains(profile.Strengths(), w.Text) {
		l.report.add(w.Position, Suggest(w.Text, profile.Strengths()), "%q is no credential strength: want one of %s", w.Text, strings.Join(profile.Strengths(), ", "))
		return v, false
	}
	if err != nil {
		l.report.add(w.Position, "", "%s", err)
	}
	return v, err == nil
}

// value reads a value of a type; in version 2 a duration for an integer.
func (l *Lowerer) value(t authz.DataType, row profile.Attribute, w Word) (authz.Value, bool) {
	text := strings.Clone(w.Text) // a value must not keep a whole file in memory
	if t == authz.Integer && l.version == Two {
		if n, err := Seconds(text); err == nil {
			text = strconv.FormatInt(n, 10)
		}
	}
	v, err := authz.ParseValue(t, text)
	if err != nil {
		l.report.add(w.Position, "", "%s: %s", row.Name, err)
		return v, false
	}
	return v, true
}

// Seconds reads "90", "90s", "15m", "24h", "7d" or several parts in falling
// order, "1h30m".
func Seconds(s string) (int64, error) {
	units := []struct {
		name byte
		size int64
	}{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}
	total, rest := int64(0), s
	for _, u := range units {
		i := strings.IndexByte(rest, u.name)
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(rest[:i], 10, 31)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration: want 90, 90s, 15m, 24h, 7d or 1h30m", s)
		}
		total, rest = total+int64(n)*u.size, rest[i+1:]
	}
	if rest != "" || s == "" {
		return 0, fmt.Errorf("%q is no duration: want 90, 90s, 15m, 24h, 7d or 1h30m", s)
	}
	return total, nil
}

// checkFQANPattern accepts an FQAN with "/*" after its group and "Role=*".
func checkFQANPattern(s string) error {
	plain := strings.Replace(s, "/*", "", 1)
	plain = strings.TrimSuffix(plain, "/Role=*")
	if strings.Contains(s, "/*") && !strings.HasSuffix(s, "/*") && !strings.Contains(s, "/*/Role=") {
		return fmt.Errorf("%q: \"/*\" stands at the end of the group", s)
	}
	if strings.Contains(plain, "*") {
		return fmt.Errorf("%q: \"*\" stands for all groups below one, or for any role, whole", s)
	}
	if _, err := authz.ParseFQAN(plain); err != nil {
		return fmt.Errorf("not an FQAN pattern: %q: %w", s, err)
	}
	return nil
}

func checkNetwork(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if _, err := netip.ParsePrefix(s); err != nil {
		return fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", s)
	}
	return nil
}

// time reads a time; nil is the zero time.
func (l *Lowerer) time(w *Word) time.Time {
	if w == nil {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, w.Text); err == nil {
			return t.UTC()
		}
	}
	l.report.add(w.Position, "", "%q is no time: want %q or %q (midnight UTC)", w.Text, "2026-12-31T18:00:00Z", "2026-12-31")
	return time.Time{}
}
