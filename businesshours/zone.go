package businesshours

import "time"

// period is a time with one offset from UTC. All fields are in seconds.
type period struct{ start, end, offset int64 }

// far is later than any instant in use; -far is earlier.
const far int64 = 1 << 60

// periods returns the offsets of a zone in order. They are correct between the two
// instants; the first and the last period have no end.
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
			// Package time may assume 365 days for every year, and assign the last day of
			// a leap year to the next one. The period ends at the next midnight.
			at += daySeconds - at%daySeconds
		}
	}
	ps[0].start = -far
	return ps
}

// resolve returns the instant of a local time. Both are in seconds, the local time as if
// it were UTC. A local time that occurs twice means the first occurrence; one that the
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

// exists reports whether the date has any instant.
func exists(ps []period, day int64) bool {
	for _, p := range ps {
		if p.start+p.offset < (day+1)*daySeconds && day*daySeconds < p.end+p.offset {
			return true
		}
	}
	return false
}
