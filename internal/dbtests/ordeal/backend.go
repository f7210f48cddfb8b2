package ordeal

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
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

// A Ground is what a run stands on: a folder for its files, an empty database and a
// clock.
type Ground struct {
	Backend

	Dir   string
	DSN   string
	Clock *Clock
	Store *sqlstore.Store
	DB    *sql.DB

	server *servers.Server // nil for a file
}

// Ground makes the ground for a run. The clock starts at an instant. If there is no
// error, Leave removes the ground.
func (b Backend) Ground(ctx context.Context, name string, start time.Time) (_ *Ground, err error) {
	g := &Ground{Backend: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Leave())
		}
	}()
	if g.Dir, err = os.MkdirTemp("", "ticket-"+name+"-"); err != nil {
		return nil, err
	}
	if g.DSN, g.server, err = b.Place(ctx, g.Dir, name); err != nil {
		return nil, err
	}
	if g.Clock, err = NewClock(filepath.Join(g.Dir, "clock"), start); err != nil {
		return nil, err
	}
	g.Store, g.DB, err = OpenStore(ctx, b.Driver, g.DSN, b.Dialect)
	return g, err
}

// Leave stops the server and removes the files.
func (g *Ground) Leave() (err error) {
	if g.DB != nil {
		err = g.DB.Close()
	}
	if g.server != nil {
		err = errors.Join(err, g.server.Stop())
	}
	return errors.Join(err, os.RemoveAll(g.Dir))
}

// Place returns where a child works. Its journal has this name.
func (g *Ground) Place(role, name string) Place {
	return Place{Role: role, Driver: g.Driver, DSN: g.DSN, Dialect: g.Dialect, Journal: filepath.Join(g.Dir, name), Clock: g.Clock.Path()}
}

// Journals reads the journals whose names match a pattern.
func (g *Ground) Journals(pattern string, read func(path string) error) error {
	paths, err := filepath.Glob(filepath.Join(g.Dir, pattern))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".task") {
			continue
		}
		if err := read(path); err != nil {
			return err
		}
	}
	return nil
}

// Deliveries returns the whole outbox.
func (g *Ground) Deliveries(ctx context.Context) (list []ticket.Delivery, err error) {
	q := ticket.DeliveryQuery{Limit: ticket.MaxLimit}
	for {
		page, err := g.Store.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Deliveries...)
		if q.After = page.Next; q.After.IsZero() {
			return list, nil
		}
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
