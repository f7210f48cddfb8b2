package storetest

import (
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

// stale returns a fault in List: its index for a condition does not follow changes of a ticket.
func stale(without func(q *ticket.Query), matches func(q ticket.Query, t ticket.Ticket) bool) func(*faulty) {
	return func(f *faulty) {
		s, first := f.Store, &register{}
		remembering(f, first)
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			asked := q
			without(&asked)
			p, err := s.List(ctx, asked)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool {
				was, _ := first.get(t.ID)
				return !matches(q, t) && !matches(q, was.(ticket.Ticket))
			})
			return p, err
		}
	}
}

// remembering keeps the first version of each ticket.
func remembering(f *faulty, first *register) {
	s := f.Store
	f.commit = func(ctx context.Context, c ticket.Commit) error {
		err := s.Commit(ctx, c)
		for _, ch := range c.Changes {
			if err == nil && ch.Expect == 0 {
				first.put(ch.Ticket.ID, ch.Ticket)
			}
		}
		return err
	}
}

// sortedOnce returns a fault: one order sorts by the first version of each ticket.
func sortedOnce(order ticket.Order) func(*faulty) {
	return func(f *faulty) {
		s, first := f.Store, &register{}
		remembering(f, first)
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			if q.Order == order && err == nil {
				place := func(t ticket.Ticket) ticket.Place {
					was, _ := first.get(t.ID)
					t = was.(ticket.Ticket)
					return q.PlaceOf(&t)
				}
				slices.SortStableFunc(p.Tickets, func(a, b ticket.Ticket) int { return place(a).Compare(place(b)) })
			}
			return p, err
		}
	}
}

// hasty looks at some tickets after the cursor, and takes the page for the last one if
// too few of them match.
func hasty(f *faulty) {
	s := f.Store
	f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
		if q.Check() != nil {
			return s.List(ctx, q)
		}
		all, err := s.List(ctx, ticket.Query{Tenant: q.Tenant, Stage: ticket.Stages(), Order: q.Order, Metric: q.Metric, After: q.After, Limit: min(8*q.PageSize(), ticket.MaxLimit)})
		all.Tickets = slices.DeleteFunc(all.Tickets, func(t ticket.Ticket) bool { return !q.Match(&t) })
		return q.NewPage(all.Tickets), err
	}
}

var listChangeFaults = []fault{
	{"gives up where few match", "List/few that match", func(f *faulty) {
		s := f.Store
		hasty(f)
		list := f.list
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if q.Limit == 1 || q.Limit == 4 {
				return list(ctx, q)
			}
			return s.List(ctx, q)
		}
	}},
	{"ends a walk with a page that is not full", "List/few that match", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if len(q.Tags) == 0 || q.Limit != 1 {
				return s.List(ctx, q)
			}
			plain := q
			plain.Tags, plain.Limit = nil, 5
			p, err := s.List(ctx, plain)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool { return !q.Match(&t) })
			if len(p.Tickets) == 0 {
				p.Next = ""
			}
			return p, err
		}
	}},
	{"finds tickets under their old status", "List/after a change", stale(
		func(q *ticket.Query) { q.Status = nil },
		func(q ticket.Query, t ticket.Ticket) bool {
			return len(q.Status) == 0 || slices.Contains(q.Status, t.Status)
		})},
	{"finds tickets in their old queue", "List/after a change", stale(
		func(q *ticket.Query) { q.Queue = nil },
		func(q ticket.Query, t ticket.Ticket) bool {
			return len(q.Queue) == 0 || slices.Contains(q.Queue, t.Queue)
		})},
	{"finds tickets under their old assignee", "List/after a change", stale(
		func(q *ticket.Query) { q.Assignee = nil },
		func(q ticket.Query, t ticket.Ticket) bool {
			return len(q.Assignee) == 0 || slices.Contains(q.Assignee, t.Assignee)
		})},
	{"finds tickets by removed tags", "List/after a change", stale(
		func(q *ticket.Query) { q.Tags = nil },
		func(q ticket.Query, t ticket.Ticket) bool {
			return (ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages(), Tags: q.Tags}).Match(&t)
		})},
	{"finds tickets by old fields", "List/after a change", stale(
		func(q *ticket.Query) {
			if q.Check() == nil {
				q.Fields = nil
			}
		},
		func(q ticket.Query, t ticket.Ticket) bool {
			return (ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages(), Fields: q.Fields}).Match(&t)
		})},
	{"finds tickets under their old requester", "List/after a change", stale(
		func(q *ticket.Query) { q.Requester = ticket.Person{} },
		func(q ticket.Query, t ticket.Ticket) bool {
			return q.Requester.IsZero() || q.Requester.Same(t.Requester)
		})},
	{"finds tickets under old followers", "List/after a change", stale(
		func(q *ticket.Query) { q.Participant = ticket.Person{} },
		func(q ticket.Query, t ticket.Ticket) bool {
			return (ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages(), Participant: q.Participant}).Match(&t)
		})},
	{"sorts by created instead of touched", "List/after a change", sortedOnce(ticket.OrderMostRecent)},
	{"sorts by the old priority", "List/after a change", sortedOnce(ticket.OrderMostUrgent)},
	{"sorts by the first target of a ticket", "List/after a change", sortedOnce(ticket.OrderSoonestDue)},
	{"continues after the ticket's current place", "List/after one that moved", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if after, continues, err := q.Place(); continues && err == nil {
				if t, err := s.Ticket(ctx, q.Tenant, after.ID); err == nil {
					q.After = q.PlaceOf(&t).Cursor()
				}
			}
			return s.List(ctx, q)
		}
	}},
	{"reads the tickets of a page after the search", "Concurrency/walk", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			if err != nil || q.Limit != 3 || len(p.Tickets) == 0 {
				return p, err
			}
			f.window()
			for i, t := range p.Tickets {
				if now, err := s.Ticket(ctx, t.Tenant, t.ID); err == nil {
					p.Tickets[i] = now
				}
			}
			if p.Next != "" {
				p.Next = q.PlaceOf(&p.Tickets[len(p.Tickets)-1]).Cursor()
			}
			return p, nil
		}
	}},
}
