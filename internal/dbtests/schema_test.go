package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// shape describes the tables and indexes of a database.
func (b backend) shape(t *testing.T, db *sql.DB) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), map[sqlstore.Dialect]string{
		sqlstore.SQLite: "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY name",
		sqlstore.Postgres: "SELECT line FROM (SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(collation_name, '') AS line" +
			" FROM information_schema.columns WHERE table_schema = 'public' UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') x ORDER BY line",
		sqlstore.MySQL: "SELECT line FROM (SELECT CONCAT(table_name, '.', column_name, ' ', column_type, ' ', is_nullable) AS line FROM information_schema.columns WHERE table_schema = DATABASE()" +
			" UNION ALL SELECT CONCAT(table_name, ' ', index_name, ' ', seq_in_index, ' ', column_name, ' ', non_unique) FROM information_schema.statistics WHERE table_schema = DATABASE()) x ORDER BY line",
	}[b.dialect])
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, lines)
	return lines
}

// Several processes open the same empty database at once.
func TestMigrateTogether(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		alone := b.connect(t, b.dsn(t))
		_, err := sqlstore.Open(t.Context(), alone, b.dialect, b.search()...)
		require.NoError(t, err)
		want := b.shape(t, alone)

		for range 2 {
			dsn := b.dsn(t)
			stores := make([]*sqlstore.Store, 8)
			start := make(chan struct{})
			var all sync.WaitGroup
			for i := range stores {
				db := b.connect(t, dsn)
				all.Go(func() {
					<-start
					var err error
					stores[i], err = sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
					assert.NoError(t, err)
				})
			}
			close(start)
			all.Wait()
			if t.Failed() {
				return
			}
			db := b.connect(t, dsn)
			require.Equal(t, want, b.shape(t, db))
			var versions int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ticket_schema").Scan(&versions))
			require.Equal(t, 1+len(b.search()), versions)
			for _, s := range stores {
				require.NoError(t, s.Check(t.Context()))
				require.NoError(t, s.Commit(t.Context(), opening(t, "")))
			}
			require.Len(t, requireWhole(t, stores[0]), len(stores))
		}
	})
}

// migrationStatements returns the statements of the migration files. With an option,
// it includes those for search.
func migrationStatements(t *testing.T, d sqlstore.Dialect, opts ...sqlstore.Option) (list []string) {
	t.Helper()
	files, err := sqlstore.Migrations(d, opts...)
	require.NoError(t, err)
	list = statementsOf(t, files)
	if len(opts) == 0 {
		return list
	}
	files, err = sqlstore.SearchMigrations(d, opts...)
	require.NoError(t, err)
	return append(list, statementsOf(t, files)...)
}

func statementsOf(t *testing.T, files fs.FS) (list []string) {
	t.Helper()
	names, err := fs.Glob(files, "*.up.sql")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names { // in order
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		require.NotContains(t, string(text), "{", "a name was not replaced")
		list = append(list, statementsIn(string(text))...)
	}
	return list
}

func statementsIn(text string) (list []string) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		b.WriteString(line + "\n")
	}
	for statement := range strings.SplitSeq(b.String(), ";") {
		if strings.TrimSpace(statement) != "" {
			list = append(list, statement)
		}
	}
	return list
}

// Running the files with another tool creates the same schema as Open.
func TestMigrationsByHand(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		opened := b.connect(t, b.dsn(t))
		_, err := sqlstore.Open(t.Context(), opened, b.dialect, b.search()...)
		require.NoError(t, err)

		db := b.connect(t, b.dsn(t))
		for _, statement := range migrationStatements(t, b.dialect, b.search()...) {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		require.Equal(t, b.shape(t, opened), b.shape(t, db))
		s, err := sqlstore.New(db, b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		require.NoError(t, s.Migrate(t.Context()), "nothing to do")
		_, err = sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	})
}

