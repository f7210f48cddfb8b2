package storetest

import (
	"errors"

	"github.com/ticketkit/ticket"
)

const (
	saysConflict  = "It must return ErrConflict if the stored version of a ticket is not its Change.Expect. A ticket that does not exist, or belongs to another tenant, has no version."
	saysDuplicate = "It must return ErrDuplicate if, in this order of preference, the receipt's key is used in its tenant, a new ticket's ID or number is used in any tenant, or a delivery's ID is used."
	saysKeyFirst  = "If the receipt's key is used, that error must win over all others, a conflict included, so that the desk recognises a repeat."
	saysInvalid   = "It must return ErrInvalid if c does not pass Commit.Check."
	saysVisible   = "After it has returned nil, every read must see all of c. No reader ever sees a part of one ticket's change: its row, events and deliveries appear together."
	saysWithData  = "Errors wrap the categories of this package, with data, so that errors.Is finds them"
	saysAllOrNone = "Commit writes everything in c, or nothing."
)

var commitRules = []rule{
	{name: "Commit/all", says: saysVisible, prove: commitAll},
	{name: "Commit/nothing", says: saysAllOrNone, prove: commitNothing},
	{name: "Commit/version", says: saysConflict, prove: commitVersion},
	{name: "Commit/errors carry data", says: saysWithData, prove: commitData},
	{name: "Commit/ID taken", says: saysDuplicate, prove: commitID},
	{name: "Commit/number taken", says: saysDuplicate, prove: commitNumber},
	{name: "Commit/key taken", says: saysDuplicate, prove: commitKey},
	{name: "Commit/key per tenant", says: saysDuplicate, prove: commitKeyPerTenant},
	{name: "Commit/delivery taken", says: saysDuplicate, prove: commitDelivery},
	{name: "Commit/order of preference", says: saysDuplicate, prove: commitPreference},
	{name: "Commit/key before conflict", says: saysKeyFirst, prove: commitKeyFirst},
	{name: "Commit/invalid", says: saysInvalid, prove: commitInvalid},
}

// commitAll writes two full tickets in one commit and reads them with every method.
func commitAll(k *kit) {
	first := k.opened(acme)
	k.commit(first)

	old := next(first.Ticket, note("one"), note("two"), timer(clock))
	fresh := k.opened(acme, func(*ticket.Event) {}, note("more"))
	d1, d2 := k.delivery(old.Ticket), k.delivery(fresh.Ticket)
	receipt := receiptFor(fresh.Ticket, "key")
	k.put(ticket.Commit{
		Changes:    []ticket.Change{old, fresh},
		Deliveries: []ticket.Delivery{d1, d2},
		Receipt:    receipt,
	})

	k.stands(old.Ticket, append(first.Events, old.Events...))
	k.stands(fresh.Ticket, fresh.Events)
	byNumber, err := k.store.Lookup(k.Context(), acme, fresh.Ticket.Number)
	k.ok(err, "Lookup")
	k.same(byNumber, fresh.Ticket, "ticket by its number")
	k.same(k.receipt(acme, "key"), *receipt, "receipt")
	k.same(len(k.list(ticket.Query{Tenant: acme}).Tickets), 2, "tickets listed")
	if due, ok := k.dueAside(soon); ok {
		k.same(due, []ticket.Ref{{Tenant: acme, Ticket: old.Ticket.ID}}, "due")
	}
	k.same(len(k.claim(clock)), 2, "deliveries claimed")
}

