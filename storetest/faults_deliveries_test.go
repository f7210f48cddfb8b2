package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// listing returns a fault in the query or the result of Deliveries.
func listing(ask func(q *ticket.DeliveryQuery), change func(q ticket.DeliveryQuery, p *ticket.DeliveryPage)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			asked := q
			if ask != nil {
				ask(&asked)
			}
			p, err := s.Deliveries(ctx, asked)
			if change != nil && err == nil {
				change(q, &p)
			}
			return p, err
		}
	}
}

// omitting returns a fault: Deliveries leaves out those that the function selects.
func omitting(what func(d ticket.Delivery) bool) func(*faulty) {
	return listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		p.Deliveries = slices.DeleteFunc(p.Deliveries, what)
	})
}

// astray returns a fault: Deliveries also returns those of the tenants that under names.
func astray(under func(q ticket.DeliveryQuery) []string) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			for _, tenant := range under(q) {
				if other := q; tenant != q.Tenant && err == nil {
					other.Tenant = tenant
					more, _ := s.Deliveries(ctx, other)
					p.Deliveries = append(p.Deliveries, more.Deliveries...)
				}
			}
			return p, err
		}
	}
}

var deliveriesFaults = []fault{
	{"ignores the IDs of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if n := len(q.IDs); n > 1 && n < 1000 {
			q.IDs = nil
		}
	}, nil)},
	{"ignores the ticket of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if len(q.Kind) == 0 && q.Limit < 100 {
			q.Ticket = ticket.ID{}
		}
	}, nil)},
	{"ignores the state of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if len(q.State) == 1 && q.State[0] != "lost" {
			q.State = nil
		}
	}, nil)},
	{"looks at one state of several", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if len(q.State) == 3 {
			q.State = q.State[:1]
		}
	}, nil)},
	{"ignores the kind of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) { q.Kind = nil }, nil)},
	{"ignores the notifier of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) { q.Notifiers = nil }, nil)},
	{"ignores the recipient of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) { q.To = ticket.Recipient{} }, nil)},
	{"ignores settled from", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) { q.SettledFrom = time.Time{} }, nil)},
	{"ignores settled before", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) { q.SettledBefore = time.Time{} }, nil)},
	{"has settled from exclude the time", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if !q.SettledFrom.IsZero() {
			q.SettledFrom = q.SettledFrom.Add(tick)
		}
	}, nil)},
	{"has settled before include the time", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		if !q.SettledBefore.IsZero() {
			q.SettledBefore = q.SettledBefore.Add(tick)
		}
	}, nil)},
	{"takes unsettled deliveries for long settled", "Deliveries/match", func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			if !q.SettledBefore.IsZero() && q.SettledFrom.IsZero() && err == nil {
				q.SettledBefore, q.State = time.Time{}, []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}
				more, _ := s.Deliveries(ctx, q)
				p.Deliveries = append(p.Deliveries, more.Deliveries...)
			}
			return p, err
		}
	}},
	{"lists a bounce at another address under its recipient", "Deliveries/match", func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			if to := q.To; to != (ticket.Recipient{}) && err == nil {
				q.To = ticket.Recipient{}
				all, _ := s.Deliveries(ctx, q)
				p.Deliveries = slices.DeleteFunc(all.Deliveries, func(d ticket.Delivery) bool { return d.To.Key() != to.Key() })
			}
			return p, err
		}
	}},
	{"lists a message sent to another address under that address", "Deliveries/match", func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			if to := q.To; to != (ticket.Recipient{}) && err == nil {
				q.To = ticket.Recipient{}
				all, _ := s.Deliveries(ctx, q)
				p.Deliveries = slices.DeleteFunc(all.Deliveries, func(d ticket.Delivery) bool {
					elsewhere := d.State.Settled() && d.Address != "" && to.Key() == (ticket.Recipient{Person: ticket.Person{Email: d.Address}}).Key()
					return d.Key() != to.Key() && !elsewhere
				})
			}
			return p, err
		}
	}},
	{"compares whole recipients", "Deliveries/match", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool {
			return q.To.Person.Email != "" && q.To.Person.Email != d.To.Person.Email
		})
	})},
	{"folds the case of notifiers of deliveries", "Deliveries/match", listing(func(q *ticket.DeliveryQuery) {
		q.Notifiers = lenient(q.Notifiers, []string{"mail", "Mail"}, strings.EqualFold)
	}, nil)},
	{"lists nothing that is claimed", "Deliveries/match", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool { return d.State == ticket.DeliveryClaimed && len(q.IDs) == 0 })
	})},
	{"lists the oldest deliveries first", "Deliveries/order", listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		slices.Reverse(p.Deliveries)
	})},
	{"lists the deliveries of a ticket in its order", "Deliveries/order", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		if !q.Ticket.IsZero() {
			slices.SortFunc(p.Deliveries, func(a, b ticket.Delivery) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) })
		}
	})},
	{"lists deliveries without limit", "Deliveries/limit", listing(func(q *ticket.DeliveryQuery) {
		if q.Limit == 0 {
			q.Limit = ticket.MaxLimit
		}
	}, nil)},
	{"lists one delivery too few", "Deliveries/limit", listing(func(q *ticket.DeliveryQuery) {
		if q.Limit > (ticket.Query{}).PageSize() && q.Limit < ticket.MaxLimit {
			q.Limit--
		}
	}, nil)},
	{"repeats the last delivery of a page", "Deliveries/after", listing(func(q *ticket.DeliveryQuery) {
		if !q.After.IsZero() {
			q.After[15]++
		}
	}, nil)},
	{"skips a delivery between pages", "Deliveries/after", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		if !q.After.IsZero() && len(p.Deliveries) > 0 {
			p.Deliveries = p.Deliveries[1:]
		}
	})},
	{"loses a delivery at the end of a page", "Deliveries/pages", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		if !p.Next.IsZero() && q.Limit == 4 {
			p.Deliveries = p.Deliveries[:len(p.Deliveries)-1]
		}
	})},
	{"has a page after the last", "Deliveries/pages", listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		if n := len(p.Deliveries); n > 0 {
			p.Next = p.Deliveries[n-1].ID
		}
	})},
	{"has a page after a last one that is full", "Deliveries/pages", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		if n := len(p.Deliveries); n > 0 && n == q.Limit {
			p.Next = p.Deliveries[n-1].ID
		}
	})},
	{"has one page only", "Deliveries/pages", listing(nil, func(_ ticket.DeliveryQuery, p *ticket.DeliveryPage) { p.Next = ticket.ID{} })},
	{"has deliveries of any tenant by their IDs", "Deliveries/tenants", astray(func(q ticket.DeliveryQuery) []string {
		if len(q.IDs) > 0 {
			return tenants
		}
		return nil
	})},
	{"has deliveries of any tenant by their ticket", "Deliveries/tenants", astray(func(q ticket.DeliveryQuery) []string {
		if !q.Ticket.IsZero() {
			return tenants
		}
		return nil
	})},
	{"has deliveries of any tenant to a recipient", "Deliveries/tenants", astray(func(q ticket.DeliveryQuery) []string {
		if q.To != (ticket.Recipient{}) {
			return tenants
		}
		return nil
	})},
	{"takes the empty tenant of deliveries for any", "Deliveries/tenants", astray(func(q ticket.DeliveryQuery) []string {
		if q.Tenant == "" {
			return tenants
		}
		return nil
	})},
	{"lists deliveries for any limit", "Deliveries/invalid", listing(func(q *ticket.DeliveryQuery) { q.Limit = min(max(q.Limit, 0), ticket.MaxLimit) }, nil)},
	{"lists deliveries in no state that it knows", "Deliveries/invalid", listing(func(q *ticket.DeliveryQuery) {
		q.State = slices.DeleteFunc(slices.Clone(q.State), func(s ticket.DeliveryState) bool { return s == "lost" })
	}, nil)},
}
