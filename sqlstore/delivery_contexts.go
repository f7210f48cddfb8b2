package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// DeliveryContexts looks up the tickets, events and counts of deliveries, many with one
// query; see [ticket.DeliveryLoader].
func (s *Store) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	list := make([]ticket.DeliveryContext, len(rows))
	done := 0
	for part := range slices.Chunk(rows, s.lang.mostRows()) {
		contexts := list[done : done+len(part)]
		err := s.here().deliveryContexts(ctx, part, since, most, contexts)
		if err != nil {
			return nil, s.explain(ctx, "look up deliveries", err)
		}
		done += len(part)
	}
	return list, nil
}

// contextKinds are the columns of v, the deliveries to look up: index, ticket,
// number of the event, tenant, notifier and recipient.
var contextKinds = []kind{whole, textual, whole, textual, textual, textual}

const (
	toThem   = "{t}outbox x{by outbox_recipient} WHERE x.tenant = v.column4 AND x.who = v.column6 AND x.via = v.column5 AND x.state = "
	theyGot  = toThem + "4 AND x.settled >= ?"
	someGot  = "{t}outbox x{by outbox_recipient} WHERE x.tenant = ? AND x.who = ? AND x.via = ? AND x.state = 4 AND x.settled >= ?"
	theyHere = "{t}outbox x{by outbox_line} WHERE x.ticket = v.column2 AND x.via = v.column5 AND x.who = v.column6 AND x.state = 4"
)

// upTo counts rows up to a limit.
func (l *language) upTo(rows string) string {
	if l == &mysql {
		// A derived table cannot refer to v on MySQL.
		return "CASE WHEN (SELECT 1 FROM " + rows + " LIMIT 1 OFFSET ?) IS NOT NULL THEN ? ELSE (SELECT COUNT(*) FROM " + rows + ") END"
	}
	return "(SELECT COUNT(*) FROM (SELECT 1 FROM " + rows + " LIMIT " + l.anyNumber() + ") n)"
}

// anyNumber is the placeholder of a limit whose value must not affect the plan. For
// a placeholder that stands alone, SQLite plans with its value, and so prepares the
// statement again at each execution. For lists that is worth it.
func (l *language) anyNumber() string {
	if l == &sqlite {
		return "? + 0"
	}
	return "?"
}

// sentTo returns the column for how many deliveries were sent to a recipient. MySQL would read
// all of them to count those since a time, because that is no range if the other columns are
// those of another table. There the column is the time of the last one; see recount.
func (l *language) sentTo() string {
	if l == &mysql {
		return "COALESCE((SELECT x.settled FROM " + toThem + "4 ORDER BY x.settled DESC LIMIT 1), 0)"
	}
	return l.upTo(theyGot)
}

// recount counts what was sent to recipients since a time, on MySQL. last has the times of the last
// of each delivery's recipient.
func (x *session) recount(ctx context.Context, list []ticket.Delivery, last []int64, since time.Time, most int, contexts []ticket.DeliveryContext) error {
	from := bounded(since)
	var args []any
	n := 0
	add := func(i int, tenant, who, via string) {
		args = append(args, i, tenant, who, via, from, max(most, 0))
		n++
	}
	for i, at := range last {
		if at >= max(from, 1) {
			add(i, list[i].Tenant, whoOf(list[i].To), list[i].Notifier)
		}
	}
	if n == 0 {
		return nil
	}
	for n < paddedCount(n) {
		add(-1, "", "", "") // padding, matches nothing
	}
	const one = "SELECT ?, COUNT(*) FROM (SELECT 1 FROM " + someGot + " LIMIT ?) n"
	return x.rows(ctx, func(rows *sql.Rows) error {
		var i, n int
		err := rows.Scan(&i, &n)
		if err == nil && i >= 0 {
			contexts[i].Sent = n
		}
		return err
	}, one+strings.Repeat(" UNION ALL "+one, n-1), args...)
}

