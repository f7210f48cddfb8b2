package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// A sqliteWriter runs all writes to SQLite of one process. If writers competed for
// the database's lock, some would wait for seconds. Here they queue, and writers
// that wait together share a transaction, and so its one wait for the disk.
//
// A writer returns only after the commit of its work. There is no extra goroutine:
// the first writer leads. The leader waits for a connection and for the database's
// lock, works for all writers in the queue, and makes the next one the leader. A
// writer can leave the queue at any time. Only work that has begun must end.
type sqliteWriter struct {
	mu     sync.Mutex
	queue  []*member
	leader bool // there is a leader
	held   bool // another process holds the database, and the leader waits for it

	// The fields below belong to the leader. The connection passes from one leader
	// to the next, because a page cache is useful only to the connection that wrote
	// last. If nobody waits, it goes back to the pool. So nothing stays open when
	// the application closes the database.
	together []*member // those with work in the transaction, the leader first
	conn     *sql.Conn
	timeout  int // the connection's busy timeout, restored when it is released
	seen     [8]seenConn
	next     int
}

// A seenConn is a driver's connection that is set up, with its busy timeout.
type seenConn struct {
	conn    any
	timeout int
}

// mostKept is the largest pool for which the writer releases its connection between
// any two transactions.
const mostKept = 3

// A member is one piece of work for the writer.
type member struct {
	ctx    context.Context
	work   func(context.Context, *session) error
	err    error     // the result for the caller
	result error     // of the work; it becomes err when the transaction is committed
	alone  bool      // its work must not share a transaction
	signal chan bool // true: lead now; false: the work is done
	// patience ends the wait for another process, if that has already begun.
	patience <-chan time.Time
}

// mostTogether limits how many members share a transaction, and so how long one of
// them waits for the others.
const mostTogether = 64

// patience is how long a writer waits for the database's lock while another process
// holds it, on top of the connection's own busy timeout.
const patience = 10 * time.Second

// errAbandoned is for members whose leader panicked. Whether their work was
// committed is unknown.
var errAbandoned = errors.New("sqlstore: the outcome of the transaction is unknown")

// errSpoiled says that the failed work of one member undid the work of others.
var errSpoiled = errors.New("sqlstore: the shared transaction was spoiled")

func (l *sqliteWriter) do(ctx context.Context, s *Store, work func(context.Context, *session) error) error {
	m := &member{ctx: ctx, work: work, err: errAbandoned}
	if !l.enter(m) {
		return m.err
	}
	l.together = []*member{m}
	defer l.handOver(s, m) // even if a driver panics
	l.lead(s, m)           //nolint:contextcheck // it works for others too, each with a context of its own
	return m.err
}

// enter returns true if it is the member's turn to lead. It returns false if its
// work is done or given up.
func (l *sqliteWriter) enter(m *member) (lead bool) {
	l.mu.Lock()
	if !l.leader {
		l.leader = true
		l.mu.Unlock()
		return true
	}
	m.signal = make(chan bool, 1)
	if l.held {
		m.patience = time.NewTimer(patience).C
	}
	l.queue = append(l.queue, m)
	l.mu.Unlock()
	select {
	case lead := <-m.signal:
		return lead
	case <-m.ctx.Done():
	}
	l.mu.Lock()
	if i := slices.Index(l.queue, m); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		l.mu.Unlock()
		m.err = m.ctx.Err()
		return false
	}
	l.mu.Unlock()
	return <-m.signal // its work has begun, so there will be a result
}

// lead does the leader's work, and that of the members in the queue.
func (l *sqliteWriter) lead(s *Store, m *member) {
	err := m.ctx.Err()
	if err == nil {
		err = s.retryBusyUntil(m.ctx, m.patience, func() error {
			err := l.transact(s, m)
			if err == errSpoiled { //nolint:errorlint // this very one
				m.alone = true
				err = l.transact(s, m)
			}
			if err != nil && s.lang.classify(err) == busy {
				l.wait()
			}
			return err
		})
	}
	for _, o := range l.together {
		if o.err = err; err == nil {
			o.err = o.result
		}
	}
	l.mu.Lock()
	l.held = false
	l.mu.Unlock()
}

