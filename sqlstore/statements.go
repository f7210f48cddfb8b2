package sqlstore

import (
	"strings"

	"github.com/ticketkit/ticket"
)

// These statements write. {t} stands for the prefix of the tables.
const (
	selectTicket = "SELECT " + ticketColumns + " FROM {t}tickets t WHERE t.id = ? AND t.tenant = ?"

	intoTickets = "INSERT INTO {t}tickets (id, tenant, number, version, digest, open, status, phase, level, queue, assignee, pressing, channel," +
		" reason, resolution, timer_at, timer_action, created, first_answered, touched, resolved, closed, reopened, doc, timer_from, checked, wake," +
		" clocks, missed, snoozed, due, due_first, due_next, due_update, due_solution, due_level, stage) "
	ticketColumnCount = 37
	insertTicket      = intoTickets + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

	intoEvents  = "INSERT INTO {t}events (ticket, seq, tenant, at, doc) "
	insertEvent = intoEvents + "VALUES (?, ?, ?, ?, ?)"

	insertLabel = "INSERT INTO {t}labels (tenant, label, created, ticket) VALUES "
	deleteLabel = "DELETE FROM {t}labels WHERE tenant = ? AND label = ? AND created = ? AND ticket = ?"

	intoOutbox        = "INSERT INTO {t}outbox (id, tenant, ticket, seq, kind, via, recipient, who, created, due, state, attempts, failures, last_error) "
	outboxColumnCount = 14
	insertDelivery    = intoOutbox + "VALUES "

	intoReceipts  = "INSERT INTO {t}receipts (tenant, name, ticket, version, request, at, keyed) "
	insertReceipt = intoReceipts + "VALUES (?, ?, ?, ?, ?, ?, ?)"

	insertUnindexed = "INSERT INTO {t}unindexed (ticket) VALUES (?)"
)

// mostRows limits how many rows one statement writes.
const mostRows = 50

// An updating is the key of the UPDATE of a ticket's row: the columns that it writes, and
// what must not change; see keptText.
type updating struct{ bits, kept columns }

// keptStage says that the stage must not change. It is no column.
const keptStage columns = 1 << 15

var updateTexts textCache[updating]

// updateText returns the UPDATE of a ticket's row for a choice of columns.
func updateText(bits, kept columns) string {
	return updateTexts.get(updating{bits, kept}, func(u updating) string { return buildUpdate(u.bits) + keptText(u.kept) })
}

func buildUpdate(bits columns) string {
	var b strings.Builder
	b.WriteString("UPDATE {t}tickets{by tickets_id} SET version = ?, digest = ?, touched = ?, checked = ?")
	for _, part := range [...]struct {
		bit columns
		set string
	}{
		{openColumn, ", open = ?, stage = ?"},
		{stateColumns, ", status = ?, phase = ?, level = ?, reason = ?, resolution = ?, first_answered = ?, resolved = ?, closed = ?, reopened = ?"},
		{queueColumns, ", queue = ?, pressing = ?"},
		{holderColumn, ", assignee = ?"},
		{timerColumns, ", timer_at = ?, timer_action = ?, timer_from = ?"},
		{docColumn, ", doc = ?"},
		{wakeColumn, ", wake = ?"},
		{clocksColumns, ", clocks = ?, missed = ?, snoozed = ?"},
	} {
		if bits&part.bit != 0 {
			b.WriteString(part.set)
		}
	}
	dueText(&b, bits, ", ", " = ?")
	b.WriteString(" WHERE id = ? AND tenant = ? AND version = ?")
	return b.String()
}

