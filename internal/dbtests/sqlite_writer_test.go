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

// A writer gives up at its deadline, whatever the leader waits for: a connection,
// the database's lock, or the work of another writer.
func TestQueuedWriterKeepsItsDeadline(t *testing.T) {
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

// In a shared transaction, each writer's statements run with the values of its own
// context.
func TestSharedTransactionKeepsValuesOfContexts(t *testing.T) {
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

// valueConn is a connection that is not a pointer, and cannot be compared.
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

// Connections of a driver may have any type that implements the interface.
func TestWriterTakesConnectionsThatAreNoPointers(t *testing.T) {
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

// After db.Close the store has nothing open: the log is written back, and the file
// contains everything.
func TestClosedDatabaseIsInOneFile(t *testing.T) {
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

// A driver panics in the middle of a commit. The panic reaches its caller, and
// neither waiting nor later writers hang.
func TestPanicInCommitLeavesNobodyWaiting(t *testing.T) {
	for name, is := range map[string]func(spiedStep) bool{
		"writing": func(st spiedStep) bool { return st.what == "exec" && strings.HasPrefix(st.text, "INSERT") },
		"commit":  func(st spiedStep) bool { return st.what == "commit" || st.text == "COMMIT" },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, []backend{modernc, mattn}, func(t *testing.T, b backend) {
				var s spy
				store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.dsn(t), &s), b.dialect)
				require.NoError(t, err)
				require.NoError(t, store.Commit(t.Context(), opening(t, ""))) // its statements are prepared
				commits := make([]ticket.Commit, 6)
				for i := range commits {
					commits[i] = opening(t, "")
				}
				reached, release := make(chan struct{}), make(chan struct{})
				var steps atomic.Int32
				s.on(func(st spiedStep) {
					if st.after || !is(st) {
						return
					}
					switch steps.Add(1) {
					case 1: // the first, while all others queue
						close(reached)
						<-release
						panic("the driver is broken")
					case 2: // and the one who leads the others
						panic("the driver is broken")
					}
				})
				var panics atomic.Int32
				within(t, 10*time.Second, func() {
					var all sync.WaitGroup
					for i := range commits {
						all.Go(func() {
							defer func() {
								if recover() != nil {
									panics.Add(1)
								}
							}()
							_ = store.Commit(t.Context(), commits[i])
						})
						if i == 0 {
							<-reached
						}
					}
					time.Sleep(50 * time.Millisecond)
					close(release)
					all.Wait()
				})
				require.EqualValues(t, 2, panics.Load())
				within(t, 10*time.Second, func() {
					assert.NoError(t, store.Commit(t.Context(), opening(t, ""))) //nolint:testifylint // require is not for other goroutines
					requireWhole(t, store)
				})
			})
		})
	}
}

// Writers that would share a transaction wait no longer than their contexts while
// another process holds the database.
func TestGroupWaitsNoLongerThanItsContexts(t *testing.T) {
	for name, dsn := range map[string]string{
		"impatient": "file:" + filepath.Join(t.TempDir(), "tickets.db"),
		"patient":   modernc.dsn(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), modernc.connect(t, dsn), modernc.dialect)
			require.NoError(t, err)
			conn, err := modernc.connect(t, dsn).Conn(t.Context())
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			require.NoError(t, err)

			var all sync.WaitGroup
			commit := func(ctx context.Context, check func(error)) {
				c := opening(t, "") //nolint:contextcheck // the test's, as everywhere
				all.Go(func() { check(s.Commit(ctx, c)) })
				time.Sleep(10 * time.Millisecond)
			}
			first, cancel := context.WithCancel(t.Context())
			commit(first, func(err error) { assert.ErrorIs(t, err, context.Canceled) })
			commit(t.Context(), func(err error) { assert.NoError(t, err) }) // it leads the rest
			begin := time.Now()
			short, stop := context.WithTimeout(t.Context(), 600*time.Millisecond)
			defer stop()
			for range 4 {
				commit(short, func(err error) {
					assert.ErrorIs(t, err, context.DeadlineExceeded) //nolint:testifylint // require is not for other goroutines
					assert.Less(t, time.Since(begin), 1500*time.Millisecond)
				})
			}
			cancel()
			time.Sleep(2*time.Second - time.Since(begin))
			_, err = conn.ExecContext(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			all.Wait()
			require.Len(t, requireWhole(t, s), 1)
		})
	}
}
