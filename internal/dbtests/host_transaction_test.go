package dbtests_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/sqlstore"
)

func count(t *testing.T, on interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, table string) (n int) {
	t.Helper()
	require.NoError(t, on.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

// The order, its ticket, the history and the confirmation are committed together or
// not at all.
func TestHostTransaction(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
		require.NoError(t, err)
		d := failDesk(t, s)

		for i, keep := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO orders (id) VALUES (%d)", i))
			require.NoError(t, err)
			bound := d.WithStore(s.WithTx(tx))
			tk, err := bound.Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)
			_, err = bound.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"lost"}}, Key: "k"})
			require.NoError(t, err)
			found, err := bound.Find(t.Context(), failAgent, string(tk.Number))
			require.NoError(t, err)
			require.Equal(t, []string{"lost"}, found.Tags)
			if b.dialect != sqlstore.SQLite { // on SQLite every other writer would wait
				_, err = d.Get(t.Context(), failAgent, tk.ID)
				require.ErrorIs(t, err, ticket.ErrNotFound, "no other transaction sees it yet")
			}
			if keep {
				require.NoError(t, tx.Commit())
			} else {
				require.NoError(t, tx.Rollback())
			}
			want := map[bool]int{false: 0, true: 1}[keep]
			require.Equal(t, want, count(t, db, "orders"))
			require.Len(t, requireWhole(t, s), want)
			require.Equal(t, 2*want, count(t, db, "ticket_events"))
			require.Equal(t, want, count(t, db, "ticket_receipts"))
			if keep {
				require.NotZero(t, count(t, db, "ticket_outbox"))
			} else {
				require.Zero(t, count(t, db, "ticket_outbox"))
				require.Zero(t, count(t, db, "ticket_labels"))
			}
		}
	})
}

// A commit that fails leaves the application's transaction as it was, and usable.
func TestRefusedInHostTransaction(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
		require.NoError(t, err)
		d := failDesk(t, s)
		old := opening(t, "taken")
		require.NoError(t, s.Commit(t.Context(), old))
		tk := old.Changes[0].Ticket

		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "INSERT INTO orders (id) VALUES (1)")
		require.NoError(t, err)
		bound := s.WithTx(tx)

		var conflict *ticket.ConflictError
		var duplicate *ticket.DuplicateError
		fresh := func(change func(c *ticket.Commit)) ticket.Commit {
			c := opening(t, "")
			change(&c)
			return c
		}
		for name, c := range map[string]ticket.Commit{
			"the ID":  fresh(func(c *ticket.Commit) { *c = old; c.Receipt = nil }),
			"the key": fresh(func(c *ticket.Commit) { r := *old.Receipt; r.Ticket = c.Changes[0].Ticket.ID; c.Receipt = &r }),
			"the number": fresh(func(c *ticket.Commit) {
				ch := &c.Changes[0]
				ch.Events[0].Set.Number, ch.Ticket.Number = tk.Number, tk.Number
			}),
			"the delivery":   fresh(func(c *ticket.Commit) { c.Deliveries[0].ID = old.Deliveries[0].ID }),
			"the key of all": old,
		} {
			require.ErrorAs(t, bound.Commit(t.Context(), c), &duplicate, name)
		}
		stale := ticket.Commit{Changes: []ticket.Change{next(tk), {}}[:1]}
		stale.Changes[0].Expect, stale.Changes[0].Events[0].Seq, stale.Changes[0].Ticket.Version = 7, 8, 8
		require.ErrorAs(t, bound.Commit(t.Context(), stale), &conflict)
		require.Equal(t, tk.ID, conflict.Ticket)

		// The later commit is stored, and the failed one is not.
		_, err = d.WithStore(bound).Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "after all"})
		require.NoError(t, err)
		require.NoError(t, bound.Commit(t.Context(), opening(t, "")))
		require.Equal(t, 1, count(t, tx, "orders"))
		require.NoError(t, tx.Commit())
		require.Len(t, requireWhole(t, s), 2)
		require.Equal(t, 1, count(t, db, "orders"))
		require.Equal(t, 3, count(t, db, "ticket_events"))
		require.Equal(t, 1, count(t, db, "ticket_receipts"))
	})
}

