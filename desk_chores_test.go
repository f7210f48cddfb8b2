package ticket_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func TestUpkeep(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.ReceiptAge, c.DeliveryAge = day, 7*day
		c.Retention = []ticket.RetentionRule{{Name: "all", Archive: 30 * day}}
	})
	open := k.open(ada, ticket.Draft{Key: "one"})
	_, err := k.desk.Do(t.Context(), ada, open.ID, ticket.Action{Name: ticket.ActionCancel})
	require.NoError(t, err)
	k.deliver()
	sent := len(k.sent.Sent())
	require.Positive(t, sent)

	n, err := k.desk.Upkeep(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "nothing is old enough")

	k.clock.Advance(40 * day)
	n, err = k.desk.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1+sent+1, n, "a step of retention, the deliveries, a receipt")
	n, err = k.desk.Upkeep(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "once is enough")
}

// patchy is a store of which some parts fail.
type patchy struct {
	*memstore.Store

	receipts, maintain error
	maintained         int
}

func (s *patchy) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	if s.receipts != nil {
		return 0, s.receipts
	}
	return s.Store.PruneReceipts(ctx, before, limit, key)
}

func (s *patchy) Maintain(context.Context) error {
	s.maintained++
	return s.maintain
}

func TestUpkeepGoesOnAfterAFault(t *testing.T) {
	one, two := errors.New("the first fault"), errors.New("the second fault")
	s := &patchy{Store: memstore.New(), receipts: one, maintain: two}
	k := newKitOn(t, s, func(c *ticket.Config) { c.DeliveryAge = 7 * day })
	k.open(ada, ticket.Draft{})
	k.deliver()
	k.clock.Advance(40 * day)

	n, err := k.desk.Upkeep(t.Context())
	require.ErrorIs(t, err, one)
	require.ErrorIs(t, err, two)
	require.Positive(t, n)

	s.receipts, s.maintain = errors.ErrUnsupported, errors.ErrUnsupported
	_, err = k.desk.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, s.maintained)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.desk.Upkeep(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, s.maintained)
}

func TestUpkeepOnABareStore(t *testing.T) {
	bare := struct{ ticket.Store }{memstore.New()}
	_, err := newKitOn(t, bare).desk.Upkeep(t.Context())
	require.NoError(t, err)
	_, err = newKitOn(t, bare, func(c *ticket.Config) {
		c.Retention = []ticket.RetentionRule{{Name: "all", Archive: day}}
	}).desk.Upkeep(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported, "the rules would never apply")
}

func TestUpkeepNotInATransaction(t *testing.T) {
	k := newKit(t)
	_, err := k.desk.WithStore(memstore.New()).Upkeep(t.Context())
	require.ErrorIs(t, err, ticket.ErrInvalid)
}
