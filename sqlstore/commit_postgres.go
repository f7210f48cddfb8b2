package sqlstore

import (
	"context"
	"database/sql/driver"
	"strings"
)

// On PostgreSQL one statement writes a whole commit. Its parts depend on the UPDATE
// of the ticket's row, and write nothing if that row has another version.

// A oneStatement is a commit in one statement.
type oneStatement struct {
	text string
	args []any
	want int64   // the number of rows it changes; none if the version is another
	last counted // the last event
}

// A counted is an argument that counts how often it was sent. lib/pq also returns
// "bad connection" if the server goes away in the middle of a statement. Then
// database/sql sends the statement again, though the server may have executed it.
type counted struct {
	text string
	sent int
}

func (c *counted) Value() (driver.Value, error) {
	c.sent++
	return c.text, nil
}

// The limits of one statement. A larger commit is written step by step, so that
// there are few texts to prepare.
const (
	mostEvents     = 2
	mostDeliveries = 6
	mostLabels     = 6
)

// A shape is what the text of such a statement depends on.
type shape struct {
	bits                       columns // of an existing ticket; 0 for a new one
	labels, deliveries, events int8
	receipt, words, told       bool
}

var oneTexts textCache[shape]

// oneStatement sets w.one. It returns false if the database cannot execute one statement, or
// if the commit is too large.
func (s *Store) oneStatement(w *writing) bool {
	ch := &w.changes[0]
	if !s.lang.oneStatement || len(w.changes) != 1 || ch.bits&labelsChange != 0 || ch.staged() || len(ch.Events) > mostEvents ||
		len(w.c.Deliveries) > mostDeliveries || len(ch.labels) > mostLabels {
		return false
	}
	of := shape{labels: int8(len(ch.labels)), deliveries: int8(len(w.c.Deliveries)), events: int8(len(ch.Events)),
		receipt: w.c.Receipt != nil, words: ch.words, told: s.announces() && len(w.c.Deliveries) > 0}
	args := w.args[:0]
	if ch.Expect == 0 {
		args = ch.ticketArgs(args)
	} else {
		of.bits = s.named(ch.bits & everyColumn)
		args = ch.keptArgs(ch.updateArgs(args, of.bits), keptStage) // another stage needs more than this statement
	}
	for _, l := range ch.labels {
		args = append(args, ch.Ticket.Tenant, l, ch.Ticket.Created.UnixMicro(), ch.key)
	}
	var err error
	for i := range w.c.Deliveries {
		if args, err = w.deliveryArgs(args, &w.c.Deliveries[i]); err != nil {
			return false
		}
	}
	if of.receipt {
		args = receiptArgs(args, w.c.Receipt)
	}
	if of.words {
		args = append(args, ch.key)
	}
	if of.told {
		args = append(args, s.channel)
	}
	for i := range ch.Events {
		args = ch.eventArgs(args, i)
	}
	w.one = oneStatement{text: oneTexts.get(of, shape.build), args: args, want: int64(of.events), last: counted{text: ch.events[len(ch.events)-1]}}
	args[len(args)-1] = &w.one.last
	w.args = args[:0]
	return true
}

// build returns the text.
func (of shape) build() string {
	var b strings.Builder
	b.Grow(2048)
	b.WriteString("WITH ticket AS (")
	labelled := ""
	if of.bits == 0 {
		b.WriteString(insertTicket)
	} else {
		b.WriteString(updateText(of.bits, keptStage))
		labelled = postgres.ifNew("label") // see missedLabels
	}
	b.WriteString(" RETURNING 1)")
	addPart(&b, int(of.labels), "labels", "INSERT INTO {t}labels (tenant, label, created, ticket) ", "?::text, ?::text, ?::bigint, ?::text", labelled)
	addPart(&b, int(of.deliveries), "outbox", intoOutbox,
		"?::text, ?::text, ?::text, ?::bigint, ?::text, ?::text, ?::{json}, ?::text, ?::bigint, ?::bigint, ?::smallint, ?::integer, ?::integer, ?::text", "")
	if of.receipt {
		addPart(&b, 1, "receipt", intoReceipts, "?::text, ?::text, ?::text, ?::bigint, ?::text, ?::bigint, ?::smallint", "")
	}
	if of.words {
		addPart(&b, 1, "unindexed", "INSERT INTO {t}unindexed (ticket) ", "?::text", "")
	}
	from := "ticket"
	if of.told {
		b.WriteString(", told AS (SELECT pg_notify(?, '') FROM ticket)")
		from = "ticket, told" // an unreferenced SELECT is not executed
	}
	b.WriteByte(' ')
	addRows(&b, from, int(of.events), intoEvents, "?::text, ?::bigint, ?::text, ?::bigint, ?::{json}")
	return b.String()
}

// addPart adds n rows for a table. The statement ends in end.
func addPart(b *strings.Builder, n int, name, into, row, end string) {
	if n == 0 {
		return
	}
	b.WriteString(", " + name + " AS (")
	addRows(b, "ticket", n, into, row)
	b.WriteString(end + ")")
}

// addRows adds the rows of a table. A join with VALUES costs PostgreSQL more than the row
// itself, so one row has none.
func addRows(b *strings.Builder, from string, n int, into, row string) {
	b.WriteString(into)
	if n == 1 {
		b.WriteString("SELECT " + row + " FROM " + from)
		return
	}
	b.WriteString("SELECT v.* FROM " + from + ", (VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + row + ")")
	}
	b.WriteString(") v")
}

func (o *oneStatement) run(ctx context.Context, x *session) error {
	n, err := x.exec(ctx, o.text, o.args...)
	if err == nil && n != o.want {
		err = errStale
	}
	if o.last.sent < 2 || x.tx != nil || err != errStale && x.s.lang.classify(err) != taken { //nolint:errorlint // this very one
		return err
	}
	// The statement was sent twice, and the second one failed. The first one may be
	// the reason.
	var doc string
	at := len(o.args) - 5 // the event: ticket, seq, tenant, at, doc
	found, bad := x.one(ctx, []any{&doc}, "SELECT doc FROM {t}events WHERE ticket = ? AND seq = ?"+x.s.lang.settledRead, o.args[at], o.args[at+1])
	switch {
	case bad != nil:
		return bad // the outcome is unknown
	case found && doc == o.last.text:
		return nil
	default:
		return err
	}
}
