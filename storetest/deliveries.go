package storetest

import (
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysDeliveries    = "Deliveries returns the deliveries that match q, in any state, newest first (by descending ID), starting after q.After, at most q.PageSize of them."
	saysDeliveryMatch = "DeliveryQuery.Match defines the matches."
	saysDeliveryNext  = "DeliveryPage.Next must be zero exactly when no delivery follows."
	saysDeliveryAsk   = "Check returns an [*InvalidError] if the query is not valid. Stores call it first."
)

var deliveriesRules = []rule{
	{name: "Deliveries/match", says: saysDeliveryMatch, upon: []string{"Claim/", "Line/", "Settle/"}, prove: deliveriesMatch},
	{name: "Deliveries/order", says: saysDeliveries, prove: deliveriesOrder},
	{name: "Deliveries/limit", says: saysDeliveries, prove: deliveriesLimit},
	{name: "Deliveries/after", says: saysDeliveries, upon: []string{"Deliveries/order"}, prove: deliveriesAfter},
	{name: "Deliveries/pages", says: saysDeliveryNext, upon: []string{"Deliveries/match", "Deliveries/order", "Deliveries/after"}, prove: deliveriesPages},
	{name: "Deliveries/tenants", says: saysTenant, upon: []string{"Deliveries/match"}, prove: deliveriesTenants},
	{name: "Deliveries/invalid", says: saysDeliveryAsk, prove: deliveriesInvalid},
}

// tos are recipients for queries. Some are near misses of each other.
func tos() []ticket.Recipient {
	return []ticket.Recipient{
		{Role: ticket.RoleRequester, Person: ada},
		{Role: ticket.RoleFollower, Person: ticket.Person{Name: "Zoë", Email: "Zoe@example.org"}},
		{Role: ticket.RoleFollower, Person: ticket.Person{Email: "zoé@example.org"}},
		{Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin"}},
		{Role: ticket.RoleAgent, Queue: "hardware", Level: 2},
		{Role: ticket.RoleSystem},
	}
}

// fate fills the outbox with deliveries in every state, settled one second apart from
// clock on, and returns them as they must be stored.
func (k *kit) fate() []ticket.Delivery {
	k.Helper()
	notifiers := []string{"mail", "Mail", "sms"}
	var all []ticket.Delivery
	for range 4 {
		c := k.opened(acme)
		var list []ticket.Delivery
		for i, to := range tos() {
			d := k.delivery(c.Ticket)
			d.To, d.Notifier, d.Kind = to, notifiers[(len(all)+i)%len(notifiers)], ticket.Kinds(ticket.RoleCustomer)[(len(all)+i)%4]
			list = append(list, d)
		}
		k.enter(c, list)
		all = append(all, list...)
	}
	claimed := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: len(all), Notifiers: notifiers})
	k.same(len(claimed), len(all), "deliveries claimed")
	for i := range claimed {
		d := &claimed[i]
		switch n := i % (len(outcomes) + 1); n {
		case len(outcomes): // left claimed
		default:
			s := settlement(*d, outcomes[n])
			s.At, s.Due, s.Error = clock.Add(time.Duration(i)*time.Second), soon, "said by the server"
			s.Address = []string{"", "moved@example.org", "ada@example.org", ""}[i/(len(outcomes)+1)%4]
			k.settle(s)
			d.State, d.LastError, d.Address, d.Until = s.State, s.Error, s.Address, time.Time{}
			if d.State == ticket.DeliveryPending {
				d.Due = s.Due
			} else {
				d.Settled = s.At
			}
		}
	}
	return claimed
}

// newestFirst returns the deliveries that match, in order.
func newestFirst(q ticket.DeliveryQuery, all []ticket.Delivery) []ticket.Delivery {
	var list []ticket.Delivery
	for i := range all {
		if q.Match(&all[i]) {
			list = append(list, all[i])
		}
	}
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return b.ID.Compare(a.ID) })
	return list
}

