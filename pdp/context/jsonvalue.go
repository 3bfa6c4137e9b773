package context

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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

func longType(name string) authz.DataType {
	if t, ok := shortTypes[name]; ok {
		return t
	}
	return authz.DataType(name).Canonical()
}

// shortType is how the profile writes a data type.
func shortType(t authz.DataType) string {
	if shortTypes[t.Name()] == t {
		return t.Name()
	}
	return string(t)
}

// jsonValue is the Value of an attribute, kept until its data type is known.
type jsonValue struct {
	items []jsonItem
	place place
}

// jsonItem is a string, a number, a boolean or an xpathExpression.
type jsonItem struct {
	kind  jsontext.Kind
	text  string
	xpath *authz.Value
}

func (d *jsonDecoder) rawValue() (*jsonValue, error) {
	v := &jsonValue{place: d.here()}
	err := d.list(func() error {
		item := jsonItem{kind: d.d.PeekKind()}
		switch item.kind {
		case '"', '0', 't', 'f':
			t, err := d.token()
			if err != nil {
				return err
			}
			item.text = strings.Clone(t.String())
		case '{':
			x, err := d.xpath()
			if err != nil {
				return err
			}
			item.xpath = &x
		default:
			return d.mismatch("a Value", "a string, a number, true, false or an xpathExpression")
		}
		v.items = append(v.items, item)
		return nil
	})
	return v, err
}

// xpath reads an xpathExpression (JSON profile 1.1, 4.2.4.2).
func (d *jsonDecoder) xpath() (authz.Value, error) {
	place := d.here()
	var category, expression string
	prefixes := map[string]string{}
	err := d.object("xpathExpression", func(member string) (known bool, err error) {
		switch member {
		case "XPathCategory":
			category, err = d.text(member)
		case "XPath":
			expression, err = d.text(member)
		case "Namespaces":
			err = d.list(func() error { return d.namespace(prefixes) })
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && (category == "" || expression == "") {
		err = &Error{place(), "an xpathExpression needs XPathCategory and XPath"}
	}
	return authz.XPathValue(expression, longCategory(category), prefixes), err
}

func (d *jsonDecoder) namespace(prefixes map[string]string) error {
	var prefix, space string
	err := d.object("Namespaces", func(member string) (known bool, err error) {
		switch member {
		case "Prefix":
			prefix, err = d.text(member)
		case "Namespace":
			space, err = d.text(member)
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
func (v *jsonValue) values(t authz.DataType) ([]authz.Value, error) {
	if t == "" {
		var err error
		if t, err = v.infer(); err != nil {
			return nil, err
		}
	}
	values := make([]authz.Value, len(v.items))
	for i, item := range v.items {
		var err error
		if values[i], err = item.value(t); err != nil {
			return nil, &Error{v.place(), err.Error()}
		}
	}
	return values, nil
}

// infer finds the data type of a Value that comes without one.
func (v *jsonValue) infer() (authz.DataType, error) {
	kinds := map[jsontext.Kind]int{}
	fractions, special := 0, 0
	for _, item := range v.items {
		k := item.kind
		if k == 'f' {
			k = 't'
		}
		kinds[k]++
		if k == '0' && !isInteger(item.text) {
			fractions++
		}
		if k == '"' && (item.text == "NaN" || item.text == "INF" || item.text == "-INF") {
			special++
		}
	}
	n := len(v.items)
	switch {
	case n == 0, kinds['"'] == n:
		return authz.String, nil
	case kinds['t'] == n:
		return authz.Boolean, nil
	case kinds['{'] == n:
		return authz.XPathExpression, nil
	case kinds['0'] == n && fractions == 0:
		return authz.Integer, nil
	case kinds['0']+special == n:
		return authz.Double, nil
	case kinds['0']+kinds['"'] == n:
		return authz.String, nil
	}
	return "", &Error{v.place(), "no data type fits all values"}
}

func isInteger(number string) bool { return !strings.ContainsAny(number, ".eE") }

func (i jsonItem) value(t authz.DataType) (authz.Value, error) {
	switch {
	case (i.kind == '{') != (t == authz.XPathExpression):
		return authz.Value{}, fmt.Errorf("a value is not of the type %s", t.Name())
	case i.kind == '{':
		return *i.xpath, nil
	case (i.kind == 't' || i.kind == 'f') && t != authz.Boolean && t != authz.String,
		i.kind == '0' && t == authz.Boolean:
		return authz.Value{}, fmt.Errorf("not a %s: %s", t.Name(), i.text)
	case i.kind == '0' && t == authz.Integer && !isInteger(i.text):
		return wholeNumber(i.text)
	}
	return authz.ParseValue(t, i.text)
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

// writeValue appends a value as JSON; a number or a boolean where JSON can say
// the same.
func writeValue(e *jsontext.Encoder, v authz.Value) error {
	switch data := v.Data().(type) {
	case bool:
		return e.WriteToken(jsontext.Bool(data))
	case authz.XPath:
		return writeXPath(e, data)
	}
	text := v.Text()
	if number := jsontext.Value(strings.TrimSpace(text)); (v.Type() == authz.Integer || v.Type() == authz.Double) && number.IsValid() && number.Kind() == '0' && len(number) < 16 {
		return e.WriteValue(number)
	}
	return e.WriteToken(jsontext.String(text))
}

func writeXPath(e *jsontext.Encoder, x authz.XPath) error {
	w := &jsonWriter{e: e}
	w.begin('{')
	w.pair("XPathCategory", string(x.Category))
	w.pair("XPath", x.Expression)
	if len(x.Namespaces) > 0 {
		w.name("Namespaces")
		w.begin('[')
		for _, prefix := range slices.Sorted(maps.Keys(x.Namespaces)) {
			w.begin('{')
			w.pair("Prefix", prefix)
			w.pair("Namespace", x.Namespaces[prefix])
			w.end('}')
		}
		w.end(']')
	}
	w.end('}')
	return w.err
}

func encodeContent(document []byte) string { return base64.StdEncoding.EncodeToString(document) }
