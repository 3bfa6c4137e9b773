package daemon

import (
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// Systemd sends a state to systemd (sd_notify(3)). Without systemd it does
// nothing.
func Systemd(state string) error {
	_, err := systemd.SdNotify(false, state)
	return err
}

// watchdog is how often systemd wants to hear from us, 0 for never.
func watchdog() time.Duration {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return every
}

// Sockets are the listening sockets that systemd has handed over, by the names
// of their units' FileDescriptorName (sd_listen_fds_with_names(3)).
type Sockets struct{ named map[string][]net.Listener }

// Inherit takes over the sockets that systemd has opened for this process; the
// environment then no longer names them. It can be called once.
func Inherit() (*Sockets, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets of the service manager: %w", err)
	}
	return &Sockets{named: named}, nil
}

// Listen returns the inherited socket of that name, or opens the address if
// there is none. The network is "tcp" or "unix"; see ListenUnix. A nil Sockets
// has inherited nothing.
func (s *Sockets) Listen(name, network, address string) (net.Listener, error) {
	if s != nil && len(s.named[name]) > 0 {
		l := s.named[name][0]
		s.named[name] = s.named[name][1:]
		if l == nil {
			return nil, fmt.Errorf("socket %q of the service manager is no stream socket", name)
		}
		return l, nil
	}
	if network == "unix" {
		return ListenUnix(address)
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	return l, nil
}
