package ticket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A courier works for one notifier: it claims deliveries, has each made by a
// goroutine of its own, and settles those that have ended. At most Relay.Batch
// are on their way at a time, and one that takes long holds up none that is
// claimed later.
type courier struct {
	d     *Desk
	via   string
	n     Notifier
	busy  int             // deliveries on their way
	ended chan Settlement // has room for all of them
	sum   Delivered
}

func newCourier(d *Desk, via string, n Notifier) *courier {
	return &courier{d: d, via: via, n: n, ended: make(chan Settlement, d.cfg.Relay.Batch)}
}

// clear works until nothing is due, and returns the store's error that ended it
// before.
func (c *courier) clear(ctx context.Context) error {
	for {
		found, err := c.claim(ctx, ctx)
		if err == nil && found {
			continue
		}
		if c.busy == 0 {
			return err
		}
		// What ended has perhaps freed the next in its line; after an error, what
		// is under way is still brought to its end.
		if settled := c.settle(ctx, <-c.ended); err == nil {
			err = settled
		}
		if err != nil {
			for c.busy > 0 {
				_ = c.settle(ctx, <-c.ended) // the first error tells enough
			}
			return err
		}
	}
}

// stay works until ctx is done, and waits for what is on its way then.
func (c *courier) stay(ctx, attempts context.Context) {
	poll := time.NewTimer(c.d.cfg.Relay.Poll)
	defer poll.Stop()
	pressed := false // a store in trouble is left alone for a while
	for ctx.Err() == nil || c.busy > 0 {
		woken := c.d.wake.next() // before the look, so that no commit is missed
		if ctx.Err() == nil && !pressed {
			found, err := c.claim(ctx, attempts)
			if pressed = err != nil && ctx.Err() == nil; pressed {
				c.d.trouble(ctx, "deliver", err)
			}
			if found && c.busy < cap(c.ended) {
				continue
			}
		}
		done := ctx.Done()
		if ctx.Err() != nil {
			done = nil // known already: only what is on its way is waited for
		}
		if pressed || c.busy == cap(c.ended) {
			woken = nil
		}
		if !pressed {
			poll.Reset(c.d.cfg.Relay.Poll)
		}
		select {
		case <-done:
		case <-woken:
		case <-poll.C:
			if pressed {
				poll.Reset(c.d.cfg.Relay.Poll)
			}
			pressed = false
		case s := <-c.ended:
			if err := c.settle(ctx, s); err != nil {
				c.d.trouble(ctx, "settle deliveries", err)
			}
		}
	}
}

// batch is what came of one claim.
type batch struct {
	cancel context.CancelFunc // of all its attempts
	left   atomic.Int64       // that have not ended
}

// claim takes what is due, as much as there is room for, and sets it on its way.
// It reports whether there was anything.
func (c *courier) claim(ctx, attempts context.Context) (bool, error) {
	room := cap(c.ended) - c.busy
	if room == 0 {
		return false, nil
	}
	r := &c.d.cfg.Relay
	// From before the claim, so that what is made of it ends within the lease.
	attempts, cancel := context.WithTimeout(attempts, r.Lease/4*3)
	b := &batch{cancel: cancel} // by whoever ends last
	rows, err := c.d.store.Claim(ctx, ClaimRequest{Now: c.d.now(), Lease: r.Lease, Limit: room, Via: []string{c.via}})
	if err != nil || len(rows) == 0 {
		b.cancel()
		return false, err
	}
	c.busy += len(rows)
	briefs, err := c.d.briefs(attempts, rows)
	b.left.Store(int64(len(rows)))
	for i := range rows {
		go func() {
			var s Settlement
			if err != nil {
				s = c.d.putOff(&rows[i], err)
			} else {
				s = c.d.attempt(attempts, c.n, &rows[i], &briefs[i])
			}
			if b.left.Add(-1) == 0 {
				b.cancel()
			}
			c.ended <- s
		}()
	}
	return true, err
}

// linger is how long an attempt that has ended waits for others, to be settled
// with them in one go.
const linger = time.Millisecond

// settle records how attempts ended: the one given, and what ends right after
// it. It is done even when ctx is cancelled meanwhile, and tried again while the
// lease lasts, so that what was delivered is not delivered again.
func (c *courier) settle(ctx context.Context, first Settlement) error {
	list := append(make([]Settlement, 0, c.busy), first)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for waiting := true; waiting && len(list) < c.busy; {
		select {
		case s := <-c.ended:
			list = append(list, s)
		case <-timer.C:
			waiting = false
		}
	}
	c.busy -= len(list)
	for i := range list {
		c.sum.count(list[i].Outcome)
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.d.cfg.Relay.Lease/4)
	defer cancel()
	for try := 1; ; try++ {
		err := c.d.store.Settle(settle, list)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrClaimLost):
			// Somebody else has taken over what took longer than the lease, or an
			// earlier try got through; the recipient can tell a repeat by its ID.
			if try == 1 {
				c.d.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "ticket: a lease ran out during delivery, it will be repeated")
			}
			return nil
		case errors.Is(err, ErrInvalid) || pause(settle, try+6) != nil:
			return err
		}
	}
}

