package businesshours

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// Limits of a calendar. They bound its cost for untrusted input.
const (
	maxName    = 500     // bytes of a name
	maxSpans   = 48      // intervals of a day
	maxDays    = 100_000 // exceptions of all versions together
	maxChanges = 1000
)

// Compile checks the calendar and returns it ready for use. Its error joins all faults,
// each an [*InvalidError] that names its place: unknown zones, malformed intervals and
// dates, repeated dates, changes out of order, years out of range, exceeded limits, and a
// calendar without hours.
func (s Spec) Compile() (*Calendar, error) {
	c := compiler{zones: map[string]*time.Location{}}
	c.faults.calendar = s.Name
	if s.Name == "" {
		c.faults.add("name", "must not be empty")
	}
	c.name("name", s.Name)
	if len(s.Changes) > maxChanges {
		c.faults.add("changes", "has %d entries; the maximum is %d", len(s.Changes), maxChanges)
		return nil, c.faults.err()
	}
	s = s.clone()
	cal := &Calendar{spec: s, eras: []*era{c.era("", s.Hours, nil)}}
	for i, ch := range s.Changes {
		cal.eras = append(cal.eras, c.change(fmt.Sprintf("changes[%d].", i), ch, cal.eras[i]))
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if _, ok := cal.last(); !ok {
		c.faults.add("", "is never open: its hours are on dates that do not exist or while another version is valid")
		return nil, c.faults.err()
	}
	return cal, nil
}

// MustCompile is like [Spec.Compile] but panics on a fault. It is for calendars that are
// part of the program.
func (s Spec) MustCompile() *Calendar {
	c, err := s.Compile()
	if err != nil {
		panic(err) //nolint:forbidigo // as Must says
	}
	return c
}

type compiler struct {
	faults faults
	zones  map[string]*time.Location
	days   int // exceptions of all versions so far
}

func (c *compiler) name(place, name string) {
	switch {
	case len(name) > maxName:
		c.faults.add(place, "has %d bytes; the maximum is %d", len(name), maxName)
	case !utf8.ValidString(name):
		c.faults.add(place, "is not UTF-8")
	}
}

// change compiles a change into the version that follows before.
func (c *compiler) change(at string, ch Change, before *era) *era {
	e := c.era(at, ch.Hours, before)
	switch from := ch.From; {
	case from.IsZero():
		c.faults.add(at+"from", "must not be empty")
	case from.Unix() < 0 || from.Unix() >= endSeconds:
		c.faults.add(at+"from", "%s is not in the years 1970 to 2199", from.UTC().Format(time.DateOnly))
	case from.UnixNano() <= before.from:
		c.faults.add(at+"from", "%s is not after the start of the version before", from.Format(time.RFC3339Nano))
	default:
		e.from = from.UnixNano()
		before.until = e.from
	}
	return e
}

// era checks one version and returns it, valid without end.
func (c *compiler) era(at string, h Hours, before *era) *era {
	e := &era{from: 0, until: endNanos, days: map[int64][]shift{}}
	if h.Zone == "" && before != nil {
		e.zone = before.zone
	} else {
		e.zone = c.zone(at+"zone", h.Zone)
	}
	hours := 0
	for _, d := range weekdays {
		open := *h.Week.day(d)
		e.week[d] = c.spans(at+"week."+dayName(d), open)
		hours += len(open)
		e.weekly = e.weekly || len(open) > 0
	}
	if c.days += len(h.Days); c.days > maxDays {
		c.faults.add(at+"days", "has %d entries; the maximum for all versions is %d", len(h.Days), maxDays)
		return e
	}
	where := make(map[int64]int, len(h.Days))
	for i, d := range h.Days {
		place := fmt.Sprintf("%sdays[%d]", at, i)
		hours += len(d.Open)
		c.name(place+".name", d.Name)
		open := c.spans(place+".open", d.Open)
		n, reason := dayNumber(d.Date)
		if reason != "" {
			c.faults.add(place+".date", "%s %s", quote(d.Date), reason)
			continue
		}
		if first, twice := where[n]; twice {
			c.faults.add(place+".date", "%s repeats days[%d]; use MergeDays to merge lists", d.Date, first)
			continue
		}
		where[n] = i
		e.days[n] = open
		e.dates = append(e.dates, date{n, d})
	}
	slices.SortFunc(e.dates, func(a, b date) int { return cmp.Compare(a.number, b.number) })
	if hours == 0 {
		c.faults.add(at+"week", "has no hours, and neither has any day")
	}
	return e
}

func (c *compiler) zone(place, name string) *time.Location {
	switch name {
	case "":
		c.faults.add(place, `must not be empty; use a name such as "Europe/Berlin" or "UTC"`)
		return nil
	case "Local":
		c.faults.add(place, `"Local" depends on the machine; use a name such as "Europe/Berlin" or "UTC"`)
		return nil
	}
	if zone, ok := c.zones[name]; ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		c.faults.addErr(place, err, "%s is not a zone known on this machine", quote(name))
	}
	c.zones[name] = zone
	return zone
}

func (c *compiler) spans(place string, list []Span) []shift {
	if len(list) > maxSpans {
		c.faults.add(place, "has %d intervals; the maximum is %d", len(list), maxSpans)
		return nil
	}
	shifts := make([]shift, 0, len(list))
	for i, s := range list {
		sh, reason := s.parse()
		if reason != "" {
			c.faults.add(fmt.Sprintf("%s[%d]", place, i), "%s %s", quote(string(s)), reason)
			continue
		}
		shifts = append(shifts, sh)
	}
	return shifts
}

// A calendar covers 1970 to the end of 2199, which in nanoseconds fits an int64.
const (
	endSeconds int64 = 7_258_118_400 // 2200-01-01T00:00:00Z
	endNanos         = endSeconds * int64(time.Second)
)

const _ = uint64(math.MaxInt64 - endNanos) // does not compile if endNanos does not fit an int64
