package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A worker delivers for one notifier in one call of Run or Deliver. It claims
// deliveries, attempts each in its own goroutine, and settles those that have ended
// while others are in flight. Relay.Batch and the notifier's limits bound how many
// are in flight. A slow attempt delays none that is claimed later.
//
// This file has the worker and one attempt: claim, begin, attempt, outcome, settle.
type worker struct {
	d        *Desk
	name     string // of the notifier
	n        Notifier
	lease    time.Duration   // longer than an attempt takes
	hurry    context.Context // done when settling must not take long any more
	busy     int             // deliveries in flight
	ended    chan Settlement // has room for all of them
	settling bool            // one call at a time; what ends meanwhile waits for the next
	settled  chan error      // what came of it
	sum      DeliveryCounts
}

// overrun is how long an attempt may continue after its context is done, and a
// settlement after hurry is done.
const overrun = time.Second

func newWorker(hurry context.Context, d *Desk, name string, n Notifier) *worker {
	width, lease := d.cfg.Relay.Batch, d.cfg.Relay.Lease
	concurrency, timeout := limitsOf(n)
	if concurrency > 0 {
		width = min(width, concurrency)
	}
	if timeout > 0 {
		lease = max(lease, min(timeout, longestLease)/3*4)
	}
	return &worker{d: d, name: name, n: n, lease: lease, hurry: hurry, ended: make(chan Settlement, width), settled: make(chan error, 1)}
}

// longestLease bounds the lease that a notifier's timeout leads to.
const longestLease = 24 * time.Hour

// room returns how many more deliveries can be in flight.
func (w *worker) room() int {
	return max(0, cap(w.ended)-max(w.busy, w.d.calls.under(w.name)))
}

// idle reports whether nothing is in flight or being settled.
func (w *worker) idle() bool { return w.busy == 0 && !w.settling }

// next is where attempts that have ended come from, when they can be settled.
func (w *worker) next() <-chan Settlement {
	if w.settling {
		return nil
	}
	return w.ended
}

// clear works until nothing is due, or until the store fails, and returns that
// error. It waits for the attempts in flight.
func (w *worker) clear(ctx context.Context) (first error) {
	for {
		freed := w.d.calls.freed.next() // before the look, so that no place is missed
		asked := 0
		if first == nil && w.room() > 0 {
			var found int
			if found, asked, first = w.claim(ctx, ctx); found > 0 && first == nil {
				continue
			}
		}
		if asked > 0 {
			freed = nil // what there was place for is not due
		}
		if w.idle() && (asked > 0 || first != nil || ctx.Err() != nil || w.d.calls.stray(w.name)) {
			return cmp.Or(first, ctx.Err())
		}
		done := ctx.Done()
		if !w.idle() {
			done = nil // what is on its way is waited for
		}
		// What is settled has perhaps freed the next in its line.
		select {
		case <-done:
		case <-freed: // by another Run or Deliver
		case s := <-w.next():
			w.settle(ctx, s)
		case err := <-w.settled:
			w.settling = false
			if first == nil {
				first = err
			}
		}
	}
}

