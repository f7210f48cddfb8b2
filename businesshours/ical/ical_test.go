package ical_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/businesshours/ical"
)

// feed returns a calendar with events, each given by its properties.
func feed(events ...string) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n")
	for _, e := range events {
		b.WriteString("BEGIN:VEVENT\r\n" + strings.ReplaceAll(strings.TrimSpace(e), "\n", "\r\n") + "\r\nEND:VEVENT\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	return b.String()
}

func ExampleDays() {
	days, err := ical.Days(strings.NewReader(`BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20201126
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH
SUMMARY:Thanksgiving
END:VEVENT
END:VCALENDAR
`), 2026, 2027)
	for _, d := range days {
		fmt.Println(d.Date, d.Name)
	}
	fmt.Println(err)
	// Output:
	// 2026-11-26 Thanksgiving
	// 2026-12-24 Christmas
	// 2026-12-25 Christmas
	// 2026-12-26 Christmas
	// 2027-11-25 Thanksgiving
	// <nil>
}

func TestDaysOfEvents(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events []string
		want   string // dates of 2026 and 2027
	}{
		{"none", nil, ""},
		{"one day", []string{"DTSTART;VALUE=DATE:20260501"}, "2026-05-01"},
		{"the end is not in it", []string{"DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260503"}, "2026-05-01 2026-05-02"},
		{"an end on the day itself", []string{"DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260501"}, "2026-05-01"},
		{"duration", []string{"DTSTART;VALUE=DATE:20260501\nDURATION:P2D", "DTSTART;VALUE=DATE:20270101\nDURATION:P1W"},
			"2026-05-01 2026-05-02 2027-01-01 2027-01-02 2027-01-03 2027-01-04 2027-01-05 2027-01-06 2027-01-07"},
		{"without VALUE", []string{"DTSTART:20260501"}, "2026-05-01"},
		{"across the first and last day", []string{"DTSTART;VALUE=DATE:20251230\nDTEND;VALUE=DATE:20260102", "DTSTART;VALUE=DATE:20271231\nDTEND;VALUE=DATE:20280105"},
			"2026-01-01 2027-12-31"},
		{"other years", []string{"DTSTART;VALUE=DATE:20250501", "DTSTART;VALUE=DATE:20280501", "DTSTART;VALUE=DATE:00010501", "DTSTART;VALUE=DATE:99991231"}, ""},
		{"with a time of day", []string{"DTSTART:20260501T090000Z\nDTEND:20260501T100000Z\nRRULE:FREQ=SECONDLY", "DTSTART;TZID=Europe/Berlin:20260501T000000"}, ""},
		{"cancelled", []string{"DTSTART;VALUE=DATE:20260501\nSTATUS:CANCELLED"}, ""},
		{"TRANSP does not matter", []string{"DTSTART;VALUE=DATE:20260501\nTRANSP:TRANSPARENT", "DTSTART;VALUE=DATE:20260502\nTRANSP:OPAQUE"}, "2026-05-01 2026-05-02"},
		{"alarms have times of their own", []string{"DTSTART;VALUE=DATE:20260501\nBEGIN:VALARM\nDTSTART:nonsense\nDURATION:PT5M\nEND:VALARM"}, "2026-05-01"},
		{"folded", []string{"DTSTART;VALUE=D\n ATE:2026\n\t05\n 01"}, "2026-05-01"},
		{"names in small letters", []string{"dtstart;value=date:20260501"}, "2026-05-01"},
		{"quoted parameter", []string{"DTSTART;X-A=\"a:b;c\";VALUE=DATE:20260501"}, "2026-05-01"},

		{"yearly", []string{"DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY"}, "2026-12-25 2027-12-25"},
		{"yearly, on 29 February", []string{"DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY"}, ""},
		{"every second year", []string{"DTSTART;VALUE=DATE:20211225\nRRULE:FREQ=YEARLY;INTERVAL=2"}, "2027-12-25"},
		{"yearly, a number of times", []string{"DTSTART;VALUE=DATE:20241225\nRRULE:FREQ=YEARLY;COUNT=3"}, "2026-12-25"},
		{"yearly, until", []string{"DTSTART;VALUE=DATE:20241225\nRRULE:FREQ=YEARLY;UNTIL=20261225"}, "2026-12-25"},
		{"yearly, until a time", []string{"DTSTART;VALUE=DATE:20241225\nRRULE:FREQ=YEARLY;UNTIL=20261224T225959Z"}, ""},
		{"yearly, several days", []string{"DTSTART;VALUE=DATE:20201224\nDTEND;VALUE=DATE:20201227\nRRULE:FREQ=YEARLY;UNTIL=20261231"}, "2026-12-24 2026-12-25 2026-12-26"},
		{"yearly, over new year", []string{"DTSTART;VALUE=DATE:20201231\nDTEND;VALUE=DATE:20210102\nRRULE:FREQ=YEARLY"}, "2026-01-01 2026-12-31 2027-01-01 2027-12-31"},
		{"last Monday in May", []string{"DTSTART;VALUE=DATE:20200525\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO"}, "2026-05-25 2027-05-31"},
		{"day of the month in months", []string{"DTSTART;VALUE=DATE:20200101\nRRULE:FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1,-1"},
			"2026-01-01 2026-01-31 2026-07-01 2026-07-31 2027-01-01 2027-01-31 2027-07-01 2027-07-31"},
		{"last Friday of the year", []string{"DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY;BYDAY=-1FR"}, "2026-12-25 2027-12-31"},
		{"20th Monday of the year", []string{"DTSTART;VALUE=DATE:20200518\nRRULE:FREQ=YEARLY;BYDAY=20MO"}, "2026-05-18 2027-05-17"},
		{"Friday the 13th", []string{"DTSTART;VALUE=DATE:20200313\nRRULE:FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR"}, "2026-02-13 2026-03-13 2026-11-13 2027-08-13"},
		{"monthly", []string{"DTSTART;VALUE=DATE:20260831\nRRULE:FREQ=MONTHLY;UNTIL=20270131"}, "2026-08-31 2026-10-31 2026-12-31 2027-01-31"},
		{"weekly", []string{"DTSTART;VALUE=DATE:20271201\nRRULE:FREQ=WEEKLY"}, "2027-12-01 2027-12-08 2027-12-15 2027-12-22 2027-12-29"},
		// The example of RFC 5545, section 3.3.10, with other dates: the start of the week
		// matters.
		{"every second week from Monday", []string{"DTSTART;VALUE=DATE:20260804\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO"},
			"2026-08-04 2026-08-09 2026-08-18 2026-08-23"},
		{"every second week from Sunday", []string{"DTSTART;VALUE=DATE:20260804\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU"},
			"2026-08-04 2026-08-16 2026-08-18 2026-08-30"},
		{"daily", []string{"DTSTART;VALUE=DATE:20260804\nRRULE:FREQ=DAILY;INTERVAL=3;COUNT=3"}, "2026-08-04 2026-08-07 2026-08-10"},
		{"less a date, and one more", []string{"DTSTART;VALUE=DATE:20260804\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260805,20260806\nRDATE;VALUE=DATE:20260901"},
			"2026-08-04 2026-09-01"},
		{"less a date with a time", []string{"DTSTART;VALUE=DATE:20260804\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE;TZID=Europe/Berlin:20260805T000000"}, "2026-08-04"},
		{"one occurrence moved", []string{
			"UID:a\nDTSTART;VALUE=DATE:20251225\nRRULE:FREQ=YEARLY",
			"UID:a\nRECURRENCE-ID;VALUE=DATE:20261225\nDTSTART;VALUE=DATE:20261228",
		}, "2026-12-28 2027-12-25"},
		{"one occurrence cancelled", []string{
			"UID:a\nRECURRENCE-ID;VALUE=DATE:20261225\nDTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED",
			"UID:a\nDTSTART;VALUE=DATE:20251225\nRRULE:FREQ=YEARLY",
		}, "2027-12-25"},
		{"one occurrence in the afternoon only", []string{
			"UID:a\nDTSTART;VALUE=DATE:20251225\nRRULE:FREQ=YEARLY",
			"UID:a\nRECURRENCE-ID;VALUE=DATE:20261225\nDTSTART:20261225T120000Z",
		}, "2027-12-25"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			days, err := ical.Days(strings.NewReader(feed(tc.events...)), 2026, 2027)
			require.NoError(t, err)
			var got []string
			for _, d := range days {
				require.Empty(t, d.Open)
				got = append(got, d.Date)
			}
			require.Equal(t, tc.want, strings.Join(got, " "))

			// With any line endings.
			again, err := ical.Days(strings.NewReader("\uFEFF"+strings.ReplaceAll(feed(tc.events...), "\r\n", "\n")), 2026, 2027)
			require.NoError(t, err)
			require.Equal(t, days, again)
		})
	}
}

