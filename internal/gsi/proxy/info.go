package proxy

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The policy languages (RFC 3820 section 3.8.2; the third is Globus's).
var (
	Impersonation = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 1}
	Independent   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 2}
	Limited       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 9}
)

var (
	oidInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}
	oidDraftInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 222}
)

// NoLimit is the PathLen of a proxy that does not state one.
const NoLimit = -1

// Info is the extension ProxyCertInfo (RFC 3820 section 3.8).
type Info struct {
	PathLen  int // how many proxies may follow, or NoLimit
	Language asn1.ObjectIdentifier
	Policy   []byte // nil if absent
}

var errInfo = errors.New("malformed ProxyCertInfo")

// ParseInfo reads the DER of a ProxyCertInfo. Anything but exactly that is an
// error.
func ParseInfo(der []byte) (Info, error) {
	info := Info{PathLen: NoLimit}
	input := cryptobyte.String(der)
	var body, policy cryptobyte.String
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() {
		return Info{}, errInfo
	}
	if body.PeekASN1Tag(cbasn1.INTEGER) {
		if !body.ReadASN1Integer(&info.PathLen) || info.PathLen < 0 {
			return Info{}, errInfo
		}
	}
	if !body.ReadASN1(&policy, cbasn1.SEQUENCE) || !body.Empty() || !policy.ReadASN1ObjectIdentifier(&info.Language) {
		return Info{}, errInfo
	}
	if !policy.Empty() {
		var text cryptobyte.String
		if !policy.ReadASN1(&text, cbasn1.OCTET_STRING) || !policy.Empty() {
			return Info{}, errInfo
		}
		info.Policy = append([]byte{}, text...)
	}
	return info, nil
}
