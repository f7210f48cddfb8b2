package storetest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const saysMany = "A method must return as many as there are, up to its limit, however high that is; a store that has to ask in portions asks again."

var manyRules = []rule{
	{name: "Many/events", says: saysMany, upon: []string{"Events/"}, prove: manyEvents},
	{name: "Many/due", says: saysMany, upon: []string{"Due/"}, prove: manyDue},
	{name: "Many/claimed", says: saysMany, upon: []string{"Claim/", "Line/"}, prove: manyClaimed},
}

// many is more than what databases and drivers are known to give at a time.
const many = 1200

// noLimit does not overflow when one is added to it, in the hands of a careful store.
const noLimit = math.MaxInt

func manyEvents(k *kit) {
	hundred := slices.Repeat([]edit{func(*ticket.Event) {}}, 100)
	c := k.opened(acme, hundred...)
	for k.commit(c); c.Ticket.Version < many; k.commit(c) {
		c = next(c.Ticket, hundred...)
	}
	for _, q := range []struct{ after, limit, want int }{
		{0, 0, many}, {0, many - 1, many - 1}, {0, many + 1, many}, {0, noLimit, many}, {5, noLimit, many - 5}, {many - 1, noLimit, 1},
	} {
		events, err := k.store.Events(k.Context(), acme, c.Ticket.ID, int64(q.after), q.limit)
		k.ok(err, "Events")
		k.same(len(events), q.want, "events after %d with limit %d, of %d", q.after, q.limit, many)
	}
}

// manyDue has timers of several tenants that all run out at the same time.
func manyDue(k *kit) {
	var want []ticket.Ref
	for batch := range 12 {
		var changes []ticket.Change
		for range many / 12 {
			changes = append(changes, k.opened(fmt.Sprintf("tenant %d", (7*batch)%12), timer(clock)))
			want = append(want, refTo(changes[len(changes)-1]))
		}
		k.commit(changes...)
	}
	slices.SortFunc(want, func(a, b ticket.Ref) int { return a.Ticket.Compare(b.Ticket) })
	for _, limit := range []int{many, many - 1, noLimit} {
		k.same(k.due(clock, limit), want[:min(limit, many)], "due with limit %d, of %d of twelve tenants", limit, many)
	}
}

func manyClaimed(k *kit) {
	var list []ticket.Delivery
	for range 12 {
		list = append(list, k.outbox(slices.Repeat([]time.Time{past}, many/12)...)...)
	}
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return a.ID.Compare(b.ID) })
	r := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: many - 100, Notifiers: []string{"mail"}}
	k.same(deliveryIDs(k.claimWith(r)), deliveryIDs(list[:many-100]), "deliveries claimed with limit %d, of %d", r.Limit, many)
	r.Limit = noLimit
	k.same(deliveryIDs(k.claimWith(r)), deliveryIDs(list[many-100:]), "deliveries claimed of those that were left, with limit %d", r.Limit)
}
