package ticket

import "time"

// Stores keep the times of the years 1 to 9999, in UTC. Other times have no form in
// RFC 3339, and their microseconds since 1970 overflow on some systems. The first
// microsecond is the zero time, which means none.
var (
	firstTime = time.Time{}.Add(time.Microsecond)
	endOfTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// checkTimes returns an [*InvalidError] for the first time that stores do not keep.
// The zero time is allowed.
func checkTimes(list ...namedTime) error {
	for _, n := range list {
		if t := n.at; !t.IsZero() && (t.Before(firstTime) || !t.Before(endOfTime)) {
			return invalid(n.field, "must be in the years 1 to 9999")
		}
	}
	return nil
}

// A namedTime is a time and the name of its field.
type namedTime struct {
	field string
	at    time.Time
}

// The times of tickets are between epoch and lastTime. A clock is believed up to
// lastNow, which leaves room for the times that the desk computes from it: leases,
// timers, links.
var (
	epoch    = time.Unix(0, 0).UTC()
	lastTime = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC)
	lastNow  = time.Date(9900, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// holds reports whether a ticket can have this time.
func holds(t time.Time) bool { return !t.Before(epoch) && !t.After(lastTime) }

// time returns a time as tickets store it.
func (c *check) time(field string, t time.Time) time.Time {
	if t = microTime(t); !t.IsZero() && !holds(t) {
		c.fail(field, "must be in the years 1970 to 9999")
	}
	return t
}

// nearest returns the time between first and last that is nearest to t, as tickets
// store it.
func nearest(t, first, last time.Time) time.Time {
	switch t = microTime(t); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	default:
		return t
	}
}

// microTime returns a time as tickets store it: in UTC, in whole microseconds,
// without a monotonic reading.
func microTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
