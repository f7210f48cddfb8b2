package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// limits are the limits that a notifier states.
type limits struct {
	concurrency int
	timeout     time.Duration
}

// limited is a notifier that states its limits and counts its calls.
type limited struct {
	limits
	notify func(ctx context.Context, n ticket.Notification) error

	mu        sync.Mutex
	now, most int
	calls     int
}

func (p *limited) Limits() (concurrency int, timeout time.Duration) { return p.concurrency, p.timeout }

// seen returns the most calls of Notify at one time, and all.
func (p *limited) seen() (most, calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most, p.calls
}

func (p *limited) Notify(ctx context.Context, n ticket.Notification) error {
	p.mu.Lock()
	p.now++
	p.calls++
	if p.now > p.most {
		p.most = p.now
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	return p.notify(ctx, n)
}

// takes returns a notifier's function that takes the duration d.
func takes(d time.Duration) func(context.Context, ticket.Notification) error {
	return func(ctx context.Context, _ ticket.Notification) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// An attempt begins when its notifier has a place for it, and then has the whole
// timeout that the notifier states, even with a backlog.
func TestAnAttemptHasAllOfItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		limits limits
		takes  time.Duration
		most   int // at the same time
		calls  int // zero means as many as notifications
	}{
		"as many as it takes at once": {limits{4, 0}, 7 * time.Second, 4, 0},
		"one":                         {limits{1, 0}, 40 * time.Second, 1, 0},
		"no more than the batch":      {limits{1000, 0}, 7 * time.Second, 64, 0},
		"says nothing":                {limits{}, 7 * time.Second, 64, 0},
		"longer than the lease":       {limits{4, 10 * time.Minute}, 9 * time.Minute, 4, 0},
		"longer than it says":         {limits{4, 2 * time.Minute}, 5 * time.Minute, 4, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &limited{limits: c.limits, notify: takes(c.takes)}
				desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler),
					Notifiers: map[string]ticket.Notifier{"mail": n}})
				require.NoError(t, err)
				for i := range 50 {
					_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "s"})
					require.NoError(t, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 100*c.takes+time.Minute)
				defer cancel()
				require.ErrorIs(t, desk.Run(ctx), context.DeadlineExceeded)
				require.Equal(t, c.most, n.most)
				if c.calls < 0 {
					require.Greater(t, n.calls, 100)
				} else {
					require.Equal(t, 100, n.calls)
				}
			})
		})
	}
}

// Calls that hang take the places of their notifier in all calls of Run and Deliver,
// and there are never more of them than places.
func TestCallsThatHangAreBounded(t *testing.T) {
	for name, heeds := range map[string]bool{"and heed no context": false, "until their context ends": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				n := &limited{notify: func(ctx context.Context, _ ticket.Notification) error {
					if !heeds {
						ctx = context.WithoutCancel(ctx)
					}
					select {
					case <-release:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}}
				fine := &limited{notify: takes(0)}
				desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler),
					Notifiers: map[string]ticket.Notifier{"hook": n, "mail": fine}, Relay: ticket.Relay{Batch: 8}})
				require.NoError(t, err)
				for i := range 100 {
					_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "s"})
					require.NoError(t, err)
				}
				var wg sync.WaitGroup
				for range 30 { // on a schedule that does not wait for the previous call
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					wg.Go(func() {
						defer cancel()
						_, _ = desk.Deliver(ctx)
					})
					time.Sleep(10 * time.Second)
				}
				most, _ := n.seen()
				require.Equal(t, 8, most)
				_, calls := fine.seen()
				require.Equal(t, 200, calls)
				close(release)
				wg.Wait()
				for range 3 {
					time.Sleep(time.Hour)
					_, err = desk.Deliver(t.Context())
					require.NoError(t, err)
				}
				page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySent}, Limit: 1000})
				require.NoError(t, err)
				require.Len(t, page.Deliveries, 400)
				most, _ = n.seen()
				require.Equal(t, 8, most)
			})
		})
	}
}

// A delivery that perhaps was made is tried again rarely and late, its history says
// so, and it ends after days.
func TestPerhapsDeliveredIsTriedRarely(t *testing.T) {
	tries := 0
	var err error
	n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { tries++; return err })
	k := newKit(t, func(cfg *ticket.Config) { cfg.Notifiers = map[string]ticket.Notifier{"mail": n} })
	err = &ticket.DeliveryFault{Err: errors.New("no answer"), MaybeDelivered: true}
	k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "Done."})
	row := func() ticket.Delivery {
		return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
	}
	begin, at := k.clock.Now(), []time.Duration{}
	for ; !row().State.Settled(); k.clock.Set(row().Due) {
		before := tries
		k.deliver()
		if tries > before {
			at = append(at, k.clock.Now().Sub(begin))
		}
		require.Contains(t, row().Report(nil), "perhaps delivered: no answer")
	}
	require.Len(t, at, 5)
	require.GreaterOrEqual(t, at[1], time.Hour)
	require.GreaterOrEqual(t, at[2], 12*time.Hour)
	require.GreaterOrEqual(t, at[3], 36*time.Hour)
	require.GreaterOrEqual(t, at[4], 60*time.Hour)
	require.Equal(t, ticket.DeliveryDead, row().State)
	require.Contains(t, row().Report(nil), "given up")
}

