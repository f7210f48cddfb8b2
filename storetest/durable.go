package storetest

import (
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

var durableRules = []rule{
	{name: "Reopen/tickets", says: saysVisible, durable: true, prove: reopenTickets},
	{name: "Reopen/outbox", says: saysVisible, durable: true, upon: []string{"Settle/", "Line/blocked", "UpdateDeliveries/"}, prove: reopenOutbox},
	{name: "Reopen/unique", says: saysDuplicate, durable: true, prove: reopenUnique},
	{name: "Reopen/closed", says: saysVisible, durable: true, lacks: noArchiver, upon: append([]string{"Closed/", "Reopen/tickets"}, closedUpon...), prove: reopenClosed},
	{name: "Reopen/pruned", says: saysVisible, durable: true, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/", "Reopen/outbox"}, pruneUpon...), prove: reopenPruned},
}

func reopenTickets(k *kit) {
	commit := k.filled(plainly(), acme)
	c := commit.Changes[0]
	k.put(commit)
	changed := next(c.Ticket, note("more"), timer(clock))
	k.commit(changed)
	want := k.read(c.Ticket, commit.Receipt.Key).clone()
	k.reopen()
	k.same(k.read(c.Ticket, commit.Receipt.Key), want, "read after the store was opened again")
	k.commit(next(changed.Ticket, note("and more")))
	k.refused(k.try(next(changed.Ticket, note("too late"))), ticket.ErrConflict, "Commit on an old version")
}

// reopenOutbox leaves a delivery in each state, and two in one line.
func reopenOutbox(k *kit) {
	list := k.outbox(slices.Repeat([]time.Time{past}, len(outcomes)+1)...)
	claimed := k.claim(clock)
	for i, o := range outcomes {
		s := settlement(claimed[i], o)
		s.Due, s.Error, s.Failures = soon, "mailbox full", i
		k.settle(s)
	}
	held := claimed[len(outcomes)]
	c, line := k.line(2)
	line[0].Due = clock.Add(2 * time.Hour)
	k.enter(c, line)
	list = append(list, line...)
	for i := range list {
		list[i] = k.stored(list[i])
	}

	k.reopen()
	for _, d := range list {
		k.same(k.stored(d), d, "a delivery that is %s, after the store was opened again", d.State)
	}
	k.same(len(k.claim(clock)), 0, "deliveries claimed, while the lease runs and the first of a line waits")
	k.settle(settlement(held, ticket.DeliverySent))
	again := slices.IndexFunc(list, func(d ticket.Delivery) bool { return d.State == ticket.DeliveryPending })
	got := k.claim(soon.Add(time.Minute))
	k.same(deliveryIDs(got), []ticket.ID{list[again].ID}, "delivery after DeliveryPending")
	k.settle(settlement(got[0], ticket.DeliverySent))
	k.same(deliveryIDs(k.claim(clock.Add(3*time.Hour))), []ticket.ID{line[0].ID}, "delivery that was pending")
	dead := slices.IndexFunc(list, func(d ticket.Delivery) bool { return d.State == ticket.DeliveryDead })
	k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, list[dead])), 1, "dead deliveries redriven")
}

func reopenUnique(k *kit) {
	c := k.opened(acme)
	d := k.delivery(c.Ticket)
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: receiptFor(c.Ticket, "key")})
	k.reopen()
	k.duplicate(k.try(opening(c.Ticket.ID, k.number(), "other")), "id", "Commit of a taken ID")
	k.duplicate(k.try(opening(k.id(), c.Ticket.Number, "other")), "number", "Commit of a taken number")
	fresh := k.opened(acme)
	k.duplicate(k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{fresh}, Receipt: receiptFor(fresh.Ticket, "key"),
	}), "key", "Commit with a taken key")
	second := k.delivery(fresh.Ticket)
	second.ID = d.ID
	k.duplicate(k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{fresh}, Deliveries: []ticket.Delivery{second},
	}), "delivery", "Commit of a taken delivery")
}

// reopenClosed has closed tickets at two stages, and one that was archived and is open again.
func reopenClosed(k *kit) {
	all := k.closedMany(4)
	for i := range 3 {
		c := next(all[i], archived(ticket.StageArchived))
		k.commit(c)
		all[i] = c.Ticket
	}
	c := next(all[0], reopened)
	k.commit(c)
	all[0] = c.Ticket
	k.reopen()
	for _, stage := range ticket.Stages() {
		q := ticket.ClosedQuery{Stage: stage, Before: soon, Limit: 100}
		k.same(k.closedTickets(q), closedAnswer(all, q), "closed tickets at the stage %q, after the store was opened again", stage)
	}
}

func reopenPruned(k *kit) {
	kept := k.outcomes(acme, past, ticket.DeliveryBounced, ticket.DeliveryPending)
	gone := k.outcomes(acme, past, prunable...)
	k.pruneDeliveries(clock, 10)
	k.reopen()
	k.same(k.left(gone), 0, "deliveries that were pruned and are there, after the store was opened again")
	k.remain(kept)
	more := k.outcomes(acme, past, prunable...)
	k.same(k.pruneDeliveries(clock, 10), len(more), "deliveries pruned after the store was opened again")
}
