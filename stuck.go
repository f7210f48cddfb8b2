package ticket

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// stuck are the timers that are due and that this desk cannot fire: of workflows
// that another desk holds, of tickets that the policy hides from the desk itself,
// of tickets that cannot be read. They stay due and come first of all, so they are
// remembered, and each is tried again after a pause that grows.
type stuck struct {
	mu    sync.Mutex
	of    map[Ref]stuckTimer
	far   time.Time            // when to look behind all of them next, if they are many
	prune time.Time            // when to forget what has not come up again
	told  map[string]time.Time // when each reason was logged last
}

type stuckTimer struct {
	tries int
	until time.Time
	pause time.Duration
}

const (
	mostStuck    = 100_000
	manyStuck    = 10_000 // references that are read in no time
	longestStuck = 10 * time.Minute
	tellStuck    = time.Hour
	pruneStuck   = time.Minute
)

// stillAhead reports whether an instant is still to come. What is further off than it can
// be was set by a clock that has been put back since, and is not waited for.
func stillAhead(now, at time.Time, most time.Duration) bool {
	return now.Before(at) && at.Sub(now) <= most
}

// size is how many of the timers that are due need to be passed over, to see
// others; 0 where they are so many that it is too early to look again.
func (s *stuck) size(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !stillAhead(now, s.prune, pruneStuck) {
		s.prune = now.Add(pruneStuck)
		maps.DeleteFunc(s.of, func(_ Ref, t stuckTimer) bool { return now.Sub(t.until).Abs() > longestStuck })
	}
	n := len(s.of)
	if n > manyStuck {
		if stillAhead(now, s.far, mostStuck/manyStuck*time.Second) {
			return 0
		}
		s.far = now.Add(time.Duration(n/manyStuck) * time.Second)
	}
	return n
}

// waits reports whether a timer is not to be tried now.
func (s *stuck) waits(ref Ref, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stillAhead(now, s.of[ref].until, longestStuck)
}

// add remembers a timer, and reports whether there was room for it. It waits from
// the try on that is given, the first time for so long.
func (s *stuck) add(ref Ref, now time.Time, from int, first time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.of[ref]
	if !known && len(s.of) >= mostStuck {
		return false
	}
	if s.of == nil {
		s.of = map[Ref]stuckTimer{}
	}
	if t.tries++; t.tries >= from {
		t.pause = min(max(2*t.pause, first), longestStuck)
	}
	t.until = now.Add(t.pause)
	s.of[ref] = t
	return true
}

// forget is for a timer that was dealt with.
func (s *stuck) forget(ref Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, ref)
}

// tell logs, once in a while, that timers cannot be fired.
func (s *stuck) tell(ctx context.Context, log *slog.Logger, now time.Time, why string, n int, one Ref) {
	s.mu.Lock()
	at, before := s.told[why]
	quiet := before && stillAhead(now, at.Add(tellStuck), tellStuck)
	if !quiet {
		if s.told == nil {
			s.told = map[string]time.Time{}
		}
		s.told[why] = now
	}
	s.mu.Unlock()
	if !quiet {
		log.LogAttrs(ctx, slog.LevelError, "ticket: timers are due that this desk cannot fire",
			slog.String("because", why), slog.Int("tickets", n), slog.String("such as", one.Ticket.String()))
	}
}
