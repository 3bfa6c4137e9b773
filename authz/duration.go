package authz

import (
	"errors"
	"strconv"
	"strings"
)

// The duration types have three spellings, by version of XACML, and that of
// XPath expressions two; values carry the one of XACML 3.0.
const (
	dayTimeTwo   DataType = "urn:oasis:names:tc:xacml:2.0:data-type:dayTimeDuration"
	yearMonthTwo DataType = "urn:oasis:names:tc:xacml:2.0:data-type:yearMonthDuration"
	xpathTwo     DataType = "urn:oasis:names:tc:xacml:2.0:data-type:xpath-expression"
	dayTimeOne   DataType = "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#dayTimeDuration"
	yearMonthOne DataType = "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#yearMonthDuration"
)

// Canonical returns the spelling of a data type that values carry: that of
// XACML 3.0 for the older spellings of the duration types and of
// xpathExpression (Multiple Resource profile 2.0, 2.2).
func (t DataType) Canonical() DataType {
	switch t {
	case dayTimeTwo, dayTimeOne:
		return DayTimeDuration
	case yearMonthTwo, yearMonthOne:
		return YearMonthDuration
	case xpathTwo:
		return XPathExpression
	}
	return t
}

var (
	errDayTime   = errors.New("want PnDTnHnMnS, such as P1DT12H")
	errYearMonth = errors.New("want PnYnM, such as P1Y6M")
)

// DayTimeValue returns a value of type dayTimeDuration.
func DayTimeValue(s Seconds) Value {
	return newValue(kindDayTime, dayTimeText(s), s.key(), s)
}

// YearMonthValue returns a value of type yearMonthDuration.
func YearMonthValue(months int64) Value {
	return newValue(kindYearMonth, yearMonthText(months), strconv.FormatInt(months, 10), months)
}

func dayTimeText(s Seconds) string {
	var b strings.Builder
	if s.whole < 0 {
		b.WriteByte('-')
		s = s.Negate()
	}
	b.WriteByte('P')
	part := func(n int64, unit byte) {
		if n > 0 {
			b.WriteString(strconv.FormatInt(n, 10))
			b.WriteByte(unit)
		}
	}
	part(s.whole/day, 'D')
	rest := Seconds{whole: s.whole % day, fraction: s.fraction}
	if rest == (Seconds{}) && s.whole != 0 {
		return b.String()
	}
	b.WriteByte('T')
	part(rest.whole/3600, 'H')
	part(rest.whole/60%60, 'M')
	if left := (Seconds{whole: rest.whole % 60, fraction: s.fraction}); left != (Seconds{}) || s == (Seconds{}) {
		b.WriteString(left.String() + "S")
	}
	return b.String()
}

func yearMonthText(months int64) string {
	sign := ""
	if months < 0 {
		sign, months = "-", -months
	}
	y, m := months/12, months%12
	switch {
	case y == 0:
		return sign + "P" + strconv.FormatInt(m, 10) + "M"
	case m == 0:
		return sign + "P" + strconv.FormatInt(y, 10) + "Y"
	}
	return sign + "P" + strconv.FormatInt(y, 10) + "Y" + strconv.FormatInt(m, 10) + "M"
}

func parseDayTime(text string) (parsed, error) {
	s, negative, ok := durationBody(text)
	if !ok {
		return parsed{}, errDayTime
	}
	days, clock, timed := strings.Cut(s, "T")
	total := Seconds{}
	rest, ok := takeUnit(days, 'D', day, &total)
	if !ok || rest != "" || timed && clock == "" {
		return parsed{}, errDayTime
	}
	clock, okHours := takeUnit(clock, 'H', 3600, &total)
	clock, okMinutes := takeUnit(clock, 'M', 60, &total)
	whole, fraction, dotted := strings.Cut(strings.TrimSuffix(clock, "S"), ".")
	if clock != "" && (!strings.HasSuffix(clock, "S") || dotted && !isDigits(fraction)) {
		return parsed{}, errDayTime
	}
	if clock != "" {
		whole += "S"
	}
	rest, okSeconds := takeUnit(whole, 'S', 1, &total)
	if !okHours || !okMinutes || !okSeconds || rest != "" {
		return parsed{}, errDayTime
	}
	total.fraction = strings.TrimRight(fraction, "0")
	if negative {
		total = total.Negate()
	}
	return DayTimeValue(total).parsed(), nil
}

func parseYearMonth(text string) (parsed, error) {
	s, negative, ok := durationBody(text)
	total := Seconds{}
	s, okYears := takeUnit(s, 'Y', 12, &total)
	s, okMonths := takeUnit(s, 'M', 1, &total)
	if !ok || !okYears || !okMonths || s != "" {
		return parsed{}, errYearMonth
	}
	if negative {
		total.whole = -total.whole
	}
	return YearMonthValue(total.whole).parsed(), nil
}

func durationBody(text string) (body string, negative, ok bool) {
	s := strings.Trim(text, xmlBlanks)
	s, negative = strings.CutPrefix(s, "-")
	s, ok = strings.CutPrefix(s, "P")
	return s, negative, ok && s != "" && len(s) <= 4096
}

// takeUnit reads "n<unit>" at the start of s, if it is there, and adds it.
func takeUnit(s string, unit byte, size int64, total *Seconds) (rest string, ok bool) {
	n := strings.IndexByte(s, unit)
	if n < 0 {
		return s, true
	}
	digits := s[:n]
	if !isDigits(digits) {
		return s, false
	}
	if digits = strings.TrimLeft(digits, "0"); len(digits) > 12 {
		return s, false
	}
	v, _ := strconv.ParseInt("0"+digits, 10, 64)
	total.whole += v * size
	return s[n+1:], total.whole <= maxWhole
}