// deliveryContexts looks up deliveries whose ticket and event exist, and then the
// remaining facts about the others, which are rare.
func (x *session) deliveryContexts(ctx context.Context, list []ticket.Delivery, since time.Time, most int, contexts []ticket.DeliveryContext) error {
	clear(contexts)
	sent := make([]int64, len(list)) // see sentTo
	all := make([]int, len(list))
	for i := range all {
		all[i] = i
	}
	l := x.s.lang
	join := " " + l.join + " {t}tickets t{by tickets_id} ON t.id = v.column2 AND t.tenant = v.column4 " +
		l.join + " {t}events e{by events_id} ON e.ticket = v.column2 AND e.seq = v.column3"
	text, args := x.s.contextQuery(list, all, since, most, "e.doc, "+ticketColumns, join)
	err := x.rows(ctx, func(rows *sql.Rows) error {
		var b contextRow
		var doc sql.RawBytes
		t, err := scanTicket(rows, append(b.dest(), &doc)...)
		if err != nil {
			return err
		}
		to := &contexts[b.i]
		if err := b.read(to, &sent[b.i]); err != nil {
			return err
		}
		to.Found, to.Ticket = true, t
		if err := decodeEvent(doc, &to.Event); err != nil {
			return fmt.Errorf("sqlstore: event %d of ticket %s: %w", list[b.i].Seq, list[b.i].Ticket, err)
		}
		return nil
	}, text, args...)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(i int) bool { return contexts[i].Found })
	if len(others) > 0 {
		text, args = x.s.contextQuery(list, others, since, most, "1", "")
		err = x.rows(ctx, func(rows *sql.Rows) error {
			var b contextRow
			var one int64
			err := rows.Scan(append(b.dest(), &one)...)
			if err == nil {
				err = b.read(&contexts[b.i], &sent[b.i])
			}
			return err
		}, text, args...)
	}
	if err != nil {
		return err
	}
	if l != &mysql {
		for i := range contexts {
			contexts[i].Sent = int(sent[i])
		}
		return nil
	}
	return x.recount(ctx, list, sent, since, most, contexts)
}

// contextQuery returns the query for some of the deliveries of a list.
func (s *Store) contextQuery(list []ticket.Delivery, which []int, since time.Time, most int, columns, join string) (string, []any) {
	l := s.lang
	cells := make([]any, 0, paddedCount(len(which))*len(contextKinds))
	for _, i := range which {
		d := &list[i]
		cells = append(cells, i, d.Ticket.String(), d.Seq, d.Tenant, d.Notifier, whoOf(d.To))
	}
	for !l.arrays && len(cells) < cap(cells) {
		cells = append(cells, -1, "", 0, "", "", "") // padding, matches nothing
	}
	var args []any
	from := bounded(since)
	most = max(most, 0)
	if l == &mysql {
		args = append(args, from, max(most-1, 0), most, from)
	} else {
		args = append(args, from, most, from, most)
	}
	table, rows := l.table(cells, contextKinds...)
	return "SELECT v.column1" +
		", COALESCE((SELECT x.id FROM " + theyHere + " AND x.seq < v.column3 ORDER BY x.seq DESC, x.id DESC LIMIT 1), '')" +
		", COALESCE((SELECT x.id FROM " + toThem + "2 LIMIT 1), '')" +
		", " + l.sentTo() + ", " + l.upTo(theyHere+" AND x.settled >= ?") +
		", " + columns + " FROM " + table + join + " WHERE v.column1 >= 0", append(args, rows...)
}

// A contextRow holds the first columns of a row of contextQuery.
type contextRow struct {
	i                 int
	previous, bounced sql.RawBytes
	sent              int64 // see sentTo
	here              int
}

func (b *contextRow) dest() []any { return []any{&b.i, &b.previous, &b.bounced, &b.sent, &b.here} }

func (b *contextRow) read(to *ticket.DeliveryContext, sent *int64) error {
	*sent, to.SentHere = b.sent, b.here
	for _, id := range []struct {
		text []byte
		to   *ticket.ID
	}{{b.previous, &to.Previous}, {b.bounced, &to.Bounced}} {
		if len(id.text) > 0 {
			if err := parseID(id.text, id.to); err != nil {
				return err
			}
		}
	}
	return nil
}
