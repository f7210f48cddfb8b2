package holidays_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/businesshours/holidays"
)

func ExampleDays() {
	days, err := holidays.Days("DE-BE", 2026, 2026)
	for _, d := range days {
		fmt.Println(d.Date, d.Name)
	}
	fmt.Println(err)

	days, err = holidays.Days("US", 2026, 2026, "Independence Day")
	fmt.Println(days, err)
	// Output:
	// 2026-01-01 Neujahrstag
	// 2026-03-08 Frauentag
	// 2026-04-03 Karfreitag
	// 2026-04-06 Ostermontag
	// 2026-05-01 Tag der Arbeit
	// 2026-05-14 Christi Himmelfahrt
	// 2026-05-25 Pfingstmontag
	// 2026-10-03 Tag der Deutschen Einheit
	// 2026-12-25 Weihnachtstag
	// 2026-12-26 Zweiter Weihnachtsfeiertag
	// <nil>
	// [{2026-07-03 Independence Day (observed) []} {2026-07-04 Independence Day []}] <nil>
}

// A calendar with the holidays of ten years and a half day of the company.
func Example() {
	days, err := holidays.Days("DE-BE", 2026, 2035)
	if err != nil {
		fmt.Println(err)
		return
	}
	own := []businesshours.Day{{Date: "2026-12-24", Name: "Heiligabend", Open: []businesshours.Span{"09:00-12:00"}}}
	c, err := businesshours.Spec{
		Name: "support",
		Hours: businesshours.Hours{
			Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00"), Days: businesshours.MergeDays(days, own),
		},
	}.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Add(time.Date(2026, time.December, 23, 15, 0, 0, 0, time.UTC), 8*time.Hour))
	// Output: 2026-12-28 12:00:00 +0000 UTC <nil>
}

func TestEveryRegionCompiles(t *testing.T) {
	list := holidays.Regions()
	require.IsIncreasing(t, list)
	require.Subset(t, list, []string{"AT", "AU-NSW", "CH", "CH-ZH", "DE", "DE-BE", "DE-TH", "ECB", "FR", "GB", "JP", "NL", "US"})
	for _, region := range list {
		t.Run(region, func(t *testing.T) {
			days, err := holidays.Days(region, holidays.FirstYear, holidays.LastYear)
			require.NoError(t, err)
			require.Greater(t, len(days), 4*(holidays.LastYear-holidays.FirstYear))
			_, err = businesshours.Spec{Name: region, Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Daily("09:00-17:00"), Days: days}}.Compile()
			require.NoError(t, err)
			names, err := holidays.Names(region)
			require.NoError(t, err)
			require.IsIncreasing(t, names)
			var sum int
			for _, name := range names {
				one, err := holidays.Days(region, holidays.FirstYear, holidays.LastYear, name)
				require.NoError(t, err)
				sum += len(one)
			}
			require.GreaterOrEqual(t, sum, len(days))
		})
	}
}

// A holiday on a weekend can be observed in the year before.
func TestHolidaysObservedInTheYearBefore(t *testing.T) {
	days, err := holidays.Days("US", 2027, 2027, "New Year's Day")
	require.NoError(t, err)
	require.Equal(t, []businesshours.Day{{Date: "2027-01-01", Name: "New Year's Day"}, {Date: "2027-12-31", Name: "New Year's Day (observed)"}}, days)
}

// Package cal uses midnight in the zone of the machine, and some clocks skip
// that hour.
func TestDatesDoNotDependOnTheMachine(t *testing.T) {
	before := cal.DefaultLoc
	t.Cleanup(func() { cal.DefaultLoc = before })
	for _, region := range holidays.Regions() {
		var want []businesshours.Day
		for _, zone := range []string{"UTC", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "America/Santiago", "Asia/Amman", "Pacific/Apia", "Africa/Cairo"} {
			loc, err := time.LoadLocation(zone)
			require.NoError(t, err)
			cal.DefaultLoc = loc
			days, err := holidays.Days(region, 1970, 2099)
			require.NoError(t, err)
			if want == nil {
				want = days
			}
			for i := range days {
				require.Equal(t, want[i], days[i], "%s on a machine in %s", region, zone)
			}
			require.Equal(t, len(want), len(days)) //nolint:testifylint // Len would print them all
		}
	}
}

func TestUnknownValuesAreErrors(t *testing.T) {
	for _, tc := range []struct {
		region      string
		first, last int
		names       []string
		says        string
	}{
		{"XX", 2026, 2026, nil, `unknown region "XX"; known are AR, `},
		{"", 2026, 2026, nil, `unknown region ""`},
		{"DE-XX", 2026, 2026, nil, `unknown region "DE-XX"`},
		{"DE", 1, 2026, nil, `unknown year "1"; known are 1970 to 2099`},
		{"DE", 2026, 9999, nil, `unknown year "9999"`},
		{"DE", 2026, 2026, []string{"Karfreitag", "Weltspartag"}, `unknown holiday "Weltspartag"; known are Christi Himmelfahrt, `},
	} {
		days, err := holidays.Days(tc.region, tc.first, tc.last, tc.names...)
		require.Nil(t, days)
		require.ErrorIs(t, err, holidays.ErrUnknown)
		var one *holidays.UnknownError
		require.ErrorAs(t, err, &one)
		require.True(t, strings.HasPrefix(err.Error(), "holidays: "+tc.says), err)
	}
	_, err := holidays.Names("XX")
	require.ErrorIs(t, err, holidays.ErrUnknown)
	days, err := holidays.Days("DE", 2027, 2026)
	require.NoError(t, err)
	require.Empty(t, days)
}
