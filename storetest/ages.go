package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const saysCompared = "A store must compare times as times and numbers as numbers, not as text: ten comes after nine, and 2001 after 1999."

// Microseconds since 1970 are negative, have more digits from 2001 on, and from
// 2255 on more than a float64 can hold.
var ageRules = []rule{
	{name: "Ages/list", says: saysCompared, upon: []string{"List/"}, prove: agesList},
	{name: "Ages/due", says: saysCompared, upon: []string{"Due/"}, prove: agesDue},
	{name: "Ages/claim", says: saysCompared, upon: []string{"Claim/", "Settle/", "Values/no clock"}, prove: agesClaim},
	{name: "Ages/deliveries", says: saysCompared, upon: []string{"Claim/", "Settle/", "Deliveries/"}, prove: agesDeliveries},
}

// ages are times in ascending order.
var ages = []time.Time{
	time.Date(33, 4, 3, 15, 0, 0, 0, time.UTC), time.Date(1905, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(1969, 12, 31, 23, 59, 50, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2001, 9, 9, 0, 0, 0, 0, time.UTC), time.Date(2001, 9, 10, 0, 0, 0, 0, time.UTC), clock,
	time.Date(2400, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(2400, 1, 1, 0, 0, 0, 2000, time.UTC),
	time.Date(9999, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 2000, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 3000, time.UTC),
}

// aged stores tickets of all ages, with IDs in the opposite order.
func (k *kit) aged() []ticket.Ticket {
	k.Helper()
	ids := make([]ticket.ID, len(ages))
	for i := range ids {
		ids[i] = k.id()
	}
	slices.SortFunc(ids, func(a, b ticket.ID) int { return b.Compare(a) })
	var changes []ticket.Change
	var tickets []ticket.Ticket
	for i, age := range ages {
		c := opening(ids[i], k.number(), acme, func(e *ticket.Event) {
			due(age)(e)
			e.At, e.Set.Timer = age, &ticket.Timer{At: age, Action: ticket.ActionResume}
		})
		changes, tickets = append(changes, c), append(tickets, c.Ticket)
	}
	k.commit(changes...)
	return tickets
}

func agesList(k *kit) {
	tickets := k.aged()
	for _, order := range allOrders {
		q := ticket.Query{Tenant: acme, Order: order, Limit: 2}
		k.same(k.walked(q, func(ticket.Page) {}), answer(tickets, q), "a walk in the order %q over tickets of all ages", order)
	}
	for i, age := range ages {
		for what, q := range map[string]ticket.Query{
			"created": {CreatedFrom: age}, "touched": {TouchedFrom: age}, "not created": {CreatedBefore: age}, "not due": {DueBefore: age},
		} {
			q.Tenant = acme
			k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets %s from %v on, the %d. age", what, age, i+1)
		}
	}
}

func agesDue(k *kit) {
	var want []ticket.Ref
	for _, t := range k.aged() {
		want = append(want, ticket.Ref{Tenant: acme, Ticket: t.ID})
	}
	for i, age := range ages {
		k.same(k.due(age, 100), want[:i+1], "due at %v", age)
		k.same(k.due(age.Add(-time.Microsecond), 100), want[:i], "due a microsecond before %v", age)
	}
}

func agesClaim(k *kit) {
	list := k.outbox(ages...)
	for i, age := range ages {
		k.claims(age.Add(-time.Microsecond), nil, "a microsecond before %v", age)
		k.settle(settlement(k.claims(age, list[i:i+1], "at %v", age)[0], ticket.DeliverySent))
	}

	list = k.outbox(ages...)
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	r := ticket.ClaimRequest{Now: lastYear.Add(-lease), Lease: lease, Limit: len(ages), Notifiers: []string{"mail"}}
	k.same(deliveryIDs(k.claimWith(r)), deliveryIDs(list), "deliveries of all ages, claimed at once")
}

func agesDeliveries(k *kit) {
	list := k.outbox(slices.Repeat([]time.Time{past}, len(ages))...)
	all := k.claim(clock)
	k.same(len(all), len(list), "deliveries claimed")
	for i := range all {
		s := settlement(all[i], ticket.DeliverySent)
		s.At = ages[i]
		k.settle(s)
		all[i] = k.stored(all[i])
	}
	for _, age := range ages {
		for _, q := range []ticket.DeliveryQuery{{SettledFrom: age}, {SettledBefore: age}} {
			q.Tenant = acme
			k.same(deliveryIDs(k.deliveries(q).Deliveries), deliveryIDs(newestFirst(q, all)), "deliveries that match %+v", q)
		}
	}
}
