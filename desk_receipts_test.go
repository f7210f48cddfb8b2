package ticket_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// What a receipt keeps of a request cannot be computed from the request alone.
func TestReceiptsAreKeyed(t *testing.T) {
	ctx := t.Context()
	agent := ticket.Agent("lin", 1)
	draft := ticket.Draft{Subject: "Printer", Requester: ticket.Person{ID: "c-1"}, Key: "k"}
	kept := func(cfg ticket.Config) ticket.Receipt {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, cfg)
		require.NoError(t, err)
		_, err = desk.Open(ctx, agent, draft)
		require.NoError(t, err)
		r, err := store.Receipt(ctx, "", "k")
		require.NoError(t, err)
		return r
	}
	bare := kept(ticket.Config{})
	require.False(t, bare.Keyed)
	require.Equal(t, bare.Request, kept(ticket.Config{}).Request)
	seen := map[ticket.Digest]bool{bare.Request: true}
	for _, cfg := range []ticket.Config{
		{ReceiptKey: []byte("one")}, {ReceiptKey: []byte("another")}, {ChainKey: []byte("one")}, {ChainKey: []byte("another")},
	} {
		r := kept(cfg)
		require.True(t, r.Keyed)
		require.Equal(t, r.Request, kept(cfg).Request, "the same in every process")
		require.False(t, seen[r.Request])
		seen[r.Request] = true
	}
	require.Equal(t, kept(ticket.Config{ReceiptKey: []byte("one")}).Request, kept(ticket.Config{ReceiptKey: []byte("one"), ChainKey: []byte("two")}).Request)
}

// Receipts of before there was a key are recognised, before and after they are keyed.
func TestOldReceiptsAreKeyed(t *testing.T) {
	ctx := t.Context()
	agent := ticket.Agent("lin", 1)
	draft := ticket.Draft{Subject: "Printer", Requester: ticket.Person{ID: "c-1"}, Key: "k"}
	other := draft
	other.Subject = "Another"
	store := memstore.New()
	old, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(t, err)
	tk, err := old.Open(ctx, agent, draft)
	require.NoError(t, err)
	bare, err := store.Receipt(ctx, "", "k")
	require.NoError(t, err)
	desk, err := ticket.NewDesk(store, ticket.Config{ReceiptKey: []byte("key")})
	require.NoError(t, err)
	check := func() {
		again, err := desk.Open(ctx, agent, draft)
		require.NoError(t, err)
		require.Equal(t, tk.ID, again.ID)
		_, err = desk.Open(ctx, agent, other)
		require.ErrorIs(t, err, ticket.ErrDuplicate)
	}
	check()
	n, err := desk.PruneReceipts(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	r, err := store.Receipt(ctx, "", "k")
	require.NoError(t, err)
	require.True(t, r.Keyed)
	require.NotEqual(t, bare.Request, r.Request)
	check()
	n, err = desk.PruneReceipts(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

// A key is remembered for as long as the host says.
func TestReceiptsAreForgotten(t *testing.T) {
	for _, c := range []struct {
		age, after time.Duration
		gone       bool
	}{
		{0, 30*24*time.Hour - time.Second, false}, {0, 30*24*time.Hour + time.Second, true},
		{time.Hour, 59 * time.Minute, false}, {time.Hour, 61 * time.Minute, true},
		{-1, 100 * 365 * 24 * time.Hour, false},
	} {
		clock := tickettest.NewClock()
		cfg := tickettest.Config(clock, nil)
		cfg.ReceiptAge, cfg.ReceiptKey = c.age, []byte("key")
		store := memstore.New()
		desk, err := ticket.NewDesk(store, cfg)
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Subject: "s", Requester: ticket.Person{ID: "c-1"}, Key: "k"})
		require.NoError(t, err)
		clock.Advance(c.after)
		_, err = desk.PruneReceipts(t.Context())
		require.NoError(t, err)
		_, err = store.Receipt(t.Context(), "", "k")
		if c.gone {
			require.ErrorIs(t, err, ticket.ErrNotFound)
		} else {
			require.NoError(t, err)
		}
	}
}

// Run does it by itself; a store that cannot is left in peace.
func TestRunForgetsReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, ticket.Config{ReceiptAge: 90 * time.Minute})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Subject: "s", Requester: ticket.Person{ID: "c-1"}, Key: "k"})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		_ = desk.Run(ctx)
		_, err = store.Receipt(t.Context(), "", "k")
		require.ErrorIs(t, err, ticket.ErrNotFound)
	})
	plain, err := ticket.NewDesk(struct{ ticket.Store }{memstore.New()}, ticket.Config{})
	require.NoError(t, err)
	_, err = plain.PruneReceipts(t.Context())
	require.ErrorContains(t, err, "age of receipts")
}