// attempt makes one delivery and says what became of it.
func (d *Desk) attempt(ctx context.Context, n Notifier, row *Delivery, b *Brief) Settlement {
	var profile Profile
	var err error
	switch {
	case ctx.Err() != nil: // its turn never came
		return d.settled(ctx, row, Settlement{Outcome: Again, Due: d.now(), Error: ctx.Err().Error()})
	case row.Failures >= d.cfg.Relay.MaxAttempts:
		why := "the last attempt did not end within its lease"
		if row.LastError != "" {
			why += "; before: " + row.LastError
		}
		return d.settled(ctx, row, Settlement{Outcome: GiveUp, Error: why})
	case !b.Found:
		return d.settled(ctx, row, Settlement{Outcome: GiveUp, Error: "the event to tell of is missing"})
	}
	if why := d.hold(row, b); why != "" {
		return d.settled(ctx, row, Settlement{Outcome: Suppress, Error: why})
	}
	if d.cfg.Profile != nil && row.Kind != KindEvent {
		err = safely("the profile", func() (err error) {
			profile, err = d.cfg.Profile(ctx, row.Tenant, row.To, row.Kind)
			return err
		})
		if err != nil {
			return d.putOff(row, fmt.Errorf("who the recipient is cannot be told: %w", err))
		}
		if profile.Unwanted {
			return d.settled(ctx, row, Settlement{Outcome: Suppress, Error: "the recipient does not want to be told this"})
		}
	}
	err = safely("the notifier", func() error { return n.Notify(ctx, d.notification(row, b, &profile)) })
	if err == nil {
		return d.settled(ctx, row, Settlement{Outcome: Done})
	}
	s := Settlement{Outcome: Again, Failures: row.Failures + 1, Error: err.Error()}
	switch refusal := refusalOf(err); {
	case refusal.bounced && d.guarded(row):
		s.Outcome = BounceBack
	case !refusal.final && errors.Is(ctx.Err(), context.Canceled): // the process is stopping
		s.Failures, s.Due = row.Failures, d.now()
	case refusal.final, s.Failures >= d.cfg.Relay.MaxAttempts:
		s.Outcome = GiveUp
	default:
		s.Due = d.now().Add(max(d.cfg.Relay.wait(s.Failures), refusal.wait))
	}
	return d.settled(ctx, row, s)
}

// putOff is the outcome where the notifier could not be asked, because of the
// store or the host: it does not count as a failure.
func (d *Desk) putOff(row *Delivery, err error) Settlement {
	return Settlement{ID: row.ID, Attempts: row.Attempts, Outcome: Again, At: d.now(), Failures: row.Failures,
		Due: microTime(d.now().Add(d.cfg.Relay.wait(row.Attempts))), Error: shorten(err.Error())}
}

// settled completes a settlement and tells the log and the observer.
func (d *Desk) settled(ctx context.Context, row *Delivery, s Settlement) Settlement {
	s.ID, s.Attempts, s.At = row.ID, row.Attempts, d.now()
	s.Failures = max(s.Failures, row.Failures)
	s.Due, s.Error = microTime(s.Due), shorten(s.Error)
	level, what := slog.LevelWarn, "ticket: not delivered"
	switch s.Outcome {
	case Done:
		level = slog.LevelDebug
		what = "ticket: delivered"
	case GiveUp, BounceBack:
		level = slog.LevelError
	case Suppress:
		level = slog.LevelInfo
	}
	// Not the error itself: a notifier's may hold an address.
	if d.cfg.Logger.Enabled(ctx, level) {
		d.cfg.Logger.LogAttrs(ctx, level, what, slog.String("id", row.ID.String()), slog.String("kind", string(row.Kind)),
			slog.String("via", row.Via), slog.Int("attempt", row.Attempts), slog.String("outcome", s.Outcome.String()))
	}
	if d.cfg.Relay.Observe != nil {
		d.cfg.Relay.Observe(ctx, *row, s)
	}
	return s
}

// safely calls the host's code; a panic in it is an error.
func safely(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", what, p)
		}
	}()
	return f()
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
