package storetest

import (
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysUpdate      = "UpdateDeliveries changes the state of settled deliveries that are in one of the states r.From; it must leave all others as they are."
	saysToPending   = "If r.To is DeliveryPending, a delivery becomes due at r.At, and Failures and Settled become zero."
	saysToBounced   = "If r.To is DeliveryBounced, Settled becomes r.At."
	saysToUndeliver = "The same holds for DeliveryUndelivered."
	saysKept        = "In all cases LastError becomes r.Error; Attempts and Address must stay."
	saysHowMany     = "It returns the number of deliveries it changed; an ID that is named twice counts once."
	saysUpdateCheck = "Check returns an [*InvalidError] if the update is not valid. Stores call it first."
)

var updateRules = []rule{
	{name: "UpdateDeliveries/from", says: saysUpdate, upon: []string{"Settle/", "UpdateDeliveries/pending", "UpdateDeliveries/kept"}, prove: updateFrom},
	{name: "UpdateDeliveries/pending", says: saysToPending, upon: []string{"Claim/", "Settle/"}, prove: updatePending},
	{name: "UpdateDeliveries/bounced", says: saysToBounced, upon: []string{"Settle/"}, prove: updateBounced},
	{name: "UpdateDeliveries/undelivered", says: saysToUndeliver, upon: []string{"Settle/", "Deliveries/", "UpdateDeliveries/from", "UpdateDeliveries/how many"}, prove: updateUndelivered},
	{name: "UpdateDeliveries/kept", says: saysKept, upon: []string{"Settle/"}, prove: updateKept},
	{name: "UpdateDeliveries/how many", says: saysHowMany, upon: []string{"Settle/", "UpdateDeliveries/from"}, prove: updateCount},
	{name: "UpdateDeliveries/tenants", says: saysTenant, upon: []string{"Settle/", "UpdateDeliveries/how many"}, prove: updateTenants},
	{name: "UpdateDeliveries/invalid", says: saysUpdateCheck, upon: []string{"Settle/"}, prove: updateInvalid},
}

// settled stores a delivery and settles it at the first attempt, with three failures.
func (k *kit) settled(o ticket.DeliveryState) ticket.Delivery {
	k.Helper()
	return k.end(k.outbox(past)[0], o)
}

// end claims a delivery, which must be the only one that is due, and settles it.
func (k *kit) end(d ticket.Delivery, o ticket.DeliveryState) ticket.Delivery {
	k.Helper()
	claimed := k.claims(clock, []ticket.Delivery{d}, "to be settled")[0]
	s := settlement(claimed, o)
	s.Failures, s.Error = 3, "said by the server"
	k.settle(s)
	return k.stored(d)
}

// endAt is like end, at another address than the recipient's.
func (k *kit) endAt(d ticket.Delivery, address string, o ticket.DeliveryState) ticket.Delivery {
	k.Helper()
	s := settlement(k.claims(clock, []ticket.Delivery{d}, "to be settled")[0], o)
	s.Address, s.Error = address, "said by the server"
	k.settle(s)
	return k.stored(d)
}

func updateTo(to ticket.DeliveryState, from []ticket.DeliveryState, list ...ticket.Delivery) ticket.DeliveryUpdate {
	return ticket.DeliveryUpdate{Tenant: acme, IDs: deliveryIDs(list), From: from, To: to, At: soon, Error: "by hand"}
}

// settledStates are the states that UpdateDeliveries accepts in From.
var settledStates = []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed, ticket.DeliveryUndelivered}

