package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysSettle     = "A delivery must get the State of its settlement, and with DeliveryPending also its Due."
	saysSettled    = "All states but pending and claimed are settled: Settled becomes the settlement's At, and the delivery stays in the store."
	saysRecorded   = "In every case Failures, LastError and Address become those of the settlement, and Until becomes zero."
	saysSettleKept = "All other fields of the delivery must stay as they were."
	saysStale      = "If a delivery is not claimed, or is claimed with other Attempts, its settlement must change nothing, and Settle returns ErrClaimLost after it has applied the others."
	saysLate       = "A settlement counts however late it arrives: the end of the lease does not matter as long as nobody else has claimed the delivery."
	saysNobody     = "With DeliveryPending, the store may postpone the Due of later deliveries of the same line to the same time. It must not bring any forward, and must leave all others as they are."
	saysOutcome    = "Check returns an [*InvalidError] if the settlement is not valid. Stores call it first."
)

var settleRules = []rule{
	{name: "Settle/done", says: saysSettle, prove: settleTo(ticket.DeliverySent)},
	{name: "Settle/again", says: saysSettle, prove: settleAgain},
	{name: "Settle/again earlier", says: saysSettle, upon: []string{"Settle/again"}, prove: settleEarlier},
	{name: "Settle/again, and the others", says: saysNobody, upon: []string{"Claim/", "Line/", "Settle/"}, prove: settleNobody},
	{name: "Settle/give up", says: saysSettle, prove: settleTo(ticket.DeliveryDead)},
	{name: "Settle/bounce", says: saysSettle, prove: settleTo(ticket.DeliveryBounced)},
	{name: "Settle/suppress", says: saysSettle, prove: settleTo(ticket.DeliverySuppressed)},
	{name: "Settle/settled", says: saysSettled, upon: []string{"Claim/", "Settle/done", "Settle/give up", "Settle/bounce", "Settle/suppress"}, prove: settleStays},
	{name: "Settle/recorded", says: saysRecorded, upon: []string{"Settle/again"}, prove: settleRecorded},
	{name: "Settle/kept", says: saysSettleKept, upon: []string{"Claim/", "Settle/", "Deliveries/", "Values/"}, prove: settleKept},
	{name: "Settle/other attempts", says: saysStale, prove: settleStale},
	{name: "Settle/not claimed", says: saysStale, upon: []string{"Settle/again"}, prove: settleUnclaimed},
	{name: "Settle/the others", says: saysStale, prove: settleOthers},
	{name: "Settle/after the lease", says: saysLate, prove: settleLate},
	{name: "Settle/invalid", says: saysOutcome, upon: []string{"Settle/again"}, prove: settleInvalid},
}

const year = 365 * 24 * time.Hour

var (
	finals   = []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed}
	outcomes = []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed}
)

// settleTo settles one of two deliveries for good. Settle/settled checks that it is still
// stored.
func settleTo(o ticket.DeliveryState) func(k *kit) {
	return func(k *kit) {
		k.outbox(past, past.Add(time.Second))
		claimed := k.claim(clock)
		k.settle(settlement(claimed[0], o))
		k.same(deliveryIDs(k.claim(clock.Add(year))), deliveryIDs(claimed[1:]), "deliveries claimed a year after one was settled: %s", o)
		if found, ok := k.find(claimed[0]); ok {
			k.same(found.State, o, "state of a delivery that was settled: %s", o)
		}
		k.settle() // no results are fine
	}
}

func settleAgain(k *kit) {
	k.outbox(past)
	d := k.claim(clock)[0]
	s := settlement(d, ticket.DeliveryPending)
	s.Due = clock.Add(time.Second)
	k.settle(s)
	found := k.stored(d)
	k.same(found.State, ticket.DeliveryPending, "state of a delivery after DeliveryPending")
	k.same(found.Due, s.Due, "the new Due")
	k.same(found.Settled, time.Time{}, "Settled of a delivery after DeliveryPending")
	k.same(len(k.claim(s.Due.Add(-time.Microsecond))), 0, "deliveries claimed a microsecond before the new Due")
	k.same(deliveryIDs(k.claim(s.Due)), []ticket.ID{d.ID}, "deliveries claimed at the new Due")
}