// stay works until ctx is done, and then waits for the attempts in flight.
func (w *worker) stay(ctx, attempts context.Context) {
	poll := time.NewTimer(w.d.cfg.Relay.Poll)
	defer poll.Stop()
	var woken, freed <-chan struct{}
	look := true  // there may be something due
	rest := false // but a store in trouble is left alone until the next poll
	for {
		freed = w.d.calls.freed.next()
		if !look || rest {
			freed = nil
		}
		if look && w.room() > 0 && !rest && ctx.Err() == nil {
			woken = w.d.wake.next() // before the look, so that no commit is missed
			found, asked, err := w.claim(ctx, attempts)
			look = err != nil || found == asked
			if asked > 0 {
				freed = nil
			}
			poll.Reset(w.d.cfg.Relay.Poll)
			if err != nil && ctx.Err() == nil {
				w.d.trouble(ctx, "deliver", err)
				rest = true
			}
		}
		done := ctx.Done()
		if ctx.Err() != nil {
			if w.idle() {
				return
			}
			done = nil // known already: only what is on its way is waited for
		}
		select {
		case <-done:
		case <-woken:
			woken, look = nil, true
		case <-freed:
		case <-poll.C:
			look, rest = true, false
			poll.Reset(w.d.cfg.Relay.Poll)
		case s := <-w.next():
			w.settle(ctx, s)
		case err := <-w.settled:
			w.settling, look = false, true // it has perhaps freed the next in its line
			if err != nil {
				w.d.trouble(ctx, "settle deliveries", err)
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
// It returns how many there were, and how many were asked for.
func (w *worker) claim(ctx, attempts context.Context) (found, asked int, err error) {
	// From before the claim, so that what is made of it ends within the lease.
	attempts, cancel := context.WithTimeout(attempts, w.lease/4*3)
	b := &batch{cancel: cancel} // called by the attempt that ends last
	places := w.d.calls.reserve(w.name, cap(w.ended), cap(w.ended)-w.busy)
	var rows []Delivery
	if places > 0 {
		rows, err = w.d.store.Claim(ctx, ClaimRequest{Now: w.d.now(), Lease: w.lease, Limit: places, Notifiers: []string{w.name}})
	}
	if err != nil {
		rows = nil
	}
	w.d.calls.release(w.name, places-len(rows))
	if len(rows) == 0 {
		b.cancel()
		return 0, places, err
	}
	w.busy += len(rows)
	b.left.Store(int64(len(rows)))
	contexts := w.d.deliveryContexts(attempts, rows)
	for i := range rows {
		switch {
		case contexts[i].err == nil:
			w.begin(attempts, b, &rows[i], &contexts[i].DeliveryContext)
		case contexts[i].alone:
			w.d.calls.release(w.name, 1)
			w.end(b, w.d.failed(attempts, &rows[i], contexts[i].err))
		default:
			w.d.calls.release(w.name, 1)
			w.end(b, w.d.putOff(attempts, &rows[i], contexts[i].err))
			err = contexts[i].err
		}
	}
	return len(rows), places, err
}

// end is called once for each delivery.
func (w *worker) end(b *batch, s Settlement) {
	if b.left.Add(-1) == 0 {
		b.cancel()
	}
	w.ended <- s
}

// begin has a delivery made by a goroutine. It ends soon after ctx is done, even
// where the notifier does not return; until it does, the delivery is not begun
// again by this desk, and the place is taken.
func (w *worker) begin(ctx context.Context, b *batch, row *Delivery, about *DeliveryContext) {
	calls := w.d.calls
	switch late, entered := calls.enter(row.ID); {
	case late.Outcome != 0:
		calls.release(w.name, 1)
		w.end(b, w.d.settled(ctx, row, late))
		return
	case !entered:
		calls.release(w.name, 1)
		w.end(b, w.d.failed(ctx, row, errors.New("the attempt before has not returned")))
		return
	}
	var once sync.Once
	end := func(s func() Settlement) { once.Do(func() { w.end(b, s()) }) }
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(min(overrun, w.lease/8), func() {
			end(func() Settlement {
				calls.lose(w.name, row.ID)
				return w.d.failed(ctx, row, errors.New("the notifier does not return"))
			})
		})
	})
	go func() {
		s := func() Settlement { return w.d.failed(ctx, row, errors.New("the notifier ended its goroutine")) }
		var out Settlement
		defer func() {
			stop()
			calls.leave(w.name, row.ID, out)
			end(s)
		}()
		out = w.d.attempt(ctx, w.n, row, about)
		s = func() Settlement { return w.d.settled(ctx, row, out) }
	}()
}

// linger is how long an attempt that has ended waits for others, to be settled
// with them in one go.
const linger = time.Millisecond

// settle begins to record how attempts ended: the one given, and what ends right
// after it.
func (w *worker) settle(ctx context.Context, first Settlement) {
	list := append(make([]Settlement, 0, w.busy), first)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for waiting := true; waiting && len(list) < w.busy; {
		select {
		case s := <-w.ended:
			list = append(list, s)
		case <-timer.C:
			waiting = false
		}
	}
	w.busy -= len(list)
	for i := range list {
		w.sum.count(list[i].Outcome)
	}
	w.settling = true
	go func() {
		err := w.record(ctx, list)
		w.d.places.leave(list)
		w.settled <- err
	}()
}

// record settles deliveries. It is done even when ctx is cancelled meanwhile, and
// tried again while the lease lasts, so that what was delivered is not delivered
// again. Where the store does not take them together, each is settled by itself, so
// that one which it refuses holds up no other.
func (w *worker) record(ctx context.Context, list []Settlement) error {
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.lease/4)
	defer cancel()
	defer context.AfterFunc(w.hurry, func() { time.AfterFunc(overrun, cancel) })() //nolint:contextcheck // it only ends the one above
	// But others wait to be settled meanwhile: for a few, not as long as for the store.
	few, cancelFew := context.WithTimeout(settle, w.d.cfg.Relay.Lease/4)
	defer cancelFew()
	var refused []error
	all := len(list)
	for try := 1; ; try++ {
		err := w.d.store.Settle(settle, list)
		if err != nil && !errors.Is(err, ErrClaimLost) && (try > 1 || errors.Is(err, ErrInvalid)) {
			list, err = w.recordEach(settle, list, &refused)
		}
		wait := settle
		if len(list) < all {
			wait = few
		}
		switch {
		case errors.Is(err, ErrClaimLost):
			// Somebody else has taken over what took longer than the lease, or an
			// earlier try got through; the recipient can tell a repeat by its ID.
			if try == 1 {
				w.d.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "ticket: a lease ran out during delivery, it will be repeated")
			}
			return errors.Join(refused...)
		case err == nil, pause(wait, try+6) != nil:
			return errors.Join(append(refused, err)...)
		}
	}
}