// updateFrom names deliveries in every state, and some of the states.
func updateFrom(k *kit) {
	for _, from := range [][]ticket.DeliveryState{
		nil, {ticket.DeliverySent}, {ticket.DeliveryDead}, {ticket.DeliveryBounced, ticket.DeliveryDead}, {ticket.DeliverySuppressed}, settledStates,
	} {
		for _, to := range []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryBounced} {
			var list []ticket.Delivery
			for _, o := range finals {
				list = append(list, k.settled(o))
			}
			list = append(list, k.outbox(past)[0])
			again := settlement(k.claim(clock)[0], ticket.DeliveryPending)
			again.Due = clock.Add(year)
			k.settle(again)
			k.outbox(past)
			claimed := k.claim(clock)[0]
			list = append(list, claimed)
			for i := range list {
				list[i] = k.stored(list[i])
			}
			k.update(updateTo(to, from, list...))
			for _, d := range list {
				got := k.stored(d)
				changes := false
				for _, s := range from {
					changes = changes || s == d.State
				}
				if !changes {
					k.same(got, d, "a delivery that is %s, when From is %v", d.State, from)
					continue
				}
				k.same(got.State, to, "state of one that was %s, when From is %v", d.State, from)
			}
			k.settle(settlement(claimed, ticket.DeliverySent))
			k.claim(soon.Add(time.Minute)) // out of the way of the next
		}
	}
}

func updatePending(k *kit) {
	for _, o := range finals {
		d := k.settled(o)
		k.update(updateTo(ticket.DeliveryPending, settledStates, d))
		got := k.stored(d)
		k.same(got.State, ticket.DeliveryPending, "state")
		k.same(got.Due, soon, "due")
		k.same(got.Failures, 0, "failures")
		k.same(got.Settled, time.Time{}, "end")
		got.State, got.Due, got.Failures, got.Settled = d.State, d.Due, d.Failures, d.Settled
		got.LastError, got.Attempts = d.LastError, d.Attempts // checked by UpdateDeliveries/kept
		k.same(got, d, "other fields of a delivery that was updated")
		k.claims(soon.Add(-time.Microsecond), nil, "a microsecond before they are due")
		claimed := k.claims(soon, []ticket.Delivery{d}, "when they are due")
		k.settle(settlement(claimed[0], ticket.DeliverySent))
	}
}

func updateBounced(k *kit) {
	for _, o := range finals {
		d := k.settled(o)
		k.update(updateTo(ticket.DeliveryBounced, settledStates, d))
		got := k.stored(d)
		k.same(got.State, ticket.DeliveryBounced, "state")
		k.same(got.Settled, soon, "end")
		got.State, got.Settled = d.State, d.Settled
		got.LastError, got.Attempts = d.LastError, d.Attempts // checked by UpdateDeliveries/kept
		k.same(got, d, "other fields of a delivery that was updated")
		k.claims(soon.Add(year), nil, "though none is pending")
	}
}

// updateUndelivered also takes deliveries out of the state, and checks that their addresses
// are not taken for bad ones.
func updateUndelivered(k *kit) {
	for _, o := range finals {
		d := k.settled(o)
		k.same(k.update(updateTo(ticket.DeliveryUndelivered, settledStates, d)), 1, "updated of one that was %s", o)
		got := k.stored(d)
		k.same(got.State, ticket.DeliveryUndelivered, "state")
		k.same(got.Settled, soon, "end")
		got.State, got.Settled = d.State, d.Settled
		got.LastError, got.Attempts = d.LastError, d.Attempts // checked by UpdateDeliveries/kept
		k.same(got, d, "other fields of a delivery that was updated")
		k.claims(soon.Add(year), nil, "though none is pending")

		page, err := k.store.Deliveries(k.Context(), ticket.DeliveryQuery{Tenant: acme, State: []ticket.DeliveryState{ticket.DeliveryUndelivered}})
		k.ok(err, "Deliveries that are undelivered")
		k.same(deliveryIDs(page.Deliveries), []ticket.ID{d.ID}, "deliveries that are undelivered")
		k.same(k.update(updateTo(ticket.DeliveryUndelivered, finals, d)), 0, "updated of one that is undelivered, which From lacks")
		k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, d)), 1, "updated of one that is undelivered")
		claimed := k.claims(soon, []ticket.Delivery{d}, "after it was undelivered")
		k.settle(settlement(claimed[0], ticket.DeliverySent))
	}
}

