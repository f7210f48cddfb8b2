package ical

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is an RRULE, restricted to dates.
type rule struct {
	freq      string
	interval  int64
	count     int   // 0 means no limit
	until     int64 // the last date
	months    []time.Month
	monthDays []int // a negative day counts from the end of the month
	weekdays  []weekday
	weekStart time.Weekday
}

// weekday is a weekday, or its n-th occurrence in a month or year. A negative n counts
// from the end.
type weekday struct {
	n   int
	day time.Weekday
}

var weekdayNames = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

func parseRule(p property) (*rule, error) {
	r := &rule{interval: 1, until: math.MaxInt64, weekStart: time.Monday}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(strings.ToUpper(strings.TrimSuffix(p.value, ";")), ";") {
		name, value, _ := strings.Cut(part, "=")
		if seen[name] {
			return nil, invalid(p.line, "RRULE has %s twice", quote(name))
		}
		seen[name] = true
		if known, err := r.part(p, name, value); err != nil {
			return nil, err
		} else if !known {
			return nil, invalid(p.line, "RRULE part %s is out of range", quote(part))
		}
	}
	nth := slices.ContainsFunc(r.weekdays, func(w weekday) bool { return w.n != 0 })
	switch {
	case r.freq == "":
		return nil, invalid(p.line, "RRULE has no FREQ")
	case seen["COUNT"] && seen["UNTIL"]:
		return nil, invalid(p.line, "RRULE has both COUNT and UNTIL")
	case nth && (r.freq == "DAILY" || r.freq == "WEEKLY"):
		return nil, invalid(p.line, "RRULE has a numbered BYDAY with FREQ=%s", r.freq)
	case r.freq == "WEEKLY" && seen["BYMONTHDAY"]:
		return nil, invalid(p.line, "RRULE has BYMONTHDAY with FREQ=WEEKLY")
	}
	return r, nil
}

// part reads one part and reports whether its value is in range.
func (r *rule) part(p property, name, value string) (ok bool, err error) {
	switch name {
	case "FREQ":
		r.freq = value
		if !slices.Contains([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}, value) {
			return false, unsupported(p.line, "RRULE with FREQ=%s", quote(value))
		}
		return true, nil
	case "INTERVAL":
		n, ok := number(value, 1, 100_000)
		r.interval = int64(n)
		return ok, nil
	case "COUNT":
		var ok bool
		r.count, ok = number(value, 1, math.MaxInt32)
		return ok, nil
	case "UNTIL":
		r.until, _, err = property{line: p.line, name: "UNTIL"}.date(value)
		return err == nil, err
	case "WKST":
		i := slices.Index(weekdayNames, value)
		r.weekStart = time.Weekday(i)
		return i >= 0, nil
	case "BYMONTH":
		for text := range strings.SplitSeq(value, ",") {
			n, ok := number(text, 1, 12)
			if !ok {
				return false, nil
			}
			r.months = append(r.months, time.Month(n))
		}
		return true, nil
	case "BYMONTHDAY":
		for text := range strings.SplitSeq(value, ",") {
			n, ok := number(text, -31, 31)
			if !ok || n == 0 {
				return false, nil
			}
			r.monthDays = append(r.monthDays, n)
		}
		return true, nil
	case "BYDAY":
		for text := range strings.SplitSeq(value, ",") {
			i := slices.Index(weekdayNames, text[max(0, len(text)-2):])
			n, ok := 0, true
			if len(text) > 2 {
				n, ok = number(text[:len(text)-2], -53, 53)
				ok = ok && n != 0
			}
			if i < 0 || !ok {
				return false, nil
			}
			r.weekdays = append(r.weekdays, weekday{n, time.Weekday(i)})
		}
		return true, nil
	}
	return false, unsupported(p.line, "RRULE with %s", quote(name))
}

func number(text string, low, high int) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil && int(n) >= low && int(n) <= high
}

// match reports whether a date after the first one is an occurrence.
func (r *rule) match(first, day int64) bool {
	y, m, d := civil(day)
	y0, m0, d0 := civil(first)
	if len(r.months) > 0 && !slices.Contains(r.months, m) {
		return false
	}
	var passed int64 // years, months, weeks or days
	switch r.freq {
	case "YEARLY":
		passed = int64(y - y0)
	case "MONTHLY":
		passed = int64(y-y0)*12 + int64(m-m0)
	case "WEEKLY":
		passed = (r.weekOf(day) - r.weekOf(first)) / 7
	default:
		passed = day - first
	}
	if passed%r.interval != 0 {
		return false
	}
	if len(r.monthDays) == 0 && len(r.weekdays) == 0 {
		switch r.freq {
		case "YEARLY":
			return d == d0 && (m == m0 || len(r.months) > 0)
		case "MONTHLY":
			return d == d0
		case "WEEKLY":
			return (day-first)%7 == 0
		}
		return true
	}
	if len(r.monthDays) > 0 {
		fromEnd := d - daysIn(y, m) - 1
		if !slices.Contains(r.monthDays, d) && !slices.Contains(r.monthDays, fromEnd) {
			return false
		}
	}
	if len(r.weekdays) == 0 {
		return true
	}
	// The n-th such weekday of the month or year.
	place, size := d-1, daysIn(y, m)
	if r.freq == "YEARLY" && len(r.months) == 0 {
		place, size = int(day-dayOf(y, time.January, 1)), int(dayOf(y+1, time.January, 1)-dayOf(y, time.January, 1))
	}
	wd := weekdayOf(day)
	return slices.ContainsFunc(r.weekdays, func(w weekday) bool {
		return w.day == wd && (w.n == 0 || w.n == place/7+1 || w.n == -((size-1-place)/7+1))
	})
}

// weekOf returns the first day of the week.
func (r *rule) weekOf(day int64) int64 {
	return day - int64((weekdayOf(day)-r.weekStart+7)%7)
}

// weekdayOf returns the weekday. Day 0, 1 January 1970, is a Thursday.
func weekdayOf(day int64) time.Weekday { return time.Weekday(((day+4)%7 + 7) % 7) }

func civil(day int64) (int, time.Month, int) { return time.Unix(day*daySeconds, 0).UTC().Date() }

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
