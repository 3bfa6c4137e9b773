package context

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// shortTypes are the data types that the JSON profile writes by their names.
var shortTypes = func() map[string]authz.DataType {
	all := map[string]authz.DataType{}
	for _, t := range []authz.DataType{
		authz.String, authz.Boolean, authz.Integer, authz.Double, authz.Time, authz.Date, authz.DateTime,
		authz.DayTimeDuration, authz.YearMonthDuration, authz.AnyURI, authz.HexBinary, authz.Base64Binary,
		authz.RFC822Name, authz.X500Name, authz.IPAddress, authz.DNSName, authz.XPathExpression,
	} {
		all[t.Name()] = t
	}
	return all
}()

// dataType reads a data type, "" for none.
func (d *jsonDecoder) dataType() (authz.DataType, error) {
	name, err := d.text("DataType")
	if t, ok := shortTypes[name]; ok {
		return t, err
	}
	return authz.DataType(name).Canonical(), err
}

// shortType is how the profile writes a data type.
func shortType(t authz.DataType) string {
	if shortTypes[t.Name()] == t {
		return t.Name()
	}
	return string(t)
}

// jsonValue is the Value of an attribute, kept until its data type is known:
// until the next one is read.
type jsonValue struct {
	items []jsonItem
	place place
}

// given reports whether there was a Value.
func (v jsonValue) given() bool { return v.place.in != nil }

// jsonItem is a string, a number, a boolean or an xpathExpression, of the
// document or, if it was spelt with escapes, apart from it.
type jsonItem struct {
	kind  byte // '"', '0', 't', 'f' or '{'
	text  []byte
	xpath *authz.Value
}

func (d *jsonDecoder) rawValue() (jsonValue, error) {
	v := jsonValue{place: d.here()}
	d.items = d.items[:0]
	err := d.list(func() (err error) {
		item := jsonItem{kind: d.kind()}
		switch item.kind {
		case '"':
			item.text, err = d.characters()
		case '0':
			item.text, err = d.number()
		case 't', 'f':
			item.text, err = d.literal()
		case '{':
			var x authz.Value
			x, err = d.xpath()
			item.xpath = &x
		default:
			err = d.mismatch("a Value", "a string, a number, true, false or an xpathExpression")
		}
		d.items = append(d.items, item)
		return err
	})
	v.items = d.items
	return v, err
}

// xpath reads an xpathExpression (JSON profile 1.1, 4.2.4.2).
func (d *jsonDecoder) xpath() (authz.Value, error) {
	place := d.here()
	var category, expression string
	prefixes := map[string]string{}
	err := d.object("xpathExpression", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "XPathCategory":
			category, err = d.text("XPathCategory")
		case "XPath":
			expression, err = d.text("XPath")
		case "Namespaces":
			err = d.list(func() error { return d.namespace(prefixes) })
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && (category == "" || expression == "") {
		err = &Error{place.position(), "an xpathExpression needs XPathCategory and XPath"}
	}
	return authz.XPathValue(expression, longCategory(category), prefixes), err
}

func (d *jsonDecoder) namespace(prefixes map[string]string) error {
	var prefix, space string
	err := d.object("Namespaces", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "Prefix":
			prefix, err = d.text("Prefix")
		case "Namespace":
			space, err = d.text("Namespace")
		default:
			return false, nil
		}
		return true, err
	})
	if prefix != "" { // XPath 1.0 has no default namespace
		prefixes[prefix] = space
	}
	return err
}

// values gives the values their data type: the one that was written, or else
// the one that fits them all (JSON profile 1.1, 3.3.1 and 4.2.4.1).
func (d *jsonDecoder) values(v jsonValue, t authz.DataType) ([]authz.Value, error) {
	if t == "" {
		var err error
		if t, err = v.infer(); err != nil {
			return nil, err
		}
	}
	first := len(d.room.values)
	d.room.values = slices.Grow(d.room.values, len(v.items))
	for i := range v.items {
		value, err := v.items[i].value(t)
		if err != nil {
			return nil, &Error{v.place.position(), err.Error()}
		}
		d.room.values = append(d.room.values, value)
	}
	return d.room.takeValues(first), nil
}

// infer finds the data type of a Value that comes without one.
func (v jsonValue) infer() (authz.DataType, error) {
	var texts, special, booleans, numbers, fractions, expressions int
	for _, item := range v.items {
		switch item.kind {
		case '"':
			texts++
			if s := string(item.text); s == "NaN" || s == "INF" || s == "-INF" {
				special++
			}
		case '0':
			numbers++
			if !isInteger(item.text) {
				fractions++
			}
		case '{':
			expressions++
		default:
			booleans++
		}
	}
	n := len(v.items)
	switch {
	case texts == n:
		return authz.String, nil
	case booleans == n:
		return authz.Boolean, nil
	case expressions == n:
		return authz.XPathExpression, nil
	case numbers == n && fractions == 0:
		return authz.Integer, nil
	case numbers+special == n:
		return authz.Double, nil
	case numbers+texts == n:
		return authz.String, nil
	}
	return "", &Error{v.place.position(), "no data type fits all values"}
}

func isInteger(number []byte) bool { return !bytes.ContainsAny(number, ".eE") }

func (i *jsonItem) value(t authz.DataType) (authz.Value, error) {
	switch {
	case (i.kind == '{') != (t == authz.XPathExpression):
		return authz.Value{}, fmt.Errorf("a value is not of the type %s", t.Name())
	case i.kind == '{':
		return *i.xpath, nil
	case (i.kind == 't' || i.kind == 'f') && t != authz.Boolean && t != authz.String,
		i.kind == '0' && t == authz.Boolean:
		return authz.Value{}, fmt.Errorf("not a %s: %s", t.Name(), i.text)
	case i.kind == '0' && t == authz.Integer && !isInteger(i.text):
		return wholeNumber(string(i.text))
	}
	return authz.ParseValue(t, string(i.text))
}

// wholeNumber reads "1.0" and "1e3" as integers, since JSON does not tell them
// from 1 and 1000.
func wholeNumber(text string) (authz.Value, error) {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > 400 || len(strings.Trim(exponent, "+-0")) > 2 {
		return authz.Value{}, fmt.Errorf("not an integer: %s", quote(text))
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || !r.IsInt() {
		return authz.Value{}, fmt.Errorf("not an integer: %s", quote(text))
	}
	return authz.BigIntegerValue(r.Num()), nil
}

func encodeContent(document []byte) string { return base64.StdEncoding.EncodeToString(document) }
