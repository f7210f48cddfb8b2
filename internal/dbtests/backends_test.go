package dbtests_test

import (
	"database/sql"
	"os"
	"path/filepath"
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

	// backends are all of them, and databases one for each database.
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

// dsn makes an empty database and returns how to reach it.
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

// open returns a store on an empty database, and the database.
func (b backend) open(tb testing.TB, opts ...sqlstore.Option) (*sqlstore.Store, *sql.DB) {
	tb.Helper()
	db := b.connect(tb, b.dsn(tb))
	s, err := sqlstore.Open(tb.Context(), db, b.dialect, opts...)
	require.NoError(tb, err)
	return s, db
}
