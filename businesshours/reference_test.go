package businesshours_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
)

var calendars = flag.Int("businesshours.calendars", 2, "random calendars for each change of offset that the reference is compared at")

// reference knows the local time of every minute of some weeks, and computes minute by
// minute whether a calendar is open. It is slow and obviously correct.
type reference struct {
	zone  *time.Location
	begin int64         // the first minute, since 1970
	local []int64       // the local time in each minute, in minutes as if it were UTC
	first map[int64]int // the first minute with each local time
	gaps  []int         // the minutes after a gap
	days  []int64       // the local dates, except the first and the last
}

func newReference(zone *time.Location, from, to time.Time) *reference {
	r := &reference{zone: zone, begin: from.Unix() / 60, first: map[int64]int{}}
	for m := r.begin; m < to.Unix()/60; m++ {
		t := time.Unix(m*60, 0).In(zone)
		r.local = append(r.local, time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC).Unix()/60)
	}
	for i, l := range r.local {
		if _, ok := r.first[l]; !ok {
			r.first[l] = i
		}
		if i > 0 && l > r.local[i-1]+1 {
			r.gaps = append(r.gaps, i)
		}
		r.days = append(r.days, l/1440)
	}
	slices.Sort(r.days) // the clock can go back over midnight
	r.days = slices.Compact(r.days)
	r.days = r.days[1 : len(r.days)-1]
	return r
}

// minute returns the first minute with a local time. A skipped local time is read with
// the offset before the gap. For a time outside the known weeks, minute returns some
// minute outside them.
func (r *reference) minute(local int64) int {
	if i, ok := r.first[local]; ok {
		return i
	}
	for _, i := range r.gaps {
		if r.local[i-1] < local && local < r.local[i] {
			return i - 1 + int(local-r.local[i-1])
		}
	}
	if local < r.local[0] {
		return -1
	}
	return len(r.local)
}

// open computes which minutes are open.
func (r *reference) open(h businesshours.Hours) []bool {
	weekly, own := make([]bool, len(r.local)), make([]bool, len(r.local))
	exception := make([]int64, len(r.local)) // the date whose Day decides about the minute
	byDate := map[int64]businesshours.Day{}
	for _, d := range h.Days {
		t, _ := time.Parse(time.DateOnly, d.Date)
		n := t.Unix() / 86400
		byDate[n] = d
		if slices.Contains(r.days, n) {
			for i := max(0, r.minute(n*1440)); i < min(len(r.local), r.minute((n+1)*1440)); i++ {
				exception[i] = n
			}
		}
	}
	mark := func(day int64, s businesshours.Span, set func(i int)) {
		var h1, m1, h2, m2 int64
		_, err := fmt.Sscanf(string(s), "%d:%d-%d:%d", &h1, &m1, &h2, &m2)
		if err != nil {
			panic(err)
		}
		from, to := day*1440+h1*60+m1, day*1440+h2*60+m2
		if to < from {
			to += 1440
		}
		for i := max(0, r.minute(from)); i < min(len(r.local), r.minute(to)); i++ {
			set(i)
		}
	}
	for _, day := range r.days {
		for _, s := range weekOf(h.Week)[time.Unix(day*86400, 0).UTC().Weekday()] {
			mark(day, s, func(i int) { weekly[i] = true })
		}
		for _, s := range byDate[day].Open {
			mark(day, s, func(i int) { own[i] = own[i] || exception[i] == 0 || exception[i] == day })
		}
	}
	open := make([]bool, len(r.local))
	for i := range open {
		open[i] = own[i] || weekly[i] && exception[i] == 0
	}
	return open
}

func weekOf(w businesshours.Week) [7][]businesshours.Span {
	return [7][]businesshours.Span{w.Sunday, w.Monday, w.Tuesday, w.Wednesday, w.Thursday, w.Friday, w.Saturday}
}

// randomHours returns hours with the hard cases: times near midnight and near clock
// changes, shifts over midnight, and adjacent exceptions.
func randomHours(rnd *rand.Rand, zone string, days []int64) businesshours.Hours {
	clock := func() int {
		switch rnd.IntN(3) {
		case 0:
			return rnd.IntN(1440)
		case 1:
			return rnd.IntN(9) * 30
		}
		return (1440 - rnd.IntN(9)*30) % 1440
	}
	spans := func() (list []businesshours.Span) {
		for range rnd.IntN(4) {
			from, to := clock(), clock()
			if to == 0 && rnd.IntN(2) == 0 {
				to = 1440
			}
			if from != to {
				list = append(list, businesshours.Span(fmt.Sprintf("%02d:%02d-%02d:%02d", from/60, from%60, to/60, to%60)))
			}
		}
		return list
	}
	h := businesshours.Hours{Zone: zone, Week: businesshours.Week{Wednesday: []businesshours.Span{"11:00-12:00"}}}
	h.Week.Monday, h.Week.Tuesday, h.Week.Thursday = spans(), spans(), spans()
	h.Week.Friday, h.Week.Saturday, h.Week.Sunday = spans(), spans(), spans()
	first := days[0]
	for d := first - 1; d <= days[len(days)-1]+1; d++ {
		if rnd.IntN(4) == 0 {
			day := businesshours.Day{Date: time.Unix(d*86400, 0).UTC().Format(time.DateOnly)}
			if rnd.IntN(2) == 0 {
				day.Open = spans()
			}
			h.Days = append(h.Days, day)
		}
	}
	return h
}

