package authz

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const someDay = DataType("urn:oasis:names:tc:xacml:2.0:data-type:dayTimeDuration")

// Texts that mean the same under their type's own equality, and what they
// print as in canonical form.
func TestEqualValues(t *testing.T) {
	for _, c := range []struct {
		typ       DataType
		canonical string
		texts     []string
	}{
		{Integer, "5", []string{"5", "+5", "005", " 5\n"}},
		{Integer, "123456789012345678901234567890", []string{"123456789012345678901234567890", "+0123456789012345678901234567890"}},
		{Boolean, "true", []string{"true", "1", " true "}},
		{Double, "1.0E0", []string{"1", "1.0", "10e-1", "+1E0", "01."}},
		{Double, "NaN", []string{"NaN", " NaN"}},
		{Double, "INF", []string{"INF", "1e999"}},
		{Double, "-1.25E-7", []string{"-1.25e-7", "-0.000000125"}},
		{Time, "08:30:00Z", []string{"08:30:00Z", "09:30:00+01:00", "08:30:00.000Z"}},
		{Time, "08:30:00.1234567890123456789", []string{"08:30:00.1234567890123456789", "08:30:00.12345678901234567890"}},
		{Time, "00:00:00", []string{"24:00:00", "00:00:00"}},
		{Date, "2002-10-09-11:00", []string{"2002-10-10+13:00", "2002-10-09-11:00"}},
		{Date, "2002-10-10+12:00", []string{"2002-10-10+12:00"}},
		{DateTime, "2002-01-01T00:00:00Z", []string{"2001-12-31T24:00:00Z", "2002-01-01T00:00:00Z", "2001-12-31T19:00:00-05:00"}},
		{DateTime, "-0001-02-29T12:00:00", []string{"-0001-02-29T12:00:00"}},
		{DateTime, "12345-01-01T00:00:00", []string{"12345-01-01T00:00:00"}},
		{DayTimeDuration, "P1D", []string{"P1D", "PT24H", "P0DT1440M", "PT86400S", "P1DT0.00S"}},
		{DayTimeDuration, "-PT0.5S", []string{"-PT0.5S", "-P0DT00.500S"}},
		{DayTimeDuration, "PT0S", []string{"P0D", "-PT0S"}},
		{YearMonthDuration, "P1Y6M", []string{"P1Y6M", "P18M"}},
		{YearMonthDuration, "-P1Y", []string{"-P12M", "-P1Y"}},
		{HexBinary, "0FB7", []string{"0FB7", "0fb7"}},
		{Base64Binary, "aGVsbG8=", []string{"aGVsbG8=", "aG Vs\nbG8="}},
		{RFC822Name, "Ann@example.org", []string{"Ann@example.org", "Ann@EXAMPLE.ORG"}},
		{IPAddress, "", []string{"10.0.0.0/255.0.0.0:80", "10.0.0.0/255.0.0.0:80-80"}},
		{IPAddress, "", []string{"[2001:db8::1]", "[2001:0db8:0::1]"}},
		{DNSName, "", []string{"*.Example.org:1024-", "*.example.org:1024-65535"}},
		{AnyURI, "http://x/%7E", []string{"http://x/%7E", " http://x/%7E"}},
	} {
		first, err := ParseValue(c.typ, c.texts[0])
		require.NoError(t, err)
		for _, text := range c.texts {
			v, err := ParseValue(c.typ, text)
			require.NoError(t, err, "%s %q", c.typ.Name(), text)
			require.True(t, first.Equal(v), "%q and %q: %q %q", c.texts[0], text, first.Key(), v.Key())
			require.Equal(t, text, v.Text())
			if c.canonical != "" {
				require.Equal(t, c.canonical, v.Canonical())
			}
		}
	}
}

func TestDifferentValues(t *testing.T) {
	for _, c := range []struct {
		typ  DataType
		a, b string
	}{
		{Time, "08:00:00+09:00", "17:00:00-06:00"}, // XPath functions, 10.4.13
		{AnyURI, "http://x/%7E", "http://x/~"},
		{AnyURI, "HTTP://x", "http://x"},
		{RFC822Name, "Ann@example.org", "ann@example.org"},
		{Double, "NaN", "INF"},
		{Double, "INF", "-INF"},
		{DateTime, "2002-01-01T00:00:00.1", "2002-01-01T00:00:00.01"},
		{IPAddress, "10.0.0.1", "10.0.0.1:80"},
		{String, " a", "a"},
	} {
		a, errA := ParseValue(c.typ, c.a)
		b, errB := ParseValue(c.typ, c.b)
		require.NoError(t, errA)
		require.NoError(t, errB)
		require.False(t, a.Equal(b), "%q and %q", c.a, c.b)
	}
	require.False(t, StringValue("a").Equal(URIValue("a")))
}

