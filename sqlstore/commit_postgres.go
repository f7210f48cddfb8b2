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
	want int64    // the number of rows it changes; none if the version is another
	last *counted // the last event
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

// oneStatement returns the commit as one statement. It returns false if the database
// cannot execute one, or if the commit is too large.
func (s *Store) oneStatement(w *writing) (oneStatement, bool) {
	ch := &w.changes[0]
	if !s.lang.oneStatement || len(w.changes) != 1 || ch.bits&labelsChange != 0 || ch.staged() || len(ch.Events) > mostEvents ||
		len(w.c.Deliveries) > mostDeliveries || len(ch.labels) > mostLabels {
		return oneStatement{}, false
	}
	args := make([]any, 0, 64)
	var b strings.Builder
	b.Grow(2048)
	b.WriteString("WITH ticket AS (")
	if ch.Expect == 0 {
		b.WriteString(insertTicket)
		args = ch.ticketArgs(args)
	} else {
		bits := s.named(ch.bits & everyColumn)
		b.WriteString(updateText(bits))
		b.WriteString(keptStage) // another stage needs more than this statement
		args = append(ch.updateArgs(args, bits), stageNumber(ch.Ticket.Stage))
	}
	b.WriteString(" RETURNING 1)")
	for _, l := range ch.labels {
		args = append(args, ch.Ticket.Tenant, l, ch.Ticket.Created.UnixMicro(), ch.id)
	}
	end := ""
	if ch.Expect > 0 {
		end = s.lang.ifNew("label") // see missedLabels
	}
	addPart(&b, len(ch.labels), "labels", "INSERT INTO {t}labels (tenant, label, created, ticket) ", "(?::text, ?::text, ?::bigint, ?::text)", end)
	var err error
	for i := range w.c.Deliveries {
		if args, err = deliveryArgs(args, &w.c.Deliveries[i]); err != nil {
			return oneStatement{}, false
		}
	}
	addPart(&b, len(w.c.Deliveries), "outbox", intoOutbox,
		"(?::text, ?::text, ?::text, ?::bigint, ?::text, ?::text, ?::{json}, ?::text, ?::bigint, ?::bigint, ?::smallint, ?::integer, ?::integer, ?::text)", "")
	if r := w.c.Receipt; r != nil {
		args = receiptArgs(args, r)
		addPart(&b, 1, "receipt", intoReceipts, "(?::text, ?::text, ?::text, ?::bigint, ?::text, ?::bigint, ?::smallint)", "")
	}
	if ch.words {
		args = append(args, ch.id)
		addPart(&b, 1, "unindexed", "INSERT INTO {t}unindexed (ticket) ", "(?::text)", "")
	}
	from := "ticket"
	if s.announces() && len(w.c.Deliveries) > 0 {
		args = append(args, s.channel)
		b.WriteString(", told AS (SELECT pg_notify(?, '') FROM ticket)")
		from = "ticket, told" // an unreferenced SELECT is not executed
	}
	for i := range ch.Events {
		args = ch.eventArgs(args, i)
	}
	b.WriteByte(' ')
	addRows(&b, from, len(ch.Events), intoEvents, "(?::text, ?::bigint, ?::text, ?::bigint, ?::{json})")
	one := oneStatement{text: b.String(), args: args, want: int64(len(ch.Events)), last: &counted{text: ch.events[len(ch.Events)-1]}}
	args[len(args)-1] = one.last
	return one, true
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

func addRows(b *strings.Builder, from string, n int, into, row string) {
	b.WriteString(into)
	b.WriteString("SELECT v.* FROM " + from + ", (VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(row)
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
