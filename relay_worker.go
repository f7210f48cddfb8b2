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
// deliveries, looks up what they tell of, attempts each in its own goroutine, and
// settles those that have ended. It does these four for different deliveries at the
// same time. Relay.Batch and the notifier's limits bound how many are in flight. A
// slow attempt delays none that is claimed later.
//
// This file has the worker and one attempt: claim, begin, attempt, outcome, settle.
type worker struct {
	d        *Desk
	name     string // of the notifier
	n        Notifier
	lease    time.Duration   // longer than an attempt takes
	hurry    context.Context // done when settling must end soon
	busy     int             // deliveries in flight: claimed, and not being settled
	looking  atomic.Int64    // of these, being looked up
	lookups  int             // that have not reported
	looked   chan error      // the results of lookups; has room for all of them
	ended    chan Settlement // has room for all of them
	settling bool            // one call at a time; attempts that end during it wait for the next
	settled  chan error      // the result of settling
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
	return &worker{d: d, name: name, n: n, lease: lease, hurry: hurry, looked: make(chan error, width), ended: make(chan Settlement, width), settled: make(chan error, 1)}
}

// longestLease bounds the lease that a notifier's timeout leads to.
const longestLease = 24 * time.Hour

// room returns how many more deliveries can be in flight.
func (w *worker) room() int {
	return max(0, cap(w.ended)-max(w.busy, w.d.calls.under(w.name)))
}

// idle reports whether nothing is in flight or being settled.
func (w *worker) idle() bool { return w.busy == 0 && w.lookups == 0 && !w.settling }

// next returns the channel of ended attempts, or nil while others are being settled.
func (w *worker) next() <-chan Settlement {
	if w.settling {
		return nil
	}
	return w.ended
}

