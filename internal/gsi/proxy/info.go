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
	body, ok := sequence(der)
	if !ok || body.PeekASN1Tag(cbasn1.INTEGER) && !info.readPathLen(&body) || !info.readPolicy(&body) || !body.Empty() {
		return Info{}, errInfo
	}
	return info, nil
}

// ParseDraftInfo reads the ProxyCertInfo of the draft, as Globus 3 writes it:
// the policy comes first, and the path length has a tag of its own.
func ParseDraftInfo(der []byte) (Info, error) {
	info := Info{PathLen: NoLimit}
	body, ok := sequence(der)
	if !ok || !info.readPolicy(&body) {
		return Info{}, errInfo
	}
	var length cryptobyte.String
	var stated bool
	if !body.ReadOptionalASN1(&length, &stated, cbasn1.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
		return Info{}, errInfo
	}
	if stated && (!info.readPathLen(&length) || !length.Empty()) {
		return Info{}, errInfo
	}
	return info, nil
}

func sequence(der []byte) (body cryptobyte.String, ok bool) {
	input := cryptobyte.String(der)
	ok = input.ReadASN1(&body, cbasn1.SEQUENCE) && input.Empty()
	return body, ok
}

func (i *Info) readPathLen(s *cryptobyte.String) bool {
	return s.ReadASN1Integer(&i.PathLen) && i.PathLen >= 0
}

func (i *Info) readPolicy(s *cryptobyte.String) bool {
	var policy, text cryptobyte.String
	if !s.ReadASN1(&policy, cbasn1.SEQUENCE) || !policy.ReadASN1ObjectIdentifier(&i.Language) {
		return false
	}
	if policy.Empty() {
		return true
	}
	if !policy.ReadASN1(&text, cbasn1.OCTET_STRING) || !policy.Empty() {
		return false
	}
	i.Policy = append([]byte{}, text...)
	return true
}
