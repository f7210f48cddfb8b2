package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A connection on which a transaction may still be open must not be used again: the
// next BEGIN on it would commit what is left of that one. A database can refuse a
// ROLLBACK and keep the connection, as a node of a cluster does that has lost the
// majority.

// transaction runs f in a transaction of its own.
func (s *Store) transaction(ctx context.Context, o *sql.TxOptions, f func(context.Context, *session) error) error {
	if s.conn == nil {
		defer s.prepareWanted(ctx) // when the connection is free again
	}
	t, err := s.begin(ctx, o)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // a panic; database/sql waits for what panicked, perhaps for ever
			go t.rollback(context.WithoutCancel(ctx))
		}
	}()
	err = f(ctx, &session{s: s, tx: t.tx})
	if err == nil {
		err = t.commit(ctx)
	}
	ended = true
	if err != nil {
		t.end(ctx)
		return err
	}
	t.close(true)
	return nil
}

// A transacting is a transaction with the connection that it is on.
type transacting struct {
	tx     *sql.Tx
	conn   *sql.Conn
	lent   bool // by the host
	cancel context.CancelFunc
}

// begin begins a transaction. Its context does not end while statements run in it,
// which have one of their own: database/sql would roll back by itself, and use the
// connection again whatever came of that.
func (s *Store) begin(ctx context.Context, o *sql.TxOptions) (*transacting, error) {
	left := 0
	for try := 0; ; try++ {
		t := &transacting{conn: s.conn, lent: s.conn != nil}
		if !t.lent {
			conn, err := s.db.Conn(ctx)
			if err != nil {
				return nil, err
			}
			t.conn = conn
		}
		var within context.Context
		within, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, t.cancel)
		var err error
		t.tx, err = t.conn.BeginTx(within, o)
		over := !stop()
		switch {
		case err == nil && !over:
			return t, nil
		case err == nil:
			err = ctx.Err()
			t.end(ctx)
		default:
			t.close(t.lent)
		}
		if !errors.Is(err, driver.ErrBadConn) || t.lent || over {
			return nil, err
		}
		// It had died in the pool, and so may have all that are there.
		if try == 0 {
			left = s.db.Stats().Idle + 2
		}
		if try == left {
			return nil, err
		}
	}
}

// commit commits, unless the context has ended.
func (t *transacting) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, t.cancel)() // some drivers commit within the transaction's context
	return t.tx.Commit()
}

// end rolls back. Whose context has ended does not wait long for that.
func (t *transacting) end(ctx context.Context) {
	if ctx.Err() == nil {
		t.rollback(ctx)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.rollback(context.WithoutCancel(ctx))
	}()
	patience := time.NewTimer(mostOverrun)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		t.cancel()
	}
}

// rollback ends the transaction, and the connection, unless the database has said
// that nothing is left of it.
func (t *transacting) rollback(ctx context.Context) {
	err := t.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) { // it failed as it was to be committed
		_, err = t.conn.ExecContext(ctx, "ROLLBACK")
	}
	t.close(err == nil || strings.Contains(err.Error(), nothingOpen))
}

// nothingOpen is in what SQLite says to a ROLLBACK where it has rolled back by itself.
const nothingOpen = "no transaction"

// close gives the connection back, or ends it.
func (t *transacting) close(good bool) {
	t.cancel()
	if !good {
		discard(t.conn)
	}
	if !t.lent {
		_ = t.conn.Close()
	}
}

// discard ends a connection of which nobody knows what state it is in.
func discard(conn *sql.Conn) { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }

// sure is for what a database says to have committed. Where the context has ended
// that is not known: a driver that asks the server to cancel (lib/pq does) ends the
// wait for a standby by that, and the server then says that it is done, which it is on
// this server only.
func sure(ctx context.Context, err error) error {
	if over := ctx.Err(); err == nil && over != nil {
		return fmt.Errorf("whether it was done is not known: %w", over)
	}
	return err
}
