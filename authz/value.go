package authz

import (
	"fmt"
	"math/big"
	"strings"
)

// DataType is the URI of an XACML data type (XACML 3.0 core, annex B.3) or of
// a profile's own type.
type DataType string

const xsd = "http://www.w3.org/2001/XMLSchema#"

// The data types that requests and policies use.
const (
	String            DataType = xsd + "string"
	Boolean           DataType = xsd + "boolean"
	Integer           DataType = xsd + "integer"
	Double            DataType = xsd + "double"
	Time              DataType = xsd + "time"
	Date              DataType = xsd + "date"
	DateTime          DataType = xsd + "dateTime"
	AnyURI            DataType = xsd + "anyURI"
	HexBinary         DataType = xsd + "hexBinary"
	Base64Binary      DataType = xsd + "base64Binary"
	DayTimeDuration   DataType = xsd + "dayTimeDuration"
	YearMonthDuration DataType = xsd + "yearMonthDuration"
	RFC822Name        DataType = "urn:oasis:names:tc:xacml:1.0:data-type:rfc822Name"
	X500Name          DataType = "urn:oasis:names:tc:xacml:1.0:data-type:x500Name"
	IPAddress         DataType = "urn:oasis:names:tc:xacml:2.0:data-type:ipAddress"
	DNSName           DataType = "urn:oasis:names:tc:xacml:2.0:data-type:dnsName"
	XPathExpression   DataType = "urn:oasis:names:tc:xacml:3.0:data-type:xpathExpression"
	FQANType          DataType = "http://glite.org/xacml/datatype/fqan"
)

// Value is one typed value. It is immutable and carries its comparison key,
// so that equality and hashing cost nothing twice. The zero Value has no type
// and equals nothing.
//
// It is small, and what a decision looks at first comes first: most requests are
// decided by hashes and never come to what lies behind [Value.Data].
type Value struct {
	hash  uint64 // of the key
	also  uint64 // of the name's ban key, or of the FQAN's group
	kind  Kind
	above lengthsAbove // of an FQAN
	group uint16       // how much of an FQAN's key is its group
	key   string
	more  *more // nil if the type is a known one, the text the key, and there are no data
}

// more is what else there is to a value.
type more struct {
	typ  DataType // of an opaque one
	text string
	data any
}

// Kind is the number of a data type: that of the zero Value is 0, and all types
// that this package does not know share one. It means nothing outside a process.
type Kind uint8

// KindOf returns the kind of a data type; 0 of "".
func KindOf(t DataType) Kind {
	if k, known := kinds[t]; known || t == "" {
		return k
	}
	return opaque
}

// Kind returns the kind of the value's type.
func (v *Value) Kind() Kind { return v.kind }

// The kinds; opaque is any type that this package does not know.
const (
	opaque Kind = iota + 1
	kindString
	kindURI
	kindBoolean
	kindInteger
	kindDouble
	kindDateTime
	kindDate
	kindTime
	kindDayTime
	kindYearMonth
	kindHex
	kindBase64
	kindMailbox
	kindAddress
	kindDomain
	kindDN
	kindFQAN
	kindXPath
)

// newValue completes a value of a known type, or of one that more is needed for.
func newValue(k Kind, text, key string, data any) Value {
	v := Value{kind: k, key: key, hash: Hash(key)}
	if data != nil || text != key {
		v.more = &more{text: text, data: data}
	}
	v.shorten(data)
	return v
}

// shorten notes what a Value keeps of names.
func (v *Value) shorten(data any) {
	switch d := data.(type) {
	case DN:
		v.also = d.BanHash()
	case FQAN:
		v.also, v.above, v.group = d.inShort()
	}
}

// opaqueValue is a value of a type that this package cannot read; without a type
// it is as zero as it was.
func opaqueValue(t DataType, text string) Value {
	if t == "" {
		return Value{key: text, hash: Hash(text)}
	}
	return Value{kind: opaque, key: text, hash: Hash(text), more: &more{typ: t, text: text}}
}

// Type returns the data type.
func (v Value) Type() DataType {
	if v.kind == opaque {
		return v.more.typ
	}
	return readers[v.kind].typ
}

