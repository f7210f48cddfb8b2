package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// straying returns a fault that records the tenant of every ticket and number.
func straying(stray func(f *faulty, tenantOf func(k any) string)) func(*faulty) {
	return func(f *faulty) {
		s, owner := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if err == nil {
					owner.put(ch.Ticket.ID, ch.Ticket.Tenant)
					owner.put(ch.Ticket.Number, ch.Ticket.Tenant)
				}
			}
			return err
		}
		stray(f, func(k any) string {
			tenant, _ := owner.get(k)
			return cmp.Or(tenant, any("")).(string)
		})
	}
}

var tenantFaults = []fault{
	{"finds tickets of any tenant", "Tenants/invisible", straying(func(f *faulty, tenantOf func(any) string) {
		s := f.Store
		f.ticket = func(ctx context.Context, _ string, id ticket.ID) (ticket.Ticket, error) {
			return s.Ticket(ctx, tenantOf(id), id)
		}
	})},
	{"looks up numbers of any tenant", "Tenants/invisible", straying(func(f *faulty, tenantOf func(any) string) {
		s := f.Store
		f.lookup = func(ctx context.Context, _ string, n ticket.Number) (ticket.Ticket, error) {
			return s.Lookup(ctx, tenantOf(n), n)
		}
	})},
	{"has events of any tenant", "Tenants/invisible", straying(func(f *faulty, tenantOf func(any) string) {
		s := f.Store
		f.events = func(ctx context.Context, _ string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			return s.Events(ctx, tenantOf(id), id, after, limit)
		}
	})},
	{"has receipts of any tenant", "Tenants/invisible", func(f *faulty) {
		s := f.Store
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			for _, other := range append([]string{tenant}, tenants...) {
				if r, err := s.Receipt(ctx, other, key); err == nil {
					return r, nil
				}
			}
			return s.Receipt(ctx, tenant, key)
		}
	}},
	{"takes the empty tenant for any", "Tenants/invisible", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			if q.Tenant == "" && err == nil {
				q.Tenant = acme
				more, _ := s.List(ctx, q)
				p.Tickets = append(p.Tickets, more.Tickets...)
			}
			return p, err
		}
	}},
	{"folds the case of tenants", "Tenants/invisible", func(f *faulty) {
		s := f.Store
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			t, err := s.Ticket(ctx, tenant, id)
			if lower, ok := s.Ticket(ctx, strings.ToLower(tenant), id); ok == nil {
				return lower, nil
			}
			return t, err
		}
	}},
	{"changes tickets of any tenant", "Tenants/untouchable", straying(func(f *faulty, tenantOf func(any) string) {
		record := f.commit
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if len(c.Changes) == 1 && c.Changes[0].Expect > 0 && len(c.Deliveries) == 0 && c.Receipt == nil {
				ch := c.Changes[0]
				ch.Ticket.Tenant = cmp.Or(tenantOf(ch.Ticket.ID), ch.Ticket.Tenant)
				c.Changes = []ticket.Change{ch}
			}
			return record(ctx, c)
		}
	})},
}

// ignoring calls a method as if its context were not cancelled.
func ignoring(method string) func(*faulty) {
	return func(f *faulty) {
		s, on := f.Store, context.WithoutCancel
		switch method {
		case "Commit":
			f.commit = func(ctx context.Context, c ticket.Commit) error { return s.Commit(on(ctx), c) }
		case "Ticket":
			f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
				return s.Ticket(on(ctx), tenant, id)
			}
		case "Lookup":
			f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
				return s.Lookup(on(ctx), tenant, n)
			}
		case "Receipt":
			f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
				return s.Receipt(on(ctx), tenant, key)
			}
		case "Events":
			f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
				return s.Events(on(ctx), tenant, id, after, limit)
			}
		case "List":
			f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) { return s.List(on(ctx), q) }
		case "Due":
			f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
				return s.Due(on(ctx), now, limit)
			}
		case "Claim":
			f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
				return s.Claim(on(ctx), r)
			}
		case "Settle":
			f.settle = func(ctx context.Context, list []ticket.Settlement) error { return s.Settle(on(ctx), list) }
		case "Deliveries":
			f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
				return s.Deliveries(on(ctx), q)
			}
		case "UpdateDeliveries":
			f.update = func(ctx context.Context, r ticket.DeliveryUpdate) (int, error) { return s.UpdateDeliveries(on(ctx), r) }
		case "DeliveryContexts":
			f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
				return s.(ticket.DeliveryLoader).DeliveryContexts(on(ctx), r.rows, r.since, r.most)
			}
		}
	}
}