// recordEach settles deliveries one by one, and returns those to try again with the
// first error. What the store refuses is recorded without its words: else the
// delivery would be made again when the lease is over, and again.
func (w *worker) recordEach(ctx context.Context, list []Settlement, refused *[]error) (left []Settlement, first error) {
	for i := range list {
		s := list[i : i+1]
		err := w.d.store.Settle(ctx, s)
		if errors.Is(err, ErrInvalid) {
			*refused = append(*refused, fmt.Errorf("the outcome of delivery %s: %w", s[0].ID, err))
			bare := s[0]
			bare.Error, bare.Address = "the store did not take what became of it", ""
			if err = w.d.store.Settle(ctx, []Settlement{bare}); errors.Is(err, ErrInvalid) {
				continue
			}
		}
		if err != nil && !errors.Is(err, ErrClaimLost) {
			left, first = append(left, s[0]), cmp.Or(first, err)
		}
	}
	return left, first
}

// attempt makes one delivery and returns its outcome.
func (d *Desk) attempt(ctx context.Context, n Notifier, claimed *Delivery, b *DeliveryContext) (s Settlement) {
	made := *claimed // the original is looked at by who waits for the end
	row := &made
	defer func() { s.Address = row.Address }()
	switch {
	case ctx.Err() != nil: // its turn never came
		return Settlement{Outcome: OutcomeRetry, Due: d.now(), Error: ctx.Err().Error()}
	case row.Failures >= d.cfg.Relay.MaxAttempts:
		why := "the last attempt did not end within its lease"
		if row.LastError != "" {
			why += "; before: " + row.LastError
		}
		return Settlement{Outcome: OutcomeGiveUp, Error: why}
	case !b.Found:
		return Settlement{Outcome: OutcomeGiveUp, Error: "the event to tell of is missing"}
	}
	to, concerned, err := d.present(ctx, row, b)
	switch {
	case err != nil:
		return d.later(row, err)
	case !concerned:
		return Settlement{Outcome: OutcomeSuppress, Error: "the person is not concerned with the ticket any more"}
	}
	to, why, err := d.complete(ctx, row, to)
	if err != nil {
		return d.outcome(ctx, row, err)
	}
	row.Address = row.elsewhere(to.Person)
	if why != "" {
		return Settlement{Outcome: OutcomeSuppress, Error: why}
	}
	if b.Bounced, err = d.bounced(ctx, row, b, to.Person); err != nil {
		return d.later(row, err)
	}
	if err := d.recount(ctx, row, b); err != nil {
		return d.later(row, err)
	}
	switch v := d.checkLimits(row, b, to.Person); {
	case v.wait:
		return Settlement{Outcome: OutcomeRetry, Due: d.now().Add(capWait), Error: v.why}
	case v.why != "":
		return Settlement{Outcome: OutcomeSuppress, Error: v.why}
	}
	if d.fromThere(ctx, row, b, to.Person) {
		return Settlement{Outcome: OutcomeSuppress, Error: "the words came from that mailbox"}
	}
	if d.sharesMailbox(row, b, to.Person) {
		if err := d.places.enter(ctx, row); err != nil { // its turn never came
			return Settlement{Outcome: OutcomeRetry, Due: d.now(), Error: err.Error()}
		}
		switch told, err := d.toldThere(ctx, row); {
		case err != nil:
			return d.later(row, err)
		case !told.IsZero():
			return Settlement{Outcome: OutcomeSuppress, Error: fmt.Sprintf("that mailbox was told already: see delivery %s", told)}
		}
	}
	into, err := d.into(ctx, row, b)
	if err != nil {
		return d.later(row, err)
	}
	expected, err := d.expected(ctx, row, b)
	if err != nil {
		return d.outcome(ctx, row, err)
	}
	err = safely("the notifier", func() error {
		note := d.notification(row, b, to, expected)
		note.Into = into
		return n.Notify(ctx, note)
	})
	return d.outcome(ctx, row, err)
}

