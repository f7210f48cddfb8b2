/*
Package businesshours computes with the opening hours of a calendar: when four hours
of work that start on Friday at 16:00 are over, and how long a calendar was open
between two instants.

A [Spec] describes a calendar, in Go or in JSON. [Spec.Compile] checks all of it and
returns a [Calendar]:

	c, err := businesshours.Spec{
		Name: "support",
		Hours: businesshours.Hours{
			Zone: "Europe/Berlin",
			Week: businesshours.MondayToFriday("09:00-17:00"),
			Days: []businesshours.Day{{Date: "2026-12-25", Name: "Christmas Day"}},
		},
	}.Compile()
	if err != nil {
		return err
	}
	due, err := c.Add(start, 4*time.Hour) // the time after four open hours
	d := c.Between(a, b)                  // the open time between two instants
	open := c.Open(at)                    // whether the calendar is open
	iv, err := c.Next(at)                 // the current opening, or else the next one

[Calendar.Explain] lists the intervals behind a result.

# What is open

The open time is a set of instants. It is computed from local times of day in the
zone of the calendar: the hours of each weekday ([Week]), the hours of single dates
([Day]), and changes that are valid from an instant on ([Change]). An interval includes
its first instant and excludes its last.

  - A local time that the clock skips is read with the offset before the gap: 02:30 in
    a spring night means 03:30. A local time that occurs twice means its first
    occurrence. RFC 5545, section 3.3.5, says so; [time.Date] promises neither.
  - The union is made after that. An hour in two intervals counts once, and an hour that
    the clock skips does not count. An interval whose end is not after its start is
    empty.
  - A date that the zone skips has no hours (Samoa, 30 December 2011).
  - A shift over midnight ("22:00-06:00") belongs to the day on which it starts.
  - A [Day] replaces the hours of its date from midnight to midnight. Shifts are cut
    there: their parts on the dates before and after stay.

A calendar has hours in the years 1970 to 2199 and is closed in all other years.

# Zones

Zones are IANA names, read from the time zone database of the machine. If there may be
none, import time/tzdata. Rules of zones change, so recompute future instants when they
are near.

# Cost

A calendar caches its open time in chunks of 400 days, at most for the 230 years. With
a warm cache, no method except Explain allocates, and a year ahead costs about as much
as a day. A calendar is safe for concurrent use.

Module github.com/ticketkit/ticket/businesshours/holidays has the dates of public
holidays. Package businesshours/ical reads the all-day events of an iCalendar feed.
*/
package businesshours
