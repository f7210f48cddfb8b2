package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// stuck holds the due timers that this desk cannot fire: of workflows or service levels
// that only another desk has, of tickets that the policy hides from the desk itself, and
// of tickets that cannot be read. They stay due and come first in the list, so they are
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

// FireTimers performs everything that is due now by itself, as the system and for tickets
// of all tenants: the timed actions of the workflow, the reactions of service level
// policies at the thresholds of clocks, reminders of snoozed tickets, and the questions for
// feedback. It returns the number of tickets on which it acted. [Desk.Run] calls it. Any number of processes may
// call it at the same time: each step is done once, because a change of the ticket in
// between makes the others' attempts fail. If the workflow refuses an action, the timer is
// stopped, or the threshold counts as done, and the ticket's history gives the reason.
//
// FireTimers tries a ticket again at growing intervals of at most ten minutes if the desk
// does not have the ticket's workflow, if it has no service levels for the ticket's clocks,
// if the policy hides the ticket from [System] "desk", or if the ticket cannot be read. It
// logs the first three once an hour. All other failures are part of the error.
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
			if ok {
				fired++
			}
			if err == nil {
				d.stuck.remove(ref)
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
	case errors.Is(err, errNoLevels):
		return "it has no service levels", 1, time.Minute
	}
	return "", 4, 5 * time.Second
}

// errHidden means that the desk itself may not see a ticket.
var errHidden = errors.New("ticket: the policy hides the ticket from the desk itself")

// mostFirings limits the steps of one ticket in one turn, so that it does not keep the
// others waiting.
const mostFirings = 20

// fire performs everything that is due on one ticket, one step after the other, until
// somebody else acts on the ticket.
func (d *Desk) fire(ctx context.Context, ref Ref) (bool, error) {
	a := deskItself.InTenant(ref.Tenant)
	fired := false
	for range mostFirings {
		t, err := d.store.Ticket(ctx, ref.Tenant, ref.Ticket)
		if err != nil {
			return fired, err
		}
		now := d.now()
		at := t.Wake()
		if own := t.ownWake(); d.cfg.ServiceLevels == nil && !own.IsZero() && !own.After(now) {
			at = own // the clocks of another desk do not keep it from this
		}
		if at.IsZero() || at.After(now) {
			return fired, nil
		}
		if !d.cfg.Policy.MaySee(a, t) {
			return fired, errHidden
		}
		var ok bool
		switch {
		case at.Equal(t.Timer.At):
			ok, err = d.fireTimer(ctx, a, t, now)
		case at.Equal(t.Snoozed):
			ok, err = d.fireSnooze(ctx, t, now)
		case at.Equal(t.FeedbackDue):
			ok, err = d.fireFeedback(ctx, t, now)
		default:
			ok, err = d.fireClock(ctx, t, now)
		}
		if fired = fired || ok; !ok || err != nil {
			if _, failed := errors.AsType[*hookError](err); !failed && (errors.Is(err, ErrStale) || errors.Is(err, ErrConflict)) {
				err = nil // somebody acted on the ticket; the rest that is due comes again
			}
			return fired, err
		}
	}
	return fired, nil
}

// fireTimer performs the action of the ticket's timer.
func (d *Desk) fireTimer(ctx context.Context, a Actor, t Ticket, now time.Time) (bool, error) {
	if again, err := d.rearm(ctx, t, now); again || err != nil {
		return again, err
	}
	_, err := d.Do(ctx, a, t.ID, Action{Name: t.Timer.Action, Version: t.Version})
	_, failed := errors.AsType[*hookError](err)
	switch {
	case err == nil:
		return true, nil
	case failed:
		return false, err
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrWorkflow), errors.Is(err, ErrStale):
		return false, err
	case errors.Is(err, ErrRefused), errors.Is(err, ErrInvalid):
		return true, d.stopTimer(ctx, t, err)
	default:
		return false, err
	}
}

// rearm sets a timer that counts open hours to a later time if it is not due after all,
// because its calendar has changed. It reports whether it did.
func (d *Desk) rearm(ctx context.Context, t Ticket, now time.Time) (bool, error) {
	if t.Timer.From.IsZero() || d.cfg.ServiceLevels == nil {
		return false, nil
	}
	w, err := d.workflowOf(&t)
	if err != nil {
		return false, err
	}
	next := t.Timer
	dec := Decision{Workflow: w, levels: d.cfg.ServiceLevels}
	if err := dec.startTimer(&next, w.statuses[t.Status], t.Timer.From); err != nil || !next.At.After(now) {
		return false, err
	}
	e := clockEvent(w, &t, now)
	e.Set.Timer = &next
	return true, d.record(ctx, t, e)
}

