package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// A runner runs statements: a *sql.DB, *sql.Conn or *sql.Tx.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// direct returns the runner of statements outside of the store's own transactions.
func (s *Store) direct() runner {
	switch {
	case s.tx != nil:
		return s.tx
	case s.conn != nil:
		return s.conn
	default:
		return s.db
	}
}

// A session runs statements in a transaction, or on the database itself.
type session struct {
	s     *Store
	tx    *sql.Tx // nil: on the database itself
	wrote bool    // a statement changed rows
	// unlocked says that the transaction has not yet taken SQLite's lock for writing. Its
	// first write takes it. A query before that takes it too: what it reads must not change
	// before the write.
	unlocked bool
}

// whole reports whether the session's statements are committed together or not at
// all.
func (x *session) whole() bool { return x.tx != nil }

// raw runs a statement that has no rows.
func (x *session) raw(ctx context.Context, text string) error {
	if x.s.writer == nil { // not every database prepares such statements
		_, err := x.tx.ExecContext(ctx, text)
		return err
	}
	st, stmt, err := x.statement(ctx, text)
	switch {
	case err != nil:
	case stmt != nil:
		_, err = x.tx.StmtContext(ctx, stmt).ExecContext(ctx)
	default:
		_, err = x.tx.ExecContext(ctx, st.text)
	}
	return err
}

// here returns a session outside of the store's own transactions.
func (s *Store) here() *session { return &session{s: s, tx: s.tx} }

// exec runs a statement in the store's notation and returns how many rows it
// changed.
func (x *session) exec(ctx context.Context, text string, args ...any) (int64, error) {
	x.unlocked = false
	var r sql.Result
	st, stmt, err := x.statement(ctx, text)
	switch {
	case err != nil:
	case stmt != nil && x.tx != nil:
		r, err = x.tx.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	case stmt != nil:
		r, err = stmt.ExecContext(ctx, args...)
	default:
		r, err = x.runner().ExecContext(ctx, st.text, args...)
	}
	if err != nil && x.s.lang.classify(err) == crowded {
		if text, ok := literally(x.s.render(text), args); ok {
			r, err = x.runner().ExecContext(ctx, text)
		}
	}
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	x.wrote = x.wrote || n > 0
	return n, err
}

// query runs a query in the store's notation. The caller closes the rows.
func (x *session) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if x.unlocked {
		if _, err := x.exec(ctx, takeLock); err != nil {
			return nil, err
		}
	}
	var rows *sql.Rows
	st, stmt, err := x.statement(ctx, text)
	switch {
	case err != nil:
	case stmt != nil && x.tx != nil:
		rows, err = x.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	case stmt != nil:
		rows, err = stmt.QueryContext(ctx, args...)
	default:
		rows, err = x.runner().QueryContext(ctx, st.text, args...)
	}
	if err != nil && x.s.lang.classify(err) == crowded {
		if text, ok := literally(x.s.render(text), args); ok {
			rows, err = x.runner().QueryContext(ctx, text)
		}
	}
	return rows, err
}

// runner returns the runner of statements that are not prepared.
func (x *session) runner() runner {
	if x.tx != nil {
		return x.tx
	}
	return x.s.direct()
}

// rows calls scan for every row of a query. Outside of a transaction it retries a
// query that the database aborted before its first row. On a cluster that happens
// even to queries that only read.
func (x *session) rows(ctx context.Context, scan func(*sql.Rows) error, text string, args ...any) error {
	for try := 1; ; try++ {
		some, err := x.rowsOnce(ctx, scan, text, args)
		if some || x.tx != nil || !x.s.again(ctx, try, err) {
			return err
		}
	}
}

// rowsOnce reports whether it called scan.
func (x *session) rowsOnce(ctx context.Context, scan func(*sql.Rows) error, text string, args []any) (some bool, err error) {
	rows, err := x.query(ctx, text, args...)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		some = true
		if err := scan(rows); err != nil {
			return some, err
		}
	}
	if err := rows.Err(); err != nil {
		return some, err
	}
	return some, rows.Close()
}

