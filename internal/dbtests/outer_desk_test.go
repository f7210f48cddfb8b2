package dbtests_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Inside a transaction only the desk of Desk.WithStore works: the outer desk waits
// for the lock or the connection that the transaction holds.
func TestTheOuterDeskWaitsForTheTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("the store waits ten seconds for the lock")
	}
	t.Parallel()
	for name, c := range map[string]struct {
		connections int
		timeout     time.Duration
		want        error
	}{
		"a pool":         {0, time.Minute, sqlstore.ErrBusy},
		"one connection": {1, time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "desk.db")+"?_pragma=busy_timeout(100)&_txlock=immediate")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
			require.NoError(t, err)
			db.SetMaxOpenConns(c.connections)
			outer, err := ticket.NewDesk(s, ticket.Config{Attempts: 1})
			require.NoError(t, err)
			err = s.Transact(t.Context(), outer, func(_ *sql.Tx, inner *ticket.Desk) error {
				_, err := inner.Open(t.Context(), failCustomer, failDraft)
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
				defer cancel()
				_, err = outer.Open(ctx, failCustomer, failDraft)
				require.ErrorIs(t, err, c.want)
				return nil
			})
			require.NoError(t, err)
			require.Len(t, requireWhole(t, s), 1)
		})
	}
}
