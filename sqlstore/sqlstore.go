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

// Store keeps tickets in a SQL database. Make one with [ActionOpen] or [New] and share
// it: it is safe for concurrent use. It is a [ticket.Store], and a
// [ticket.Counter], [ticket.Searcher], [ticket.Maintainer], [ticket.DeliveryLoader],
// [ticket.ReceiptPruner] and, with [Announce], a [ticket.Listener] as well. It starts no goroutines and keeps no
// connection, so it needs no closing.
type Store struct {
	options
	dialect Dialect
	lang    *language
	names   *strings.Replacer // puts table names into statements
	stmts   *statements
	writer  *sqliteWriter // SQLite: the one way to write, of this store and those made from it

	// Exactly one of them is set. What is bound to a connection or transaction
	// serves one call at a time.
	db    *sql.DB
	conn  *sql.Conn
	tx    *sql.Tx
	bound *binding
}

// A binding is what a store bound to a connection or transaction has for itself.
type binding struct {
	sync.Mutex
	half error // why a commit was left half done in the transaction, if it was
}

var (
	_ ticket.Store          = (*Store)(nil)
	_ ticket.Counter        = (*Store)(nil)
	_ ticket.Searcher       = (*Store)(nil)
	_ ticket.Maintainer     = (*Store)(nil)
	_ ticket.DeliveryLoader = (*Store)(nil)
	_ ticket.Listener       = (*Store)(nil)
	_ ticket.ReceiptPruner  = (*Store)(nil)
)

// Option changes how a store works.
type Option func(*options)