func TestRefusedValues(t *testing.T) {
	for typ, texts := range map[DataType][]string{
		Integer:           {"", "1.0", "+-1", "0x1", "1_000"},
		Boolean:           {"TRUE", "yes", ""},
		Double:            {"+INF", "inf", "0x1p3", "1_0", "", "1e", "."},
		Time:              {"8:00:00", "24:00:01", "25:00:00", "08:00", "08:60:00", "08:00:00-14:30", "08:00:00.", "08:00:00+1:00"},
		Date:              {"2002-13-01", "2001-02-29", "0000-01-01", "02-01-01", "2002-1-1", "02002-01-01", "2002-01-01T00:00:00"},
		DateTime:          {"2002-01-01", "2002-01-01 00:00:00", "2002-01-01T", "9999999999-01-01T00:00:00"},
		DayTimeDuration:   {"P", "PT", "P1Y", "1D", "P1DT", "P1M", "PT1.S", "PT1H1D", "P-1D", "PT.5S"},
		YearMonthDuration: {"P", "P1D", "P1M1Y", "PY", "P1.5Y"},
		HexBinary:         {"0FB", "0G"},
		Base64Binary:      {"aGVsbG8", "a*=="},
		RFC822Name:        {"ann", "@b", "a b@c", "a@b_c", "a@", "a@-b"},
		IPAddress:         {"10.0.0", "10.0.0.0/8", "::1", "[10.0.0.1]", "10.0.0.1:0", "10.0.0.1:9-1", "[::1]/255.0.0.0", "10.0.0.1:-", "[fe80::1%eth0]"},
		DNSName:           {"a*.example.org", "x.*.org", "under_score.org", "example.org:70000", ""},
	} {
		for _, text := range texts {
			_, err := ParseValue(typ, text)
			require.Error(t, err, "%s %q", typ.Name(), text)
		}
	}
}

func TestOldSpellingsOfDurations(t *testing.T) {
	v, err := ParseValue(someDay, "P1D")
	require.NoError(t, err)
	require.Equal(t, DayTimeDuration, v.Type())
	require.True(t, someDay.Known())
}

// The calendar agrees with Go's, which is proleptic Gregorian too.
func TestMomentsAgreeWithTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-840, 840).Draw(t, "zone"))
		at := time.Unix(rapid.Int64Range(-60_000_000_000, 200_000_000_000).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
		v, err := ParseValue(DateTime, at.Format(time.RFC3339Nano))
		require.NoError(t, err)
		require.Equal(t, DateTimeValue(MomentOf(at)).Key(), v.Key())
		back, err := ParseValue(DateTime, DateTimeValue(MomentOf(at)).Text())
		require.NoError(t, err)
		require.True(t, v.Equal(back))
		canonical, err := ParseValue(DateTime, v.Canonical())
		require.NoError(t, err)
		require.True(t, v.Equal(canonical))
		day, err := ParseValue(Date, at.Format("2006-01-02Z07:00"))
		require.NoError(t, err)
		require.True(t, day.Equal(DateValue(MomentOf(at))))
		canonical, err = ParseValue(Date, day.Canonical())
		require.NoError(t, err)
		require.True(t, day.Equal(canonical), "%s %s", day, canonical)
	})
}

func TestSecondsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "a")
		b := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "b")
		sum, err := milli(t, a).Add(milli(t, b))
		require.NoError(t, err)
		require.Equal(t, milli(t, a+b), sum)
		require.Equal(t, milli(t, -a), milli(t, a).Negate())
		require.Equal(t, sign(a-b), milli(t, a).Compare(milli(t, b)))
		v, err := ParseValue(DayTimeDuration, DayTimeValue(milli(t, a)).Text())
		require.NoError(t, err)
		require.Equal(t, milli(t, a), v.Data())
	})
}

func milli(t require.TestingT, n int64) Seconds {
	s, err := SecondsOf(floorDiv(n, 1000)).Add(Seconds{fraction: trimmed(mod(n, 1000))})
	require.NoError(t, err)
	return s
}

func trimmed(n int64) string {
	digits := []byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return string(digits)
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestMonthsClampToTheEnd(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int64
		to     string
	}{
		{"2000-01-31+02:00", 1, "2000-02-29+02:00"},
		{"2000-03-31", -1, "2000-02-29"},
		{"1999-12-15", 1, "2000-01-15"},
		{"0001-01-15", -1, "-0001-12-15"},
	} {
		v, err := ParseValue(Date, c.from)
		require.NoError(t, err)
		m, err := v.Data().(Moment).AddMonths(c.months)
		require.NoError(t, err)
		require.Equal(t, c.to, DateValue(m).Text())
	}
	_, err := Moment{}.AddMonths(math.MaxInt64)
	require.Error(t, err)
	_, err = Moment{}.Add(SecondsOf(maxWhole))
	require.Error(t, err)
}

func FuzzParseValue(f *testing.F) {
	for _, text := range []string{"1", "NaN", "P1DT2.5S", "2002-02-29T24:00:00-14:00", "08:00:00.5Z", "a@b", "[::1]/[::]:1-2", "*.x:80", "/O=x", "/vo/Role=r", "0FB7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for typ := range kinds {
			v, err := ParseValue(typ, text)
			if err != nil {
				continue
			}
			again, err := ParseValue(typ, v.Canonical())
			if typ == XPathExpression || typ == X500Name {
				continue // the context is not in the text; a DN has its own fuzz target
			}
			require.NoError(t, err, "%s: canonical form %q of %q", typ.Name(), v.Canonical(), text)
			require.True(t, v.Equal(again) && v.Canonical() == again.Canonical(), "%s %q %q", typ.Name(), text, v.Canonical())
		}
	})
}

// What comes without a type has none, whatever its text: it equals nothing.
func TestNoType(t *testing.T) {
	v, err := ParseValue("", "x")
	require.NoError(t, err)
	require.True(t, v.IsZero())
	require.False(t, v.Equal(v))
	require.Empty(t, v.Type())
	require.Equal(t, "x", v.Text())
	require.Zero(t, v.Kind())
}

// Types that this package does not know are apart from each other, and from "".
func TestUnknownTypesAreApart(t *testing.T) {
	a, err := ParseValue("urn:a", "x")
	require.NoError(t, err)
	b, err := ParseValue("urn:b", "x")
	require.NoError(t, err)
	require.True(t, a.Equal(a))
	require.False(t, a.Equal(b))
	require.False(t, a.Equal(StringValue("x")))
	require.Equal(t, a.Kind(), b.Kind())
	require.Equal(t, DataType("urn:a"), a.Type())
}
