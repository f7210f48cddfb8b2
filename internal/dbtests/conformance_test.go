package dbtests_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/storetest"
)

// Every driver passes the whole contract, with durability and search.
func TestStore(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		t.Parallel()
		dsns := map[ticket.Store]string{}
		storetest.Run(t, func(t *testing.T) ticket.Store {
			dsn, db := b.lendPool(t)
			s, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
			require.NoError(t, err)
			dsns[s] = dsn
			return s
		}, storetest.Reopen(func(t *testing.T, s ticket.Store) ticket.Store {
			again, err := sqlstore.Open(t.Context(), b.connect(t, dsns[s]), b.dialect, b.search()...)
			require.NoError(t, err)
			return again
		}))
	})
}

// The contract also holds inside one transaction of the application.
func TestStoreWithTx(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) ticket.Store {
			_, db := b.lendPool(t)
			s, err := sqlstore.Open(t.Context(), db, b.dialect)
			require.NoError(t, err)
			tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil) // the connection goes back to the pool
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, tx.Rollback()) })
			return s.WithTx(tx)
		}, storetest.Without(storetest.Concurrency))
	})
}

// The contract also holds on one connection.
func TestStoreWithConn(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) ticket.Store {
			_, db := b.lendPool(t)
			s, err := sqlstore.Open(t.Context(), db, b.dialect)
			require.NoError(t, err)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, conn.Close()) })
			return s.With(conn)
		})
	})
}
