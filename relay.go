package ticket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Relay says how [Desk.Run] and [Desk.Deliver] work off the outbox. Fields that
// are 0 have the defaults named.
type Relay struct {
	Lease       time.Duration // how long a claim holds, at least a second; attempts end after three quarters of it. Default: 1 minute
	Batch       int           // how many deliveries of one notifier are worked on at the same time. Default: 32
	Poll        time.Duration // how often Run looks for work that no commit of this process announced. Default: 1 second
	Backoff     time.Duration // the wait after the first failure; it doubles with each further one. Default: 5 seconds
	MaxBackoff  time.Duration // the longest wait. Default: 1 hour
	MaxAttempts int           // after so many attempts that failed, or never ended within their lease, a delivery is dead. Default: 20

	// Observe is told of the outcome of every attempt, once it is known to the
	// process: for metrics. It is called by many goroutines and must be quick.
	Observe func(ctx context.Context, d Delivery, s Settlement)
}

func (r Relay) withDefaults() (Relay, error) {
	for _, f := range []struct {
		name     string
		negative bool
	}{
		{"batch", r.Batch < 0}, {"poll", r.Poll < 0}, {"backoff", r.Backoff < 0},
		{"max_backoff", r.MaxBackoff < 0}, {"max_attempts", r.MaxAttempts < 0},
	} {
		if f.negative {
			return r, invalid("config.relay."+f.name, "must not be negative")
		}
	}
	if r.Lease != 0 && r.Lease < time.Second {
		return r, invalid("config.relay.lease", "must be at least a second")
	}
	or := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	or(&r.Lease, time.Minute)
	or(&r.Poll, time.Second)
	or(&r.Backoff, 5*time.Second)
	or(&r.MaxBackoff, time.Hour)
	if r.Batch == 0 {
		r.Batch = 32
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 20
	}
	return r, nil
}

// wait is how long to wait after so many failures: twice as long after each, up
// to the longest wait, and somewhere in the upper half of that at random, so
// that what failed together does not come again together.
func (r Relay) wait(failures int) time.Duration {
	most := r.MaxBackoff
	if shift := max(failures-1, 0); shift < 40 && r.Backoff<<shift > 0 {
		most = min(most, r.Backoff<<shift)
	}
	return most/2 + rand.N(most/2+1) //nolint:gosec // a moment to wait is no secret
}

// Delivered counts what a pass of the relay did, including outcomes that came
// too late to count, because the lease had run out.
type Delivered struct {
	Done  int // delivered
	Again int // failed, to be tried again
	Dead  int // failed for good
}

func (s *Delivered) add(o Delivered) {
	s.Done, s.Again, s.Dead = s.Done+o.Done, s.Again+o.Again, s.Dead+o.Dead
}

