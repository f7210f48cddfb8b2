package dbtests_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// A synchronous standby is away. If the caller's context ends, a commit that only
// the primary has is not acknowledged, by either driver. A repetition with the same
// key is not acknowledged either, until the standby has the commit.
func TestNothingIsAcknowledgedWithoutTheStandby(t *testing.T) {
	server, err := servers.StartPostgres(t.Context(), servers.Fast())
	if _, missing := errors.AsType[*servers.MissingError](err); missing {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	standby := func(t *testing.T, name string) {
		t.Helper()
		admin := pgx.connect(t, server.DSN("pgx", "postgres")+" synchronous_commit=on") // the server was started with it off
		_, err := admin.ExecContext(t.Context(), "ALTER SYSTEM SET synchronous_standby_names = '"+name+"'")
		require.NoError(t, err)
		_, err = admin.ExecContext(t.Context(), "SELECT pg_reload_conf()")
		require.NoError(t, err)
		_, err = admin.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS probe (i int)")
		require.NoError(t, err)
		require.Eventually(t, func() bool { // all processes of the server learn of it a moment later
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := admin.ExecContext(ctx, "INSERT INTO probe VALUES (1)")
			return (err == nil) == (name == "")
		}, 20*time.Second, 10*time.Millisecond)
	}
	for _, b := range []backend{pgx, pq} {
		b.server = func(servers.TB) *servers.Server { return server }
		t.Run(b.name, func(t *testing.T) {
			standby(t, "")
			db := b.connect(t, b.dsn(t)+" synchronous_commit=on")
			store, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
			require.NoError(t, err)
			desk := failDesk(t, store)
			var ids []ticket.ID
			for range 3 {
				tk, err := desk.Open(t.Context(), failCustomer, failDraft)
				require.NoError(t, err)
				ids = append(ids, tk.ID)
			}
			due, err := store.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now(), Lease: time.Hour, Limit: 1, Notifiers: []string{""}})
			require.NoError(t, err)
			note := ticket.Action{Name: ticket.ActionNote, Note: "n", Key: "note"}
			edit := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a"}}, Key: "edit"}
			merge := ticket.Action{Name: ticket.ActionMerge, Ticket: ids[2], Key: "merge"}
			do := func(id ticket.ID, a ticket.Action) func(context.Context) error {
				return func(ctx context.Context) error { _, err := desk.Do(ctx, failAgent, id, a); return err }
			}
			mail := ticket.Mail{ID: ticket.NewID(time.Now()), Mailbox: "support", Origin: "1", Raw: ticket.Digest{1}, State: ticket.MailPending, Arrived: time.Now(), Due: time.Now()}
			put := func(ctx context.Context) error {
				_, err := store.PutMail(ctx, mail)
				return err
			}
			standby(t, "nobody")
			for _, c := range []struct {
				name string
				call func(context.Context) error
			}{
				{"one statement", do(ids[0], note)},
				{"the same again", do(ids[0], note)},
				{"a transaction", do(ids[0], edit)},
				{"the same again", do(ids[0], edit)},
				{"two tickets", do(ids[1], merge)},
				{"the same again", do(ids[1], merge)},
				{"a mail", put},
				{"the same again", put},
				{"settle", func(ctx context.Context) error {
					var list []ticket.Settlement
					for _, d := range due {
						list = append(list, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliverySent, At: time.Now()})
					}
					return store.Settle(ctx, list)
				}},
				{"reindex", func(ctx context.Context) error { return store.Reindex(ctx, "", ids[0]) }},
				{"prune", func(ctx context.Context) error {
					_, err := store.PruneReceipts(ctx, time.Now().Add(-time.Hour), 10, func(d ticket.Digest) ticket.Digest { return d })
					return err
				}},
				{"migrate", func(ctx context.Context) error {
					_, err := sqlstore.Open(ctx, db, b.dialect, sqlstore.Prefix("other_"))
					return err
				}},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				err := c.call(ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded, c.name)
			}
			// A connection that is terminated while it waits: lib/pq returns driver.ErrBadConn, and
			// database/sql sends the statement once more.
			later := ticket.Action{Name: ticket.ActionNote, Note: "l", Key: "later"}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			outcome := make(chan error, 1)
			go func() { outcome <- do(ids[0], later)(ctx) }()
			admin := pgx.connect(t, server.DSN("pgx", "postgres"))
			require.Eventually(t, func() bool {
				var n int
				err := admin.QueryRowContext(t.Context(), "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&n)
				return err == nil && n > 0
			}, 10*time.Second, 10*time.Millisecond)
			select {
			case err := <-outcome:
				require.Error(t, err)
			case <-time.After(500 * time.Millisecond): // it waits again
			}
			cancel()
			standby(t, "")
			require.NoError(t, do(ids[0], later)(t.Context()))
			require.NoError(t, do(ids[0], note)(t.Context()))
			require.NoError(t, do(ids[0], edit)(t.Context()))
			require.NoError(t, do(ids[1], merge)(t.Context()))
			for _, tk := range requireWhole(t, store) {
				require.LessOrEqual(t, tk.Version, int64(5), "each was done once")
			}
		})
	}
}