// changes returns the instants at which the zone's offset changes, to the minute.
func changes(zone *time.Location, from, to time.Time) (list []time.Time) {
	offset := func(t time.Time) int {
		_, o := t.In(zone).Zone()
		return o
	}
	for t := from; t.Before(to); t = t.Add(time.Hour) {
		if offset(t) != offset(t.Add(time.Hour)) {
			c := t
			for offset(c) == offset(t) {
				c = c.Add(time.Minute)
			}
			list = append(list, c)
		}
	}
	return list
}

// hardZones change their clocks at night and at midnight, by two hours and by half an
// hour, in the north and in the south, twice or four times a year or rarely.
var hardZones = []string{
	"Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Casablanca",
	"Asia/Tehran", "America/Havana", "America/Santiago", "Asia/Gaza", "Pacific/Apia", "Asia/Pyongyang", "Antarctica/Troll",
}

func TestCalendarsEqualTheReference(t *testing.T) {
	to := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range hardZones {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			list := changes(zone, to.AddDate(-10, 0, -10), to)
			require.NotEmpty(t, list)
			for _, change := range list {
				compare(t, zone, change)
			}
		})
	}
	for name, change := range map[string]time.Time{
		"Pacific/Apia":        time.Date(2011, 12, 30, 10, 0, 0, 0, time.UTC), // a date that does not exist
		"Pacific/Kwajalein":   time.Date(1993, 8, 21, 12, 0, 0, 0, time.UTC),
		"Asia/Manila":         time.Date(1978, 3, 21, 16, 0, 0, 0, time.UTC),
		"Pacific/Kiritimati":  time.Date(1995, 1, 1, 10, 40, 0, 0, time.UTC),
		"America/Caracas":     time.Date(2016, 5, 1, 7, 0, 0, 0, time.UTC),
		"America/St_Johns":    time.Date(2006, 10, 29, 2, 31, 0, 0, time.UTC), // 00:01 becomes 23:01
		"Australia/Melbourne": time.Date(2045, 4, 1, 16, 0, 0, 0, time.UTC),   // by the rule for future years, after a leap year
		"Asia/Kathmandu":      time.Date(1985, 12, 31, 18, 30, 0, 0, time.UTC),
	} {
		t.Run(strings.ReplaceAll(name, "/", " ")+change.Format(" 2006"), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			compare(t, zone, change)
		})
	}
}

// compare compares random calendars with the reference, from five days before a change
// to five days after it.
func compare(t *testing.T, zone *time.Location, change time.Time) {
	t.Helper()
	const margin, around = 3 * 24 * time.Hour, 5 * 24 * time.Hour
	r := newReference(zone, change.Add(-around-margin), change.Add(around+margin))
	low, high := int(margin/time.Minute), len(r.local)-int(margin/time.Minute)
	for k := range *calendars {
		seed := uint64(change.Unix()) + uint64(k)
		rnd := rand.New(rand.NewPCG(seed, 12))
		h := randomHours(rnd, zone.String(), r.days)
		s := businesshours.Spec{Name: "random", Hours: h}
		open := r.open(h)
		if k%2 == 1 { // another version for the second half
			other := randomHours(rnd, zone.String(), r.days)
			from := change.Add(time.Duration(rnd.IntN(600)-300) * time.Minute)
			s.Changes = []businesshours.Change{{From: from, Hours: other}}
			i := int(from.Unix()/60 - r.begin)
			copy(open[i:], r.open(other)[i:])
		}
		c, err := s.Compile()
		require.NoError(t, err)
		at := func(i int) time.Time { return time.Unix((r.begin+int64(i))*60, 0).UTC() }
		fail := func(what string, i int, want, got any) {
			t.Fatalf("%s, change %v, seed %d: %s at %v (%v): the reference has %v, the calendar %v\n%v\n%v",
				zone, change, seed, what, at(i), at(i).In(zone), want, got, s, c.Explain(at(i).Add(-24*time.Hour), at(i).Add(24*time.Hour)))
		}

		before := make([]int, len(open)+1) // open minutes before each minute
		for i, o := range open {
			before[i+1] = before[i]
			if o {
				before[i+1]++
			}
		}
		for i := low; i < high; i++ {
			if got := c.Open(at(i)); got != open[i] {
				fail("Open", i, open[i], got)
			}
		}
		for range 50 {
			i, j := low+rnd.IntN(high-low), low+rnd.IntN(high-low)
			if got, want := c.Between(at(i), at(j)), time.Duration(before[j]-before[i])*time.Minute; got != want {
				fail(fmt.Sprintf("Between to %v", at(j)), i, want, got)
			}
			next, err := c.Next(at(i))
			require.NoError(t, err)
			n := i
			for n < high && !open[n] {
				n++
			}
			if n < high && !next.From.Equal(at(n)) {
				fail("Next", i, at(n), next.From)
			}
			end := n
			for end < high && open[end] {
				end++
			}
			if end < high && !next.To.Equal(at(end)) {
				fail("the end of Next", i, at(end), next.To)
			}
			// From the middle of a minute, by minutes and seconds.
			extra := time.Duration(rnd.Int64N(int64(time.Minute)))
			amount := 1 + time.Duration(rnd.Int64N(int64(30*time.Hour)))
			rest, due := amount, at(i).Add(extra)
			for m := i; m < high; m++ {
				if !open[m] {
					continue
				}
				from := at(m)
				if m == i {
					from = from.Add(extra)
				}
				left := at(m + 1).Sub(from)
				if rest <= left {
					due, rest = from.Add(rest), 0
					break
				}
				rest -= left
			}
			if rest > 0 {
				continue
			}
			got, err := c.Add(at(i).Add(extra), amount)
			require.NoError(t, err)
			if !got.Equal(due) {
				fail(fmt.Sprintf("Add of %v after %v", amount, extra), i, due, got)
			}
		}
	}
}
