package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/sqlstore"
)

// version5 creates the tables of version 5 with so many tickets, of which one in twenty
// has a timer.
func (b backend) version5(t *testing.T, dsn string, tickets int) {
	t.Helper()
	db := b.connect(t, dsn)
	for _, statement := range migrationStatements(t, b.dialect) {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
		if strings.Contains(statement, "version = 5") {
			break
		}
	}
	id, number := "'01HZZZZZZZZZZZZZZZ' || (10000000 + i)", "'N' || (10000000 + i)"
	if b.dialect == sqlstore.MySQL {
		id, number = "CONCAT('01HZZZZZZZZZZZZZZZ', 10000000 + i)", "CONCAT('N', 10000000 + i)"
	}
	digits := "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	all := "SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS i"
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		all += map[bool]string{true: " FROM ", false: " CROSS JOIN "}[i == 0] + digits + " " + name
	}
	_, err := db.ExecContext(t.Context(), "INSERT INTO ticket_tickets (id, tenant, number, version, digest, open, status, phase, level, queue, assignee, pressing,"+
		" channel, reason, resolution, timer_at, timer_action, created, touched, reopened, doc)"+
		" SELECT "+id+", '', "+number+", 1, '"+strings.Repeat("ab", 32)+"', 1, 'open', 'in progress', 1, 'printers', '', 2, 'web', '', '',"+
		" CASE WHEN i % 20 = 0 THEN 1900000000000000 + i END, CASE WHEN i % 20 = 0 THEN 'close' ELSE '' END, 1700000000000000 + i, 1700000000000000 + i, 0,"+
		` '{"subject":"Printer prints blank pages","requester":{"id":"c7","name":"Ada","email":"ada@mill.example"},"filler":"`+strings.Repeat("x", 300)+`"}'`+
		fmt.Sprintf(" FROM (%s) every WHERE i < %d", all, tickets))
	require.NoError(t, err)
}

// requireFilled checks that every timer has its wake, and no other ticket has one.
func requireFilled(t *testing.T, db *sql.DB, tickets int) {
	t.Helper()
	var n, timers, wrong int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(timer_at), COUNT(CASE WHEN COALESCE(wake, 0) <> COALESCE(timer_at, 0) THEN 1 END) FROM ticket_tickets").Scan(&n, &timers, &wrong))
	require.Equal(t, tickets, n)
	require.Equal(t, (tickets+19)/20, timers)
	require.Zero(t, wrong)
}

// A hindrance is a transaction of another program that has used the tickets. It begins
// when the migration is about to build an index, which waits for it.
type hindrance struct {
	*sql.Tx
	begun chan struct{}
}

func hinder(t *testing.T, s *spy, dsn, index string) *hindrance {
	t.Helper()
	db := pgx.connect(t, dsn)
	h := &hindrance{begun: make(chan struct{})}
	var once sync.Once
	s.on(func(st spiedStep) {
		if !st.after && strings.HasPrefix(st.text, "CREATE INDEX CONCURRENTLY "+index) {
			once.Do(func() {
				tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil)
				if err == nil {
					_, err = tx.ExecContext(t.Context(), "UPDATE ticket_tickets SET reopened = 1 WHERE created = 1700000000000000")
				}
				if err != nil {
					t.Error(err)
				}
				h.Tx = tx
				close(h.begun)
			})
		}
	})
	return h
}

// waits waits until an index is being built.
func waits(t *testing.T, db *sql.DB) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		return db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'").Scan(&n) == nil && n > 0
	}, 20*time.Second, 10*time.Millisecond)
}

// While the migration waits to build an index, others read and write, and other processes
// wait to migrate.
func TestTicketsAreInUseWhileIndexesAreBuilt(t *testing.T) {
	dsn := pgx.dsn(t)
	pgx.version5(t, dsn, 2500)
	var s spy
	db := pgx.connectSpied(t, dsn, &s)
	h := hinder(t, &s, dsn, "ticket_tickets_due_next")
	faults := make(chan error, 3)
	migrate := func(db *sql.DB) {
		_, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres)
		faults <- err
	}
	go migrate(db)
	<-h.begun
	others := pgx.connect(t, dsn)
	waits(t, others)
	single := pq.connect(t, dsn)
	single.SetMaxOpenConns(1)
	go migrate(single)
	third := pgx.connect(t, dsn)
	go migrate(third)

	for range 5 {
		begin := time.Now()
		_, err := others.ExecContext(t.Context(), "UPDATE ticket_tickets SET version = version + 1, timer_at = timer_at, wake = wake WHERE created = 1700000000000020")
		require.NoError(t, err)
		var n int
		require.NoError(t, others.QueryRowContext(t.Context(), "SELECT version FROM ticket_tickets WHERE created = 1700000000000020").Scan(&n))
		require.Less(t, time.Since(begin), 2*time.Second)
		time.Sleep(100 * time.Millisecond) // for the other processes to ask again
	}
	require.Empty(t, faults)
	require.NoError(t, h.Rollback())
	for range 3 {
		require.NoError(t, <-faults)
	}
	pgx.requireShapeOf(t, db)
	requireFilled(t, others, 2500)
}

// The server ends a session that builds an index. The index stays, incomplete. The next run
// builds it again, with one connection as well as with several.
func TestAnIncompleteIndexIsBuiltAgain(t *testing.T) {
	for _, most := range []int{0, 1} {
		t.Run(fmt.Sprintf("connections=%d", most), func(t *testing.T) {
			dsn := pgx.dsn(t)
			pgx.version5(t, dsn, 100)
			var s spy
			db := pgx.connectSpied(t, dsn, &s)
			db.SetMaxOpenConns(most)
			h := hinder(t, &s, dsn, "ticket_tickets_due_first")
			fault := make(chan error, 1)
			go func() {
				_, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres)
				fault <- err
			}()
			<-h.begun
			others := pgx.connect(t, dsn)
			waits(t, others)
			_, err := others.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%'")
			require.NoError(t, err)
			require.Error(t, <-fault)
			require.NoError(t, h.Rollback())
			incomplete := func() (name string) {
				require.NoError(t, others.QueryRowContext(t.Context(), "SELECT coalesce(min(indexrelid::regclass::text), '') FROM pg_index WHERE NOT indisvalid").Scan(&name))
				return name
			}
			require.Equal(t, "ticket_tickets_due_first", incomplete())

			_, err = sqlstore.Open(t.Context(), db, sqlstore.Postgres)
			require.NoError(t, err)
			require.Empty(t, incomplete())
			pgx.requireShapeOf(t, db)
			requireFilled(t, others, 100)
		})
	}
}

// requireShapeOf compares the tables with those of a new database without search.
func (b backend) requireShapeOf(t *testing.T, db *sql.DB) {
	t.Helper()
	fresh := b.connect(t, b.dsn(t))
	_, err := sqlstore.Open(t.Context(), fresh, b.dialect)
	require.NoError(t, err)
	require.Equal(t, b.shape(t, fresh), b.shape(t, db))
}
