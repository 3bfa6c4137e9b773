package eval

import "github.com/gatehouse-authz/gatehouse/authz"

// times are A.3.7 and time-in-range of A.3.8.
func (l functions) times() {
	both := []string{one0, three0}
	for name, sign := range map[string]int64{"add": 1, "subtract": -1} {
		l.add("dateTime-"+name+"-dayTimeDuration", plain(authz.DateTime, func(a []operand) (authz.Value, error) {
			by := seconds(a[1].value)
			if sign < 0 {
				by = by.Negate()
			}
			m, err := moment(a[0].value).Add(by)
			return authz.DateTimeValue(m), err
		}, authz.DateTime, authz.DayTimeDuration), both...)
		l.add("dateTime-"+name+"-yearMonthDuration", plain(authz.DateTime, func(a []operand) (authz.Value, error) {
			m, err := moment(a[0].value).AddMonths(sign * months(a[1].value))
			return authz.DateTimeValue(m), err
		}, authz.DateTime, authz.YearMonthDuration), both...)
		l.add("date-"+name+"-yearMonthDuration", plain(authz.Date, func(a []operand) (authz.Value, error) {
			m, err := moment(a[0].value).AddMonths(sign * months(a[1].value))
			return authz.DateValue(m), err
		}, authz.Date, authz.YearMonthDuration), both...)
	}
	l.add("time-in-range", plain(authz.Boolean, func(a []operand) (authz.Value, error) {
		return authz.BooleanValue(inRange(moment(a[0].value), moment(a[1].value), moment(a[2].value))), nil
	}, authz.Time, authz.Time, authz.Time), two0)
}

// inRange reports whether a time of day is within bounds, both included. Bounds
// without a zone take the first argument's, which without one is in UTC; a
// range that ends before it begins goes past midnight.
func inRange(t, low, high authz.Moment) bool {
	zone, _ := t.Zone()
	at, from, to := ofDay(t.In(zone)), ofDay(low.In(zone)), ofDay(high.In(zone))
	if from.Compare(to) <= 0 {
		return from.Compare(at) <= 0 && at.Compare(to) <= 0
	}
	return from.Compare(at) <= 0 || at.Compare(to) <= 0
}

// ofDay brings a time of day into the 24 hours of UTC's clock.
func ofDay(m authz.Moment) authz.Seconds {
	const day = 24 * 60 * 60
	s := m.UTC()
	if s.Compare(authz.SecondsOf(0)) < 0 {
		s, _ = s.Add(authz.SecondsOf(day))
	}
	if s.Compare(authz.SecondsOf(day)) >= 0 {
		s, _ = s.Add(authz.SecondsOf(-day))
	}
	return s
}
