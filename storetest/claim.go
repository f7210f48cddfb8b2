package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysClaim     = "Claim leases deliveries to the caller: pending ones with Due not after r.Now, and claimed ones whose lease has expired (Until not after r.Now). It claims deliveries of r.Notifiers only, earliest Due first, then by ID, at most r.Limit of them."
	saysClaimed   = "In each delivery, as returned and as stored, it increments Attempts, sets State to DeliveryClaimed and Until to r.Now plus r.Lease. When it takes over an expired lease, it must also increment Failures."
	saysClaimKept = "All other fields must stay as they were, both as returned and as stored."
	saysRequest   = "Commit, List, Claim, Settle, Deliveries and UpdateDeliveries must return the error of their argument's Check before they do anything else."
)

var claimRules = []rule{
	{name: "Claim/due", says: saysClaim, prove: claimDue},
	{name: "Claim/order", says: saysClaim, prove: claimOrder},
	{name: "Claim/limit", says: saysClaim, prove: claimLimit},
	{name: "Claim/notifiers", says: saysClaim, prove: claimNotifiers},
	{name: "Claim/several notifiers", says: saysClaim, upon: []string{"Claim/order", "Claim/limit", "Claim/notifiers"}, prove: claimSeveral},
	{name: "Claim/after many", says: saysClaim, upon: []string{"Claim/", "Settle/", "Line/"}, prove: claimBehind},
	{name: "Claim/lease", says: saysClaim, prove: claimLease},
	{name: "Claim/clocks differ", says: saysClaim, prove: claimClocks},
	{name: "Claim/returned", says: saysClaimed, prove: claimReturned},
	{name: "Claim/stored", says: saysClaimed, prove: claimStored},
	{name: "Claim/taken over", says: saysClaimed, upon: []string{"Settle/"}, prove: claimTakenOver},
	{name: "Claim/kept", says: saysClaimKept, upon: []string{"Claim/", "Settle/", "Deliveries/", "Values/"}, prove: claimKept},
	{name: "Claim/invalid", says: saysRequest, prove: claimInvalid},
}

func claimDue(k *kit) {
	d := k.outbox(clock)
	k.same(len(k.claim(clock.Add(-time.Microsecond))), 0, "deliveries claimed a microsecond before they are due")
	k.same(deliveryIDs(k.claim(clock)), deliveryIDs(d), "deliveries claimed when they are due")
	d = k.outbox(clock)
	k.same(deliveryIDs(k.claim(clock.Add(time.Second))), deliveryIDs(d), "deliveries claimed after they are due")
}

func claimOrder(k *kit) {
	var due []time.Time
	for i := range 40 {
		due = append(due, clock.Add(time.Duration(i*7%10)*time.Microsecond))
	}
	d := k.outbox(due...)
	slices.SortFunc(d, func(a, b ticket.Delivery) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return a.ID.Compare(b.ID)
	})
	k.same(deliveryIDs(k.claim(clock.Add(time.Second))), deliveryIDs(d), "deliveries claimed")

	between := k.outbox(clock.Add(time.Millisecond), clock.Add(-time.Millisecond))
	k.same(deliveryIDs(k.claim(clock.Add(year))), deliveryIDs(slices.Concat(between[1:], d, between[:1])),
		"deliveries claimed, some for the second time")
}

func claimLimit(k *kit) {
	var due []time.Time
	for i := range 10 {
		due = append(due, clock.Add(time.Duration(i)*time.Second))
	}
	d := k.outbox(due...)
	for _, limit := range []int{1, 2, 5, 3} {
		r := ticket.ClaimRequest{Now: soon, Lease: lease, Limit: limit, Notifiers: []string{"mail"}}
		n := min(limit, len(d))
		k.same(deliveryIDs(k.claimWith(r)), deliveryIDs(d[:n]), "deliveries claimed with limit %d, of %d", limit, len(d))
		d = d[n:]
	}
}