// next is a change of a ticket by one note.
func next(t ticket.Ticket) ticket.Change {
	e := ticket.Event{
		Ticket: t.ID, Seq: t.Version + 1, At: t.Touched.Add(time.Second), Action: ticket.ActionNote, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"},
		From: t.State(), To: t.State(), Phase: t.Phase,
	}
	e.Note = "a note"
	ticket.Chain{}.Seal(t.Digest, &e)
	return ticket.Change{Expect: t.Version, Ticket: ticket.Apply(t, e), Events: []ticket.Event{e}}
}

// stubborn makes every decision a conflict: another writer changes the ticket after
// it was read.
type stubborn struct {
	ticket.Store
	meanwhile func(ticket.Ticket)
	decisions int
}

func (s *stubborn) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	t, err := s.Store.Ticket(ctx, tenant, id)
	s.decisions++
	if err == nil {
		s.meanwhile(t)
	}
	return t, err
}

// In a transaction of the application the desk returns the conflict and decides only
// once.
func TestConflictInHostTransaction(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		s, db := b.open(t)
		d := failDesk(t, s)
		tk, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		require.NoError(t, err)
		bound := &stubborn{Store: s.WithTx(tx), meanwhile: func(ticket.Ticket) {
			_, err := d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "first"})
			require.NoError(t, err)
		}}
		_, err = d.WithStore(bound).Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "second"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		require.Equal(t, 1, bound.decisions)
		bound.meanwhile = func(ticket.Ticket) {}
		_, err = d.WithStore(bound).Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "second"})
		require.NoError(t, err, "the transaction continues")
		require.NoError(t, tx.Commit())
		require.EqualValues(t, 3, requireWhole(t, s)[0].Version)
	})
}

// Under REPEATABLE READ a transaction that read before another one wrote cannot
// overwrite it. That is a conflict.
func TestConflictOfSnapshots(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		s, db := b.open(t)
		d := failDesk(t, s)
		tk, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)
		level := sql.LevelRepeatableRead
		if b.dialect == sqlstore.SQLite {
			level = sql.LevelDefault
		}
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		require.NoError(t, err)
		bound := d.WithStore(s.WithTx(tx))
		_, err = bound.Get(t.Context(), failAgent, tk.ID)
		require.NoError(t, err)
		_, err = d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "first"})
		require.NoError(t, err)
		_, err = bound.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "second"})
		require.ErrorIs(t, err, ticket.ErrConflict)
		require.NoError(t, tx.Rollback())
		require.EqualValues(t, 2, requireWhole(t, s)[0].Version)
	})
}

// With one connection no call waits for a second one, in an unbound or a bound
// store.
func TestOneConnection(t *testing.T) {
	list := []struct {
		backend
		dsn func(t *testing.T) string
	}{
		{modernc, func(*testing.T) string { return ":memory:" }},
		{mattn, func(*testing.T) string { return ":memory:" }},
	}
	for _, b := range backends {
		list = append(list, struct {
			backend
			dsn func(t *testing.T) string
		}{b, func(t *testing.T) string { return b.lend(t) }})
	}
	for i, c := range list {
		t.Run(fmt.Sprintf("%d %s", i, c.name), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			db := c.connect(t, c.dsn(t))
			db.SetMaxOpenConns(1)
			s, err := sqlstore.Open(ctx, db, c.dialect, c.search()...)
			require.NoError(t, err)
			everything(t, ctx, s)
			d := failDesk(t, s)
			var all sync.WaitGroup
			tk, err := d.Open(ctx, failCustomer, failDraft)
			require.NoError(t, err)
			for range 8 {
				all.Go(func() {
					_, err := d.Do(ctx, failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "at once"})
					assert.NoError(t, err)
				})
			}
			all.Wait()

			// The only connection is in use. Calls that wait for it give up at their
			// deadlines.
			tx, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			defer stop()
			for call, err := range everyCall(short, s, opening(t, "")) {
				require.ErrorIs(t, err, context.DeadlineExceeded, call)
			}
			everything(t, ctx, s.WithTx(tx))
			require.NoError(t, tx.Commit())
			conn, err := db.Conn(ctx)
			require.NoError(t, err)
			everything(t, ctx, s.With(conn))
			require.NoError(t, conn.Close())
			require.EqualValues(t, 9, func() int64 { tk, err := d.Get(ctx, failAgent, tk.ID); require.NoError(t, err); return tk.Version }())
		})
	}
}

