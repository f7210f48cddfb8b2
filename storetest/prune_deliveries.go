package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysPruneDeliveries = "PruneDeliveries removes deliveries of all tenants that are Sent, Suppressed, Dead or Undelivered with Settled before the time before, at most limit of them."
	saysPruneLeaves     = "It must leave all others, bounced ones too."
	saysPruneCount      = "It returns the number of deliveries it removed. A limit of 0 or less means none."
)

var pruneDeliveriesRules = []rule{
	{name: "PruneDeliveries/old", says: saysPruneDeliveries, lacks: noDeliveryPruner, upon: pruneUpon, prove: pruneSettled},
	{name: "PruneDeliveries/all tenants", says: saysPruneDeliveries, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old"}, pruneUpon...), prove: pruneTenants},
	{name: "PruneDeliveries/limit", says: saysPruneDeliveries, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old"}, pruneUpon...), prove: pruneSome},
	{name: "PruneDeliveries/none", says: saysPruneCount, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old"}, pruneUpon...), prove: pruneNone},
	{name: "PruneDeliveries/others", says: saysPruneLeaves, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old"}, pruneUpon...), prove: pruneOthers},
	{name: "PruneDeliveries/lines", says: saysPruneLeaves, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old", "PruneDeliveries/others"}, pruneUpon...), prove: pruneLines},
	{name: "PruneDeliveries/lists", says: saysPruneDeliveries, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/old", "PruneDeliveries/others"}, pruneUpon...), prove: pruneLists},
	{name: "PruneDeliveries/contexts", says: saysPruneDeliveries, lacks: noPrunedContexts, upon: append([]string{"PruneDeliveries/old", "PruneDeliveries/others", "DeliveryContexts/"}, pruneUpon...), prove: pruneContexts},
	{name: "PruneDeliveries/cancelled", says: saysCancelled, lacks: noDeliveryPruner, upon: pruneUpon, prove: pruneDeliveriesCancelled},
}

// pruneUpon names what all cases about PruneDeliveries build upon.
var pruneUpon = []string{
	"Commit/", "Ticket", "Events/", "Stages/", "Values/", "Ages/", "Many/", "Tenants/", "Claim/", "Line/", "Settle/", "Deliveries/", "UpdateDeliveries/",
}

// noDeliveryPruner names the feature if the store lacks it.
func noDeliveryPruner(ctx context.Context, s ticket.Store) string {
	f, ok := s.(ticket.DeliveryPruner)
	if ok {
		_, err := f.PruneDeliveries(ctx, time.Time{}, 1)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "age of deliveries"
	}
	return ""
}

var noPrunedContexts = lackingBoth(noDeliveryPruner, noLoader)

// prunable are the states that PruneDeliveries removes.
var prunable = []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliverySuppressed, ticket.DeliveryDead}

func (k *kit) pruneDeliveries(before time.Time, limit int) int {
	k.Helper()
	n, err := k.store.PruneDeliveries(k.Context(), before, limit)
	k.ok(err, "PruneDeliveries")
	return n
}

// dated gives the ID a time. A store need not prune a delivery whose ID has a later time
// than its Settled.
func dated(id ticket.ID, t time.Time) ticket.ID {
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// outcomes stores a ticket with a delivery to another person for each of the states, which
// it then has. They are settled at the time.
func (k *kit) outcomes(tenant string, t time.Time, states ...ticket.DeliveryState) []ticket.Delivery {
	k.Helper()
	c := k.opened(tenant)
	var list []ticket.Delivery
	state := map[ticket.ID]ticket.DeliveryState{}
	for i, s := range states {
		d := k.delivery(c.Ticket)
		d.ID, d.To = dated(d.ID, past), to(i)
		if s == ticket.DeliveryPending {
			d.Due = soon.Add(year)
		}
		list, state[d.ID] = append(list, d), s
	}
	k.enter(c, list)
	var settled []ticket.Settlement
	for _, d := range k.claim(clock) {
		if s := state[d.ID]; s != ticket.DeliveryClaimed {
			st := settlement(d, s)
			st.At = t
			settled = append(settled, st)
		}
	}
	k.settle(settled...)
	for i := range list {
		list[i] = k.stored(list[i])
		k.same(list[i].State, states[i], "state of a delivery of tenant %q", tenant)
	}
	return list
}

// left returns how many of the deliveries are still stored.
func (k *kit) left(list []ticket.Delivery) int {
	k.Helper()
	n := 0
	for _, d := range list {
		if _, found := k.find(d); found {
			n++
		}
	}
	return n
}

// remain expects the deliveries to be stored as they were.
func (k *kit) remain(list []ticket.Delivery) {
	k.Helper()
	for _, d := range list {
		k.same(k.stored(d), d, "a %s delivery that was not to be removed", d.State)
	}
}

func pruneSettled(k *kit) {
	old := k.outcomes(acme, clock.Add(-time.Microsecond), prunable...)
	kept := k.outcomes(acme, clock, prunable...)
	k.same(k.pruneDeliveries(clock, 50), len(old), "number that were removed")
	for _, d := range old {
		if _, found := k.find(d); found {
			k.fail("the %s delivery is still found by its ID after PruneDeliveries", d.State)
		}
	}
	k.remain(kept)
}

func pruneTenants(k *kit) {
	var old []ticket.Delivery
	for _, tenant := range []string{acme, "", "other"} {
		old = append(old, k.outcomes(tenant, past, prunable...)...)
	}
	for _, left := range []int{5, 1, 0} {
		k.pruneDeliveries(clock, 4)
		k.same(k.left(old), left, "deliveries of three tenants that are left, with a limit of 4")
	}
}

func pruneSome(k *kit) {
	old := k.outcomes(acme, past, slices.Concat(prunable, prunable, prunable, prunable[:1])...)
	for _, left := range []int{7, 4, 1, 0, 0} {
		k.pruneDeliveries(clock, 3)
		k.same(k.left(old), left, "deliveries that are left, with a limit of 3")
	}
}

func pruneNone(k *kit) {
	old := k.outcomes(acme, past, prunable...)
	for _, limit := range []int{0, -1} {
		k.same(k.pruneDeliveries(clock, limit), 0, "removed with a limit of %d", limit)
		k.remain(old)
	}
	for _, removed := range []int{2, 1, 0} {
		k.same(k.pruneDeliveries(clock, 2), removed, "removed with a limit of 2")
	}
}

// pruneOthers has deliveries in all states: at once, after another attempt, after a redrive
// and after a late report of a bounce.
func pruneOthers(k *kit) {
	kept := k.outcomes(acme, past, ticket.DeliveryPending, ticket.DeliveryClaimed, ticket.DeliveryBounced)
	again := k.outbox(past)[0]
	retry := settlement(k.claims(clock, []ticket.Delivery{again}, "for another attempt")[0], ticket.DeliveryPending)
	retry.Due = soon.Add(year)
	k.settle(retry)
	redriven := k.outcomes(acme, past, prunable...)
	k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, redriven...)), len(redriven), "number that were redriven")
	reported := k.outcomes(acme, past, ticket.DeliverySent)
	k.same(k.update(updateTo(ticket.DeliveryBounced, settledStates, reported...)), 1, "number that bounced late")
	for _, d := range slices.Concat([]ticket.Delivery{again}, redriven, reported) {
		kept = append(kept, k.stored(d))
	}
	back := k.outcomes(acme, past, ticket.DeliverySent)
	k.same(k.update(updateTo(ticket.DeliveryUndelivered, settledStates, back...)), 1, "number that came back")
	gone := slices.Concat(back, k.outcomes(acme, past, prunable...))
	k.same(k.pruneDeliveries(soon.Add(2*year), 100), len(gone), "number that were removed")
	k.remain(kept)
	k.same(k.left(gone), 0, "settled deliveries that are left")

	held := kept[1:2] // its lease has expired
	for _, d := range k.claims(soon, append(slices.Clone(held), inOrderOfDue(redriven)...), "that were redriven")[1:] {
		k.settle(settlement(d, ticket.DeliverySent))
	}
	k.same(k.pruneDeliveries(clock, 100), 0, "number that were removed again, at the time of the last attempt")
	k.same(k.pruneDeliveries(soon, 100), len(redriven), "number that were removed again")
	k.remain([]ticket.Delivery{kept[0], kept[2], kept[3]})
}

// inOrderOfDue sorts deliveries that are due at the same time.
func inOrderOfDue(list []ticket.Delivery) []ticket.Delivery {
	return slices.SortedFunc(slices.Values(list), func(a, b ticket.Delivery) int { return a.ID.Compare(b.ID) })
}

// datedLine is like line. The IDs have times before those of settling.
func (k *kit) datedLine(n int) (ticket.Change, []ticket.Delivery) {
	c, list := k.line(n)
	for i := range list {
		list[i].ID = dated(list[i].ID, past.Add(time.Duration(i)*time.Second))
	}
	return c, list
}

// pruneLines removes the settled deliveries of a line while others wait, and then all.
func pruneLines(k *kit) {
	c, list := k.datedLine(5)
	k.enter(c, list)
	k.work(list, ticket.DeliverySent, ticket.DeliveryDead)
	held := k.claims(clock, list[2:3], "after two were settled")[0]
	k.same(k.pruneDeliveries(soon, 10), 2, "removed from the start of a line")
	k.claims(clock, nil, "after one that is claimed, when the two before it were removed")
	k.settle(settlement(held, ticket.DeliverySent))
	k.settle(settlement(k.claims(clock, list[3:4], "after the third one was done")[0], ticket.DeliverySuppressed))
	k.same(k.pruneDeliveries(soon, 10), 2, "removed from the middle of a line")
	k.settle(settlement(k.claims(clock, list[4:], "when all before it were removed")[0], ticket.DeliverySent))
	k.same(k.pruneDeliveries(soon, 10), 1, "removed from the end of a line")
	k.claims(soon.Add(year), nil, "when all of a line were removed")
	more := next(c.Ticket, note("more"))
	d := k.delivery(more.Ticket)
	k.enter(more, []ticket.Delivery{d})
	k.claims(clock, []ticket.Delivery{d}, "of a line whose earlier ones were all removed")
}

// pruneLists asks for the deliveries in all ways.
func pruneLists(k *kit) {
	gone := k.outcomes(acme, past, prunable...)
	kept := k.outcomes(acme, clock, slices.Concat(prunable, []ticket.DeliveryState{ticket.DeliveryBounced, ticket.DeliveryPending})...)
	k.same(k.pruneDeliveries(clock, 50), len(gone), "number that were removed")
	queries := []ticket.DeliveryQuery{
		{}, {Ticket: gone[0].Ticket}, {Ticket: kept[0].Ticket}, {IDs: deliveryIDs(gone)}, {Limit: 2}, {SettledFrom: past}, {SettledBefore: soon},
		{Notifiers: []string{"mail"}}, {Kind: []ticket.Kind{ticket.KindReceived}},
	}
	for _, s := range eraseStates {
		queries = append(queries, ticket.DeliveryQuery{State: []ticket.DeliveryState{s}})
	}
	for _, d := range gone {
		queries = append(queries, ticket.DeliveryQuery{To: d.To})
	}
	for _, q := range queries {
		q.Tenant = acme
		want := deliveryIDs(newestFirst(q, kept))
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		k.same(deliveryIDs(k.deliveries(q).Deliveries), want, "deliveries that match %+v after PruneDeliveries", q)
	}
	k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, gone...)), 0, "removed deliveries that were redriven")
	k.remain(kept)
}

