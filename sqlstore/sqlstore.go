package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// Store keeps tickets in a SQL database. Make one with [Open] or [New]. It is safe
// for concurrent use, keeps no connection, and needs no closing. It
// implements [ticket.Store], [ticket.Counter], [ticket.Searcher],
// [ticket.Maintainer], [ticket.DeliveryLoader], [ticket.ReceiptPruner],
// [ticket.Rescheduler], [ticket.Eraser], [ticket.FileReferrer] and, with [Announce], [ticket.Listener].
type Store struct {
	options
	dialect Dialect
	lang    *language
	names   *strings.Replacer // replaces the names of tables in statements
	stmts   *statements
	writer  *sqliteWriter // SQLite: shared by this store and those made from it
	pruned  *cursor       // of PruneDeliveries; shared like the writer
	shares  *shares       // of search; shared like the writer

	// Exactly one of these is set. A store that is bound to a connection or
	// transaction runs one call at a time.
	db    *sql.DB
	conn  *sql.Conn
	tx    *sql.Tx
	bound *binding
}

// A binding is the state of a store that is bound to a connection or transaction.
type binding struct {
	sync.Mutex
	half error // why a part of a commit is left in the transaction, if one is
}

var (
	_ ticket.Store          = (*Store)(nil)
	_ ticket.Counter        = (*Store)(nil)
	_ ticket.Searcher       = (*Store)(nil)
	_ ticket.Maintainer     = (*Store)(nil)
	_ ticket.DeliveryLoader = (*Store)(nil)
	_ ticket.Listener       = (*Store)(nil)
	_ ticket.ReceiptPruner  = (*Store)(nil)
	_ ticket.Rescheduler    = (*Store)(nil)
	_ ticket.Eraser         = (*Store)(nil)
	_ ticket.Exporter       = (*Store)(nil)
	_ ticket.FileReferrer   = (*Store)(nil)
)

// Option changes how a store works.
type Option func(*options)

