package dbtests_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// What docs/storage.md says of a standby that is behind, of its promotion, and of an old primary
// that comes back and was not made a standby.
func TestStandbyThatIsBehindAndPromoted(t *testing.T) {
	settings := servers.Settings(map[string]string{"synchronous_commit": "on"})
	one, err := servers.StartPostgres(t.Context(), servers.Fast(), settings)
	if _, missing := errors.AsType[*servers.MissingError](err); missing {
		servers.SkipMissing(t, "postgres", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, one.Stop()) })
	require.NoError(t, one.CreateDatabase(t.Context(), "desk"))
	two, err := servers.StartPostgres(t.Context(), servers.Fast(), settings, servers.Standby(one))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, two.Stop()) })

	run := func(s *servers.Server, statements ...string) {
		t.Helper()
		db, err := sql.Open("pgx", s.DSN("pgx", "postgres"))
		require.NoError(t, err)
		for _, text := range statements {
			_, err := db.ExecContext(t.Context(), text)
			require.NoError(t, err)
		}
		require.NoError(t, db.Close())
	}
	on := func(s *servers.Server) *sql.DB { return pgx.connect(t, s.DSN("pgx", "desk")) }
	hasReply := func(d *ticket.Desk, id ticket.ID) func() bool {
		return func() bool {
			tk, err := d.Get(t.Context(), failAgent, id)
			return err == nil && tk.Version > 1
		}
	}
	note := ticket.Action{Name: ticket.ActionNote, Note: "n", Key: "note"}

	atTwo := on(two)
	_, err = sqlstore.Open(t.Context(), atTwo, sqlstore.Postgres)
	require.ErrorIs(t, err, sqlstore.ErrReadOnly, "the tables are not there yet")
	primary, err := sqlstore.Open(t.Context(), on(one), sqlstore.Postgres)
	require.NoError(t, err)
	desk := failDesk(t, primary)
	tk, err := desk.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)

	// Behind: it shows an older state, and refuses all that writes.
	require.Eventually(t, func() bool {
		s, err := sqlstore.New(atTwo, sqlstore.Postgres)
		return err == nil && s.Check(t.Context()) == nil && func() bool { _, err := s.Ticket(t.Context(), "", tk.ID); return err == nil }()
	}, 20*time.Second, 20*time.Millisecond)
	run(two, "SELECT pg_wal_replay_pause()")
	require.Eventually(t, func() bool {
		var state string
		err := atTwo.QueryRowContext(t.Context(), "SELECT pg_get_wal_replay_pause_state()").Scan(&state)
		return err == nil && state == "paused"
	}, 20*time.Second, 20*time.Millisecond)
	_, err = desk.Do(t.Context(), failAgent, tk.ID, note)
	require.NoError(t, err)
	late, err := desk.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)
	standby, err := sqlstore.Open(t.Context(), atTwo, sqlstore.Postgres)
	require.NoError(t, err)
	reader := failDesk(t, standby)
	old, err := reader.Get(t.Context(), failAgent, tk.ID)
	require.NoError(t, err)
	require.Equal(t, int64(1), old.Version)
	_, err = reader.Get(t.Context(), failAgent, late.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	require.NoError(t, reader.Verify(t.Context(), ticket.System("check"), tk.ID))
	_, err = reader.Do(t.Context(), failAgent, tk.ID, note)
	require.ErrorIs(t, err, sqlstore.ErrReadOnly)
	_, err = standby.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now(), Lease: time.Hour, Limit: 1, Notifiers: []string{""}})
	require.ErrorIs(t, err, sqlstore.ErrReadOnly)

	// Promoted: the connections that it has begin to write. It first applies all that it has received.
	run(two, "SELECT pg_wal_replay_resume()")
	require.Eventually(t, hasReply(reader, tk.ID), 20*time.Second, 20*time.Millisecond)
	require.NoError(t, one.Kill())
	run(two, "SELECT pg_promote()")
	_, err = reader.Do(t.Context(), failAgent, tk.ID, note)
	require.NoError(t, err, "the repeated call of before")
	require.NoError(t, one.Restart(t.Context()))

	// Both believe to be the primary. Several hosts in the data source name lead to the first of them.
	for _, b := range []backend{pgx, pq} {
		both := b.connect(t, "host="+one.Socket()+","+two.Socket()+" port=5432 user=postgres dbname=desk sslmode=disable target_session_attrs=read-write")
		var dir string
		require.NoError(t, both.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&dir))
		require.Equal(t, one.Data(), dir)
	}
	again, err := sqlstore.Open(t.Context(), on(one), sqlstore.Postgres)
	require.NoError(t, err)
	returned := failDesk(t, again)
	reply := ticket.Action{Name: ticket.ActionReply, Message: "m", Key: "reply"}

	// With names of standbys, the one without any acknowledges nothing.
	run(one, "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := returned.Open(ctx, failCustomer, failDraft)
		return errors.Is(err, context.DeadlineExceeded)
	}, 20*time.Second, 10*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = returned.Do(ctx, failAgent, tk.ID, reply)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Eventually(t, func() bool {
		have, err := returned.Get(t.Context(), failAgent, tk.ID)
		return err == nil && have.Version == 3
	}, 5*time.Second, 10*time.Millisecond, "but its readers see it")

	// Without, both acknowledge, and nobody notices. Each history is whole.
	run(one, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	_, err = returned.Do(t.Context(), failAgent, tk.ID, reply)
	require.NoError(t, err)
	_, err = reader.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "other", Key: "other"})
	require.NoError(t, err)
	for _, d := range []*ticket.Desk{returned, reader} {
		require.NoError(t, d.Verify(t.Context(), ticket.System("check"), tk.ID))
	}
	// An import finds the first history that differs.
	_, err = standby.Import(t.Context(), again.Export(t.Context(), ticket.ID{}))
	require.ErrorIs(t, err, ticket.ErrConflict)
	require.ErrorContains(t, err, tk.ID.String())
}
