// Package ical reads the all-day events of an iCalendar feed (RFC 5545), such as public
// holidays or company closing days, as closed days for a calendar of business hours.
//
//	days, err := ical.Days(response.Body, 2026, 2030)
//	if err != nil {
//		return err
//	}
//	spec.Days = businesshours.MergeDays(spec.Days, days)
//
// Recurring events may have FREQ=YEARLY, MONTHLY, WEEKLY or DAILY with INTERVAL, COUNT,
// UNTIL, BYMONTH, BYMONTHDAY, BYDAY and WKST, and EXDATE, RDATE and RECURRENCE-ID. Every
// other rule is an error, because a missing holiday is worse than no calendar.
//
// Events with a time of day and cancelled events are ignored. TRANSP (whether an event
// shows its owner as busy) does not matter: feeds of holidays use both values.
package ical

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket/businesshours"
)

// Limits of a feed. They bound its cost for untrusted input.
const (
	maxBytes = 8 << 20
	maxName  = 200        // bytes of the name of a day; longer names are cut
	maxNames = 20         // names joined for one day
	maxSteps = 10_000_000 // dates examined for all events together
)

// The categories of errors. Test for them with [errors.Is]; both have an [*Error]
// as their data.
var (
	// ErrInvalid: the feed is malformed, cut short or too large, or the years are out of
	// range.
	ErrInvalid = errors.New("ical: invalid")

	// ErrUnsupported: the feed has a rule that this package does not support.
	ErrUnsupported = errors.New("ical: unsupported")
)

// Error is the data of [ErrInvalid] and [ErrUnsupported], and reports a feed that cannot
// be read.
type Error struct {
	Line   int    // line of the feed, from 1; 0 means the whole feed
	Reason string // what is wrong
	Err    error  // the category, or the error of the reader
}

func (e *Error) Error() string {
	s := "ical: "
	if e.Line > 0 {
		s += fmt.Sprintf("line %d: ", e.Line)
	}
	s += e.Reason
	if !errors.Is(e.Err, ErrInvalid) && !errors.Is(e.Err, ErrUnsupported) {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

func invalid(line int, format string, args ...any) error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...), Err: ErrInvalid}
}

func unsupported(line int, format string, args ...any) error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...), Err: ErrUnsupported}
}

// Days reads a feed and returns the dates of its all-day events as closed days, sorted,
// from 1 January of the year first to 31 December of the year last. The years must be
// within 1970 to 2199. The name of a day is the summary of its event; several events on a
// date are joined with commas. The error is an [*Error].
func Days(feed io.Reader, first, last int) ([]businesshours.Day, error) {
	if first < 1970 || last > 2199 || last < first {
		return nil, invalid(0, "the years %d to %d are not within 1970 to 2199", first, last)
	}
	data, err := io.ReadAll(io.LimitReader(feed, maxBytes+1))
	if err != nil {
		return nil, &Error{Reason: "cannot be read", Err: err}
	}
	if len(data) > maxBytes {
		return nil, invalid(0, "has more than %d bytes", maxBytes)
	}
	events, err := parse(string(data))
	if err != nil {
		return nil, err
	}
	w := window{first: dayOf(first, time.January, 1), last: dayOf(last, time.December, 31), names: map[int64][]string{}}
	if err := w.add(events); err != nil {
		return nil, err
	}
	days := make([]businesshours.Day, 0, len(w.names))
	for _, n := range slices.Sorted(maps.Keys(w.names)) {
		days = append(days, businesshours.Day{
			Date: time.Unix(n*daySeconds, 0).UTC().Format(time.DateOnly),
			Name: cut(strings.Join(w.names[n], ", ")),
		})
	}
	return days, nil
}

const daySeconds = 24 * 60 * 60

// dayOf returns a date as days since 1 January 1970.
func dayOf(year int, month time.Month, day int) int64 {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / daySeconds
}

// cut shortens text to a valid name.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName-len("…")], "") + "…"
	}
	return s
}

// window collects the dates of events in a range of years.
type window struct {
	first, last int64
	names       map[int64][]string
	steps       int
}

// add computes the dates of all events.
func (w *window) add(events []event) error {
	// A changed occurrence replaces the occurrence of its series.
	type instance struct {
		uid string
		day int64
	}
	replaced := map[instance]bool{}
	for _, e := range events {
		if e.isInstance {
			replaced[instance{e.uid, e.instance}] = true
		}
	}
	for _, e := range events {
		if !e.allDay || e.cancelled {
			continue
		}
		err := e.occurrences(w, func(day int64) error {
			if e.isInstance || !replaced[instance{e.uid, day}] {
				return w.mark(e, day)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mark records the dates of one occurrence.
func (w *window) mark(e event, day int64) error {
	for d := max(day, w.first); d <= min(day+e.length-1, w.last); d++ {
		if err := w.step(e.line); err != nil {
			return err
		}
		if name := e.summary; name != "" && !slices.Contains(w.names[d], name) && len(w.names[d]) < maxNames {
			w.names[d] = append(w.names[d], name)
		} else if w.names[d] == nil {
			w.names[d] = []string{}
		}
	}
	return nil
}

func (w *window) step(line int) error {
	if w.steps++; w.steps > maxSteps {
		return invalid(line, "the events up to here take too long to compute")
	}
	return nil
}

// occurrences calls visit with the first day of every occurrence, in order. It calls it for
// all occurrences in the window, and perhaps for some outside of it.
func (e event) occurrences(w *window, visit func(day int64) error) error {
	days := slices.Clone(e.added)
	if e.rule == nil {
		days = append(days, e.start)
	} else {
		count := 0
		for d := e.start; d <= min(w.last, e.rule.until); d++ {
			if err := w.step(e.line); err != nil {
				return err
			}
			if d != e.start && !e.rule.match(e.start, d) {
				continue
			}
			if d+e.length > w.first {
				days = append(days, d)
			}
			if count++; count == e.rule.count {
				break
			}
		}
	}
	slices.SortFunc(days, cmp.Compare[int64])
	for _, d := range slices.Compact(days) {
		if _, excluded := slices.BinarySearch(e.excluded, d); excluded {
			continue
		}
		if err := visit(d); err != nil {
			return err
		}
	}
	return nil
}
