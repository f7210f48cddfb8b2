package sqlstore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// Deliveries returns one page of the deliveries that match, newest first; see
// [ticket.Store]. The cost depends on the first of these conditions that is set:
//
//   - IDs: that many rows;
//   - Ticket: as many rows as the ticket has deliveries;
//   - To: as many rows as the recipient has deliveries;
//   - State, without Sent: the rows of the page, and newer rows that were not sent
//     (MySQL sorts all rows in these states);
//   - otherwise: the rows of the page, and the rows between them that other
//     conditions exclude.
func (s *Store) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	if err := ctx.Err(); err != nil {
		return ticket.DeliveryPage{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.DeliveryPage{}, err
	}
	l := s.deliveryListing(&q)
	text, args := l.walk(of("o", outboxColumns), q.PageSize()+1, nil)
	defer s.hold()()
	found, err := s.here().deliveries(ctx, text, args...)
	if err != nil {
		return ticket.DeliveryPage{}, s.explain(ctx, "list deliveries", err)
	}
	return q.NewPage(found), nil
}

func (s *Store) deliveryListing(q *ticket.DeliveryQuery) *listing {
	l := &listing{s: s, from: "{t}outbox o", keys: []string{"o.id"}, desc: true}
	// An expression hides a column from a planner that does not know how many rows
	// share a value. On MySQL the statement names the index.
	tenant, key := "o.tenant", "o.id"
	index := "tenant"
	hide := func(column string) string {
		return s.lang.hidden(column)
	}
	unsent := len(q.State) > 0 && !slices.Contains(q.State, ticket.DeliverySent)
	switch {
	case len(q.IDs) > 0:
		index, tenant = "", hide(tenant)
	case !q.Ticket.IsZero():
		index, tenant, key = "line", hide(tenant), hide(key)
	case q.To != ticket.Recipient{}:
		index, key = "recipient", hide(key)
	case unsent && s.dialect == MySQL:
		index = "state"
	case unsent:
		index = "unsent"
	}
	if key != "o.id" {
		l.keys = []string{key}
	}
	switch {
	case index == "":
		l.from += "{by outbox_id}"
	case s.dialect == MySQL:
		l.from += " FORCE INDEX ({p}outbox_" + index + ")"
	}
	l.insistSQLite(index)

	l.and(tenant+" = ?", q.Tenant)
	in(l, "o.id", idTexts(q.IDs))
	if !q.Ticket.IsZero() {
		l.and("o.ticket = ?", q.Ticket.String())
	}
	if (q.To != ticket.Recipient{}) {
		l.and("o.who = ?", whoOf(q.To))
	}
	l.inStates(q.State)
	if unsent {
		l.and("o.state + 0 <> 4") // as the index has it
	}
	in(l, "o.kind", texts(q.Kind))
	in(l, "o.via", q.Notifiers)
	if !q.SettledFrom.IsZero() || !q.SettledBefore.IsZero() {
		l.and("o.settled IS NOT NULL")
		l.between("o.settled", q.SettledFrom, q.SettledBefore)
	}
	if !q.After.IsZero() {
		l.and(key+" < ?", q.After.String())
	}
	return l
}

func (l *listing) insistSQLite(index string) {
	if l.s.dialect == SQLite && index != "" {
		l.from += " INDEXED BY {p}outbox_" + index
	}
}

func idTexts(ids []ticket.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}

// inStates adds the condition that a row has one of the states. It adds none if the
// list is empty.
func (l *listing) inStates(states []ticket.DeliveryState) {
	if len(states) == 0 {
		return
	}
	var list []int64
	pending, claimed := slices.Contains(states, ticket.DeliveryPending), slices.Contains(states, ticket.DeliveryClaimed)
	if pending && claimed {
		list = append(list, onItsWay)
	}
	for n, s := range settledStates {
		if slices.Contains(states, s) && s != "" {
			list = append(list, int64(n))
		}
	}
	var either []string
	if len(list) > 0 {
		either = append(either, "o.state IN ("+literals(list)+")")
	}
	switch {
	case pending && !claimed:
		either = append(either, "o.state = 0 AND o.until IS NULL")
	case claimed && !pending:
		either = append(either, "o.state = 0 AND o.until IS NOT NULL")
	}
	l.and("(" + strings.Join(either, " OR ") + ")")
}

