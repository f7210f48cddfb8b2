package memstore

import (
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

var _ ticket.Eraser = (*Store)(nil)

// Erase replaces events with erased ones; see [ticket.Eraser]. The memory of what was erased
// is free for the garbage collector when no reader uses it any more.
func (s *Store) Erase(ctx context.Context, e ticket.EraseCommit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	h := s.holdFor(&e.Commit)
	h.keys, h.outbox = 1<<shards-1, true
	s.lock(h)
	defer s.unlock(h)
	if err := s.refuse(&e.Commit); err != nil {
		return err
	}
	id := e.Changes[0].Ticket.ID
	r := s.tickets[drawerOf(id)].records[id]
	r.events = slices.Clone(r.events) // readers may hold the old list
	for i := range e.Events {
		r.events[e.Events[i].Seq-1] = new(e.Events[i].Clone())
	}
	for _, d := range e.Remove {
		if row := s.outbox.rows[d]; row != nil && row.Ticket == id {
			s.outbox.forget(row)
		}
	}
	for i := range s.keys {
		for k, receipt := range s.keys[i].m {
			if receipt.Ticket == id {
				delete(s.keys[i].m, k)
			}
		}
	}
	s.write(&e.Commit)
	return nil
}

// forget removes a row in any state.
func (o *outbox) forget(r *row) {
	if r.State.Settled() {
		o.reopen(r)
	} else {
		r.line.leave(r)
	}
	r.line.rows = remove(r.line.rows, r, inLine)
	r.line.of.all.remove(r)
	at(o.people, personKey{r.Tenant, r.to}).remove(r)
	at(o.tickets, r.Ticket).remove(r)
	delete(o.rows, r.ID)
}

// Traces returns the tickets that name a person; see [ticket.Eraser]. It visits every event.
func (s *Store) Traces(ctx context.Context, tenant string, p ticket.Person, after ticket.ID, limit int) ([]ticket.ID, error) {
	var found []ticket.ID
	for i := range s.tickets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := &s.tickets[i]
		d.mu.RLock()
		for id, r := range d.records {
			if r.ticket.Tenant == tenant && id.Compare(after) > 0 && slices.ContainsFunc(r.events, func(e *ticket.Event) bool { return e.Names(p) }) {
				found = append(found, id)
			}
		}
		d.mu.RUnlock()
	}
	slices.SortFunc(found, ticket.ID.Compare)
	return found[:min(len(found), max(limit, 0))], nil
}