type options struct {
	prefix     string
	schema     string
	unprepared bool
	search     bool
	files      bool
	channel    string
	listen     func(ctx context.Context, channel string, heard func()) error
	fault      error
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,30}$`)

// Prefix sets the beginning of the names of all tables and indexes. It has 1 to 31
// characters of a to z, 0 to 9 and underscore, and does not begin with a digit.
// Default: "ticket_".
func Prefix(prefix string) Option {
	return func(o *options) {
		o.prefix = prefix
		if !identifier.MatchString(prefix) {
			o.fault = invalid("sqlstore.prefix", "must be 1 to 31 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// Schema sets the schema of the tables, on PostgreSQL only. The schema must exist.
// Default: the first schema of the connection's search path that exists. Tables in a
// later schema of the path belong to another desk, even if the first one has no
// tables yet.
func Schema(schema string) Option {
	return func(o *options) {
		o.schema = schema
		if !identifier.MatchString(schema) {
			o.fault = invalid("sqlstore.schema", "must be 1 to 31 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// Unprepared makes the store use no prepared statements of its own. The driver may
// still use some. The option is for poolers that may assign another connection to
// each transaction, such as PgBouncer before 1.21. Then the driver must not prepare
// either: set default_query_exec_mode=exec for pgx, or binary_parameters=yes for
// lib/pq. Default: each statement is prepared once for each connection.
func Unprepared() Option { return func(o *options) { o.unprepared = true } }

// New returns a store on a database whose schema is up to date. It sends no query.
// Call [Store.Check] to check the schema. CockroachDB and YugabyteDB need [Open], which
// recognises them.
func New(db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, invalid("sqlstore.db", "is missing")
	}
	s := &Store{dialect: d, lang: d.language(), db: db, pruned: &cursor{}, shares: &shares{}, options: options{prefix: "ticket_"}}
	if s.lang == nil {
		return nil, invalid("sqlstore.dialect", "must be SQLite, Postgres or MySQL")
	}
	for _, o := range opts {
		o(&s.options)
	}
	if s.fault != nil {
		return nil, s.fault
	}
	if s.schema != "" && d != Postgres {
		return nil, invalid("sqlstore.schema", "is for PostgreSQL only")
	}
	s.names, s.stmts = s.replacer(), &statements{}
	if s.lang.sharesWriter {
		s.writer = &sqliteWriter{}
	}
	return s, nil
}

// Open returns a store on a database, after it has brought the schema up to date;
// see [Store.Migrate]. On SQLite it switches the database file to write-ahead
// logging, which is permanent.
//
// With [Postgres] it recognises CockroachDB and YugabyteDB, and leaves out what they do not
// support. Nobody has run it on them; see docs/storage.md.
//
// Errors: [ErrDialect] if the database is of another kind, [ErrSchema] if its schema
// is newer than this package, [ticket.ErrInvalid] if an option is invalid, or if the
// connections have a setting with which the store cannot keep its promises, such as
// autocommit=0 on MySQL.
func Open(ctx context.Context, db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	s, err := New(db, d, opts...)
	if err != nil {
		return nil, err
	}
	err = s.retryBusy(ctx, func() error {
		lang, err := s.recognise(ctx)
		if err == nil && lang != s.lang {
			s.lang = lang
			s.names = s.replacer()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if d == SQLite {
		if err := s.useWAL(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// namedIndexes are the indexes that statements name, as with {by tickets_wake}.
// namedKeys are the tables whose key statements name, as with {by tickets_id}.
var (
	namedIndexes = [...]string{"tickets_wake", "tickets_count", "tickets_closed", "tickets_done", "events_at", "outbox_due", "outbox_line", "outbox_recipient",
		"mails_origin", "mails_state", "mails_due", "mails_fingerprint", "mails_message", "mails_ticket", "mails_sender", "mails_raw", "mails_ages", "texts_ticket"}
	namedKeys = [...]string{"tickets", "events", "outbox", "mails", "texts"}
)

func (s *Store) replacer() *strings.Replacer {
	table := s.prefix
	if s.schema != "" {
		table = `"` + s.schema + `".` + s.prefix // quoted, because it may be a reserved word
	}
	schema := "current_schema()"
	if s.schema != "" {
		schema = "'" + s.schema + "'"
	}
	names := []string{"{t}", table, "{p}", s.prefix, "{schema}", schema, "{hidden tenant}", s.lang.hidden("tenant"), "{json}", s.lang.json}
	for _, index := range namedIndexes {
		names = append(names, "{by "+index+"}", strings.Replace(s.lang.byIndex, "{p}", s.prefix+index, 1))
	}
	for _, of := range namedKeys {
		names = append(names, "{by "+of+"_id}", strings.Replace(s.lang.byKey, "{k}", s.prefix+of, 1))
	}
	return strings.NewReplacer(names...)
}

// WithTx returns the store bound to a transaction of your application, for
// [ticket.Desk.WithStore]. Its writes are part of that transaction. It never commits
// or rolls back. If a commit fails, a savepoint restores the transaction, which
// stays usable. The exception is a deadlock or serialisation failure
// ([ticket.ErrConflict]): the database has aborted the transaction, and your
// application must begin another one. If the database fails to return to the
// savepoint, a part of the commit may be left in the transaction. The store then
// refuses further calls, and your application must roll back. The transaction must
// come from the *sql.DB that the store was made with.
//
// On SQLite, open the database with the option _txlock=immediate, so that a
// transaction takes the lock for writing when it begins. Without it, a transaction
// that reads before it first writes fails with ErrConflict if another connection
// wrote in between.
func (s *Store) WithTx(tx *sql.Tx) *Store {
	b := *s
	b.db, b.conn, b.tx, b.writer, b.bound = nil, nil, tx, nil, &binding{}
	return &b
}

// With returns the store bound to one connection of your application. The connection
// must not be in a transaction: the store begins its own, one at a time.
func (s *Store) With(conn *sql.Conn) *Store {
	b := *s
	b.db, b.conn, b.tx, b.writer, b.bound = nil, conn, nil, nil, &binding{}
	return &b
}

// hold locks a bound store for one call, and returns the function that unlocks it.
func (s *Store) hold() func() {
	if s.bound == nil {
		return func() {}
	}
	s.bound.Lock()
	return s.bound.Unlock
}

// recognise returns the language of the database, or an error if it is not of the dialect, or if
// its connections have a setting that breaks a promise.
func (s *Store) recognise(ctx context.Context) (*language, error) {
	var v string
	for again := false; ; again = true {
		err := s.direct().QueryRowContext(ctx, s.lang.version).Scan(&v)
		if err == nil {
			break
		}
		if ctx.Err() != nil || s.lang.classify(err) != otherwise {
			return nil, s.explain(ctx, "read the database version", err)
		}
		if s.reachable(ctx) != nil {
			return nil, fmt.Errorf("sqlstore: read the database version: %w", err)
		}
		if again { // the first try may have met a server that was still starting
			return nil, fmt.Errorf("%w: it does not answer like %s: %w", ErrDialect, s.lang.name, err)
		}
	}
	lang := s.dialect.spoken(v)
	if lang == nil {
		return nil, fmt.Errorf("%w: want %s, found %q", ErrDialect, s.dialect, v)
	}
	return lang, s.breaks(ctx, lang)
}

// reachable returns an error if the database does not answer at all.
func (s *Store) reachable(ctx context.Context) error {
	var one int
	return s.direct().QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// useWAL switches to write-ahead logging, in which a writer never blocks readers. A
// database in memory has no log and stays as it is.
func (s *Store) useWAL(ctx context.Context) error {
	var mode string
	if err := s.retryBusy(ctx, func() error { return s.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode) }); err != nil {
		return s.explain(ctx, "read the journal mode", err)
	}
	if mode == "wal" || mode == "memory" {
		return nil
	}
	err := s.retryBusy(ctx, func() error { return s.db.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(&mode) })
	if err != nil && s.lang.classify(err) != readOnly {
		return s.explain(ctx, "switch to write-ahead logging", err)
	}
	return nil
}
