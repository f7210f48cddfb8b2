// Package bare writes to the tables of sqlstore by hand, as the baseline for the
// library. It runs only the statements that an action needs, prepared once, with
// strings that were made beforehand. It decides nothing, checks nothing and encodes
// nothing.
package bare

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Worker writes as one caller.
type Worker interface {
	// Do reads a ticket and writes its next action.
	Do(ctx context.Context, id string) error
	// Open writes a new ticket.
	Open(ctx context.Context) error
	Close() error
}

// Data is the contents to write, copied from rows that the library wrote.
type Data struct {
	Ask, Reply Action
	Openings   []Opening
	Requesters map[string]Recipient // of the tickets, who get the delivery of Ask
	next       atomic.Uint64        // number of the next opening
}

// A Recipient is the recipient of an outbox row.
type Recipient struct{ To, Who string }

// An Action is the rows of an action, except for the ticket's own.
type Action struct {
	Status, Phase string
	Event         string // its JSON
	Kind, Via, To string // of the outbox row
	Who           string
}

// An Opening is a new ticket with all its rows.
type Opening struct {
	Ticket []any // in the order of the columns
	Event  string
	Labels []string
	Told   []Action // outbox rows: Kind, Via, To and Who
}

const (
	readColumns = "id, tenant, number, version, digest, status, phase, level, queue, assignee, pressing, channel, reason, resolution," +
		" timer_at, timer_action, created, first_answered, touched, resolved, closed, reopened, doc, timer_from, checked, snoozed, clocks, stage"
	ticketColumns = "id, number, digest, created, touched, tenant, version, open, status, phase, level, queue, assignee, pressing, channel," +
		" reason, resolution, timer_at, timer_action, first_answered, resolved, closed, reopened, doc," +
		" timer_from, checked, wake, clocks, missed, snoozed, due, due_first, due_next, due_update, due_solution, due_level, stage"
	ticketColumnCount = 37

	selectTicket = "SELECT " + readColumns + " FROM ticket_tickets WHERE id = ? AND tenant = ?"
	updateTicket = "UPDATE ticket_tickets SET version = ?, digest = ?, touched = ?, status = ?, phase = ? WHERE id = ? AND tenant = ? AND version = ?"
	intoTickets  = "INSERT INTO ticket_tickets (" + ticketColumns + ") VALUES "
	intoEvents   = "INSERT INTO ticket_events (ticket, seq, tenant, at, doc) "
	intoLabels   = "INSERT INTO ticket_labels (tenant, label, created, ticket) "
	intoOutbox   = "INSERT INTO ticket_outbox (id, tenant, ticket, seq, kind, via, recipient, created, due, state, until, attempts, failures, last_error, who, settled) "
	// The statement contains the values of a new delivery.
	outboxRow = "(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, 0, 0, '', ?, NULL)"
)

// Load copies the contents from the rows of the library: an action of each kind from
// the ticket sample, and the openings of the others. The caller sets the status and
// phase of the two actions.
func Load(ctx context.Context, db *sql.DB, shape Shape, d *Data, sample string, openings []string) error {
	l := &loader{ctx: ctx, db: db, numbered: shape.Numbered}
	for i, a := range []*Action{&d.Reply, &d.Ask} { // the last two events
		events := l.table("SELECT seq, doc FROM ticket_events WHERE ticket = ? ORDER BY seq DESC LIMIT 2", sample)
		if l.err != nil {
			return l.err
		}
		told := l.told(sample, events[i][0])
		if len(told) != 1 {
			return fmt.Errorf("an action made %d deliveries instead of one", len(told))
		}
		a.Event, a.Kind, a.Via, a.To, a.Who = text(events[i][1]), told[0].Kind, told[0].Via, told[0].To, told[0].Who
	}
	d.Requesters = map[string]Recipient{}
	for _, row := range l.table("SELECT ticket, recipient, who FROM ticket_outbox WHERE kind = 'received'") {
		d.Requesters[text(row[0])] = Recipient{To: text(row[1]), Who: text(row[2])}
	}
	for _, id := range openings {
		o := Opening{}
		for _, row := range l.table("SELECT "+ticketColumns+" FROM ticket_tickets WHERE id = ?", id) {
			o.Ticket = row
		}
		for _, row := range l.table("SELECT doc FROM ticket_events WHERE ticket = ?", id) {
			o.Event = text(row[0])
		}
		for _, row := range l.table("SELECT label FROM ticket_labels WHERE ticket = ? ORDER BY label", id) {
			o.Labels = append(o.Labels, text(row[0]))
		}
		o.Told = l.told(id, int64(1))
		d.Openings = append(d.Openings, o)
		if first := d.Openings[0]; len(o.Labels) != len(first.Labels) || len(o.Told) != len(first.Told) {
			return errors.New("the openings differ in their rows")
		}
	}
	return l.err
}

