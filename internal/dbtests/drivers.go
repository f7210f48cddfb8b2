// Package dbtests holds the tests that need a database or its driver, so that
// the root module needs neither. It imports the five drivers that the tests
// cover, and so registers them: "sqlite" (modernc.org/sqlite), "sqlite3"
// (mattn/go-sqlite3), "pgx" (jackc/pgx), "postgres" (lib/pq) and "mysql"
// (go-sql-driver/mysql). Package servers starts the servers to connect to.
package dbtests

import (
	"database/sql"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"
)

// Connections is how many connections a pool of [ActionOpen] has at most, idle ones
// included.
const Connections = 32

// Open opens a pool as the tests use it. By default database/sql has no limit
// and keeps two idle connections; the tests have more goroutines at work than a
// server has connections, and would spend their time on connecting.
func Open(driver, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(Connections)
	db.SetMaxIdleConns(Connections)
	return db, nil
}