func literals(list []int64) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(out, ", ")
}

// UpdateDeliveries changes the state of settled deliveries; see [ticket.Store].
func (s *Store) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := r.Check(); err != nil {
		return 0, err
	}
	if len(r.IDs) == 0 || len(r.From) == 0 {
		return 0, nil
	}
	var from []int64
	for n, state := range settledStates {
		if state != "" && slices.Contains(r.From, state) {
			from = append(from, int64(n))
		}
	}
	set, at := "state = "+strconv.FormatInt(stateOf(r.To), 10)+", settled = ?", r.At.UnixMicro()
	if r.To == ticket.DeliveryPending {
		set = "state = 0, settled = NULL, failures = 0, due = ?"
	}
	ids := idTexts(r.IDs)
	slices.Sort(ids) // every statement that writes several rows takes them in this order
	ids = slices.Compact(ids)
	lock := " FOR UPDATE"
	if s.dialect == SQLite {
		lock = ""
	}
	defer s.hold()()
	var changed int64
	work := func(ctx context.Context, x *session) error {
		changed = 0
		var moved []ticket.Delivery
		for part := range slices.Chunk(ids, paddedCounts[0]) {
			of := " AND state * 1 IN (" + literals(from) + ")"
			in, args := paddedIDs(part)
			found, err := x.deliveries(ctx, "SELECT "+outboxColumns+" FROM {t}outbox{by outbox_id} WHERE {hidden tenant} = ?"+of+in+lock, append([]any{r.Tenant}, args...)...)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				continue
			}
			part = part[:0:0]
			for i := range found {
				part = append(part, found[i].ID.String())
			}
			slices.Sort(part)
			in, args = paddedIDs(part)
			n, err := x.exec(ctx, "UPDATE {t}outbox{by outbox_id} SET "+set+", last_error = ? WHERE {hidden tenant} = ?"+of+in, append([]any{at, r.Error, r.Tenant}, args...)...)
			if err == nil && n != int64(len(found)) && s.dialect == MySQL { // it does not count rows that stay equal
				text := " AND state * 1 = " + strconv.FormatInt(stateOf(r.To), 10) + " AND COALESCE(settled, due) = ? AND last_error = ?"
				_, err = x.one(ctx, []any{&n}, "SELECT COUNT(*) FROM {t}outbox{by outbox_id} WHERE {hidden tenant} = ?"+text+in+lock, append([]any{r.Tenant, at, r.Error}, args...)...)
			}
			if err == nil && n != int64(len(found)) {
				err = errOvertaken
			}
			if err != nil {
				return err
			}
			changed += n
			for i := range found {
				if found[i].Address != "" {
					moved = append(moved, found[i])
				}
			}
		}
		if err := x.moveKeys(ctx, moved, r.To); err != nil {
			return err
		}
		if changed > 0 && r.To == ticket.DeliveryPending {
			return x.announce(ctx)
		}
		return nil
	}
	err := s.persistent(ctx, func() error { return s.write(ctx, work) })
	if err != nil {
		return 0, s.explain(ctx, "update deliveries", err)
	}
	return int(changed), nil
}

// paddedIDs returns a condition on the column id, and its arguments.
func paddedIDs(ids []string) (in string, args []any) {
	for i := range paddedCount(len(ids)) {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	return " AND id IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
}

// moveKeys sets the recipient key of deliveries that change their state. In the
// bounced state the key stands for the address that bounced, otherwise for the
// recipient.
func (x *session) moveKeys(ctx context.Context, list []ticket.Delivery, to ticket.DeliveryState) error {
	for i := range list {
		d := &list[i]
		d.State = to
		if _, err := x.exec(ctx, "UPDATE {t}outbox SET who = ? WHERE id = ?", digestOf(d.Key()), d.ID.String()); err != nil {
			return err
		}
	}
	return nil
}
