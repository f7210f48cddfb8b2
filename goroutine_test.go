package ticket_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A bubble of synctest ends only when every goroutine that was started in it has
// ended, and fails the test if one stays blocked. So this is the check that
// nothing leaks: neither from a relay that stops, nor from iterators that are
// left early, nor from a context that is cancelled in the middle.
func TestNoGoroutineIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Notifiers: map[string]ticket.Notifier{"a": sent, "b": sent}})
		require.NoError(t, err)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan error, 2)
			for range 2 {
				go func() { stopped <- desk.Run(ctx) }()
			}
			for range 5 {
				tk, err := desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
				require.NoError(t, err)
				for _, err := range desk.History(ctx, lin, tk.ID) {
					require.NoError(t, err)
					break
				}
			}
			for _, err := range desk.Tickets(ctx, lin, ticket.Query{Limit: 1}) {
				require.NoError(t, err)
				break
			}
			_, err := desk.Deliver(ctx)
			require.NoError(t, err)
			cancel()
			for range 2 {
				require.ErrorIs(t, <-stopped, context.Canceled)
			}
		}
	})
}
