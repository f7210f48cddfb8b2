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

// stuck holds the due timers that this desk cannot fire: of workflows that only
// another desk has, of tickets that the policy hides from the desk itself, and of
// tickets that cannot be read. They stay due and come first in the list, so they are
// remembered. Each is tried again after a growing pause.
type stuck struct {
	mu     sync.Mutex
	of     map[Ref]stuckTimer
	far    time.Time            // if there are many: when to read past all of them again
	prune  time.Time            // when to remove entries that did not come up again
	logged map[string]time.Time // when each reason was logged last
}

type stuckTimer struct {
	tries int
	until time.Time
	pause time.Duration
}

const (
	mostStuck    = 100_000
	manyStuck    = 10_000 // references that are read quickly
	longestStuck = 10 * time.Minute
	tellStuck    = time.Hour
	pruneStuck   = time.Minute
)

// stillAhead reports whether an instant is in the future, but by no more than most. No
// instant is set further ahead than that: if one is, the clock has been set back since.
func stillAhead(now, at time.Time, most time.Duration) bool {
	return now.Before(at) && at.Sub(now) <= most
}

// size returns how many due timers to pass over to see others. Zero means that there
// are so many that it is too early to look again.
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

// waits reports whether a timer must not be tried now.
func (s *stuck) waits(ref Ref, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stillAhead(now, s.of[ref].until, longestStuck)
}

// add remembers a timer that could not be fired and reports whether there was room
// for it. The first tries have no pause after them. The pause after try number "from"
// is the duration "first". It doubles with each further try, up to longestStuck.
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

// remove removes a timer that was handled.
func (s *stuck) remove(ref Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, ref)
}

// tell logs at intervals that timers cannot be fired.
func (s *stuck) tell(ctx context.Context, log *slog.Logger, now time.Time, why string, n int, one Ref) {
	s.mu.Lock()
	at, before := s.logged[why]
	quiet := before && stillAhead(now, at.Add(tellStuck), tellStuck)
	if !quiet {
		if s.logged == nil {
			s.logged = map[string]time.Time{}
		}
		s.logged[why] = now
	}
	s.mu.Unlock()
	if !quiet {
		log.LogAttrs(ctx, slog.LevelError, "ticket: timers are due that this desk cannot fire",
			slog.String("because", why), slog.Int("tickets", n), slog.String("such as", one.Ticket.String()))
	}
}

// timerEvent is the name of the event by which the desk stops a timer whose action
// is not possible, or no longer possible.
const timerEvent ActionName = "timer stopped"

// FireTimers performs the timed actions that are due now, as the system and for
// tickets of all tenants. It returns the number of tickets on which it acted.
// [Desk.Run] calls it. If the workflow refuses the action, the timer is stopped, and
// the ticket's history gives the reason.
//
// Timers that the desk cannot fire are tried again at growing intervals of at most
// ten minutes: the desk does not have the ticket's workflow, the policy hides the
// ticket from [System] "desk", or the ticket cannot be read. The first two are
// logged once an hour. All other failures are part of the error.
func (d *Desk) FireTimers(ctx context.Context) (int, error) {
	const batch = 100
	fired, lost := 0, 0
	var faults []error
	passed := map[Ref]bool{} // timers that this call has handled or could not fire
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
				d.stuck.remove(ref)
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

// cannotFire classifies an error of fire. If the desk's configuration is the cause,
// why is the reason for the log. from and pause are for stuck.add: an error of the
// store usually passes, so only an error that repeats makes the timer wait.
func cannotFire(err error) (why string, from int, pause time.Duration) {
	switch {
	case errors.Is(err, ErrWorkflow):
		return "it does not hold their workflow", 1, time.Minute
	case errors.Is(err, errHidden):
		return "the policy hides them from it", 1, time.Minute
	}
	return "", 4, 5 * time.Second
}

// errHidden means that the desk itself may not see a ticket.
var errHidden = errors.New("ticket: the policy hides the ticket from the desk itself")

// fire performs the due action of one ticket, unless somebody acted on the ticket
// before.
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
	_, failed := errors.AsType[*hookError](err)
	switch {
	case err == nil:
		return true, nil
	case failed:
		return false, err
	case errors.Is(err, ErrStale), errors.Is(err, ErrConflict):
		return false, nil // somebody acted on the ticket, so this timer is no longer due
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

// stopTimer stops a timer whose action is refused, so that it does not become due
// again, and records the reason.
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