// commitNothing makes commits that are valid except for one part.
func commitNothing(k *kit) {
	stale, taken := k.opened(acme), k.opened(acme)
	d := k.delivery(taken.Ticket)
	k.put(ticket.Commit{
		Changes:    []ticket.Change{stale, taken},
		Deliveries: []ticket.Delivery{d},
		Receipt:    receiptFor(taken.Ticket, "taken"),
	})
	k.commit(next(stale.Ticket, note("meanwhile")))
	k.claim(clock)

	for _, bad := range []struct {
		what string
		do   func(c *ticket.Commit)
	}{
		{"a conflict", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, next(stale.Ticket, note("too late")))
		}},
		{"a taken ID", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, opening(taken.Ticket.ID, k.number(), acme))
		}},
		{"a taken number", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, opening(k.id(), taken.Ticket.Number, acme))
		}},
		{"a taken delivery", func(c *ticket.Commit) {
			again := k.delivery(c.Changes[0].Ticket)
			again.ID = d.ID
			c.Deliveries = append(c.Deliveries, again)
		}},
		{"a taken key", func(c *ticket.Commit) { c.Receipt.Key = "taken" }},
	} {
		first := k.opened(acme)
		k.commit(first)
		listed := idsOf(k.list(ticket.Query{Tenant: acme}).Tickets)
		due, _ := k.dueAside(soon)

		old, fresh := next(first.Ticket, timer(clock)), k.opened(acme)
		good := ticket.Commit{
			Changes:    []ticket.Change{old, fresh},
			Deliveries: []ticket.Delivery{k.delivery(old.Ticket), k.delivery(fresh.Ticket)},
			Receipt:    receiptFor(fresh.Ticket, "key for "+bad.what),
		}
		c := good
		c.Receipt = new(*good.Receipt)
		bad.do(&c)
		if err := k.store.Commit(k.Context(), c); err == nil {
			k.fail("a commit with %s: got no error", bad.what)
		}

		k.stands(first.Ticket, first.Events)
		k.unknown(fresh.Ticket)
		_, err := k.store.Receipt(k.Context(), acme, good.Receipt.Key)
		k.refused(err, ticket.ErrNotFound, "Receipt after a commit with %s", bad.what)
		k.same(idsOf(k.list(ticket.Query{Tenant: acme}).Tickets), listed, "tickets listed after a commit with %s", bad.what)
		afterwards, _ := k.dueAside(soon)
		k.same(afterwards, due, "due after a commit with %s", bad.what)
		k.same(len(k.claim(clock)), 0, "deliveries claimed after a commit with %s", bad.what)

		k.ok(k.store.Commit(k.Context(), good), "Commit without %s, after one with it", bad.what)
		k.claim(clock)
	}
}

// commitVersion commits with versions that differ from the stored one.
func commitVersion(k *kit) {
	first := k.opened(acme)
	second := next(first.Ticket, note("second"))
	third := next(second.Ticket, note("third"))
	fourth := next(third.Ticket, note("fourth"))
	k.commit(first)
	k.refused(k.try(third), ticket.ErrConflict, "Commit on version 2 of a ticket at version 1")
	k.stands(first.Ticket, first.Events)

	k.commit(second)
	k.refused(k.try(next(first.Ticket, note("too late"))), ticket.ErrConflict, "Commit on version 1 of a ticket at version 2")
	k.stands(second.Ticket, append(first.Events, second.Events...))

	k.commit(third)
	k.commit(fourth)
	k.refused(k.try(next(first.Ticket, note("far too late"))), ticket.ErrConflict, "Commit on version 1 of a ticket at version 4")
	k.same(k.ticket(fourth.Ticket), fourth.Ticket, "ticket")

	unheard := k.opened(acme)
	k.refused(k.try(next(unheard.Ticket, note("of an unknown ticket"))), ticket.ErrConflict, "Commit on version 1 of a ticket that is not stored")
	k.unknown(unheard.Ticket)
}

func commitData(k *kit) {
	first := k.opened(acme)
	k.commit(first)
	k.commit(next(first.Ticket, note("meanwhile")))

	err := k.try(next(first.Ticket, note("too late")))
	var conflict *ticket.ConflictError
	if !errors.As(err, &conflict) || conflict.Ticket != first.Ticket.ID || conflict.Expected != 1 {
		k.fail("a conflict: got error %#v, want a ConflictError with the ticket and the version expected", err)
	}
	if conflict.Actual != 2 && conflict.Actual != -1 {
		k.fail("a conflict: got actual version %d, want 2, or -1 if the store cannot tell", conflict.Actual)
	}

	id, n := k.id(), k.number()
	_, ofTicket := k.store.Ticket(k.Context(), acme, id)
	_, ofLookup := k.store.Lookup(k.Context(), acme, n)
	_, ofEvents := k.store.Events(k.Context(), acme, id, 0, 0)
	_, ofReceipt := k.store.Receipt(k.Context(), acme, "unknown")
	for _, c := range []struct {
		call string
		err  error
		want ticket.NotFoundError
	}{
		{"Ticket", ofTicket, ticket.NotFoundError{What: "ticket", Ref: id.String()}},
		{"Lookup", ofLookup, ticket.NotFoundError{What: "ticket", Ref: string(n)}},
		{"Events", ofEvents, ticket.NotFoundError{What: "ticket", Ref: id.String()}},
		{"Receipt", ofReceipt, ticket.NotFoundError{What: "receipt", Ref: "unknown"}},
	} {
		var missing *ticket.NotFoundError
		if !errors.As(c.err, &missing) || *missing != c.want {
			k.fail("%s of an unknown ticket: got error %#v, want %#v", c.call, c.err, c.want)
		}
	}
}