// one scans the only row of a query. It returns false if there is none.
func (x *session) one(ctx context.Context, dest []any, text string, args ...any) (found bool, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		found = true
		return r.Scan(dest...)
	}, text, args...)
	return found, err
}

// exists reports whether a query has a row.
func (x *session) exists(ctx context.Context, text string, args ...any) (bool, error) {
	var row int64
	return x.one(ctx, []any{&row}, text, args...)
}

// statements holds prepared statements. Each is prepared on a connection at its
// first use there.
type statements struct {
	m atomic.Pointer[map[string]*statement] // by text in the store's notation; replaced by a copy with one more

	mu     sync.Mutex
	kept   [2]int       // for writes and for reads
	wanted []*statement // used in a transaction, and prepared after it
}

// get returns the statement with this text, or nil.
func (all *statements) get(text string) *statement {
	if m := all.m.Load(); m != nil {
		return (*m)[text]
	}
	return nil
}

// keep adds a statement, unless there is one with this text, or there are too many. It returns
// the one to use.
func (all *statements) keep(text string, st *statement) (_ *statement, kept bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if other := all.get(text); other != nil {
		return other, true
	}
	n := &all.kept[0]
	if strings.HasPrefix(text, "SELECT") {
		n = &all.kept[1]
	}
	if *n >= mostStatements {
		return st, false
	}
	*n++
	more := map[string]*statement{text: st}
	if m := all.m.Load(); m != nil {
		maps.Copy(more, *m)
	}
	all.m.Store(&more)
	return st, true
}

type statement struct {
	text   string // for the database: names replaced, placeholders numbered
	stmt   atomic.Pointer[sql.Stmt]
	wanted atomic.Bool
}

// mostStatements limits the prepared statements, for reads and for writes each. More
// statements run unprepared. A busy desk uses some thirty of each.
const mostStatements = 150

// statement returns the form of a text for the database, and the prepared statement,
// if there is one.
func (x *session) statement(ctx context.Context, text string) (*statement, *sql.Stmt, error) {
	if err := x.s.usable(); err != nil {
		return nil, nil, err
	}
	all := x.s.stmts
	st := all.get(text)
	if st == nil {
		var kept bool
		if st, kept = all.keep(text, &statement{text: x.s.render(text)}); !kept {
			return st, nil, nil
		}
	}
	stmt := st.stmt.Load()
	switch {
	case x.s.conn != nil && x.tx == nil: // a statement of the pool would leave the connection
		return st, nil, nil
	case stmt != nil || x.s.unprepared || x.s.db == nil:
		return st, stmt, nil
	case x.tx != nil:
		// Preparing needs another connection, and the pool may only have the one of
		// this transaction.
		if st.wanted.CompareAndSwap(false, true) {
			all.mu.Lock()
			all.wanted = append(all.wanted, st)
			all.mu.Unlock()
		}
		return st, nil, nil
	default:
		stmt, err := st.prepare(ctx, x.s.db)
		return st, stmt, err
	}
}

func (st *statement) prepare(ctx context.Context, db *sql.DB) (*sql.Stmt, error) {
	stmt, err := db.PrepareContext(ctx, st.text) // kept, and closed with the database
	if err != nil {
		return nil, err
	}
	if !st.stmt.CompareAndSwap(nil, stmt) {
		return st.stmt.Load(), stmt.Close()
	}
	return stmt, nil
}

// wants reports whether there are statements to prepare.
func (all *statements) wants() bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	return len(all.wanted) > 0
}

// prepareWanted prepares the statements that transactions have used, for the next
// ones.
func (s *Store) prepareWanted(ctx context.Context) {
	all := s.stmts
	all.mu.Lock()
	list := all.wanted
	all.wanted = nil
	all.mu.Unlock()
	for _, st := range list {
		if _, err := st.prepare(ctx, s.db); err != nil {
			st.wanted.Store(false) // it stays unprepared, and its next use requests it again
		}
	}
}

