package authz

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Moment is the data of xs:dateTime, xs:date and xs:time (XML Schema 1.0,
// 3.2.7 to 3.2.9): what the clock on the wall shows, and the offset of that
// clock from UTC if it was written. A date is its first moment; a time of day
// counts from its own midnight.
type Moment struct {
	local Seconds // since 1970-01-01T00:00:00 on the same wall, or since midnight
	zone  int     // minutes east of UTC
	zoned bool
}

const (
	day     = 24 * 60 * 60
	maxYear = 999_999_999
	maxZone = 14 * 60
)

var (
	errDateTime = errors.New("want YYYY-MM-DDThh:mm:ss with an optional fraction and zone")
	errDate     = errors.New("want YYYY-MM-DD with an optional zone")
	errTime     = errors.New("want hh:mm:ss with an optional fraction and zone")
	errZone     = errors.New("want a zone of Z or ±hh:mm within 14:00")
)

// MomentOf returns the moment of t with the offset of t's location.
func MomentOf(t time.Time) Moment {
	_, offset := t.Zone()
	m := Moment{zone: offset / 60, zoned: true}
	m.local = Seconds{whole: t.Unix() + int64(m.zone)*60}
	if n := t.Nanosecond(); n > 0 {
		m.local.fraction = strings.TrimRight(fmt.Sprintf("%09d", n), "0")
	}
	return m
}

// Date returns the first moment of the day.
func (m Moment) Date() Moment {
	m.local = Seconds{whole: m.local.whole - mod(m.local.whole, day)}
	return m
}

// TimeOfDay returns the time since midnight.
func (m Moment) TimeOfDay() Moment {
	m.local.whole = mod(m.local.whole, day)
	return m
}

// Zone returns the offset in minutes east of UTC, and whether one was written.
func (m Moment) Zone() (minutes int, written bool) { return m.zone, m.zoned }

// In returns m with the given offset if it has none; the wall clock stays.
func (m Moment) In(minutes int) Moment {
	if !m.zoned {
		m.zone, m.zoned = minutes, true
	}
	return m
}

// UTC returns the seconds on UTC's clock. A moment without a zone is taken to
// be in UTC: the implicit zone of XACML 3.0, A.3.8.
func (m Moment) UTC() Seconds {
	return Seconds{whole: m.local.whole - int64(m.zone)*60, fraction: m.local.fraction}
}

// Compare orders moments of one type in time: -1, 0 or +1.
func (m Moment) Compare(n Moment) int { return m.UTC().Compare(n.UTC()) }

// Add returns the moment that much later, in the same zone.
func (m Moment) Add(s Seconds) (Moment, error) {
	local, err := m.local.Add(s)
	if year, _, _ := civil(local.whole); err == nil && (year > maxYear || year < -maxYear) {
		err = errRange
	}
	m.local = local
	return m, err
}

// AddMonths returns the same day and time that many months later, or the last
// day of that month if it is too short (XML Schema 1.0, annex E).
func (m Moment) AddMonths(months int64) (Moment, error) {
	year, month, d := civil(m.local.whole)
	count := year*12 + int64(month-1)
	if months > 12*maxYear || months < -12*maxYear {
		return Moment{}, errRange
	}
	count += months
	year, month = floorDiv(count, 12), int(mod(count, 12))+1
	if year > maxYear || year < -maxYear {
		return Moment{}, errRange
	}
	d = min(d, daysIn(year, month))
	m.local.whole = dayNumber(year, month, d)*day + mod(m.local.whole, day)
	return m, nil
}

// DateTimeValue returns a value of type xs:dateTime.
func DateTimeValue(m Moment) Value { return m.value(kindDateTime, DateTime) }

// DateValue returns a value of type xs:date: the day on which m is.
func DateValue(m Moment) Value { return m.Date().value(kindDate, Date) }

// TimeValue returns a value of type xs:time: the time of day of m.
func TimeValue(m Moment) Value { return m.TimeOfDay().value(kindTime, Time) }

func (m Moment) value(k Kind, t DataType) Value {
	return newValue(k, m.format(t), m.UTC().key(), m)
}

func (m Moment) format(t DataType) string {
	var b strings.Builder
	if t != Time {
		year, month, d := civil(m.local.whole)
		if year <= 0 { // XML Schema 1.0 has no year 0: the year before 1 is -1
			b.WriteByte('-')
			year = 1 - year
		}
		fmt.Fprintf(&b, "%04d-%02d-%02d", year, month, d)
	}
	if t == DateTime {
		b.WriteByte('T')
	}
	if t != Date {
		s := mod(m.local.whole, day)
		fmt.Fprintf(&b, "%02d:%02d:%02d", s/3600, s/60%60, s%60)
		if m.local.fraction != "" {
			b.WriteString("." + m.local.fraction)
		}
	}
	if m.zoned {
		b.WriteString(zoneText(m.zone))
	}
	return b.String()
}

func zoneText(minutes int) string {
	switch {
	case minutes == 0:
		return "Z"
	case minutes < 0:
		return fmt.Sprintf("-%02d:%02d", -minutes/60, -minutes%60)
	}
	return fmt.Sprintf("+%02d:%02d", minutes/60, minutes%60)
}

func parseDateTime(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	date, rest, ok := strings.Cut(s, "T")
	if !ok || len(s) > 4096 {
		return parsed{}, errDateTime
	}
	first, err := parseDay(date)
	if err != nil {
		return parsed{}, errDateTime
	}
	m, err := parseClock(rest)
	if err != nil {
		return parsed{}, err
	}
	m.local.whole += first * day
	return DateTimeValue(m).parsed(), nil
}

func parseDate(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	m, s, err := cutZone(s)
	if err != nil {
		return parsed{}, err
	}
	first, err := parseDay(s)
	if err != nil {
		return parsed{}, err
	}
	m.local.whole = first * day
	return DateValue(m).parsed(), nil
}

func parseTime(text string) (parsed, error) {
	s := strings.Trim(text, xmlBlanks)
	if len(s) > 4096 {
		return parsed{}, errTime
	}
	m, err := parseClock(s)
	if err != nil {
		return parsed{}, err
	}
	return TimeValue(m).parsed(), nil
}

// parseClock reads "hh:mm:ss.fff±hh:mm". 24:00:00 is the next midnight.
func parseClock(s string) (Moment, error) {
	m, s, err := cutZone(s)
	if err != nil {
		return m, err
	}
	s, fraction, dot := strings.Cut(s, ".")
	hour, minute, second := fixedNumber(s, 0, 2), fixedNumber(s, 3, 5), fixedNumber(s, 6, 8)
	if len(s) != 8 || s[2] != ':' || s[5] != ':' || hour < 0 || minute < 0 || second < 0 || dot && !isDigits(fraction) {
		return m, errTime
	}
	fraction = strings.TrimRight(fraction, "0")
	if hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute > 0 || second > 0 || fraction != "") {
		return m, fmt.Errorf("no such time of day")
	}
	m.local = Seconds{whole: int64(hour*3600 + minute*60 + second), fraction: fraction}
	return m, nil
}

