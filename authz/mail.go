package authz

import (
	"errors"
	"strings"
)

// Mailbox is the data of an rfc822Name: the local part as written, the domain
// in lower case.
type Mailbox struct{ Local, Domain string }

var errMailbox = errors.New("want local-part@domain")

func parseMailbox(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	at := strings.LastIndexByte(s, '@')
	if at < 1 || len(s) > 1024 || !isHostname(s[at+1:]) {
		return parsed{}, errMailbox
	}
	local := s[:at]
	quoted := len(local) > 1 && local[0] == '"' && local[len(local)-1] == '"'
	if !quoted && strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"@,;:<>()[]\`, r) }) {
		return parsed{}, errMailbox
	}
	m := Mailbox{Local: local, Domain: strings.ToLower(s[at+1:])}
	return parsed{key: m.Local + "@" + m.Domain, data: m}, nil
}

// isHostname reports whether s is letters, digits and hyphens between dots
// (RFC 1123, section 2.1): an underscore is none of them.
func isHostname(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlnum(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}