// updateKept keeps a claim from before the update, which must stay invalid.
func updateKept(k *kit) {
	for _, words := range []string{"by hand\nécole", " \tno\r\n ", ""} {
		d := k.endAt(k.outbox(past)[0], "moved@example.org", ticket.DeliveryDead)
		r := updateTo(ticket.DeliveryBounced, settledStates, d)
		r.Error = words
		k.update(r)
		got := k.stored(d)
		k.same(got.LastError, words, "error of one that was updated to Bounced")
		k.same(got.Attempts, 1, "attempts of one that was updated to Bounced")
		k.same(got.Address, d.Address, "address of one that was updated to Bounced")

		r = updateTo(ticket.DeliveryPending, settledStates, d)
		r.Error = words
		k.update(r)
		got = k.stored(d)
		k.same(got.LastError, words, "error of one that was updated to Pending")
		k.same(got.Attempts, 1, "attempts of one that was updated to Pending")
		k.same(got.Address, d.Address, "address of one that was updated to Pending")
		claimed := k.claim(soon.Add(time.Second))
		k.same(claimed[0].Attempts, 2, "attempts of one that was updated to Pending, when it is claimed again")
		old := settlement(d, ticket.DeliverySent)
		k.refused(k.store.Settle(k.Context(), []ticket.Settlement{old}), ticket.ErrClaimLost, "Settle of the claim before the update")
		k.settle(settlement(claimed[0], ticket.DeliverySent))
	}
}

func updateCount(k *kit) {
	dead, sent := k.settled(ticket.DeliveryDead), k.settled(ticket.DeliverySent)
	unknown := ticket.Delivery{ID: k.id()}
	only := []ticket.DeliveryState{ticket.DeliveryDead}
	k.same(k.update(updateTo(ticket.DeliveryPending, only)), 0, "updated of none")
	k.same(k.update(updateTo(ticket.DeliveryPending, only, unknown, sent)), 0, "updated of an unknown one and one in another state")
	k.same(k.update(updateTo(ticket.DeliveryPending, only, unknown, dead, sent)), 1, "updated of an unknown one, one in another state, and one")
	k.same(k.update(updateTo(ticket.DeliveryPending, only, dead)), 0, "updated of one that was updated before")
	k.same(k.update(updateTo(ticket.DeliveryBounced, settledStates, sent)), 1, "updated to Bounced")
	k.same(k.update(updateTo(ticket.DeliveryBounced, settledStates, sent, sent)), 1, "updated of one that is named twice")
}

func updateTenants(k *kit) {
	d := k.settled(ticket.DeliveryDead)
	for _, tenant := range tenants {
		if tenant == acme {
			continue
		}
		for _, to := range []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryBounced} {
			r := updateTo(to, settledStates, d)
			r.Tenant = tenant
			k.same(k.update(r), 0, "updated under tenant %q of one of %q", tenant, acme)
			k.same(k.stored(d), d, "a delivery of %q, after an update under tenant %q", acme, tenant)
		}
	}
}

func updateInvalid(k *kit) {
	d := k.settled(ticket.DeliveryDead)
	for what, change := range map[string]func(r *ticket.DeliveryUpdate){
		"no To":   func(r *ticket.DeliveryUpdate) { r.To = "" },
		"To Sent": func(r *ticket.DeliveryUpdate) { r.To = ticket.DeliverySent },
		"no time": func(r *ticket.DeliveryUpdate) { r.At = time.Time{} },
		"pending ones": func(r *ticket.DeliveryUpdate) {
			r.From = []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryPending}
		},
		"claimed ones": func(r *ticket.DeliveryUpdate) {
			r.From = []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryClaimed}
		},
		"too many": func(r *ticket.DeliveryUpdate) { r.IDs = append(r.IDs, make([]ticket.ID, 1000)...) },
	} {
		r := updateTo(ticket.DeliveryPending, settledStates, d)
		change(&r)
		_, err := k.store.UpdateDeliveries(k.Context(), r)
		k.refused(err, ticket.ErrInvalid, "UpdateDeliveries with %s", what)
		k.same(k.stored(d), d, "a delivery, after an update with %s", what)
	}
}
