package businesshours_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ticketkit/ticket/businesshours"
)

func Example() {
	c, err := businesshours.Spec{
		Name: "support",
		Hours: businesshours.Hours{
			Zone: "Europe/Berlin",
			Week: businesshours.MondayToFriday("09:00-17:00"),
			Days: []businesshours.Day{{Date: "2026-04-03", Name: "Good Friday"}, {Date: "2026-04-06", Name: "Easter Monday"}},
		},
	}.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	berlin, _ := time.LoadLocation("Europe/Berlin")
	start := time.Date(2026, time.April, 2, 16, 0, 0, 0, berlin)

	due, err := c.Add(start, 2*time.Hour)
	fmt.Println(due, err)
	fmt.Println(c.Between(start, start.AddDate(0, 0, 7)), c.Open(start))
	next, err := c.Next(start.Add(time.Hour))
	fmt.Println(next.From, err)
	// Output:
	// 2026-04-07 10:00:00 +0200 CEST <nil>
	// 24h0m0s true
	// 2026-04-07 09:00:00 +0200 CEST <nil>
}

func ExampleParse() {
	spec, err := businesshours.Parse([]byte(`{
	  "name": "support",
	  "zone": "Europe/Berlin",
	  "week": {"monday": ["09:00-12:00", "13:00-17:00"], "saturday": ["22:00-06:00"]},
	  "days": [{"date": "2026-12-24", "name": "Christmas Eve", "open": ["09:00-12:00"]}],
	  "changes": [{"from": "2027-01-01T00:00:00+01:00", "week": {"monday": ["08:00-20:00"]}}]
	}`))
	fmt.Println(spec.Week.Monday, err)

	_, err = businesshours.Parse([]byte(`{"name": "support", "week": {"mon": []}, "days": [{"date": 24, "opens": null}]}`))
	fmt.Println(err)
	// Output:
	// [09:00-12:00 13:00-17:00] <nil>
	// businesshours: calendar "support": week: has the unknown name "mon"; the names are friday, monday, saturday, sunday, thursday, tuesday, wednesday
	// businesshours: calendar "support": days[0].date: must be a string
	// businesshours: calendar "support": days[0]: has the unknown name "opens"; the names are date, name, open
}

func ExampleSpec_Compile() {
	_, err := businesshours.Spec{
		Name: "support",
		Hours: businesshours.Hours{
			Zone: "Europe/Bärlin",
			Week: businesshours.Week{Monday: []businesshours.Span{"9-17"}, Friday: []businesshours.Span{"09:00-15:00", "24:00-06:00"}},
			Days: []businesshours.Day{{Date: "2026-02-30"}},
		},
	}.Compile()
	fmt.Println(err)
	// Output:
	// businesshours: calendar "support": zone: "Europe/Bärlin" is not a zone known on this machine: unknown time zone Europe/Bärlin
	// businesshours: calendar "support": week.monday[0]: "9-17" must begin with a time of day such as 09:00
	// businesshours: calendar "support": week.friday[1]: "24:00-06:00" begins at 24:00; use 00:00 of the next day
	// businesshours: calendar "support": days[0].date: "2026-02-30" is not a date such as 2026-12-24
}

