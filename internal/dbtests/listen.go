package dbtests

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/lib/pq"
)

// ListenPgx listens on a connection of pgx, for sqlstore.Announce. It returns when
// the connection breaks, and the relay then calls it again.
func ListenPgx(dsn string) func(ctx context.Context, channel string, heard func()) error {
	return func(ctx context.Context, channel string, heard func()) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
			return err
		}
		for {
			heard() // the first call is for commits before LISTEN
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
}

// ListenPq listens with lib/pq, for sqlstore.Announce. Its listener reconnects by
// itself.
func ListenPq(dsn string) func(ctx context.Context, channel string, heard func()) error {
	return func(ctx context.Context, channel string, heard func()) error {
		l := pq.NewListener(dsn, 100*time.Millisecond, time.Minute, nil)
		stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // this also ends Listen
		defer func() {
			if stop() {
				_ = l.Close()
			}
		}()
		if err := l.Listen(channel); err != nil {
			return err
		}
		for {
			heard() // the first call is for commits before LISTEN
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-l.Notify: // also after it has connected again
			case <-time.After(time.Minute):
				if err := l.Ping(); err != nil { // detects a dead connection
					return err
				}
			}
		}
	}
}
