package ticket

import "time"

// The times that stores keep: of the years 1 to 9999, in UTC. Beyond them RFC 3339
// has no form, and microseconds since 1970 overflow somewhere. The first
// microsecond is that of the zero time, which stands for none.
var (
	firstTime = time.Time{}.Add(time.Microsecond)
	endOfTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// checkTimes reports the first of the times that no store keeps as an
// [*InvalidError]. The zero time is none, and passes.
func checkTimes(list ...namedTime) error {
	for _, n := range list {
		if t := n.at; !t.IsZero() && (t.Before(firstTime) || !t.Before(endOfTime)) {
			return invalid(n.field, "must lie in the years 1 to 9999")
		}
	}
	return nil
}

// A namedTime is a time and the field it is given in.
type namedTime struct {
	field string
	at    time.Time
}