// settleEarlier retries at a time before the delivery's first due time.
func settleEarlier(k *kit) {
	k.outbox(past)
	d := k.claim(clock)[0]
	s := settlement(d, ticket.DeliveryPending)
	s.Due = past.Add(-time.Hour)
	k.settle(s)
	k.same(k.stored(d).Due, s.Due, "the new Due, which is before the old one")
	k.same(deliveryIDs(k.claim(s.Due)), []ticket.ID{d.ID}, "deliveries claimed at the new Due, which is before the old one")
}

// settleNobody settles a delivery as DeliveryPending and checks all others: later ones of
// the same line, and ones with only the notifier, the recipient or the ticket in common.
func settleNobody(k *kit) {
	c, line := k.line(3)
	line[2].Due = clock.Add(10 * time.Hour)
	other := func(by string, to ticket.Recipient) ticket.Delivery {
		d := k.delivery(c.Ticket)
		d.Seq, d.Notifier, d.To, d.Due = 1, by, to, past.Add(time.Minute)
		return d
	}
	others := append(k.outbox(past.Add(time.Minute)), other("sms", line[0].To), other("mail", to(7)))
	k.enter(c, append(line, others[1:]...))
	elsewhere, same := k.line(1)
	same[0].Due = past.Add(time.Minute)
	k.enter(elsewhere, same)
	others = append(others, same...)

	r := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1, Notifiers: []string{"mail"}}
	first := k.claimWith(r)
	k.same(deliveryIDs(first), deliveryIDs(line[:1]), "delivery claimed")
	again := settlement(first[0], ticket.DeliveryPending)
	again.Due = soon
	k.settle(again)
	for _, d := range others {
		k.same(k.stored(d), d, "a delivery of another line, after DeliveryPending")
	}
	k.same(k.stored(line[2]), line[2], "a delivery that is due later, in the line of one settled as pending")
	second := k.stored(line[1])
	if !second.Due.Equal(line[1].Due) && !second.Due.Equal(soon) {
		k.fail("a later delivery in the line of one settled as pending is due at %v, want its own time, %v, or the same, %v", second.Due, line[1].Due, soon)
	}
	second.Due = line[1].Due
	k.same(second, line[1], "other fields of a later delivery in the line of one settled as pending")
	k.same(len(k.claimWith(ticket.ClaimRequest{Now: clock, Lease: year, Limit: 100, Notifiers: []string{"mail", "sms"}})), len(others), "deliveries claimed of other lines")

	k.settle(settlement(k.claims(soon, line[:1], "again")[0], ticket.DeliverySent))
	k.settle(settlement(k.claims(soon, line[1:2], "after the first one was done")[0], ticket.DeliverySent))
	k.claims(line[2].Due.Add(-time.Microsecond), nil, "a microsecond before the last one of the line is due")
}

// settleStays compares all fields that a settlement must not change.
func settleStays(k *kit) {
	for i, o := range finals {
		c := k.opened(acme)
		d := k.delivery(c.Ticket)
		f := plainly()
		f.delivery(&d)
		k.enter(c, []ticket.Delivery{d})
		want := k.claimWith(ticket.ClaimRequest{Now: soon, Lease: lease, Limit: 1, Notifiers: []string{d.Notifier}})[0]
		s := settlement(want, o)
		s.At = soon.Add(time.Duration(i+1) * 1_000_001 * time.Microsecond)
		k.settle(s)
		got := k.stored(d)
		k.same(got.Settled, s.At, "Settled of a delivery that was settled: %s", o)
		got.State, got.Failures, got.LastError, got.Until, got.Settled = want.State, want.Failures, want.LastError, want.Until, want.Settled
		k.same(got, want, "other fields of a delivery that was settled: %s", o)
	}
}

