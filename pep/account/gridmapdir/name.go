package gridmapdir

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// maxName is the longest name of a file, in bytes.
const maxName = 255

const (
	hashedPrefix = "%23sha256%3d" // no encoded name begins like this: it begins with %2f
	indexPrefix  = "%23name%3d"
)

var errNoDN = errors.New("a gridmapdir names leases by the DN of a certificate; this is no certificate: use accounts.pools with a store")

// leaseName is the full name of the lease of a key.
func leaseName(k pool.Key, secondary bool) (string, error) {
	if k.Identity.Subject.IsZero() {
		return "", errNoDN
	}
	if err := checkOneLine(k.Identity.Subject); err != nil {
		return "", err
	}
	var b strings.Builder
	encode(&b, oneLine(k.Identity.Subject))
	groups := k.Groups
	if !secondary {
		groups = nil
	}
	if k.Group == "" {
		return b.String(), nil
	}
	for _, g := range append([]string{k.Group}, groups...) {
		if g == "" || strings.ContainsAny(g, "/:\x00\n") {
			return "", fmt.Errorf("group %q cannot be part of a file name", g)
		}
		b.WriteString(":" + g)
	}
	return b.String(), nil
}

// fileName is the name of the file of a lease, and the hash in it if the name
// itself is too long.
func fileName(full string) (name, hash string) {
	if len(full) <= maxName {
		return full, ""
	}
	hash = fmt.Sprintf("%x", sha256.Sum256([]byte(full)))
	return hashedPrefix + hash, hash
}

// checkOneLine refuses a name that the one-line form shows as another: ⚿ whoever
// may choose a part of their name could make it end in somebody else's and get
// their account.
func checkOneLine(d authz.DN) error {
	for _, rdn := range d.RDNs() {
		for _, a := range rdn {
			if ambiguous(a.Value) {
				return fmt.Errorf("%s: the value %q reads like another name in a gridmapdir: use accounts.pools with a store", d.Slash(), a.Value)
			}
		}
	}
	return nil
}

// ambiguous reports whether a value holds the begin of a further attribute, or
// spells out a byte that is not printable.
func ambiguous(value string) bool {
	for i, c := range []byte(value) {
		switch rest := value[i+1:]; c {
		case '/':
			name, _, ok := strings.Cut(rest, "=")
			if _, err := authz.ParseDN("/" + name + "=x"); ok && err == nil {
				return true
			}
		case '\\':
			if len(rest) > 2 && (rest[0] == 'x' || rest[0] == 'X') && isHex(rest[1]) && isHex(rest[2]) {
				return true
			}
		}
	}
	return false
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// oneLine is the name as X509_NAME_oneline of OpenSSL writes it: attributes of
// one part each behind a slash, the last first, as Argus has them; nothing is
// escaped but bytes that are not printable ASCII.
func oneLine(d authz.DN) string {
	var b strings.Builder
	for _, rdn := range d.RDNs() {
		for i := range rdn {
			a := rdn[len(rdn)-1-i]
			b.WriteString("/" + typeName(a) + "=")
			for _, c := range []byte(a.Value) {
				if c < ' ' || c > '~' {
					fmt.Fprintf(&b, `\x%02X`, c)
				} else {
					b.WriteByte(c)
				}
			}
		}
	}
	return b.String()
}

// typeName is how OpenSSL calls the type of an attribute.
func typeName(a authz.AttributeTypeAndValue) string {
	one, err := authz.NewDN([]authz.RDN{{a}})
	if err != nil {
		return a.Type
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(one.Slash(), "/"), "=")
	return name
}

// encode writes text so that only small letters, digits and "%" remain.
func encode(b *strings.Builder, text string) {
	const hex = "0123456789abcdef"
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'z':
			b.WriteByte(c)
		case 'A' <= c && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

// decode reads the name of a lease for people. Its letters stay small.
func decode(name string) (holder string, groups []string, ok bool) {
	encoded, rest, grouped := strings.Cut(name, ":")
	var b strings.Builder
	for i := 0; i < len(encoded); i++ {
		c := encoded[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		var n byte
		if i+2 >= len(encoded) {
			return "", nil, false
		}
		if _, err := fmt.Sscanf(encoded[i+1:i+3], "%02x", &n); err != nil {
			return "", nil, false
		}
		b.WriteByte(n)
		i += 2
	}
	if grouped {
		groups = strings.Split(rest, ":")
	}
	return b.String(), groups, strings.HasPrefix(b.String(), "/") && utf8.ValidString(b.String())
}
