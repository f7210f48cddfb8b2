package businesshours

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec describes a calendar. In JSON it has the same names, and instants are RFC 3339:
//
//	{
//	  "name": "support",
//	  "zone": "Europe/Berlin",
//	  "week": {"monday": ["09:00-12:00", "13:00-17:00"], "saturday": ["22:00-06:00"]},
//	  "days": [
//	    {"date": "2026-12-24", "name": "Christmas Eve", "open": ["09:00-12:00"]},
//	    {"date": "2026-12-25", "name": "Christmas Day"}
//	  ],
//	  "changes": [{"from": "2027-01-01T00:00:00+01:00", "week": {"monday": ["08:00-20:00"]}}]
//	}
type Spec struct {
	Name    string   `json:"name"` // shown to people and in errors; required
	Hours            // the version that is valid until the first change
	Changes []Change `json:"changes,omitempty"` // later versions, in order of From
}

// Hours is one version of a calendar. It needs open time: hours in the week, or a day with
// hours.
type Hours struct {
	Zone string `json:"zone,omitempty"` // IANA name, such as "Europe/Berlin" or "UTC"
	Week Week   `json:"week,omitzero"`  // the regular hours of a week
	Days []Day  `json:"days,omitempty"` // exceptions in any order, at most one per date
}

// Change replaces all hours from an instant on, both week and days. An empty zone means
// the zone of the version before. Earlier results do not change.
type Change struct {
	From time.Time `json:"from"`
	Hours
}

// Week has the hours of each weekday. A day without hours is closed.
type Week struct {
	Monday    []Span `json:"monday,omitempty"`
	Tuesday   []Span `json:"tuesday,omitempty"`
	Wednesday []Span `json:"wednesday,omitempty"`
	Thursday  []Span `json:"thursday,omitempty"`
	Friday    []Span `json:"friday,omitempty"`
	Saturday  []Span `json:"saturday,omitempty"`
	Sunday    []Span `json:"sunday,omitempty"`
}

// MondayToFriday returns a week with the same hours on five days.
func MondayToFriday(open ...Span) Week {
	return Week{Monday: open, Tuesday: open, Wednesday: open, Thursday: open, Friday: open}
}

// Daily returns a week with the same hours on every day.
func Daily(open ...Span) Week {
	w := MondayToFriday(open...)
	w.Saturday, w.Sunday = open, open
	return w
}

// day returns a pointer to the hours of a weekday.
func (w *Week) day(d time.Weekday) *[]Span {
	return [...]*[]Span{&w.Sunday, &w.Monday, &w.Tuesday, &w.Wednesday, &w.Thursday, &w.Friday, &w.Saturday}[d]
}

// dayName returns the name of a weekday in JSON and in errors.
func dayName(d time.Weekday) string { return strings.ToLower(d.String()) }

// weekdays starts with Monday.
var weekdays = [...]time.Weekday{
	time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday,
}

// Span is an interval of local times of day: "09:00-17:00". An end before the start is on
// the next day: "22:00-06:00". The end of the day is 24:00. The spans of a day may touch
// and overlap; shared time counts once.
type Span string

// Day replaces the hours of one date from midnight to midnight. Shifts over midnight are
// cut there. Its own shifts may continue on the next date, unless that date has a Day too.
type Day struct {
	Date string `json:"date"`           // such as "2026-12-24", in the years 1970 to 2199
	Name string `json:"name,omitempty"` // shown to people, such as "Christmas Eve"
	Open []Span `json:"open,omitempty"` // empty means closed
}

// MergeDays merges lists into one, sorted by date. If several lists have the same date,
// the last one wins.
func MergeDays(lists ...[]Day) []Day {
	byDate := map[string]Day{}
	for _, list := range lists {
		for _, d := range list {
			byDate[d.Date] = d
		}
	}
	return slices.SortedFunc(maps.Values(byDate), func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
}

func (s Spec) clone() Spec {
	s.Hours = s.Hours.clone()
	s.Changes = slices.Clone(s.Changes)
	for i := range s.Changes {
		s.Changes[i].Hours = s.Changes[i].clone()
	}
	return s
}

func (h Hours) clone() Hours {
	for _, d := range weekdays {
		open := h.Week.day(d)
		*open = slices.Clone(*open)
	}
	h.Days = slices.Clone(h.Days)
	for i := range h.Days {
		h.Days[i] = h.Days[i].clone()
	}
	return h
}

func (d Day) clone() Day {
	d.Open = slices.Clone(d.Open)
	return d
}

// shift is an interval in seconds since the midnight that its date starts with. It may end
// on the next date.
type shift struct{ from, to int64 }

const daySeconds = 24 * 60 * 60

// parse reads the text. The reason says what is wrong with it.
func (s Span) parse() (sh shift, reason string) {
	from, to, ok := strings.Cut(string(s), "-")
	if !ok {
		return sh, `is not an interval such as "09:00-17:00"`
	}
	if sh.from, ok = clock(from); !ok {
		return sh, "must begin with a time of day such as 09:00"
	}
	if sh.to, ok = clock(to); !ok {
		return sh, "must end with a time of day such as 17:00 or 24:00"
	}
	switch {
	case sh.from == daySeconds:
		return sh, "begins at 24:00; use 00:00 of the next day"
	case sh.from == sh.to:
		return sh, "is empty; a whole day is 00:00-24:00"
	case sh.to < sh.from:
		sh.to += daySeconds
	}
	return sh, ""
}

// clock reads a time of day, H:MM or HH:MM, from 00:00 to 24:00, in seconds.
func clock(text string) (int64, bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(text), ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(h) > 2 || len(m) != 2 || minute > 59 || hour*60+minute > 24*60 {
		return 0, false
	}
	return int64(hour*60+minute) * 60, true
}

// dayNumber returns a date as days since 1 January 1970. The reason says what is wrong
// with it.
func dayNumber(date string) (n int64, reason string) {
	t, err := time.Parse(time.DateOnly, date)
	switch {
	case err != nil:
		return 0, "is not a date such as 2026-12-24"
	case t.Unix() < 0 || t.Unix() >= endSeconds:
		return 0, "is not in the years 1970 to 2199"
	}
	return t.Unix() / daySeconds, ""
}