// settleRecorded settles with errors that are known to come back changed from some stores,
// and then with empty ones.
func settleRecorded(k *kit) {
	for i, o := range outcomes {
		d := k.outbox(past)[0]
		recorded := func(s ticket.Settlement, try string) {
			k.Helper()
			k.settle(s)
			found, ok := k.find(d)
			if !ok {
				return // checked by Settle/settled
			}
			k.same(found.Failures, s.Failures, "failures after the %s try: %s", try, s.State)
			k.same(found.LastError, s.Error, "error after the %s try: %s", try, s.State)
			k.same(found.Address, s.Address, "address after the %s try: %s", try, s.State)
			k.same(found.Until, time.Time{}, "end of the lease after the %s try: %s", try, s.State)
		}
		first := settlement(k.claim(clock)[0], ticket.DeliveryPending)
		first.Due, first.Failures, first.Error = clock, 7, " \t"+strings.Join(awkward, "\n")+"\r\n "
		first.Address = "Zoë.O'Neil@École.example"
		recorded(first, "first")
		last := settlement(k.claims(clock.Add(time.Second), []ticket.Delivery{d}, "for a second try")[0], o)
		last.Due, last.Failures = clock.Add(year), i
		if o != ticket.DeliverySent {
			last.Error, last.Address = "mailbox full\nécole", "zoé@école.example"
		}
		recorded(last, "second")
	}
}

// settleKept settles three deliveries with every field set in one call, with every outcome.
func settleKept(k *kit) {
	f := plainly()
	for _, o := range outcomes {
		list := k.filling(f, 3)
		notifiers := []string{list[0].Notifier, list[1].Notifier, list[2].Notifier}
		want := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 3, Notifiers: notifiers})
		k.same(deliveryIDs(want), deliveryIDs(list), "deliveries claimed")
		var all []ticket.Settlement
		for i := range want {
			d, s := &want[i], settlement(want[i], o)
			s.At, s.Due, s.Failures = clock.Add(time.Duration(i)*time.Second), soon.Add(time.Duration(i)*time.Second), i+1
			s.Error, s.Address = fmt.Sprintf("error %d", i), fmt.Sprintf("tried-%d@example.org", i)
			all = append(all, s)
			d.State, d.Until, d.Failures, d.LastError, d.Address = o, time.Time{}, s.Failures, s.Error, s.Address
			if o == ticket.DeliveryPending {
				d.Due = s.Due
			} else {
				d.Settled = s.At
			}
		}
		slices.Reverse(all)
		k.settle(all...)
		for i, d := range list {
			if got, ok := k.find(d); ok { // otherwise checked by Settle/settled
				k.same(got, want[i], "the %d. of three deliveries that were settled in one call: %s", i+1, o)
			}
		}
		if o != ticket.DeliveryPending {
			continue
		}
		r := ticket.ClaimRequest{Now: soon.Add(lease), Lease: lease, Limit: 3, Notifiers: notifiers}
		for i := range want {
			want[i].State, want[i].Attempts, want[i].Until = ticket.DeliveryClaimed, 2, r.Now.Add(r.Lease)
		}
		k.same(k.claimWith(r), want, "deliveries claimed after they were postponed")
	}
}

func settleInvalid(k *kit) {
	k.outbox(past)
	d := k.claim(clock)[0]
	for what, change := range map[string]func(s *ticket.Settlement){
		"no outcome":                 func(s *ticket.Settlement) { s.State = "" },
		"an invalid outcome":         func(s *ticket.Settlement) { s.State = ticket.DeliveryClaimed },
		"no At":                      func(s *ticket.Settlement) { s.At = time.Time{} },
		"no Due":                     func(s *ticket.Settlement) { s.State = ticket.DeliveryPending },
		"no At when it was given up": func(s *ticket.Settlement) { s.State, s.At = ticket.DeliveryDead, time.Time{} },
	} {
		s := settlement(d, ticket.DeliverySent)
		change(&s)
		k.refused(k.store.Settle(k.Context(), []ticket.Settlement{s}), ticket.ErrInvalid, "Settle with %s", what)
	}
	k.settle(settlement(d, ticket.DeliverySent))
}

