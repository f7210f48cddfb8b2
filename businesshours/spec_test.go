package businesshours_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
)

func TestCompileNamesThePlace(t *testing.T) {
	million := make([]businesshours.Span, 1_000_000)
	manyDays := make([]businesshours.Day, 60_000)
	date := func(date string) businesshours.Day { return businesshours.Day{Date: date} }
	for _, tc := range []struct {
		name   string
		change func(s *businesshours.Spec)
		place  string
		reason string
	}{
		{"no name", func(s *businesshours.Spec) { s.Name = "" }, "name", "must not be empty"},
		{"long name", func(s *businesshours.Spec) { s.Name = strings.Repeat("x", 501) }, "name", "has 501 bytes"},
		{"name", func(s *businesshours.Spec) { s.Name = "\xff" }, "name", "is not UTF-8"},
		{"no zone", func(s *businesshours.Spec) { s.Zone = "" }, "zone", "must not be empty"},
		{"zone of the machine", func(s *businesshours.Spec) { s.Zone = "Local" }, "zone", "depends on the machine"},
		{"unknown zone", func(s *businesshours.Spec) { s.Zone = "Europe/Nowhere" }, "zone", `"Europe/Nowhere" is not a zone known on this machine`},
		{"zone that is a path", func(s *businesshours.Spec) { s.Zone = "../../etc/passwd" }, "zone", "is not a zone"},
		{"no hours", func(s *businesshours.Spec) { s.Week = businesshours.Week{} }, "week", "has no hours"},
		{"closed days only", func(s *businesshours.Spec) {
			s.Week = businesshours.Week{}
			s.Days = []businesshours.Day{date("2026-01-01")}
		}, "week", "has no hours"},
		{"hours on a date that does not exist", func(s *businesshours.Spec) {
			s.Zone, s.Week = "Pacific/Apia", businesshours.Week{}
			s.Days = []businesshours.Day{{Date: "2011-12-30", Open: []businesshours.Span{nineToFive}}}
		}, "", "is never open"},
		{"hours that another version replaces", func(s *businesshours.Spec) {
			h := businesshours.Hours{Days: []businesshours.Day{{Date: "2026-01-02", Open: []businesshours.Span{nineToFive}}}}
			s.Week, s.Days = businesshours.Week{}, h.Days
			s.Changes = []businesshours.Change{{From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Hours: h}}
			s.Changes[0].Days = []businesshours.Day{{Date: "2025-01-01", Open: []businesshours.Span{nineToFive}}}
		}, "", "is never open"},
		{"a million intervals", func(s *businesshours.Spec) { s.Week.Tuesday = million }, "week.tuesday", "has 1000000 intervals; the maximum is 48"},
		{"a million intervals of a day", func(s *businesshours.Spec) {
			s.Days = []businesshours.Day{date("2026-01-01"), {Date: "2026-01-02", Open: million}}
		}, "days[1].open", "has 1000000 intervals"},
		{"too many days", func(s *businesshours.Spec) {
			for i := range manyDays {
				manyDays[i] = date(time.Unix(int64(i)*86400, 0).UTC().Format(time.DateOnly))
			}
			s.Days = manyDays
			s.Changes = []businesshours.Change{{From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Hours: s.Hours}}
		}, "changes[0].days", "has 60000 entries; the maximum for all versions is 100000"},
		{"too many changes", func(s *businesshours.Spec) { s.Changes = make([]businesshours.Change, 1_000_000) }, "changes", "has 1000000 entries; the maximum is 1000"},
		{"year 1", func(s *businesshours.Spec) { s.Days = []businesshours.Day{date("0001-01-01")} }, "days[0].date", "is not in the years 1970 to 2199"},
		{"year 9999", func(s *businesshours.Spec) { s.Days = []businesshours.Day{date("9999-12-31")} }, "days[0].date", "is not in the years 1970 to 2199"},
		{"year 10000", func(s *businesshours.Spec) { s.Days = []businesshours.Day{date("10000-01-01")} }, "days[0].date", "is not a date"},
		{"no date", func(s *businesshours.Spec) { s.Days = []businesshours.Day{{}} }, "days[0].date", `"" is not a date`},
		{"30 February", func(s *businesshours.Spec) { s.Days = []businesshours.Day{date("2026-02-30")} }, "days[0].date", "is not a date"},
		{"date with time", func(s *businesshours.Spec) { s.Days = []businesshours.Day{date("2026-01-01T00:00:00Z")} }, "days[0].date", "is not a date"},
		{"one date twice", func(s *businesshours.Spec) {
			s.Days = []businesshours.Day{date("2026-01-01"), date("2026-01-02"), date("2026-01-01")}
		}, "days[2].date", "2026-01-01 repeats days[0]"},
		{"name of a day", func(s *businesshours.Spec) {
			s.Days = []businesshours.Day{{Date: "2026-01-01", Name: strings.Repeat("x", 600)}}
		}, "days[0].name", "has 600 bytes"},
		{"change without an instant", func(s *businesshours.Spec) {
			s.Changes = []businesshours.Change{{Hours: s.Hours}}
		}, "changes[0].from", "must not be empty"},
		{"change in the year 2", func(s *businesshours.Spec) {
			s.Changes = []businesshours.Change{{From: time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), Hours: s.Hours}}
		}, "changes[0].from", "0002-01-01 is not in the years"},
		{"change in the year 9999", func(s *businesshours.Spec) {
			s.Changes = []businesshours.Change{{From: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Hours: s.Hours}}
		}, "changes[0].from", "9999-01-01 is not in the years"},
		{"changes out of order", func(s *businesshours.Spec) {
			one := businesshours.Change{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Hours: s.Hours}
			s.Changes = []businesshours.Change{one, one}
		}, "changes[1].from", "is not after the start of the version before"},
		{"change without hours", func(s *businesshours.Spec) {
			s.Changes = []businesshours.Change{{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
		}, "changes[0].week", "has no hours"},
		{"zone of a change", func(s *businesshours.Spec) {
			s.Changes = []businesshours.Change{{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Hours: s.Hours}}
			s.Changes[0].Zone = "Mars"
		}, "changes[0].zone", "is not a zone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := berlin
			tc.change(&s)
			c, err := s.Compile()
			require.Nil(t, c)
			require.ErrorIs(t, err, businesshours.ErrInvalid)
			var one *businesshours.InvalidError
			require.ErrorAs(t, err, &one)
			require.Equal(t, tc.place, one.Place)
			require.Contains(t, one.Reason, tc.reason)
			require.Less(t, len(err.Error()), 500)
			require.PanicsWithError(t, err.Error(), func() { s.MustCompile() })
		})
	}
}