// everything calls every method of a store.
func everything(t *testing.T, ctx context.Context, s *sqlstore.Store) { //nolint:revive // t comes first in tests
	t.Helper()
	require.NoError(t, s.Check(ctx))
	made := opening(t, "key-"+ticket.NewID(time.Now()).String()) //nolint:contextcheck // the test's will do
	require.NoError(t, s.Commit(ctx, made))
	tk := made.Changes[0].Ticket
	second := opening(t, "") //nolint:contextcheck // the test's will do
	second.Changes = append(second.Changes, next(tk))
	require.NoError(t, s.Commit(ctx, second), "two tickets")
	tagged := next(second.Changes[1].Ticket)
	require.NoError(t, s.Commit(ctx, ticket.Commit{Changes: []ticket.Change{tagged}}))
	require.ErrorIs(t, s.Commit(ctx, ticket.Commit{Changes: []ticket.Change{tagged}}), ticket.ErrConflict)
	require.ErrorIs(t, s.Commit(ctx, made), ticket.ErrDuplicate)
	_, err := s.Ticket(ctx, "", tk.ID)
	require.NoError(t, err)
	_, err = s.Lookup(ctx, "", tk.Number)
	require.NoError(t, err)
	_, err = s.Receipt(ctx, "", made.Receipt.Key)
	require.NoError(t, err)
	_, err = s.Events(ctx, "", tk.ID, 0, 0)
	require.NoError(t, err)
	_, err = s.List(ctx, ticket.Query{Phase: ticket.OpenPhases(), Queue: []string{"", "x"}})
	require.NoError(t, err)
	_, err = s.Due(ctx, time.Now(), 3)
	require.NoError(t, err)
	_, err = s.Counts(ctx, "")
	require.NoError(t, err)
	list, err := s.Claim(ctx, ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Minute, Limit: 3, Notifiers: []string{"", "x"}})
	require.NoError(t, err)
	require.NotEmpty(t, list)
	var outcomes []ticket.Settlement
	for i, d := range list {
		outcomes = append(outcomes, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliveryDead}[i%3], At: time.Now(), Due: time.Now()})
	}
	require.NoError(t, s.Settle(ctx, outcomes))
	if err := s.Maintain(ctx); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err)
	}
	if _, err := s.Search(ctx, ticket.SearchQuery{Text: "printer", Notes: true}); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err)
	}
}

// The application has begun a transaction on its connection by itself.
func TestConnInTransaction(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		// With begins its own transactions, so the application must have none open.
		// Afterwards the connection is as before.
		bound := s.With(conn)
		require.NoError(t, bound.Commit(t.Context(), opening(t, "")))
		_, err = conn.ExecContext(t.Context(), "BEGIN")
		require.NoError(t, err)
		_, err = bound.List(t.Context(), ticket.Query{})
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, bound.Commit(t.Context(), opening(t, "")))
		require.Len(t, requireWhole(t, s), 2)
	})
}

