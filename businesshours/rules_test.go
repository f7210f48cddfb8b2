package businesshours_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
)

// list returns the open time from a to b as text, in the zone of the calendar.
func list(t *testing.T, c *businesshours.Calendar, a, b string) (got []string) {
	t.Helper()
	for iv := range c.Intervals(at(t, a), at(t, b)) {
		got = append(got, iv.From.Format("01-02 15:04")+" to "+iv.To.Format("01-02 15:04"))
	}
	return got
}

func TestDaysReplaceTheHoursOfTheirDate(t *testing.T) {
	shifts := businesshours.Daily("22:00-06:00")
	day := func(date string, open ...businesshours.Span) businesshours.Day {
		return businesshours.Day{Date: date, Open: open}
	}
	for _, tc := range []struct {
		name string
		week businesshours.Week
		days []businesshours.Day
		want []string
	}{
		{"none", shifts, nil, []string{
			"01-17 22:00 to 01-18 06:00", "01-18 22:00 to 01-19 06:00",
		}},
		{"a closed date cuts the shift before and the shift that begins on it", shifts,
			[]businesshours.Day{day("2026-01-18")},
			[]string{"01-17 22:00 to 01-18 00:00", "01-19 00:00 to 01-19 06:00"}},
		{"special hours", shifts,
			[]businesshours.Day{day("2026-01-18", "05:00-07:00")},
			[]string{"01-17 22:00 to 01-18 00:00", "01-18 05:00 to 01-18 07:00", "01-19 00:00 to 01-19 06:00"}},
		{"special hours over midnight", businesshours.Week{Wednesday: []businesshours.Span{nineToFive}},
			[]businesshours.Day{day("2026-01-17", "20:00-02:00")},
			[]string{"01-17 20:00 to 01-18 02:00"}},
		{"special hours over midnight into a date with hours of its own", shifts,
			[]businesshours.Day{day("2026-01-17", "20:00-02:00"), day("2026-01-18", "08:00-09:00")},
			[]string{"01-17 20:00 to 01-18 00:00", "01-18 08:00 to 01-18 09:00", "01-19 00:00 to 01-19 06:00"}},
		{"the whole day", businesshours.MondayToFriday(nineToFive),
			[]businesshours.Day{day("2026-01-18", "00:00-24:00")},
			[]string{"01-18 00:00 to 01-19 00:00", "01-19 09:00 to 01-19 12:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := compile(t, week("Europe/Berlin", tc.week, tc.days...))
			require.Equal(t, tc.want, list(t, c, "01-17T11:00Z", "01-19T11:00Z"))
		})
	}
}

func TestIntervalsFollowChangesOfTheOffset(t *testing.T) {
	for _, tc := range []struct {
		name, zone string
		open       []businesshours.Span
		from, to   string
		want       []string
	}{
		{"clock forward at midnight", "America/Sao_Paulo", []businesshours.Span{"00:00-02:00"}, "2018-11-03T12:00Z", "2018-11-04T12:00Z",
			[]string{"11-04 01:00 to 11-04 02:00"}},
		{"clock forward at midnight, shift", "America/Sao_Paulo", []businesshours.Span{"23:00-00:30"}, "2018-11-03T12:00Z", "2018-11-04T12:00Z",
			[]string{"11-03 23:00 to 11-04 01:30"}},
		{"clock back at midnight", "America/Sao_Paulo", []businesshours.Span{"23:30-24:00"}, "2018-02-17T12:00Z", "2018-02-18T12:00Z",
			[]string{"02-17 23:30 to 02-18 00:00"}}, // an hour and a half
		{"Beirut, clock forward at midnight", "Asia/Beirut", []businesshours.Span{"00:00-24:00"}, "2024-03-30T00:00Z", "2024-03-31T21:00Z",
			[]string{"03-30 02:00 to 04-01 00:00"}},
		{"half an hour forward", "Australia/Lord_Howe", []businesshours.Span{"02:15-03:00"}, "2026-10-03T00:00Z", "2026-10-04T00:00Z",
			[]string{"10-04 02:45 to 10-04 03:00"}},
		{"half an hour back", "Australia/Lord_Howe", []businesshours.Span{"01:45-02:00"}, "2026-04-04T00:00Z", "2026-04-05T00:00Z",
			[]string{"04-05 01:45 to 04-05 02:00"}}, // three quarters of an hour
		{"a date that does not exist", "Pacific/Apia", []businesshours.Span{nineToFive}, "2011-12-29T10:00Z", "2011-12-31T10:00Z",
			[]string{"12-29 09:00 to 12-29 17:00", "12-31 09:00 to 12-31 17:00"}},
		{"a shift before a date that does not exist", "Pacific/Apia", []businesshours.Span{"22:00-06:00"}, "2011-12-30T00:00Z", "2011-12-31T10:00Z",
			[]string{"12-29 22:00 to 12-31 06:00", "12-31 22:00 to 01-01 00:00"}}, // eight hours
		{"a zone of three quarters", "Asia/Kathmandu", []businesshours.Span{nineToFive}, "2026-01-01T00:00Z", "2026-01-02T00:00Z",
			[]string{"01-01 09:00 to 01-01 17:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := compile(t, week(tc.zone, businesshours.Daily(tc.open...)))
			require.Equal(t, tc.want, list(t, c, tc.from, tc.to))
		})
	}
	c := compile(t, week("America/Sao_Paulo", businesshours.Daily("23:30-24:00")))
	require.Equal(t, 90*time.Minute, c.Between(at(t, "2018-02-17T12:00Z"), at(t, "2018-02-18T12:00Z")))
	c = compile(t, week("Australia/Lord_Howe", businesshours.Daily("01:45-02:00")))
	require.Equal(t, 45*time.Minute, c.Between(at(t, "04-04T00:00Z"), at(t, "04-05T00:00Z")))
	c = compile(t, week("Pacific/Apia", businesshours.Daily("22:00-06:00")))
	require.Equal(t, 8*time.Hour, c.Between(at(t, "2011-12-30T08:00Z"), at(t, "2011-12-30T16:00Z")))
}