// transact does the leader's work in a transaction, and then that of the members in
// the queue. A failure of one does not affect the others.
func (l *sqliteWriter) transact(s *Store, m *member) error {
	if err := l.connect(m.ctx, s); err != nil { // until the leader gives up; the others can leave the queue
		return err
	}
	return l.begin(m.ctx, s, func(x *session) error {
		for o := m; o != nil; o = l.take() {
			x.wrote = false
			// The end of one context must not undo the writes of others.
			o.result = o.work(context.WithoutCancel(o.ctx), x)
			if o.result == nil {
				continue
			}
			switch f := s.lang.classify(o.result); {
			case f == busy || f == readOnly || f == full:
				return o.result
			case x.wrote || f == otherwise && !isOurs(o.result):
				if len(l.together) == 1 {
					return o.result
				}
				l.requeue(true)
				return errSpoiled
			}
		}
		return nil
	})
}

// take moves the next member from the queue into the transaction. It returns nil if
// the transaction should end: the queue is empty, the transaction is full, or the
// context of a member has ended.
func (l *sqliteWriter) take() *member {
	if len(l.together) == mostTogether || l.together[0].alone ||
		slices.ContainsFunc(l.together, func(o *member) bool { return o.ctx.Err() != nil }) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && !l.queue[0].alone {
		o := l.queue[0]
		l.queue = l.queue[1:]
		if o.gone() {
			continue
		}
		l.together = append(l.together, o)
		return o
	}
	return nil
}

// gone releases a member whose context has ended before its work began.
func (m *member) gone() bool {
	if m.err = m.ctx.Err(); m.err == nil {
		m.err = errAbandoned
		return false
	}
	m.signal <- false
	return true
}

// requeue puts all members except for the leader back to the front of the queue,
// after their work was rolled back.
func (l *sqliteWriter) requeue(alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := slices.DeleteFunc(slices.Clone(l.together[1:]), (*member).gone)
	for _, o := range again {
		o.alone = alone
	}
	l.queue = append(again, l.queue...)
	l.together = l.together[:1]
}

// wait is called when another process holds the database. All members in the queue
// wait for it from then on, and not one after the other.
func (l *sqliteWriter) wait() {
	l.requeue(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
	for _, o := range l.queue {
		if o.patience == nil {
			o.patience = time.NewTimer(patience).C
		}
	}
}

// handOver releases the members whose work is done, and makes the next one in the
// queue the leader.
func (l *sqliteWriter) handOver(s *Store, m *member) {
	for _, o := range l.together {
		if o != m {
			o.signal <- false
		}
	}
	l.together = nil
	most := s.db.Stats().MaxOpenConnections
	if most > 0 && most <= mostKept || s.stmts.wants() {
		l.release()
		l.prepare(m.ctx, s)
	}
	for !l.pass() {
		l.release() // the queue is empty
	}
}

// pass makes the next member in the queue the leader. If the queue is empty and the
// connection is released, there is no leader.
func (l *sqliteWriter) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.queue) > 0:
		next := l.queue[0]
		l.queue = l.queue[1:]
		next.signal <- true
	case l.conn == nil:
		l.leader = false
	default:
		return false
	}
	return true
}

// mostPreparing limits how long the queue waits for statements to be prepared.
// Preparing needs a connection, and the application may hold all of them.
const mostPreparing = 20 * time.Millisecond

// prepare prepares the statements that the transaction used unprepared.
func (l *sqliteWriter) prepare(ctx context.Context, s *Store) {
	if st := s.db.Stats(); !s.stmts.wants() || st.MaxOpenConnections > 0 && st.InUse >= st.MaxOpenConnections {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mostPreparing)
	defer cancel()
	s.prepareWanted(ctx)
}

