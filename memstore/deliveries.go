package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// Deliveries returns a page of the deliveries that match; see [ticket.Store]. It
// visits the deliveries of one condition of the query, newest first, until the page
// is full: the IDs, the ticket, the states if none is frequent, or the recipient.
// Without such a condition, it visits those of the tenant.
func (s *Store) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	if err := ctx.Err(); err != nil {
		return ticket.DeliveryPage{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.DeliveryPage{}, err
	}
	enough := q.PageSize() + 1
	s.outbox.mu.RLock()
	defer s.outbox.mu.RUnlock()
	var found []ticket.Delivery
	for _, l := range s.outbox.lists(&q) {
		found = l.pick(found, &q, len(found)+enough)
	}
	slices.SortFunc(found, func(a, b ticket.Delivery) int { return b.ID.Compare(a.ID) })
	return q.NewPage(found), nil
}

// lists returns lists that contain every match once.
func (o *outbox) lists(q *ticket.DeliveryQuery) []*byID {
	of := o.tenants[q.Tenant]
	var list *byID
	switch {
	case of == nil:
		return nil
	case len(q.IDs) > 0:
		list = &byID{}
		for i, id := range q.IDs {
			if r := o.rows[id]; r != nil && !slices.Contains(q.IDs[:i], id) {
				list.add(r)
			}
		}
	case !q.Ticket.IsZero():
		list = o.tickets[q.Ticket]
	case len(q.State) > 0 && !slices.ContainsFunc(q.State, common):
		var lists []*byID
		for i, state := range q.State {
			if l := of.undone[state]; l != nil && !slices.Contains(q.State[:i], state) {
				lists = append(lists, l)
			}
		}
		return lists
	case q.To != ticket.Recipient{}:
		list = o.people[personKey{q.Tenant, q.To.Key()}]
	default:
		list = &of.all
	}
	if list == nil {
		return nil
	}
	return []*byID{list}
}

// common reports whether so many deliveries have a state that lists does not use the
// list of that state.
func common(s ticket.DeliveryState) bool { return !s.Settled() || s == ticket.DeliverySent }

// pick appends the matches, from the newest on, until the page is full.
func (l *byID) pick(found []ticket.Delivery, q *ticket.DeliveryQuery, enough int) []ticket.Delivery {
	i := len(l.list)
	if !q.After.IsZero() {
		i, _ = slices.BinarySearchFunc(l.list, q.After, func(r *row, id ticket.ID) int { return r.ID.Compare(id) })
	}
	for i--; i >= 0 && len(found) < enough; i-- {
		if q.Match(&l.list[i].Delivery) {
			found = append(found, l.list[i].Delivery)
		}
	}
	return found
}

// DeliveryContexts looks up the tickets, events and counts of deliveries; see
// [ticket.DeliveryLoader].
func (s *Store) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	most = max(most, 0)
	contexts := make([]ticket.DeliveryContext, len(rows))
	s.outbox.mu.RLock()
	for i := range rows {
		s.outbox.deliveryContext(&contexts[i], &rows[i], since, most)
	}
	s.outbox.mu.RUnlock()
	for i := range rows {
		b, d := &contexts[i], &rows[i]
		// The events come first. A ticket that is read later has at least these
		// events.
		events, ok := s.history(d.Tenant, d.Ticket)
		if !ok || d.Seq < 1 || d.Seq > int64(len(events)) {
			continue
		}
		b.Found, b.Event, b.Ticket = true, events[d.Seq-1].Clone(), s.stored(d.Tenant, d.Ticket).Clone()
	}
	return contexts, nil
}

// deliveryContext looks up the facts about the recipient. A line belongs to one
// ticket, and so to one tenant.
func (o *outbox) deliveryContext(b *ticket.DeliveryContext, d *ticket.Delivery, since time.Time, most int) {
	to := d.To.Key()
	if t := o.sentTo[sentToKey{d.Tenant, d.Notifier, to}]; t != nil {
		from, _ := slices.BinarySearchFunc(t.sent, since, func(r *row, since time.Time) int { return r.Settled.Compare(since) })
		b.Sent = min(len(t.sent)-from, most)
		if n := len(t.bounced.list); n > 0 {
			b.Bounced = t.bounced.list[n-1].ID
		}
	}
	l := o.lines[lineKey{d.Ticket, d.Notifier, to}]
	if l == nil || len(l.rows) == 0 || l.rows[0].Tenant != d.Tenant {
		return
	}
	for _, sent := range slices.Backward(l.rows) {
		if sent.State != ticket.DeliverySent {
			continue
		}
		if !sent.Settled.Before(since) && b.SentHere < most {
			b.SentHere++
		}
		if sent.Seq < d.Seq && b.Previous.IsZero() {
			b.Previous = sent.ID
		}
		if b.SentHere == most && !b.Previous.IsZero() {
			break
		}
	}
}
