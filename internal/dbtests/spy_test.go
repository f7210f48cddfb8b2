package dbtests_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	pgxv5 "github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	libpq "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests"
)

// A spy stands between database/sql and a driver. Its hook is called before and
// after everything that reaches the driver, and can cut the connections. The
// function no can return an error for a step, as if the database had refused it; the
// connection stays open.
type spy struct {
	mu   sync.Mutex
	hook func(s spiedStep)
	no   func(s spiedStep) error
	cut  cutting

	instead map[string]string // queries, and what is sent instead of them
}

// A spiedStep is one call of the driver.
type spiedStep struct {
	ctx   context.Context
	what  string      // connect, prepare, begin, exec, query, commit or rollback
	text  string      // of prepare, exec and query
	args  []any       // of exec and query
	conn  driver.Conn // not of connect and prepare
	after bool
}

// A cutting is the way in which connections break.
type cutting int

const (
	uncut  cutting = iota
	ask            // the next request is lost, and the connection with it
	answer         // the next answer is lost, and the connection with it
)

func (s *spy) on(hook func(s spiedStep)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *spy) refuse(no func(s spiedStep) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.no = no
}

func (s *spy) refused(conn driver.Conn, what, text string) error {
	s.mu.Lock()
	no := s.no
	s.mu.Unlock()
	if no == nil {
		return nil
	}
	return no(spiedStep{what: what, text: text, conn: conn})
}

func (s *spy) arm(c cutting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = c
}

// armed consumes the cutting if it is c.
func (s *spy) armed(c cutting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut != c {
		return false
	}
	s.cut = uncut
	return true
}

func (s *spy) step(ctx context.Context, what, text string, args []driver.NamedValue) func() {
	return s.stepOn(ctx, nil, what, text, args)
}

func (s *spy) stepOn(ctx context.Context, conn driver.Conn, what, text string, args []driver.NamedValue) func() {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return func() {}
	}
	st := spiedStep{ctx: ctx, what: what, text: text, conn: conn}
	for _, a := range args {
		st.args = append(st.args, a.Value)
	}
	hook(st)
	return func() {
		st.after = true
		hook(st)
	}
}

// connectSpied is like connect, with a spy.
func (b backend) connectSpied(tb testing.TB, dsn string, s *spy) *sql.DB {
	tb.Helper()
	var base driver.Connector
	switch b.name {
	case "pgx":
		config, err := pgxv5.ParseConfig(dsn)
		require.NoError(tb, err)
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return &spiedNet{Conn: conn, s: s}, err
		}
		base = stdlib.GetConnector(*config)
	case "pq":
		c, err := libpq.NewConnector(dsn)
		require.NoError(tb, err)
		c.Dialer(spiedDialer{s})
		base = c
	case "mariadb":
		config, err := mysql.ParseDSN(dsn)
		require.NoError(tb, err)
		config.Logger = &mysql.NopLogger{}
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &spiedNet{Conn: conn, s: s}, err
		}
		base, err = mysql.NewConnector(config)
		require.NoError(tb, err)
	default:
		db, err := sql.Open(b.driver, dsn)
		require.NoError(tb, err)
		base = spiedDriver{db.Driver(), dsn}
		require.NoError(tb, db.Close())
	}
	db := sql.OpenDB(spiedConnector{base, s})
	db.SetMaxOpenConns(dbtests.Connections)
	db.SetMaxIdleConns(dbtests.Connections)
	tb.Cleanup(func() {
		s.on(nil)
		require.NoError(tb, db.Close())
	})
	return db
}

type spiedDriver struct {
	d   driver.Driver
	dsn string
}

func (c spiedDriver) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.dsn) }
func (c spiedDriver) Driver() driver.Driver                        { return c.d }

type spiedDialer struct{ s *spy }

func (d spiedDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address) //nolint:noctx // the interface has none
	return &spiedNet{Conn: conn, s: d.s}, err
}

func (d spiedDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, timeout) //nolint:noctx // the interface has none
	return &spiedNet{Conn: conn, s: d.s}, err
}

// spiedNet is a connection that can be cut.
type spiedNet struct {
	net.Conn
	s *spy
}

func (n *spiedNet) Write(b []byte) (int, error) {
	if n.s.armed(ask) {
		return len(b), n.Close() // lost on its way
	}
	return n.Conn.Write(b)
}

func (n *spiedNet) Read(b []byte) (int, error) {
	k, err := n.Conn.Read(b)
	if k > 0 && n.s.armed(answer) {
		_ = n.Close() // lost for the client
		return 0, io.EOF
	}
	return k, err
}

type spiedConnector struct {
	driver.Connector
	s *spy
}

func (c spiedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	defer c.s.step(ctx, "connect", "", nil)()
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &spiedConn{conn, c.s}, nil
}

// spiedConn passes on everything that the drivers' connections support.
type spiedConn struct {
	driver.Conn
	s *spy
}

func (c *spiedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	defer c.s.step(ctx, "prepare", query, nil)()
	if err := c.s.refused(nil, "prepare", query); err != nil {
		return nil, err
	}
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &spiedStmt{st, c, query}, nil
}

func (c *spiedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	defer c.s.step(ctx, "begin", "", nil)()
	if err := c.s.refused(c.Conn, "begin", ""); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &spiedTx{tx, c.s, c.Conn}, nil
}

func (c *spiedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.s.stepOn(ctx, c.Conn, "exec", query, args)()
	if err := c.s.refused(c.Conn, "exec", query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *spiedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	defer c.s.stepOn(ctx, c.Conn, "query", query, args)()
	if err := c.s.refused(c.Conn, "query", query); err != nil {
		return nil, err
	}
	if other, found := c.s.instead[query]; found {
		query = other
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *spiedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *spiedConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *spiedConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}

type spiedStmt struct {
	driver.Stmt
	c    *spiedConn
	text string
}

func (s *spiedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	defer s.c.s.stepOn(ctx, s.c.Conn, "exec", s.text, args)()
	if err := s.c.s.refused(s.c.Conn, "exec", s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *spiedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	defer s.c.s.stepOn(ctx, s.c.Conn, "query", s.text, args)()
	if err := s.c.s.refused(s.c.Conn, "query", s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type spiedTx struct {
	driver.Tx
	s    *spy
	conn driver.Conn
}

func (t *spiedTx) Commit() error {
	defer t.s.step(context.Background(), "commit", "", nil)()
	if err := t.s.refused(t.conn, "commit", ""); err != nil {
		return err
	}
	return t.Tx.Commit()
}

func (t *spiedTx) Rollback() error {
	defer t.s.step(context.Background(), "rollback", "", nil)()
	if err := t.s.refused(t.conn, "rollback", ""); err != nil {
		return err
	}
	return t.Tx.Rollback()
}