// Text returns the lexical form as it was presented, never normalised.
func (v Value) Text() string {
	if v.more == nil {
		return v.key
	}
	return v.more.text
}

// Key returns the comparison key: two values of one type are equal if and
// only if their keys are. Keys of different types are not comparable.
func (v Value) Key() string { return v.key }

// Hash returns the [Hash] of the key.
func (v Value) Hash() uint64 { return v.hash }

// BanHash returns the [Hash] of the ban key of an x500Name, as [DN.BanHash] does,
// without a look at the name; ok is false for other types.
func (v *Value) BanHash() (hash uint64, ok bool) { return v.also, v.kind == kindDN }

// Group returns the group of an fqan with its [Hash], and whether there is a role;
// ok is false for other types.
func (v *Value) Group() (group string, hash uint64, role, ok bool) {
	return v.key[:v.group], v.also, len(v.key) > int(v.group), v.kind == kindFQAN
}

// MayLieBelow reports whether, of the groups above that of an fqan, one may be of
// a length, in bytes modulo 64, that is in the set.
func (v *Value) MayLieBelow(lengths uint64) bool { return v.above.any(lengths) }

// Data returns the parsed form, which must not be changed:
//
//	boolean bool, integer *big.Int, double float64,
//	dateTime, date, time [Moment], dayTimeDuration [Seconds],
//	yearMonthDuration int64 (months), hexBinary, base64Binary []byte,
//	rfc822Name [Mailbox], x500Name [DN], ipAddress [NetworkAddress],
//	dnsName [DomainName], xpathExpression [XPath], fqan [FQAN]
//
// and nil for string, anyURI and opaque types, whose text says everything.
func (v Value) Data() any {
	if v.more == nil {
		return nil
	}
	return v.more.data
}

// Equal reports whether v and w have the same type and the same meaning under
// that type's own equality.
func (v Value) Equal(w Value) bool {
	return v.kind != 0 && v.kind == w.kind && v.hash == w.hash && v.key == w.key && (v.kind != opaque || v.more.typ == w.more.typ)
}

// IsZero reports whether v is the zero Value.
func (v Value) IsZero() bool { return v.kind == 0 }

// String renders v for people: its text alone. It does not escape control
// characters; printers to a terminal or a log must.
func (v Value) String() string { return v.Text() }

// StringValue returns a value of type xs:string.
func StringValue(s string) Value { return newValue(kindString, s, s, nil) }

// URIValue returns a value of type xs:anyURI. It is compared by code points
// (XACML 3.0 core, A.3.1: anyURI-equal), never normalised.
func URIValue(s string) Value { return newValue(kindURI, s, s, nil) }

// BooleanValue returns a value of type xs:boolean.
func BooleanValue(b bool) Value {
	if b {
		return truth
	}
	return falsehood
}

// Conditions make many of them.
var (
	truth     = newValue(kindBoolean, "true", "true", true)
	falsehood = newValue(kindBoolean, "false", "false", false)
)

// IntegerValue returns a value of type xs:integer.
func IntegerValue(n int64) Value { return BigIntegerValue(big.NewInt(n)) }

// BigIntegerValue returns a value of type xs:integer, which is unbounded. The
// caller must not change n afterwards.
func BigIntegerValue(n *big.Int) Value {
	s := n.String()
	return newValue(kindInteger, s, s, n)
}

// DNValue returns a value of type x500Name.
func DNValue(d DN) Value {
	return newValue(kindDN, d.Comma(), d.Key(), d)
}

// FQANValue returns a value of the gLite FQAN type.
func FQANValue(f FQAN) Value {
	return newValue(kindFQAN, f.String(), f.Key(), f)
}

// ParseValue reads the lexical form of a value of type t, as XML Schema 1.0
// and XACML 3.0, annex A.2, define it. An older spelling of a duration type
// yields a value of the type that [DataType.Canonical] names. A type that this
// package does not know yields an opaque value that is equal only to the same
// text; callers that load policies refuse such types. The error names the type
// and quotes the start of the text.
func ParseValue(t DataType, text string) (Value, error) {
	t = t.Canonical()
	k, known := kinds[t]
	if !known {
		return opaqueValue(t, text), nil
	}
	p, err := readers[k].read(text)
	if err != nil {
		return Value{}, fmt.Errorf("not a %s: %q: %w", t.Name(), clip(text), err)
	}
	if p.more == nil {
		return newValue(k, text, p.key, p.data), nil
	}
	*p.more = more{text: text, data: p.data}
	v := Value{kind: k, key: p.key, hash: Hash(p.key), more: p.more}
	v.shorten(p.data)
	return v, nil
}

