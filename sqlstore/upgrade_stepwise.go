package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Variants of PostgreSQL commit each DDL statement by itself. So each statement of the
// schema files runs alone, in a form that can be repeated, and the last one of a file
// sets the version. An interrupted run is repeated from the beginning of the file.
//
// These engines have no advisory lock on which one could rely, and a transaction that holds
// the lock of a row for long can keep indexes from being built. So the process that migrates
// has a lease: a row with the time at which it ends, by the clock of the database. It is
// renewed meanwhile. If a lease is lost, two processes may do the same steps, which does no
// harm: one that finds that the other was faster starts over.

// leaseSeconds is how long others wait for a process that was killed.
const leaseSeconds = 60

// The row of the lease. Its version is a time in seconds; 0 means that nobody migrates.
var (
	leaseTable = `CREATE TABLE IF NOT EXISTS {t}schema (part text COLLATE "C" NOT NULL PRIMARY KEY, version integer NOT NULL)`
	leaseRow   = "INSERT INTO {t}schema (part, version) VALUES ('migrating', 0) ON CONFLICT DO NOTHING"
	takeLease  = fmt.Sprintf("UPDATE {t}schema SET version = extract(epoch FROM now())::integer + %d WHERE part = 'migrating'", leaseSeconds)
	leaseEnded = " AND version < extract(epoch FROM now())::integer"
	endLease   = "UPDATE {t}schema SET version = 0 WHERE part = 'migrating'"
)

// repeatable has the forms in which a statement can be repeated.
var repeatable = []rewrite{
	{regexp.MustCompile(`^CREATE TABLE `), "CREATE TABLE IF NOT EXISTS "},
	{regexp.MustCompile(`\bADD COLUMN `), "ADD COLUMN IF NOT EXISTS "},
	{regexp.MustCompile(`\bDROP COLUMN `), "DROP COLUMN IF EXISTS "},
	{regexp.MustCompile(`^DROP INDEX `), "DROP INDEX IF EXISTS "},
	{regexp.MustCompile(`^(INSERT INTO \S*schema .*)$`), "$1 ON CONFLICT DO NOTHING"},
	{regexp.MustCompile(`^(UPDATE \S*schema SET version = (\d+) .*)$`), "$1 AND version < $2"},
}

// stepwise runs the missing migrations, while no other process does.
func (s *Store) stepwise(ctx context.Context, conn *sql.Conn) error {
	for _, text := range []string{s.lang.rewritten(leaseTable), leaseRow} {
		if err := execute(ctx, conn, s.names.Replace(text)); err != nil {
			return err
		}
	}
	if err := s.waitForLease(ctx, conn); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		for wait(renewing, leaseSeconds*time.Second/4) {
			_, _ = s.db.ExecContext(renewing, s.names.Replace(takeLease))
		}
	})
	err := s.steps(ctx, conn)
	stop()
	renewal.Wait()
	if undo := s.freeLease(context.WithoutCancel(ctx), conn); err == nil {
		err = undo
	}
	return err
}

// freeLease lets others migrate. A connection on which a statement was cancelled may be closed.
func (s *Store) freeLease(ctx context.Context, conn *sql.Conn) error {
	err := execute(ctx, conn, s.names.Replace(endLease))
	if err != nil {
		discard(conn)
		_ = conn.Close() // the pool may have no other
		_, err = s.db.ExecContext(ctx, s.names.Replace(endLease))
	}
	return err
}

// waitForLease takes the lease when no other process has it.
func (s *Store) waitForLease(ctx context.Context, conn *sql.Conn) error {
	for {
		r, err := conn.ExecContext(ctx, s.names.Replace(takeLease+leaseEnded))
		if err == nil {
			n, err := r.RowsAffected()
			if err != nil || n > 0 {
				return err
			}
		} else if s.lang.classify(err) != conflict {
			return err
		}
		if !wait(ctx, pollAlone) {
			return ctx.Err()
		}
	}
}

// steps runs the missing migrations, one statement at a time.
func (s *Store) steps(ctx context.Context, conn *sql.Conn) error {
	if s.lang.setUp != "" {
		if err := execute(ctx, conn, s.lang.setUp); err != nil {
			return err
		}
	}
	for _, p := range s.parts() {
		list, err := s.migrations(p)
		if err != nil {
			return err
		}
		have, err := s.version(ctx, conn, p)
		if err != nil {
			return err
		}
		for _, m := range list {
			if m.number <= have {
				continue
			}
			for _, statement := range split(m.text) {
				if err := s.step(ctx, conn, statement); err != nil {
					return fmt.Errorf("%s: %w", m.file, err)
				}
			}
		}
	}
	return nil
}

// step runs a statement that may have been run before.
func (s *Store) step(ctx context.Context, conn *sql.Conn, statement string) error {
	switch {
	case indexAdded.MatchString(statement):
		return s.buildIndex(ctx, conn, statement)
	case ticketsFills.MatchString(statement):
		return s.fill(ctx, conn, statement, execute)
	}
	for _, r := range repeatable {
		statement = r.from.ReplaceAllString(statement, r.to)
	}
	err := execute(ctx, conn, statement)
	if err != nil && strings.Contains(statement, " RENAME COLUMN ") && s.lang.classify(err) == missing {
		return nil // it was renamed before; if it never existed, the next statement fails
	}
	return err
}
