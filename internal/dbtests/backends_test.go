package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// A backend is a database with a driver.
type backend struct {
	name    string
	driver  string
	dialect sqlstore.Dialect
	server  func(servers.TB) *servers.Server // nil: a file
}

var (
	modernc = backend{"modernc", "sqlite", sqlstore.SQLite, nil}
	mattn   = backend{"mattn", "sqlite3", sqlstore.SQLite, nil}
	pgx     = backend{"pgx", "pgx", sqlstore.Postgres, servers.Postgres}
	pq      = backend{"pq", "postgres", sqlstore.Postgres, servers.Postgres}
	mariadb = backend{"mariadb", "mysql", sqlstore.MySQL, servers.MariaDB}

	// backends has all drivers, databases one driver for each database.
	backends  = []backend{modernc, mattn, pgx, pq, mariadb}
	databases = []backend{modernc, pgx, mariadb}
)

// each runs a test on every backend.
func each(t *testing.T, list []backend, test func(t *testing.T, b backend)) {
	t.Helper()
	for _, b := range list {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

// dsn creates an empty database and returns its data source name.
func (b backend) dsn(tb testing.TB) string {
	tb.Helper()
	if b.server == nil {
		return sqliteDSN(b.driver, filepath.Join(tb.TempDir(), "tickets.db"))
	}
	s := b.server(tb)
	return s.DSN(b.driver, s.Database(tb))
}

func sqliteDSN(driver, file string) string {
	if driver == "sqlite" {
		return "file:" + file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)"
	}
	return "file:" + file + "?_busy_timeout=5000&_synchronous=NORMAL"
}

// connect opens a database.
func (b backend) connect(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := dbtests.Open(b.driver, dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// Creating and dropping a database takes PostgreSQL a third of a second, emptying
// one some milliseconds. So databases are emptied and reused after a test.
var (
	lentMutex sync.Mutex
	lentOut   int
	lentBack  = map[*servers.Server][]string{}
	lentPools = map[string]*sql.DB{} // by data source name
)

// lend is like dsn, for tests that need not be the first to create tables: the
// database may have empty tables of earlier tests.
func (b backend) lend(tb testing.TB) string {
	tb.Helper()
	if b.server == nil {
		return b.dsn(tb)
	}
	s := b.server(tb)
	lentMutex.Lock()
	defer lentMutex.Unlock()
	var name string
	if n := len(lentBack[s]); n > 0 {
		name, lentBack[s] = lentBack[s][n-1], lentBack[s][:n-1]
	} else {
		lentOut++
		name = fmt.Sprintf("lent_%d", lentOut)
		require.NoError(tb, s.CreateDatabase(tb.Context(), name)) // it is removed with the server
	}
	dsn := s.DSN(b.driver, name)
	tb.Cleanup(func() {
		b.empty(tb, b.pool(tb, dsn))
		lentMutex.Lock()
		defer lentMutex.Unlock()
		lentBack[s] = append(lentBack[s], name)
	})
	return dsn
}

// lendPool is like lend, and opens the database. The pool stays open for the next test,
// because a new connection takes PostgreSQL longer than most cases.
func (b backend) lendPool(tb testing.TB) (dsn string, db *sql.DB) {
	tb.Helper()
	dsn = b.lend(tb)
	if b.server == nil {
		return dsn, b.connect(tb, dsn)
	}
	return dsn, b.pool(tb, dsn)
}

// pool returns the pool of a database that is lent.
func (b backend) pool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	lentMutex.Lock()
	defer lentMutex.Unlock()
	db := lentPools[dsn]
	if db == nil {
		var err error
		db, err = dbtests.Open(b.driver, dsn)
		require.NoError(tb, err)
		lentPools[dsn] = db // the server's end closes it
	}
	return db
}

// empty removes all rows except for the schema's version.
func (b backend) empty(tb testing.TB, db *sql.DB) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // the test is over
	if b.dialect == sqlstore.Postgres {
		// Deleted rows stay in the files for a while, and statistics of the empty
		// tables would affect the plans of the next test. A table without pages is as
		// it was created.
		_, err := db.ExecContext(ctx, `DO $$ DECLARE names text; BEGIN
			SELECT string_agg(c.oid::regclass::text, ', ') INTO names FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname NOT LIKE '%schema' AND pg_relation_size(c.oid) > 0;
			IF names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || names; END IF;
		END $$`)
		require.NoError(tb, err)
		return
	}
	for _, table := range b.tables(tb, ctx, db) {
		if !strings.HasSuffix(table, "schema") {
			_, err := db.ExecContext(ctx, "DELETE FROM "+table)
			require.NoError(tb, err)
		}
	}
}

// tables returns the names of a database's tables, sorted.
func (b backend) tables(tb testing.TB, ctx context.Context, db *sql.DB) (names []string) { //nolint:revive // tb comes first in tests
	tb.Helper()
	rows, err := db.QueryContext(ctx, map[sqlstore.Dialect]string{
		sqlstore.SQLite:   "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
		sqlstore.Postgres: "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
		sqlstore.MySQL:    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1",
	}[b.dialect])
	require.NoError(tb, err)
	defer func() { require.NoError(tb, rows.Close()) }()
	for rows.Next() {
		var name string
		require.NoError(tb, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(tb, rows.Err())
	return names
}

// open returns a store on an empty database, and the database.
func (b backend) open(tb testing.TB, opts ...sqlstore.Option) (*sqlstore.Store, *sql.DB) {
	tb.Helper()
	db := b.connect(tb, b.lend(tb))
	s, err := sqlstore.Open(tb.Context(), db, b.dialect, opts...)
	require.NoError(tb, err)
	return s, db
}

// search returns the option for full-text search. mattn's driver has it only if it
// is built with the tag sqlite_fts5.
func (b backend) search() []sqlstore.Option {
	if b.driver == mattn.driver {
		return nil
	}
	return []sqlstore.Option{sqlstore.Search()}
}