// Known reports whether this package can read and compare values of type t.
func (t DataType) Known() bool { _, ok := kinds[t.Canonical()]; return ok }

// Name returns the part of the URI that people use: "string", "x500Name".
func (t DataType) Name() string {
	return string(t[strings.LastIndexAny(string(t), "#:/")+1:])
}

// parsed is the meaning of a text.
type parsed struct {
	key  string
	data any
	more *more // where there is room for it already, or nil
}

// parsed takes a value as the meaning of another text.
func (v Value) parsed() parsed { return parsed{key: v.key, data: v.Data()} }

// readers holds each data type under its kind. It is written once, here, and
// only read.
var readers = [...]struct {
	typ  DataType
	read func(string) (parsed, error)
}{
	{},            // of the zero Value
	opaque:        {},
	kindString:    {String, func(s string) (parsed, error) { return parsed{key: s}, nil }},
	kindURI:       {AnyURI, func(s string) (parsed, error) { return parsed{key: strings.Trim(s, xmlBlanks)}, nil }},
	kindBoolean:   {Boolean, parseBoolean},
	kindInteger:   {Integer, parseInteger},
	kindDouble:    {Double, parseDouble},
	kindDateTime:  {DateTime, parseDateTime},
	kindDate:      {Date, parseDate},
	kindTime:      {Time, parseTime},
	kindDayTime:   {DayTimeDuration, parseDayTime},
	kindYearMonth: {YearMonthDuration, parseYearMonth},
	kindHex:       {HexBinary, parseHexBinary},
	kindBase64:    {Base64Binary, parseBase64Binary},
	kindMailbox:   {RFC822Name, parseMailbox},
	kindAddress:   {IPAddress, parseAddress},
	kindDomain:    {DNSName, parseDomain},
	kindDN:        {X500Name, parseDNValue},
	kindFQAN:      {FQANType, parseFQANValue},
	// The category comes from an attribute of the element: see XPathValue.
	kindXPath: {XPathExpression, func(s string) (parsed, error) { return XPathValue(s, "", nil).parsed(), nil }},
}

// kinds is the kind of each type that this package knows.
var kinds = func() map[DataType]Kind {
	of := map[DataType]Kind{}
	for k, r := range readers {
		if r.typ != "" {
			of[r.typ] = Kind(k)
		}
	}
	return of
}()

func parseBoolean(s string) (parsed, error) {
	switch strings.Trim(s, xmlBlanks) {
	case "true", "1":
		return parsed{key: "true", data: true}, nil
	case "false", "0":
		return parsed{key: "false", data: false}, nil
	}
	return parsed{}, fmt.Errorf("want true, false, 1 or 0")
}

func parseInteger(s string) (parsed, error) {
	digits := strings.Trim(s, xmlBlanks)
	if bare := strings.TrimLeft(digits, "+-"); len(digits)-len(bare) > 1 || bare == "" || strings.Trim(bare, "0123456789") != "" {
		return parsed{}, fmt.Errorf("want an optional sign and decimal digits")
	}
	if len(digits) > 4096 {
		return parsed{}, fmt.Errorf("longer than 4096 digits")
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return parsed{}, fmt.Errorf("want an optional sign and decimal digits")
	}
	return parsed{key: n.String(), data: n}, nil
}

func parseDNValue(s string) (parsed, error) {
	d, err := ParseDN(s)
	if err != nil {
		return parsed{}, err
	}
	return parsed{d.Key(), d, &d.name.more}, nil
}

func parseFQANValue(s string) (parsed, error) {
	f, err := ParseFQAN(s)
	if err != nil {
		return parsed{}, err
	}
	return parsed{f.Key(), f, &f.path.more}, nil
}

const xmlBlanks = " \t\r\n"

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