func commitID(k *kit) {
	first := k.opened(acme)
	k.commit(first)
	for _, tenant := range []string{acme, "other", ""} {
		again := opening(first.Ticket.ID, k.number(), tenant)
		k.duplicate(k.try(again), "id", "Commit of a new ticket with a taken ID in tenant %q", tenant)
		_, err := k.store.Lookup(k.Context(), tenant, again.Ticket.Number)
		k.refused(err, ticket.ErrNotFound, "Lookup of it")
	}
	k.stands(first.Ticket, first.Events)
}

func commitNumber(k *kit) {
	first := k.opened(acme)
	k.commit(first)
	for _, tenant := range []string{acme, "other", ""} {
		again := opening(k.id(), first.Ticket.Number, tenant)
		k.duplicate(k.try(again), "number", "Commit of a new ticket with a taken number in tenant %q", tenant)
		_, err := k.store.Ticket(k.Context(), tenant, again.Ticket.ID)
		k.refused(err, ticket.ErrNotFound, "Ticket of it")
	}
	k.stands(first.Ticket, first.Events)

	n := k.number()
	k.duplicate(k.try(opening(k.id(), n, acme), opening(k.id(), n, acme)), "number",
		"Commit of two new tickets with the same number")
}

func commitKey(k *kit) {
	first := k.opened(acme)
	receipt := receiptFor(first.Ticket, "key")
	k.put(ticket.Commit{Changes: []ticket.Change{first}, Receipt: receipt})

	again := k.opened(acme)
	err := k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{again}, Receipt: receiptFor(again.Ticket, "key"),
	})
	k.duplicate(err, "key", "Commit with a taken key")
	k.unknown(again.Ticket)
	k.same(k.receipt(acme, "key"), *receipt, "receipt of the first use")

	// Each pair of keys differs in another byte.
	for _, other := range []string{"Key", "key ", " key", "kéy", "ke\u0301y", "kez"} {
		c := k.opened(acme)
		err := k.store.Commit(k.Context(), ticket.Commit{
			Changes: []ticket.Change{c}, Receipt: receiptFor(c.Ticket, other),
		})
		k.ok(err, "Commit with the key %q, with %q in the store", other, "key")
	}
}

func commitKeyPerTenant(k *kit) {
	var receipts []ticket.Receipt
	for _, tenant := range []string{acme, "other", ""} {
		c := k.opened(tenant)
		receipt := receiptFor(c.Ticket, "key")
		err := k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{c}, Receipt: receipt})
		k.ok(err, "Commit with a key that is taken in other tenants only, in tenant %q", tenant)
		receipts = append(receipts, *receipt)
	}
	for _, r := range receipts {
		k.same(k.receipt(r.Tenant, "key"), r, "receipt of tenant %q", r.Tenant)
	}
}