// updateArgs appends the arguments of updateText.
func (ch *changing) updateArgs(args []any, bits columns) []any {
	t := &ch.Ticket
	args = append(args, t.Version, hexOf(t.Digest), t.Touched.UnixMicro(), nullTime(t.Checked))
	if bits&openColumn != 0 {
		args = append(args, open(t), stageNumber(t.Stage))
	}
	if bits&stateColumns != 0 {
		args = append(args, string(t.Status), string(t.Phase), t.Level, t.Reason, t.Resolution,
			nullTime(t.FirstAnswered), nullTime(t.Resolved), nullTime(t.Closed), t.Reopened)
	}
	if bits&queueColumns != 0 {
		args = append(args, t.Queue, pressing(t.Priority))
	}
	if bits&holderColumn != 0 {
		args = append(args, t.Assignee)
	}
	if bits&timerColumns != 0 {
		args = append(args, nullTime(t.Timer.At), string(t.Timer.Action), nullTime(t.Timer.From))
	}
	if bits&docColumn != 0 {
		args = append(args, ch.doc)
	}
	if bits&wakeColumn != 0 {
		args = append(args, nullTime(t.Wake()))
	}
	if bits&clocksColumns != 0 {
		args = ch.clocksArgs(args)
	}
	args = ch.dueArgs(args, bits)
	return append(args, ch.key, t.Tenant, ch.Expect)
}

// keptText returns a condition for an update: these columns do not change, of keptStage,
// openColumn and, on SQLite, dueColumns.
func keptText(kept columns) string {
	var b strings.Builder
	if kept&keptStage != 0 {
		b.WriteString(" AND stage = ?")
	}
	if kept&openColumn != 0 {
		b.WriteString(" AND open = ?")
	}
	dueText(&b, kept, " AND ", " IS ?")
	return b.String()
}

// keptArgs appends the arguments of keptText.
func (ch *changing) keptArgs(args []any, kept columns) []any {
	if kept&keptStage != 0 {
		args = append(args, stageNumber(ch.Ticket.Stage))
	}
	if kept&openColumn != 0 {
		args = append(args, open(&ch.Ticket))
	}
	return ch.dueArgs(args, kept)
}

// ticketArgs appends the arguments of insertTicket.
func (ch *changing) ticketArgs(args []any) []any {
	t := &ch.Ticket
	args = append(args, ch.key, t.Tenant, string(t.Number), t.Version, hexOf(t.Digest), open(t), string(t.Status), string(t.Phase), t.Level,
		t.Queue, t.Assignee, pressing(t.Priority), string(t.Channel), t.Reason, t.Resolution, nullTime(t.Timer.At), string(t.Timer.Action),
		t.Created.UnixMicro(), nullTime(t.FirstAnswered), t.Touched.UnixMicro(), nullTime(t.Resolved), nullTime(t.Closed), t.Reopened, ch.doc,
		nullTime(t.Timer.From), nullTime(t.Checked), nullTime(t.Wake()))
	return append(ch.dueArgs(ch.clocksArgs(args), everyColumn), stageNumber(t.Stage))
}

// eventArgs appends the arguments of insertEvent. Lists by last touch find a ticket by
// the time of its last event. So this column has the last touch for it, which is
// earlier if the event is about clocks or upkeep only. For tickets that were put away, see
// stageShift.
func (ch *changing) eventArgs(args []any, i int) []any {
	e := &ch.Events[i]
	at := e.At
	if e.Seq == ch.Ticket.Version {
		at = ch.Ticket.Touched
	}
	return append(args, ch.key, e.Seq, ch.Ticket.Tenant, at.UnixMicro()-stageShift(stageNumber(ch.Ticket.Stage)), ch.events[i])
}

// deliveryArgs appends the arguments of one row of insertDelivery.
func (w *writing) deliveryArgs(args []any, d *ticket.Delivery) ([]any, error) {
	to, err := recipientJSON(&d.To)
	if err != nil {
		return nil, invalid("commit.deliveries.to", "cannot be written as JSON: %v", err)
	}
	return append(args, d.ID.String(), d.Tenant, w.keyOf(d.Ticket), d.Seq, string(d.Kind), d.Notifier, to, whoOf(d.To),
		d.Created.UnixMicro(), d.Due.UnixMicro(), onItsWay, d.Attempts, d.Failures, d.LastError), nil
}

// receiptArgs appends the arguments of insertReceipt.
func receiptArgs(args []any, r *ticket.Receipt) []any {
	return append(args, r.Tenant, r.Key, r.Ticket.String(), r.Version, hexOf(r.Request), r.At.UnixMicro(), number(r.Keyed))
}
