package authz

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

var errDouble = errors.New("want a decimal number with an optional exponent, INF, -INF or NaN")

// DoubleValue returns a value of type xs:double. Its text is the canonical
// form of XML Schema. NaN equals NaN and -0 equals 0, as XACML compares them.
func DoubleValue(f float64) Value {
	return newValue(kindDouble, canonicalDouble(f), doubleKey(f), f)
}

func doubleKey(f float64) string {
	if f == 0 {
		return "0"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// canonicalDouble is the form of XML Schema 1.0, 3.2.5.2: "1.0E0".
func canonicalDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "INF"
	case math.IsInf(f, -1):
		return "-INF"
	case f == 0:
		if math.Signbit(f) {
			return "-0.0E0"
		}
		return "0.0E0"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// parseDouble reads xs:double of XML Schema 1.0: "+INF" is not in it, nor are
// Go's hexadecimal forms and underscores.
func parseDouble(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	switch s {
	case "INF":
		return DoubleValue(math.Inf(1)).parsed(), nil
	case "-INF":
		return DoubleValue(math.Inf(-1)).parsed(), nil
	case "NaN":
		return DoubleValue(math.NaN()).parsed(), nil
	}
	if len(s) > 4096 || strings.Trim(s, "0123456789+-.eE") != "" {
		return parsed{}, errDouble
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return parsed{}, errDouble
	}
	return DoubleValue(f).parsed(), nil // out of range is INF or 0, the nearest value
}
