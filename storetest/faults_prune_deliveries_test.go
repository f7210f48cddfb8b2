package storetest

import (
	"context"
	"math"
	"time"

	"github.com/ticketkit/ticket"
)

// prunes returns a fault in the deliveries that PruneDeliveries removes.
func prunes(which func(before time.Time, d *ticket.Delivery) bool) func(*faulty) {
	return naively(func(n *naive) { n.prunes = which }, "PruneDeliveries")
}

// alsoPrunes returns a fault: PruneDeliveries removes further deliveries.
func alsoPrunes(more func(d *ticket.Delivery) bool) func(*faulty) {
	return prunes(func(before time.Time, d *ticket.Delivery) bool { return prunesOld(before, d) || more(d) })
}

// pruningOther returns a fault in the arguments of PruneDeliveries.
func pruningOther(change func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int)) func(*faulty) {
	return func(f *faulty) {
		f.pruneDeliveries = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return f.Store.(ticket.DeliveryPruner).PruneDeliveries(change(ctx, before, limit))
		}
	}
}

// ghosts returns a naive outbox that remembers what it removes. wrong gets it and the
// removed deliveries.
func ghosts(wrong func(f *faulty, n *naive, gone *[]ticket.Delivery)) func(*faulty) {
	return func(f *faulty) {
		var gone []ticket.Delivery
		naively(func(n *naive) {
			n.pruned = func(d *ticket.Delivery) { gone = append(gone, *d) }
			wrong(f, n, &gone)
		}, "PruneDeliveries")(f)
	}
}

// listingGhosts returns a fault: some queries return deliveries that were removed.
func listingGhosts(lists func(q ticket.DeliveryQuery) bool) func(*faulty) {
	return ghosts(func(f *faulty, n *naive, gone *[]ticket.Delivery) {
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := n.Deliveries(ctx, q)
			if err == nil && lists(q) {
				p.Deliveries = newestFirst(q, append(p.Deliveries, *gone...))
			}
			return p, err
		}
	})
}

// misjudging returns a fault in the contexts, which change gets if its recipient's deliveries
// were removed.
func misjudging(change func(c *ticket.DeliveryContext, gone ticket.Delivery)) func(*faulty) {
	return ghosts(func(f *faulty, n *naive, gone *[]ticket.Delivery) {
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			list, err := n.contexts(ctx, r)
			for i := range list {
				for _, d := range *gone {
					if sameRecipient(&d, &r.rows[i]) {
						change(&list[i], d)
					}
				}
			}
			return list, err
		}
	})
}

