package businesshours_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
)

// week returns a calendar that has weekly hours only.
func week(zone string, w businesshours.Week, days ...businesshours.Day) businesshours.Spec {
	return businesshours.Spec{Name: "test", Hours: businesshours.Hours{Zone: zone, Week: w, Days: days}}
}

// at parses an instant, in 2026 if it has no year.
func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	if strings.Count(text, "-") == 1 {
		text = "2026-" + text
	}
	for _, layout := range []string{"2006-01-02T15:04Z", "2006-01-02T15:04:05.999999999Z"} {
		if i, err := time.Parse(layout, text); err == nil {
			return i
		}
	}
	require.Failf(tb, "no instant", "%s", text)
	return time.Time{}
}

func span(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

const nineToFive = businesshours.Span("09:00-17:00")

// The calendars shared by the test cases.
var (
	berlin  = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive))
	lunch   = week("Europe/Berlin", businesshours.MondayToFriday("9:00-12:00", "13:00-17:00"))
	always  = week("Europe/Berlin", businesshours.Daily("00:00-24:00"))
	dawn    = week("Europe/Berlin", businesshours.Daily("00:00-06:00"))
	newYork = week("America/New_York", businesshours.MondayToFriday(nineToFive))
	dawnNY  = week("America/New_York", businesshours.Daily("00:00-04:00"))
	night   = week("Europe/Berlin", businesshours.Week{Saturday: []businesshours.Span{"22:00-06:00"}})
	ten     = week("Europe/Berlin", businesshours.MondayToFriday("08:00-18:00"))

	closed = []businesshours.Day{
		{Date: "2026-04-03", Name: "Good Friday"}, {Date: "2026-04-06", Name: "Easter Monday"},
		{Date: "2026-12-25", Name: "Christmas Day"}, {Date: "2026-12-26", Name: "Boxing Day"},
		{Date: "2027-01-01", Name: "New Year's Day"},
	}
	holidays  = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive), closed...)
	christmas = week("Europe/Berlin", businesshours.MondayToFriday(nineToFive),
		append([]businesshours.Day{{Date: "2026-12-24", Name: "Christmas Eve", Open: []businesshours.Span{"09:00-12:00"}}}, closed...)...)
)

func sunday(open ...businesshours.Span) businesshours.Spec {
	return week("Europe/Berlin", businesshours.Week{Sunday: open})
}

func TestAddReturnsTheEarliestInstant(t *testing.T) {
	longer := berlin
	longer.Changes = []businesshours.Change{{
		From:  at(t, "01-12T23:00Z"),
		Hours: businesshours.Hours{Week: businesshours.MondayToFriday("08:00-20:00")},
	}}
	for _, tc := range []struct {
		name          string
		spec          businesshours.Spec
		start, amount string
		want          string
	}{
		{"within a day", berlin, "01-12T09:00Z", "4h", "01-12T13:00Z"},
		{"over night", berlin, "01-12T15:00Z", "4h", "01-13T11:00Z"},
		{"to closing time", berlin, "01-12T12:00Z", "4h", "01-12T16:00Z"},
		{"over the weekend", berlin, "01-16T15:30Z", "1h", "01-19T08:30Z"},
		{"from closing time", berlin, "01-16T16:00Z", "1h", "01-19T09:00Z"},
		{"from the weekend", berlin, "01-17T12:00Z", "1h", "01-19T09:00Z"},
		{"over lunch", lunch, "01-13T10:30Z", "1h", "01-13T12:30Z"},
		{"from lunch", lunch, "01-13T11:15Z", "1h", "01-13T13:00Z"},
		{"three weeks", berlin, "01-12T08:00Z", "120h", "01-30T16:00Z"},
		{"over holidays", holidays, "04-02T14:00Z", "2h", "04-07T08:00Z"},
		{"special hours", christmas, "12-23T15:00Z", "8h", "12-28T12:00Z"},
		{"over new year", holidays, "12-31T15:30Z", "1h", "2027-01-04T08:30Z"},
		{"clock forward at the weekend", berlin, "03-27T15:00Z", "2h", "03-30T08:00Z"},
		{"clock back at the weekend", berlin, "10-23T14:00Z", "2h", "10-26T09:00Z"},
		{"New York, clock forward", newYork, "03-06T21:00Z", "2h", "03-09T14:00Z"},
		{"round the clock, clock forward", always, "03-28T23:00Z", "24h", "03-29T23:00Z"},
		{"open while the clock goes forward", dawn, "03-28T23:00Z", "5h30m", "03-29T22:30Z"},
		{"open while the clock goes back", dawn, "10-24T22:00Z", "6h30m", "10-25T04:30Z"},
		{"New York, open while the clock goes forward", dawnNY, "03-08T05:00Z", "3h30m", "03-09T04:30Z"},
		{"opens in a gap", sunday("02:30-06:00"), "03-29T00:00Z", "1h", "03-29T02:30Z"},
		{"two intervals that a gap makes overlap", sunday("00:00-02:30", "03:00-04:00"), "03-28T23:00Z", "3h", "03-29T02:00Z"},
		{"opens in an hour that comes twice", sunday("02:30-06:00"), "10-25T00:00Z", "1h", "10-25T01:30Z"},
		{"customer elsewhere", newYork, "03-16T12:00Z", "1h", "03-16T14:00Z"},
		{"shift over midnight", night, "01-17T20:00Z", "7h", "01-18T04:00Z"},
		{"hours that change", longer, "01-12T15:00Z", "4h", "01-13T10:00Z"},
		{"long day", ten, "01-12T16:00Z", "4h", "01-13T10:00Z"},
		{"long day, an hour before", ten, "01-12T16:00Z", "3h", "01-13T09:00Z"},
		{"16 open hours", berlin, "01-16T16:30Z", "16h", "01-20T16:00Z"},

		{"nothing", berlin, "01-17T12:00Z", "0s", "01-17T12:00Z"},
		{"a nanosecond from closing time", berlin, "01-16T16:00Z", "1ns", "01-19T08:00:00.000000001Z"},
		{"less than a second", berlin, "01-16T15:59:59.5Z", "700ms", "01-19T08:00:00.2Z"},
		{"to closing time, to the nanosecond", berlin, "01-16T15:59:59.999999999Z", "1ns", "01-16T16:00Z"},
		{"an interval that lies in a gap", sunday("02:15-02:45", "10:00-11:00"), "03-28T23:00Z", "30m", "03-29T01:45Z"},
		{"an interval that a gap turns round", sunday("02:30-03:00", "10:00-11:00"), "03-28T23:00Z", "30m", "03-29T08:30Z"},
		{"over the last day of a leap year", berlin, "2028-12-29T15:30Z", "1h", "2029-01-01T08:30Z"},
		{"ten years", always, "2026-01-01T00:00Z", "87672h", "2036-01-02T00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := compile(t, tc.spec)
			start, amount := at(t, tc.start), span(t, tc.amount)
			got, err := c.Add(start, amount)
			require.NoError(t, err)
			require.Equal(t, at(t, tc.want), got)
			require.Equal(t, amount, c.Between(start, got))
			require.Equal(t, -amount, c.Between(got, start))
		})
	}
}

func compile(tb testing.TB, s businesshours.Spec) *businesshours.Calendar {
	tb.Helper()
	c, err := s.Compile()
	require.NoError(tb, err)
	return c
}