// Deliver works off what is due in the outbox now, for all notifiers of this
// desk at the same time, and returns when nothing is left. What fails waits for
// its next attempt, later. For hosts that have a schedule of their own; others
// call [Desk.Run]. It fails with the first error of the store.
func (d *Desk) Deliver(ctx context.Context) (Delivered, error) {
	if err := d.unbound(); err != nil {
		return Delivered{}, err
	}
	var mu sync.Mutex
	var sum Delivered
	var first error
	var wg sync.WaitGroup
	for via, n := range d.serving() {
		wg.Go(func() {
			done, err := d.drain(ctx, via, n)
			mu.Lock()
			defer mu.Unlock()
			sum.add(done)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return sum, first
}

// unbound refuses a desk that is bound to a host's transaction.
func (d *Desk) unbound() error {
	if d.bound {
		return invalid("desk", "is bound to a transaction, inside which nothing is delivered")
	}
	return nil
}

// serving returns the notifiers that this process has.
func (d *Desk) serving() map[string]Notifier {
	m := map[string]Notifier{}
	for via, n := range d.cfg.Notifiers {
		if n != nil {
			m[via] = n
		}
	}
	return m
}

// Run delivers notifications and performs what tickets do by themselves (see
// [Desk.FireTimers]) until ctx is done, and then returns its error once all
// attempts under way have ended. Work that a commit of this process makes is
// taken up at once, other work within Relay.Poll. Each notifier is served on its
// own: a slow one holds up no other. A store that is a [Maintainer] is called
// once in Relay.Poll, one call at a time. Trouble with the store is logged, and
// Run goes on.
//
// Any number of processes may run on the same store at the same time.
func (d *Desk) Run(ctx context.Context) error {
	if err := d.unbound(); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for via, n := range d.serving() {
		wg.Go(func() {
			d.every(ctx, "deliver", d.wake.next, func() error { _, err := d.drain(ctx, via, n); return err })
		})
	}
	wg.Go(func() {
		// No commit wakes this: a timer that it starts lies in the future.
		never := func() <-chan struct{} { return nil }
		d.every(ctx, "fire timers", never, func() error { _, err := d.FireTimers(ctx); return err })
	})
	if m, ok := d.store.(Maintainer); ok {
		wg.Go(func() { d.maintain(ctx, m) })
	}
	wg.Wait()
	return ctx.Err()
}

// maintain lets the store do its own work until ctx is done or there is none.
func (d *Desk) maintain(ctx context.Context, m Maintainer) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	never := func() <-chan struct{} { return nil }
	d.every(ctx, "maintain the store", never, func() error {
		err := m.Maintain(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			stop()
		}
		return err
	})
}

// every does some work at once, whenever it is woken, and at least once in
// Relay.Poll.
func (d *Desk) every(ctx context.Context, what string, wake func() <-chan struct{}, work func() error) {
	timer := time.NewTimer(d.cfg.Relay.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		woken := wake() // before the work, so that no commit is missed
		if err := work(); err != nil && ctx.Err() == nil {
			d.cfg.Logger.LogAttrs(ctx, slog.LevelError, "ticket: cannot "+what, slog.Any("error", err))
			woken = nil // a store in trouble is not pressed
		}
		timer.Reset(d.cfg.Relay.Poll)
		select {
		case <-ctx.Done():
		case <-woken:
		case <-timer.C:
		}
	}
}

// drain works off what is due for one notifier.
func (d *Desk) drain(ctx context.Context, via string, n Notifier) (Delivered, error) {
	var sum Delivered
	for {
		rows, err := d.store.Claim(ctx, ClaimRequest{Now: d.now(), Lease: d.cfg.Relay.Lease, Limit: d.cfg.Relay.Batch, Via: []string{via}})
		if err != nil {
			return sum, err
		}
		if len(rows) == 0 {
			return sum, nil
		}
		done, err := d.work(ctx, n, rows)
		sum.add(done)
		if err != nil {
			return sum, err
		}
	}
}

// work makes the deliveries of a batch: those of one ticket one after the other
// in their order, different tickets at the same time. Then it settles them. That
// is done even when ctx is cancelled meanwhile, so that what was delivered is
// not delivered again.
func (d *Desk) work(ctx context.Context, n Notifier, rows []Delivery) (Delivered, error) {
	attempt, cancel := context.WithTimeout(ctx, d.cfg.Relay.Lease/4*3)
	defer cancel()
	byTicket := map[ID][]int{}
	for i, row := range rows {
		byTicket[row.Ticket] = append(byTicket[row.Ticket], i)
	}
	settlements := make([]Settlement, len(rows))
	var wg sync.WaitGroup
	for _, list := range byTicket {
		slices.SortFunc(list, func(a, b int) int { return rows[a].ID.Compare(rows[b].ID) })
		wg.Go(func() {
			for _, i := range list {
				settlements[i] = d.attempt(attempt, n, rows[i])
			}
		})
	}
	wg.Wait()

	var sum Delivered
	for _, s := range settlements {
		switch s.Outcome {
		case Done:
			sum.Done++
		case Again:
			sum.Again++
		case GiveUp:
			sum.Dead++
		}
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.Relay.Lease/4)
	defer cancel()
	err := d.store.Settle(settle, settlements)
	if errors.Is(err, ErrClaimLost) {
		// Somebody else has taken over what took longer than the lease; the
		// recipient can tell the repeat by its ID.
		d.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "ticket: a lease ran out during delivery, it will be repeated")
		err = nil
	}
	return sum, err
}

// attempt makes one delivery and says what became of it.
func (d *Desk) attempt(ctx context.Context, n Notifier, row Delivery) Settlement {
	s := Settlement{ID: row.ID, Attempts: row.Attempts, Outcome: Done, At: d.now(), Failures: row.Failures}
	if err := ctx.Err(); err != nil { // its turn never came
		s.Outcome, s.Due, s.Error = Again, d.now(), err.Error()
		return s
	}
	note, err := d.notification(ctx, row)
	switch r := &d.cfg.Relay; {
	case err == nil && row.Attempts > r.MaxAttempts*(r.Batch+1):
		// Those before it in a batch can have cost it some of its claims, but not
		// so many: each time the outcome came too late, or never.
		err = Permanent(errors.New("claimed again and again, but no attempt ended within its lease"))
	case err == nil:
		err = call(ctx, n, note)
	case !refusalOf(err).final: // the store's trouble: the notifier was not asked
		s.Outcome, s.Due, s.Error = Again, microTime(d.now().Add(r.wait(row.Attempts))), shorten(err.Error())
		return s
	}
	if err == nil {
		return s
	}
	s.Failures++
	s.Error = shorten(err.Error())
	s.Outcome, s.Due = Again, microTime(d.now().Add(d.cfg.Relay.wait(s.Failures)))
	if refusalOf(err).final || s.Failures >= d.cfg.Relay.MaxAttempts {
		s.Outcome, s.Due = GiveUp, time.Time{}
	}
	level := slog.LevelWarn
	if s.Outcome == GiveUp {
		level = slog.LevelError
	}
	// Not the error itself: a notifier's may hold an address.
	d.cfg.Logger.LogAttrs(ctx, level, "ticket: not delivered", slog.String("id", row.ID.String()), slog.String("kind", string(row.Kind)),
		slog.String("via", row.Via), slog.Int("attempt", row.Attempts), slog.Bool("dead", s.Outcome == GiveUp))
	return s
}

// call calls a notifier; a panic in it is an error.
func call(ctx context.Context, n Notifier, note Notification) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the notifier panicked: %v", p)
		}
	}()
	return n.Notify(ctx, note)
}

