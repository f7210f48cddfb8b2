package memstore

import (
	"context"
	"iter"
	"slices"

	"github.com/ticketkit/ticket"
)

var _ ticket.Exporter = (*Store)(nil)

// exportPage is how many IDs are collected at once. A page costs a visit to every ticket.
const exportPage = 16_384

// Export yields the histories of all tickets; see [ticket.Exporter]. It holds no lock
// while the caller's loop runs.
func (s *Store) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for {
			page := s.idsAfter(after, exportPage)
			for _, id := range page {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				stored := s.historyOf(id)
				history := make([]ticket.Event, len(stored))
				for i, e := range stored {
					history[i] = e.Clone()
				}
				if !yield(history, nil) {
					return
				}
				after = id
			}
			if len(page) < exportPage {
				break
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// idsAfter returns the first n IDs of tickets after an ID, in order.
func (s *Store) idsAfter(after ticket.ID, n int) []ticket.ID {
	var page []ticket.ID
	cut := func() {
		slices.SortFunc(page, ticket.ID.Compare)
		page = page[:min(n, len(page))]
	}
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for id := range d.records {
			if id.Compare(after) <= 0 {
				continue
			}
			if page = append(page, id); len(page) == 2*n {
				cut()
			}
		}
		d.mu.RUnlock()
	}
	cut()
	return page
}

// historyOf is like history, for a ticket of any tenant.
func (s *Store) historyOf(id ticket.ID) []*ticket.Event {
	d := &s.tickets[drawerOf(id)]
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r := d.records[id]; r != nil {
		return r.events
	}
	return nil
}
