package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"time"
)

// On PostgreSQL a transaction that changes a table and builds its indexes keeps readers and
// writers waiting until its end. So a file can have a line with alongsideMark. If the
// tables are not new, what is before the mark runs in a transaction, and then the rest, each
// statement in its own transactions: indexes are built with CONCURRENTLY, and an
// update of the tickets is done in batches. The last statement sets the version. An
// interrupted run is repeated from the mark, without the indexes that are complete.

// alongsideMark begins the line before the statements that run alongside others.
const alongsideMark = "-- alongside"

// A remainder is the rest of a file, which is to run alongside others.
type remainder struct {
	part part
	migration
}

const (
	// perStep is the number of tickets of one step of an update.
	perStep = 1000
	// pollAlone is the time after which a migration tries again to become the only one.
	pollAlone = 50 * time.Millisecond
)

// briefLocks keeps the transaction from waiting long for a lock of PostgreSQL.
var briefLocks = fmt.Sprintf("SELECT set_config('lock_timeout', '%d', true) FROM pg_settings WHERE name = 'lock_timeout' AND setting::int NOT BETWEEN 1 AND %d",
	mostQueueing.Milliseconds(), mostQueueing.Milliseconds())

var (
	columnMade   = regexp.MustCompile(`ADD COLUMN (\w+)`)
	indexAdded   = regexp.MustCompile(`^CREATE (UNIQUE )?INDEX (\w+)\s+ON (\S+)`)
	ticketsFills = regexp.MustCompile(`^UPDATE \S*tickets SET `)
)

// waitAlone returns when no other process migrates these tables on PostgreSQL. It takes an
// advisory lock for the session or, if the connection is in a transaction that begins with
// this statement, for that transaction. A statement that waited for the lock would keep the
// other process from building indexes, which waits for all older snapshots: a
// deadlock. So would a transaction that stays open after the question, because its
// portal keeps the snapshot.
func (s *Store) waitAlone(ctx context.Context, conn *sql.Conn, begin string) error {
	try := "pg_try_advisory_lock"
	if begin != "" {
		try = "pg_try_advisory_xact_lock"
	}
	for {
		var alone bool
		if err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT %s(%d)", try, s.migrationLock())).Scan(&alone); err != nil || alone {
			return err
		}
		if begin != "" {
			if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
				return err
			}
		}
		pause := time.NewTimer(pollAlone)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
		if begin != "" {
			if _, err := conn.ExecContext(ctx, begin); err != nil {
				return err
			}
		}
	}
}

// migrationLock returns the key of the advisory lock of these tables.
func (s *Store) migrationLock() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.names.Replace("{t}migrate")))
	return int64(h.Sum64())
}

// beginning returns the text before the mark, or nothing if it has no statement or was run
// before.
func (s *Store) beginning(ctx context.Context, conn *sql.Conn, m migration) (string, error) {
	text, _, _ := strings.Cut(m.text, alongsideMark)
	if len(split(text)) == 0 {
		return "", nil
	}
	table, column := tableMade.FindStringSubmatch(split(text)[0]), columnMade.FindStringSubmatch(text)
	if table == nil || column == nil {
		return "", fmt.Errorf("sqlstore: %s does not begin with a new column", m.file)
	}
	done := false
	err := conn.QueryRowContext(ctx, s.names.Replace("SELECT COUNT(*) > 0 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"+
		" WHERE n.nspname = {schema} AND c.relname = '"+table[1]+"' AND a.attname = '"+column[1]+"' AND NOT a.attisdropped")).Scan(&done)
	if done {
		text = ""
	}
	return text, err
}

// alongside runs the rest of a file, while no other process migrates. The advisory lock
// belongs to a transaction of its own, because PgBouncer can give each transaction another
// connection of the server. After SET that transaction has no snapshot, so no index waits
// for it.
func (s *Store) alongside(ctx context.Context, conn *sql.Conn, r *remainder) error {
	if s.db.Stats().MaxOpenConnections == 1 {
		return s.alongsideAlone(ctx, conn, r)
	}
	return s.withinTransaction(ctx, conn, func() error {
		if _, err := conn.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		worker, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = worker.Close() }()
		return s.finish(ctx, worker, r)
	})
}