// fireSnooze ends a snooze with a reminder.
func (d *Desk) fireSnooze(ctx context.Context, t Ticket, now time.Time) (bool, error) {
	w, err := d.workflowOf(&t)
	if err != nil {
		return false, err
	}
	e := clockEvent(w, &t, now)
	e.Set.Snoozed = new(time.Time{})
	return true, d.record(ctx, t, e)
}

// errNoLevels means that a clock needs an action and the desk has no service levels.
var errNoLevels = errors.New("ticket: the desk has no service levels")

// fireClock performs the reactions of the threshold that a clock has reached. If none is
// reached after all, it records the clocks as they are computed now.
func (d *Desk) fireClock(ctx context.Context, t Ticket, now time.Time) (bool, error) {
	if d.cfg.ServiceLevels == nil {
		return false, errNoLevels
	}
	w, err := d.workflowOf(&t)
	if err != nil {
		return false, err
	}
	var alert ClockAlert
	var reached bool
	err = hook("Config.ServiceLevels", func() error { alert, reached = d.cfg.ServiceLevels.Alert(&t, now); return nil })
	if err != nil {
		return false, err
	}
	if !reached {
		changed, err := d.refresh(ctx, &t)
		if err == nil && !changed {
			err = errors.New("ticket: Clock.Next has passed, but ServiceLevels returns no alert and changes no clock")
		}
		return changed, err
	}
	// If one reaction is not possible, the others are performed.
	refused := ""
	for _, asked := range fewer(alert) {
		var e Event
		if e, err = d.alertEvent(w, &t, asked, now); err == nil {
			e.Set.Alert = &alert
			if refused != "" {
				e.Note = Note(shorten("not done: " + refused))
			}
			err = d.record(ctx, t, e)
		}
		_, failed := errors.AsType[*hookError](err)
		if err == nil || failed || !errors.Is(err, ErrRefused) && !errors.Is(err, ErrInvalid) {
			break
		}
		refused = cmp.Or(refused, err.Error())
	}
	return err == nil, err
}

// fewer returns an alert with all its reactions, and then every choice of fewer reactions,
// in the order in which the desk tries them. The last one has none except Tell. To escalate
// matters most, then to hand over, then the priority, then the tags.
func fewer(alert ClockAlert) []ClockAlert {
	list := []ClockAlert{alert}
	less := func(has func(*ClockAlert) bool, without func(*ClockAlert)) {
		for _, a := range list {
			if has(&a) {
				without(&a)
				list = append(list, a)
			}
		}
	}
	less(func(a *ClockAlert) bool { return len(a.Tags) > 0 }, func(a *ClockAlert) { a.Tags = nil })
	less(func(a *ClockAlert) bool { return a.Raise != 0 }, func(a *ClockAlert) { a.Raise = 0 })
	less(func(a *ClockAlert) bool { return a.HandOver != "" }, func(a *ClockAlert) { a.HandOver = "" })
	less(func(a *ClockAlert) bool { return a.Escalate }, func(a *ClockAlert) { a.Escalate = false })
	return list
}

// alertEvent returns an event with the reactions of a threshold. If they only tell somebody,
// it is about the clock only.
func (d *Desk) alertEvent(w *Workflow, t *Ticket, alert ClockAlert, now time.Time) (Event, error) {
	act := Action{Note: Note(fmt.Sprintf("%s: %s (due %s)", alert.Metric, alert.Threshold, alert.Due.Format(time.RFC3339)))}
	if alert.HandOver != t.Queue {
		act.Queue = alert.HandOver
	}
	edit := Edits{Priority: alert.Raise}
	if alert.Raise <= t.Priority {
		edit.Priority = 0
	}
	for _, tag := range alert.Tags {
		if !t.HasTag(tag) {
			edit.AddTags = append(edit.AddTags, tag)
		}
	}
	edits := edit.Priority != 0 || len(edit.AddTags) > 0
	switch {
	case alert.Escalate && t.Level < w.spec.Levels: // never above the top
		act.Name = ActionEscalate
	case act.Queue != "":
		act.Name = ActionHandOver
	case edits:
		act = Action{Name: ActionEdit, Edit: &edit}
	default:
		return clockEvent(w, t, now), nil
	}
	dec := Decision{Ticket: *t, Actor: deskItself.InTenant(t.Tenant), Action: act, Now: now, levels: d.cfg.ServiceLevels}
	if err := d.may(dec.Actor, *t, act.Name); err != nil {
		return Event{}, err
	}
	e, err := w.Decide(dec)
	if err != nil {
		return Event{}, err
	}
	if edits && act.Edit == nil {
		dec.Action = Action{Name: ActionEdit, Edit: &edit}
		if err = d.may(dec.Actor, *t, ActionEdit); err == nil {
			err = w.permit(&dec)
		}
		if err == nil {
			err = dec.edit(&e)
		}
	}
	return e, err
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
	if err = d.record(ctx, t, e); errors.Is(err, ErrConflict) {
		err = nil
	}
	return err
}
