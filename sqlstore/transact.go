package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ticketkit/ticket"
)

// Transact runs do in a transaction, commits it, and wakes the relay of the desk. do
// writes the tables of your application with tx, and works with the desk it
// receives, which is bound to the transaction. All of that is written together or
// not at all.
//
//	err := store.Transact(ctx, desk, func(tx *sql.Tx, desk *ticket.Desk) error {
//		if _, err := tx.ExecContext(ctx, "UPDATE orders SET state = 'disputed' WHERE id = $1", id); err != nil {
//			return err
//		}
//		_, err := desk.Open(ctx, ada, draft)
//		return err
//	})
//
// If do returns an error, Transact rolls back and returns that error unchanged. The
// exception is a conflict with another transaction ([ticket.ErrConflict], or the
// database's own error for one): Transact then runs do again in a new transaction,
// up to ten times in all. So do must set its results again in each run, and must do
// nothing that a rollback does not undo, such as sending a mail.
//
// Inside do, use only the desk it receives. On SQLite a call of the outer desk waits
// for the transaction until it fails with [ErrBusy]. On other databases the outer
// desk does not see the writes of the transaction. On SQLite, open the database with
// _txlock=immediate; see [Store.WithTx].
//
// A store that is bound to a transaction returns an error.
func (s *Store) Transact(ctx context.Context, desk *ticket.Desk, do func(tx *sql.Tx, desk *ticket.Desk) error) error {
	if s.tx != nil {
		return invalid("sqlstore.transact", "cannot be called on a store that is bound to a transaction")
	}
	const most = 10
	for try := 1; ; try++ {
		err := s.transaction(ctx, nil, func(_ context.Context, x *session) error {
			return do(x.tx, desk.WithStore(s.WithTx(x.tx)))
		})
		if err == nil {
			desk.Wake()
			return nil
		}
		switch {
		case errors.Is(err, ticket.ErrConflict):
		case s.lang.classify(err) == conflict:
			err = s.explain(ctx, "transact", err)
		default:
			return err
		}
		if try == most || !wait(ctx, rand.N(time.Millisecond<<try)) { //nolint:gosec // a moment to wait is no secret
			return err
		}
	}
}

// wait waits for d, and reports whether the context has not ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}
