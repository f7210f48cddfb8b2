package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// limited returns a fault in the limit of Events.
func limited(limit func(n int) int) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, n int) ([]ticket.Event, error) {
			return s.Events(ctx, tenant, id, after, limit(n))
		}
	}
}

var manyFaults = []fault{
	{"gives a thousand events at most", "Many/events", limited(func(n int) int {
		if n <= 0 || n > 1000 {
			return 1000
		}
		return n
	})},
	{"adds one to any limit of events", "Many/events", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, n int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, n)
			if n > 0 && n+1 < 0 {
				events = nil
			}
			return events, err
		}
	}},
	{"returns a thousand timers at most", "Many/due", dueAt(func(now time.Time, limit int) (time.Time, int) { return now, min(limit, 1000) })},
	{"takes a limit above 16 bits for none", "Many/due", dueAt(func(now time.Time, limit int) (time.Time, int) { return now, int(int16(limit)) })},
	{"claims a thousand at most", "Many/claimed", claiming(func(r *ticket.ClaimRequest) { r.Limit = min(r.Limit, 1000) }, nil)},
	{"lists five hundred tickets at most", "Many/listed", asking(func(q *ticket.Query) {
		if q.Limit <= ticket.MaxLimit {
			q.Limit = min(q.Limit, 500)
		}
	})},
	{"has one page of tickets after a thousand", "Many/listed", paging(func(q ticket.Query, p *ticket.Page) {
		if len(p.Tickets) == ticket.MaxLimit {
			p.Next = ""
		}
	})},
	{"lists five hundred deliveries at most", "Many/deliveries", listing(func(q *ticket.DeliveryQuery) {
		if q.Limit <= ticket.MaxLimit {
			q.Limit = min(q.Limit, 500)
		}
	}, nil)},
	{"commits a thousand deliveries at most", "Many/deliveries", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		c.Deliveries = c.Deliveries[:min(len(c.Deliveries), 1000)]
		return s.Commit(ctx, c)
	})},
	{"settles a thousand at most", "Many/settled", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		return s.Settle(ctx, list[:min(len(list), 1000)])
	})},
	{"settles the first batch only if a claim was lost", "Many/settled", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		err := ctx.Err()
		for part := range slices.Chunk(list, 400) {
			if err == nil {
				err = s.Settle(ctx, part)
			}
		}
		return err
	})},
	{"updates 999 at most", "Many/updated", updating(func(r *ticket.DeliveryUpdate) {
		if len(r.IDs) == 1000 {
			r.IDs = r.IDs[:999]
		}
	}, nil)},
	{"counts only the last batch of updates", "Many/updated", updating(nil, func(_ ticket.DeliveryUpdate, n int) int {
		if n > 500 {
			n -= 500
		}
		return n
	})},
}

var argumentFaults = []fault{
	{"sorts the notifiers of a claim", "Values/arguments", claiming(func(r *ticket.ClaimRequest) { slices.Sort(r.Notifiers) }, nil)},
	{"sorts the IDs of an update", "Values/arguments", updating(func(r *ticket.DeliveryUpdate) { slices.SortFunc(r.IDs, ticket.ID.Compare) }, nil)},
	{"sorts the states of an update", "Values/arguments", updating(func(r *ticket.DeliveryUpdate) { slices.Sort(r.From) }, nil)},
	{"sorts the IDs of a query", "Values/arguments", listing(func(q *ticket.DeliveryQuery) { slices.SortFunc(q.IDs, ticket.ID.Compare) }, nil)},
	{"sorts settlements", "Values/arguments", settling(func(ctx context.Context, s ticket.Store, list []ticket.Settlement) error {
		slices.SortFunc(list, func(a, b ticket.Settlement) int { return a.ID.Compare(b.ID) })
		return s.Settle(ctx, list)
	})},
	{"sorts deliveries that it commits", "Values/arguments", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		if len(c.Deliveries) == 3 && len(c.Changes) == 2 {
			slices.SortFunc(c.Deliveries, func(a, b ticket.Delivery) int { return a.ID.Compare(b.ID) })
		}
		return s.Commit(ctx, c)
	})},
	{"sorts the queues of a query", "Values/arguments", asking(func(q *ticket.Query) { slices.Sort(q.Queue) })},
	{"compacts the tags of a query", "Values/arguments", asking(func(q *ticket.Query) { slices.Sort(q.Tags); q.Tags = slices.Compact(q.Tags) })},
}
