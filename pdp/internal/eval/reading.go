package eval

import (
	"hash/maphash"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// A key reader turns the equality functions into equality of keys: a function
// holds of a literal and a value exactly when they share a key. That makes
// matches cheap and lists of them searchable.
type keyReader struct {
	name    string
	value   func(v authz.Value, yield func(key string))
	literal func(v authz.Value, yield func(key string))
}

// reading is a key reader applied to a slot.
type reading struct {
	slot int
	by   *keyReader
}

// read appends the keys of a value. The plain reader is spelt out because it
// is the common one and must not allocate.
func (r *keyReader) read(keys []hashedKey, v authz.Value, seed maphash.Seed) []hashedKey {
	if r == ownKey {
		return append(keys, hashKey(seed, v.Key()))
	}
	r.value(v, func(key string) { keys = append(keys, hashKey(seed, key)) })
	return keys
}

// ownKey compares values of one type by that type's own equality.
var ownKey = &keyReader{name: "own", value: valueKey, literal: valueKey}

func valueKey(v authz.Value, yield func(string)) { yield(v.Key()) }

// keyReaders are the functions of two arguments that are equality under some
// reading, beside the type-equal functions, which are ownKey.
var keyReaders = map[string]*keyReader{
	profile.FunctionFQAN:    alike("fqan", fqanKey),
	profile.FunctionBanName: alike("ban-name", banNameKey),
	profile.FunctionBanText: alike("ban-text", func(v authz.Value, yield func(string)) { yield(trimmed(v)) }),
	profile.FunctionBanURI:  alike("ban-uri", func(v authz.Value, yield func(string)) { yield(uriKey(v)) }),
	profile.FunctionBanVO:   {name: "ban-vo", value: voKey, literal: func(v authz.Value, yield func(string)) { yield(v.Text()) }},
}

func alike(name string, key func(authz.Value, func(string))) *keyReader {
	return &keyReader{name: name, value: key, literal: key}
}

func fqanKey(v authz.Value, yield func(string)) {
	if f, ok := asFQAN(v); ok {
		yield(f.Key())
	}
}

func asFQAN(v authz.Value) (authz.FQAN, bool) {
	if f, ok := v.Data().(authz.FQAN); ok {
		return f, true
	}
	f, err := authz.ParseFQAN(v.Text())
	return f, err == nil
}

func banNameKey(v authz.Value, yield func(string)) { yield(banName(v)) }

func banName(v authz.Value) string {
	if d, ok := v.Data().(authz.DN); ok {
		return d.BanKey()
	}
	return authz.BanKey(v.Text())
}

const xmlBlanks = " \t\r\n"

func trimmed(v authz.Value) string { return strings.Trim(v.Text(), xmlBlanks) }

func uriKey(v authz.Value) string {
	return strings.TrimRight(strings.Map(lowerASCII, trimmed(v)), "/")
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// voKey reads "/vo/group/Role=x" as "vo".
func voKey(v authz.Value, yield func(string)) {
	vo, _, _ := strings.Cut(strings.TrimPrefix(v.Text(), "/"), "/")
	yield(vo)
}
