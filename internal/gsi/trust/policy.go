package trust

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// policy is what a file says about the subjects that a CA may sign.
type policy interface {
	allows(ca, subject authz.DN) bool
}

var (
	_ policy = signingPolicy(nil)
	_ policy = namespaces(nil)
)

// signingPolicy says which subjects each CA may sign: patterns by the key of
// the CA's name.
type signingPolicy map[string][]pattern

// parsePolicy reads a signing_policy file.
func parsePolicy(text []byte) (signingPolicy, error) {
	p := signingPolicy{}
	ca, maySign := "", false
	for i, line := range strings.Split(string(text), "\n") {
		words, err := policyWords(line)
		if err == nil && len(words) > 0 {
			ca, maySign, err = p.line(words, ca, maySign)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(p) == 0 {
		return nil, errors.New("no access_id_CA in the signing policy")
	}
	return p, nil
}

func (p signingPolicy) line(words []string, ca string, maySign bool) (string, bool, error) {
	if len(words) != 3 {
		return ca, maySign, errors.New("want a keyword, an authority and a value")
	}
	switch key, value := strings.ToLower(words[0]+" "+words[1]), words[2]; {
	case key == "access_id_ca x509":
		d, err := authz.ParseDN(value)
		if err != nil {
			return "", false, fmt.Errorf("the name of the CA: %w", err)
		}
		if _, twice := p[d.Key()]; twice {
			return "", false, fmt.Errorf("a second entry for %q", value)
		}
		p[d.Key()] = nil
		return d.Key(), false, nil
	case key == "pos_rights globus" && strings.EqualFold(value, "CA:sign") && ca != "":
		return ca, true, nil
	case key == "cond_subjects globus" && ca != "" && maySign:
		patterns, err := parsePatterns(value)
		p[ca] = append(p[ca], patterns...)
		return ca, maySign, err
	}
	return ca, maySign, fmt.Errorf("%q is not expected here", words[0])
}

// policyWords cuts a line into words; quotes hold one together, and '#' begins
// a comment.
func policyWords(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		end := strings.IndexAny(line, " \t\r")
		if line[0] == '\'' || line[0] == '"' {
			close := strings.IndexByte(line[1:], line[0])
			if close < 0 {
				return nil, fmt.Errorf("a quote %c that does not end", line[0])
			}
			words = append(words, line[1:close+1])
			line = line[close+2:]
			continue
		}
		if end < 0 {
			end = len(line)
		}
		words, line = append(words, line[:end]), line[end:]
	}
}

// parsePatterns reads one pattern, or several in double quotes.
func parsePatterns(value string) ([]pattern, error) {
	texts := []string{value}
	if strings.HasPrefix(strings.TrimLeft(value, " \t"), `"`) {
		var err error
		if texts, err = policyWords(value); err != nil {
			return nil, err
		}
	}
	var all []pattern
	for _, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// pattern is a name with wildcards, one key for each part.
type pattern struct {
	parts []string
	open  bool // further parts may follow
	more  bool // at least one further part must follow
}

func parsePattern(text string) (pattern, error) {
	if text == "*" || text == "/*" {
		return pattern{open: true}, nil
	}
	if strings.Contains(text, "/*/") {
		return pattern{}, errors.New(`"*" may stand for parts of a name only at its end`)
	}
	body, more := strings.CutSuffix(text, "/*")
	d, err := authz.ParseDN(body)
	if err != nil || !strings.HasPrefix(text, "/") {
		return pattern{}, errors.New(`want a name such as "/C=XX/O=Org/*"`)
	}
	return pattern{parts: keys(d), more: more, open: more || strings.HasSuffix(text, "*")}, nil
}

// keys returns the comparison key of each part of a name.
func keys(d authz.DN) []string {
	var all []string
	for _, r := range d.RDNs() {
		if one, err := authz.NewDN([]authz.RDN{r}); err == nil {
			all = append(all, one.Key())
		}
	}
	return all
}

func (p pattern) matches(name []string) bool {
	if len(name) < len(p.parts) || len(name) > len(p.parts) && !p.open || len(name) == len(p.parts) && p.more {
		return false
	}
	for i, part := range p.parts {
		if !glob(part, name[i]) {
			return false
		}
	}
	return true
}

// glob matches with "*" for any text. It is linear in the product at worst:
// on a mismatch only the last star gives way.
func glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// allows reports whether the CA may sign the subject.
func (p signingPolicy) allows(ca, subject authz.DN) bool {
	name := keys(subject)
	for _, pattern := range p[ca.Key()] {
		if pattern.matches(name) {
			return true
		}
	}
	return false
}
