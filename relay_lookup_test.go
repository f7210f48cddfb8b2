package ticket_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// badContext is a store that cannot read the delivery contexts of one ticket.
type badContext struct {
	ticket.Store
	bad ticket.ID
}

func (s *badContext) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	for _, row := range rows {
		if row.Ticket == s.bad {
			return nil, errors.New("an event cannot be decoded")
		}
	}
	return s.Store.(ticket.DeliveryLoader).DeliveryContexts(ctx, rows, since, most)
}

// A delivery whose context cannot be read does not hold up those claimed with it.
func TestADeliveryContextThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	s := &badContext{Store: memstore.New()}
	k := newKitOn(t, s)
	s.bad = k.open(ada, ticket.Draft{}).ID
	for range 10 {
		k.open(bob, ticket.Draft{})
	}
	_, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Len(t, k.sent.Sent(), 20)
}

// Run gives up a delivery whose context can never be read.
func TestADeliveryContextThatCannotBeReadEndsTheDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &badContext{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		cfg := ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: 20 * time.Second}}
		desk, err := ticket.NewDesk(s, cfg)
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		s.bad = tk.ID
		for range 10 {
			_, err := desk.Open(t.Context(), bob, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		time.Sleep(7 * 24 * time.Hour)
		page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{Ticket: tk.ID})
		require.NoError(t, err)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, ticket.DeliveryDead, page.Deliveries[0].State)
	})
}
