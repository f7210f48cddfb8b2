package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
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
// goroutine behind it: the first who comes leads, works for all who wait, and
// then hands over to the next.
type lane struct {
	mu     sync.Mutex
	queue  []*member
	leader bool // somebody leads

	// What follows belongs to the leader. The connection is kept for a moment,
	// with the statements prepared on it, since a page cache is only of use to the
	// connection that wrote last: then it goes back to the pool.
	current []*member // whose work is being done
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt // by text in the store's notation
	idle    *time.Timer
	timeout int    // the busy timeout of the connection, which is given back with it
	seen    [8]any // driver connections that are set up
	next    int
}

// keptFor is how long the connection is kept when nobody writes.
const keptFor = time.Second

// mostKept is up to how many connections a pool may have for the lane to keep
// none of them: they are for the host.
const mostKept = 3

// A member is one piece of work in the lane.
type member struct {
	ctx    context.Context
	work   func(context.Context, *session) error
	err    error
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

func (l *lane) do(ctx context.Context, s *Store, work func(context.Context, *session) error) error {
	m := &member{ctx: ctx, work: work}
	l.mu.Lock()
	if l.leader {
		m.signal = make(chan bool, 1)
		l.queue = append(l.queue, m)
		l.mu.Unlock()
		if lead := l.wait(ctx, m); !lead {
			return m.err
		}
		l.mu.Lock()
	} else {
		l.leader = true
		l.queue = append(l.queue, m)
	}
	n := min(len(l.queue), mostTogether)
	together := l.queue[:n:n]
	l.queue = append([]*member(nil), l.queue[n:]...)
	l.mu.Unlock()

	for _, o := range together {
		o.err = errAbandoned
	}
	l.current = together
	defer l.handOver(s, m) // even if a driver panics
	l.run(s, together)     //nolint:contextcheck // it is for all of them
	return m.err
}

// errAbandoned is for those whose leader panicked: whether their work was
// committed is not known.
var errAbandoned = errors.New("sqlstore: the transaction was abandoned")

// handOver makes the next in the queue the leader, and answers those whose work
// is done.
func (l *lane) handOver(s *Store, m *member) {
	together := l.current
	l.current = nil
	l.mu.Lock()
	if len(l.queue) > 0 {
		l.queue[0].signal <- true
	} else {
		l.leader = false
		l.park(s)
	}
	l.mu.Unlock()
	for _, o := range together {
		if o != m {
			o.signal <- false
		}
	}
}

// wait returns true when it is the member's turn to lead, and false when its work
// is done or given up.
func (l *lane) wait(ctx context.Context, m *member) bool {
	select {
	case lead := <-m.signal:
		return lead
	case <-ctx.Done():
	}
	l.mu.Lock()
	for i, o := range l.queue {
		if o == m && len(m.signal) == 0 {
			l.queue = append(l.queue[:i:i], l.queue[i+1:]...)
			l.mu.Unlock()
			m.err = ctx.Err()
			return false
		}
	}
	l.mu.Unlock()
	return <-m.signal // under way already, so it has an outcome
}

// run does the work of all in one transaction. What one of them does wrong does not touch the others. Where another process
// holds the database, only the first one goes on waiting for it; the others go
// back to the queue, where their contexts count.
func (l *lane) run(s *Store, together []*member) {
	// A member's context no longer counts: the others depend on the transaction.
	ctx := context.WithoutCancel(together[0].ctx)
	if len(together) == 1 {
		m := together[0]
		if m.err = m.ctx.Err(); m.err == nil {
			m.err = s.retryBusyUntil(m.ctx, m.patience, func() error { return l.alone(ctx, s, m) })
		}
		return
	}
	spoiled := false
	err := l.connect(together[0].ctx, s)
	if err != nil && together[0].ctx.Err() != nil {
		spoiled = true // the others may have more time
	} else if err == nil {
		spoiled, err = l.all(ctx, s, together)
	}
	switch {
	case spoiled:
		for _, m := range together {
			l.run(s, []*member{m})
		}
	case s.lang.classify(err) == busy:
		l.mu.Lock()
		for _, m := range together {
			if m.patience == nil {
				m.patience = time.NewTimer(patience).C
			}
		}
		l.queue = append(slices.Clone(together[1:]), l.queue...)
		l.current = together[:1:1]
		l.mu.Unlock()
		l.run(s, l.current)
	case err != nil:
		for _, m := range together {
			m.err = err
		}
	}
}

func (l *lane) alone(ctx context.Context, s *Store, m *member) error {
	if err := l.connect(m.ctx, s); err != nil { //nolint:contextcheck // the wait for it is the member's own
		return err
	}
	return l.begin(ctx, s, func(x *session) error { return m.work(ctx, x) })
}

// all does everybody's work. It is spoiled where one of them failed after it had
// written something, which takes all with it.
func (l *lane) all(ctx context.Context, s *Store, together []*member) (spoiled bool, err error) {
	err = l.begin(ctx, s, func(x *session) error {
		for _, m := range together {
			if m.err = m.ctx.Err(); m.err != nil {
				continue
			}
			x.wrote = false
			m.err = m.work(ctx, x)
			if m.err == nil {
				continue
			}
			switch f := s.lang.classify(m.err); {
			case f == busy || f == readOnly || f == full:
				return m.err
			case x.wrote || f == otherwise && !isOurs(m.err):
				spoiled = true
				return m.err
			}
		}
		return nil
	})
	return spoiled, err
}

// connect takes a connection from the pool and sets it up, unless the lane has
// one. The host may hold all of them, so this can take any time.
func (l *lane) connect(ctx context.Context, s *Store) error {
	if l.conn != nil {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	if err := l.setUp(ctx, conn); err != nil {
		l.release()
		return err
	}
	return nil
}

// begin runs f in a transaction.
func (l *lane) begin(ctx context.Context, s *Store, f func(*session) error) error {
	if err := l.connect(ctx, s); err != nil { // only if it was lost
		return err
	}
	x := &session{s: s, lane: l}
	ended := false
	defer func() {
		if ended {
			return
		}
		// A panic. database/sql never lets go of a statement that panicked, and so
		// of its connection: whoever closed it would wait for ever.
		_ = x.raw(ctx, "ROLLBACK")
		conn := l.conn
		l.conn, l.stmts = nil, nil
		go func() { _ = conn.Close() }()
	}()
	err := x.raw(ctx, "BEGIN IMMEDIATE")
	if err != nil {
		if s.lang.classify(err) == otherwise {
			l.discard() // perhaps it is the connection's fault
		}
		ended = true
		return err
	}
	if err = f(x); err == nil {
		err = x.raw(ctx, "COMMIT")
	}
	if err != nil {
		// After some errors there is nothing left to undo, and this says so.
		undo := x.raw(ctx, "ROLLBACK")
		if undo != nil && !strings.Contains(undo.Error(), "no transaction") {
			l.discard()
		}
	}
	ended = true
	return err
}

// statement returns a statement prepared on the lane's connection.
func (l *lane) statement(ctx context.Context, s *Store, text string) (*sql.Stmt, error) {
	if stmt := l.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := l.conn.PrepareContext(ctx, s.render(text)) // closed with the connection
	if err != nil {
		return nil, err
	}
	if len(l.stmts) >= mostStatements {
		l.closeStatements()
	}
	if l.stmts == nil {
		l.stmts = map[string]*sql.Stmt{}
	}
	l.stmts[text] = stmt
	return stmt, nil
}

// closeStatements comes before the connection is closed: database/sql does not
// close the statements of a *sql.Conn with it, and a driver may not survive that
// they are closed afterwards.
func (l *lane) closeStatements() {
	if alive := l.conn.Raw(func(any) error { return nil }); alive == nil {
		for _, stmt := range l.stmts {
			_ = stmt.Close()
		}
	}
	clear(l.stmts)
}

// park lets the connection go when it was not used for a moment; at once, where
// the pool has few. The caller holds the lock.
func (l *lane) park(s *Store) {
	switch most := s.db.Stats().MaxOpenConnections; {
	case l.conn == nil:
	case most > 0 && most <= mostKept:
		l.release()
	case l.idle == nil:
		l.idle = time.AfterFunc(keptFor, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.leader {
				l.release()
			}
		})
	default:
		l.idle.Reset(keptFor)
	}
}

// read runs f on the lane's connection, if there is one and nobody is at it: its
// page cache knows what was written last. Else it returns false.
func (l *lane) read(s *Store, f func(*session) error) (bool, error) {
	if !l.mu.TryLock() {
		return false, nil
	}
	free := !l.leader && l.conn != nil
	l.leader = l.leader || free
	l.mu.Unlock()
	if !free {
		return false, nil
	}
	defer l.handOver(s, nil)
	err := f(&session{s: s, lane: l})
	if errors.Is(err, driver.ErrBadConn) {
		l.discard()
		return false, nil // another connection may do
	}
	return true, err
}

// release gives the connection back to the pool.
func (l *lane) release() {
	if l.conn != nil {
		l.closeStatements()
		if l.timeout > 1 {
			_, _ = l.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", l.timeout)) //nolint:forbidigo // it asks nothing of the disk
		}
		_ = l.conn.Close()
		l.conn = nil
	}
}

// discard closes a connection of which nobody knows what state it is in.
func (l *lane) discard() {
	if l.conn != nil {
		l.closeStatements()
		_ = l.conn.Raw(func(any) error { return driver.ErrBadConn })
		l.release()
	}
}

// checkpointPages is how long the write-ahead log gets before it is written back.
// SQLite's default of 1,000 costs a fifth to two fifths of the throughput, and
// most of the tail.
const checkpointPages = 20_000

// setUp prepares a connection for writing, once. A host that has set another
// interval than SQLite's default keeps it.
func (l *lane) setUp(ctx context.Context, conn *sql.Conn) error {
	known := false
	err := conn.Raw(func(c any) error {
		if known = slices.Contains(l.seen[:], c); !known {
			l.seen[l.next] = c
			l.next = (l.next + 1) % len(l.seen)
		}
		return nil
	})
	if err != nil {
		return err
	}
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
	if known {
		return nil
	}
	var pages int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_autocheckpoint").Scan(&pages); err != nil || pages != 1000 {
		return err
	}
	var set int
	return conn.QueryRowContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages)).Scan(&set)
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
