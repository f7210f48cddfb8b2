package businesshours

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// era computes with one version of the hours. Instants are nanoseconds since 1970.
type era struct {
	from, until int64 // when the version is valid; chunks are not cut there
	zone        *time.Location
	week        [7][]shift        // by day of the week
	weekly      bool              // the week has hours
	days        map[int64][]shift // the exceptions by day number; an empty list means closed
	dates       []date            // the exceptions, sorted
	chunks      [chunkCount]atomic.Pointer[chunk]
}

type date struct {
	number int64
	Day
}

// Open time is computed and cached in chunks of 400 days: short enough to compute on first
// use, and long enough that a year needs two.
const (
	chunkSeconds int64 = 400 * daySeconds
	chunkNanos         = chunkSeconds * int64(time.Second)
	chunkCount         = (endSeconds + chunkSeconds - 1) / chunkSeconds
)

// chunk is the open time of 400 days. Seconds count from its start.
type chunk struct {
	spans []span // sorted and disjoint
	total int64  // nanoseconds
}

type span struct {
	start, end uint32
	before     uint32 // open seconds of the chunk before this span
}

// chunk returns the i-th chunk. Concurrent callers may compute it twice, with equal
// results.
func (e *era) chunk(i int64) *chunk {
	c := e.chunks[i].Load()
	if c == nil {
		c = e.build(i)
		e.chunks[i].Store(c)
	}
	return c
}

// stretch is an interval of instants in seconds.
type stretch struct{ start, end int64 }

// build computes the i-th chunk.
func (e *era) build(i int64) *chunk {
	start := i * chunkSeconds
	end := min(start+chunkSeconds, endSeconds)
	// An interval that is open here can have started two dates earlier, and a local date
	// differs by up to a day from the date in UTC.
	ps := periods(e.zone, start-6*daySeconds, end+6*daySeconds)
	first, last := start/daySeconds-4, end/daySeconds+3

	at := func(day int64, s shift) stretch {
		return stretch{resolve(ps, day*daySeconds+s.from), resolve(ps, day*daySeconds+s.to)}
	}
	lo := sort.Search(len(e.dates), func(k int) bool { return e.dates[k].number >= first })
	hi := sort.Search(len(e.dates), func(k int) bool { return e.dates[k].number > last })
	excepted := make([]stretch, 0, hi-lo) // from midnight to midnight
	for _, d := range e.dates[lo:hi] {
		excepted = append(excepted, at(d.number, shift{0, daySeconds}))
	}

	var open []stretch
	for day := first; day <= last; day++ {
		week := e.week[((day+4)%7+7)%7] // 1 January 1970 was a Thursday
		if len(week) > 0 && exists(ps, day) {
			for _, s := range week {
				open = appendOutside(open, at(day, s), excepted, -1)
			}
		}
	}
	for k, d := range e.dates[lo:hi] {
		if exists(ps, d.number) {
			for _, s := range e.days[d.number] {
				open = appendOutside(open, at(d.number, s), excepted, k)
			}
		}
	}
	return newChunk(open, start, end)
}

// appendOutside appends the parts of s outside the other intervals, which are sorted. The
// interval with the index own is ignored.
func appendOutside(list []stretch, s stretch, others []stretch, own int) []stretch {
	k := sort.Search(len(others), func(k int) bool { return others[k].end > s.start })
	for ; k < len(others) && others[k].start < s.end; k++ {
		o := others[k]
		if k == own || o.start >= o.end {
			continue
		}
		if s.start < o.start {
			list = append(list, stretch{s.start, o.start})
		}
		s.start = max(s.start, o.end)
	}
	if s.start < s.end {
		list = append(list, s)
	}
	return list
}

