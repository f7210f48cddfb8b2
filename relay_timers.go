package ticket

import (
	"context"
	"errors"
	"fmt"
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
	far   time.Time            // when to look past all of them next, if they are many
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

// timerEvent is the name of the event by which the desk stops a timer whose
// action is not possible (any more).
const timerEvent ActionName = "timer stopped"

// FireTimers performs, as the system, what tickets of all tenants do by
// themselves and is due now, and returns for how many it did. [Desk.Run] calls
// it. Where the workflow refuses the action, the timer is stopped and the
// ticket's history says why.
//
// What the desk cannot fire (it does not hold the ticket's workflow, the policy
// hides the ticket from [System] "desk", the ticket cannot be read) is tried again
// less and less often, up to every ten minutes. The first two are logged once an
// hour; everything else is part of the error.
func (d *Desk) FireTimers(ctx context.Context) (int, error) {
	const batch = 100
	fired, lost := 0, 0
	var faults []error
	passed := map[Ref]bool{} // what this call has dealt with, and what it could not
	ours := map[string][]Ref{}
	for ctx.Err() == nil && lost < batch {
		now := d.now()
		limit := batch + len(passed) + d.stuck.size(now)
		due, err := d.store.Due(ctx, now, limit)
		if err != nil {
			faults = append(faults, err)
			break
		}
		fresh := 0
		for _, ref := range due {
			if passed[ref] || d.stuck.waits(ref, now) {
				continue
			}
			if ctx.Err() != nil {
				break
			}
			fresh++
			passed[ref] = true
			ok, err := d.fire(ctx, ref)
			if err == nil {
				d.stuck.forget(ref)
				if ok {
					fired++
				}
				continue
			}
			why, from, pause := cannotFire(err)
			if ctx.Err() == nil && !d.stuck.add(ref, now, from, pause) {
				lost++
			}
			if why != "" {
				ours[why] = append(ours[why], ref)
			} else {
				faults = append(faults, fmt.Errorf("ticket %s: %w", ref.Ticket, err))
			}
		}
		if fresh == 0 || len(due) < limit {
			break
		}
	}
	for _, why := range sortedKeys(ours) {
		d.stuck.tell(ctx, d.cfg.Logger, d.now(), why, len(ours[why]), ours[why][0])
	}
	return fired, errors.Join(append(faults, ctx.Err())...)
}

// cannotFire says of an error of fire whether it lies in the desk's configuration,
// which is for its log, and from which try on there is a pause, and which. Trouble
// with the store passes: only what it brings again and again lies in the ticket.
func cannotFire(err error) (why string, from int, pause time.Duration) {
	switch {
	case errors.Is(err, ErrWorkflow):
		return "it does not hold their workflow", 1, time.Minute
	case errors.Is(err, errHidden):
		return "the policy hides them from it", 1, time.Minute
	}
	return "", 4, 5 * time.Second
}

// errHidden is that the desk itself may not see a ticket.
var errHidden = errors.New("ticket: the policy hides it from the desk itself")

// fire performs what one ticket does by itself, unless somebody else did.
func (d *Desk) fire(ctx context.Context, ref Ref) (bool, error) {
	a := deskItself.InTenant(ref.Tenant)
	t, err := d.store.Ticket(ctx, ref.Tenant, ref.Ticket)
	if err != nil {
		return false, err
	}
	if t.Timer.IsZero() || t.Timer.At.After(d.now()) {
		return false, nil
	}
	_, err = d.Do(ctx, a, t.ID, Action{Name: t.Timer.Action, Version: t.Version})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrStale), errors.Is(err, ErrConflict):
		return false, nil // somebody acted on it, so it is not due for this any more
	case errors.Is(err, ErrNotFound) && !d.cfg.Policy.MaySee(a, t):
		return false, errHidden
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrWorkflow):
		return false, err
	case errors.Is(err, ErrRefused), errors.Is(err, ErrInvalid):
		return true, d.stopTimer(ctx, t, err)
	default:
		return false, err
	}
}

// stopTimer ends a timer that leads nowhere, so that it does not come up again
// and again, and records why.
func (d *Desk) stopTimer(ctx context.Context, t Ticket, why error) error {
	w, err := d.workflowOf(&t)
	if err != nil {
		return err
	}
	e := ownEvent(w, &t, timerEvent, d.now())
	e.Set.Timer = &Timer{}
	e.Note = Note(shorten(fmt.Sprintf("%s was due, but: %v", t.Timer.Action, why)))
	o := newOutcome()
	defer o.release()
	o.ctx = ctx
	d.add(o, t, e)
	err = o.fault
	if err == nil {
		err = d.store.Commit(ctx, o.commit)
	}
	if err == nil && len(o.commit.Deliveries) > 0 {
		d.wake.all()
	}
	if errors.Is(err, ErrConflict) {
		err = nil
	}
	return err
}
