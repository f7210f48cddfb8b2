package bare

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// A Table holds rows of one of the tables.
type Table struct {
	into    string
	columns int
	rows    [][]any
}

// A Batch holds the rows of one transaction: tickets with their labels and events.
type Batch [3]Table

// Rows returns the number of rows.
func (b *Batch) Rows() (n int) {
	for _, t := range b {
		n += len(t.rows)
	}
	return n
}

// Rows reads the rows of all tickets with IDs from first on, in batches of the given
// number of tickets.
func Rows(ctx context.Context, db *sql.DB, shape Shape, first string, tickets int) ([]Batch, error) {
	l := &loader{ctx: ctx, db: db, numbered: shape.Numbered}
	all := l.table("SELECT "+ticketColumns+" FROM ticket_tickets WHERE id >= ? ORDER BY id", first)
	labels := l.table("SELECT tenant, label, created, ticket FROM ticket_labels WHERE ticket >= ? ORDER BY ticket, label", first)
	events := l.table("SELECT ticket, seq, tenant, at, doc FROM ticket_events WHERE ticket >= ? ORDER BY ticket, seq", first)
	var list []Batch
	for part := range slices.Chunk(all, tickets) {
		b := Batch{
			{"INSERT INTO ticket_tickets (" + ticketColumns + ") VALUES ", ticketColumnCount, part},
			{intoLabels + "VALUES ", 4, nil},
			{intoEvents + "VALUES ", 5, nil},
		}
		last := text(part[len(part)-1][0])
		b[1].rows, labels = upTo(labels, 3, last)
		b[2].rows, events = upTo(events, 0, last)
		list = append(list, b)
	}
	return list, l.err
}

// upTo splits off the rows of tickets up to last.
func upTo(rows [][]any, column int, last string) (head, tail [][]any) {
	n := 0
	for n < len(rows) && text(rows[n][column]) <= last {
		n++
	}
	return rows[:n], rows[n:]
}

// together is how many rows one statement inserts.
const together = 100

// An Inserter inserts batches with statements of many rows, each batch in a
// transaction.
type Inserter struct {
	*statements
	ready map[string]*sql.Stmt
	args  []any
}

// NewInserter returns an Inserter on its own connection.
func NewInserter(ctx context.Context, db *sql.DB, shape Shape) (*Inserter, error) {
	if shape.Begin == "" {
		shape.Begin, shape.Commit = "BEGIN", "COMMIT"
	}
	shape.Prepared = false
	s, err := connect(ctx, db, shape)
	if err != nil {
		return nil, err
	}
	return &Inserter{statements: s, ready: map[string]*sql.Stmt{}}, nil
}

// Insert inserts a batch.
func (i *Inserter) Insert(ctx context.Context, b *Batch) error {
	return i.transaction(ctx, func() error {
		for _, t := range b {
			for part := range slices.Chunk(t.rows, together) {
				stmt, err := i.statement(ctx, t.into+several(placeholders(t.columns), len(part)))
				if err != nil {
					return err
				}
				i.args = i.args[:0]
				for _, row := range part {
					i.args = append(i.args, row...)
				}
				if err := exec(ctx, stmt, i.args); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (i *Inserter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := i.ready[query]; stmt != nil {
		return stmt, nil
	}
	text := query
	if i.Numbered {
		text = Numbered(query)
	}
	stmt, err := i.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%.100s: %w", query, err)
	}
	i.ready[query] = stmt
	i.all = append(i.all, stmt)
	return stmt, nil
}
