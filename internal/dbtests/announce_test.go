package dbtests_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/sqlstore"
)

// announcing returns a store with the option Announce, on a pool of its own.
func announcing(t *testing.T, b backend, dsn string) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	listen := dbtests.ListenPgx(dsn)
	if b.name == pq.name {
		listen = dbtests.ListenPq(dsn)
	}
	db := b.connect(t, dsn)
	s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Announce("desk_work", listen))
	require.NoError(t, err)
	return s, db
}

// One store learns of every commit of another one that adds deliveries, after the
// commit, and of no other commit.
func TestAnnounce(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		dsn := b.lend(t)
		writer, db := announcing(t, b, dsn)
		reader, _ := announcing(t, b, dsn)
		ctx, cancel := context.WithCancel(t.Context())
		heard, ended := make(chan struct{}, 100), make(chan error, 1)
		go func() { ended <- reader.Listen(ctx, func() { heard <- struct{}{} }) }()
		hears := func(what string) {
			t.Helper()
			select {
			case <-heard:
			case err := <-ended:
				require.FailNow(t, "it listens no more", "%s: %v", what, err)
			case <-time.After(10 * time.Second):
				require.FailNow(t, "not heard", what)
			}
		}
		silent := func(what string) {
			t.Helper()
			select {
			case <-heard:
				require.FailNow(t, "heard", what)
			case <-time.After(100 * time.Millisecond):
			}
		}
		hears("that it listens")

		first := opening(t, "")
		require.NoError(t, writer.Commit(t.Context(), first))
		hears("a commit in one statement")
		several := opening(t, "")
		several.Changes = append(several.Changes, next(first.Changes[0].Ticket))
		require.NoError(t, writer.Commit(t.Context(), several))
		hears("a commit of two tickets")
		quiet := opening(t, "")
		quiet.Deliveries = nil
		require.NoError(t, writer.Commit(t.Context(), quiet))
		silent("a commit without deliveries")
		require.ErrorIs(t, writer.Commit(t.Context(), several), ticket.ErrConflict)
		silent("a commit that was refused")

		for _, keep := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, writer.WithTx(tx).Commit(t.Context(), opening(t, "")))
			silent("a transaction that is under way")
			if !keep {
				require.NoError(t, tx.Rollback())
				silent("a transaction that was rolled back")
				continue
			}
			require.NoError(t, tx.Commit())
			hears("a transaction of the application")
		}
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		require.NoError(t, writer.With(conn).Commit(t.Context(), opening(t, "")))
		require.NoError(t, conn.Close())
		hears("a commit on a connection of the application")

		list, err := writer.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now(), Lease: time.Minute, Limit: 1, Notifiers: []string{first.Deliveries[0].Notifier}})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.NoError(t, writer.Settle(t.Context(), []ticket.Settlement{{ID: list[0].ID, Attempts: 1, State: ticket.DeliveryDead, At: time.Now()}}))
		silent("a claim and what became of it")
		r := ticket.DeliveryUpdate{Tenant: list[0].Tenant, IDs: []ticket.ID{list[0].ID}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryBounced, At: time.Now()}
		n, err := writer.UpdateDeliveries(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		silent("an update that leaves it settled")
		r.From, r.To = []ticket.DeliveryState{ticket.DeliveryBounced}, ticket.DeliveryPending
		n, err = writer.UpdateDeliveries(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		hears("an update that sends it on its way")

		cancel()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(10 * time.Second):
			require.FailNow(t, "it does not end")
		}
	})
}

// Two desks stand for two processes. One only commits. The other only delivers, and
// looks by itself once an hour.
func TestAnnounceWakesAnotherDesk(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		dsn := b.lend(t)
		near, db := announcing(t, b, dsn)
		far, _ := announcing(t, b, dsn)
		told := make(chan ticket.Notification, 10)
		notifier := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error { told <- n; return nil })
		relay, err := ticket.NewDesk(far, ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": notifier}, Relay: ticket.Relay{Poll: time.Hour}})
		require.NoError(t, err)
		desk, err := ticket.NewDesk(near, ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": nil}})
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert.ErrorIs(t, relay.Run(ctx), context.Canceled)
		}()
		received := func() ticket.Notification {
			t.Helper()
			for {
				select {
				case n := <-told:
					if n.Kind == ticket.KindReceived {
						return n
					}
				case <-time.After(20 * time.Second):
					require.FailNow(t, "it was not woken")
				}
			}
		}
		for range 3 {
			begin := time.Now()
			tk, err := desk.Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)
			require.Equal(t, tk.ID, received().Ticket)
			t.Logf("from Open to the notifier of the other desk: %v", time.Since(begin))
		}
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		tk, err := desk.WithStore(near.WithTx(tx)).Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		require.Equal(t, tk.ID, received().Ticket)
		cancel()
		<-done
	})
}

// Listening is unsupported without the option, without a function, and on other
// databases.
func TestListenUnsupported(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		never := func() { t.Error("heard") }
		require.ErrorIs(t, s.Listen(t.Context(), never), errors.ErrUnsupported)
		for _, listen := range []func(context.Context, string, func()) error{nil, func(context.Context, string, func()) error { return nil }} {
			s, err := sqlstore.New(db, b.dialect, sqlstore.Announce("desk_work", listen))
			require.NoError(t, err)
			if listen == nil || b.dialect != sqlstore.Postgres {
				require.ErrorIs(t, s.Listen(t.Context(), never), errors.ErrUnsupported)
			}
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		}
		for _, channel := range []string{"", "Desk", "a b", "1a", "x; DROP TABLE y", strings.Repeat("x", 64)} {
			_, err := sqlstore.New(db, b.dialect, sqlstore.Announce(channel, nil))
			require.ErrorIs(t, err, ticket.ErrInvalid, channel)
		}
	})
}