// The migration adds the label to tickets that were merged before the label existed.
func TestMigrationLabelsMergedTickets(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
		require.NoError(t, err)
		desk, err := ticket.NewDesk(s, ticket.Config{Silent: true})
		require.NoError(t, err)
		agent := ticket.Agent("lin", 1)
		var tickets []ticket.Ticket
		for range 3 {
			tk, err := desk.Open(t.Context(), agent, ticket.Draft{
				Subject: `"merged_into":"`, Requester: ticket.Person{ID: "c1"}, Fields: ticket.Fields{"merged_into": `"merged_into":"`},
			})
			require.NoError(t, err)
			tickets = append(tickets, tk)
		}
		_, err = desk.Do(t.Context(), agent, tickets[0].ID, ticket.Action{Name: ticket.ActionMerge, Ticket: tickets[1].ID})
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "DELETE FROM ticket_labels WHERE label = 'merged'")
		require.NoError(t, err)
		left := func() int {
			page, err := desk.List(t.Context(), agent, ticket.Query{NotMerged: true})
			require.NoError(t, err)
			return len(page.Tickets)
		}
		require.Equal(t, 3, left())
		ran := 0
		for range 2 { // the second run repeats a migration that was cut off
			for _, statement := range migrationStatements(t, b.dialect) {
				if strings.Contains(statement, "'merged'") {
					_, err := db.ExecContext(t.Context(), statement)
					require.NoError(t, err)
					ran++
				}
			}
			require.Equal(t, 2, left())
		}
		require.Equal(t, 2, ran)
	})
}

// A migration is cut off after any of its statements. On SQLite and PostgreSQL
// nothing of it stays. On MySQL the next run continues.
func TestMigrationThatWasCutOffContinues(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		opened := b.connect(t, b.dsn(t))
		_, err := sqlstore.Open(t.Context(), opened, b.dialect, b.search()...)
		require.NoError(t, err)
		want := b.shape(t, opened)
		statements := len(migrationStatements(t, b.dialect, b.search()...))

		for at := 1; at < statements; at += 5 {
			t.Run(fmt.Sprintf("after %d statements", at), func(t *testing.T) {
				var s spy
				db := b.connectSpied(t, b.dsn(t), &s)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				s.on(func(st spiedStep) {
					first, _, _ := strings.Cut(st.text, " ")
					if st.after && st.what == "exec" && !strings.Contains(st.text, "lock_wait_timeout") && slices.Contains([]string{"CREATE", "DROP", "INSERT", "ALTER", "UPDATE", "DELETE", "SET", "PREPARE", "EXECUTE", "DEALLOCATE"}, first) {
						if n++; n == at {
							cancel()
						}
					}
				})
				_, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
				s.on(nil)
				require.ErrorIs(t, err, context.Canceled)
				if b.dialect != sqlstore.MySQL {
					require.Empty(t, b.tables(t, t.Context(), db))
				} else {
					require.NotEmpty(t, b.tables(t, t.Context(), db))
				}
				again, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
				require.NoError(t, err)
				require.NoError(t, again.Check(t.Context()))
				require.Equal(t, want, b.shape(t, db))
			})
		}
	})
}

// A store that is bound to a transaction or connection does not migrate.
func TestMigrateBound(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.New(db, b.dialect)
		require.NoError(t, err)
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, s.With(conn).Migrate(t.Context()), ticket.ErrInvalid)
		require.NoError(t, conn.Close())
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.ErrorIs(t, s.WithTx(tx).Migrate(t.Context()), ticket.ErrInvalid)
		require.NoError(t, tx.Rollback())
		require.Empty(t, b.tables(t, t.Context(), db))
	})
}

