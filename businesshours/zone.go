package businesshours

import "time"

// period is a stretch of time with one offset from UTC, in seconds.
type period struct{ start, end, offset int64 }

// far is later, and its negative earlier, than anything that is asked.
const far int64 = 1 << 60

// periods returns the offsets of a zone, the earliest first. They are right
// between the two instants; the first and the last go on for ever.
func periods(zone *time.Location, from, to int64) []period {
	var ps []period
	for at := from; at < to; {
		t := time.Unix(at, 0).In(zone)
		_, offset := t.Zone()
		if n := len(ps); n == 0 || ps[n-1].offset != int64(offset) {
			if n > 0 {
				ps[n-1].end = at
			}
			ps = append(ps, period{at, far, int64(offset)})
		}
		_, end := t.ZoneBounds()
		switch {
		case end.IsZero():
			at = to
		case end.Unix() > at:
			at = end.Unix()
		default:
			// Package time may take a year for 365 days, and the last day of a
			// leap year for the next one. It ends at the next midnight.
			at += daySeconds - at%daySeconds
		}
	}
	ps[0].start = -far
	return ps
}

// resolve returns the instant of a local time, both in seconds, the latter as if
// it were UTC. A local time that comes twice is the first of the two; one that the
// clock skips is read with the offset before the gap (RFC 5545, section 3.3.5).
func resolve(ps []period, local int64) int64 {
	before := ps[0].offset
	for _, p := range ps {
		switch at := local - p.offset; {
		case at >= p.end:
			before = p.offset
		case at >= p.start:
			return at
		}
	}
	return local - before
}

// exists reports whether there is an instant with that date.
func exists(ps []period, day int64) bool {
	for _, p := range ps {
		if p.start+p.offset < (day+1)*daySeconds && day*daySeconds < p.end+p.offset {
			return true
		}
	}
	return false
}
