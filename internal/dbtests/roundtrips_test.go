package dbtests_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	pgxv5 "github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/sqlstore"
)

var (
	callAgent    = ticket.Agent("lin", 1, 2, 3)
	callCustomer = ticket.Requester(ticket.Person{ID: "c-1", Email: "ada@example.com"})
	callAsk      = ticket.Action{Name: ticket.ActionAsk, Message: "Could you tell us which cartridge is in the printer?"}
	callReply    = ticket.Action{Name: ticket.ActionReply, Message: "It is the black one that came with it."}
	callDraft    = ticket.Draft{Subject: "Printer prints blank pages", Message: "Since this morning.", Requester: callCustomer.Person, Tags: []string{"printer"}}
)

// callID is the ID of the ticket in callRow.
const callID = "01K9ZQ4T7V8W9XABCDEFGHJKMN"

// callRow is the ticket that a driver without a database returns.
var callRow = map[string]driver.Value{
	"id": callID, "tenant": "", "number": "7Q4K-92MX-F", "version": int64(7), "digest": strings.Repeat("0f", 32), "status": "open",
	"phase": "in progress", "level": int64(1), "queue": "billing", "assignee": "lin", "pressing": int64(1), "channel": "mail", "reason": "",
	"resolution": "", "timer_at": nil, "timer_action": "", "created": int64(1_763_000_000_000_000), "first_answered": int64(1_763_000_000_000_001),
	"touched": int64(1_763_000_000_000_002), "resolved": nil, "closed": nil, "reopened": int64(0), "timer_from": nil, "checked": nil, "snoozed": nil, "clocks": nil, "stage": int64(0),
	"doc": `{"requester":{"id":"c-1","name":"Ada","email":"ada@example.com"},"subject":"Printer prints blank pages","tags":["printer"],"workflow":"support","workflow_version":1}`,
}

// callDesk is a desk on which Ask and Reply make one event and one delivery.
func callDesk(tb testing.TB, store ticket.Store) *ticket.Desk {
	tb.Helper()
	d, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{"email": nil}})
	require.NoError(tb, err)
	return d
}

// The test pins what reaches the driver for each Do, each Open, and each edit that replaces a
// tag, and how often it waits for the network. A change here changes the cost of the library.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	// The ticket is read; row, event and delivery are written between BEGIN and
	// COMMIT. On SQLite, which has no network, the busy timeout is set and
	// restored.
	oneByOne := calls{Begins: 1, Queries: 1, Execs: 5, Commits: 1}
	// Before the row of an edit is written, its labels are read; one is removed and one added.
	relabel, onSQLite := calls{Begins: 1, Queries: 2, Execs: 4, Commits: 1}, calls{Begins: 1, Queries: 2, Execs: 7, Commits: 1}
	overNetwork := relabel
	overNetwork.Trips = 8
	for _, c := range []struct {
		backend        backend
		do, open, edit calls
	}{
		{modernc, oneByOne, calls{Begins: 1, Execs: 6, Commits: 1}, onSQLite}, // row, labels, event, deliveries
		{mattn, oneByOne, calls{Begins: 1, Execs: 6, Commits: 1}, onSQLite},
		{pgx, calls{Queries: 1, Execs: 1, Trips: 2}, calls{Execs: 1, Trips: 1}, overNetwork},
		{pq, calls{Queries: 1, Execs: 1}, calls{Execs: 1}, relabel},
		{mariadb, calls{Queries: 1, Begins: 1, Execs: 3, Commits: 1, Trips: 6}, calls{Begins: 1, Execs: 4, Commits: 1, Trips: 6}, overNetwork},
	} {
		t.Run(c.backend.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			desk, _, counter := countedDesk(t, c.backend)

			const n = 10
			open := func() ticket.ID {
				for range n - 1 {
					_, err := desk.Open(ctx, callAgent, callDraft)
					require.NoError(t, err)
				}
				tk, err := desk.Open(ctx, callAgent, callDraft)
				require.NoError(t, err)
				return tk.ID
			}
			id := open()
			_, err := desk.Do(ctx, callAgent, id, ticket.Action{Name: ticket.ActionTake})
			require.NoError(t, err)
			do := func() {
				for range n / 2 {
					_, err := desk.Do(ctx, callAgent, id, callAsk)
					require.NoError(t, err)
					_, err = desk.Do(ctx, callCustomer, id, callReply)
					require.NoError(t, err)
				}
			}
			edit := func() {
				for i := range n {
					tags := []string{"blank pages", "black pages"}
					_, err := desk.Do(ctx, callAgent, id, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: tags[i%2:][:1], RemoveTags: tags[1-i%2:][:1]}})
					require.NoError(t, err)
				}
			}
			do()
			edit()
			edit() // now every statement is prepared

			// A busy machine can deliver an answer before the counter looks, which then
			// misses that trip. So a difference must show again.
			same := func(want calls, work func(), what string) {
				for try := 1; ; try++ {
					counter.take()
					work()
					if got := counter.take(); got == want || try == 3 {
						assert.Equal(t, want, got, "%d %s", n, what)
						return
					}
				}
			}
			same(c.do.times(n), do, "Do")
			same(c.open.times(n), func() { open() }, "Open")
			same(c.edit.times(n), edit, "edits")
		})
	}
}