type loader struct {
	ctx      context.Context
	db       *sql.DB
	numbered bool
	err      error
}

func (l *loader) table(query string, args ...any) [][]any {
	if l.err != nil {
		return nil
	}
	var table [][]any
	table, l.err = func() ([][]any, error) {
		if l.numbered {
			query = Numbered(query)
		}
		rows, err := l.db.QueryContext(l.ctx, query, args...)
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }()
		names, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		var table [][]any
		for rows.Next() {
			row, dest := make([]any, len(names)), make([]any, len(names))
			for i := range row {
				dest[i] = &row[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return nil, err
			}
			for i := range row {
				if b, ok := row[i].([]byte); ok {
					row[i] = string(b)
				}
			}
			table = append(table, row)
		}
		return table, rows.Err()
	}()
	return table
}

func (l *loader) told(id string, seq any) []Action {
	var list []Action
	for _, row := range l.table("SELECT kind, via, recipient, who FROM ticket_outbox WHERE ticket = ? AND seq = ? ORDER BY id", id, seq) {
		list = append(list, Action{Kind: text(row[0]), Via: text(row[1]), To: text(row[2]), Who: text(row[3])})
	}
	return list
}

func text(v any) string { return fmt.Sprint(v) }

// Numbered replaces each ? by $1, $2 and so on.
func Numbered(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

func several(row string, n int) string { return row + strings.Repeat(", "+row, n-1) }

func placeholders(n int) string { return "(" + several("?", n) + ")" }

// A row is a ticket in plain values.
type row struct {
	id, tenant, number, digest, status, phase, queue, assignee, channel, reason, resolution, action string
	version, level, pressing, created, touched, reopened, stage                                     int64
	timer, answered, resolved, closed, from, checked, snoozed                                       sql.NullInt64
	doc, clocks                                                                                     sql.RawBytes
	dest                                                                                            []any
}

func newRow() *row {
	r := &row{}
	r.dest = []any{&r.id, &r.tenant, &r.number, &r.version, &r.digest, &r.status, &r.phase, &r.level, &r.queue, &r.assignee, &r.pressing, &r.channel,
		&r.reason, &r.resolution, &r.timer, &r.action, &r.created, &r.answered, &r.touched, &r.resolved, &r.closed, &r.reopened, &r.doc,
		&r.from, &r.checked, &r.snoozed, &r.clocks, &r.stage}
	return r
}

// read reads the ticket.
func (r *row) read(ctx context.Context, stmt *sql.Stmt, id string) error {
	rows, err := stmt.QueryContext(ctx, id, "")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return errors.Join(rows.Err(), fmt.Errorf("ticket %s does not exist", id))
	}
	if err := rows.Scan(r.dest...); err != nil {
		return err
	}
	return rows.Close()
}

// A pen makes the values that differ between rows. Each worker has its own.
type pen struct {
	data   *Data
	digest [64]string
	n      int
	row    *row
	args   []any
}

func newPen(d *Data) *pen {
	p := &pen{data: d, row: newRow()}
	for i := range p.digest {
		var b [32]byte
		for j := range b {
			b[j] = byte(rand.Uint32())
		}
		p.digest[i] = hex.EncodeToString(b[:])
	}
	return p
}

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// id returns an ID in the form of a ULID: the time, and random bits.
func (p *pen) id(now int64) string {
	var b [26]byte
	write32(b[:10], uint64(now/1000))
	write32(b[10:18], rand.Uint64())
	write32(b[18:], rand.Uint64())
	return string(b[:])
}

// write32 fills b with the lowest bits of n.
func write32(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = alphabet[n&31]
		n >>= 5
	}
}

func (p *pen) nextDigest() string {
	p.n++
	return p.digest[p.n%len(p.digest)]
}

// number returns a number in the form of a ticket's. An odd factor makes each one
// different.
func (p *pen) number(n uint64) string {
	var b [8]byte
	write32(b[:], (n+1)*0x9E3779B97F4A7C15>>3&(1<<40-1))
	return string(b[:4]) + "-" + string(b[4:]) + "-0"
}

func micros() int64 { return time.Now().UnixMicro() }

// An act holds the arguments of one Do.
type act struct {
	now    int64
	action *Action
	to     Recipient
}

// decide returns the next action on the ticket that was read.
func (p *pen) decide() act {
	a := act{now: micros(), action: &p.data.Ask, to: p.data.Requesters[p.row.id]}
	if p.row.status == a.action.Status {
		a.action = &p.data.Reply
		a.to = Recipient{To: a.action.To, Who: a.action.Who} // the same agent for all
	}
	return a
}