// Two stores with different prefixes share a database. They see nothing of each
// other, and leave other tables alone.
func TestPrefix(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		_, err := db.ExecContext(t.Context(), "CREATE TABLE tickets (id INTEGER)") // a table of the application
		require.NoError(t, err)
		longest := strings.Repeat("p", 30) + "_"
		var stores []*sqlstore.Store
		for _, prefix := range []string{"ticket_", "a_", "_b", longest} {
			s, err := sqlstore.Open(t.Context(), db, b.dialect, append(b.search(), sqlstore.Prefix(prefix))...)
			require.NoError(t, err, prefix)
			stores = append(stores, s)
		}
		commit := opening(t, "key")
		for i, s := range stores {
			require.NoError(t, s.Check(t.Context()))
			for range i + 1 {
				require.NoError(t, s.Commit(t.Context(), opening(t, "")))
			}
			require.NoError(t, s.Commit(t.Context(), commit), "the same ticket and key in each")
		}
		for i, s := range stores {
			require.Len(t, requireWhole(t, s), i+2)
			counts, err := s.Counts(t.Context(), "")
			require.NoError(t, err)
			require.Equal(t, i+2, counts[0].N)
		}
		for _, table := range b.tables(t, t.Context(), db) {
			if table == "sqlite_sequence" {
				continue
			}
			if b.dialect == sqlstore.Postgres {
				table = strings.TrimPrefix(table, "public.")
			}
			require.True(t, table == "tickets" || strings.HasPrefix(table, "ticket_") || strings.HasPrefix(table, "a_") ||
				strings.HasPrefix(table, "_b") || strings.HasPrefix(table, longest), table)
		}
	})
}

// The tables are in the requested PostgreSQL schema, whatever the search path is.
func TestSchema(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		_, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Schema("desk"))
		require.Error(t, err, "it must be there")
		_, err = db.ExecContext(t.Context(), "CREATE SCHEMA desk")
		require.NoError(t, err)
		inDesk, err := sqlstore.Open(t.Context(), db, b.dialect, append(b.search(), sqlstore.Schema("desk"))...)
		require.NoError(t, err)
		require.NoError(t, inDesk.Check(t.Context()))
		tables := b.tables(t, t.Context(), db)
		require.NotEmpty(t, tables)
		for _, table := range tables {
			require.True(t, strings.HasPrefix(table, "desk."), table)
		}
		first, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		require.NoError(t, inDesk.Commit(t.Context(), opening(t, "")))
		require.Len(t, requireWhole(t, inDesk), 1)
		require.Empty(t, requireWhole(t, first))
	})
}

// Several processes open a new file, and SQLite does not wait for a lock.
func TestOpenTogetherWithoutBusyTimeout(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		for try := range 4 {
			dsn := "file:" + filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", try))
			if b.name == mattn.name {
				dsn += "?_busy_timeout=0"
			}
			var all sync.WaitGroup
			for range 6 {
				db := b.connect(t, dsn)
				all.Go(func() {
					_, err := sqlstore.Open(t.Context(), db, b.dialect)
					assert.NoError(t, err)
				})
			}
			all.Wait()
		}
	})
}

// A process that waited for the migration of another one sees its result in every
// default isolation level.
func TestMigrateUnderRepeatableRead(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		dsn := b.dsn(t) + " default_transaction_isolation='repeatable read'"
		var all sync.WaitGroup
		for range 5 {
			db := b.connect(t, dsn)
			var level string
			require.NoError(t, db.QueryRowContext(t.Context(), "SHOW transaction_isolation").Scan(&level))
			require.Equal(t, "repeatable read", level)
			all.Go(func() {
				_, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
				assert.NoError(t, err)
			})
		}
		all.Wait()
	})
}

// The name of a schema may be a reserved word of SQL.
func TestSchemaMayBeAReservedWord(t *testing.T) {
	each(t, []backend{pgx, pq}, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		_, err := db.ExecContext(t.Context(), `CREATE SCHEMA "user"`)
		require.NoError(t, err)
		for range 2 { // the second one finds the tables
			s, err := sqlstore.Open(t.Context(), db, b.dialect, append(b.search(), sqlstore.Schema("user"))...)
			require.NoError(t, err)
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
			require.NotEmpty(t, found(t, s, "printer"))
		}
	})
}
