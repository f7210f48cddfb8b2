package bare

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Instant is a database without cost. It answers every query for a ticket with the
// same one, and reports success for every statement. Measured on it, the library and
// database/sql are alone.
type Instant struct {
	names  []string
	values []driver.Value
}

// NewInstant returns a database with this ticket, whose columns are given by name.
func NewInstant(ticket map[string]driver.Value) *Instant {
	i := &Instant{}
	for name, value := range ticket {
		i.names = append(i.names, name)
		i.values = append(i.values, value)
	}
	return i
}

// ReadTicket reads a ticket's row for [NewInstant].
func ReadTicket(ctx context.Context, db *sql.DB, shape Shape, id string) (map[string]driver.Value, error) {
	l := &loader{ctx: ctx, db: db, numbered: shape.Numbered}
	table := l.table("SELECT "+ticketColumns+" FROM ticket_tickets WHERE id = ?", id)
	if l.err != nil || len(table) != 1 {
		return nil, errors.Join(l.err, fmt.Errorf("%d tickets have the ID %s", len(table), id))
	}
	ticket := map[string]driver.Value{}
	for i, name := range strings.Split(ticketColumns, ", ") {
		ticket[name] = table[0][i]
	}
	return ticket, nil
}

// Connect implements [driver.Connector].
func (i *Instant) Connect(context.Context) (driver.Conn, error) { return &instantConn{i}, nil }

// Driver implements [driver.Connector]; there is none.
func (i *Instant) Driver() driver.Driver { return nil }

type instantConn struct{ i *Instant }

func (c *instantConn) Begin() (driver.Tx, error)                                    { return c, nil }
func (c *instantConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c, nil }
func (c *instantConn) Close() error                                                 { return nil }
func (c *instantConn) Commit() error                                                { return nil }
func (c *instantConn) Rollback() error                                              { return errors.New("it was rolled back") }

// ExecContext is for unprepared statements: BEGIN and COMMIT.
func (c *instantConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return done, nil
}

// Prepare finds the columns of the query.
func (c *instantConn) Prepare(query string) (driver.Stmt, error) {
	s := &instantStmt{}
	list, asks := strings.CutPrefix(query, "SELECT ")
	if !asks {
		if strings.HasPrefix(query, "PRAGMA ") {
			s.names, s.values = []string{"pragma"}, []driver.Value{int64(0)}
		}
		return s, nil
	}
	list, _, _ = strings.Cut(list, " FROM ")
	for name := range strings.SplitSeq(list, ", ") {
		at := slices.Index(c.i.names, strings.TrimPrefix(name, "t."))
		if at < 0 {
			return nil, fmt.Errorf("tickets have no column %s", name)
		}
		s.names = append(s.names, name)
		s.values = append(s.values, c.i.values[at])
	}
	return s, nil
}

type instantStmt struct {
	names  []string
	values []driver.Value
}

var done driver.Result = driver.RowsAffected(1)

func (s *instantStmt) Close() error  { return nil }
func (s *instantStmt) NumInput() int { return -1 }

func (s *instantStmt) Exec([]driver.Value) (driver.Result, error) { return done, nil }
func (s *instantStmt) Query([]driver.Value) (driver.Rows, error)  { return &instantRows{s: s}, nil }

func (s *instantStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return done, nil
}

func (s *instantStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return &instantRows{s: s}, nil
}

type instantRows struct {
	s    *instantStmt
	over bool
}

func (r *instantRows) Columns() []string { return r.s.names }
func (r *instantRows) Close() error      { return nil }

func (r *instantRows) Next(dest []driver.Value) error {
	if r.over {
		return io.EOF
	}
	r.over = true
	copy(dest, r.s.values)
	return nil
}
