package main

import (
	"context"
	"database/sql"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A shard is one database with its desk.
type shard struct {
	name  string
	db    *sql.DB
	store *fenced
	desk  *ticket.Desk
	fault atomic.Pointer[error] // why it is down; nil: it is not
}

// openShard opens a database and brings its schema up to date. A shard that cannot be opened is
// down, and does not keep the others from starting.
func openShard(ctx context.Context, name, file string, cfg ticket.Config) (*shard, error) {
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	s := &shard{name: name, db: db}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Search(), sqlstore.Files())
	if err != nil {
		return nil, err
	}
	s.store = &fenced{Store: store, db: db}
	cfg.Files = store.Files(cfg.Now)
	if s.desk, err = ticket.NewDesk(s.store, cfg); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.fault.Store(&err)
	}
	return s, nil
}

// start makes the tables. Run it for one database after the other: those that are not migrated
// yet work on with programs of the older version.
func (s *shard) start(ctx context.Context) error {
	if _, err := sqlstore.Open(ctx, s.db, sqlstore.SQLite, sqlstore.Search(), sqlstore.Files()); err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS app_residents (tenant TEXT PRIMARY KEY) STRICT"); err != nil {
		return err
	}
	return s.admit(ctx, positions)
}

// positions is the tenant under which module mailbox keeps the positions in folders of IMAP servers.
const positions = "mailbox.positions"

// probe finds out whether the database answers and has the schema of this program.
func (s *shard) probe(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.store.Check(ctx); err != nil {
		s.fault.Store(&err)
		return
	}
	s.fault.Store(nil)
}

// texts returns the values of a query for one column.
func texts(ctx context.Context, db *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}
