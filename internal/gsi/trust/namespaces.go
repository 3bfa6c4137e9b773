package trust

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// namespaces are the rules of an EUGridPMA .namespaces file: for each CA, by
// the key of its name, what it may and may not sign. "" stands for SELF.
type namespaces map[string][]namespaceRule

type namespaceRule struct {
	permit  bool
	subject *regexp.Regexp // of the whole name in slash form
}

const self = ""

// parseNamespaces reads lines such as
//
//	TO Issuer "/C=XX/CN=CA" \
//	  PERMIT Subject "/C=XX/O=Org/.*"
//
// with "Issuer SELF" for the CA that the file stands beside, and DENY.
// Keywords may be in any case; the expressions are RE2 and match whole names.
func parseNamespaces(text []byte) (namespaces, error) {
	n := namespaces{}
	joined := strings.NewReplacer("\\\r\n", " ", "\\\n", " ").Replace(string(text))
	for line := range strings.Lines(joined) {
		words, err := policyWords(strings.TrimRight(line, "\r\n"))
		if err != nil {
			return nil, err
		}
		if len(words) == 0 {
			continue
		}
		if err := n.add(words); err != nil {
			return nil, fmt.Errorf("%q: %w", strings.Join(words, " "), err)
		}
	}
	if len(n) == 0 {
		return nil, errors.New("no rule in the namespaces file")
	}
	return n, nil
}

func (n namespaces) add(words []string) error {
	const count = 6
	if len(words) != count || !strings.EqualFold(words[0], "TO") || !strings.EqualFold(words[1], "Issuer") || !strings.EqualFold(words[4], "Subject") {
		return errors.New(`want TO Issuer "name" PERMIT Subject "expression"`)
	}
	issuer := self
	if !strings.EqualFold(words[2], "SELF") {
		d, err := authz.ParseDN(words[2])
		if err != nil {
			return err
		}
		issuer = d.Key()
	}
	rule := namespaceRule{permit: strings.EqualFold(words[3], "PERMIT")}
	if !rule.permit && !strings.EqualFold(words[3], "DENY") {
		return fmt.Errorf("%q: want PERMIT or DENY", words[3])
	}
	var err error
	rule.subject, err = regexp.Compile(`(?i)\A(?:` + words[5] + `)\z`)
	n[issuer] = append(n[issuer], rule)
	return err
}

// allows reports whether the CA may sign the subject: some rule permits and
// none denies. A CA that the file does not name may sign nothing.
func (n namespaces) allows(ca, subject authz.DN) bool {
	text, permitted := subject.Slash(), false
	for _, issuer := range []string{self, ca.Key()} {
		for _, rule := range n[issuer] {
			if !rule.subject.MatchString(text) {
				continue
			}
			if !rule.permit {
				return false
			}
			permitted = true
		}
	}
	return permitted
}
