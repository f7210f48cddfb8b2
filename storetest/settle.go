package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysSettle = "A delivery that is done is removed; one that is to be tried again becomes Pending with the new Due and Failures; a dead one stays, Dead."
	saysStale  = "Each settlement stands by itself: one whose delivery is not claimed, or is claimed with other Attempts, must change nothing, and the call then returns ErrClaimLost after the others were made."
)

var settleRules = []rule{
	{name: "Settle/done", says: saysSettle, prove: settleDone},
	{name: "Settle/again", says: saysSettle, prove: settleAgain},
	{name: "Settle/give up", says: saysSettle, prove: settleGiveUp},
	{name: "Settle/other attempts", says: saysStale, prove: settleStale},
	{name: "Settle/not claimed", says: saysStale, prove: settleUnclaimed},
	{name: "Settle/the others", says: saysStale, prove: settleOthers},
	{name: "Settle/after the lease", says: saysStale, prove: settleLate},
}

const year = 365 * 24 * time.Hour

func settleDone(k *kit) {
	k.outbox(past, past.Add(time.Second))
	claimed := k.claim(clock)
	k.settle(settlement(claimed[0], ticket.Done))
	k.same(deliveryIDs(k.claim(clock.Add(year))), deliveryIDs(claimed[1:]), "deliveries claimed a year after one was done")
	k.settle() // nothing is fine
}

func settleAgain(k *kit) {
	k.outbox(past)
	want := k.claim(clock)[0]
	s := settlement(want, ticket.Again)
	s.Due, s.Error, s.Failures = clock.Add(time.Second), "mailbox full\nécole", 3
	k.settle(s)
	k.same(len(k.claim(s.Due.Add(-time.Microsecond))), 0, "deliveries claimed a microsecond before the new Due")
	want.Due, want.LastError, want.Failures = s.Due, s.Error, s.Failures
	k.same(asCommitted(k.claim(s.Due)), asCommitted([]ticket.Delivery{want}), "deliveries claimed at the new Due")
}

// settleGiveUp knows that a dead delivery stays by its ID, which stays taken.
func settleGiveUp(k *kit) {
	k.outbox(past, past.Add(time.Second))
	claimed := k.claim(clock)
	dead := settlement(claimed[0], ticket.GiveUp)
	dead.Error = "no such mailbox"
	k.settle(dead)
	k.same(deliveryIDs(k.claim(clock.Add(year))), deliveryIDs(claimed[1:]), "deliveries claimed a year after one was given up")

	c := k.opened(acme)
	d := k.delivery(c.Ticket)
	d.ID = dead.ID
	err := k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}})
	if !errors.Is(err, ticket.ErrDuplicate) {
		k.fail("Commit of a delivery whose ID a dead one has: got error %v, want %q", err, ticket.ErrDuplicate)
	}
}

// settleStale settles, with every outcome, under a claim that was lost.
func settleStale(k *kit) {
	k.outbox(past)
	lost := k.claim(clock)[0]
	held := k.claim(soon)[0]
	for _, attempts := range []int{lost.Attempts, held.Attempts + 1, 0} {
		for _, o := range []ticket.Outcome{ticket.Done, ticket.Again, ticket.GiveUp} {
			s := ticket.Settlement{ID: lost.ID, Attempts: attempts, Outcome: o, At: past, Due: past, Error: "lost"}
			err := k.store.Settle(k.Context(), []ticket.Settlement{s})
			k.refused(err, ticket.ErrClaimLost, "Settle of attempt %d, when the claim is of attempt %d", attempts, held.Attempts)
			k.same(len(k.claim(soon)), 0, "deliveries claimed after it, while the lease runs")
		}
	}
	k.settle(settlement(held, ticket.Done))
}

// settleUnclaimed settles what is pending, dead, done and unheard of.
func settleUnclaimed(k *kit) {
	refused := func(d ticket.Delivery, what string) {
		k.Helper()
		for _, o := range []ticket.Outcome{ticket.Done, ticket.Again, ticket.GiveUp} {
			s := ticket.Settlement{ID: d.ID, Attempts: d.Attempts, Outcome: o, At: past, Due: past}
			k.refused(k.store.Settle(k.Context(), []ticket.Settlement{s}), ticket.ErrClaimLost, "Settle of a delivery that is %s", what)
		}
	}
	refused(ticket.Delivery{ID: k.id()}, "unheard of")

	pending := k.outbox(past)[0]
	refused(pending, "pending for the first time")
	claimed := k.claim(clock)
	k.same(deliveryIDs(claimed), []ticket.ID{pending.ID}, "deliveries claimed after that")
	again := settlement(claimed[0], ticket.Again)
	again.Due = clock.Add(time.Minute)
	k.settle(again)
	refused(claimed[0], "pending again")

	claimed = k.claim(soon)
	k.same(deliveryIDs(claimed), []ticket.ID{pending.ID}, "deliveries claimed after that")
	k.settle(settlement(claimed[0], ticket.GiveUp))
	refused(claimed[0], "dead")
	k.same(len(k.claim(soon.Add(time.Hour))), 0, "deliveries claimed after that")

	k.outbox(past)
	claimed = k.claim(clock)
	k.settle(settlement(claimed[0], ticket.Done))
	refused(claimed[0], "done")
	k.same(len(k.claim(soon)), 0, "deliveries claimed after that")
}

// settleOthers puts a settlement that fails before, between and after others.
func settleOthers(k *kit) {
	for place := range 3 {
		k.outbox(past, past)
		var all []ticket.Settlement
		for _, d := range k.claim(clock) {
			all = append(all, settlement(d, ticket.Done))
		}
		pending := k.outbox(clock.Add(year))[0]
		all = slices.Insert(all, place, settlement(pending, ticket.Done))
		k.refused(k.store.Settle(k.Context(), all), ticket.ErrClaimLost, "Settle of three, the %d. of which is pending", place+1)
		k.same(len(k.claim(soon)), 0, "deliveries left after the others were done")
	}
}

// settleLate settles a claim whose lease has passed while nobody else has
// claimed the delivery: it is still claimed, with the same attempts.
func settleLate(k *kit) {
	k.outbox(past)
	late := k.claim(clock)[0]
	k.due(soon, 1) // so that the store can know how late it is
	k.settle(settlement(late, ticket.Done))
	k.same(len(k.claim(soon)), 0, "deliveries left")
}
