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

// A connection must not be used again if a transaction may still be open on it,
// because the next BEGIN would commit the rest of that transaction. A database can
// refuse a ROLLBACK and keep the connection, for example if it is a node that has
// lost the majority of its cluster.

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
		if !ended { // after a panic database/sql may wait for ever
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

// A transacting is a transaction with its connection.
type transacting struct {
	tx     *sql.Tx
	conn   *sql.Conn
	lent   bool // the application's connection
	cancel context.CancelFunc
}

// begin begins a transaction. Its context does not end while statements run, which
// have their own context. Otherwise database/sql would roll back by itself and reuse
// the connection, whatever the result.
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
		// The connection had died in the pool, and so may have all others there.
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

// end rolls back. If the context has ended, it does not wait long.
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

// rollback ends the transaction. It also closes the connection, unless the database
// has confirmed that the transaction is over.
func (t *transacting) rollback(ctx context.Context) {
	err := t.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) { // the commit failed
		_, err = t.conn.ExecContext(ctx, "ROLLBACK")
	}
	t.close(err == nil || strings.Contains(err.Error(), nothingOpen))
}

// nothingOpen is part of SQLite's error for a ROLLBACK if SQLite has already rolled
// back.
const nothingOpen = "no transaction"

// close returns the connection to the pool, or closes it if it is not good.
func (t *transacting) close(good bool) {
	t.cancel()
	if !good {
		discard(t.conn)
	}
	if !t.lent {
		_ = t.conn.Close()
	}
}

// discard closes a connection in an unknown state.
func discard(conn *sql.Conn) { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }

// sure checks the context after the database has reported a commit. If the context
// has ended, the outcome is unknown: a driver that cancels on the server, as lib/pq
// does, ends the wait for a standby. The server then reports a commit that is on
// this server only.
func sure(ctx context.Context, err error) error {
	if over := ctx.Err(); err == nil && over != nil {
		return fmt.Errorf("the outcome is unknown: %w", over)
	}
	return err
}