// render converts a statement to the form for the database.
func (s *Store) render(text string) string {
	text = s.names.Replace(text)
	if !s.lang.numbered || !strings.Contains(text, "?") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 32)
	for n := 1; ; n++ {
		i := strings.IndexByte(text, '?')
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		text = text[i+1:]
	}
	b.WriteString(text)
	return b.String()
}

// write runs f in a transaction and commits it. If f fails, its writes are undone.
// Inside a transaction of the application a savepoint does that.
func (s *Store) write(ctx context.Context, f func(context.Context, *session) error) error {
	if s.tx != nil {
		return (&session{s: s, tx: s.tx}).guarded(ctx, f)
	}
	if s.writer != nil {
		return s.writer.do(ctx, s, f)
	}
	return sure(ctx, s.transaction(ctx, nil, f))
}

// apart is like write, for an f that can fail after it has written something. If others share
// the transaction, a savepoint undoes the writes of f and not theirs.
func (s *Store) apart(ctx context.Context, f func(context.Context, *session) error) error {
	if s.writer == nil {
		return s.write(ctx, f)
	}
	return s.write(ctx, func(ctx context.Context, x *session) error { return x.guarded(ctx, f) })
}

// again reports whether to retry after an error: the database aborted the
// transaction in favour of another one. Inside a transaction of the application a
// retry is impossible.
func (s *Store) again(ctx context.Context, try int, err error) bool {
	if err == nil || s.tx != nil || ctx.Err() != nil || !s.collided(err) {
		return false
	}
	if !s.lang.distributed {
		return try < 5
	}
	return try < 10 && wait(ctx, rand.N(time.Millisecond<<try)) //nolint:gosec // a moment to wait is no secret
}

// errOvertaken reports that rows changed between a locking read and the write that follows it. On
// one server the locks prevent that. On a cluster they are local to a node: a commit of another node
// ends the transaction that holds them, or should. Only two transactions that both write a row are
// certain to exclude each other. So such a write repeats what was read in its condition.
var errOvertaken = fmt.Errorf("sqlstore: another node of the cluster has changed a row: %w", ticket.ErrConflict)

// collided reports whether the database aborted the transaction in favour of another one, or
// should have.
func (s *Store) collided(err error) bool {
	return s.lang.classify(err) == conflict || errors.Is(err, errOvertaken)
}

// persistent retries f a few times if that may help.
func (s *Store) persistent(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		if err := f(); !s.again(ctx, try, err) {
			return err
		}
	}
}

// errHalf is for a transaction of the application in which a part of a commit could
// not be undone.
var errHalf = errors.New("sqlstore: roll back the transaction: a part of a commit is left in it")

func (s *Store) usable() error {
	if b := s.bound; b != nil && b.half != nil {
		return fmt.Errorf("%w: %w", errHalf, b.half)
	}
	return nil
}

// guarded runs f between savepoints. If f fails, or the context has ended after the
// last statement, it undoes the writes of f.
func (x *session) guarded(ctx context.Context, f func(context.Context, *session) error) error {
	if err := x.s.usable(); err != nil {
		return err
	}
	if err := x.raw(ctx, "SAVEPOINT ticket_commit"); err != nil {
		return err
	}
	err := f(ctx, x)
	if err == nil {
		err = ctx.Err()
	}
	// Without cancellation, because the application's transaction continues.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		if err = x.raw(ctx, "RELEASE SAVEPOINT ticket_commit"); err == nil {
			return nil
		}
	}
	if undo := x.raw(ctx, "ROLLBACK TO SAVEPOINT ticket_commit"); undo != nil {
		// Either the whole transaction is lost, as after a deadlock, or a part of
		// this commit is left in it.
		if b := x.s.bound; b != nil {
			b.half = err
		}
		return err
	}
	x.wrote = false
	_ = x.raw(ctx, "RELEASE SAVEPOINT ticket_commit") // it is empty
	return err
}
