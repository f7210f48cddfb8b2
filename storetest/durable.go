package storetest

import (
	"time"

	"github.com/ticketkit/ticket"
)

var durableRules = []rule{
	{name: "Reopen/tickets", says: saysVisible, durable: true, prove: reopenTickets},
	{name: "Reopen/outbox", says: saysVisible, durable: true, prove: reopenOutbox},
	{name: "Reopen/unique", says: saysDuplicate, durable: true, prove: reopenUnique},
}

func reopenTickets(k *kit) {
	commit := k.filled(plainly(), acme)
	c := commit.Changes[0]
	k.put(commit)
	changed := next(c.Ticket, note("more"), timer(clock))
	k.commit(changed)
	want := k.read(c.Ticket, commit.Receipt.Key).clone()
	k.store = k.reopen()
	k.same(k.read(c.Ticket, commit.Receipt.Key), want, "read after the store was opened again")
	k.commit(next(changed.Ticket, note("and more")))
	k.refused(k.try(next(changed.Ticket, note("too late"))), ticket.ErrConflict, "Commit on an old version")
}

// reopenOutbox leaves a delivery in each state.
func reopenOutbox(k *kit) {
	k.outbox(past, past.Add(time.Second), past.Add(2*time.Second), past.Add(3*time.Second))
	done, dead, again, held := 0, 1, 2, 3
	claimed := k.claim(clock)
	giveUp, retry := settlement(claimed[dead], ticket.GiveUp), settlement(claimed[again], ticket.Again)
	retry.Due, retry.Error = soon, "mailbox full"
	k.settle(settlement(claimed[done], ticket.Done), giveUp, retry)
	pending := k.outbox(clock.Add(2 * time.Hour))[0]

	k.store = k.reopen()
	k.same(len(k.claim(clock)), 0, "deliveries claimed, while the lease runs")
	k.settle(settlement(claimed[held], ticket.Done))
	got := k.claim(soon.Add(time.Minute))
	want := claimed[again]
	want.Due, want.LastError = got[0].Due, retry.Error
	k.same(asCommitted(got), asCommitted([]ticket.Delivery{want}), "delivery that is to be tried again")
	k.settle(settlement(got[0], ticket.Done))
	k.same(deliveryIDs(k.claim(clock.Add(3*time.Hour))), []ticket.ID{pending.ID}, "delivery that was pending")
}

func reopenUnique(k *kit) {
	c := k.opened(acme)
	d := k.delivery(c.Ticket)
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: receiptFor(c.Ticket, "key")})
	k.store = k.reopen()
	k.duplicate(k.try(opening(c.Ticket.ID, k.number(), "other")), ticket.DuplicateID, "Commit of a taken ID")
	k.duplicate(k.try(opening(k.id(), c.Ticket.Number, "other")), ticket.DuplicateNumber, "Commit of a taken number")
	fresh := k.opened(acme)
	k.duplicate(k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{fresh}, Receipt: receiptFor(fresh.Ticket, "key"),
	}), ticket.DuplicateKey, "Commit with a taken key")
	second := k.delivery(fresh.Ticket)
	second.ID = d.ID
	k.duplicate(k.store.Commit(k.Context(), ticket.Commit{
		Changes: []ticket.Change{fresh}, Deliveries: []ticket.Delivery{second},
	}), ticket.DuplicateDelivery, "Commit of a taken delivery")
}