func commitDelivery(k *kit) {
	first := k.opened(acme)
	d := k.delivery(first.Ticket)
	k.put(ticket.Commit{Changes: []ticket.Change{first}, Deliveries: []ticket.Delivery{d}})

	again := func(tenant string) error {
		c := k.opened(tenant)
		second := k.delivery(c.Ticket)
		second.ID = d.ID
		return k.store.Commit(k.Context(), ticket.Commit{
			Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{second},
		})
	}
	k.duplicate(again(acme), "delivery", "Commit of a delivery whose ID a pending one has")
	k.duplicate(again("other"), "delivery", "Commit of a delivery whose ID one of another tenant has")
	k.same(deliveryIDs(k.claim(clock)), []ticket.ID{d.ID}, "deliveries")
	k.duplicate(again(acme), "delivery", "Commit of a delivery whose ID a claimed one has")
	d.Attempts = 1
	k.settle(settlement(d, ticket.DeliverySent))
	k.duplicate(again(acme), "delivery", "Commit of a delivery whose ID a sent one has")

	c := k.opened(acme)
	twice := k.delivery(c.Ticket)
	err := k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{twice, twice},
	})
	k.duplicate(err, "delivery", "Commit of two deliveries with the same ID")
}

// commitPreference commits with several duplicates at once.
func commitPreference(k *kit) {
	first := k.opened(acme)
	d := k.delivery(first.Ticket)
	k.put(ticket.Commit{
		Changes: []ticket.Change{first}, Deliveries: []ticket.Delivery{d}, Receipt: receiptFor(first.Ticket, "key"),
	})
	for _, c := range []struct {
		id, number, delivery, key bool
		want                      string
	}{
		{id: true, key: true, want: "key"},
		{number: true, key: true, want: "key"},
		{delivery: true, key: true, want: "key"},
		{id: true, delivery: true, want: "id"},
		{number: true, delivery: true, want: "number"},
	} {
		id, n, key := k.id(), k.number(), "new"
		if c.id {
			id = first.Ticket.ID
		}
		if c.number {
			n = first.Ticket.Number
		}
		if c.key {
			key = "key"
		}
		change := opening(id, n, acme)
		second := k.delivery(change.Ticket)
		if c.delivery {
			second.ID = d.ID
		}
		err := k.store.Commit(k.Context(), ticket.Commit{
			Changes: []ticket.Change{change}, Deliveries: []ticket.Delivery{second}, Receipt: receiptFor(change.Ticket, key),
		})
		k.duplicate(err, c.want, "Commit with taken: ID %t, number %t, delivery %t, key %t", c.id, c.number, c.delivery, c.key)
	}
}

// commitKeyFirst repeats a commit that succeeded, like a caller that did not get the
// answer.
func commitKeyFirst(k *kit) {
	first := k.opened(acme)
	k.commit(first)
	second := next(first.Ticket, note("once"))
	c := ticket.Commit{Changes: []ticket.Change{second}, Receipt: receiptFor(second.Ticket, "key")}
	k.put(c)
	k.duplicate(k.store.Commit(k.Context(), c), "key", "Commit for the second time")
}

