package authz

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Ports is a range of ports, both ends included. Absent when High is 0.
type Ports struct{ Low, High int }

// NetworkAddress is the data of an ipAddress: an address, a mask of the same
// family or the zero Addr, and a range of ports.
type NetworkAddress struct {
	Addr, Mask netip.Addr
	Ports      Ports
}

// DomainName is the data of a dnsName: the name in lower case, its first label
// perhaps "*", and a range of ports.
type DomainName struct {
	Name  string
	Ports Ports
}

var (
	errAddress = errors.New(`want address[/mask][:ports], an IPv6 address and its mask in brackets`)
	errDomain  = errors.New(`want a host name, its first label perhaps "*", and optional ports`)
	errPorts   = errors.New("want ports as n, n-, -n or n-m within 65535")
)

// Contains reports whether an address is in the network of a and its mask.
func (a NetworkAddress) Contains(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !a.Mask.IsValid() {
		return a.Addr == addr
	}
	x, y, m := a.Addr.AsSlice(), addr.AsSlice(), a.Mask.AsSlice()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i]&m[i] != y[i]&m[i] {
			return false
		}
	}
	return true
}

// parseAddress reads the ipAddress of XACML 3.0, A.2.
func parseAddress(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	var a NetworkAddress
	addr, rest, err := cutAddress(s)
	if err != nil {
		return parsed{}, err
	}
	a.Addr = addr
	if after, ok := strings.CutPrefix(rest, "/"); ok {
		if a.Mask, rest, err = cutAddress(after); err != nil || a.Mask.Is4() != a.Addr.Is4() {
			return parsed{}, errAddress
		}
	}
	if a.Ports, err = optionalPorts(rest); err != nil {
		return parsed{}, err
	}
	return parsed{key: fmt.Sprint(a.Addr, a.Mask, a.Ports), data: a}, nil
}

func cutAddress(s string) (netip.Addr, string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, rest, ok := strings.Cut(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return netip.Addr{}, "", errAddress
		}
		return addr, rest, nil
	}
	n := strings.IndexAny(s, "/:")
	if n < 0 {
		n = len(s)
	}
	addr, err := netip.ParseAddr(s[:n])
	if err != nil || !addr.Is4() {
		return netip.Addr{}, "", errAddress
	}
	return addr, s[n:], nil
}

func parseDomain(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	n := strings.IndexByte(s, ':')
	if n < 0 {
		n = len(s)
	}
	ports, err := optionalPorts(s[n:])
	if err != nil {
		return parsed{}, err
	}
	name := strings.ToLower(s[:n])
	if !isHostname(strings.TrimPrefix(name, "*.")) && name != "*" {
		return parsed{}, errDomain
	}
	d := DomainName{Name: name, Ports: ports}
	return parsed{key: fmt.Sprint(d.Name, d.Ports), data: d}, nil
}

// optionalPorts reads ":range" or nothing. A lone ":" is legal and says nothing.
func optionalPorts(s string) (Ports, error) {
	text, ok := strings.CutPrefix(s, ":")
	switch {
	case s == "" || text == "" && ok:
		return Ports{}, nil
	case !ok:
		return Ports{}, errPorts
	}
	low, high, ranged := strings.Cut(text, "-")
	p := Ports{Low: 1, High: 65535}
	var errLow, errHigh error
	if low != "" {
		p.Low, errLow = port(low)
	}
	if high != "" {
		p.High, errHigh = port(high)
	}
	if !ranged {
		p.High = p.Low
	}
	if errLow != nil || errHigh != nil || p.Low > p.High || low == "" && high == "" {
		return Ports{}, errPorts
	}
	return p, nil
}

func port(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || !isDigits(s) {
		return 0, errPorts
	}
	return int(n), nil
}