// clear works until nothing is due, or until the store fails, and returns that
// error. It waits for the attempts in flight.
func (w *worker) clear(ctx context.Context) (first error) {
	looked := func(err error) {
		w.lookups--
		first = cmp.Or(first, err)
	}
	for {
		freed := w.d.calls.freed.next() // before looking, so that no freed place is missed
		asked := 0
		select {
		case err := <-w.looked: // before another claim
			looked(err)
		default:
		}
		if first == nil && w.room() > 0 {
			var found int
			if found, asked, first = w.claim(ctx, ctx); found > 0 && first == nil {
				continue
			}
		}
		if asked > 0 {
			freed = nil // there was room, and nothing was due
		}
		if w.idle() && (asked > 0 || first != nil || ctx.Err() != nil || w.d.calls.stray(w.name)) {
			return cmp.Or(first, ctx.Err())
		}
		done := ctx.Done()
		if !w.idle() {
			done = nil // wait for the attempts in flight
		}
		// Settling a delivery perhaps frees the next one to the same recipient.
		select {
		case <-done:
		case <-freed: // by another Run or Deliver
		case err := <-w.looked:
			looked(err)
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
	look := true  // something may be due
	rest := false // after an error of the store, wait for the next poll
	looked := func(err error) {
		w.lookups--
		if err != nil && ctx.Err() == nil {
			w.d.trouble(ctx, "deliver", err)
			look, rest = true, true
		}
	}
	for {
		select {
		case err := <-w.looked: // before another claim
			looked(err)
		default:
		}
		freed = w.d.calls.freed.next()
		if !look || rest {
			freed = nil
		}
		if look && w.room() > 0 && !rest && ctx.Err() == nil {
			woken = w.d.wake.next() // before looking, so that no commit is missed
			found, asked, err := w.claim(ctx, attempts)
			look = err != nil || found == asked
			if asked > 0 {
				freed = nil
			}
			poll.Reset(w.d.cfg.Relay.Poll)
			switch {
			case err != nil && ctx.Err() == nil:
				w.d.trouble(ctx, "deliver", err)
				rest = true
			case err == nil && found > 0 && look:
				continue // the other half of the places
			}
		}
		done := ctx.Done()
		if ctx.Err() != nil {
			if w.idle() {
				return
			}
			done = nil // known already: only wait for the attempts in flight
		}
		select {
		case <-done:
		case <-woken:
			woken, look = nil, true
		case <-freed:
		case <-poll.C:
			look, rest = true, false
			poll.Reset(w.d.cfg.Relay.Poll)
		case err := <-w.looked:
			looked(err)
		case s := <-w.next():
			w.settle(ctx, s)
		case err := <-w.settled:
			w.settling, look = false, true // this perhaps freed the next delivery to a recipient
			if err != nil {
				w.d.trouble(ctx, "settle deliveries", err)
			}
		}
	}
}

// batch is the result of one claim.
type batch struct {
	cancel context.CancelFunc // of all its attempts
	left   atomic.Int64       // attempts that have not ended
}

// claim claims due deliveries, and begins to look up what they tell of. It returns
// how many it found and how many it asked for: at most half of the places, so that
// one batch is claimed or settled while another is looked up.
func (w *worker) claim(ctx, attempts context.Context) (found, asked int, err error) {
	// Start the timeout before the claim, so that the attempts end within the lease.
	attempts, cancel := context.WithTimeout(attempts, w.lease/4*3)
	b := &batch{cancel: cancel} // called by the attempt that ends last
	width := cap(w.ended)
	places := w.d.calls.reserve(w.name, width, min(width-w.busy, (width+1)/2))
	var rows []Delivery
	if places > 0 {
		// A claim that takes longer than its lease is worth nothing, and a database that hangs may
		// never answer.
		within, end := context.WithTimeout(ctx, w.lease)
		rows, err = w.d.store.Claim(within, ClaimRequest{Now: w.d.now(), Lease: w.lease, Limit: places, Notifiers: []string{w.name}})
		end()
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
	w.looking.Add(int64(len(rows)))
	w.lookups++
	b.left.Store(int64(len(rows)))
	go w.lookUp(ctx, attempts, b, rows)
	return len(rows), places, err
}

// lookUp looks up what the deliveries of a batch tell of, and begins their attempts.
// Those that it cannot look up end, and all of them if work is done meanwhile. It
// first reports the error of a store that failed.
func (w *worker) lookUp(work, ctx context.Context, b *batch, rows []Delivery) {
	contexts := w.d.deliveryContexts(ctx, rows)
	w.looking.Add(int64(-len(rows)))
	var err error
	for _, c := range contexts {
		if c.err != nil && !c.alone {
			err = c.err
		}
	}
	w.looked <- err // before any of them ends and makes room for a claim
	for i := range rows {
		switch {
		case work.Err() != nil: // its turn never came
			w.d.calls.release(w.name, 1)
			s := Settlement{State: DeliveryPending, Due: w.d.now(), Address: rows[i].Address, Error: work.Err().Error()}
			w.end(b, w.d.settled(ctx, &rows[i], s))
		case contexts[i].err == nil:
			w.begin(ctx, b, &rows[i], contexts[i].DeliveryContext)
		case contexts[i].alone:
			w.d.calls.release(w.name, 1)
			w.end(b, w.d.failed(ctx, &rows[i], contexts[i].err))
		default:
			w.d.calls.release(w.name, 1)
			w.end(b, w.d.putOff(ctx, &rows[i], contexts[i].err))
		}
	}
}

// end is called once for each delivery.
func (w *worker) end(b *batch, s Settlement) {
	if b.left.Add(-1) == 0 {
		b.cancel()
	}
	w.ended <- s
}

// begin attempts a delivery in a goroutine of its own. The attempt ends soon after
// ctx is done, even if the notifier does not return. Until the notifier returns,
// this desk does not attempt the delivery again, and the place stays taken.
func (w *worker) begin(ctx context.Context, b *batch, row *Delivery, about *DeliveryContext) {
	calls := w.d.calls
	switch late, entered := calls.enter(row.ID); {
	case late.State != "":
		calls.release(w.name, 1)
		w.end(b, w.d.settled(ctx, row, late))
		return
	case !entered:
		calls.release(w.name, 1)
		w.end(b, w.d.failed(ctx, row, errors.New("the previous attempt has not returned")))
		return
	}
	var once sync.Once
	end := func(s func() Settlement) { once.Do(func() { w.end(b, s()) }) }
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(min(overrun, w.lease/8), func() {
			end(func() Settlement {
				calls.lose(w.name, row.ID)
				return w.d.failed(ctx, row, errors.New("the notifier did not return in time"))
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

// linger is how long an ended attempt waits for others to be settled with it.
const linger = time.Millisecond

// settle begins to record the outcome of an attempt, together with those that end
// right after it. It does not wait for a batch that is being looked up.
func (w *worker) settle(ctx context.Context, first Settlement) {
	list := append(make([]Settlement, 0, w.busy), first)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for waiting := true; waiting && len(list) < w.busy-int(w.looking.Load()); {
		select {
		case s := <-w.ended:
			list = append(list, s)
		case <-timer.C:
			waiting = false
		}
	}
	w.busy -= len(list)
	for i := range list {
		w.sum.count(list[i].State)
	}
	w.settling = true
	go func() {
		err := w.record(ctx, list)
		w.d.mailboxes.release(list)
		w.settled <- err
	}()
}

// record settles deliveries. It continues when ctx is cancelled and retries while
// the lease lasts, so that a delivery that was made is not repeated. If the store
// refuses the list, each delivery is settled by itself, so that a refused one does
// not hold up the others.
func (w *worker) record(ctx context.Context, list []Settlement) error {
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.lease/4)
	defer cancel()
	defer context.AfterFunc(w.hurry, func() { time.AfterFunc(overrun, cancel) })() //nolint:contextcheck // it only cancels the context above
	// Other deliveries wait to be settled: limit the time for a few refused ones to
	// less than for a failing store.
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
			// Another process has taken over a delivery that took longer than its
			// lease, or an earlier try succeeded. The recipient recognizes a repeat
			// by its ID.
			if try == 1 {
				w.d.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "ticket: a lease ran out during delivery, the delivery will be repeated")
			}
			return errors.Join(refused...)
		case err == nil, pause(wait, try+6) != nil:
			return errors.Join(append(refused, err)...)
		}
	}
}

// recordEach settles deliveries one by one. It returns those to try again, and the
// first error. An outcome that the store refuses is recorded without its texts;
// otherwise the delivery would be repeated each time its lease runs out.
func (w *worker) recordEach(ctx context.Context, list []Settlement, refused *[]error) (left []Settlement, first error) {
	for i := range list {
		s := list[i : i+1]
		err := w.d.store.Settle(ctx, s)
		if errors.Is(err, ErrInvalid) {
			*refused = append(*refused, fmt.Errorf("the outcome of delivery %s: %w", s[0].ID, err))
			bare := s[0]
			bare.Error, bare.Address = "the store refused the outcome", ""
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
	made := *claimed // another goroutine reads the original
	row := &made
	defer func() { s.Address = row.Address }()
	switch {
	case ctx.Err() != nil: // its turn never came
		return Settlement{State: DeliveryPending, Due: d.now(), Error: ctx.Err().Error()}
	case row.Failures >= d.cfg.Relay.MaxAttempts:
		why := "the last attempt did not end within its lease"
		if row.LastError != "" {
			why += "; before: " + row.LastError
		}
		return Settlement{State: DeliveryDead, Error: why}
	case !b.Found:
		return Settlement{State: DeliveryDead, Error: "the event to tell of is missing"}
	}
	to, concerned, err := d.present(ctx, row, b)
	switch {
	case err != nil:
		return d.later(row, err)
	case !concerned:
		return Settlement{State: DeliverySuppressed, Error: "the person is not concerned with the ticket any more"}
	}
	if why := row.obsolete(b, to.Role); why != "" {
		return Settlement{State: DeliverySuppressed, Error: why}
	}
	to, why, err := d.complete(ctx, row, to)
	if err != nil {
		return d.outcome(ctx, row, err)
	}
	row.Address = row.elsewhere(to.Person)
	if why != "" {
		return Settlement{State: DeliverySuppressed, Error: why}
	}
	if b.Bounced, err = d.bounced(ctx, row, b, to.Person); err != nil {
		return d.later(row, err)
	}
	if err := d.recount(ctx, row, b); err != nil {
		return d.later(row, err)
	}
	v := d.checkLimits(row, b, to.Person)
	if v.why == "" {
		if v, err = d.feedbackOnce(ctx, row); err != nil {
			return d.later(row, err)
		}
	}
	switch {
	case v.wait && v.why != "":
		return Settlement{State: DeliveryPending, Due: d.now().Add(capWait), Error: v.why}
	case v.why != "":
		return Settlement{State: DeliverySuppressed, Error: v.why}
	}
	if d.fromThere(ctx, row, b, to.Person) {
		return Settlement{State: DeliverySuppressed, Error: "the words came from that mailbox"}
	}
	if d.sharesMailbox(row, b, to.Person) {
		if err := d.mailboxes.reserve(ctx, row); err != nil { // its turn never came
			return Settlement{State: DeliveryPending, Due: d.now(), Error: err.Error()}
		}
		switch earlier, err := d.deliveredThere(ctx, row); {
		case err != nil:
			return d.later(row, err)
		case !earlier.IsZero():
			return Settlement{State: DeliverySuppressed, Error: fmt.Sprintf("this mailbox was already notified: see delivery %s", earlier)}
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
	answers, err := d.answers(ctx, row, b, to.Person)
	if err != nil {
		return d.later(row, err)
	}
	err = safely("the notifier", func() error {
		note := d.notification(row, b, to, expected)
		note.Into, note.Answers = into, answers
		return n.Notify(ctx, note)
	})
	return d.outcome(ctx, row, err)
}

// outcome returns the settlement that a notifier's error leads to.
func (d *Desk) outcome(ctx context.Context, row *Delivery, err error) Settlement {
	if err == nil {
		return Settlement{State: DeliverySent}
	}
	s := Settlement{State: DeliveryPending, Failures: row.Failures + 1, Error: textOf(err)}
	fault := DeliveryFaultOf(err)
	s.loud = fault.SenderFault
	if e, ok := errors.AsType[loggable](err); ok {
		s.cause = slog.AnyValue(e).Resolve().String()
	}
	var wait time.Duration
	if fault.MaybeDelivered {
		s.Failures, wait = d.cfg.Relay.unsure(row.Failures)
		s.Error = perhaps + ": " + s.Error
	} else {
		wait = d.cfg.Relay.wait(s.Failures)
	}
	switch {
	case fault.Bounced && row.toCustomer():
		s.State = DeliveryBounced
	case fault.NotAttempted && !fault.Permanent:
		s.Failures, s.Due = row.Failures, d.now().Add(d.cfg.Relay.wait(1))
	case !fault.Permanent && !fault.MaybeDelivered && errors.Is(ctx.Err(), context.Canceled): // the process is stopping
		s.Failures, s.Due = row.Failures, d.now()
	case fault.Permanent, s.Failures >= d.cfg.Relay.MaxAttempts:
		s.State = DeliveryDead
	default:
		s.Due = d.now().Add(max(wait, fault.RetryAfter))
	}
	return s
}

// loggable is an error that says what of it may be logged.
type loggable interface {
	error
	slog.LogValuer
}

// perhaps is the beginning of LastError after an attempt that perhaps delivered,
// until an attempt has delivered for certain.
const perhaps = "perhaps delivered"

// failed returns the settlement of an attempt that failed without an error of the
// notifier.
func (d *Desk) failed(ctx context.Context, row *Delivery, err error) Settlement {
	s := d.outcome(ctx, row, err)
	s.Address = row.Address
	return d.settled(ctx, row, s)
}

// later returns the settlement of an attempt that did not reach the notifier because
// of the store. It does not count as a failure.
func (d *Desk) later(row *Delivery, err error) Settlement {
	return Settlement{State: DeliveryPending, Due: d.now().Add(d.cfg.Relay.wait(row.Attempts)), Error: textOf(err)}
}

func (d *Desk) putOff(ctx context.Context, row *Delivery, err error) Settlement {
	s := d.later(row, err)
	s.Address = row.Address
	return d.settled(ctx, row, s)
}

// settled completes a settlement, and passes it to the log and the observer.
func (d *Desk) settled(ctx context.Context, row *Delivery, s Settlement) Settlement {
	s.ID, s.Attempts, s.At = row.ID, row.Attempts, d.now()
	d.ahead.see(s.At)
	s.Failures = max(s.Failures, row.Failures)
	if s.State != DeliverySent && strings.HasPrefix(row.LastError, perhaps) && !strings.HasPrefix(s.Error, perhaps) {
		s.Error = perhaps + " before; " + s.Error
	}
	s.Due, s.Error = microTime(s.Due), shorten(s.Error)
	level, what := slog.LevelWarn, "ticket: not delivered"
	if s.loud {
		level, what = slog.LevelError, "ticket: not delivered, and the fault is on this side"
	}
	switch s.State {
	case DeliverySent:
		level, what = slog.LevelDebug, "ticket: delivered"
	case DeliveryDead:
		level = slog.LevelError
	case DeliverySuppressed:
		level = slog.LevelInfo
	}
	// A notifier's error may contain an address. So the log has what the error itself gives to
	// it, and Desk.Deliveries has the rest.
	if d.cfg.Logger.Enabled(ctx, level) {
		about := []slog.Attr{
			slog.String("id", row.ID.String()), slog.String("ticket", row.Ticket.String()), slog.String("kind", string(row.Kind)),
			slog.String("notifier", row.Notifier), slog.Int("attempt", row.Attempts), slog.String("state", string(s.State)),
		}
		if s.cause != "" {
			about = append(about, slog.String("cause", s.cause))
		}
		d.cfg.Logger.LogAttrs(ctx, level, what, about...)
	}
	if d.cfg.Relay.Observe != nil {
		err := safely("Relay.Observe", func() error { d.cfg.Relay.Observe(ctx, *row, s); return nil })
		if err != nil {
			d.trouble(ctx, "observe", err)
		}
	}
	return s
}

// safely calls a function of your application and returns a panic as an error.
func safely(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", what, p)
		}
	}()
	return f()
}

// hook calls a function of your application. Its error names the function that
// failed.
func hook(what string, f func() error) error {
	var fault error
	if err := safely(what, func() error { fault = f(); return nil }); err != nil {
		return err // a panic; the error names the function already
	}
	if fault != nil {
		return &hookError{fmt.Errorf("%s: %w", what, fault)}
	}
	return nil
}

// hookError is the failure of a function of Config. It says nothing about the action,
// even if it is one of the categories of this package.
type hookError struct{ error }

func (e *hookError) Unwrap() error { return e.error }

// textOf returns an error's text, even if its Error method panics.
func textOf(err error) (text string) {
	fault := safely("the error", func() error { text = err.Error(); return nil })
	if fault != nil {
		return fault.Error()
	}
	return text
}

// shorten bounds the length of an error's text and makes it valid for every store.
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