// With any MaxAttempts, a delivery that perhaps was made is tried a few times, and
// every store can hold the failures that each attempt counts for.
func TestPerhapsDeliveredWithAnyMaxAttempts(t *testing.T) {
	for _, c := range []struct{ most, tries int }{{1, 1}, {2, 2}, {5, 5}, {6, 3}, {1000, 5}, {math.MaxInt32, 5}, {math.MaxInt, 5}} {
		made := 0
		n := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.Kind != ticket.KindReceived {
				return nil
			}
			made++
			return &ticket.DeliveryFault{Err: errors.New("no answer"), MaybeDelivered: true}
		})
		k := newKit(t, func(cfg *ticket.Config) {
			cfg.Notifiers, cfg.Relay.MaxAttempts = map[string]ticket.Notifier{"mail": n}, c.most
		})
		k.open(lin, ticket.Draft{Requester: ada.Person})
		row := func() ticket.Delivery {
			return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
		}
		for range 100 {
			if row().State.Settled() {
				break
			}
			k.clock.Set(row().Due)
			k.deliver()
			require.LessOrEqual(t, row().Failures, math.MaxInt32)
		}
		require.Equal(t, c.tries, made, c.most)
	}
}

// Another failure does not remove "perhaps delivered".
func TestPerhapsDeliveredBefore(t *testing.T) {
	var err error
	n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return err })
	k := newKit(t, func(cfg *ticket.Config) { cfg.Notifiers = map[string]ticket.Notifier{"mail": n} })
	k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "Done."})
	row := func() ticket.Delivery {
		return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
	}
	for _, c := range []struct {
		err error
		is  string
	}{
		{&ticket.DeliveryFault{Err: errors.New("no answer"), MaybeDelivered: true}, "perhaps delivered: no answer"},
		{errors.New("refused"), "perhaps delivered before; refused"},
		{errors.New("down"), "perhaps delivered before; down"},
		{nil, ""},
	} {
		err = c.err
		k.clock.Set(row().Due)
		k.deliver()
		require.Equal(t, c.is, row().LastError)
	}
	require.Equal(t, ticket.DeliverySent, row().State)
}

// If a process stops during a delivery that perhaps is made, the next attempt is
// late.
func TestStoppedWhilePerhapsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := ticket.NotifierFunc(func(ctx context.Context, _ ticket.Notification) error {
			<-ctx.Done()
			return &ticket.DeliveryFault{Err: ctx.Err(), MaybeDelivered: true}
		})
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": n}})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { time.Sleep(time.Second / 2); cancel() }()
		require.ErrorIs(t, desk.Run(ctx), context.Canceled)
		page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{})
		require.NoError(t, err)
		for _, d := range page.Deliveries {
			require.Equal(t, ticket.DeliveryPending, d.State)
			require.Greater(t, time.Until(d.Due), 50*time.Minute)
		}
	})
}

// An attempt that never began does not count as a failure.
func TestAnAttemptThatNeverBegan(t *testing.T) {
	busy := 300
	n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error {
		if busy--; busy > 0 {
			return &ticket.DeliveryFault{Err: errors.New("no room"), NotAttempted: true}
		}
		return nil
	})
	k := newKit(t, func(cfg *ticket.Config) { cfg.Notifiers = map[string]ticket.Notifier{"mail": n} })
	k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "Done."})
	begin := k.clock.Now()
	row := func() ticket.Delivery {
		return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
	}
	for row().State == ticket.DeliveryPending {
		require.Zero(t, row().Failures)
		k.clock.Advance(5 * time.Second)
		k.deliver()
	}
	require.Equal(t, ticket.DeliverySent, row().State)
	require.Less(t, k.clock.Now().Sub(begin), time.Hour)
}

// A failing delivery is tried for days before it is dead.
func TestGivingUpTakesDays(t *testing.T) {
	n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return errors.New("connection refused") })
	k := newKit(t, func(cfg *ticket.Config) { cfg.Notifiers = map[string]ticket.Notifier{"mail": n} })
	k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "Done."})
	begin := k.clock.Now()
	row := func() ticket.Delivery {
		return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
	}
	longest := time.Duration(0)
	for !row().State.Settled() {
		if wait := row().Due.Sub(k.clock.Now()); wait > longest {
			longest = wait
		}
		k.clock.Set(row().Due)
		k.deliver()
	}
	require.Greater(t, k.clock.Now().Sub(begin), 4*24*time.Hour)
	require.Less(t, k.clock.Now().Sub(begin), 6*24*time.Hour)
	require.LessOrEqual(t, longest, time.Hour, "when it can be reached again, nothing waits longer")
}