// alongsideAlone is alongside with one connection. The lock belongs to its session.
func (s *Store) alongsideAlone(ctx context.Context, conn *sql.Conn, r *remainder) error {
	if err := s.waitAlone(ctx, conn, ""); err != nil {
		return err
	}
	err := s.finish(ctx, conn, r)
	freed := false
	free := fmt.Sprintf("SELECT pg_advisory_unlock(%d)", s.migrationLock())
	if conn.QueryRowContext(context.WithoutCancel(ctx), free).Scan(&freed) != nil || !freed {
		discard(conn) // this also frees the lock
	}
	return err
}

// finish runs the rest of a file, unless another process has done it.
func (s *Store) finish(ctx context.Context, conn *sql.Conn, r *remainder) error {
	have, err := s.version(ctx, conn, r.part)
	if err != nil || have >= r.number {
		return err
	}
	for _, statement := range split(r.rest) {
		switch {
		case indexAdded.MatchString(statement):
			err = s.buildIndex(ctx, conn, statement)
		case ticketsFills.MatchString(statement):
			err = s.fill(ctx, conn, statement, s.briefly)
		default:
			err = execute(ctx, conn, statement)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
	}
	return nil
}

// buildIndex creates an index, unless it is there. One that was not completed is dropped
// first.
func (s *Store) buildIndex(ctx context.Context, conn *sql.Conn, statement string) error {
	made := indexAdded.FindStringSubmatch(statement)
	name, table := made[2], made[3]
	there, whole, err := s.indexState(ctx, conn, name)
	if err == nil && there && !whole {
		// A process that was killed may not have ended on the server. LOCK waits for
		// it without a snapshot, for which the other one would wait.
		if !s.lang.distributed {
			err = s.briefly(ctx, conn, "LOCK TABLE "+table+" IN SHARE UPDATE EXCLUSIVE MODE")
		}
		if err == nil {
			there, whole, err = s.indexState(ctx, conn, name)
		}
		if err == nil && there && !whole {
			_, err = conn.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+s.qualified(name))
		}
	}
	if err != nil || whole {
		return err
	}
	_, err = conn.ExecContext(ctx, strings.Replace(statement, "INDEX", "INDEX CONCURRENTLY", 1))
	return err
}

// indexState reports whether an index exists, and whether it is complete.
func (s *Store) indexState(ctx context.Context, conn *sql.Conn, name string) (there, whole bool, err error) {
	err = conn.QueryRowContext(ctx, s.names.Replace("SELECT x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace"+
		" WHERE n.nspname = {schema} AND i.relname = '"+name+"'")).Scan(&whole)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, whole, err
}

// qualified returns the name of an index with its schema.
func (s *Store) qualified(index string) string {
	return strings.TrimSuffix(s.names.Replace("{t}"), s.prefix) + index
}

// fill runs an update of the tickets in batches, in the order of their IDs.
func (s *Store) fill(ctx context.Context, conn *sql.Conn, statement string, run func(ctx context.Context, conn *sql.Conn, statement string) error) error {
	for last := ""; ; {
		var b strings.Builder
		writeText(&b, last)
		var to sql.NullString
		err := conn.QueryRowContext(ctx, s.names.Replace(fmt.Sprintf("SELECT max(id) FROM (SELECT id FROM {t}tickets WHERE id > %s ORDER BY id LIMIT %d) page", b.String(), perStep))).Scan(&to)
		if err != nil || !to.Valid {
			return err
		}
		b.Reset()
		b.WriteString(statement + " AND id > ")
		writeText(&b, last)
		b.WriteString(" AND id <= ")
		writeText(&b, to.String)
		if err := run(ctx, conn, b.String()); err != nil {
			return err
		}
		last = to.String
	}
}

// execute runs a statement.
func execute(ctx context.Context, conn *sql.Conn, statement string) error {
	_, err := conn.ExecContext(ctx, statement)
	return err
}

// briefly runs a statement in a transaction that does not wait long for a lock.
func (s *Store) briefly(ctx context.Context, conn *sql.Conn, statement string) (err error) {
	for _, text := range []string{"BEGIN ISOLATION LEVEL READ COMMITTED", briefLocks, statement, "COMMIT"} {
		if _, err = conn.ExecContext(ctx, text); err != nil {
			break
		}
	}
	if err != nil {
		if _, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); undo != nil {
			discard(conn)
		}
	}
	return err
}
