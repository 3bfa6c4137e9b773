package voms

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// lsc is a file of lists of certificates: alternatives, each the names on a
// path from a VOMS server upwards, at least its own and its CA's.
type lsc [][]authz.DN

const nextChain = "NEXT CHAIN"

// parseLSC reads a file. Line ends may be CRLF, blank lines say nothing.
func parseLSC(text string) (lsc, error) {
	var all lsc
	var names []authz.DN
	end := func(line int) error {
		if len(names) < 2 {
			return fmt.Errorf("line %d: the chain that ends here has %d names: list the subject of the VOMS server and the subject of its CA", line, len(names))
		}
		all, names = append(all, names), nil
		return nil
	}
	line := 0
	for content := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line++
		switch content = strings.TrimSpace(content); {
		case content == "":
		case strings.Trim(content, "- ") == nextChain:
			if err := end(line); err != nil {
				return nil, err
			}
		default:
			d, err := lscName(content)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", line, err)
			}
			// Some write subject and issuer of each certificate, so that a
			// CA comes twice.
			if n := len(names); n < 2 || !names[n-1].Equal(d) {
				names = append(names, d)
			}
		}
	}
	return all, end(line)
}

func lscName(text string) (authz.DN, error) {
	if !strings.HasPrefix(text, "/") {
		return authz.DN{}, errors.New(`want a distinguished name that begins with "/"`)
	}
	return authz.ParseDN(text)
}

// begins reports whether a path that begins with these names may be listed:
// a cheap question before costly ones.
func (l lsc) begins(subject, issuer authz.DN) bool {
	for _, chain := range l {
		if chain[0].Equal(subject) && chain[1].Equal(issuer) {
			return true
		}
	}
	return false
}

// lists reports whether every name of one alternative is on the path, in
// order from its start.
func (l lsc) lists(path []authz.DN) bool {
	for _, chain := range l {
		if len(chain) <= len(path) && equalNames(chain, path[:len(chain)]) {
			return true
		}
	}
	return false
}

func equalNames(a, b []authz.DN) bool {
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}
