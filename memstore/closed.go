package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

var _ ticket.Archiver = (*Store)(nil)

// Closed returns closed tickets by their age; see [ticket.Archiver]. It visits every ticket.
func (s *Store) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	var found []*ticket.Ticket
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			if q.Match(r.ticket) {
				found = append(found, r.ticket)
			}
		}
		d.mu.RUnlock()
	}
	slices.SortFunc(found, func(a, b *ticket.Ticket) int { return cmp.Or(a.Closed.Compare(b.Closed), a.ID.Compare(b.ID)) })
	found = found[:min(len(found), q.Limit)]
	list := make([]ticket.Ticket, len(found))
	for i, t := range found {
		list[i] = t.Clone()
	}
	return list, nil
}
