/*
Package businesshours counts the time in which somebody is there: when are four
hours of work over that begin on Friday at 16:00, and how much of a weekend was
open?

A calendar is written down as a [Spec], in Go or in JSON, and checked as a whole
by [Spec.Compile]. The [Calendar] that comes out answers:

	due, err := c.Add(start, 4*time.Hour) // when so much open time has passed
	d := c.Between(a, b)                  // how much open time there is between two instants
	open := c.Open(at)                    // whether it is open
	iv, err := c.Next(at)                 // the opening that is running, or the next one

and says why, interval by interval, with [Calendar.Explain].

# What is open

The open time is a set of instants. It is made out of local times of day in the
calendar's zone: of the hours of each day of the week ([Week]), of those of
certain dates ([Day]), and of changes that are valid from an instant on
([Change]). Intervals hold their first instant and not their last.

  - A local time that the clock skips is read with the offset before the gap: 02:30
    in a spring night is 03:30. One that comes twice is the first of the two. That
    is what RFC 5545 says in section 3.3.5; [time.Date] promises neither.
  - Only then the union is made, so that an hour counts once though two intervals
    have it, and is not counted where the clock skips it. An interval whose end is
    not after its start holds nothing.
  - A date that the zone skips as a whole has no hours (Samoa, 30 December 2011).
  - A shift over midnight ("22:00-06:00") belongs to the day that it begins on.
  - A [Day] decides about its date from midnight to midnight. Shifts are cut there:
    what they have on the date before and after stays.

A calendar has hours in the years 1970 to 2199 and is closed before and after.

# Zones

Zones are those of the machine, by their IANA names. A program that runs where
there may be none imports time/tzdata. What a zone's rules will be in years to come
is not known today, so instants of the future are to be computed again when they
are near.

# Cost

A calendar keeps what it has worked out, for some 400 days at a time and at most
for the 230 years. After that, no method but Explain allocates, and a year ahead
costs about what a day does. A calendar is safe for concurrent use.

Dates of public holidays come from the module
github.com/ticketkit/ticket/businesshours/holidays, and all-day events of an
iCalendar feed from the package businesshours/ical.
*/
package businesshours
