package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// lazyStore is slow to claim and to settle.
type lazyStore struct {
	ticket.Store

	claiming, settling time.Duration
}

func (s lazyStore) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	select {
	case <-time.After(s.claiming):
		return s.Store.Claim(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s lazyStore) Settle(ctx context.Context, list []ticket.Settlement) error {
	time.Sleep(s.settling)
	return s.Store.Settle(ctx, list)
}

// A relay that is stopped while it looks for work does not wait for the next look.
func TestShutdownDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
		desk, err := ticket.NewDesk(lazyStore{Store: memstore.New(), claiming: 10 * time.Second}, ticket.Config{
			Notifiers: map[string]ticket.Notifier{"mail": quiet}, Relay: ticket.Relay{Poll: time.Hour},
		})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(t.Context()) }()
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
		require.Zero(t, time.Since(begin))
	})
}

// While some deliveries are settled, the next ones are attempted. The second
// delivery to a recipient begins after the first is settled.
func TestSettleInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var called []time.Duration
		quiet := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.To.Role == ticket.RoleRequester {
				called = append(called, time.Since(begin).Round(100*time.Millisecond))
			}
			return nil
		})
		desk, err := ticket.NewDesk(lazyStore{Store: memstore.New(), settling: time.Second}, ticket.Config{
			Notifiers: map[string]ticket.Notifier{"mail": quiet}, Relay: ticket.Relay{Batch: 1, Poll: time.Hour},
		})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1)
		for i := range 3 {
			tk, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ticket.Person{ID: "ada"}, Subject: "No ink", Message: "None."})
			require.NoError(t, err)
			if i == 0 {
				_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Look again."})
				require.NoError(t, err)
			}
			time.Sleep(time.Millisecond) // so that their order is known
		}
		begin = time.Now()
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, ticket.DeliveryCounts{Done: 7}, sum)
		require.Len(t, called, 4)
		require.Less(t, time.Since(begin), 8*time.Second)
	})
}

// Attempts that hang hold up no other delivery, and Shutdown returns by its
// deadline.
func TestAttemptsThatHangLeaveRoomForOthersAndForShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var good atomic.Int64
		n := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if strings.HasPrefix(n.To.Person.ID, "hang") {
				<-release
				return nil
			}
			good.Add(1)
			return nil
		})
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": n}, Relay: ticket.Relay{Poll: 20 * time.Second}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		for _, id := range []string{"hang1", "hang2"} {
			_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: id}), ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		before := good.Load()
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		ok := good.Load() > before
		// Shutdown with a deadline
		sctx, scancel := context.WithTimeout(t.Context(), time.Minute)
		defer scancel()
		var shut atomic.Bool
		go func() { _ = desk.Shutdown(sctx); shut.Store(true) }()
		time.Sleep(time.Hour)
		sok := shut.Load()
		close(release)
		cancel()
		require.NoError(t, <-done)
		synctest.Wait()
		require.True(t, ok, "two poisoned deliveries hold up all others")
		require.True(t, sok, "Shutdown outlives its deadline")
	})
}

// Deliver returns although a notifier calls runtime.Goexit.
func TestANotifierThatEndsItsGoroutineHasFailed(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { runtime.Goexit(); return nil })
	k.open(ada, ticket.Draft{})
	done := make(chan struct{})
	go func() { defer close(done); _, _ = k.desk.Deliver(context.WithoutCancel(t.Context())) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatal("Deliver never returns")
	}
}

// hollowError panics in Error when it is nil.
type hollowError struct{ s string }

func (e *hollowError) Error() string { return e.s }