type options struct {
	prefix     string
	schema     string
	unprepared bool
	search     bool
	channel    string
	listen     func(ctx context.Context, channel string, heard func()) error
	fault      error
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,30}$`)

// Prefix begins the names of all tables and indexes. Default: "ticket_". It has
// 1 to 31 symbols of a to z, 0 to 9 and underscore, and begins with no digit.
func Prefix(prefix string) Option {
	return func(o *options) {
		o.prefix = prefix
		if !identifier.MatchString(prefix) {
			o.fault = invalid("sqlstore.prefix", "must be 1 to 31 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// Schema is the schema that the tables are in, on PostgreSQL only; it must be
// there. Default: the first of the connection's search path that is there. Tables in
// a later one are another desk's, even where that one has none yet.
func Schema(schema string) Option {
	return func(o *options) {
		o.schema = schema
		if !identifier.MatchString(schema) {
			o.fault = invalid("sqlstore.schema", "must be 1 to 31 of a-z, 0-9 and _, and not begin with a digit")
		}
	}
}

// Unprepared makes the store use no prepared statements of its own; whether the
// driver does is up to the driver. It is for poolers that give a client another
// connection for each transaction, such as PgBouncer before 1.21; the driver then
// needs a mode that prepares nothing either, for pgx default_query_exec_mode=exec,
// for lib/pq binary_parameters=yes. Default: each statement is prepared once for
// each connection.
func Unprepared() Option { return func(o *options) { o.unprepared = true } }

// New returns a store on a database whose schema is up to date; it asks the
// database nothing. [Store.Check] tells whether the schema fits.
func New(db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, invalid("sqlstore.db", "is missing")
	}
	s := &Store{dialect: d, lang: d.language(), db: db, options: options{prefix: "ticket_"}}
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

// Open returns a store on a database, and brings its schema up to date first; see
// [Store.Migrate]. On SQLite it switches the database file to write-ahead
// logging, which lasts.
//
// Errors: [ErrDialect] where the database is another one, [ErrSchema] where its
// schema is newer than this package, [ticket.ErrInvalid] for an option that makes
// no sense.
func Open(ctx context.Context, db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	s, err := New(db, d, opts...)
	if err != nil {
		return nil, err
	}
	if err := s.retryBusy(ctx, func() error { return s.recognise(ctx) }); err != nil {
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

// namedIndexes are those that statements name, with {by tickets_timer} and the like,
// and namedKeys the tables whose key they name, with {by tickets_id}.
var (
	namedIndexes = [...]string{"tickets_timer", "tickets_count", "events_at", "outbox_due", "outbox_line", "outbox_recipient"}
	namedKeys    = [...]string{"tickets", "events", "outbox"}
)

func (s *Store) replacer() *strings.Replacer {
	table := s.prefix
	if s.schema != "" {
		table = `"` + s.schema + `".` + s.prefix // quoted, for it may be a word of SQL's
	}
	schema := "current_schema()"
	if s.schema != "" {
		schema = "'" + s.schema + "'"
	}
	names := []string{"{t}", table, "{p}", s.prefix, "{schema}", schema, "{hidden tenant}", s.lang.hidden("tenant")}
	for _, index := range namedIndexes {
		names = append(names, "{by "+index+"}", strings.Replace(s.lang.byIndex, "{p}", s.prefix+index, 1))
	}
	for _, of := range namedKeys {
		names = append(names, "{by "+of+"_id}", strings.Replace(s.lang.byKey, "{k}", s.prefix+of, 1))
	}
	return strings.NewReplacer(names...)
}

// WithTx returns the store bound to a transaction of the host's, for
// [ticket.Desk.WithStore]: what it writes is part of that transaction. It never commits
// or rolls back; a commit that is refused leaves the transaction as it was and
// usable, by a savepoint. The exception is a deadlock or serialisation failure
// ([ticket.ErrConflict]), after which the database has given the transaction up
// and the host has to begin anew. Where the database refuses to go back to the
// savepoint, a part of a commit may stay in the transaction: the store does nothing
// more in it, and the host must roll it back. The transaction must be one of the
// *sql.DB that the store was made with.
//
// On SQLite the transaction should be begun for writing (the drivers' option
// _txlock=immediate): one that has read before it first writes is refused with
// ErrConflict where another connection wrote in between.
func (s *Store) WithTx(tx *sql.Tx) *Store {
	b := *s
	b.db, b.conn, b.tx, b.writer, b.bound = nil, nil, tx, nil, &binding{}
	return &b
}

// With returns the store on one connection of the host's, which must not be
// inside a transaction: the store begins its own, one at a time.
func (s *Store) With(conn *sql.Conn) *Store {
	b := *s
	b.db, b.conn, b.tx, b.writer, b.bound = nil, conn, nil, nil, &binding{}
	return &b
}

// hold keeps the connection of a bound store for one call.
func (s *Store) hold() func() {
	if s.bound == nil {
		return func() {}
	}
	s.bound.Lock()
	return s.bound.Unlock
}

// recognise fails where the database is not of the dialect.
func (s *Store) recognise(ctx context.Context) error {
	var v string
	for again := false; ; again = true {
		err := s.direct().QueryRowContext(ctx, s.lang.version).Scan(&v)
		if err == nil {
			break
		}
		if ctx.Err() != nil || s.lang.classify(err) != otherwise {
			return s.explain(ctx, "ask the database for its version", err)
		}
		if s.reachable(ctx) != nil {
			return fmt.Errorf("sqlstore: ask the database for its version: %w", err)
		}
		if again { // a server that was only just starting answers by now
			return fmt.Errorf("%w: it does not answer as %s: %w", ErrDialect, s.lang.name, err)
		}
	}
	if !s.lang.probe(v) {
		return fmt.Errorf("%w: %s wanted, found %q", ErrDialect, s.lang.name, v)
	}
	return nil
}

// reachable reports whether the database answers at all.
func (s *Store) reachable(ctx context.Context) error {
	var one int
	return s.direct().QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// useWAL switches to write-ahead logging: readers are then never held up by the
// writer. A database in memory has no such file and stays as it is.
func (s *Store) useWAL(ctx context.Context) error {
	var mode string
	if err := s.retryBusy(ctx, func() error { return s.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode) }); err != nil {
		return s.explain(ctx, "ask for the journal mode", err)
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
