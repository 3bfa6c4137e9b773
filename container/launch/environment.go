package launch

import (
	"fmt"
	"slices"
	"strings"
)

// Variables that change which code runs before the program's own first line,
// or how a shell reads it. A service that needs one sets it in its executable.
var forbiddenVariables = []string{
	"BASH_ENV", "BASHOPTS", "ENV", "GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "IFS",
	"LOCPATH", "NLSPATH", "PERL5LIB", "PERL5OPT", "PROMPT_COMMAND", "PS4", "PYTHONHOME", "PYTHONINSPECT",
	"PYTHONPATH", "PYTHONSTARTUP", "RESOLV_HOST_CONF", "RUBYLIB", "RUBYOPT", "SHELLOPTS",
}

var forbiddenPrefixes = []string{"LD_", "BASH_FUNC_", "DYLD_", "MALLOC_"}

// Variables that the launcher sets itself.
var ownVariables = []string{"HOME", "LOGNAME", "PATH", "PWD", "SHELL", "USER"}

// checkEnv refuses variables that reach the dynamic linker or an interpreter,
// that the launcher sets, that occur twice, or whose names are not plain.
func checkEnv(env []string) error {
	seen := make(map[string]bool, len(env))
	for _, kv := range env {
		name, _, ok := strings.Cut(kv, "=")
		switch {
		case !ok || !plainName(name):
			return fmt.Errorf("order: environment %q: want NAME=value, the name of letters, digits and _", kv)
		case seen[name]:
			return fmt.Errorf("order: environment: %s is set twice", name)
		case slices.Contains(ownVariables, name):
			return fmt.Errorf("order: environment: %s is set by the launcher", name)
		case forbiddenVariable(name):
			return fmt.Errorf("order: environment: %s changes which code runs and is never passed on", name)
		}
		seen[name] = true
	}
	return nil
}

func forbiddenVariable(name string) bool {
	return slices.Contains(forbiddenVariables, name) ||
		slices.ContainsFunc(forbiddenPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func plainName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
