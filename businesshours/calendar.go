package businesshours

import (
	"encoding/json"
	"iter"
	"slices"
	"sort"
	"time"
)

// Calendar computes with opening hours. [Spec.Compile] makes it. It never changes and is
// safe for concurrent use.
type Calendar struct {
	spec Spec
	eras []*era // the versions, each valid until the next; never empty
}

// Interval is an interval of open time, including From and excluding To. Both are in the
// zone of the calendar.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Name returns the name of the calendar.
func (c *Calendar) Name() string { return c.spec.Name }

// Spec returns a copy of the Spec that the calendar was compiled from.
func (c *Calendar) Spec() Spec { return c.spec.clone() }

// MarshalJSON returns the JSON form of the Spec.
func (c *Calendar) MarshalJSON() ([]byte, error) { return json.Marshal(c.spec) }

// Zone returns the zone of the version that is valid at an instant.
func (c *Calendar) Zone(at time.Time) *time.Location {
	return c.eras[c.eraAt(clamp(at))].zone
}

// Add returns the earliest instant by which amount of open time has passed since start.
// That can be the moment of closing; Add does not move it to the next opening. An amount
// of zero returns start. The result is in the location of start.
//
// The error is a [*HorizonError] if the calendar ends before that, and an [*InvalidError]
// if amount is negative or start is before 1970.
func (c *Calendar) Add(start time.Time, amount time.Duration) (time.Time, error) {
	switch {
	case amount < 0:
		return time.Time{}, &InvalidError{Calendar: c.spec.Name, Place: "amount", Reason: "is negative"}
	case start.Unix() < 0:
		return time.Time{}, &InvalidError{Calendar: c.spec.Name, Place: "start", Reason: "is before 1970"}
	case amount == 0:
		return start.Round(0), nil
	case start.Unix() >= endSeconds:
		return time.Time{}, &HorizonError{Calendar: c.spec.Name, Start: start, Amount: amount}
	}
	at, rest := start.UnixNano(), int64(amount)
	for k := c.eraAt(at); k < len(c.eras); k++ {
		e := c.eras[k]
		due, ok, counted := e.add(max(at, e.from), rest)
		if ok {
			return time.Unix(0, due).In(start.Location()), nil
		}
		rest -= counted
	}
	return time.Time{}, &HorizonError{Calendar: c.spec.Name, Start: start, Amount: amount, Counted: amount - time.Duration(rest)}
}

// Between returns the open time from a to b. It is negative if b is before a.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	if b.Before(a) {
		return -c.Between(b, a)
	}
	from, to := clamp(a), clamp(b)
	var sum int64
	for k := c.eraAt(from); k < len(c.eras) && c.eras[k].from < to; k++ {
		e := c.eras[k]
		sum += e.between(max(from, e.from), min(to, e.until))
	}
	return time.Duration(sum)
}

// Open reports whether the calendar is open at an instant.
func (c *Calendar) Open(at time.Time) bool {
	if s := at.Unix(); s < 0 || s >= endSeconds {
		return false
	}
	t := at.UnixNano()
	from, _, ok := c.eras[c.eraAt(t)].next(t, t+1)
	return ok && from == t
}

// Next returns the open interval at an instant, or else the next one. If the calendar is
// open, From is the instant itself. To is the time of closing, or the end of 2199 for a
// calendar that never closes. Without a next interval the error is a [*HorizonError].
func (c *Calendar) Next(at time.Time) (Interval, error) {
	from, to, ok := c.next(clamp(at), endNanos)
	if !ok {
		return Interval{}, &HorizonError{Calendar: c.spec.Name, Start: at}
	}
	return c.interval(from, to), nil
}

// Intervals yields the open intervals from a to b in order, cut to a and b.
func (c *Calendar) Intervals(a, b time.Time) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		at, end := clamp(a), clamp(b)
		for at < end {
			from, to, ok := c.next(at, end)
			if !ok || !yield(c.interval(from, to)) {
				return
			}
			at = to
		}
	}
}

// Horizon returns the end of the last open time of the calendar, and true. It returns
// false if the last version has weekly hours, and so has no end.
func (c *Calendar) Horizon() (time.Time, bool) {
	if c.eras[len(c.eras)-1].weekly {
		return time.Time{}, false
	}
	end, ok := c.last()
	return c.time(end), ok
}

// last returns the end of all open time.
func (c *Calendar) last() (int64, bool) {
	for _, e := range slices.Backward(c.eras) {
		if end, ok := e.last(); ok {
			return end, true
		}
	}
	return 0, false
}

// next returns the first open interval at or after an instant, cut to that instant and the
// limit. It joins intervals across chunks and versions.
func (c *Calendar) next(at, limit int64) (from, to int64, ok bool) {
	from, to, ok = c.part(at, limit)
	for ok && to < limit {
		more, end, found := c.part(to, limit)
		if !found || more != to {
			break
		}
		to = end
	}
	return from, to, ok
}

func (c *Calendar) part(at, limit int64) (from, to int64, ok bool) {
	for k := c.eraAt(at); k < len(c.eras) && c.eras[k].from < limit; k++ {
		e := c.eras[k]
		if from, to, ok = e.next(max(at, e.from), min(limit, e.until)); ok {
			return from, to, true
		}
	}
	return 0, 0, false
}

// eraAt returns the index of the version that is valid at an instant.
func (c *Calendar) eraAt(at int64) int {
	if len(c.eras) == 1 {
		return 0
	}
	return sort.Search(len(c.eras)-1, func(k int) bool { return c.eras[k].until > at })
}

func (c *Calendar) interval(from, to int64) Interval {
	zone := c.eras[c.eraAt(from)].zone
	return Interval{time.Unix(0, from).In(zone), time.Unix(0, to).In(zone)}
}

func (c *Calendar) time(at int64) time.Time {
	return time.Unix(0, at).In(c.eras[c.eraAt(at)].zone)
}

// clamp returns the instant in nanoseconds, limited to the years of the calendar.
func clamp(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < 0:
		return 0
	case s >= endSeconds:
		return endNanos
	}
	return t.UnixNano()
}