// claimNotifiers claims for some notifiers. A lenient database treats some of
// their names as equal.
func claimNotifiers(k *kit) {
	c := k.opened(acme)
	commit := ticket.Commit{Changes: []ticket.Change{c}}
	notifiers := []string{"mail", "Mail", "mail ", "", "sms", "méil"}
	for i, by := range notifiers {
		d := k.delivery(c.Ticket)
		d.Notifier, d.To, d.Due = by, to(i), clock.Add(time.Duration(i)*time.Second)
		commit.Deliveries = append(commit.Deliveries, d)
	}
	k.put(commit)
	now := soon
	for _, step := range []struct {
		by   []string
		want []string
	}{
		{nil, nil},
		{[]string{"carrier pigeon", "%"}, nil},
		{[]string{"sms", "Mail", "Mail"}, []string{"Mail", "sms"}},
		{[]string{""}, []string{""}},
		{[]string{"mail"}, []string{"mail"}},
		{notifiers, []string{"mail ", "méil"}},
	} {
		var got []string
		for _, d := range k.claimWith(ticket.ClaimRequest{Now: now, Lease: lease, Limit: 100, Notifiers: step.by}) {
			got = append(got, d.Notifier)
		}
		k.same(got, step.want, "notifiers of the deliveries claimed for %q", step.by)
	}
}

// claimSeveral claims part of the deliveries of several notifiers. They are due in turn
// and, in pairs, at the same time.
func claimSeveral(k *kit) {
	c := k.opened(acme)
	notifiers := []string{"sms", "mail", "stream"}
	var all []ticket.Delivery
	for i := range 18 {
		d := k.delivery(c.Ticket)
		d.Notifier, d.To, d.Due = notifiers[i%len(notifiers)], to(i), past.Add(time.Duration(i/2)*time.Second)
		all = append(all, d)
	}
	k.enter(c, all)
	slices.SortFunc(all, func(a, b ticket.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	for len(all) > 0 {
		n := min(4, len(all))
		got := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 4, Notifiers: notifiers})
		k.same(deliveryIDs(got), deliveryIDs(all[:n]), "deliveries claimed of three notifiers with limit 4, of %d", len(all))
		all = all[n:]
	}
}

// claimBehind uses hundreds of deliveries that are due but cannot be claimed, and one
// that is due after all of them. First the others are leased, then they belong to a line
// whose first delivery has to wait.
func claimBehind(k *kit) {
	const many, some = 250, 50
	due := make([]time.Time, many)
	for i := range due {
		due[i] = past.Add(time.Duration(i) * time.Second)
	}
	k.outbox(due...)
	for left := many; left > 0; left -= some {
		got := k.claimWith(ticket.ClaimRequest{Now: soon, Lease: year, Limit: some, Notifiers: []string{"mail"}})
		k.same(len(got), some, "deliveries claimed with limit %d, when %d of %d are left", some, left, many)
	}
	last := k.outbox(soon)
	k.claims(soon, last, "after %d that are already claimed", many)

	line := k.lined(many)
	again := settlement(k.claims(soon, line[:1], "of a long line")[0], ticket.DeliveryPending)
	again.Due = soon.Add(2 * year)
	k.settle(again)
	last = k.outbox(soon)
	k.claims(soon, last, "after a line of %d whose first has to wait", many)
}

// claimLease waits until a lease expires.
func claimLease(k *kit) {
	d := k.outbox(past)
	k.same(len(k.claim(clock)), 1, "deliveries claimed")
	until := clock.Add(lease)
	k.same(len(k.claim(until.Add(-time.Microsecond))), 0, "deliveries claimed while the lease runs")
	k.same(deliveryIDs(k.claim(until)), deliveryIDs(d), "deliveries claimed when the lease has expired")
	k.same(len(k.claim(until)), 0, "deliveries claimed while the second lease runs")
}

// claimClocks has a caller whose clock is fast claim before one whose clock is slow. A
// lease that has expired for the first may still run for the second.
func claimClocks(k *kit) {
	d := k.outbox(past, past.Add(time.Second))
	k.same(len(k.claim(clock)), 2, "deliveries claimed")
	ahead := ticket.ClaimRequest{Now: clock.Add(2 * lease), Lease: year, Limit: 1, Notifiers: []string{"mail"}}
	k.same(deliveryIDs(k.claimWith(ahead)), deliveryIDs(d[:1]), "deliveries claimed by a caller whose clock is fast")
	k.same(len(k.claim(clock.Add(time.Second))), 0, "deliveries claimed by a caller whose clock is slow, while the lease runs")
	k.same(deliveryIDs(k.claim(soon)), deliveryIDs(d[1:]), "deliveries claimed when the lease has expired for it as well")
}

