package spl

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

// maxPattern bounds a regular expression, in bytes.
const maxPattern = 4096

// checkPattern refuses a pattern that RE2 cannot run and, in version 1, one
// that Java's engine, for which it was written, reads otherwise.
func checkPattern(pattern string, v Version) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("regular expression is longer than %d bytes", maxPattern)
	}
	if v == One {
		if err := checkJava(pattern); err != nil {
			return err
		}
	}
	_, err := syntax.Parse(pattern, syntax.Perl)
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("regular expression cannot be used: %s at %q (look-around, back references and possessive quantifiers are not supported)", bad.Code, bad.Expr)
	}
	return err
}

// checkJava finds what both engines accept and read differently.
func checkJava(pattern string) error {
	class := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch c := pattern[i]; {
		case c == '\\' && len(rest) > 1:
			if !strings.ContainsRune(`\ntrf'"`, rune(rest[1])) {
				return differs(rest[:2])
			}
			i++
		case class && (c == '[' || strings.HasPrefix(rest, "&&")):
			return differs(rest[:1] + " within [ ]")
		case class && c == ']':
			class = false
		case !class && c == '[':
			class = true
			if strings.HasPrefix(pattern[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(pattern[i+1:], "]") {
				i++ // directly behind it is no end, in either engine
			}
		case !class && strings.HasPrefix(rest, "(?") && !strings.HasPrefix(rest, "(?:"):
			return differs(rest[:min(3, len(rest))])
		}
	}
	return nil
}

func differs(what string) error {
	return fmt.Errorf("regular expression: %s does not mean the same as in Argus; write it another way, or in a file that begins with \"spl 2\"", what)
}
