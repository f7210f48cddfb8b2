package dbtests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// The test pins what reaches the driver for a batch of the relay: a claim, the look-up of all
// that its deliveries need, and a settlement. It does not depend on the number of deliveries.
func TestRoundTripsOfARelay(t *testing.T) {
	t.Parallel()
	// On SQLite both transactions set and restore the busy timeout.
	sqlite := calls{Begins: 2, Queries: 2, Execs: 6, Commits: 2}
	for _, c := range []struct {
		backend backend
		want    calls
	}{
		{modernc, sqlite},
		{mattn, sqlite},
		{pgx, calls{Queries: 2, Execs: 1, Trips: 3}},
		{pq, calls{Queries: 2, Execs: 1}},
		{mariadb, calls{Begins: 1, Queries: 4, Execs: 2, Commits: 1, Trips: 9}}, // the claim reads, looks for earlier ones, and updates; counts are a query of their own
	} {
		t.Run(c.backend.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			desk, store, counter := countedDesk(t, c.backend)
			const n = 32
			batch := func() calls {
				for range n {
					_, err := desk.Open(ctx, callAgent, callDraft)
					require.NoError(t, err)
				}
				counter.take()
				now := time.Now()
				list, err := store.Claim(ctx, ticket.ClaimRequest{Now: now.Add(time.Second), Lease: time.Minute, Limit: n, Notifiers: []string{"email"}})
				require.NoError(t, err)
				require.Len(t, list, n)
				contexts, err := store.DeliveryContexts(ctx, list, now.Add(-time.Hour), 100)
				require.NoError(t, err)
				done := make([]ticket.Settlement, n)
				for i := range list {
					require.True(t, contexts[i].Found)
					done[i] = ticket.Settlement{ID: list[i].ID, Attempts: list[i].Attempts, State: ticket.DeliverySent, At: now}
				}
				require.NoError(t, store.Settle(ctx, done))
				return counter.take()
			}
			batch() // now every statement is prepared
			// As in TestRoundTrips, a busy machine can hide a trip.
			for try := 1; ; try++ {
				if got := batch(); got == c.want || try == 3 {
					assert.Equal(t, c.want, got)
					return
				}
			}
		})
	}
}

// A settlement keeps the words of any error, and none of them ends the text that brings it to
// the database.
func TestSettleKeepsTexts(t *testing.T) {
	t.Parallel()
	texts := []string{"", "NULL", `"`, `\`, `a "b" \"c\\`, "{1,2},(3)", "it's ? $1 -- %s", "zwölf Straßen\n\t€ \U0001F600", " "}
	for _, b := range []backend{modernc, mattn, pgx, pq, mariadb} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			store, err := sqlstore.Open(ctx, b.connect(t, b.dsn(t)), b.dialect)
			require.NoError(t, err)
			desk := callDesk(t, store)
			for range texts {
				_, err := desk.Open(ctx, callAgent, callDraft)
				require.NoError(t, err)
			}
			now := time.Now().UTC().Truncate(time.Second)
			list, err := store.Claim(ctx, ticket.ClaimRequest{Now: now.Add(time.Minute), Lease: time.Minute, Limit: len(texts), Notifiers: []string{"email"}})
			require.NoError(t, err)
			require.Len(t, list, len(texts))
			done := make([]ticket.Settlement, len(texts))
			want := map[ticket.ID]string{}
			var ids []ticket.ID
			for i, text := range texts {
				done[i] = ticket.Settlement{ID: list[i].ID, Attempts: list[i].Attempts, State: ticket.DeliveryPending, At: now, Due: now.Add(time.Hour), Error: text, Address: text}
				if i%2 > 0 {
					done[i].State, done[i].Due = ticket.DeliveryBounced, time.Time{}
				}
				want[list[i].ID] = text
				ids = append(ids, list[i].ID)
			}
			require.NoError(t, store.Settle(ctx, done))
			page, err := store.Deliveries(ctx, ticket.DeliveryQuery{IDs: ids})
			require.NoError(t, err)
			got := map[ticket.ID]string{}
			for _, d := range page.Deliveries {
				got[d.ID] = d.LastError
				require.Equal(t, d.LastError, d.Address)
				require.Equal(t, d.State == ticket.DeliveryPending, d.Settled.IsZero())
			}
			require.Equal(t, want, got)
		})
	}
}
