package dbtests_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// errRefused is the error of a cluster node that has lost the majority.
var errRefused = &mysql.MySQLError{Number: 1047, Message: "WSREP has not yet prepared node for application use"}

// refusing makes a database refuse everything, even ROLLBACK, from its n-th
// statement or COMMIT on, until heal is called. heal reports whether it refused
// anything.
func (s *spy) refusing(n int64) (heal func() bool) {
	var count atomic.Int64
	s.refuse(func(st spiedStep) error {
		if st.what == "exec" || st.what == "query" || st.what == "commit" {
			count.Add(1)
		}
		if count.Load() < n {
			return nil
		}
		return errRefused
	})
	return func() bool {
		s.refuse(nil)
		return count.Load() >= n
	}
}

// commitAll begins and commits on every connection of a pool. That commits any
// transaction that was left open there.
func commitAll(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	var list []*sql.Conn
	for range n {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		list = append(list, conn)
	}
	for _, conn := range list {
		tx, err := conn.BeginTx(t.Context(), nil)
		require.NoError(t, err, "a transaction was left open")
		require.NoError(t, tx.Commit())
		require.NoError(t, conn.Close())
	}
}

// contents returns all rows of all tables.
func (b backend) contents(t *testing.T, db *sql.DB) (lines []string) {
	t.Helper()
	for _, table := range b.tables(t, t.Context(), db) {
		if strings.Contains(table, "words") { // of FTS5
			continue
		}
		for _, row := range textRows(t, db, "SELECT * FROM "+table) {
			lines = append(lines, table+fmt.Sprint(row))
		}
	}
	slices.Sort(lines)
	return lines
}

// textRows returns the rows of a query.
func textRows(t *testing.T, db *sql.DB, text string) (list [][]sql.NullString) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values, dest := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		require.NoError(t, rows.Scan(dest...))
		list = append(list, values)
	}
	require.NoError(t, rows.Err())
	return list
}

// A server refuses any statement and then ROLLBACK, and keeps the connection. The
// writes of the failed call are never committed.
func TestRefusedRollbackLeavesNothing(t *testing.T) {
	const connections = 4
	each(t, backends, func(t *testing.T, b backend) {
		ctx := t.Context()
		var s spy
		dsn := b.dsn(t)
		db, admin := b.connectSpied(t, dsn, &s), b.connect(t, dsn)
		db.SetMaxOpenConns(connections)
		store, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
		require.NoError(t, err)
		desk := failDesk(t, store)
		var ids []ticket.ID
		for range 3 {
			tk, err := desk.Open(ctx, failCustomer, failDraft)
			require.NoError(t, err)
			ids = append(ids, tk.ID)
		}
		from, _ := b.open(t)
		other, err := failDesk(t, from).Open(ctx, failCustomer, failDraft)
		require.NoError(t, err)
		_, err = failDesk(t, from).Do(ctx, failAgent, other.ID, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		require.NoError(t, err)
		var given []ticket.Delivery
		act := func(a ticket.Action) func() error {
			return func() error { _, err := desk.Do(ctx, failAgent, ids[0], a); return err }
		}
		type path struct {
			name string
			call func() error
		}
		paths := []path{
			{"open a ticket", func() error {
				_, err := desk.Open(ctx, failCustomer, ticket.Draft{Subject: "s", Message: "m", Key: "open"})
				return err
			}},
			{"add a note", act(ticket.Action{Name: ticket.ActionNote, Note: "once", Key: "k"})},
			{"edit", act(ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a", "b"}}, Key: "e"})},
			{"split", act(ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "half", Message: "m"}, Key: "s"})},
			{"merge", act(ticket.Action{Name: ticket.ActionMerge, Ticket: ids[1], Key: "m"})},
			{"import", func() error { _, err := store.Import(ctx, from.Export(ctx, ticket.ID{})); return err }},
			{"claim", func() (err error) {
				given, err = store.Claim(ctx, ticket.ClaimRequest{Now: time.Now(), Lease: time.Hour, Limit: 10, Notifiers: []string{""}})
				return err
			}},
			{"settle", func() error {
				var list []ticket.Settlement
				for _, d := range given {
					list = append(list, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryDead, At: time.Now(), Error: "no"})
				}
				return store.Settle(ctx, list)
			}},
			{"update", func() error {
				r := ticket.DeliveryUpdate{From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryBounced, At: time.Now()}
				for _, d := range given {
					r.IDs = append(r.IDs, d.ID)
				}
				_, err := store.UpdateDeliveries(ctx, r)
				return err
			}},
			{"prune", func() error {
				_, err := store.PruneReceipts(ctx, time.Now().Add(time.Hour), 100, nil)
				return err
			}},
		}
		if len(b.search()) > 0 {
			paths = append(paths, path{"reindex", func() error { return store.Reindex(ctx, "", ids[0]) }}, path{"maintain", func() error { return store.Maintain(ctx) }})
		}
		for _, p := range paths {
			for n := int64(1); ; n++ {
				before := b.contents(t, admin)
				heal := s.refusing(n)
				err := p.call()
				if !heal() {
					require.NoError(t, err, "%s, undisturbed", p.name)
					break
				}
				if err != nil {
					commitAll(t, db, connections)
					after := b.contents(t, admin)
					indexed := !slices.ContainsFunc(after, func(row string) bool { return strings.HasPrefix(row, "ticket_unindexed[") })
					if p.name == "maintain" && indexed {
						break // the index was committed; what comes after it is another step
					}
					require.Equal(t, before, after, "%s, from statement %d on", p.name, n)
				}
				require.Less(t, n, int64(100))
			}
		}
		requireWhole(t, store)
	})
}

