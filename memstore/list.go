package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// List returns a page of the tickets that match; see [ticket.Store]. It visits every
// ticket, and copies those of the page.
func (s *Store) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Page{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.Page{}, err
	}
	after, behind, _ := q.Place()
	page := first{limit: q.PageSize() + 1, compare: func(t, u *ticket.Ticket) int {
		return q.PlaceOf(t).Compare(q.PlaceOf(u))
	}}
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			// Comparing the place costs less than Match.
			if (!behind || after.Compare(q.PlaceOf(r.ticket)) < 0) && page.takes(r.ticket) && q.Match(r.ticket) {
				page.add(r.ticket)
			}
		}
		d.mu.RUnlock()
	}
	found := make([]ticket.Ticket, len(page.list))
	for i, t := range page.list {
		found[i] = t.Clone()
	}
	return q.NewPage(found), nil
}

// Due returns the tickets that the desk must look at; see [ticket.Store]. It visits the
// tickets with such a time.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	due := first{limit: limit, compare: func(t, u *ticket.Ticket) int {
		return cmp.Or(t.Wake().Compare(u.Wake()), t.ID.Compare(u.ID))
	}}
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, t := range d.timers {
			if !t.Wake().After(now) && due.takes(t) {
				due.add(t)
			}
		}
		d.mu.RUnlock()
	}
	refs := make([]ticket.Ref, len(due.list))
	for i, t := range due.list {
		refs[i] = ticket.Ref{Tenant: t.Tenant, Ticket: t.ID}
	}
	return refs, nil
}

// first keeps the first tickets in an order.
type first struct {
	limit   int
	compare func(t, u *ticket.Ticket) int
	list    []*ticket.Ticket
}

// takes reports whether the ticket would be among the first.
func (f *first) takes(t *ticket.Ticket) bool {
	n := len(f.list)
	return n < f.limit || n > 0 && f.compare(t, f.list[n-1]) < 0
}

// add adds a ticket that takes has accepted.
func (f *first) add(t *ticket.Ticket) {
	if len(f.list) == f.limit {
		f.list = f.list[:f.limit-1]
	}
	i, _ := slices.BinarySearchFunc(f.list, t, f.compare)
	f.list = slices.Insert(f.list, i, t)
}
