package report

import (
	"slices"
	"time"
)

// days are the days of the period in its time zone. All times are microseconds since 1970.
type days struct {
	from, to int64
	names    []string // such as "2026-03-01"
	ends     []int64  // when each day ends; the last one is to
	months   []month
}

// month is a month that overlaps the period, or one of the eleven before the last of these.
type month struct {
	name     string // such as "2026-03"
	from, to int64
}

// cohortMonths is the least number of months in the figure "reopened".
const cohortMonths = 12

func newDays(from, to time.Time, zone *time.Location) *days {
	d := &days{from: from.UnixMicro(), to: to.UnixMicro()}
	y, m, day := from.In(zone).Date()
	for at := time.Date(y, m, day, 12, 0, 0, 0, time.UTC); ; at = at.AddDate(0, 0, 1) {
		next := at.AddDate(0, 0, 1)
		end := startOfDay(next.Year(), next.Month(), next.Day(), zone).UnixMicro()
		if n := len(d.ends); end <= d.from || n > 0 && end <= d.ends[n-1] { // the zone has no such day
			continue
		}
		d.names = append(d.names, at.Format(time.DateOnly))
		d.ends = append(d.ends, min(end, d.to))
		if end >= d.to {
			break
		}
	}
	last := to.Add(-time.Microsecond).In(zone)
	for at := time.Date(last.Year(), last.Month(), 15, 12, 0, 0, 0, time.UTC); ; at = at.AddDate(0, -1, 0) {
		start, end := Month(at.Year(), at.Month(), zone)
		if len(d.months) >= cohortMonths && end.UnixMicro() <= d.from {
			break
		}
		d.months = append(d.months, month{at.Format("2006-01"), start.UnixMicro(), end.UnixMicro()})
	}
	slices.Reverse(d.months)
	return d
}

// has reports whether an instant is in the period.
func (d *days) has(at int64) bool { return d.from <= at && at < d.to }

// day returns the index of the day that an instant of the period is on.
func (d *days) day(at int64) int { return d.endAfter(at) }

// endAfter returns the index of the first day that ends after an instant. It is the number
// of days if there is none.
func (d *days) endAfter(at int64) int {
	i, found := slices.BinarySearch(d.ends, at)
	if found {
		i++
	}
	return i
}

// monthOf returns the index of the month of an instant, or -1.
func (d *days) monthOf(at int64) int {
	for i := len(d.months) - 1; i >= 0; i-- {
		if m := &d.months[i]; m.from <= at && at < m.to {
			return i
		}
	}
	return -1
}

// startOfDay returns the first instant of a day in a time zone. That is not always
// midnight: clocks may change then. A day that the zone does not have starts with the
// next one.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, time.UTC)
	want := noon.Format(time.DateOnly)
	before, at := noon.Add(-60*time.Hour), noon.Add(60*time.Hour)
	for at.Sub(before) > time.Second { // offsets are whole seconds
		middle := before.Add(at.Sub(before) / 2).Truncate(time.Second)
		if middle.In(zone).Format(time.DateOnly) < want {
			before = middle
		} else {
			at = middle
		}
	}
	return at
}
