package authz

// Canonical returns the canonical lexical form of XML Schema 1.0 where the type
// has one, and the text otherwise: two equal values print alike.
func (v Value) Canonical() string {
	switch d := v.Data().(type) {
	case Moment:
		return d.canonical(v.Type())
	case Seconds:
		return dayTimeText(d)
	case float64:
		return canonicalDouble(d)
	case []byte:
		if v.kind == kindHex {
			return HexBinaryValue(d).Text()
		}
		return Base64BinaryValue(d).Text()
	case Mailbox:
		return v.key
	case DN:
		return d.Comma()
	case FQAN:
		return d.String()
	}
	switch v.kind {
	case kindBoolean, kindInteger:
		return v.key
	case kindYearMonth:
		return yearMonthText(v.Data().(int64))
	case kindURI:
		return v.key
	}
	return v.Text()
}

// canonical gives times and date-times in UTC; a date keeps a zone between
// -11:59 and +12:00 (XML Schema 1.0, 3.2.9.2).
func (m Moment) canonical(t DataType) string {
	if !m.zoned {
		return m.format(t)
	}
	if t != Date {
		m.local.whole -= int64(m.zone) * 60
		m.zone = 0
		return m.format(t)
	}
	for m.zone > 12*60 {
		m.zone, m.local.whole = m.zone-24*60, m.local.whole-day
	}
	for m.zone <= -12*60 {
		m.zone, m.local.whole = m.zone+24*60, m.local.whole+day
	}
	return m.format(t)
}
