package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysReschedule      = "Reschedule brings forward deliveries by r.Notifiers in all tenants or, if r.IDs is not empty, the deliveries r.IDs of r.Tenant."
	saysRescheduleDue   = "Pending deliveries with a Due after r.Due must become due at r.Now."
	saysRescheduleUntil = "For claimed deliveries with an Until after r.Until, Until must become r.Now, and so must a later Due."
	saysRescheduleKeeps = "If r.Due or r.Until is zero, it selects no deliveries. Everything else must stay. It returns the number of deliveries it changed."
)

var rescheduleRules = []rule{
	{name: "Reschedule/pending", says: saysRescheduleDue, lacks: noRescheduler, upon: []string{"Claim/"}, prove: reschedulePending},
	{name: "Reschedule/claimed", says: saysRescheduleUntil, lacks: noRescheduler, upon: []string{"Claim/"}, prove: rescheduleClaimed},
	{name: "Reschedule/which", says: saysReschedule, lacks: noRescheduler, upon: []string{"Claim/", "Reschedule/pending"}, prove: rescheduleWhich},
	{name: "Reschedule/none", says: saysRescheduleKeeps, lacks: noRescheduler, upon: []string{"Claim/", "Settle/", "Reschedule/pending", "Reschedule/claimed"}, prove: rescheduleNone},
	{name: "Reschedule/cancelled", says: saysCancelled, lacks: noRescheduler, upon: []string{"Reschedule/pending"}, prove: rescheduleCancelled},
}

// noRescheduler names the feature if the store lacks it.
func noRescheduler(ctx context.Context, s ticket.Store) string {
	h, ok := s.(ticket.Rescheduler)
	if ok {
		_, err := h.Reschedule(ctx, ticket.RescheduleRequest{Now: clock})
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "rescheduling of deliveries"
	}
	return ""
}

func (k *kit) reschedule(h ticket.RescheduleRequest) int {
	k.Helper()
	n, err := k.store.Reschedule(k.Context(), h)
	k.ok(err, "Reschedule")
	return n
}

// farAhead is the time on a clock that was ahead.
var farAhead = clock.AddDate(10, 0, 0)

func reschedulePending(k *kit) {
	list := k.outbox(soon, farAhead, farAhead.Add(time.Microsecond), farAhead.Add(time.Hour))
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: farAhead, Notifiers: []string{"mail"}}), 2, "number that were brought forward")
	for i, want := range []time.Time{soon, farAhead, clock, clock} {
		d := list[i]
		d.Due = want
		k.same(k.stored(d), d, "delivery %d", i+1)
	}
	slices.SortFunc(list[2:], func(a, b ticket.Delivery) int { return a.ID.Compare(b.ID) })
	k.claims(clock, list[2:], "after they were brought forward")
}

func rescheduleClaimed(k *kit) {
	list := k.outbox(past, clock.Add(time.Second))
	claimed := k.claims(soon, list, "to hold them for long")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Until: claimed[0].Until, Notifiers: []string{"mail"}}), 0, "number that end earlier")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Until: claimed[0].Until.Add(-time.Microsecond), Notifiers: []string{"mail"}}), 2, "number that end earlier")
	for i := range claimed {
		claimed[i].Until = clock
		if i == 1 {
			claimed[i].Due = clock
		}
		k.same(k.stored(claimed[i]), claimed[i], "delivery %d", i+1)
	}
	for _, d := range k.claims(clock, list, "whose lease has ended") {
		k.same(d.Failures, 1, "failures")
	}
}

func rescheduleWhich(k *kit) {
	list := k.outbox(farAhead, farAhead)
	foreign := k.opened("other")
	d := k.delivery(foreign.Ticket)
	d.Due, d.Tenant = farAhead, "other"
	k.put(ticket.Commit{Changes: []ticket.Change{foreign}, Deliveries: []ticket.Delivery{d}})
	ids := []ticket.ID{list[0].ID, d.ID, ticket.NewID(clock)}
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: clock, Tenant: acme, IDs: ids}), 1, "number that were brought forward by their IDs")
	k.same(k.stored(list[0]).Due, clock, "Due")
	k.same(k.stored(list[1]).Due, farAhead, "Due of another")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: clock}), 0, "number that were brought forward by no notifier")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: clock, Notifiers: []string{"other"}}), 0, "number that were brought forward by another notifier")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: clock, Notifiers: []string{"other", "mail"}}), 2, "number that were brought forward in all tenants")
}

func rescheduleNone(k *kit) {
	claimed := k.claims(clock, k.outbox(past), "to hold it")[0]
	waits := k.outbox(farAhead)[0]
	k.same(k.reschedule(ticket.RescheduleRequest{Now: clock, Due: past, Notifiers: []string{"mail"}}), 1, "number that were brought forward")
	k.same(k.stored(claimed), claimed, "a claimed one")
	waits.Due = clock
	k.same(k.stored(waits), waits, "a pending one")
	k.same(k.reschedule(ticket.RescheduleRequest{Now: soon, Until: past, Notifiers: []string{"mail"}}), 1, "number that end earlier")
	k.same(k.stored(waits), waits, "a pending one")
	done := k.claims(soon, []ticket.Delivery{claimed, waits}, "again")
	k.settle(settlement(done[0], ticket.DeliverySent), settlement(done[1], ticket.DeliveryDead))
	k.same(k.reschedule(ticket.RescheduleRequest{Now: farAhead, Due: past.AddDate(-1, 0, 0), Until: past.AddDate(-1, 0, 0), Notifiers: []string{"mail"}}), 0, "number of settled ones")
}

func rescheduleCancelled(k *kit) {
	d := k.outbox(farAhead)[0]
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Reschedule(ctx, ticket.RescheduleRequest{Now: clock, Due: clock, Notifiers: []string{"mail"}})
	k.refused(err, context.Canceled, "Reschedule")
	k.same(k.stored(d), d, "delivery")
}