// A panic in a function of your application is an error, both in the relay and in a
// decision.
func TestPanicsOfTheApplicationAreErrors(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Relay.Observe = func(context.Context, ticket.Delivery, ticket.Settlement) { panic("observe") }
		c.ExtraRecipients = func(_ context.Context, _ ticket.Ticket, kind ticket.Kind) ([]ticket.Recipient, error) {
			if kind == ticket.KindClosed {
				panic("copies")
			}
			return nil, nil
		}
		c.Expected = func(_ context.Context, t ticket.Ticket) (time.Time, error) {
			if t.Subject == "expected" {
				panic("expected")
			}
			return time.Time{}, nil
		}
	})
	k.sent.FailWith(func(ticket.Notification) error { var e *hollowError; return e })
	tk := k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
	k.sent.FailWith(nil)
	k.open(ada, ticket.Draft{Subject: "expected"})
	did, err = k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1, Again: 1}, did)

	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(confirmWindow)
	_, err = k.desk.FireTimers(t.Context())
	require.ErrorContains(t, err, "Config.ExtraRecipients panicked")
	require.Equal(t, ticket.StatusResolved, k.get(tk).Status, "nobody is left out in silence")
}

// A claim that the store does not answer ends with its lease, and the worker claims again.
func TestAClaimThatHangsDoesNotStopTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &hung{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(s, ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: "c-1"}), ticket.Draft{Subject: "Printer", Message: "It prints blank pages."})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(t.Context()) }()
		time.Sleep(59 * time.Second)
		require.Empty(t, sent.Sent())
		time.Sleep(3 * time.Second)
		require.NotEmpty(t, sent.Sent())
		require.NoError(t, desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
	})
}

// hung is a store that does not answer the first claim.
type hung struct {
	ticket.Store
	asked atomic.Bool
}

func (s *hung) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if s.asked.CompareAndSwap(false, true) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Claim(ctx, r)
}

// blip is a store whose first claims fail.
type blip struct {
	ticket.Store
	fail atomic.Int64
}

func (s *blip) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if s.fail.Add(-1) >= 0 {
		return nil, errors.New("connection reset")
	}
	return s.Store.Claim(ctx, r)
}

// A worker continues after one error of the store.
func TestAClaimThatFailsOnceDoesNotStopTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &blip{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(s, ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		s.fail.Store(1) // one failing claim, at a tick
		time.Sleep(time.Minute)
		for range 5 {
			_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		time.Sleep(24 * time.Hour)
		got := len(sent.Sent())
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, 10, got)
	})
}

// A notifier's name must be visible text, and Relay.Batch has a bound.
func TestNotifierNamesAndBatchesAreChecked(t *testing.T) {
	_, err := ticket.NewDesk(memstore.New(), ticket.Config{Notifiers: map[string]ticket.Notifier{"a\x00b\n": tickettest.NewRecorder()}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	cfg := tickettest.Config(tickettest.NewClock(), tickettest.NewRecorder())
	cfg.Relay.Batch = math.MaxInt
	_, err = ticket.NewDesk(memstore.New(), cfg)
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// slowLookups is a store whose first look-up takes long.
type slowLookups struct {
	*memstore.Store

	first   time.Duration
	lookups atomic.Int64
	claims  []int // how many deliveries each claim asked for
	settled []time.Time
}

func (s *slowLookups) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	s.claims = append(s.claims, r.Limit)
	return s.Store.Claim(ctx, r)
}

func (s *slowLookups) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	if s.lookups.Add(1) == 1 {
		time.Sleep(s.first)
	}
	return s.Store.DeliveryContexts(ctx, rows, since, most)
}

func (s *slowLookups) Settle(ctx context.Context, list []ticket.Settlement) error {
	s.settled = append(s.settled, time.Now())
	return s.Store.Settle(ctx, list)
}

// While a batch is looked up, the next one is claimed, attempted and settled. A claim asks
// for half of the places.
func TestALookUpHoldsUpNoOtherBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowLookups{Store: memstore.New(), first: 10 * time.Second}
		var calls []time.Duration
		var mu sync.Mutex
		begin := time.Now()
		n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, time.Since(begin))
			return nil
		})
		desk, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": n}, Relay: ticket.Relay{Batch: 4, Poll: time.Hour}})
		require.NoError(t, err)
		for i := range 5 {
			_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "No ink"})
			require.NoError(t, err)
		}
		begin = time.Now()
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, ticket.DeliveryCounts{Done: len(calls)}, sum)
		require.GreaterOrEqual(t, len(calls), 5)
		slices.Sort(calls)
		late := len(calls) - 2 // the first batch
		require.Less(t, calls[late-1], time.Second, "the others do not wait")
		require.Equal(t, 10*time.Second, calls[late])
		require.Less(t, store.settled[0].Sub(begin), time.Second, "they are settled meanwhile")
		require.Equal(t, 2, slices.Max(store.claims))
	})
}