// newChunk returns the union of the intervals, cut to the chunk.
func newChunk(open []stretch, start, end int64) *chunk {
	slices.SortFunc(open, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	c := &chunk{}
	var sum, reached uint32
	for _, s := range open {
		from, to := max(s.start, start), min(s.end, end)
		if from >= to {
			continue
		}
		a, b := uint32(from-start), uint32(to-start)
		n := len(c.spans)
		switch {
		case n == 0 || a > reached:
			c.spans = append(c.spans, span{start: a, end: b, before: sum})
			sum += b - a
		case b > reached:
			c.spans[n-1].end = b
			sum += b - reached
		}
		reached = max(reached, b)
	}
	c.spans = slices.Clip(c.spans)
	c.total = int64(sum) * int64(time.Second)
	return c
}

// after returns the index of the first span that ends after an instant of the chunk.
func (c *chunk) after(at int64) int {
	seconds := uint32(at / int64(time.Second))
	lo, hi := 0, len(c.spans)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if c.spans[mid].end > seconds {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// upTo returns the open time of the chunk before one of its instants.
func (c *chunk) upTo(at int64) int64 {
	k := c.after(at)
	if k == len(c.spans) {
		return c.total
	}
	s := c.spans[k]
	return int64(s.before)*int64(time.Second) + max(0, at-int64(s.start)*int64(time.Second))
}

// reach returns the earliest instant of the chunk by which amount of open time has passed.
// The amount is positive and at most the total.
func (c *chunk) reach(amount int64) int64 {
	lo, hi := 0, len(c.spans)-1 // find the last span that starts before the amount is reached
	for lo < hi {
		mid := int(uint(lo+hi+1) / 2)
		if int64(c.spans[mid].before)*int64(time.Second) < amount {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	s := c.spans[lo]
	return int64(s.start)*int64(time.Second) + amount - int64(s.before)*int64(time.Second)
}

// add returns the earliest instant by which amount of open time has passed since from, if
// the version is still valid then. Otherwise it returns the open time until the version
// ends.
func (e *era) add(from, amount int64) (due int64, ok bool, counted int64) {
	rest := amount
	for i := from / chunkNanos; i*chunkNanos < e.until; i++ {
		c, begin := e.chunk(i), i*chunkNanos
		var skipped int64
		if from > begin {
			skipped = c.upTo(from - begin)
		}
		if rest <= c.total-skipped {
			due = begin + c.reach(skipped+rest)
			if due <= e.until {
				return due, true, amount
			}
			break
		}
		rest -= c.total - skipped
	}
	return 0, false, e.between(from, e.until)
}

// between returns the open time from a to b, which is not before a.
func (e *era) between(a, b int64) (sum int64) {
	for i := a / chunkNanos; i*chunkNanos < b; i++ {
		c, begin := e.chunk(i), i*chunkNanos
		low, high := int64(0), c.total
		if a > begin {
			low = c.upTo(a - begin)
		}
		if b < begin+chunkNanos {
			high = c.upTo(b - begin)
		}
		sum += high - low
	}
	return sum
}

// next returns the first open interval at or after an instant and before a limit.
// Intervals are cut there and at the borders of chunks.
func (e *era) next(at, limit int64) (from, to int64, ok bool) {
	for i := at / chunkNanos; i*chunkNanos < limit; i++ {
		c, begin := e.chunk(i), i*chunkNanos
		k := c.after(max(0, at-begin))
		if k == len(c.spans) {
			continue
		}
		from = max(at, begin+int64(c.spans[k].start)*int64(time.Second))
		to = min(limit, begin+int64(c.spans[k].end)*int64(time.Second))
		return from, to, from < to
	}
	return 0, 0, false
}

// last returns the end of the last open time of the version. It does not cache: those
// years are rarely asked for.
func (e *era) last() (int64, bool) {
	for i := (e.until - 1) / chunkNanos; i >= e.from/chunkNanos; i-- {
		c, begin := e.build(i), i*chunkNanos
		for _, s := range slices.Backward(c.spans) {
			from := begin + int64(s.start)*int64(time.Second)
			to := min(e.until, begin+int64(s.end)*int64(time.Second))
			if max(from, e.from) < to {
				return to, true
			}
		}
	}
	return 0, false
}
