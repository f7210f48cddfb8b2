package ticket

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Relay configures how [Desk.Run] and [Desk.Deliver] process the outbox. A
// zero field has its default.
type Relay struct {
	Lease       time.Duration // how long a claim holds, at least a second, and longer for a [LimitedNotifier] that states a longer timeout; attempts end after three quarters of it. Default: 1 minute
	Batch       int           // the most deliveries of one notifier that a desk attempts at the same time. Default: 64, claimed in halves
	Poll        time.Duration // how often Run looks for work that no commit of this process announced. Default: 1 second
	Backoff     time.Duration // the wait after the first failure; it doubles with each further one. Default: 5 seconds
	MaxBackoff  time.Duration // the longest wait. Default: 1 hour
	MaxAttempts int           // a delivery is dead after this many attempts that failed or did not end within their lease. Default: 170, about five days with the default waits

	// Observe is called with the outcome of every attempt, for metrics. It is called
	// by many goroutines and must return quickly. Nil: nothing is called.
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
	if r.Batch > MaxLimit {
		return r, invalid("config.relay.batch", "must be at most %d", MaxLimit)
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
		r.Batch = 64
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 170 // RFC 5321, section 4.5.4.1, wants four to five days
	}
	r.MaxAttempts = min(r.MaxAttempts, math.MaxInt32) // what every store can count to
	return r, nil
}

// wait returns how long to wait after this many failures. The wait doubles with each
// failure up to MaxBackoff. A random part of its upper half spreads out deliveries
// that failed together.
func (r Relay) wait(failures int) time.Duration {
	most := r.MaxBackoff
	if shift := max(failures-1, 0); shift < 40 && r.Backoff<<shift > 0 {
		most = min(most, r.Backoff<<shift)
	}
	return upper(most)
}

// upper returns a random duration between half of the given one and all of it.
func upper(most time.Duration) time.Duration {
	return most/2 + rand.N(most/2+1) //nolint:gosec // a wait is not a secret
}

// mostUnsure limits the attempts that perhaps delivered. Each of them counts as so
// many failures that the last one ends the delivery.
const mostUnsure = 5

// unsure returns the number of failures, and the wait, after an attempt that perhaps
// delivered. The waits are two, 24 and then 48 times MaxBackoff. The first is not
// longer because later deliveries to the recipient wait as well.
func (r Relay) unsure(failures int) (int, time.Duration) {
	share := (r.MaxAttempts-1)/mostUnsure + 1
	times := [...]int{2, 24, 48}[min(failures/share, 2)]
	return failures + min(share, max(r.MaxAttempts-failures, 1)), upper(time.Duration(times) * min(r.MaxBackoff, math.MaxInt64/time.Duration(times)))
}

// DeliveryCounts counts what a pass of the relay did, including outcomes that came
// too late to count, because the lease had run out.
type DeliveryCounts struct {
	Done       int // delivered
	Again      int // failed, to be tried again
	Dead       int // failed for good, bounces included
	Suppressed int // not sent on purpose
}

func (s *DeliveryCounts) count(state DeliveryState) {
	switch state {
	case DeliverySent:
		s.Done++
	case DeliveryPending:
		s.Again++
	case DeliveryDead, DeliveryBounced:
		s.Dead++
	case DeliverySuppressed:
		s.Suppressed++
	}
}