// Run as well claims while it looks up: the places do not wait for the first look-up.
func TestRunClaimsBesideALookUp(t *testing.T) {
	for batch, want := range map[int]int64{4: 2, 2: 1, 1: 0} {
		synctest.Test(t, func(t *testing.T) {
			store := &slowLookups{Store: memstore.New(), first: 10 * time.Second}
			var calls atomic.Int64
			n := ticket.NotifierFunc(func(ctx context.Context, _ ticket.Notification) error { calls.Add(1); <-ctx.Done(); return ctx.Err() })
			desk, err := ticket.NewDesk(store, ticket.Config{
				Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"mail": n}, Relay: ticket.Relay{Batch: batch, Poll: time.Hour},
			})
			require.NoError(t, err)
			for i := range 6 {
				_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "No ink"})
				require.NoError(t, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- desk.Run(ctx) }()
			time.Sleep(5 * time.Second)
			require.Equal(t, want, calls.Load(), batch)
			time.Sleep(10 * time.Second)
			require.EqualValues(t, batch, calls.Load())
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	}
}

// A batch that is looked up when Shutdown begins is not attempted. It is due at once.
func TestShutdownDuringALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowLookups{Store: memstore.New(), first: 10 * time.Second}
		var calls atomic.Int64
		n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { calls.Add(1); return nil })
		desk, err := ticket.NewDesk(store, ticket.Config{
			Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"mail": n}, Relay: ticket.Relay{Batch: 1, Poll: time.Hour},
		})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "No ink"})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(t.Context()) }()
		time.Sleep(5 * time.Second)
		require.NoError(t, desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
		require.Zero(t, calls.Load(), "an attempt began after Shutdown")
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, ticket.DeliveryCounts{Done: int(calls.Load())}, sum)
		require.EqualValues(t, 2, calls.Load(), "one for her, one for the queue")
	})
}

// A store that fails in a look-up rests the worker until the next poll.
func TestALookUpThatFailsIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failingLookups{Store: memstore.New()}
		store.fails.Store(true)
		var log bytes.Buffer
		quiet := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
		desk, err := ticket.NewDesk(store, ticket.Config{
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Notifiers: map[string]ticket.Notifier{"mail": quiet}, Relay: ticket.Relay{Batch: 4, Poll: time.Minute},
		})
		require.NoError(t, err)
		for i := range 10 {
			_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "No ink"})
			require.NoError(t, err)
		}
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(t.Context()) }()
		time.Sleep(30 * time.Second)
		claims := store.claims.Load()
		require.LessOrEqual(t, claims, int64(4), "it does not claim all that is due")
		store.fails.Store(false)
		time.Sleep(10 * time.Minute)
		page, err := store.Deliveries(t.Context(), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending}})
		require.NoError(t, err)
		require.Empty(t, page.Deliveries)
		require.NoError(t, desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
		require.LessOrEqual(t, strings.Count(log.String(), "cannot deliver"), int(claims))
		require.Contains(t, log.String(), "cannot deliver")
	})
}

// failingLookups is a store that fails on request.
type failingLookups struct {
	*memstore.Store

	fails  atomic.Bool
	claims atomic.Int64
}

func (s *failingLookups) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	s.claims.Add(1)
	return s.Store.Claim(ctx, r)
}

func (s *failingLookups) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	if s.fails.Load() {
		return nil, errors.New("down")
	}
	return s.Store.DeliveryContexts(ctx, rows, since, most)
}

func (s *failingLookups) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.fails.Load() {
		return ticket.Receipt{}, errors.New("down")
	}
	return s.Store.Receipt(ctx, tenant, key)
}