var contextFaults = []fault{
	{"commits in spite of the context", "Context/cancelled", ignoring("Commit")},
	{"finds in spite of the context", "Context/cancelled", ignoring("Ticket")},
	{"looks up in spite of the context", "Context/cancelled", ignoring("Lookup")},
	{"finds receipts in spite of the context", "Context/cancelled", ignoring("Receipt")},
	{"has events in spite of the context", "Context/cancelled", ignoring("Events")},
	{"lists in spite of the context", "Context/cancelled", ignoring("List")},
	{"has timers in spite of the context", "Context/cancelled", ignoring("Due")},
	{"claims in spite of the context", "Context/cancelled", ignoring("Claim")},
	{"settles in spite of the context", "Context/cancelled", ignoring("Settle")},
	{"lists deliveries in spite of the context", "Context/cancelled", ignoring("Deliveries")},
	{"updates in spite of the context", "Context/cancelled", ignoring("UpdateDeliveries")},
	{"loads contexts in spite of the context", "DeliveryContexts/cancelled", ignoring("DeliveryContexts")},
	{"commits before it looks at the context", "Context/cancelled", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		return cmp.Or(s.Commit(context.WithoutCancel(ctx), c), ctx.Err())
	})},
	{"settles before it looks at the context", "Context/cancelled", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		return cmp.Or(s.Settle(context.WithoutCancel(ctx), list), ctx.Err())
	})},
	{"claims before it looks at the context", "Context/cancelled", func(f *faulty) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(context.WithoutCancel(ctx), r)
			return claimed, cmp.Or(err, ctx.Err())
		}
	}},
	{"has an error of its own for the context", "Context/cancelled", onRefusal(func(ctx context.Context, _ ticket.Store, _ ticket.Commit, err error) error {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	})},
}

// reopening returns a fault that takes effect when the store is reopened.
func reopening(with func(f *faulty)) func(*faulty) {
	return func(f *faulty) {
		f.reopen = func() ticket.Store {
			again := &faulty{Store: f.Store}
			with(again)
			return again
		}
	}
}

var durableFaults = []fault{
	{"loses receipts when it is closed", "Reopen/tickets", reopening(func(f *faulty) {
		f.receipt = func(_ context.Context, _, key string) (ticket.Receipt, error) {
			return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
		}
	})},
	{"loses the last event when it is closed", "Reopen/tickets", reopening(func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			return events[:max(0, len(events)-1)], err
		}
	})},
	{"loses leases when it is closed", "Reopen/outbox", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var held []ticket.Delivery
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			held = append(held, claimed...)
			return claimed, err
		}
		f.reopen = func() ticket.Store {
			for _, d := range held { // settled ones are not affected
				_ = s.Settle(context.Background(), []ticket.Settlement{{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryPending, At: clock, Due: d.Due}})
			}
			return s
		}
	}},
	{"loses pending ones when it is closed", "Reopen/outbox", reopening(func(f *faulty) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			return slices.DeleteFunc(claimed, func(d ticket.Delivery) bool { return d.Attempts == 1 }), err
		}
	})},
	{"loses sent ones when it is closed", "Reopen/outbox", reopening(omitting(func(d ticket.Delivery) bool { return d.State == ticket.DeliverySent }))},
	{"loses the errors of dead ones when it is closed", "Reopen/outbox", reopening(func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			page, err := s.Deliveries(ctx, q)
			for i := range page.Deliveries {
				page.Deliveries[i].LastError = ""
			}
			return page, err
		}
	})},
	{"loses lines when it is closed", "Reopen/outbox", func(f *faulty) {
		n := newNaive(f.Store)
		f.Store = n
		f.reopen = func() ticket.Store {
			n.blocks = func(ticket.ClaimRequest, *ticket.Delivery, *ticket.Delivery) bool { return false }
			return n
		}
	}},
	{"loses unique keys when it is closed", "Reopen/unique", reopening(onRefusal(func(_ context.Context, _ ticket.Store, _ ticket.Commit, err error) error {
		if taken(err, "key") {
			return nil
		}
		return err
	}))},
	{"loses a closed ticket when it is closed", "Reopen/closed", reopening(func(f *faulty) {
		s := f.Store
		f.closed = func(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
			list, err := s.(ticket.Archiver).Closed(ctx, q)
			return list[:max(0, len(list)-1)], err
		}
	})},
	{"has pruned deliveries again when it is closed", "Reopen/pruned", ghosts(func(f *faulty, n *naive, gone *[]ticket.Delivery) {
		f.reopen = func() ticket.Store {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, d := range *gone {
				n.rows = append(n.rows, &d)
			}
			return n
		}
	})},
}