func TestAChangeReplacesTheHours(t *testing.T) {
	s := berlin
	s.Changes = []businesshours.Change{
		{From: at(t, "01-12T10:00:00.5Z"), Hours: businesshours.Hours{Zone: "America/New_York", Week: businesshours.Daily("05:00-07:00")}},
		{From: at(t, "01-13T11:30Z"), Hours: businesshours.Hours{Week: businesshours.Daily("00:00-24:00")}},
	}
	c := compile(t, s)
	require.Equal(t, []string{
		"01-12 09:00 to 01-12 13:00", // continues in another zone
		"01-13 05:00 to 01-13 07:00", // as before
	}, list(t, c, "01-12T00:00Z", "01-13T12:00Z"))
	require.Equal(t, 4*time.Hour, c.Between(at(t, "01-12T08:00Z"), at(t, "01-12T13:00Z")))
	require.Equal(t, "America/New_York", c.Zone(at(t, "02-01T00:00Z")).String())
	require.Equal(t, "Europe/Berlin", c.Zone(at(t, "01-01T00:00Z")).String())

	s.Changes[0].Week = businesshours.Daily("05:00-06:00") // open where the old hours are cut
	c = compile(t, s)
	due, err := c.Add(at(t, "01-12T09:59:59Z"), time.Second+time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, at(t, "01-12T10:00:00.001Z"), due)
	for _, tc := range []struct{ amount, want string }{
		{"2h0m0.5s", "01-12T10:00:00.5Z"}, // the last instant of a version belongs to it
		{"3h", "01-12T11:00Z"},
		{"3h0m0.1s", "01-13T10:00:00.1Z"},
		{"4h", "01-13T11:00Z"},
		{"4h1s", "01-13T11:30:01Z"},
		{"100h", "01-17T11:30Z"},
	} {
		due, err := c.Add(at(t, "01-12T08:00Z"), span(t, tc.amount))
		require.NoError(t, err)
		require.Equal(t, at(t, tc.want), due, tc.amount)
	}
}

