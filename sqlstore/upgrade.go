package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// These limit how long a migration waits for locks: mostQueueing at one time, while
// all users of the table wait after it, and mostMigrating in all.
const (
	mostQueueing  = 2 * time.Second
	mostMigrating = time.Minute
)

// mostCrossed limits how often a migration starts over because another node of a
// cluster migrated at the same time. The locks of one node are not visible on
// another.
const mostCrossed = 20

// migrate runs the missing migrations.
func (s *Store) migrate(ctx context.Context) error {
	end := time.NewTimer(mostMigrating)
	defer end.Stop()
	for crossed := 0; ; {
		err := s.migrateOnce(ctx)
		if err == nil || ctx.Err() != nil || s.dialect == SQLite { // SQLite has already waited
			return err
		}
		wait := mostQueueing/2 + rand.N(mostQueueing/2) //nolint:gosec // a moment to wait is no secret
		switch {
		case s.lang.classify(err) == busy:
		case (s.crossed(err) || s.dialect == Postgres && s.lang.classify(err) == conflict) && crossed < mostCrossed:
			crossed++
			wait = rand.N(time.Duration(crossed) * 20 * time.Millisecond) //nolint:gosec // as above
		default:
			return err
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-end.C:
			pause.Stop()
			return err
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// crossed reports whether an error comes from another process or node of a cluster that
// migrates at the same time.
func (s *Store) crossed(err error) bool {
	if s.dialect != MySQL && !s.lang.distributed {
		return false
	}
	switch s.lang.classify(err) {
	case conflict, taken, missing, there:
		return true
	default:
		n, is := mysqlNumber(err)
		return is && n == 1317 // a statement was interrupted: by one that changes a table, on another node
	}
}

func (s *Store) migrateOnce(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if s.lang.distributed {
		return s.stepwise(ctx, conn)
	}
	var rest *remainder
	work := func() (err error) {
		rest, err = s.upgrade(ctx, conn)
		return err
	}
	if s.dialect == MySQL {
		return s.withLock(ctx, conn, work)
	}
	for {
		if err := s.withinTransaction(ctx, conn, work); err != nil || rest == nil {
			return err
		}
		if err := s.alongside(ctx, conn, rest); err != nil {
			return err
		}
	}
}

// withLock runs f on MySQL while no other process on the same server does.
func (s *Store) withLock(ctx context.Context, conn *sql.Conn, f func() error) error {
	name := s.names.Replace("'{p}migrate'")
	var got sql.NullInt64
	// Some clusters do not support it. It only avoids work done twice.
	err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 60)").Scan(&got)
	if err == nil && got.Int64 != 1 {
		return errors.New("another process is still migrating")
	}
	var patience int64
	if err := conn.QueryRowContext(ctx, "SELECT @@SESSION.lock_wait_timeout").Scan(&patience); err != nil {
		discard(conn)
		return err
	}
	set := func(ctx context.Context, seconds int64) error {
		_, err := conn.ExecContext(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", seconds))
		return err
	}
	err = set(ctx, min(patience, int64(mostQueueing/time.Second)))
	if err == nil {
		err = f()
	}
	ctx = context.WithoutCancel(ctx)
	var freed sql.NullInt64
	if set(ctx, patience) != nil || conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK("+name+")").Scan(&freed) != nil {
		discard(conn) // this also frees the lock
	}
	return err
}

// withinTransaction runs f in a transaction, while no other process does.
func (s *Store) withinTransaction(ctx context.Context, conn *sql.Conn, f func() error) error {
	run := func(text string) error {
		_, err := conn.ExecContext(ctx, text)
		return err
	}
	begin, alone := "BEGIN IMMEDIATE", func() error { return nil }
	if s.dialect == Postgres {
		begin = "BEGIN ISOLATION LEVEL READ COMMITTED" // to see what was done while it waited
		alone = func() error {
			if err := s.waitAlone(ctx, conn, begin); err != nil {
				return err
			}
			return run(briefLocks)
		}
	}
	if err := s.retryBusy(ctx, func() error { return run(begin) }); err != nil {
		discard(conn)
		return err
	}
	err := alone()
	if err == nil {
		err = f()
	}
	if err == nil {
		err = run("COMMIT")
	}
	if err == nil {
		return sure(ctx, nil)
	}
	if _, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); undo != nil && !strings.Contains(undo.Error(), nothingOpen) {
		discard(conn)
	}
	return err
}

// upgrade runs the missing migrations. It ends after the first part of one whose rest can
// run alongside others, and returns the rest. On a new database it runs the whole of it.
func (s *Store) upgrade(ctx context.Context, conn *sql.Conn) (*remainder, error) {
	for _, p := range s.parts() {
		list, err := s.migrations(p)
		if err != nil {
			return nil, err
		}
		first, err := s.version(ctx, conn, p)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			// Checked for each file, because another node of a cluster may migrate
			// as well.
			have, err := s.version(ctx, conn, p)
			if err != nil {
				return nil, err
			}
			if m.number <= have {
				continue
			}
			text := m.text
			if m.rest != "" && first > 0 {
				if text, err = s.beginning(ctx, conn, m); err != nil {
					return nil, err
				}
			}
			for _, statement := range split(text) {
				var err error
				if s.dialect == MySQL && ticketsFills.MatchString(statement) {
					err = s.fill(ctx, conn, statement, execute) // one statement would lock every ticket until its end
				} else {
					err = execute(ctx, conn, statement)
				}
				if err != nil && strings.Contains(err.Error(), "no such module") {
					return nil, fmt.Errorf("%s: SQLite was built without FTS5, which Search needs: %w: %w", m.file, errors.ErrUnsupported, err)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", m.file, err)
				}
			}
			if m.rest != "" && first > 0 {
				return &remainder{p, m}, nil
			}
		}
	}
	return nil, nil
}
