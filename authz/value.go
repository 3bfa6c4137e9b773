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
type Value struct {
	typ  DataType
	text string
	key  string
	hash uint64 // of the key
	data any
}

// Type returns the data type.
func (v Value) Type() DataType { return v.typ }

// Text returns the lexical form as it was presented, never normalised.
func (v Value) Text() string { return v.text }

// Key returns the comparison key: two values of one type are equal if and
// only if their keys are. Keys of different types are not comparable.
func (v Value) Key() string { return v.key }

// Hash returns the [Hash] of the key.
func (v Value) Hash() uint64 { return v.hash }

// hashed completes a value whose key is set.
func (v Value) hashed() Value {
	v.hash = Hash(v.key)
	return v
}

// Data returns the parsed form, which must not be changed:
//
//	boolean bool, integer *big.Int, double float64,
//	dateTime, date, time [Moment], dayTimeDuration [Seconds],
//	yearMonthDuration int64 (months), hexBinary, base64Binary []byte,
//	rfc822Name [Mailbox], x500Name [DN], ipAddress [NetworkAddress],
//	dnsName [DomainName], xpathExpression [XPath], fqan [FQAN]
//
// and nil for string, anyURI and opaque types, whose text says everything.
func (v Value) Data() any { return v.data }

// Equal reports whether v and w have the same type and the same meaning under
// that type's own equality.
func (v Value) Equal(w Value) bool {
	return v.typ != "" && v.key == w.key && v.typ == w.typ
}

// IsZero reports whether v is the zero Value.
func (v Value) IsZero() bool { return v.typ == "" }

// String renders v for people: its text alone. It does not escape control
// characters; printers to a terminal or a log must.
func (v Value) String() string { return v.text }

// StringValue returns a value of type xs:string.
func StringValue(s string) Value { return Value{typ: String, text: s, key: s}.hashed() }

// URIValue returns a value of type xs:anyURI. It is compared by code points
// (XACML 3.0 core, A.3.1: anyURI-equal), never normalised.
func URIValue(s string) Value { return Value{typ: AnyURI, text: s, key: s}.hashed() }

// BooleanValue returns a value of type xs:boolean.
func BooleanValue(b bool) Value {
	s := "false"
	if b {
		s = "true"
	}
	return Value{typ: Boolean, text: s, key: s, data: b}.hashed()
}

// IntegerValue returns a value of type xs:integer.
func IntegerValue(n int64) Value { return BigIntegerValue(big.NewInt(n)) }

// BigIntegerValue returns a value of type xs:integer, which is unbounded. The
// caller must not change n afterwards.
func BigIntegerValue(n *big.Int) Value {
	s := n.String()
	return Value{typ: Integer, text: s, key: s, data: n}.hashed()
}

// DNValue returns a value of type x500Name.
func DNValue(d DN) Value {
	return Value{typ: X500Name, text: d.Comma(), key: d.Key(), data: d}.hashed()
}

// FQANValue returns a value of the gLite FQAN type.
func FQANValue(f FQAN) Value {
	return Value{typ: FQANType, text: f.String(), key: f.Key(), data: f}.hashed()
}

// ParseValue reads the lexical form of a value of type t, as XML Schema 1.0
// and XACML 3.0, annex A.2, define it. An older spelling of a duration type
// yields a value of the type that [DataType.Canonical] names. A type that this
// package does not know yields an opaque value that is equal only to the same
// text; callers that load policies refuse such types. The error names the type
// and quotes the start of the text.
func ParseValue(t DataType, text string) (Value, error) {
	t = t.Canonical()
	parse, known := parsers[t]
	if !known {
		return Value{typ: t, text: text, key: text}.hashed(), nil
	}
	v, err := parse(text)
	if err != nil {
		return Value{}, fmt.Errorf("not a %s: %q: %w", t.Name(), clip(text), err)
	}
	v.typ, v.text = t, text
	return v.hashed(), nil
}

// Known reports whether this package can read and compare values of type t.
func (t DataType) Known() bool { _, ok := parsers[t.Canonical()]; return ok }

// Name returns the part of the URI that people use: "string", "x500Name".
func (t DataType) Name() string {
	return string(t[strings.LastIndexAny(string(t), "#:/")+1:])
}

// parsers holds one reader per data type. Each returns a Value with key and
// data; ParseValue sets type and text. It is written once, here, and only read.
var parsers = map[DataType]func(string) (Value, error){
	String:   func(s string) (Value, error) { return Value{key: s}, nil },
	AnyURI:   func(s string) (Value, error) { return Value{key: strings.Trim(s, xmlBlanks)}, nil },
	Boolean:  parseBoolean,
	Integer:  parseInteger,
	Double:   parseDouble,
	DateTime: parseDateTime,
	Date:     parseDate,
	Time:     parseTime,

	DayTimeDuration:   parseDayTime,
	YearMonthDuration: parseYearMonth,

	HexBinary:    parseHexBinary,
	Base64Binary: parseBase64Binary,
	RFC822Name:   parseMailbox,
	IPAddress:    parseAddress,
	DNSName:      parseDomain,
	X500Name:     parseDNValue,
	FQANType:     parseFQANValue,
	// The category comes from an attribute of the element: see XPathValue.
	XPathExpression: func(s string) (Value, error) { return XPathValue(s, "", nil), nil },
}

func parseBoolean(s string) (Value, error) {
	switch strings.Trim(s, xmlBlanks) {
	case "true", "1":
		return BooleanValue(true), nil
	case "false", "0":
		return BooleanValue(false), nil
	}
	return Value{}, fmt.Errorf("want true, false, 1 or 0")
}

func parseInteger(s string) (Value, error) {
	digits := strings.Trim(s, xmlBlanks)
	if bare := strings.TrimLeft(digits, "+-"); len(digits)-len(bare) > 1 || bare == "" || strings.Trim(bare, "0123456789") != "" {
		return Value{}, fmt.Errorf("want an optional sign and decimal digits")
	}
	if len(digits) > 4096 {
		return Value{}, fmt.Errorf("longer than 4096 digits")
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return Value{}, fmt.Errorf("want an optional sign and decimal digits")
	}
	return BigIntegerValue(n), nil
}

func parseDNValue(s string) (Value, error) {
	d, err := ParseDN(s)
	return Value{key: d.Key(), data: d}, err
}

func parseFQANValue(s string) (Value, error) {
	f, err := ParseFQAN(s)
	return Value{key: f.Key(), data: f}, err
}

const xmlBlanks = " \t\r\n"

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