func TestCalendarsEndAtTheirHorizon(t *testing.T) {
	_, ok := compile(t, berlin).Horizon()
	require.False(t, ok)

	fair := compile(t, week("Europe/Berlin", businesshours.Week{},
		businesshours.Day{Date: "2026-03-03", Open: []businesshours.Span{"22:00-02:00"}}, businesshours.Day{Date: "2026-03-02", Open: []businesshours.Span{nineToFive}}))
	end, ok := fair.Horizon()
	require.True(t, ok)
	require.True(t, end.Equal(at(t, "03-04T01:00Z")))
	due, err := fair.Add(at(t, "2020-01-01T00:00Z"), 12*time.Hour)
	require.NoError(t, err)
	require.True(t, due.Equal(end))
	_, err = fair.Add(at(t, "03-02T15:00Z"), 6*time.Hour)
	var horizon *businesshours.HorizonError
	require.ErrorAs(t, err, &horizon)
	require.Equal(t, 5*time.Hour, horizon.Counted)
	_, err = fair.Next(end)
	require.ErrorIs(t, err, businesshours.ErrHorizon)
	require.False(t, fair.Open(end))
	require.True(t, fair.Open(end.Add(-1)))

	// The first and last years of a calendar.
	c := compile(t, always)
	first, last := at(t, "1970-01-01T00:00Z"), at(t, "2200-01-01T00:00Z")
	for _, far := range []time.Time{{}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), last, first.Add(-1)} {
		require.False(t, c.Open(far), far)
		_, err := c.Add(far, 1)
		require.Error(t, err, far)
		for range c.Intervals(far, far) {
			require.Fail(t, "open", far)
		}
		require.Empty(t, c.Explain(far, far).Steps)
		require.Zero(t, c.Between(far, far))
	}
	require.Equal(t, last.Sub(first), c.Between(time.Time{}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)))
	due, err = c.Add(first, last.Sub(first))
	require.NoError(t, err)
	require.Equal(t, last, due)
	_, err = c.Add(first, math.MaxInt64)
	require.ErrorIs(t, err, businesshours.ErrHorizon)
	_, err = c.Add(time.Time{}, time.Hour)
	require.ErrorContains(t, err, "start: is before 1970")
	_, err = c.Add(first, -1)
	require.ErrorContains(t, err, "amount: is negative")
	iv, err := c.Next(time.Time{})
	require.NoError(t, err)
	require.True(t, iv.From.Equal(first) && iv.To.Equal(last), iv)
}

// Add, Between, Next and Intervals agree with each other, on many calendars and instants
// of 230 years.
func TestResultsAgreeWithEachOther(t *testing.T) {
	rnd := rand.New(rand.NewPCG(12, 12))
	day := func() int64 { return 20000 + rnd.Int64N(400) }
	for range 60 {
		zone := hardZones[rnd.IntN(len(hardZones))]
		first := day()
		s := businesshours.Spec{Name: "random", Hours: randomHours(rnd, zone, []int64{first, first + 40})}
		for from := first; rnd.IntN(3) > 0; {
			from += 1 + rnd.Int64N(30)
			s.Changes = append(s.Changes, businesshours.Change{
				From:  time.Unix(from*86400, rnd.Int64N(86400e9)),
				Hours: randomHours(rnd, hardZones[rnd.IntN(len(hardZones))], []int64{from, from + 10}),
			})
		}
		c := compile(t, s)
		instant := func() time.Time {
			if rnd.IntN(10) == 0 {
				return time.Unix(rnd.Int64N(7_000_000_000), rnd.Int64N(1e9))
			}
			return time.Unix(day()*86400, rnd.Int64N(86400e9))
		}
		for range 40 {
			a, b, m := instant(), instant(), instant()
			amount := time.Duration(rnd.Int64N(int64(1000 * time.Hour)))

			due, err := c.Add(a, amount)
			require.NoError(t, err)
			require.Equal(t, amount, c.Between(a, due), "Between gives back what was added")
			if amount > 0 {
				require.Less(t, c.Between(a, due.Add(-1)), amount, "it is the earliest such instant")
			}
			require.Equal(t, c.Between(a, b), c.Between(a, m)+c.Between(m, b), "Between is additive")
			require.Equal(t, c.Between(a, b), -c.Between(b, a))

			half, err := c.Add(a, amount/2)
			require.NoError(t, err)
			require.False(t, half.After(due), "more is not earlier")
			again, err := c.Add(half, amount-amount/2)
			require.NoError(t, err)
			require.True(t, again.Equal(due) || amount/2 == amount, "two steps come to the same as one")
			later, err := c.Add(a.Add(time.Hour), amount)
			require.NoError(t, err)
			require.False(t, later.Before(due), "who begins later is not due earlier")

			next, err := c.Next(a)
			require.NoError(t, err)
			require.Equal(t, c.Open(a), next.From.Equal(a))
			require.True(t, c.Open(next.From) && !c.Open(next.To) && c.Open(next.To.Add(-1)))
			require.Zero(t, c.Between(a, next.From))
			require.Equal(t, next.To.Sub(next.From), c.Between(next.From, next.To))
		}
		a := instant()
		b := a.AddDate(0, 0, rnd.IntN(60))
		var open time.Duration
		var ivs []businesshours.Interval
		for iv := range c.Intervals(a, b) {
			require.True(t, iv.From.Before(iv.To) && (len(ivs) == 0 || ivs[len(ivs)-1].To.Before(iv.From)))
			ivs = append(ivs, iv)
			open += iv.To.Sub(iv.From)
		}
		require.Equal(t, c.Between(a, b), open)

		x := c.Explain(a, b)
		require.Equal(t, open, x.Open)
		reached, total := a, time.Duration(0)
		for _, step := range x.Steps {
			require.True(t, step.From.Equal(reached) && step.From.Before(step.To))
			require.Equal(t, step.Open, c.Open(step.From))
			if step.Open {
				total += step.To.Sub(step.From)
			}
			require.Equal(t, total, step.Total)
			reached = step.To
		}
		require.True(t, reached.Equal(b) || !a.Before(b))
	}
}

