package memstore

import (
	"context"

	"github.com/ticketkit/ticket"
)

// Ticket returns the ticket with this ID; see [ticket.Store].
func (s *Store) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Ticket{}, err
	}
	if t := s.stored(tenant, id); t != nil {
		return t.Clone(), nil
	}
	return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: id.String()}
}

// Lookup returns the ticket with this number; see [ticket.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Ticket{}, err
	}
	if id, ok := s.numbers[s.shardOf(string(n))].get(n); ok {
		if t := s.stored(tenant, id); t != nil {
			return t.Clone(), nil
		}
	}
	return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: string(n)}
}

// Receipt returns what an idempotency key was used for; see [ticket.Store].
func (s *Store) Receipt(ctx context.Context, tenant, k string) (ticket.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Receipt{}, err
	}
	if r, ok := s.keys[s.shardOf(k)].get(key{tenant, k}); ok {
		return r, nil
	}
	return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: k}
}

// Events returns the ticket's events after a number; see [ticket.Store].
func (s *Store) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	events, ok := s.history(tenant, id)
	if !ok {
		return nil, &ticket.NotFoundError{What: "ticket", Ref: id.String()}
	}
	events = events[min(max(after, 0), int64(len(events))):]
	if limit > 0 {
		events = events[:min(limit, len(events))]
	}
	out := make([]ticket.Event, len(events))
	for i, e := range events {
		out[i] = e.Clone()
	}
	return out, nil
}

// stored returns the stored ticket, or nil. The caller must not change it.
func (s *Store) stored(tenant string, id ticket.ID) *ticket.Ticket {
	d := &s.tickets[drawerOf(id)]
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r := d.find(tenant, id); r != nil {
		return r.ticket
	}
	return nil
}

// history returns the stored events. The caller must not change them. Later events
// are after the end of this slice.
func (s *Store) history(tenant string, id ticket.ID) ([]*ticket.Event, bool) {
	d := &s.tickets[drawerOf(id)]
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r := d.find(tenant, id); r != nil {
		return r.events, true
	}
	return nil, false
}