func (p *pen) updateArgs(args []any, a act) []any {
	return append(args, p.row.version+1, p.nextDigest(), a.now, a.action.Status, a.action.Phase, p.row.id, p.row.tenant, p.row.version)
}

func (p *pen) eventArgs(args []any, a act) []any {
	return append(args, p.row.id, p.row.version+1, p.row.tenant, a.now, a.action.Event)
}

func (p *pen) outboxArgs(args []any, a act) []any {
	return append(args, p.id(a.now), p.row.tenant, p.row.id, p.row.version+1, a.action.Kind, a.action.Via, a.to.To, a.now, a.now, a.to.Who)
}

// An opened holds the arguments of one Open, for each statement.
type opened struct{ ticket, labels, event, told []any }

func (p *pen) open() opened {
	n := p.data.next.Add(1)
	from := &p.data.Openings[n%uint64(len(p.data.Openings))]
	now := micros()
	id, tenant := p.id(now), ""
	var o opened
	o.ticket = append(make([]any, 0, ticketColumnCount), id, p.number(n), p.nextDigest(), now, now)
	o.ticket = append(o.ticket, from.Ticket[5:]...)
	o.event = []any{id, int64(1), tenant, now, from.Event}
	o.labels = make([]any, 0, 4*len(from.Labels))
	for _, l := range from.Labels {
		o.labels = append(o.labels, tenant, l, now, id)
	}
	o.told = make([]any, 0, 10*len(from.Told))
	for i := range from.Told {
		t := &from.Told[i]
		o.told = append(o.told, p.id(now), tenant, id, int64(1), t.Kind, t.Via, t.To, now, now, t.Who)
	}
	return o
}

// A Shape is the form of the statements.
type Shape struct {
	Numbered      bool   // placeholders are $1, $2 …
	Begin, Commit string // empty: each statement commits by itself
	Prepared      bool   // Begin and Commit are prepared as well
	ReadInside    bool   // the ticket is read inside the transaction
	Lock          string // the end of the query for the ticket
	OneStatement  bool   // one statement of PostgreSQL writes everything
	Setup         string // for each connection
}

// The library is compared with these shapes.
var (
	PostgresOne   = Shape{Numbered: true, OneStatement: true}
	PostgresPlain = Shape{Numbered: true, Begin: "BEGIN", Commit: "COMMIT", ReadInside: true, Lock: " FOR UPDATE"}
	MySQL         = Shape{Begin: "START TRANSACTION", Commit: "COMMIT"}
	SQLite        = Shape{Begin: "BEGIN IMMEDIATE", Commit: "COMMIT", Prepared: true, ReadInside: true,
		Setup: "PRAGMA wal_autocheckpoint = 20000"} // as on sqlstore's connections
)

// statements holds those of one connection, which stays with the worker.
type statements struct {
	Shape
	conn                             *sql.Conn
	begin, commit                    *sql.Stmt
	read, update, event, delivery    *sql.Stmt
	openTicket, openLabels, openTold *sql.Stmt
	doAll, openAll                   *sql.Stmt
	all                              []*sql.Stmt
}

// connect takes a connection from the pool.
func connect(ctx context.Context, db *sql.DB, shape Shape) (*statements, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if shape.Setup != "" {
		if _, err := conn.ExecContext(ctx, shape.Setup); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return &statements{Shape: shape, conn: conn}, nil
}

func prepare(ctx context.Context, db *sql.DB, d *Data, shape Shape) (*statements, error) {
	s, err := connect(ctx, db, shape)
	if err != nil {
		return nil, err
	}
	labels, told := len(d.Openings[0].Labels), len(d.Openings[0].Told)
	list := map[string]**sql.Stmt{selectTicket + shape.Lock: &s.read}
	if shape.OneStatement {
		list[oneDo] = &s.doAll
		list[oneOpen(labels, told)] = &s.openAll
	} else {
		list[updateTicket] = &s.update
		list[intoEvents+"VALUES "+placeholders(5)] = &s.event
		list[intoOutbox+"VALUES "+outboxRow] = &s.delivery
		list[intoTickets+placeholders(ticketColumnCount)] = &s.openTicket
		list[intoLabels+"VALUES "+several(placeholders(4), labels)] = &s.openLabels
		if told == 1 {
			defer func() { s.openTold = s.delivery }()
		} else {
			list[intoOutbox+"VALUES "+several(outboxRow, told)] = &s.openTold
		}
	}
	if shape.Prepared {
		list[shape.Begin] = &s.begin
		list[shape.Commit] = &s.commit
	}
	for query, stmt := range list {
		if shape.Numbered {
			query = Numbered(query)
		}
		if *stmt, err = s.conn.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // kept in s.all
			return nil, errors.Join(fmt.Errorf("%s: %w", query, err), s.Close())
		}
		s.all = append(s.all, *stmt)
	}
	return s, nil
}