func TestMalformedSpansAreRejected(t *testing.T) {
	for _, tc := range []struct {
		span   businesshours.Span
		reason string // empty: valid
	}{
		{"09:00-17:00", ""}, {"9:00-17:00", ""}, {"00:00-24:00", ""}, {"22:00-06:00", ""}, {"22:00-00:00", ""}, {"22:00-24:00", ""},
		{"0:00-0:01", ""}, {" 09:00 - 17:00 ", ""},
		{"", "is not an interval"}, {"09:00", "is not an interval"}, {"-", "must begin with a time"}, {"09:00-", "must end with a time"},
		{"9-17", "must begin with a time"}, {"09:00-25:00", "must end with a time"}, {"09:00-24:01", "must end with a time"}, {"09:60-17:00", "must begin with a time"},
		{"09:0-17:00", "must begin with a time"}, {"+9:00-17:00", "must begin with a time"}, {"09:00-17:00-18:00", "must end with a time"}, {"009:00-17:00", "must begin with a time"},
		{"09:00-23:59:59", "must end with a time"}, {"09:00–17:00", "is not an interval"}, {"09:00-\xff", "must end with a time"},
		{"09:00-09:00", "is empty"}, {"00:00-00:00", "is empty"}, {"24:00-24:00", "begins at 24:00"}, {"24:00-06:00", "begins at 24:00"},
	} {
		t.Run(fmt.Sprintf("%q", tc.span), func(t *testing.T) {
			_, err := week("UTC", businesshours.Week{Monday: []businesshours.Span{tc.span}}).Compile()
			if tc.reason == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "week.monday[0]: ")
			require.ErrorContains(t, err, tc.reason)
		})
	}
}

// faultsOf returns the places of the faults in a joined error.
func faultsOf(t *testing.T, err error) (places []string) {
	t.Helper()
	var joined interface{ Unwrap() []error }
	require.ErrorAs(t, err, &joined)
	for _, err := range joined.Unwrap() {
		var one *businesshours.InvalidError
		require.ErrorAs(t, err, &one)
		places = append(places, one.Place)
	}
	return places
}

func TestCompileReportsAllFaults(t *testing.T) {
	s := businesshours.Spec{
		Hours: businesshours.Hours{
			Zone: "Nowhere", Week: businesshours.Week{Monday: []businesshours.Span{"x"}, Sunday: []businesshours.Span{"09:00-10:00", "y"}},
			Days: []businesshours.Day{{Date: "z", Open: []businesshours.Span{"x"}}},
		},
		Changes: []businesshours.Change{{Hours: businesshours.Hours{Zone: "Local"}}},
	}
	_, err := s.Compile()
	require.Equal(t, []string{
		"name", "zone", "week.monday[0]", "week.sunday[1]", "days[0].open[0]", "days[0].date",
		"changes[0].zone", "changes[0].week", "changes[0].from",
	}, faultsOf(t, err))

	s.Days = slices.Repeat(s.Days, 10_000)
	_, err = s.Compile()
	require.Len(t, faultsOf(t, err), 1001)
	require.ErrorContains(t, err, "has 19007 more faults")
}

