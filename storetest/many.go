package storetest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysMany  = "A method must return all results up to its limit, however high the limit is. A store that reads in batches continues with the next batch."
	saysWhole = "A method must handle everything that the Check of its argument allows. A store that writes in batches writes all of them."
)

var manyRules = []rule{
	{name: "Many/events", says: saysMany, upon: []string{"Events/"}, prove: manyEvents},
	{name: "Many/due", says: saysMany, upon: []string{"Due/"}, prove: manyDue},
	{name: "Many/claimed", says: saysMany, upon: []string{"Claim/", "Line/"}, prove: manyClaimed},
	{name: "Many/listed", says: saysMany, upon: []string{"List/", "Commit/", "Values/", "Tenants/", "Concurrency/"}, prove: manyListed},
	{name: "Many/deliveries", says: saysMany, upon: []string{"Deliveries/", "Commit/", "Values/", "Tenants/", "Concurrency/"}, prove: manyDeliveries},
	{name: "Many/settled", says: saysWhole, upon: manyUpon, prove: manySettled},
	{name: "Many/updated", says: saysWhole, upon: manyUpon, prove: manyUpdated},
}

// manyUpon names the cases that the cases about many claims, settlements and updates
// build upon.
var manyUpon = []string{"Many/", "Claim/", "Line/", "Settle/", "Deliveries/", "UpdateDeliveries/", "Commit/", "Values/", "Tenants/", "Concurrency/"}

// many is more than databases and drivers return or accept at a time.
const many = 1200

// noLimit is large, but a store that adds one to it gets no overflow.
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

// manyDue uses timers of several tenants that expire at the same time.
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
	k.same(deliveryIDs(k.claimWith(r)), deliveryIDs(list[many-100:]), "deliveries claimed of the rest, with limit %d", r.Limit)
}

// manyListed reads the longest page, and the rest after it.
func manyListed(k *kit) {
	const left = many - ticket.MaxLimit
	for range 12 {
		var changes []ticket.Change
		for range many / 12 {
			changes = append(changes, k.opened(acme, due(clock)))
		}
		k.commit(changes...)
	}
	for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderMostRecent} {
		q := ticket.Query{Tenant: acme, Order: order, Limit: ticket.MaxLimit}
		first := k.list(q)
		k.same(len(first.Tickets), ticket.MaxLimit, "tickets in the order %q with limit %d, of %d", order, q.Limit, many)
		q.After = first.Next
		k.same(len(k.list(q).Tickets), left, "tickets in the order %q after the first %d, of %d", order, ticket.MaxLimit, many)
	}
}

// crowd commits deliveries that are due, each to another person, in one call.
func (k *kit) crowd(n int) []ticket.Delivery {
	k.Helper()
	return k.outbox(slices.Repeat([]time.Time{past}, n)...)
}

// manyDeliveries commits many deliveries in one call and reads all of them.
func manyDeliveries(k *kit) {
	all := newestFirst(ticket.DeliveryQuery{Tenant: acme}, k.crowd(many))
	for what, q := range map[string]ticket.DeliveryQuery{
		"of a tenant": {}, "of a ticket": {Ticket: all[0].Ticket}, "that are pending": {State: []ticket.DeliveryState{ticket.DeliveryPending}},
	} {
		q.Tenant, q.Limit = acme, ticket.MaxLimit
		first := k.deliveries(q)
		k.same(deliveryIDs(first.Deliveries), deliveryIDs(all[:q.Limit]), "deliveries %s with limit %d, of %d", what, q.Limit, many)
		q.After = first.Next
		k.same(deliveryIDs(k.deliveries(q).Deliveries), deliveryIDs(all[q.Limit:]), "deliveries %s after the first %d, of %d", what, q.Limit, many)
	}
}

// heldAll claims everything that is due and returns settlements for it.
func (k *kit) heldAll(n int, o ticket.DeliveryState) []ticket.Settlement {
	k.Helper()
	claimed := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: n, Notifiers: []string{"mail"}})
	k.same(len(claimed), n, "deliveries claimed with limit %d", n)
	all := make([]ticket.Settlement, n)
	for i := range claimed {
		all[i] = settlement(claimed[i], o)
	}
	return all
}

// states expects this number of deliveries in a state.
func (k *kit) states(s ticket.DeliveryState, want int, when string, args ...any) {
	k.Helper()
	q := ticket.DeliveryQuery{Tenant: acme, State: []ticket.DeliveryState{s}, Limit: ticket.MaxLimit}
	k.same(len(k.deliveries(q).Deliveries), min(want, q.Limit), "deliveries that are %s after %s", s, fmt.Sprintf(when, args...))
}

// manySettled settles many deliveries in one call. One of them is not claimed.
func manySettled(k *kit) {
	k.crowd(many)
	all := k.heldAll(many, ticket.DeliverySent)
	all[many/2].Attempts++
	err := k.store.Settle(k.Context(), all)
	k.refused(err, ticket.ErrClaimLost, "Settle of %d, one of which is claimed with other attempts", many)
	k.states(ticket.DeliveryClaimed, 1, "%d were settled in one call, all but one", many)
	k.states(ticket.DeliverySent, many-1, "%d were settled in one call, all but one", many)
}

// manyUpdated updates as many deliveries as one call accepts.
func manyUpdated(k *kit) {
	const most = 1000 // the limit in ticket.DeliveryUpdate
	list := k.crowd(most)
	k.settle(k.heldAll(most, ticket.DeliveryDead)...)
	k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, list...)), most, "deliveries updated in one call, of %d", most)
	k.states(ticket.DeliveryPending, most, "%d were updated in one call", most)
	k.states(ticket.DeliveryDead, 0, "%d were updated in one call", most)
}