// Deliver attempts all deliveries that are due now, for all notifiers at the same
// time, and returns when none is left. Failed deliveries wait for their next
// attempt. Deliver is for applications with their own schedule; others call
// [Desk.Run].
//
// Deliver skips deliveries that other calls of Run and Deliver have claimed. All
// calls of a desk share Relay.Batch; if notifier calls that do not return fill it,
// Deliver leaves the rest. It returns the first error of the store.
func (d *Desk) Deliver(ctx context.Context) (DeliveryCounts, error) {
	if err := d.unbound(); err != nil {
		return DeliveryCounts{}, err
	}
	var mu sync.Mutex
	var sum DeliveryCounts
	var first error
	var wg sync.WaitGroup
	if err := d.rescheduleAhead(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		first = err
	}
	for name, n := range d.serving() {
		wg.Go(func() {
			w := newWorker(context.WithoutCancel(ctx), d, name, n)
			err := w.clear(ctx)
			mu.Lock()
			defer mu.Unlock()
			sum = DeliveryCounts{sum.Done + w.sum.Done, sum.Again + w.sum.Again, sum.Dead + w.sum.Dead, sum.Suppressed + w.sum.Suppressed}
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return sum, first
}

// unbound returns an error if the desk is bound to a transaction.
func (d *Desk) unbound() error {
	if d.bound {
		return invalid("desk", "is bound to a transaction, inside which nothing is delivered")
	}
	return nil
}

// serving returns the notifiers of this process.
func (d *Desk) serving() map[string]Notifier {
	m := map[string]Notifier{}
	for name, n := range d.cfg.Notifiers {
		if n != nil {
			m[name] = n
		}
	}
	return m
}

// Run delivers notifications and fires timers (see [Desk.FireTimers]) until ctx is
// done. It then cancels the attempts in flight, waits until they have ended and are
// settled, and returns ctx's error. A notifier that ignores its context is given a
// second. [Desk.Shutdown] lets attempts finish first.
//
// Run starts at once on work that a commit of this process creates, and on work of
// other processes if the store is a [Listener]. It finds other work within
// Relay.Poll. A slow notifier delays no other notifier, and a slow delivery no
// other recipient. Run calls a [Maintainer] once every Relay.Poll, one call at a
// time. Once an hour it does the other work of [Desk.Upkeep], and brings forward
// deliveries that a clock that was ahead has put off (see [Rescheduler]).
// Errors of the store are logged, and Run continues.
//
// Any number of processes may run on the same store at the same time.
func (d *Desk) Run(ctx context.Context) error {
	if err := d.unbound(); err != nil {
		return err
	}
	attempts, cancel := context.WithCancel(ctx)
	defer cancel()
	hurry, push := context.WithCancel(context.WithoutCancel(ctx))
	defer push()
	kill := func() { cancel(); push() }
	work, stop := context.WithCancel(ctx)
	defer stop()
	ended, shut := d.runs.begin(stop, kill)
	if shut {
		return nil
	}
	defer ended()
	var wg sync.WaitGroup
	for name, n := range d.serving() {
		wg.Go(func() { newWorker(hurry, d, name, n).stay(work, attempts) })
	}
	wg.Go(func() {
		// No commit wakes this: a timer that a commit starts is due in the future.
		d.every(work, "fire timers", func() error { _, err := d.FireTimers(work); return err })
	})
	if m, ok := d.store.(Maintainer); ok {
		wg.Go(func() { d.serve(work, maintenance, m.Maintain) })
	}
	for _, c := range d.chores() {
		wg.Go(func() { d.serve(work, c.what, d.hourly(c.do)) })
	}
	if _, ok := d.store.(Rescheduler); ok {
		wg.Go(func() {
			d.serve(work, "bring forward what waits for a clock that was ahead", d.rescheduleAhead)
		})
	}
	wg.Go(func() {
		defer d.hear(work)()
		<-work.Done()
	})
	wg.Wait()
	return ctx.Err()
}

// Shutdown ends every [Desk.Watch] and every [Desk.Run] of this desk. No more attempts begin, and those in
// flight may finish until ctx is done. They are then cancelled, and will be tried
// again. Shutdown returns at most two seconds after that, with ctx's error if it had
// to cancel. Run returns nil, and does so at once if it is called again. All other
// methods of the desk still work.
func (d *Desk) Shutdown(ctx context.Context) error {
	d.watching.shutdown()
	return d.runs.shutdown(ctx)
}

// Wake makes the relay of this process look for work at once, and [Desk.Watch] for changes.
// The desk calls it after its own commits. Your application calls it after it has committed a
// transaction that the desk was bound to with [Desk.WithStore].
func (d *Desk) Wake() {
	d.wake.all()
	d.watching.all()
}

// ears listens to the commits of other processes, with one call of Listen for all who need it.
type ears struct {
	mu   sync.Mutex
	n    int
	stop func()
}

// hear begins to listen, if the store can, and returns the function that ends it.
func (d *Desk) hear(ctx context.Context) (leave func()) {
	l, ok := d.store.(Listener)
	if !ok {
		return func() {}
	}
	e := d.ears
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n++; e.n == 1 {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		e.stop = func() { cancel(); <-done }
		go func() {
			defer close(done)
			d.serve(ctx, "listen for other processes", func(ctx context.Context) error { return l.Listen(ctx, d.Wake) })
		}()
	}
	return func() {
		e.mu.Lock()
		e.n--
		stop := e.stop
		if e.n > 0 {
			stop = func() {}
		}
		e.mu.Unlock()
		stop()
	}
}

// runs tracks the active calls of Run.
type runs struct {
	mu    sync.Mutex
	shut  bool
	alive map[*run]bool
}

type run struct {
	stop, kill context.CancelFunc
	done       chan struct{}
}

func (r *runs) begin(stop, kill context.CancelFunc) (ended func(), shut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return nil, true
	}
	one := &run{stop, kill, make(chan struct{})}
	if r.alive == nil {
		r.alive = map[*run]bool{}
	}
	r.alive[one] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.alive, one)
		close(one.done)
	}, false
}

func (r *runs) shutdown(ctx context.Context) (err error) {
	r.mu.Lock()
	r.shut = true
	alive := slices.Collect(maps.Keys(r.alive))
	r.mu.Unlock()
	for _, one := range alive {
		one.stop()
	}
	// Cancel all of them at the same time, so that they end at the same time.
	defer context.AfterFunc(ctx, func() {
		for _, one := range alive {
			one.kill()
		}
	})()
	for _, one := range alive {
		select {
		case <-one.done:
			continue
		default:
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			err = ctx.Err()
			<-one.done
		}
	}
	return err
}

// serve runs the store's own work until ctx is done or the store has none.
func (d *Desk) serve(ctx context.Context, what string, work func(context.Context) error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.every(ctx, what, func() error {
		err := work(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			stop()
		}
		return err
	})
}

// every calls work at once, and then once every Relay.Poll.
func (d *Desk) every(ctx context.Context, what string, work func() error) {
	timer := time.NewTimer(d.cfg.Relay.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		if err := work(); err != nil && ctx.Err() == nil {
			d.trouble(ctx, what, err)
		}
		timer.Reset(d.cfg.Relay.Poll)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

func (d *Desk) trouble(ctx context.Context, what string, err error) {
	d.cfg.Logger.LogAttrs(ctx, slog.LevelError, "ticket: cannot "+what, slog.Any("error", err))
}