// outcome returns the settlement that a notifier's error leads to.
func (d *Desk) outcome(ctx context.Context, row *Delivery, err error) Settlement {
	if err == nil {
		return Settlement{Outcome: OutcomeDone}
	}
	s := Settlement{Outcome: OutcomeRetry, Failures: row.Failures + 1, Error: textOf(err)}
	fault := DeliveryFaultOf(err)
	s.loud = fault.SenderFault
	var wait time.Duration
	if fault.MaybeDelivered {
		s.Failures, wait = d.cfg.Relay.unsure(row.Failures)
		s.Error = perhaps + ": " + s.Error
	} else {
		wait = d.cfg.Relay.wait(s.Failures)
	}
	switch {
	case fault.Bounced && row.toCustomer():
		s.Outcome = OutcomeBounce
	case fault.NotAttempted && !fault.Permanent:
		s.Failures, s.Due = row.Failures, d.now().Add(d.cfg.Relay.wait(1))
	case !fault.Permanent && !fault.MaybeDelivered && errors.Is(ctx.Err(), context.Canceled): // the process is stopping
		s.Failures, s.Due = row.Failures, d.now()
	case fault.Permanent, s.Failures >= d.cfg.Relay.MaxAttempts:
		s.Outcome = OutcomeGiveUp
	default:
		s.Due = d.now().Add(max(wait, fault.RetryAfter))
	}
	return s
}

// perhaps begins LastError once there was an attempt after which nobody knows
// whether it delivered, until it is known that one did.
const perhaps = "perhaps delivered"

// failed is the settlement of an attempt that failed outside the notifier's own
// word.
func (d *Desk) failed(ctx context.Context, row *Delivery, err error) Settlement {
	s := d.outcome(ctx, row, err)
	s.Address = row.Address
	return d.settled(ctx, row, s)
}

// later is the outcome where the notifier could not be asked, because of the
// store: it does not count as a failure.
func (d *Desk) later(row *Delivery, err error) Settlement {
	return Settlement{Outcome: OutcomeRetry, Due: d.now().Add(d.cfg.Relay.wait(row.Attempts)), Error: textOf(err)}
}

func (d *Desk) putOff(ctx context.Context, row *Delivery, err error) Settlement {
	s := d.later(row, err)
	s.Address = row.Address
	return d.settled(ctx, row, s)
}

// settled completes a settlement and tells the log and the observer.
func (d *Desk) settled(ctx context.Context, row *Delivery, s Settlement) Settlement {
	s.ID, s.Attempts, s.At = row.ID, row.Attempts, d.now()
	d.ahead.see(s.At)
	s.Failures = max(s.Failures, row.Failures)
	if s.Outcome != OutcomeDone && strings.HasPrefix(row.LastError, perhaps) && !strings.HasPrefix(s.Error, perhaps) {
		s.Error = perhaps + " before; " + s.Error
	}
	s.Due, s.Error = microTime(s.Due), shorten(s.Error)
	level, what := slog.LevelWarn, "ticket: not delivered"
	if s.loud {
		level, what = slog.LevelError, "ticket: not delivered, and the fault is on this side"
	}
	switch s.Outcome {
	case OutcomeDone:
		level, what = slog.LevelDebug, "ticket: delivered"
	case OutcomeGiveUp:
		level = slog.LevelError
	case OutcomeSuppress:
		level = slog.LevelInfo
	}
	// Not the error itself: a notifier's may hold an address. Desk.Deliveries has it.
	if d.cfg.Logger.Enabled(ctx, level) {
		d.cfg.Logger.LogAttrs(ctx, level, what, slog.String("id", row.ID.String()), slog.String("ticket", row.Ticket.String()), slog.String("kind", string(row.Kind)),
			slog.String("notifier", row.Notifier), slog.Int("attempt", row.Attempts), slog.String("state", string(s.Outcome.State())))
	}
	if d.cfg.Relay.Observe != nil {
		err := safely("Relay.Observe", func() error { d.cfg.Relay.Observe(ctx, *row, s); return nil })
		if err != nil {
			d.trouble(ctx, "observe", err)
		}
	}
	return s
}

// safely calls a function of the application and returns a panic as an error.
func safely(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", what, p)
		}
	}()
	return f()
}

// hook calls a function of the application's. Its error says which function
// failed.
func hook(what string, f func() error) error {
	var fault error
	if err := safely(what, func() error { fault = f(); return nil }); err != nil {
		return err // a panic, which says so itself
	}
	if fault != nil {
		return fmt.Errorf("%s: %w", what, fault)
	}
	return nil
}

// textOf is an error's text, even of an error that panics when it is asked.
func textOf(err error) (text string) {
	fault := safely("the error", func() error { text = err.Error(); return nil })
	if fault != nil {
		return fault.Error()
	}
	return text
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