// deliveriesMatch queries with each condition. Deliveries/order checks the order of the
// results.
func deliveriesMatch(k *kit) {
	all := k.fate()
	person := func(p ticket.Person) ticket.Recipient { return ticket.Recipient{Role: ticket.RoleRequester, Person: p} }
	queries := []ticket.DeliveryQuery{
		{},
		{IDs: []ticket.ID{all[3].ID}},
		{IDs: []ticket.ID{all[3].ID, all[0].ID, k.id(), all[3].ID}},
		{Ticket: all[0].Ticket},
		{Ticket: k.id()},
		{State: []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed}},
		{State: []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliverySent}},
		{Kind: []ticket.Kind{ticket.KindReceived, ticket.KindAnswered}},
		{Kind: []ticket.Kind{"Received"}},
		{Notifiers: []string{"mail"}}, {Notifiers: []string{"Mail", "sms"}}, {Notifiers: []string{"MAIL", ""}},
		{To: person(ticket.Person{Email: "ADA@example.org"})},
		{To: person(ticket.Person{Email: "zoe@example.org", ID: "lin"})},
		{To: person(ticket.Person{Email: "MOVED@example.org"})},
		{To: person(ticket.Person{Email: "moved@example.org"}), State: []ticket.DeliveryState{ticket.DeliveryBounced}},
		{To: person(ticket.Person{Email: "ZOÉ@example.org"})},
		{To: person(ticket.Person{ID: "Lin"})},
		{To: ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 1}},
		{SettledFrom: all[8].Settled},
		{SettledBefore: all[14].Settled},
		{SettledFrom: all[8].Settled.Add(time.Microsecond), SettledBefore: all[14].Settled.Add(time.Microsecond)},
		{SettledFrom: clock.Add(year)},
		{Ticket: all[1].Ticket, State: []ticket.DeliveryState{ticket.DeliveryDead}},
		{State: []ticket.DeliveryState{ticket.DeliverySent}, Notifiers: []string{"mail"}, SettledFrom: all[2].Settled, To: all[12].To},
		{IDs: deliveryIDs(all), Kind: []ticket.Kind{all[5].Kind}, Ticket: all[5].Ticket},
	}
	for _, s := range []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed, ticket.DeliverySent, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed} {
		queries = append(queries, ticket.DeliveryQuery{State: []ticket.DeliveryState{s}})
	}
	for _, to := range tos() {
		queries = append(queries, ticket.DeliveryQuery{To: to})
	}
	for _, q := range queries {
		q.Tenant, q.Limit = acme, 2*len(all)
		got := k.deliveries(q).Deliveries
		slices.SortFunc(got, func(a, b ticket.Delivery) int { return b.ID.Compare(a.ID) })
		k.same(got, newestFirst(q, all), "deliveries that match %+v", q)
	}
}

func deliveriesOrder(k *kit) {
	all := k.outbox(slices.Repeat([]time.Time{past}, 20)...)
	q := ticket.DeliveryQuery{Tenant: acme}
	want := deliveryIDs(newestFirst(q, all))
	k.same(deliveryIDs(k.deliveries(q).Deliveries), want, "deliveries")
	for what, q := range map[string]ticket.DeliveryQuery{
		"of a ticket":      {Tenant: acme, Ticket: all[0].Ticket},
		"with IDs":         {Tenant: acme, IDs: deliveryIDs(all)},
		"in a state":       {Tenant: acme, State: []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryPending}},
		"by two notifiers": {Tenant: acme, Notifiers: []string{"mail", "sms"}},
	} {
		k.same(deliveryIDs(k.deliveries(q).Deliveries), want, "deliveries %s", what)
	}
}

func deliveriesLimit(k *kit) {
	n := ticket.DeliveryQuery{}.PageSize() + 10
	k.outbox(slices.Repeat([]time.Time{past}, n)...)
	for limit, want := range map[int]int{0: ticket.Query{}.PageSize(), 1: 1, 7: 7, n - 1: n - 1, n: n, n + 1: n, ticket.MaxLimit: n} {
		got := k.deliveries(ticket.DeliveryQuery{Tenant: acme, Limit: limit}).Deliveries
		k.same(len(got), want, "deliveries with limit %d, of %d", limit, n)
	}
}

