package dbtests_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/sqlstore"
)

// A writer gives up at its deadline, whatever the one waits for that writes for all:
// a connection, the database's lock, or what another one does.
func TestDeadlineOfThoseWhoWaitInTheLane(t *testing.T) {
	for name, hold := range map[string]func(t *testing.T, db *sql.DB, s *spy, begun func()) (release func()){
		"for a connection": func(t *testing.T, db *sql.DB, _ *spy, begun func()) func() {
			defer begun()
			db.SetMaxOpenConns(1)
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			return func() { require.NoError(t, tx.Rollback()) }
		},
		"for the lock": func(t *testing.T, db *sql.DB, _ *spy, begun func()) func() {
			defer begun()
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			require.NoError(t, err)
			return func() {
				_, err := conn.ExecContext(t.Context(), "ROLLBACK")
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
		},
		"for others": func(_ *testing.T, _ *sql.DB, s *spy, begun func()) func() {
			held := make(chan struct{})
			s.on(func(st spiedStep) {
				if st.what == "exec" && !st.after && strings.HasPrefix(st.text, "INSERT INTO ticket_tickets") {
					begun()
					<-held
				}
			})
			return func() { close(held) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s spy
			db := modernc.connectSpied(t, modernc.dsn(t), &s)
			store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
			require.NoError(t, err)
			begun := make(chan struct{})
			release := hold(t, db, &s, sync.OnceFunc(func() { close(begun) }))
			first := make(chan error, 1)
			commit := opening(t, "")
			go func() { first <- store.Commit(t.Context(), commit) }() // without a deadline
			<-begun
			var waiting sync.WaitGroup
			for i := range 4 {
				c := opening(t, "")
				waiting.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+20*i)*time.Millisecond)
					defer cancel()
					if err := store.Commit(ctx, c); err != nil {
						assert.ErrorIs(t, err, context.DeadlineExceeded)
					}
				})
			}
			done := make(chan struct{})
			go func() { waiting.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Error("a deadline of 80 ms did not hold")
			}
			release()
			<-done
			require.NoError(t, <-first)
		})
	}
}

type callerKey struct{}

// Whoever shares a transaction has its statements run with the values of its own
// context.
func TestValuesOfContextsInTheLane(t *testing.T) {
	t.Parallel()
	var s spy
	db := modernc.connectSpied(t, modernc.dsn(t), &s)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.NoError(t, err)
	var own, foreign atomic.Int64
	s.on(func(st spiedStep) {
		if st.after || st.what != "exec" || !strings.HasPrefix(st.text, "INSERT INTO ticket_tickets") {
			return
		}
		if st.ctx.Value(callerKey{}) == st.args[0] {
			own.Add(1)
		} else {
			foreign.Add(1)
		}
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				c := opening(t, "")
				assert.NoError(t, store.Commit(context.WithValue(t.Context(), callerKey{}, c.Changes[0].Ticket.ID.String()), c))
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 160, own.Load())
	require.Zero(t, foreign.Load())
}

// A connection that is a value, and one that cannot be compared.
type valueConn struct {
	*spiedConn
	_ []int
}

type valueConnector struct{ driver.Connector }

func (c valueConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return valueConn{spiedConn: &spiedConn{conn, &spy{}}}, nil
}

// Connections of a driver may be anything that the interface allows.
func TestConnectionsThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	base, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	db := sql.OpenDB(valueConnector{spiedDriver{base.Driver(), modernc.dsn(t)}})
	require.NoError(t, base.Close())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, store.Commit(t.Context(), opening(t, "")))
	}
	require.Len(t, requireWhole(t, store), 3)
}

// When the host has closed the database nothing of the store's is open: the log is
// written back, and the file alone has everything.
func TestClosedDatabaseIsWhole(t *testing.T) {
	t.Parallel()
	each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
		file := filepath.Join(t.TempDir(), "a.db")
		db, err := dbtests.Open(b.driver, sqliteDSN(b.driver, file))
		require.NoError(t, err)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 10 {
					assert.NoError(t, store.Commit(t.Context(), opening(t, "")))
				}
			})
		}
		all.Wait()
		require.NoError(t, db.Close())
		require.NoFileExists(t, file+"-wal")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		copied := filepath.Join(t.TempDir(), "b.db")
		require.NoError(t, os.WriteFile(copied, data, 0o600))
		again, err := sqlstore.New(b.connect(t, sqliteDSN(b.driver, copied)), b.dialect)
		require.NoError(t, err)
		require.Len(t, requireWhole(t, again), 40)
	})
}

// What was said to have failed in a transaction of the host's has left nothing in it,
// also where the context ended after the last statement.
func TestCancelledInHostTransaction(t *testing.T) {
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
				list = append(list, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, Outcome: ticket.OutcomeGiveUp, At: now})
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
			{"revise", func(ctx context.Context, s *sqlstore.Store) error {
				_, err := s.UpdateDeliveries(ctx, ticket.DeliveryUpdate{IDs: ids, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: now})
				return err
			}},
		} {
			// After each of the statements that write.
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
				if tx.Commit() != nil { // a driver may close what was cancelled
					_ = tx.Rollback()
				}
				require.Equal(t, before, everythingStored(t, store), "%s, cancelled after statement %d", call.name, at)
			}
		}
	})
}

// everythingStored is what the store has, to be compared.
func everythingStored(t *testing.T, s *sqlstore.Store) any {
	t.Helper()
	page, err := s.List(t.Context(), ticket.Query{})
	require.NoError(t, err)
	rows, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{})
	require.NoError(t, err)
	return []any{page.Tickets, rows.Deliveries}
}

// A claim whose context ends when the database has it already is a claim: nobody's
// failure.
func TestCancelledClaim(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.dsn(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		c := opening(t, "")
		require.NoError(t, store.Commit(t.Context(), c))
		d := c.Deliveries[0]
		r := ticket.ClaimRequest{Now: d.Due.Add(time.Hour), Lease: time.Minute, Limit: 10, Notifiers: []string{d.Notifier}}
		got := 0
		for _, what := range []string{"begin", "query", "exec", "commit"} {
			for _, after := range []bool{false, true} {
				ctx, cancel := context.WithCancel(t.Context())
				s.on(func(st spiedStep) {
					if st.what == what && st.after == after && !strings.Contains(st.text, "PRAGMA") {
						cancel()
					}
				})
				rows, err := store.Claim(ctx, r)
				s.on(nil)
				cancel()
				if err == nil {
					got += len(rows)
				}
				r.Now = r.Now.Add(time.Second) // no lease has passed
			}
		}
		r.Now = r.Now.Add(2 * r.Lease) // those have
		rows, err := store.Claim(t.Context(), r)
		require.NoError(t, err)
		failures := 0
		for _, row := range rows {
			failures += row.Failures
		}
		require.Equal(t, got, failures, "%d were handed out, and those alone count", got)
	})
}