// Writers and readers of SQLite run in two pools, as in two processes, while a
// transaction of the application holds the database for a while. No call returns a
// lock error, and readers do not wait.
func TestSQLiteTogether(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		db := b.connect(t, dsn)
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		other, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
		require.NoError(t, err)
		d, o := failDesk(t, s), failDesk(t, other)
		tk, err := d.Open(t.Context(), failCustomer, failDraft)
		require.NoError(t, err)

		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		require.NoError(t, err)
		var writers, readers sync.WaitGroup
		for i := range 8 {
			desk := []*ticket.Desk{d, o}[i%2]
			writers.Go(func() {
				for range 5 {
					_, err := desk.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "n"})
					assert.NoError(t, err)
				}
			})
		}
		read := func() {
			for range 20 {
				_, err := d.Get(t.Context(), failAgent, tk.ID)
				if err == nil {
					_, err = d.List(t.Context(), failAgent, ticket.Query{})
				}
				assert.NoError(t, err)
			}
		}
		for range 4 {
			readers.Go(read)
		}
		readers.Wait() // they end while the transaction holds the database
		require.EqualValues(t, 1, requireWhole(t, s)[0].Version)
		_, err = conn.ExecContext(t.Context(), "COMMIT")
		require.NoError(t, err)
		for range 4 {
			readers.Go(read)
		}
		writers.Wait()
		readers.Wait()
		require.EqualValues(t, 41, requireWhole(t, s)[0].Version)
	})
}

// Commits that share a transaction each get their own result, and successful ones
// are stored when the database is opened again.
func TestGroupCommit(t *testing.T) {
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		db, err := dbtests.Open(b.driver, dsn)
		require.NoError(t, err)
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		taken := opening(t, "taken")
		require.NoError(t, s.Commit(t.Context(), taken))
		tk := taken.Changes[0].Ticket
		stale := next(tk)
		require.NoError(t, s.Commit(t.Context(), ticket.Commit{Changes: []ticket.Change{stale}}))

		// The writer is blocked until all of them are in its queue.
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		require.NoError(t, err)
		var all sync.WaitGroup
		submit := func(c ticket.Commit, check func(error)) {
			all.Go(func() { check(s.Commit(t.Context(), c)) })
		}
		submit(opening(t, ""), func(err error) { assert.NoError(t, err) })
		time.Sleep(20 * time.Millisecond) // the first leads, and the rest queues
		good := []ticket.ID{}
		for i := range 40 {
			c := opening(t, "")
			switch i % 8 {
			case 0:
				ch := &c.Changes[0]
				ch.Events[0].Set.Number, ch.Ticket.Number = tk.Number, tk.Number
				submit(c, func(err error) { assert.ErrorIs(t, err, ticket.ErrDuplicate) })
			case 1:
				c = ticket.Commit{Changes: []ticket.Change{stale}}
				submit(c, func(err error) { assert.ErrorIs(t, err, ticket.ErrConflict) })
			case 2:
				c.Receipt = &ticket.Receipt{Key: "taken", Ticket: c.Changes[0].Ticket.ID, Version: 1, At: time.Now()}
				submit(c, func(err error) {
					var e *ticket.DuplicateError
					if assert.ErrorAs(t, err, &e) {
						assert.Equal(t, "key", e.What)
					}
				})
			case 3:
				c.Changes = append(c.Changes, stale) // the first change was already written
				submit(c, func(err error) { assert.ErrorIs(t, err, ticket.ErrConflict) })
			case 4:
				c.Deliveries[0].ID = taken.Deliveries[0].ID // the ticket was already written
				submit(c, func(err error) { assert.ErrorIs(t, err, ticket.ErrDuplicate) })
			case 5:
				ctx, cancel := context.WithCancel(t.Context())
				all.Go(func() { assert.ErrorIs(t, s.Commit(ctx, c), context.Canceled) })
				time.AfterFunc(30*time.Millisecond, cancel)
			case 6:
				good = append(good, c.Changes[0].Ticket.ID)
				submit(c, func(err error) { assert.NoError(t, err) })
			case 7:
				good = append(good, c.Changes[0].Ticket.ID)
				c.Receipt = &ticket.Receipt{Key: fmt.Sprintf("free-%d", i), Ticket: c.Changes[0].Ticket.ID, Version: 1, At: time.Now()}
				submit(c, func(err error) { assert.NoError(t, err) })
			}
		}
		time.Sleep(150 * time.Millisecond)
		_, err = conn.ExecContext(t.Context(), "COMMIT")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		all.Wait()
		require.NoError(t, db.Close())

		again, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
		require.NoError(t, err)
		require.Len(t, requireWhole(t, again), len(good)+2)
		for _, id := range good {
			_, err := again.Ticket(t.Context(), "", id)
			require.NoError(t, err)
		}
	})
}