// settleStale settles under a lost claim, with every outcome.
func settleStale(k *kit) {
	k.outbox(past)
	lost := k.claim(clock)[0]
	held := k.claim(soon)[0]
	for _, attempts := range []int{lost.Attempts, held.Attempts + 1, 0} {
		for _, o := range outcomes {
			s := ticket.Settlement{ID: lost.ID, Attempts: attempts, State: o, At: past, Due: past, Error: "lost"}
			err := k.store.Settle(k.Context(), []ticket.Settlement{s})
			k.refused(err, ticket.ErrClaimLost, "Settle of attempt %d, when the claim is of attempt %d", attempts, held.Attempts)
			k.same(len(k.claim(soon)), 0, "deliveries claimed after it, while the lease runs")
		}
	}
	k.settle(settlement(held, ticket.DeliverySent))
}

// settleUnclaimed settles deliveries that are pending, dead, sent and unknown.
func settleUnclaimed(k *kit) {
	refused := func(d ticket.Delivery, what string) {
		k.Helper()
		for _, o := range outcomes {
			s := ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: o, At: past, Due: past}
			k.refused(k.store.Settle(k.Context(), []ticket.Settlement{s}), ticket.ErrClaimLost, "Settle of a delivery that is %s", what)
		}
	}
	refused(ticket.Delivery{ID: k.id()}, "unknown")

	pending := k.outbox(past)[0]
	refused(pending, "pending for the first time")
	claimed := k.claim(clock)
	k.same(deliveryIDs(claimed), []ticket.ID{pending.ID}, "deliveries claimed after that")
	again := settlement(claimed[0], ticket.DeliveryPending)
	again.Due = clock.Add(time.Minute)
	k.settle(again)
	refused(claimed[0], "pending again")

	claimed = k.claim(soon)
	k.same(deliveryIDs(claimed), []ticket.ID{pending.ID}, "deliveries claimed after that")
	k.settle(settlement(claimed[0], ticket.DeliveryDead))
	refused(claimed[0], "dead")
	k.same(len(k.claim(soon.Add(time.Hour))), 0, "deliveries claimed after that")

	k.outbox(past)
	claimed = k.claim(clock)
	k.settle(settlement(claimed[0], ticket.DeliverySent))
	refused(claimed[0], "done")
	k.same(len(k.claim(soon)), 0, "deliveries claimed after that")
}

// settleOthers puts a settlement that fails before, between and after others.
func settleOthers(k *kit) {
	for place := range 3 {
		k.outbox(past, past)
		var all []ticket.Settlement
		for _, d := range k.claim(clock) {
			all = append(all, settlement(d, ticket.DeliverySent))
		}
		pending := k.outbox(clock.Add(year))[0]
		all = slices.Insert(all, place, settlement(pending, ticket.DeliverySent))
		k.refused(k.store.Settle(k.Context(), all), ticket.ErrClaimLost, "Settle of three, the %d. of which is pending", place+1)
		k.same(len(k.claim(soon)), 0, "deliveries left after the others were done")
	}
}

// settleLate settles after the lease has expired, while nobody else has claimed the
// delivery: it is still claimed, with the same attempts. The store learns that the lease
// has expired from another claim, or from the time in the settlement.
func settleLate(k *kit) {
	for _, ended := range []time.Time{clock, clock.Add(2 * lease)} {
		k.outbox(past)
		late := k.claim(clock)[0]
		k.claimWith(ticket.ClaimRequest{Now: soon, Lease: lease, Limit: 1, Notifiers: []string{"sms"}})
		s := settlement(late, ticket.DeliverySent)
		s.At = ended
		k.settle(s)
		k.same(len(k.claim(soon)), 0, "deliveries left, of which one was done at %v under a lease until %v", ended, late.Until)
	}
}