// shorten bounds what is stored of an error, and makes it text that every store
// takes.
func shorten(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�")
	if len(s) <= 500 {
		return s
	}
	s = s[:500]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// timerEvent is the name of the event by which the desk stops a timer whose
// action is not possible (any more).
const timerEvent ActionName = "timer stopped"

// FireTimers performs, as the system, what tickets of all tenants do by
// themselves and is due now, and returns for how many it did. [Desk.Run] calls
// it. Where the workflow refuses the action, the timer is stopped and the
// ticket's history says why.
func (d *Desk) FireTimers(ctx context.Context) (int, error) {
	const batch = 100
	fired := 0
	var faults []error
	passed := map[Ref]bool{} // what this call has dealt with, and what it could not
	for ctx.Err() == nil {
		due, err := d.store.Due(ctx, d.now(), batch+len(passed))
		if err != nil {
			return fired, err
		}
		fresh := 0
		for _, ref := range due {
			if passed[ref] {
				continue
			}
			fresh++
			passed[ref] = true
			ok, err := d.fire(ctx, ref)
			if err != nil {
				faults = append(faults, fmt.Errorf("ticket %s: %w", ref.Ticket, err))
			}
			if ok {
				fired++
			}
		}
		if fresh == 0 || len(due) < batch {
			break
		}
	}
	return fired, errors.Join(append(faults, ctx.Err())...)
}

// fire performs what one ticket does by itself, unless somebody else did.
func (d *Desk) fire(ctx context.Context, ref Ref) (bool, error) {
	a := deskItself.In(ref.Tenant)
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
	case errors.Is(err, ErrStale), errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return false, nil // somebody acted on it, so it is not due for this any more
	case errors.Is(err, ErrWorkflow):
		return false, nil // for a desk that holds the workflow
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
	d.add(o, t, e)
	if err := d.store.Commit(ctx, o.commit); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}
