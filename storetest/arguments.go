package storetest

import (
	"slices"

	"github.com/ticketkit/ticket"
)

const saysArguments = "A method must not change its arguments, including the order of their lists."

var argumentRules = []rule{
	{name: "Values/arguments", says: saysArguments, prove: argumentsKept},
}

// argumentsKept passes unsorted lists, some with duplicates, and checks that the store
// does not change them.
func argumentsKept(k *kit) {
	c := k.opened(acme)
	var list []ticket.Delivery
	for i, by := range []string{"sms", "mail", "sms"} {
		d := k.delivery(c.Ticket)
		d.Notifier, d.To = by, to(i)
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b ticket.Delivery) int { return b.ID.Compare(a.ID) })
	commit := ticket.Commit{Changes: []ticket.Change{c, k.opened(acme, timer(clock))}, Deliveries: list}
	slices.SortFunc(commit.Changes, func(a, b ticket.Change) int { return b.Ticket.ID.Compare(a.Ticket.ID) })
	before := ticket.Commit{Changes: slices.Clone(commit.Changes), Deliveries: slices.Clone(commit.Deliveries)}
	k.put(commit)
	k.same(commit, before, "the commit, after Commit")

	claim := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 100, Notifiers: []string{"sms", "mail", "sms", "a"}}
	notifiers := slices.Clone(claim.Notifiers)
	claimed := k.claimWith(claim)
	k.same(claim.Notifiers, notifiers, "Notifiers of the request, after Claim")

	var settlements []ticket.Settlement
	for i := range claimed {
		settlements = append(settlements, settlement(claimed[i], finals[i%len(finals)]))
	}
	slices.SortFunc(settlements, func(a, b ticket.Settlement) int { return b.ID.Compare(a.ID) })
	settled := slices.Clone(settlements)
	k.settle(settlements...)
	k.same(settlements, settled, "the settlements, after Settle")

	r := updateTo(ticket.DeliveryPending, []ticket.DeliveryState{ticket.DeliverySuppressed, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliveryDead}, list[0], list[2], list[1], list[0])
	ids, from := slices.Clone(r.IDs), slices.Clone(r.From)
	k.update(r)
	k.same(r.IDs, ids, "IDs of the update, after UpdateDeliveries")
	k.same(r.From, from, "From of the update, after UpdateDeliveries")

	q := ticket.DeliveryQuery{Tenant: acme, IDs: ids, State: slices.Clone(from), Kind: []ticket.Kind{"z", "a"}, Notifiers: slices.Clone(notifiers)}
	k.deliveries(q)
	k.same(q, ticket.DeliveryQuery{Tenant: acme, IDs: r.IDs, State: from, Kind: []ticket.Kind{"z", "a"}, Notifiers: notifiers}, "the query, after Deliveries")

	asked := func() ticket.Query {
		return ticket.Query{
			Tenant: acme, Status: []ticket.Status{ticket.StatusOpen, ticket.StatusNew, ticket.StatusOpen}, Phase: []ticket.Phase{ticket.PhaseSolved, ticket.PhaseReceived},
			Level: []int{3, 1, 2}, Queue: []string{"q", "", "a", "q"}, Assignee: []string{"z", ""}, Priority: []ticket.Grade{ticket.GradeCritical, ticket.GradeLow},
			Stage: []ticket.Stage{ticket.StageErased, ticket.StageActive, ticket.StageErased}, Channel: []ticket.Channel{"z", "a"}, Tags: []string{"z", "a", "z"}, Fields: ticket.Fields{"list": []string{"z", "a"}},
		}
	}
	tickets := asked()
	k.list(tickets)
	k.same(tickets, asked(), "the query, after List")
}