// pruneContexts removes sent deliveries that count, in two steps. A bounce stays.
func pruneContexts(k *kit) {
	c, bounce := k.datedLine(1)
	k.enter(c, bounce)
	bounced := k.end(bounce[0], ticket.DeliveryBounced).ID
	c, list := k.datedLine(4)
	k.enter(c, list)
	k.work(list, ticket.DeliverySent, ticket.DeliverySent, ticket.DeliverySent) // a second earlier each
	for _, step := range []struct {
		before   time.Time
		previous ticket.ID
		sent     int
	}{
		{clock.Add(-2 * time.Second), list[2].ID, 3},
		{clock.Add(-time.Second + time.Microsecond), list[0].ID, 1},
		{soon, ticket.ID{}, 0},
	} {
		k.pruneDeliveries(step.before, 10)
		got := k.contexts(list[3])[0]
		k.same(got.Previous, step.previous, "Previous, after PruneDeliveries before %v", step.before)
		k.same(got.Sent, step.sent, "Sent, after PruneDeliveries before %v", step.before)
		k.same(got.SentHere, step.sent, "SentHere, after PruneDeliveries before %v", step.before)
		k.same(got.Bounced, bounced, "Bounced, after PruneDeliveries before %v", step.before)
	}
}

func pruneDeliveriesCancelled(k *kit) {
	old := k.outcomes(acme, past, prunable...)
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.PruneDeliveries(ctx, clock, 10)
	k.refused(err, context.Canceled, "PruneDeliveries with a cancelled context")
	k.remain(old)
}
