package conf

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time as people write it: 30s, 10m, 4h, 7d, 1h30m.
type Duration time.Duration

// Std returns the standard library's form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the duration as UnmarshalText reads it.
func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalText reads a duration; it must have a unit and not be negative.
// Days are 24 hours and stand first.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	days, rest, found := strings.Cut(s, "d")
	var sum time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return notDuration(s)
		}
		sum, s = time.Duration(n)*24*time.Hour, rest
	}
	if s != "" {
		more, err := time.ParseDuration(s)
		if err != nil || more < 0 || strings.HasPrefix(s, "+") || more > math.MaxInt64-sum {
			return notDuration(string(text))
		}
		sum += more
	} else if !found {
		return notDuration(s)
	}
	*d = Duration(sum)
	return nil
}

func notDuration(s string) error {
	return fmt.Errorf("%q is no duration: want a number and a unit, as in 30s, 10m, 4h or 7d", s)
}

// Size is a number of bytes: 65536, 64KiB, 4 MiB, 1GiB.
type Size int64

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for i := len(units) - 1; i >= 0; i-- {
		if n := int64(1) << (10 * (i + 1)); s != 0 && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + units[i]
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var units = [...]string{"KiB", "MiB", "GiB", "TiB"}

// UnmarshalText reads a size. Units of a thousand (KB, MB) are refused, since
// half the world means 1024 by them.
func (s *Size) UnmarshalText(text []byte) error {
	digits, shift := strings.TrimSpace(string(text)), 0
	for i, unit := range units {
		if bare, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = strings.TrimSpace(bare), 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > uint64(math.MaxInt64)>>shift {
		return fmt.Errorf("%q is no size: want bytes, or a number with KiB, MiB, GiB or TiB", text)
	}
	*s = Size(n << shift)
	return nil
}

// Path names a file or directory. A relative one is relative to the directory
// of the configuration file; Load makes it so.
type Path string

// UnmarshalText refuses an empty path and one with a NUL or a line break.
func (p *Path) UnmarshalText(text []byte) error {
	if len(text) == 0 || strings.ContainsAny(string(text), "\x00\r\n") {
		return fmt.Errorf("%q is no path", text)
	}
	*p = Path(text)
	return nil
}

// Address is where to listen or connect: host:port, with a literal host or
// none, or unix:/path.
type Address string

// UnmarshalText checks the form; it looks nothing up.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q: the path of a unix socket must be absolute", s)
		}
		*a = Address(s)
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address: want host:port, as in 127.0.0.1:8150 or [::1]:8150", s)
	}
	*a = Address(s)
	return nil
}

// Split returns network and address as net.Listen and net.Dial take them.
func (a Address) Split() (network, address string) {
	if path, ok := strings.CutPrefix(string(a), "unix:"); ok {
		return "unix", path
	}
	return "tcp", string(a)
}