func ExampleCalendar_Explain() {
	c := businesshours.Spec{
		Name: "dawn",
		Hours: businesshours.Hours{
			Zone: "Europe/Berlin",
			Week: businesshours.Daily("00:00-06:00"),
			Days: []businesshours.Day{{Date: "2026-03-28", Name: "Stocktaking"}},
		},
		Changes: []businesshours.Change{{
			From:  time.Date(2026, time.March, 30, 0, 0, 0, 0, time.UTC),
			Hours: businesshours.Hours{Week: businesshours.Daily("08:00-20:00")},
		}},
	}.MustCompile()
	start := time.Date(2026, time.March, 27, 4, 0, 0, 0, time.UTC)
	due, err := c.Add(start, 10*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(c.Explain(start, due))
	// Output:
	// calendar dawn: 10h open
	// Fri 2026-03-27 05:00:00 +01:00 to Fri 2026-03-27 06:00:00 +01:00  open 1h, total 1h
	// Fri 2026-03-27 06:00:00 +01:00 to Sun 2026-03-29 00:00:00 +01:00  closed
	//     2026-03-28 is Stocktaking: closed
	// Sun 2026-03-29 00:00:00 +01:00 to Sun 2026-03-29 06:00:00 +02:00  open 5h, total 6h
	//     the clock goes forward by 1h, to 03:00:00 +02:00 on 2026-03-29
	// Sun 2026-03-29 06:00:00 +02:00 to Mon 2026-03-30 00:00:00 +02:00  closed
	// Mon 2026-03-30 00:00:00 +02:00 to Mon 2026-03-30 02:00:00 +02:00  open 2h, total 8h
	// Mon 2026-03-30 02:00:00 +02:00 to Mon 2026-03-30 08:00:00 +02:00  closed
	//     other hours are valid from 02:00:00 +02:00 on 2026-03-30
	// Mon 2026-03-30 08:00:00 +02:00 to Mon 2026-03-30 10:00:00 +02:00  open 2h, total 10h
}

func ExampleExplanation() {
	c := businesshours.Spec{
		Name:  "support",
		Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.MondayToFriday("09:00-17:00")},
	}.MustCompile()
	start := time.Date(2026, time.January, 16, 16, 0, 0, 0, time.UTC)
	data, err := json.MarshalIndent(c.Explain(start, start.Add(2*time.Hour)), "", "  ")
	fmt.Println(string(data), err)
	// Output:
	// {
	//   "calendar": "support",
	//   "from": "2026-01-16T16:00:00Z",
	//   "to": "2026-01-16T18:00:00Z",
	//   "steps": [
	//     {
	//       "from": "2026-01-16T16:00:00Z",
	//       "to": "2026-01-16T17:00:00Z",
	//       "open": true,
	//       "total": "1h0m0s"
	//     },
	//     {
	//       "from": "2026-01-16T17:00:00Z",
	//       "to": "2026-01-16T18:00:00Z",
	//       "open": false,
	//       "total": "1h0m0s"
	//     }
	//   ],
	//   "open": "1h0m0s"
	// } <nil>
}

func ExampleCalendar_Add_horizon() {
	c := businesshours.Spec{
		Name: "fair",
		Hours: businesshours.Hours{
			Zone: "Europe/Berlin",
			Days: []businesshours.Day{{Date: "2026-03-02", Open: []businesshours.Span{"09:00-17:00"}}},
		},
	}.MustCompile()
	_, err := c.Add(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC), 9*time.Hour)
	fmt.Println(errors.Is(err, businesshours.ErrHorizon))
	fmt.Println(err)
	fmt.Println(c.Horizon())
	// Output:
	// true
	// businesshours: calendar "fair" has too few hours left: 9h0m0s were needed from 2026-03-01T00:00:00Z on, 8h0m0s remain
	// 2026-03-02 17:00:00 +0100 CET true
}

func ExampleCalendar_Intervals() {
	c := businesshours.Spec{
		Name:  "night",
		Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.Daily("22:00-06:00")},
	}.MustCompile()
	start := time.Date(2026, time.October, 24, 0, 0, 0, 0, time.UTC) // the clock goes back in the second night
	for iv := range c.Intervals(start, start.AddDate(0, 0, 2)) {
		fmt.Println(iv.From.Format(time.DateTime), iv.To.Format(time.DateTime), iv.To.Sub(iv.From))
	}
	// Output:
	// 2026-10-24 02:00:00 2026-10-24 06:00:00 4h0m0s
	// 2026-10-24 22:00:00 2026-10-25 06:00:00 9h0m0s
	// 2026-10-25 22:00:00 2026-10-26 01:00:00 3h0m0s
}

func ExampleMergeDays() {
	holidays := []businesshours.Day{{Date: "2026-12-26", Name: "Boxing Day"}, {Date: "2026-12-24", Name: "Christmas Eve"}}
	own := []businesshours.Day{{Date: "2026-12-24", Name: "half a day", Open: []businesshours.Span{"09:00-12:00"}}}
	for _, d := range businesshours.MergeDays(holidays, own) {
		fmt.Println(d.Date, d.Name, d.Open)
	}
	// Output:
	// 2026-12-24 half a day [09:00-12:00]
	// 2026-12-26 Boxing Day []
}