// deliveriesAfter continues after each delivery, and after an ID that does not exist.
func deliveriesAfter(k *kit) {
	all := newestFirst(ticket.DeliveryQuery{Tenant: acme}, k.outbox(slices.Repeat([]time.Time{past}, 12)...))
	for i := range all {
		q := ticket.DeliveryQuery{Tenant: acme, After: all[i].ID}
		k.same(deliveryIDs(k.deliveries(q).Deliveries), deliveryIDs(all[i+1:]), "deliveries after the %d. of %d", i+1, len(all))
	}
	for range 5 {
		q := ticket.DeliveryQuery{Tenant: acme, After: k.id()}
		k.same(deliveryIDs(k.deliveries(q).Deliveries), deliveryIDs(newestFirst(q, all)), "deliveries after an ID that does not exist")
	}
}

// deliveriesPages walks from page to page.
func deliveriesPages(k *kit) {
	all := k.outbox(slices.Repeat([]time.Time{past}, 12)...)
	k.outbox(slices.Repeat([]time.Time{past}, 12)...)
	for what, q := range map[string]ticket.DeliveryQuery{
		"all":         {},
		"of a ticket": {Ticket: all[0].Ticket},
		"with IDs":    {IDs: deliveryIDs(all)},
		"in a state":  {State: []ticket.DeliveryState{ticket.DeliveryPending}},
		"to one":      {To: all[3].To},
		"dead ones":   {State: []ticket.DeliveryState{ticket.DeliveryDead}},
	} {
		q.Tenant, q.Limit = acme, ticket.MaxLimit
		want := deliveryIDs(k.deliveries(q).Deliveries)
		for _, q.Limit = range []int{1, 2, 4, 7, 12, 24, 100} {
			q.After = ticket.ID{}
			var got []ticket.ID
			for len(got) <= len(want) {
				page := k.deliveries(q)
				got = append(got, deliveryIDs(page.Deliveries)...)
				if page.Next.IsZero() {
					break
				}
				if len(page.Deliveries) == 0 || len(got) >= len(want) {
					k.fail("%s, pages of %d: a page has a Next, but nothing follows after %d deliveries", what, q.Limit, len(got))
				}
				q.After = page.Next
			}
			k.same(got, want, "%s, pages of %d: all pages", what, q.Limit)
		}
	}
}

// deliveriesTenants queries under each tenant for the deliveries of all others.
func deliveriesTenants(k *kit) {
	var theirs []ticket.Delivery
	for _, tenant := range tenants {
		c := k.opened(tenant)
		d := k.delivery(c.Ticket)
		k.enter(c, []ticket.Delivery{d})
		theirs = append(theirs, d)
	}
	for i, tenant := range tenants {
		for what, q := range map[string]ticket.DeliveryQuery{
			"all of them": {}, "by their IDs": {IDs: deliveryIDs(theirs)}, "by the recipient": {To: theirs[0].To},
			"by the state": {State: []ticket.DeliveryState{ticket.DeliveryPending}}, "by the notifier": {Notifiers: []string{"mail"}},
		} {
			q.Tenant = tenant
			k.same(deliveryIDs(k.deliveries(q).Deliveries), []ticket.ID{theirs[i].ID}, "deliveries of tenant %q, asked for %s", tenant, what)
		}
		for j, d := range theirs {
			if i != j {
				k.same(len(k.deliveries(ticket.DeliveryQuery{Tenant: tenant, Ticket: d.Ticket}).Deliveries), 0,
					"deliveries under tenant %q of a ticket of %q", tenant, d.Tenant)
			}
		}
	}
}

func deliveriesInvalid(k *kit) {
	for what, q := range map[string]ticket.DeliveryQuery{
		"a negative limit": {Limit: -1},
		"too high a limit": {Limit: ticket.MaxLimit + 1},
		"an unknown state": {State: []ticket.DeliveryState{"lost"}},
		"too many IDs":     {IDs: make([]ticket.ID, 1001)},
	} {
		q.Tenant = acme
		_, err := k.store.Deliveries(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "Deliveries with %s", what)
	}
}