func TestDaysAreNamedAfterTheirEvents(t *testing.T) {
	days, err := ical.Days(strings.NewReader(feed(
		"DTSTART;VALUE=DATE:20260501\nSUMMARY:Tag der Arbeit\\, 1. Mai\\; frei\\nwirklich\\\\",
		"DTSTART;VALUE=DATE:20260501\nSUMMARY;LANGUAGE=en:Labour\n  Day",
		"DTSTART;VALUE=DATE:20260501\nSUMMARY:Labour Day",
		"DTSTART;VALUE=DATE:20260502",
		"DTSTART;VALUE=DATE:20260503\nSUMMARY:"+strings.Repeat("é", 150),
		"DTSTART;VALUE=DATE:20260504\nSUMMARY:\xff",
	)), 2026, 2026)
	require.NoError(t, err)
	require.Equal(t, []businesshours.Day{
		{Date: "2026-05-01", Name: `Tag der Arbeit, 1. Mai; frei wirklich\, Labour Day`},
		{Date: "2026-05-02"},
		{Date: "2026-05-03", Name: strings.Repeat("é", 98) + "…"},
		{Date: "2026-05-04", Name: "\uFFFD"},
	}, days)
}

func TestInvalidAndUnsupportedFeedsAreErrors(t *testing.T) {
	one := "DTSTART;VALUE=DATE:20260501\n"
	for _, tc := range []struct {
		name, feed string
		category   error
		says       string
	}{
		{"nothing", "", ical.ErrInvalid, "is empty"},
		{"a page", "<html>\n", ical.ErrInvalid, "line 1: is not a property"},
		{"no calendar", "BEGIN:VEVENT\nEND:VEVENT\n", ical.ErrInvalid, "line 1: \"VEVENT\" is not in a VCALENDAR"},
		{"outside", "VERSION:2.0\n", ical.ErrInvalid, "line 1: is not in a VCALENDAR"},
		{"cut short", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260501\n", ical.ErrInvalid, `ends inside "VEVENT"`},
		{"crossed", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", ical.ErrInvalid, `line 3: ends "VCALENDAR" inside "VEVENT"`},
		{"folded from the start", " BEGIN:VCALENDAR\n", ical.ErrInvalid, "line 1: continues a line"},
		{"deep", strings.Repeat("BEGIN:VCALENDAR\n", 100), ical.ErrInvalid, "line 9: components are nested more than 8 deep"},
		{"no start", feed("UID:a"), ical.ErrInvalid, "line 4: the event has no DTSTART"},
		{"no date", feed("DTSTART;VALUE=DATE:20260230"), ical.ErrInvalid, "line 5: \"DTSTART\" \"20260230\" is not a date"},
		{"no date at all", feed("DTSTART:soon"), ical.ErrInvalid, "is not a date"},
		{"a time as a date", feed("DTSTART;VALUE=DATE:20260501T000000"), ical.ErrInvalid, "is not a date"},
		{"end before the start", feed(one + "DTEND;VALUE=DATE:20260430"), ical.ErrInvalid, "line 6: DTEND is before DTSTART"},
		{"end with a time", feed(one + "DTEND:20260501T100000"), ical.ErrInvalid, "DTEND has a time of day"},
		{"duration", feed(one + "DURATION:PT5M"), ical.ErrInvalid, "is not a number of days or weeks"},
		{"negative duration", feed(one + "DURATION:-P5D"), ical.ErrInvalid, "is not a number of days or weeks"},
		{"excluded", feed(one + "EXDATE:x"), ical.ErrInvalid, "is not a date"},
		{"rule without a frequency", feed(one + "RRULE:COUNT=1"), ical.ErrInvalid, "line 6: RRULE has no FREQ"},
		{"rule with both ends", feed(one + "RRULE:FREQ=DAILY;COUNT=1;UNTIL=20260601"), ical.ErrInvalid, "both COUNT and UNTIL"},
		{"rule that never moves", feed(one + "RRULE:FREQ=DAILY;INTERVAL=0"), ical.ErrInvalid, "out of range"},
		{"month 13", feed(one + "RRULE:FREQ=YEARLY;BYMONTH=13"), ical.ErrInvalid, "out of range"},
		{"day 0", feed(one + "RRULE:FREQ=YEARLY;BYMONTHDAY=0"), ical.ErrInvalid, "out of range"},
		{"day of the week", feed(one + "RRULE:FREQ=YEARLY;BYDAY=1XX"), ical.ErrInvalid, "out of range"},
		{"empty day of the week", feed(one + "RRULE:FREQ=YEARLY;BYDAY="), ical.ErrInvalid, "out of range"},
		{"second Monday of a week", feed(one + "RRULE:FREQ=WEEKLY;BYDAY=2MO"), ical.ErrInvalid, "numbered BYDAY"},
		{"a part twice", feed(one + "RRULE:FREQ=DAILY;FREQ=DAILY"), ical.ErrInvalid, "twice"},
		{"hourly", feed(one + "RRULE:FREQ=HOURLY"), ical.ErrUnsupported, `line 6: RRULE with FREQ="HOURLY"`},
		{"set positions", feed(one + "RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1"), ical.ErrUnsupported, `RRULE with "BYSETPOS"`},
		{"two rules", feed(one + "RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY"), ical.ErrUnsupported, "a second RRULE"},
		{"excluding rule", feed(one + "EXRULE:FREQ=DAILY"), ical.ErrUnsupported, "EXRULE"},
		{"periods", feed(one + "RDATE;VALUE=PERIOD:20260501T000000Z/P1D"), ical.ErrUnsupported, "RDATE of periods"},
		{"this and all after", feed(one + "RECURRENCE-ID;RANGE=THISANDFUTURE:20260501"), ical.ErrUnsupported, "THISANDFUTURE"},
		{"large", strings.Repeat("X", 9<<20), ical.ErrInvalid, "has more than 8388608 bytes"},
		{"much work", feed("DTSTART;VALUE=DATE:19700101\nDURATION:P10000000D\nRRULE:FREQ=DAILY"), ical.ErrInvalid, "line 4: the events up to here take too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			days, err := ical.Days(strings.NewReader(tc.feed), 1970, 2199)
			require.Nil(t, days)
			require.ErrorIs(t, err, tc.category)
			require.ErrorContains(t, err, tc.says)
			var one *ical.Error
			require.ErrorAs(t, err, &one)
			require.Less(t, len(err.Error()), 200)
		})
	}
	for _, years := range [][2]int{{1969, 2000}, {2000, 2200}, {2001, 2000}, {1, 9999}} {
		_, err := ical.Days(strings.NewReader(feed()), years[0], years[1])
		require.ErrorIs(t, err, ical.ErrInvalid)
	}
	_, err := ical.Days(iotest.ErrReader(io.ErrUnexpectedEOF), 2026, 2026)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.EqualError(t, err, "ical: cannot be read: unexpected EOF")
}

// A feed of 1000 yearly events is within the limits.
func TestManyEvents(t *testing.T) {
	events := make([]string, 1000)
	for i := range events {
		events[i] = fmt.Sprintf("UID:%d\nDTSTART;VALUE=DATE:%s\nRRULE:FREQ=YEARLY\nSUMMARY:%d", i, time.Date(2015, 1, i, 0, 0, 0, 0, time.UTC).Format("20060102"), i)
	}
	days, err := ical.Days(strings.NewReader(feed(events...)), 2026, 2030)
	require.NoError(t, err)
	require.Equal(t, 5*365+1, len(days), "all dates; one of the events has 29 February") //nolint:testifylint // Len would print them all
	_, err = businesshours.Spec{Name: "x", Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Daily("09:00-17:00"), Days: days}}.Compile()
	require.NoError(t, err)
}

func FuzzDays(f *testing.F) {
	f.Add(feed("DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260503\nSUMMARY:a\\, b", "UID:a\nDTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"))
	f.Add(feed("UID:a\nDTSTART:20240229\nDURATION:P1W\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU\nEXDATE:20260101,20260102\nRDATE:20260103",
		"UID:a\nRECURRENCE-ID:20260103\nDTSTART:20260104\nSTATUS:CANCELLED"))
	f.Add(feed("DTSTART;VALUE=DATE:00010101\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20300101T000000Z"))
	f.Fuzz(func(t *testing.T, text string) {
		days, err := ical.Days(strings.NewReader(text), 2020, 2030)
		if err != nil {
			var one *ical.Error
			require.ErrorAs(t, err, &one)
			require.True(t, errors.Is(err, ical.ErrInvalid) || errors.Is(err, ical.ErrUnsupported))
			return
		}
		require.LessOrEqual(t, len(days), 11*366)
		c := businesshours.Spec{Name: "x", Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Daily("09:00-17:00"), Days: days}}
		_, err = c.Compile()
		require.NoError(t, err)
	})
}