// A transaction does not release SQLite's lock. The store waits, and then returns
// ErrBusy.
func TestBusy(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits until the store gives up")
	}
	t.Parallel()
	file := "file:" + filepath.Join(t.TempDir(), "tickets.db") + "?_pragma=busy_timeout(1)"
	db := modernc.connect(t, file)
	s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	var all sync.WaitGroup
	first := opening(t, "")
	all.Go(func() { assert.ErrorIs(t, s.Commit(t.Context(), first), sqlstore.ErrBusy) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Commit(ctx, opening(t, "")), context.DeadlineExceeded)
	all.Wait()
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	require.Len(t, requireWhole(t, s), 1)
}

// A call that failed in a transaction of the application has left nothing in it,
// even if the context ended after the last statement.
func TestCancelledCallInHostTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.dsn(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		there := opening(t, "")
		require.NoError(t, store.Commit(t.Context(), there))
		now := there.Deliveries[0].Due.Add(time.Hour)
		claim := ticket.ClaimRequest{Now: now, Lease: time.Minute, Limit: 10, Notifiers: []string{there.Deliveries[0].Notifier}}
		settle := func(ctx context.Context, s *sqlstore.Store) error {
			rows, err := s.Deliveries(context.WithoutCancel(ctx), ticket.DeliveryQuery{})
			if err != nil {
				return err
			}
			var list []ticket.Settlement
			for _, d := range rows.Deliveries {
				list = append(list, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryDead, At: now})
			}
			return s.Settle(ctx, list)
		}
		fresh := opening(t, "")
		var ids []ticket.ID
		for _, d := range there.Deliveries {
			ids = append(ids, d.ID)
		}
		for _, call := range []struct {
			name string
			last func(ctx context.Context, s *sqlstore.Store) error
		}{
			{"commit", func(ctx context.Context, s *sqlstore.Store) error { return s.Commit(ctx, fresh) }},
			{"claim", func(ctx context.Context, s *sqlstore.Store) error { _, err := s.Claim(ctx, claim); return err }},
			{"settle", settle},
			{"update", func(ctx context.Context, s *sqlstore.Store) error {
				_, err := s.UpdateDeliveries(ctx, ticket.DeliveryUpdate{IDs: ids, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: now})
				return err
			}},
		} {
			// The context ends after each of the statements that write.
			for at := 1; ; at++ {
				before := everythingStored(t, store)
				tx, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				n := 0
				s.on(func(st spiedStep) {
					write := st.what == "exec" || st.what == "query" && strings.Contains(st.text, "RETURNING")
					if st.after && write && !strings.Contains(st.text, "SAVEPOINT") {
						if n++; n == at {
							cancel()
						}
					}
				})
				err = call.last(ctx, store.WithTx(tx))
				s.on(nil)
				ended := ctx.Err() != nil
				cancel()
				if err == nil {
					require.NoError(t, tx.Commit())
					require.False(t, ended, "%s ended in time", call.name)
					break
				}
				require.True(t, ended, "%s: %v", call.name, err)
				if tx.Commit() != nil { // a driver may close a cancelled transaction
					_ = tx.Rollback()
				}
				require.Equal(t, before, everythingStored(t, store), "%s, cancelled after statement %d", call.name, at)
			}
		}
	})
}

// everythingStored returns the contents of a store, for a comparison.
func everythingStored(t *testing.T, s *sqlstore.Store) any {
	t.Helper()
	page, err := s.List(t.Context(), ticket.Query{})
	require.NoError(t, err)
	rows, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{})
	require.NoError(t, err)
	return []any{page.Tickets, rows.Deliveries}
}
