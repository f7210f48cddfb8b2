package ticket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

func TestPruneDeliveries(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.To.Person.Email == "bob@example.org" {
			return &ticket.DeliveryFault{Bounced: true, Err: errors.New("no such mailbox")}
		}
		return nil
	})
	k.open(ada, ticket.Draft{})
	k.open(bob, ticket.Draft{})
	k.deliver()
	states := func() map[ticket.DeliveryState]int {
		page, err := k.store.Deliveries(t.Context(), ticket.DeliveryQuery{})
		require.NoError(t, err)
		n := map[ticket.DeliveryState]int{}
		for _, d := range page.Deliveries {
			n[d.State]++
		}
		return n
	}
	before := states()
	require.Positive(t, before[ticket.DeliverySent])
	require.Equal(t, 1, before[ticket.DeliveryBounced])
	k.clock.Advance(365 * day)
	k.open(ada, ticket.Draft{})
	waiting := states()[ticket.DeliveryPending]
	require.Positive(t, waiting)
	n, err := k.desk.PruneDeliveries(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "not older than a year")
	k.clock.Advance(time.Second)
	n, err = k.desk.PruneDeliveries(t.Context())
	require.NoError(t, err)
	require.Equal(t, before[ticket.DeliverySent], n)
	require.Equal(t, map[ticket.DeliveryState]int{ticket.DeliveryBounced: 1, ticket.DeliveryPending: waiting}, states())
	k.deliver() // the lines are whole
	require.Equal(t, waiting, states()[ticket.DeliverySent])
}

func TestDeliveryAge(t *testing.T) {
	_, err := ticket.NewDesk(memstore.New(), ticket.Config{DeliveryAge: time.Hour})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	k := newKit(t, func(c *ticket.Config) { c.DeliveryAge = -1 })
	k.open(ada, ticket.Draft{})
	k.deliver()
	k.clock.Advance(9999 * day)
	n, err := k.desk.PruneDeliveries(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = newKitOn(t, struct{ ticket.Store }{memstore.New()}).desk.PruneDeliveries(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestRunPrunesDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, ticket.Config{
			DeliveryAge: 7 * day, Notifiers: map[string]ticket.Notifier{"mail": tickettest.NewRecorder()}, Relay: ticket.Relay{Poll: time.Minute},
		})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "S"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = desk.Run(ctx) }()
		count := func() int {
			page, err := store.Deliveries(ctx, ticket.DeliveryQuery{})
			require.NoError(t, err)
			return len(page.Deliveries)
		}
		time.Sleep(7*day - time.Hour)
		require.Positive(t, count())
		time.Sleep(3 * time.Hour)
		require.Zero(t, count())
		cancel()
		synctest.Wait()
	})
}
