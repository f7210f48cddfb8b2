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

// lane is the one way to write to SQLite. Left to fight for the database's lock,
// writers wait for seconds at the tail; in the lane they queue, and those who
// wait together share a transaction, and so the one wait for the disk at its end.
//
// Nobody is answered before the commit that holds its work. There is no
// goroutine behind it: the first who comes leads. It waits for a connection and
// for the database's lock, then works for all who wait, and hands over to the
// next. Who is in the queue can leave it at any time: only work that is begun has
// to come to an end.
type sqliteWriter struct {
	mu     sync.Mutex
	queue  []*member
	leader bool // somebody leads
	held   bool // another process holds the database, and the leader waits for it

	// What follows belongs to the leader. The connection goes from one leader to the
	// next, since a page cache is only of use to the connection that wrote last.
	// When nobody waits it goes back to the pool, so that nothing stays open when
	// the host closes the database.
	together []*member // whose work is in the transaction, the leader first
	conn     *sql.Conn
	timeout  int    // the busy timeout of the connection, which is given back with it
	seen     [8]any // driver connections that are set up
	next     int
}

// mostKept is up to how many connections a pool may have for the lane to give its
// own back to the host between any two transactions.
const mostKept = 3

// A member is one piece of work in the lane.
type member struct {
	ctx    context.Context
	work   func(context.Context, *session) error
	err    error     // the answer
	result error     // of the work; it is the answer when the transaction is committed
	alone  bool      // its work is to share no transaction
	signal chan bool // true: lead now; false: it is done
	// patience ends the wait for another process, if that has begun already.
	patience <-chan time.Time
}

// mostTogether bounds how many share a transaction, and so how long one of them
// waits for the others.
const mostTogether = 64

// patience is how long a writer waits for the database's lock where another
// process holds it, on top of the connection's own busy timeout.
const patience = 10 * time.Second

// errAbandoned is for those whose leader panicked: whether their work was
// committed is not known.
var errAbandoned = errors.New("sqlstore: the transaction was abandoned")

// errSpoiled says that what one did took with it what others did.
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

// enter returns true when it is the member's turn to lead, and false when its work
// is done or given up.
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
	return <-m.signal // under way already, so it has an outcome
}

// lead does the leader's work, and that of those who wait.
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

// transact does the leader's work in a transaction, and then that of those who
// wait. What one of them does wrong does not touch the others.
func (l *sqliteWriter) transact(s *Store, m *member) error {
	if err := l.connect(m.ctx, s); err != nil { // as long as the leader can wait: the others can leave
		return err
	}
	return l.begin(m.ctx, s, func(x *session) error {
		for o := m; o != nil; o = l.take() {
			x.wrote = false
			// A context that ends must not take with it what others have written.
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

// take takes the next one out of the queue and into the transaction. It returns nil
// where that is to end: nobody waits, they are enough, or one of them has no more
// time.
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

// gone answers a member whose context has ended before its work was done.
func (m *member) gone() bool {
	if m.err = m.ctx.Err(); m.err == nil {
		m.err = errAbandoned
		return false
	}
	m.signal <- false
	return true
}

// requeue puts all but the leader back to the front of the queue, after nothing of
// what they did was committed.
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

// wait is called when another process turns out to hold the database. Whoever is
// there waits for it from then on, and not one after the other.
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

// handOver answers those whose work is done, and makes the next in the queue the
// leader.
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
		l.release() // nobody waits
	}
}

// pass makes the next in the queue the leader. Where there is none, and the
// connection is given back, nobody leads.
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

// mostPreparing bounds how long the lane is held up for the sake of the next ones:
// to prepare a statement takes a connection, and the host may have all.
const mostPreparing = 20 * time.Millisecond

// prepare prepares what the transaction would have used, for the next ones.
func (l *sqliteWriter) prepare(ctx context.Context, s *Store) {
	if st := s.db.Stats(); !s.stmts.wants() || st.MaxOpenConnections > 0 && st.InUse >= st.MaxOpenConnections {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mostPreparing)
	defer cancel()
	s.prepareWanted(ctx)
}

// connect takes a connection from the pool and sets it up, unless the lane has
// one. The host may hold all of them, so this can take any time.
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

// takeLock changes nothing; but as it could, it takes the lock for writing. Drivers
// begin a transaction without it, unless they are told otherwise.
const takeLock = "DELETE FROM {t}schema WHERE 1 = 0"

// begin runs f in a transaction.
func (l *sqliteWriter) begin(ctx context.Context, s *Store, f func(*session) error) error {
	ctx = context.WithoutCancel(ctx) // it is for all of them
	ended := false
	var tx *sql.Tx
	defer func() {
		if ended {
			return
		}
		// A panic. database/sql never lets go of a statement that panicked, and so
		// of its connection: whoever closed it would wait for ever.
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
			l.discard() // perhaps it is the connection's fault
		}
		ended = true
		return err
	}
	x := &session{s: s, tx: tx}
	if _, err = x.exec(ctx, takeLock); err == nil {
		err = f(x)
	}
	if err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback() // the first error says more
	}
	if err != nil {
		// Nothing should be left to undo, and this says so.
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
		if _, err := l.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", l.timeout)); err != nil { //nolint:forbidigo // it asks nothing of the disk
			l.discard()
			return
		}
	}
	_ = l.conn.Close()
	l.conn = nil
}

// discard closes a connection of which nobody knows what state it is in.
func (l *sqliteWriter) discard() {
	if l.conn != nil {
		discard(l.conn)
		_ = l.conn.Close()
		l.conn = nil
	}
}

// checkpointPages is how long the write-ahead log gets before it is written back.
// SQLite's default of 1,000 costs a fifth to two fifths of the throughput, and
// most of the tail.
const checkpointPages = 20_000

// setUp prepares a connection for writing. A host that has set another interval
// than SQLite's default keeps it.
func (l *sqliteWriter) setUp(ctx context.Context, conn *sql.Conn) error {
	// SQLite's own wait for the lock knows no context, and sleeps longer and
	// longer; retryBusy waits instead.
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&l.timeout); err != nil {
		return err
	}
	if l.timeout > 1 {
		if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 1"); err != nil {
			return err
		}
	}
	if known, err := l.known(conn); known || err != nil {
		return err
	}
	var pages int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_autocheckpoint").Scan(&pages); err != nil || pages != 1000 {
		return err
	}
	var set int
	return conn.QueryRowContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages)).Scan(&set)
}

// known reports whether the connection was here lately. A driver whose connections
// are not pointers gives nothing by which to know one again.
func (l *sqliteWriter) known(conn *sql.Conn) (known bool, err error) {
	err = conn.Raw(func(c any) error {
		if reflect.TypeOf(c).Kind() != reflect.Pointer {
			return nil
		}
		if known = slices.Contains(l.seen[:], c); !known {
			l.seen[l.next] = c
			l.next = (l.next + 1) % len(l.seen)
		}
		return nil
	})
	return known, err
}

// retryBusy calls f until the database's lock is free.
func (s *Store) retryBusy(ctx context.Context, f func() error) error {
	return s.retryBusyUntil(ctx, nil, f)
}

// retryBusyUntil is retryBusy with an end of its own, if there is one.
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