// In that case a connection of the application is closed.
func TestRefusedRollbackClosesTheApplicationsConnection(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		ctx := t.Context()
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		store, err := sqlstore.Open(ctx, db, b.dialect)
		require.NoError(t, err)
		conn, err := db.Conn(ctx)
		require.NoError(t, err)
		tk, err := failDesk(t, store).Open(ctx, failCustomer, failDraft)
		require.NoError(t, err)
		desk := failDesk(t, store.With(conn))
		s.refuse(func(st spiedStep) error {
			if st.what == "rollback" || strings.Contains(st.text, "INTO ticket_labels") {
				return errRefused
			}
			return nil
		})
		edit := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a"}}}
		_, err = desk.Do(ctx, failAgent, tk.ID, edit)
		require.ErrorIs(t, err, error(errRefused))
		s.refuse(nil)
		_, err = desk.Do(ctx, failAgent, tk.ID, edit)
		require.ErrorIs(t, err, sql.ErrConnDone)
		require.ErrorIs(t, conn.PingContext(ctx), sql.ErrConnDone)
		_, err = failDesk(t, store).Do(ctx, failAgent, tk.ID, edit)
		require.NoError(t, err)
		requireWhole(t, store)
	})
}

// A migration that cannot be rolled back is not committed by a later statement.
func TestRefusedRollbackOfAMigration(t *testing.T) {
	const connections = 2
	each(t, []backend{modernc, mattn, pgx, pq}, func(t *testing.T, b backend) {
		ctx := t.Context()
		var s spy
		dsn := b.dsn(t)
		db, admin := b.connectSpied(t, dsn, &s), b.connect(t, dsn)
		db.SetMaxOpenConns(connections)
		for n := int64(1); ; n++ {
			heal := s.refusing(n)
			_, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
			if !heal() {
				require.NoError(t, err)
				break
			}
			require.Error(t, err)
			commitAll(t, db, connections)
			require.Empty(t, b.tables(t, ctx, admin), "from statement %d on", n)
			require.Less(t, n, int64(200))
		}
	})
}

// If the database cannot return to a savepoint in the application's transaction,
// half of a commit is left there. The store refuses further calls and returns an
// error.
func TestRefusedSavepoint(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		ctx := t.Context()
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		store, err := sqlstore.Open(ctx, db, b.dialect)
		require.NoError(t, err)
		tk, err := failDesk(t, store).Open(ctx, failCustomer, failDraft)
		require.NoError(t, err)
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		desk := failDesk(t, store.WithTx(tx))
		s.refuse(func(st spiedStep) error {
			if strings.HasPrefix(st.text, "ROLLBACK TO") || strings.Contains(st.text, "INTO ticket_labels") {
				return errRefused
			}
			return nil
		})
		edit := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a"}}}
		_, err = desk.Do(ctx, failAgent, tk.ID, edit)
		require.ErrorIs(t, err, error(errRefused))
		s.refuse(nil)
		for range 2 {
			_, err = desk.Do(ctx, failAgent, tk.ID, edit)
			require.ErrorIs(t, err, errRefused)
		}
		require.NoError(t, tx.Rollback())
		requireWhole(t, store)
	})
}

// A panic in a transaction of the store returns its connection to the pool.
func TestPanicInTransactionReturnsTheConnection(t *testing.T) {
	each(t, []backend{pgx, mariadb}, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		db.SetMaxOpenConns(1)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		first := opening(t, "")
		require.NoError(t, store.Commit(t.Context(), first))
		second := opening(t, "") // of two tickets, so that it is more than one statement
		second.Changes = append(second.Changes, next(first.Changes[0].Ticket))
		s.on(func(st spiedStep) {
			if st.what == "exec" && !st.after {
				panic("the driver is broken")
			}
		})
		within(t, 10*time.Second, func() {
			assert.Panics(t, func() { _ = store.Commit(t.Context(), second) })
			s.on(nil)
			assert.NoError(t, store.Commit(t.Context(), second))
		})
		require.Len(t, requireWhole(t, store), 2)
	})
}