// A fault of the sender is logged as an error at every attempt.
func TestAnOwnFaultIsLoud(t *testing.T) {
	for own, level := range map[bool]string{true: "level=ERROR", false: "level=WARN"} {
		var log bytes.Buffer
		err := errors.New("5.7.1 not as this sender")
		if own {
			err = &ticket.DeliveryFault{Err: err, SenderFault: true}
		}
		n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return err })
		k := newKit(t, func(cfg *ticket.Config) {
			cfg.Notifiers = map[string]ticket.Notifier{"mail": n}
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "Done."})
		k.deliver()
		require.Equal(t, 1, strings.Count(log.String(), level), log.String())
		require.NotContains(t, log.String(), "5.7.1", "the server's words may hold an address")
		require.Equal(t, ticket.DeliveryPending, k.deliveries(ticket.DeliveryQuery{})[0].State)
	}
}

// refusing is a store that refuses the outcome of some deliveries.
type refusing struct {
	ticket.Store

	refuses func(s ticket.Settlement) error
	settled int // calls
}

func (r *refusing) Settle(ctx context.Context, list []ticket.Settlement) error {
	r.settled++
	for _, s := range list {
		if err := r.refuses(s); err != nil {
			return err
		}
	}
	return r.Store.Settle(ctx, list)
}

// An outcome that the store refuses leaves no other unsettled, and its own delivery
// is not repeated without end.
func TestARefusedOutcomeHoldsUpNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		all  bool // every outcome of it is refused
		left int  // that stay claimed
	}{
		"its words":          {&ticket.InvalidError{Field: "settlement.error", Reason: "is no good"}, false, 0},
		"it as it is":        {&ticket.InvalidError{Field: "settlement", Reason: "is no good"}, true, 1},
		"for another reason": {errors.New("ERROR: value violates check constraint"), true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := map[string]int{}
				var mu sync.Mutex
				n := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
					mu.Lock()
					calls[n.To.Person.ID]++
					mu.Unlock()
					time.Sleep(time.Second) // so that they end together
					if n.To.Person.ID == "3" {
						return &ticket.DeliveryFault{Err: errors.New("bad words"), Permanent: true}
					}
					return nil
				})
				store := &refusing{Store: memstore.New()}
				store.refuses = func(s ticket.Settlement) error {
					if s.State == ticket.DeliveryDead && (c.all || s.Error == "bad words") {
						return c.err
					}
					return nil
				}
				desk, err := ticket.NewDesk(store, ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": n}})
				require.NoError(t, err)
				for i := range 10 {
					_, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ticket.Person{ID: fmt.Sprint(i)}, Subject: "s", Solution: "x"})
					require.NoError(t, err)
				}
				_, err = desk.Deliver(t.Context())
				require.ErrorIs(t, err, c.err)
				page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{})
				require.NoError(t, err)
				states, told := map[ticket.DeliveryState]int{}, map[string]bool{}
				for _, d := range page.Deliveries {
					states[d.State]++
					if d.State == ticket.DeliverySent {
						told[d.To.Person.ID] = true
					}
				}
				require.Equal(t, c.left, states[ticket.DeliveryClaimed])
				require.Equal(t, 1-c.left, states[ticket.DeliveryDead])
				// At least the first delivery to each recipient is sent, and the
				// second if it was claimed before the store refused the outcome.
				require.Len(t, told, 9)
				require.NotContains(t, told, "3")
			})
		})
	}
}

// The outcome of an abandoned call counts if it delivered or perhaps delivered: the
// next attempt is not made, or is made late.
func TestACallThatReturnsLate(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		calls int // at the end of an hour
		state ticket.DeliveryState
	}{
		"and has delivered":         {nil, 1, ticket.DeliverySent},
		"and perhaps has delivered": {&ticket.DeliveryFault{Err: errors.New("no answer"), MaybeDelivered: true}, 1, ticket.DeliveryPending},
		"and has failed":            {errors.New("refused"), 2, ticket.DeliverySent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				n := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
					if n.Kind != ticket.KindReceived {
						return nil
					}
					if calls++; calls > 1 {
						return nil
					}
					time.Sleep(2 * time.Minute)
					return c.err
				})
				desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": n}})
				require.NoError(t, err)
				_, err = desk.Open(t.Context(), lin, ticket.Draft{Requester: ada.Person, Subject: "s"})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
				defer cancel()
				require.ErrorIs(t, desk.Run(ctx), context.DeadlineExceeded)
				page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})
				require.NoError(t, err)
				require.Equal(t, c.state, page.Deliveries[0].State)
				require.Equal(t, c.calls, calls)
			})
		})
	}
}