func claimReturned(k *kit) {
	want := k.outbox(past)[0]
	for i, now := range []time.Time{clock, clock.Add(time.Hour), clock.Add(2 * time.Hour)} {
		r := ticket.ClaimRequest{Now: now, Lease: lease + time.Microsecond, Limit: 1, Notifiers: []string{"mail"}}
		want.State, want.Attempts, want.Until = ticket.DeliveryClaimed, i+1, now.Add(r.Lease)
		got := k.claimWith(r)
		for j := range got {
			got[j].Failures = want.Failures // checked by Claim/taken over
		}
		k.same(got, []ticket.Delivery{want}, "delivery claimed for the %d. time", i+1)
	}
}

// claimStored settles claims. That succeeds only if the store has stored them.
func claimStored(k *kit) {
	d := k.outbox(past)[0]
	for i := range 3 {
		now := clock.Add(time.Duration(i) * time.Hour)
		k.same(len(k.claim(now)), 1, "deliveries claimed for the %d. time", i+1)
		s := ticket.Settlement{ID: d.ID, Attempts: i + 1, State: ticket.DeliveryPending, At: now, Due: now.Add(time.Minute)}
		k.ok(k.store.Settle(k.Context(), []ticket.Settlement{s}), "Settle of a delivery claimed for the %d. time", i+1)
	}
}

// claimTakenOver lets leases expire and checks Failures.
func claimTakenOver(k *kit) {
	d := k.outbox(past)[0]
	now := clock
	claimed := func(failures int, how string) ticket.Delivery {
		k.Helper()
		now = now.Add(2 * lease)
		got := k.claim(now)
		k.same(deliveryIDs(got), []ticket.ID{d.ID}, "deliveries claimed %s", how)
		k.same(got[0].Failures, failures, "failures of a delivery that was claimed %s", how)
		k.same(k.stored(d).Failures, failures, "failures that are stored of a delivery that was claimed %s", how)
		return got[0]
	}
	claimed(0, "for the first time")
	held := claimed(1, "after its lease had expired")
	again := settlement(held, ticket.DeliveryPending)
	again.Due, again.Failures = now, 7
	k.settle(again)
	claimed(7, "after DeliveryPending")
	claimed(8, "after its lease had expired once more")
}

// filling commits deliveries of one ticket in which every field that a commit may set has
// a value of its own. All are due.
func (k *kit) filling(f *filler, n int) []ticket.Delivery {
	k.Helper()
	c := k.opened(acme)
	list := make([]ticket.Delivery, n)
	for i := range list {
		list[i] = k.delivery(c.Ticket)
		f.delivery(&list[i])
		list[i].Due = past.Add(time.Duration(i) * time.Second)
	}
	k.enter(c, list)
	return list
}

// claimKept claims a delivery with every field set: for the first time, after its lease
// has expired, and for another attempt. Claim/taken over checks Failures.
func claimKept(k *kit) {
	d := k.filling(plainly(), 1)[0]
	want, now := d, clock
	claim := func(how string) {
		k.Helper()
		now = now.Add(2 * lease)
		got := k.claimWith(ticket.ClaimRequest{Now: now, Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}})
		k.same(len(got), 1, "deliveries claimed %s", how)
		want.State, want.Attempts, want.Until, want.Failures = ticket.DeliveryClaimed, want.Attempts+1, now.Add(lease), got[0].Failures
		k.same(got[0], want, "delivery as returned when it was claimed %s", how)
		stored := k.stored(d)
		stored.Failures = want.Failures
		k.same(stored, want, "delivery as stored when it was claimed %s", how)
	}
	claim("for the first time")
	claim("after its lease had expired")
	for _, try := range []string{"once", "twice"} {
		s := settlement(want, ticket.DeliveryPending)
		s.Due, s.Failures, s.Error, s.Address = now.Add(lease), 7, "mailbox full "+try, try+"@example.org"
		k.settle(s)
		want.Due, want.LastError, want.Address = s.Due, s.Error, s.Address
		claim("after it was postponed " + try)
		claim("after it was postponed " + try + ", and its lease had expired")
	}
}

func claimInvalid(k *kit) {
	k.outbox(past)
	for what, r := range map[string]ticket.ClaimRequest{
		"no lease":         {Limit: 1},
		"a negative lease": {Limit: 1, Lease: -lease},
		"no limit":         {Lease: lease},
		"a negative limit": {Lease: lease, Limit: -1},
	} {
		r.Now, r.Notifiers = clock, []string{"mail"}
		_, err := k.store.Claim(k.Context(), r)
		k.refused(err, ticket.ErrInvalid, "Claim with %s", what)
	}
	k.same(len(k.claim(clock)), 1, "deliveries claimed afterwards")
}