// cutZone reads the optional zone at the end. A date has "-" of its own, so
// the zone is told by its colon.
func cutZone(s string) (Moment, string, error) {
	if rest, ok := strings.CutSuffix(s, "Z"); ok {
		return Moment{zoned: true}, rest, nil
	}
	n := len(s) - 6
	if n < 0 || s[n] != '+' && s[n] != '-' || s[n+3] != ':' {
		return Moment{}, s, nil
	}
	hours, minutes := fixedNumber(s, n+1, n+3), fixedNumber(s, n+4, n+6)
	zone := hours*60 + minutes
	if hours < 0 || minutes < 0 || minutes > 59 || zone > maxZone {
		return Moment{}, s, errZone
	}
	if s[n] == '-' {
		zone = -zone
	}
	return Moment{zone: zone, zoned: true}, s[:n], nil
}

// parseDay reads "YYYY-MM-DD", with more digits and a sign for far years, and
// returns its number.
func parseDay(s string) (int64, error) {
	bare, before := strings.CutPrefix(s, "-")
	n := len(bare) - 6
	if n < 4 || n > 9 || n > 4 && bare[0] == '0' || bare[n] != '-' || bare[n+3] != '-' || !isDigits(bare[:n]) {
		return 0, errDate
	}
	year, _ := strconv.ParseInt(bare[:n], 10, 64)
	month, d := fixedNumber(bare, n+1, n+3), fixedNumber(bare, n+4, n+6)
	if year == 0 {
		return 0, fmt.Errorf("there is no year 0000")
	}
	if before {
		year = 1 - year
	}
	if month < 1 || month > 12 || d < 1 || d > daysIn(year, month) {
		return 0, fmt.Errorf("no such day")
	}
	return dayNumber(year, month, d), nil
}

// fixedNumber reads the digits s[from:to]; -1 if they are not all digits.
func fixedNumber(s string, from, to int) int {
	if to > len(s) || !isDigits(s[from:to]) {
		return -1
	}
	n, _ := strconv.Atoi(s[from:to])
	return n
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// dayNumber counts days from 1970-01-01 in the proleptic Gregorian calendar
// with a year 0; an era has 400 years, years begin in March.
func dayNumber(year int64, month, d int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era, inEra := floorDiv(year, 400), mod(year, 400)
	inYear := int64((153*(month-3)+2)/5 + d - 1)
	return era*146097 + inEra*365 + inEra/4 - inEra/100 + inYear - 719468
}

// civil returns the date of a count of seconds from 1970-01-01.
func civil(seconds int64) (year int64, month, d int) {
	n := floorDiv(seconds, day) + 719468
	era, inEra := floorDiv(n, 146097), mod(n, 146097)
	y := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*y + y/4 - y/100)
	m := (5*inYear + 2) / 153
	year, month, d = y+era*400, int(m)+3, int(inYear-(153*m+2)/5)+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, d
}

func daysIn(year int64, month int) int {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4, month == 6, month == 9, month == 11:
		return 30
	}
	return 31
}

func floorDiv(a, b int64) int64 { return (a - mod(a, b)) / b }

func mod(a, b int64) int64 {
	if r := a % b; r < 0 {
		return r + b
	} else {
		return r
	}
}
