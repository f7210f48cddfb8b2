package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ticketkit/ticket"
)

// Transact runs do in a transaction, commits it, and wakes the relay of the desk.
// What do writes with tx, to tables of the application, and what it does with the
// desk that it is given, which is bound to the transaction, is written together
// or not at all.
//
//	err := store.Transact(ctx, desk, func(tx *sql.Tx, desk *ticket.Desk) error {
//		if _, err := tx.ExecContext(ctx, "UPDATE orders SET state = 'disputed' WHERE id = $1", id); err != nil {
//			return err
//		}
//		_, err := desk.Open(ctx, ada, draft)
//		return err
//	})
//
// An error of do undoes the transaction and is returned as it is. The exception
// is a conflict with another transaction ([ticket.ErrConflict], or what the
// database says of one): then do is run again in a new transaction, up to ten
// times. So it must set what it returns anew in each run, and do nothing that a
// rollback does not undo, such as sending a mail.
//
// Inside of do, use only the desk that it is given. The outer one waits for the
// transaction on SQLite, until it gives up with [ErrBusy], and elsewhere it does
// not see what the transaction has written. On SQLite the data source name should
// have _txlock=immediate, see [Store.WithTx].
//
// A store that is bound to a transaction already is refused.
func (s *Store) Transact(ctx context.Context, desk *ticket.Desk, do func(tx *sql.Tx, desk *ticket.Desk) error) error {
	if s.tx != nil {
		return invalid("sqlstore.transact", "is not for a store that is bound to a transaction")
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

// wait waits, and reports whether the context went on all the time.
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
