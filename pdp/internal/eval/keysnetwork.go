package eval

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// networkKey is the networks that an address is in. A network is filed under its
// length, one of IPv6 under the multiple of four below it: so 33 lengths do for
// both. A value that is no address is in doubt: the match fails on it.
var networkKey = &keyReader{name: "network", bag: networkKeys}

func networkKeys(values []authz.Value, to *keyList, wanted lengths) {
	for i := range values {
		addr, err := readAddress(values[i])
		if err != nil {
			to.put(inDoubt, "")
			continue
		}
		for left := uint64(wanted); left != 0; left &= left - 1 {
			to.put(networkHash(addr, bits.TrailingZeros64(left)), "")
		}
	}
}

// networkHash is that of the network of a length that an address is in.
func networkHash(addr netip.Addr, length int) uint64 {
	n := length
	if addr.Is6() {
		n *= 4
	}
	network, _ := addr.Prefix(n)
	var key [17]byte
	first := network.Addr().As16()
	copy(key[:], first[:])
	key[16] = byte(length)
	return authz.Hash(string(key[:]))
}

// needsNetwork files a network where its addresses look for it.
func needsNetwork(c *compilation, m *match) {
	network, err := readPrefix(trimmed(m.from.Value))
	if err != nil {
		return
	}
	length := network.Bits()
	if network.Addr().Is6() {
		length /= 4
	}
	by := c.reading(reading{slot: m.attr.slot, by: networkKey})
	c.wants(by, uint64(length))
	m.needs(file{by, networkHash(network.Addr(), length)}, file{by, inDoubt})
}

func bindNetwork(literal authz.Value) (test, error) {
	prefix, err := readPrefix(trimmed(literal))
	if err != nil {
		return nil, fmt.Errorf("%q is no address and no CIDR prefix", literal.Text())
	}
	return func(v authz.Value) (bool, error) {
		addr, err := readAddress(v)
		if err != nil {
			return false, noAddress(v.Text())
		}
		return prefix.Contains(addr), nil
	}, nil
}

// noAddress is the error of a text that is none; few of them are ever read out.
type noAddress string

// Error quotes the text, as much of it as says something.
func (e noAddress) Error() string {
	return fmt.Sprintf("%.256q is no network address", string(e))
}

// readAddress reads an address without its zone, an IPv4 one also in the form
// that IPv6 has for it.
func readAddress(v authz.Value) (netip.Addr, error) {
	addr, err := netip.ParseAddr(trimmed(v))
	return addr.WithZone("").Unmap(), err
}

func readPrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.WithZone("").Unmap()
		return addr.Prefix(addr.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}
