package ordeal

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// A Backend is a database with a driver.
type Backend struct {
	Name    string
	Driver  string
	Dialect sqlstore.Dialect
	Start   func(context.Context, ...servers.Option) (*servers.Server, error) // nil for a file
}

// Backends lists a database of each kind.
var Backends = []Backend{
	{Name: "sqlite", Driver: "sqlite", Dialect: sqlstore.SQLite},
	{Name: "postgres", Driver: "pgx", Dialect: sqlstore.Postgres, Start: servers.StartPostgres},
	{Name: "mariadb", Driver: "mysql", Dialect: sqlstore.MySQL, Start: servers.StartMariaDB},
}

// Place creates an empty database, in a file of the folder or on its own server,
// which is nil for a file. Every commit is synced: a server is started without
// servers.Fast.
func (b Backend) Place(ctx context.Context, dir, database string) (dsn string, server *servers.Server, err error) {
	file := "file:" + filepath.Join(dir, "tickets.db")
	switch {
	case b.Start != nil:
		if server, err = b.Start(ctx); err != nil {
			return "", nil, err
		}
		if err := server.CreateDatabase(ctx, database); err != nil {
			return "", nil, errors.Join(err, server.Stop())
		}
		return server.DSN(b.Driver, database), server, nil
	case b.Driver == "sqlite3":
		return file + "?_busy_timeout=5000&_synchronous=FULL", nil, nil
	default:
		return file + "?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)", nil, nil
	}
}

// OpenStore opens the store for a process of a run.
func OpenStore(ctx context.Context, driver, dsn string, d sqlstore.Dialect) (*sqlstore.Store, *sql.DB, error) {
	db, err := dbtests.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(6)
	store, err := sqlstore.Open(ctx, db, d)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, db, nil
}