func TestExplainAgreesWithTheCalendar(t *testing.T) {
	c := compile(t, christmas)
	x := c.Explain(at(t, "12-23T15:00Z"), at(t, "12-28T12:00Z"))
	require.Equal(t, 8*time.Hour, x.Open)
	require.Len(t, x.Steps, 5)
	require.Equal(t, []businesshours.Note{{
		Kind: businesshours.NoteDay, At: x.Steps[2].From.Truncate(time.Hour).Add(-9 * time.Hour),
		Day: businesshours.Day{Date: "2026-12-24", Name: "Christmas Eve", Open: []businesshours.Span{"09:00-12:00"}},
	}}, x.Steps[2].Notes)
	require.Equal(t, "2026-12-24 is Christmas Eve: 09:00-12:00", x.Steps[2].Notes[0].String())
	var names []string
	for _, n := range x.Steps[3].Notes {
		names = append(names, n.Day.Name)
	}
	require.Equal(t, []string{"Christmas Eve", "Christmas Day", "Boxing Day"}, names)

	// Two clock changes, in open and in closed time.
	x = compile(t, always).Explain(at(t, "03-01T00:00Z"), at(t, "12-01T00:00Z"))
	require.Len(t, x.Steps, 1)
	require.Equal(t, "the clock goes forward by 1h, to 03:00:00 +02:00 on 2026-03-29", x.Steps[0].Notes[0].String())
	require.Equal(t, "the clock goes back by 1h, to 02:00:00 +01:00 on 2026-10-25", x.Steps[0].Notes[1].String())

	for _, x := range []businesshours.Explanation{x, c.Explain(at(t, "12-23T15:00Z"), at(t, "12-28T12:00Z")), {}} {
		data, err := json.Marshal(x)
		require.NoError(t, err)
		var back businesshours.Explanation
		require.NoError(t, json.Unmarshal(data, &back))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
		require.Equal(t, x.Open, back.Open)
	}
}

// A calendar copies its Spec.
func TestCalendarCopiesItsSpec(t *testing.T) {
	open := []businesshours.Span{nineToFive}
	s := week("Europe/Berlin", businesshours.MondayToFriday(open...), businesshours.Day{Date: "2026-01-13", Open: open})
	c := compile(t, s)
	open[0], s.Days[0].Date, s.Week.Monday = "nonsense", "never", nil
	got := c.Spec()
	require.Equal(t, []businesshours.Span{nineToFive}, got.Week.Monday)
	require.Equal(t, []businesshours.Span{nineToFive}, got.Days[0].Open)
	got.Days[0].Open[0] = "nonsense"
	require.Equal(t, nineToFive, c.Spec().Days[0].Open[0])
	x := c.Explain(at(t, "01-13T00:00Z"), at(t, "01-14T00:00Z"))
	x.Steps[0].Notes[0].Day.Open[0] = "nonsense"
	require.Equal(t, nineToFive, c.Spec().Days[0].Open[0])
}

func TestConcurrentUse(t *testing.T) {
	c := compile(t, christmas)
	want, err := compile(t, christmas).Add(at(t, "2020-01-01T00:00Z"), 100_000*time.Hour)
	require.NoError(t, err)
	var wg sync.WaitGroup
	got := make([]time.Time, 16)
	for i := range got {
		wg.Go(func() {
			got[i], _ = c.Add(at(t, "2020-01-01T00:00Z"), 100_000*time.Hour)
			c.Explain(got[i].AddDate(0, 0, -9), got[i])
			c.Between(got[i], got[i].AddDate(-3*i, 0, 0))
		})
	}
	wg.Wait()
	require.Equal(t, slices.Repeat([]time.Time{want}, len(got)), got)
}