// connect takes a connection from the pool and sets it up, unless the writer has
// one. It may wait without limit, because the application may hold all connections.
func (l *sqliteWriter) connect(ctx context.Context, s *Store) error {
	if l.conn != nil {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	l.conn, l.timeout = conn, 0
	if err := l.setUp(ctx, conn); err != nil {
		l.release()
		return err
	}
	return nil
}

// takeLock changes nothing. Because it could change rows, it takes the lock for
// writing. Drivers begin a transaction without the lock, unless _txlock=immediate is
// set. See session.unlocked.
const takeLock = "DELETE FROM {t}schema WHERE 1 = 0"

// begin runs f in a transaction.
func (l *sqliteWriter) begin(ctx context.Context, s *Store, f func(*session) error) error {
	ctx = context.WithoutCancel(ctx) // it is for all members
	ended := false
	var tx *sql.Tx
	defer func() {
		if ended {
			return
		}
		// This is a panic. database/sql never releases a statement that panicked,
		// nor its connection, so closing it here would block for ever.
		conn := l.conn
		l.conn = nil
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
		go func() {
			if tx != nil {
				_ = tx.Rollback()
			}
			discard(conn)
			_ = conn.Close()
		}()
	}()
	tx, err := l.conn.BeginTx(ctx, nil)
	if err != nil {
		if s.lang.classify(err) == otherwise {
			l.discard() // perhaps the connection is broken
		}
		ended = true
		return err
	}
	if err = f(&session{s: s, tx: tx, unlocked: true}); err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback() // the first error says more
	}
	if err != nil {
		// The transaction should be over. This makes sure.
		_, undo := l.conn.ExecContext(ctx, "ROLLBACK")
		if undo == nil || !strings.Contains(undo.Error(), nothingOpen) {
			l.discard()
		}
	}
	ended = true
	return err
}

// release gives the connection back to the pool.
func (l *sqliteWriter) release() {
	if l.conn == nil {
		return
	}
	if l.timeout > 1 {
		if _, err := l.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", l.timeout)); err != nil { //nolint:forbidigo // it does not access the disk
			l.discard()
			return
		}
	}
	_ = l.conn.Close()
	l.conn = nil
}

// discard closes a connection in an unknown state.
func (l *sqliteWriter) discard() {
	if l.conn != nil {
		discard(l.conn)
		_ = l.conn.Close()
		l.conn = nil
	}
}

// checkpointPages is the length of the write-ahead log, in pages, at which SQLite
// writes it back. SQLite's default of 1,000 costs a fifth to two fifths of the
// throughput, and most of the slowest calls.
const checkpointPages = 20_000

// setUp prepares a connection for writing. An interval that the application has set
// stays; only SQLite's default changes.
func (l *sqliteWriter) setUp(ctx context.Context, conn *sql.Conn) error {
	key, err := driverOf(conn)
	if err != nil {
		return err
	}
	i := -1
	if key != nil {
		i = slices.IndexFunc(l.seen[:], func(c seenConn) bool { return c.conn == key })
	}
	if i >= 0 {
		l.timeout = l.seen[i].timeout
	} else if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&l.timeout); err != nil {
		return err
	}
	// SQLite's own wait for the lock ignores the context, and sleeps longer each
	// time. retryBusy waits instead.
	if l.timeout > 1 {
		if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 1"); err != nil {
			return err
		}
	}
	if i >= 0 {
		return nil
	}
	// What is deleted is overwritten with zeros, so that an erasure reaches the file. Older
	// versions of a row are deleted content too, hence not only while erasing.
	var on int
	if err := conn.QueryRowContext(ctx, "PRAGMA secure_delete = ON").Scan(&on); err != nil {
		return err
	}
	var pages int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_autocheckpoint").Scan(&pages); err != nil {
		return err
	}
	if pages == 1000 {
		var set int
		if err := conn.QueryRowContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages)).Scan(&set); err != nil {
			return err
		}
	}
	if key != nil {
		l.seen[l.next] = seenConn{key, l.timeout}
		l.next = (l.next + 1) % len(l.seen)
	}
	return nil
}

// driverOf returns the driver's connection, by which it can be recognised. It returns nil for one
// that is not a pointer, which cannot be recognised.
func driverOf(conn *sql.Conn) (key any, err error) {
	err = conn.Raw(func(c any) error {
		if reflect.TypeOf(c).Kind() == reflect.Pointer {
			key = c
		}
		return nil
	})
	return key, err
}

// retryBusy calls f until the database's lock is free.
func (s *Store) retryBusy(ctx context.Context, f func() error) error {
	return s.retryBusyUntil(ctx, nil, f)
}

// retryBusyUntil is like retryBusy, with its own deadline unless end is nil.
func (s *Store) retryBusyUntil(ctx context.Context, end <-chan time.Time, f func() error) error {
	err := f()
	if err == nil || s.lang.classify(err) != busy {
		return err
	}
	if end == nil {
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		end = deadline.C
	}
	for {
		pause := time.NewTimer(time.Millisecond + rand.N(4*time.Millisecond)) //nolint:gosec // a moment to wait is no secret
		select {
		case <-pause.C:
		case <-end:
			return err
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
		if err = f(); err == nil || s.lang.classify(err) != busy {
			return err
		}
	}
}