func (s *statements) Close() error {
	var errs []error
	for _, st := range s.all {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// transaction runs f in a transaction.
func (s *statements) transaction(ctx context.Context, f func() error) error {
	if err := s.control(ctx, s.begin, s.Begin); err != nil {
		return err
	}
	err := f()
	if err == nil {
		return s.control(ctx, s.commit, s.Commit)
	}
	_, undo := s.conn.ExecContext(ctx, "ROLLBACK")
	return errors.Join(err, undo)
}

func (s *statements) control(ctx context.Context, stmt *sql.Stmt, query string) (err error) {
	if stmt != nil {
		_, err = stmt.ExecContext(ctx)
	} else {
		_, err = s.conn.ExecContext(ctx, query)
	}
	return err
}

// On PostgreSQL one statement writes everything. Its parts depend on the UPDATE.
const (
	oneDo = "WITH ticket AS (" + updateTicket + " RETURNING 1), told AS (" +
		intoOutbox + "SELECT ?::text, ?::text, ?::text, ?::bigint, ?::text, ?::text, ?::json, ?::bigint, ?::bigint, 0, NULL, 0, 0, '', ?::text, NULL FROM ticket) " +
		intoEvents + "SELECT ?::text, ?::bigint, ?::text, ?::bigint, ?::json FROM ticket"
)

// oneOpen depends on nothing: a used key fails the whole statement.
func oneOpen(labels, told int) string {
	return "WITH ticket AS (" + intoTickets + placeholders(ticketColumnCount) + "), labels AS (" +
		intoLabels + "VALUES " + several(placeholders(4), labels) + "), told AS (" +
		intoOutbox + "VALUES " + several(outboxRow, told) + ") " + intoEvents + "VALUES " + placeholders(5)
}

// New returns a worker with a connection of its own.
func New(ctx context.Context, db *sql.DB, d *Data, shape Shape) (Worker, error) {
	s, err := prepare(ctx, db, d, shape)
	if err != nil {
		return nil, err
	}
	return &single{statements: s, pen: newPen(d)}, nil
}

// A single worker commits each of its writes by itself.
type single struct {
	*statements
	*pen
}

func (w *single) Do(ctx context.Context, id string) error {
	if w.ReadInside {
		return w.transaction(ctx, func() error {
			if err := w.row.read(ctx, w.read, id); err != nil {
				return err
			}
			return w.writeDo(ctx, w.pen, w.decide())
		})
	}
	if err := w.row.read(ctx, w.read, id); err != nil {
		return err
	}
	a := w.decide()
	if w.OneStatement {
		w.args = w.eventArgs(w.outboxArgs(w.updateArgs(w.args[:0], a), a), a)
		return changeOne(w.doAll.ExecContext(ctx, w.args...))
	}
	return w.transaction(ctx, func() error { return w.writeDo(ctx, w.pen, a) })
}

// writeDo writes an action that the pen of a caller has decided.
func (s *statements) writeDo(ctx context.Context, p *pen, a act) error {
	p.args = p.updateArgs(p.args[:0], a)
	if err := changeOne(s.update.ExecContext(ctx, p.args...)); err != nil {
		return err
	}
	p.args = p.eventArgs(p.args[:0], a)
	if err := exec(ctx, s.event, p.args); err != nil {
		return err
	}
	p.args = p.outboxArgs(p.args[:0], a)
	return exec(ctx, s.delivery, p.args)
}

func (w *single) Open(ctx context.Context) error {
	o := w.open()
	if w.OneStatement {
		w.args = append(append(append(append(w.args[:0], o.ticket...), o.labels...), o.told...), o.event...)
		return changeOne(w.openAll.ExecContext(ctx, w.args...))
	}
	return w.transaction(ctx, func() error { return w.writeOpen(ctx, o) })
}

func (s *statements) writeOpen(ctx context.Context, o opened) error {
	if err := exec(ctx, s.openTicket, o.ticket); err != nil {
		return err
	}
	if err := exec(ctx, s.openLabels, o.labels); err != nil {
		return err
	}
	if err := exec(ctx, s.event, o.event); err != nil {
		return err
	}
	return exec(ctx, s.openTold, o.told)
}

func changeOne(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n != 1 {
		err = fmt.Errorf("%d rows changed instead of one", n)
	}
	return err
}

func exec(ctx context.Context, s *sql.Stmt, args []any) error {
	_, err := s.ExecContext(ctx, args...)
	return err
}
