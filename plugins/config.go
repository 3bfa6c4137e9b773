package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Config names one plug-in and says what it may do.
type Config struct {
	// Name is its namespace: lower-case letters, digits and hyphens.
	Name string
	// Path is the program, absolute. It and every directory above it must be
	// writable by root or the host's own user only.
	Path string
	// SHA256 is the checksum of the program, 64 hexadecimal digits.
	SHA256 string
	// Args is the argument vector after the program's name. Other users of the
	// machine can read it: give the path of a secret, never the secret.
	Args []string
	// Assert lists the attributes that the plug-in may add as Verified and
	// under an issuer of its choice. Others are Presented and issued by
	// "plugin:<name>".
	Assert []AttributeName
	// Timeout bounds one request; zero is 2 s. The caller's own deadline holds
	// as well.
	Timeout time.Duration
	// StartTimeout bounds a start; zero is 10 s.
	StartTimeout time.Duration
	// Memory bounds what the program may allocate, in bytes (RLIMIT_DATA, on
	// Linux only); zero is 512 MiB.
	Memory uint64
}

// AttributeName names an attribute of a request.
type AttributeName struct {
	Category authz.Category
	ID       string
}

const (
	defaultTimeout      = 2 * time.Second
	defaultStartTimeout = 10 * time.Second
	defaultMemory       = 512 << 20
)

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// checked returns c with its defaults, or everything that is wrong with it.
func (c Config) checked() (Config, error) {
	var errs []error
	if !pluginName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("name %q: want a lower-case letter, then up to 31 letters, digits and hyphens", c.Name))
	}
	if !filepath.IsAbs(c.Path) || filepath.Clean(c.Path) != c.Path {
		errs = append(errs, fmt.Errorf("path %q: want an absolute path without \".\" or \"..\"", c.Path))
	}
	if sum, err := hex.DecodeString(c.SHA256); err != nil || len(sum) != sha256.Size {
		errs = append(errs, fmt.Errorf("sha256 %q: want 64 hexadecimal digits; sha256sum %s prints them", clip(c.SHA256), c.Path))
	}
	for _, a := range c.Assert {
		if !categories[a.Category] || a.ID == "" {
			errs = append(errs, fmt.Errorf("assert %q in category %q: want an attribute id in one of XACML's categories", a.ID, a.Category))
		}
	}
	if c.Timeout < 0 || c.StartTimeout < 0 {
		errs = append(errs, errors.New("a time-out is negative"))
	}
	if len(errs) > 0 {
		return c, fmt.Errorf("plug-in %s: %w", c.Name, errors.Join(errs...))
	}
	c.Timeout = orElse(c.Timeout, defaultTimeout)
	c.StartTimeout = orElse(c.StartTimeout, defaultStartTimeout)
	c.Memory = orElse(c.Memory, defaultMemory)
	return c, nil
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