// commitInvalid breaks each rule of Commit.Check.
func commitInvalid(k *kit) {
	first, other := k.opened(acme), k.opened(acme)
	k.commit(first)
	good := func() ticket.Commit {
		c := next(first.Ticket, note("two"), note("three"))
		return ticket.Commit{
			Changes:    []ticket.Change{c},
			Deliveries: []ticket.Delivery{k.delivery(c.Ticket)},
			Receipt:    receiptFor(c.Ticket, "key"),
		}
	}
	for _, bad := range []struct {
		what string
		do   func(c *ticket.Commit)
	}{
		{"nothing in it", func(c *ticket.Commit) { *c = ticket.Commit{} }},
		{"no change", func(c *ticket.Commit) { c.Changes = nil }},
		{"no events", func(c *ticket.Commit) { c.Changes[0] = ticket.Change{Expect: 1, Ticket: first.Ticket} }},
		{"a gap before its events", func(c *ticket.Commit) { c.Changes[0].Events = c.Changes[0].Events[1:] }},
		{"a gap between its events", func(c *ticket.Commit) {
			c.Changes[0].Events[1].Seq++
			c.Changes[0].Ticket.Version++
		}},
		{"a version after its events", func(c *ticket.Commit) { c.Changes[0].Ticket.Version++ }},
		{"a negative version", func(c *ticket.Commit) { c.Changes[0].Expect = -1 }},
		{"a ticket that is not the fold of its last event", func(c *ticket.Commit) { c.Changes[0].Ticket.Status = ticket.StatusClosed }},
		{"a new ticket that is not the fold of its events", func(c *ticket.Commit) {
			fresh := k.opened(acme)
			fresh.Ticket.Subject = "not in any event"
			c.Changes = append(c.Changes, fresh)
		}},
		{"an event of another ticket", func(c *ticket.Commit) { c.Changes[0].Events[0].Ticket = other.Ticket.ID }},
		{"a ticket without an ID", func(c *ticket.Commit) { c.Changes = append(c.Changes, opening(ticket.ID{}, k.number(), acme)) }},
		{"a clock of an unknown metric", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, k.opened(acme, clocks(ticket.Clock{Metric: "patience"})))
		}},
		{"a clock without a metric", func(c *ticket.Commit) { c.Changes = append(c.Changes, k.opened(acme, clocks(ticket.Clock{}))) }},
		{"two clocks of a metric", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, k.opened(acme, clocks(dueClock("update", soon), dueClock("update", soon))))
		}},
		{"clocks in another order", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, k.opened(acme, clocks(dueClock("solution", soon), dueClock("update", soon))))
		}},
		{"a ticket whose clocks are not those of its events", func(c *ticket.Commit) {
			fresh := k.opened(acme, due(soon))
			fresh.Ticket.Clocks = nil
			c.Changes = append(c.Changes, fresh)
		}},
		{"an event with an unknown stage", func(c *ticket.Commit) {
			c.Changes = append(c.Changes, k.opened(acme, stage("gone"), stage(ticket.StageArchived)))
		}},
		{"a ticket at an unknown stage", func(c *ticket.Commit) {
			first := first.Ticket
			first.Stage = "Archived"
			c.Changes[0] = next(first, quietly(ticket.ActionArchive))
			c.Deliveries, c.Receipt = nil, nil
		}},
		{"a ticket that was archived in no event", func(c *ticket.Commit) {
			fresh := k.opened(acme)
			fresh.Ticket.Stage = ticket.StageArchived
			c.Changes = append(c.Changes, fresh)
		}},
		{"a ticket that was erased in no event", func(c *ticket.Commit) {
			fresh := k.opened(acme)
			fresh.Ticket.Erased = soon
			c.Changes = append(c.Changes, fresh)
		}},
		{"a ticket with a hold that is in no event", func(c *ticket.Commit) {
			fresh := k.opened(acme)
			fresh.Ticket.LegalHold = true
			c.Changes = append(c.Changes, fresh)
		}},
		{"a ticket that is snoozed in no event", func(c *ticket.Commit) {
			fresh := k.opened(acme)
			fresh.Ticket.Snoozed = soon
			c.Changes = append(c.Changes, fresh)
		}},
		{"the same ticket twice", func(c *ticket.Commit) { c.Changes = append(c.Changes, c.Changes[0]) }},
		{"tickets of two tenants", func(c *ticket.Commit) { c.Changes = append(c.Changes, k.opened("other")) }},
		{"a delivery without an ID", func(c *ticket.Commit) { c.Deliveries[0].ID = ticket.ID{} }},
		{"a delivery that is claimed", func(c *ticket.Commit) { c.Deliveries[0].State = ticket.DeliveryClaimed }},
		{"a delivery of another ticket", func(c *ticket.Commit) { c.Deliveries[0].Ticket = other.Ticket.ID }},
		{"a delivery of another tenant", func(c *ticket.Commit) { c.Deliveries[0].Tenant = "other" }},
		{"a receipt without a key", func(c *ticket.Commit) { c.Receipt.Key = "" }},
		{"a receipt of another ticket", func(c *ticket.Commit) { c.Receipt.Ticket = other.Ticket.ID }},
		{"a receipt of another tenant", func(c *ticket.Commit) { c.Receipt.Tenant = "other" }},
	} {
		c := good()
		bad.do(&c)
		k.refused(k.store.Commit(k.Context(), c), ticket.ErrInvalid, "Commit with %s", bad.what)
		k.stands(first.Ticket, first.Events)
		k.same(len(k.claim(clock)), 0, "deliveries claimed after a commit with %s", bad.what)
	}
	k.put(good())
}
