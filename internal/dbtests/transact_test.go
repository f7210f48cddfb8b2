package dbtests_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// transacting opens a database with the data source name that docs/storage.md
// recommends for an application with its own transactions.
func transacting(t *testing.T, b backend) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	dsn := b.dsn(t)
	if b.dialect == sqlstore.SQLite {
		dsn += "&_txlock=immediate"
	}
	db := b.connect(t, dsn)
	s, err := sqlstore.Open(t.Context(), db, b.dialect)
	require.NoError(t, err)
	return s, db
}

// The order and its ticket are stored when Transact returns nil. After an error
// neither is, and Transact returns the error unchanged.
func TestTransactWritesAllOrNothing(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		s, db := transacting(t, b)
		d := failDesk(t, s)
		_, err := db.ExecContext(t.Context(), "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
		require.NoError(t, err)
		wrong := errors.New("the card was declined")
		for _, want := range []error{wrong, nil} {
			err := s.Transact(t.Context(), d, func(tx *sql.Tx, desk *ticket.Desk) error {
				if _, err := tx.ExecContext(t.Context(), "INSERT INTO orders (id) VALUES (1)"); err != nil {
					return err
				}
				if _, err := desk.Open(t.Context(), failCustomer, failDraft); err != nil {
					return err
				}
				return want
			})
			assert.Equal(t, want, err)
			there := map[bool]int{true: 1}[want == nil]
			assert.Equal(t, there, count(t, db, "orders"))
			assert.Len(t, requireWhole(t, s), there)
		}
	})
}

// Transactions that collide on one row and one ticket all succeed: after a conflict
// the whole transaction runs again.
func TestTransactRunsAgainAfterAConflict(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		s, db := transacting(t, b)
		d := failDesk(t, s)
		for _, statement := range []string{"CREATE TABLE stock (n INTEGER)", "INSERT INTO stock (n) VALUES (10)"} {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		tk, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)

		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				assert.NoError(t, s.Transact(t.Context(), d, func(tx *sql.Tx, desk *ticket.Desk) error {
					// The desk comes first: its decision depends on this read.
					if _, err := desk.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "one less"}); err != nil {
						return err
					}
					_, err := tx.ExecContext(t.Context(), "UPDATE stock SET n = n - 1")
					return err
				}))
			})
		}
		group.Wait()
		var left int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT n FROM stock").Scan(&left))
		assert.Equal(t, 6, left)
		got, err := d.Get(t.Context(), failAgent, tk.ID)
		require.NoError(t, err)
		assert.Equal(t, int64(5), got.Version)
	})
}

// A conflict that stays is returned after ten runs.
func TestTransactGivesUpAConflictThatStays(t *testing.T) {
	s, _ := modernc.open(t)
	runs := 0
	err := s.Transact(t.Context(), failDesk(t, s), func(*sql.Tx, *ticket.Desk) error {
		runs++
		return &ticket.ConflictError{Expected: 1, Actual: 2}
	})
	require.ErrorIs(t, err, ticket.ErrConflict)
	assert.Equal(t, 10, runs)
}

func TestTransactInATransactionIsRefused(t *testing.T) {
	s, db := modernc.open(t)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	err = s.WithTx(tx).Transact(t.Context(), failDesk(t, s), func(*sql.Tx, *ticket.Desk) error { return nil })
	require.ErrorIs(t, err, ticket.ErrInvalid)
}
