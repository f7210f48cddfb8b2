// Package dbtests holds the tests that need a database or its driver, so that the
// root module needs neither. It imports and so registers the five drivers that the
// tests cover: "sqlite" (modernc.org/sqlite), "sqlite3" (mattn/go-sqlite3), "pgx"
// (jackc/pgx), "postgres" (lib/pq) and "mysql" (go-sql-driver/mysql). Package
// servers starts the servers.
package dbtests

import (
	"database/sql"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"
)

// Connections is the maximum number of connections in a pool of [Open], including
// idle ones.
const Connections = 32

// Open opens a pool for the tests. By default database/sql has no limit and keeps
// two idle connections. The tests have more goroutines than a server has
// connections, and would spend their time on connecting.
func Open(driver, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(Connections)
	db.SetMaxIdleConns(Connections)
	return db, nil
}