// The test pins the allocations of the library and database/sql for a Do. Those of a
// driver do not count, because this one answers from memory.
func TestAllocationsPerDo(t *testing.T) {
	// It does not run in parallel, because allocations of other tests would count.
	for _, c := range []struct {
		dialect sqlstore.Dialect
		most    float64
	}{
		{sqlstore.SQLite, 91}, // with the *sql.Tx, and the two of the busy timeout
		{sqlstore.Postgres, 57},
		{sqlstore.MySQL, 95}, // with the *sql.Conn, which allows discarding a connection, and a context for the *sql.Tx
	} {
		t.Run(c.dialect.String(), func(t *testing.T) {
			db := sql.OpenDB(bare.NewInstant(callRow))
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			store, err := sqlstore.New(db, c.dialect)
			require.NoError(t, err)
			desk := callDesk(t, store)
			id, err := ticket.ParseID(callID)
			require.NoError(t, err)
			ctx := t.Context()
			got := testing.AllocsPerRun(500, func() {
				if _, err := desk.Do(ctx, callAgent, id, callAsk); err != nil {
					t.Fatal(err)
				}
			})
			t.Logf("%s: %.0f allocations a Do", c.dialect, got)
			most := c.most
			if raced() {
				most += 25 // the race detector empties pools at random
			}
			assert.LessOrEqual(t, got, most)
		})
	}
}

// raced reports whether the race detector is active.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// calls counts what reached the driver. Trips is how often it waited for an answer
// of the server.
type calls struct {
	Prepares, Begins, Queries, Execs, Commits, Rollbacks int64
	Trips                                                int64
}

func (c calls) times(n int64) calls {
	return calls{c.Prepares * n, c.Begins * n, c.Queries * n, c.Execs * n, c.Commits * n, c.Rollbacks * n, c.Trips * n}
}

type counter struct {
	prepares, begins, queries, execs, commits, rollbacks, trips atomic.Int64
}

// take returns the counts and resets them.
func (c *counter) take() calls {
	return calls{
		c.prepares.Swap(0), c.begins.Swap(0), c.queries.Swap(0), c.execs.Swap(0), c.commits.Swap(0), c.rollbacks.Swap(0), c.trips.Swap(0),
	}
}

// countedDesk returns a desk on a store of which what reaches the driver is counted.
func countedDesk(t *testing.T, b backend) (*ticket.Desk, *sqlstore.Store, *counter) {
	c := &counter{}
	db := sql.OpenDB(counted(t, b, c))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxIdleConns(dbtests.Connections)
	store, err := sqlstore.Open(t.Context(), db, b.dialect)
	require.NoError(t, err)
	return callDesk(t, store), store, c
}

// counted returns a backend's connector that counts.
func counted(t *testing.T, b backend, c *counter) driver.Connector {
	t.Helper()
	dsn := b.dsn(t)
	switch b.name {
	case pgx.name:
		config, err := pgxv5.ParseConfig(dsn)
		require.NoError(t, err)
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return &countedNet{Conn: conn, c: c}, err
		}
		return countedConnector{stdlib.GetConnector(*config), c}
	case mariadb.name:
		config, err := mysql.ParseDSN(dsn)
		require.NoError(t, err)
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &countedNet{Conn: conn, c: c}, err
		}
		connector, err := mysql.NewConnector(config)
		require.NoError(t, err)
		return countedConnector{connector, c}
	}
	db, err := sql.Open(b.driver, dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	return countedConnector{dsnConnector{dsn, db.Driver()}, c}
}

type dsnConnector struct {
	dsn string
	d   driver.Driver
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.d }

// countedNet counts the answers for which a caller waited.
type countedNet struct {
	net.Conn
	c    *counter
	sent atomic.Bool
}

func (n *countedNet) Write(b []byte) (int, error) {
	n.sent.Store(true)
	return n.Conn.Write(b)
}

func (n *countedNet) Read(b []byte) (int, error) {
	if n.sent.Swap(false) {
		n.c.trips.Add(1)
	}
	return n.Conn.Read(b)
}

type countedConnector struct {
	driver.Connector
	c *counter
}

func (c countedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, c.c}, nil
}

// countedConn passes on everything that the drivers' connections support.
type countedConn struct {
	driver.Conn
	c *counter
}

func (c *countedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.c.prepares.Add(1)
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &countedStmt{s, c.c}, nil
}

func (c *countedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.c.begins.Add(1)
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &countedTx{tx, c.c}, nil
}

func (c *countedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.c.execs.Add(1)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.c.queries.Add(1)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *countedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *countedConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *countedConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}

type countedStmt struct {
	driver.Stmt
	c *counter
}

func (s *countedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.c.execs.Add(1)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *countedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.queries.Add(1)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type countedTx struct {
	driver.Tx
	c *counter
}

func (t *countedTx) Commit() error {
	t.c.commits.Add(1)
	return t.Tx.Commit()
}

func (t *countedTx) Rollback() error {
	t.c.rollbacks.Add(1)
	return t.Tx.Rollback()
}
