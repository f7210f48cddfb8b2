package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// Deliver, called on a schedule, does not attempt a delivery again while its
// previous attempt has not returned.
func TestDeliverDoesNotPileUpCallsThatDoNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var begun atomic.Int64
		n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { begun.Add(1); <-release; return nil })
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler),
			Notifiers: map[string]ticket.Notifier{"": n}})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		for range 8 {
			_, err := desk.Deliver(t.Context())
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		require.EqualValues(t, 2, begun.Load(), "one for her, one for the queue")
		close(release)
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, ticket.DeliveryCounts{Done: 2}, sum, "they have returned since, and delivered")
		require.EqualValues(t, 2, begun.Load())
	})
}

// Shutdown ends at most two seconds after its context, with any number of calls of
// Run and any behaviour of notifiers.
func TestShutdownEndsInTimeHoweverManyRun(t *testing.T) {
	for _, runs := range []int{1, 5, 40} {
		for _, grace := range []time.Duration{0, 5 * time.Second} {
			t.Run(fmt.Sprintf("%d, %v", runs, grace), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					n := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { <-release; return nil })
					desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler),
						Notifiers: map[string]ticket.Notifier{"": n}, Relay: ticket.Relay{Batch: 1}})
					require.NoError(t, err)
					for i := range runs {
						_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: fmt.Sprint(i)}), ticket.Draft{Subject: "s"})
						require.NoError(t, err)
					}
					var wg sync.WaitGroup
					for range runs {
						wg.Go(func() { _ = desk.Run(t.Context()) })
					}
					time.Sleep(10 * time.Second)
					ctx, cancel := context.WithTimeout(t.Context(), grace)
					defer cancel()
					start := time.Now()
					require.ErrorIs(t, desk.Shutdown(ctx), context.DeadlineExceeded)
					require.LessOrEqual(t, time.Since(start), grace+2*time.Second)
					close(release)
					wg.Wait()
				})
			})
		}
	}
}

// noSettle is a store that cannot settle.
type noSettle struct{ ticket.Store }

func (noSettle) Settle(context.Context, []ticket.Settlement) error { return errors.New("disk full") }

// Shutdown does not wait for the rest of a long lease while the store refuses to
// settle.
func TestShutdownEndsInTimeThoughSettlingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(noSettle{memstore.New()}, ticket.Config{Logger: slog.New(slog.DiscardHandler),
			Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Lease: 20 * time.Minute}})
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- desk.Run(t.Context()) }()
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(time.Second)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, desk.Shutdown(ctx), context.DeadlineExceeded)
		took := time.Since(begin)
		require.NoError(t, <-done)
		require.Less(t, took, 10*time.Second)
	})
}