func TestParseNamesThePlace(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		places     []string
	}{
		{"unknown names", `{"nane": 1, "week": {"mon": []}, "days": [{}, {"opne": []}], "changes": [{"form": ""}]}`,
			[]string{"", "week", "days[1]", "changes[0]"}},
		{"names in capitals", `{"Name": "x", "week": {"Monday": []}}`, []string{"", "week"}},
		{"names twice", `{"zone": "UTC", "zone": "UTC", "week": {"monday": [], "monday": []}}`, []string{"zone", "week.monday"}},
		{"other types", `{"name": 1, "zone": [], "week": [], "days": {}, "changes": [{"from": 1, "days": [1]}]}`,
			[]string{"name", "zone", "week", "days", "changes[0].from", "changes[0].days[0]"}},
		{"other types of hours", `{"week": {"monday": "09:00-17:00", "friday": [9, null]}}`,
			[]string{"week.monday", "week.friday[0]", "week.friday[1]"}},
		{"no instants", `{"changes": [{"from": "2026-01-01"}, {"from": "0000"}]}`, []string{"changes[0].from", "changes[1].from"}},
		{"no object", `[]`, []string{""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := businesshours.Parse([]byte(tc.data))
			require.ErrorIs(t, err, businesshours.ErrInvalid)
			require.Equal(t, tc.places, faultsOf(t, err))

			var s struct{ Calendar businesshours.Spec } // as strict inside another value
			require.ErrorIs(t, json.Unmarshal([]byte(`{"Calendar": `+tc.data+`}`), &s), businesshours.ErrInvalid)
		})
	}
	for _, data := range []string{``, `{`, `{"name": "x"`, `{} {}`, `{"name": }`, "\xff"} {
		_, err := businesshours.Parse([]byte(data))
		require.ErrorIs(t, err, businesshours.ErrInvalid, data)
		require.ErrorContains(t, err, "byte ", data)
	}
	_, err := businesshours.Parse([]byte(`{"name": "x", "zone": "UTC", "week": {"monday": [` + strings.Repeat(`"09:00-10:00",`, 1_000_000) + `"09:00-10:00"]}}`))
	require.NoError(t, err)
}

func TestJSONRoundTrip(t *testing.T) {
	s := christmas
	s.Changes = []businesshours.Change{{From: at(t, "01-12T23:00:00.5Z"), Hours: lunch.Hours}, {From: at(t, "02-12T23:00Z"), Hours: night.Hours}}
	data, err := json.Marshal(compile(t, s))
	require.NoError(t, err)
	got, err := businesshours.Parse(data)
	require.NoError(t, err)
	require.Equal(t, s, got)
}

func FuzzParse(f *testing.F) {
	for _, s := range []businesshours.Spec{berlin, lunch, christmas, night, dawnNY} {
		data, err := json.Marshal(s)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"name":"x","zone":"Pacific/Apia","days":[{"date":"2011-12-30","open":["09:00-17:00"]},{"date":"2011-12-31","open":["22:00-21:00"]}],` +
		`"changes":[{"from":"2011-12-30T10:00:00.000000001Z","zone":"Australia/Lord_Howe","week":{"sunday":["01:45-02:10"]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := businesshours.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, businesshours.ErrInvalid)
			return
		}
		c, err := s.Compile()
		if err != nil {
			require.ErrorIs(t, err, businesshours.ErrInvalid)
			return
		}
		again, err := json.Marshal(c)
		require.NoError(t, err)
		back, err := businesshours.Parse(again)
		require.NoError(t, err)
		d, err := back.Compile()
		require.NoError(t, err)

		for _, start := range []time.Time{time.Date(2011, 12, 28, 3, 4, 5, 6, time.UTC), time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)} {
			due, err := c.Add(start, 20*time.Hour)
			other, err2 := d.Add(start, 20*time.Hour)
			require.Equal(t, due, other)
			require.Equal(t, err == nil, err2 == nil)
			if err != nil {
				require.ErrorIs(t, err, businesshours.ErrHorizon)
				continue
			}
			require.Equal(t, 20*time.Hour, c.Between(start, due))
			if due.Sub(start) < 1000*time.Hour {
				require.Equal(t, 20*time.Hour, c.Explain(start, due).Open)
			}
		}
	})
}