var pruneDeliveriesFaults = []fault{
	{"prunes deliveries of that time", "PruneDeliveries/old", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return prunesOld(before.Add(time.Microsecond), d)
	})},
	{"prunes no suppressed deliveries", "PruneDeliveries/old", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return prunesOld(before, d) && d.State != ticket.DeliverySuppressed
	})},
	{"prunes no dead deliveries", "PruneDeliveries/old", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return prunesOld(before, d) && d.State != ticket.DeliveryDead
	})},
	{"prunes no deliveries that came back", "PruneDeliveries/others", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return prunesOld(before, d) && d.State != ticket.DeliveryUndelivered
	})},
	{"prunes by the creation of deliveries", "PruneDeliveries/old", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return d.State.Settled() && d.State != ticket.DeliveryBounced && d.Created.Before(before)
	})},
	{"prunes deliveries of one tenant", "PruneDeliveries/all tenants", prunes(func(before time.Time, d *ticket.Delivery) bool {
		return prunesOld(before, d) && d.Tenant == acme
	})},
	{"prunes deliveries without a limit", "PruneDeliveries/limit", pruningOther(func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int) {
		if limit == 3 {
			limit = math.MaxInt32
		}
		return ctx, before, limit
	})},
	{"prunes one delivery too many for each tenant", "PruneDeliveries/all tenants", pruningOther(func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int) {
		if limit == 4 {
			limit = 3 * limit
		}
		return ctx, before, limit
	})},
	{"prunes all deliveries at a limit of 0", "PruneDeliveries/none", pruningOther(func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int) {
		if limit == 0 {
			limit = 100
		}
		return ctx, before, limit
	})},
	{"prunes all deliveries at a negative limit", "PruneDeliveries/none", pruningOther(func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int) {
		if limit < 0 {
			limit = 100
		}
		return ctx, before, limit
	})},
	{"returns the limit as the number of pruned deliveries", "PruneDeliveries/none", func(f *faulty) {
		f.pruneDeliveries = func(ctx context.Context, before time.Time, limit int) (int, error) {
			n, err := f.Store.(ticket.DeliveryPruner).PruneDeliveries(ctx, before, limit)
			if limit == 2 && err == nil {
				n = limit
			}
			return n, err
		}
	}},
	{"prunes bounced deliveries", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryBounced && d.LastError == ""
	})},
	{"prunes deliveries that bounced late", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryBounced && d.LastError == "by hand"
	})},
	{"prunes claimed deliveries", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryClaimed && d.To.Role == ticket.RoleFollower
	})},
	{"prunes pending deliveries", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryPending && d.Attempts == 0 && d.To.Key() == to(0).Key()
	})},
	{"prunes deliveries that wait for another attempt", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryPending && d.Attempts > 0 && d.LastError == ""
	})},
	{"prunes redriven deliveries", "PruneDeliveries/others", alsoPrunes(func(d *ticket.Delivery) bool {
		return d.State == ticket.DeliveryPending && d.LastError != ""
	})},
	{"blocks the lines of pruned deliveries", "PruneDeliveries/lines", func(f *faulty) {
		lines := map[string]bool{}
		naively(func(n *naive) {
			n.pruned = func(d *ticket.Delivery) { lines[lineOf(d)] = true }
			n.looks = func(_ ticket.ClaimRequest, d *ticket.Delivery) bool { return !lines[lineOf(d)] }
		}, "PruneDeliveries")(f)
	}},
	{"claims two of a line with pruned deliveries", "PruneDeliveries/lines", func(f *faulty) {
		lines := map[string]bool{}
		naively(func(n *naive) {
			n.pruned = func(d *ticket.Delivery) { lines[lineOf(d)] = true }
			n.blocks = func(_ ticket.ClaimRequest, before, d *ticket.Delivery) bool {
				return !before.State.Settled() && !lines[lineOf(d)]
			}
		}, "PruneDeliveries")(f)
	}},
	{"lists pruned deliveries of a person", "PruneDeliveries/lists", listingGhosts(func(q ticket.DeliveryQuery) bool { return q.To.Key() != ticket.Recipient{}.Key() })},
	{"lists pruned deliveries of a ticket", "PruneDeliveries/lists", listingGhosts(func(q ticket.DeliveryQuery) bool { return !q.Ticket.IsZero() })},
	{"lists pruned deliveries by state", "PruneDeliveries/lists", listingGhosts(func(q ticket.DeliveryQuery) bool { return len(q.State) > 0 })},
	{"counts pruned deliveries as sent", "PruneDeliveries/contexts", misjudging(func(c *ticket.DeliveryContext, _ ticket.Delivery) { c.Sent++ })},
	{"counts pruned deliveries as sent here", "PruneDeliveries/contexts", misjudging(func(c *ticket.DeliveryContext, _ ticket.Delivery) { c.SentHere++ })},
	{"has a pruned delivery as the previous one", "PruneDeliveries/contexts", misjudging(func(c *ticket.DeliveryContext, gone ticket.Delivery) { c.Previous = gone.ID })},
	{"forgets bounces when it prunes", "PruneDeliveries/contexts", misjudging(func(c *ticket.DeliveryContext, _ ticket.Delivery) { c.Bounced = ticket.ID{} })},
	{"prunes deliveries in spite of the context", "PruneDeliveries/cancelled", pruningOther(func(ctx context.Context, before time.Time, limit int) (context.Context, time.Time, int) {
		return context.WithoutCancel(ctx), before, limit
	})},
}
