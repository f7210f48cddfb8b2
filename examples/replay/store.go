package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
)

// openStore returns the store that the flags select, and a function that closes it.
func openStore(ctx context.Context, name, dsn string) (ticket.Store, func() error, error) {
	done := func() error { return nil }
	var driver string
	var dialect sqlstore.Dialect
	switch name {
	case "memory":
		if dsn != "" {
			return nil, nil, errors.New("-dsn is not allowed with -store memory")
		}
		return memstore.New(), done, nil
	case "sqlite":
		driver, dialect = "sqlite", sqlstore.SQLite
		if dsn == "" {
			dir, err := os.MkdirTemp("", "replay")
			if err != nil {
				return nil, nil, err
			}
			done = func() error { return os.RemoveAll(dir) }
			dsn = "file:" + url.PathEscape(filepath.Join(dir, "tickets.db")) + "?_pragma=busy_timeout(5000)&_txlock=immediate"
		}
	case "postgres":
		driver, dialect = "pgx", sqlstore.Postgres
	case "mysql":
		driver, dialect = "mysql", sqlstore.MySQL
	default:
		return nil, nil, fmt.Errorf("-store %q is not memory, sqlite, postgres or mysql", name)
	}
	if dsn == "" {
		return nil, nil, fmt.Errorf("-store %s needs -dsn, the name of an empty database", name)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	end := func() error { return errors.Join(db.Close(), done()) }
	store, err := sqlstore.Open(ctx, db, dialect)
	if err == nil {
		err = mustBeEmpty(ctx, store)
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return store, end, nil
}

// mustBeEmpty rejects a database with tickets, because the summary would count them.
func mustBeEmpty(ctx context.Context, store ticket.Store) error {
	page, err := store.List(ctx, ticket.Query{Limit: 1})
	if err == nil && len(page.Tickets) > 0 {
		err = errors.New("the database must be empty, but has tickets")
	}
	return err
}
