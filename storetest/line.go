package storetest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysLine    = "Deliveries of one ticket by one notifier to one recipient (with equal Recipient.Key) form a line, ordered by Seq, then by ID."
	saysBlocked = "A delivery must not be claimed while an earlier one of its line is pending or claimed, due or not."
)

var lineRules = []rule{
	{name: "Line/order", says: saysLine, upon: []string{"Settle/", "Line/blocked"}, prove: lineOrder},
	{name: "Line/more than nine", says: saysLine, upon: []string{"Settle/", "Line/order", "Line/blocked"}, prove: lineMany},
	{name: "Line/run together", says: saysLine, upon: []string{"Line/others"}, prove: lineJoined},
	{name: "Line/same recipient", says: saysLine, upon: []string{"Line/blocked"}, prove: lineSame},
	{name: "Line/others", says: saysLine, prove: lineOthers},
	{name: "Line/blocked", says: saysBlocked, upon: []string{"Settle/"}, prove: lineBlocked},
	{name: "Line/freed", says: saysBlocked, upon: []string{"Settle/", "Line/blocked"}, prove: lineFreed},
	{name: "Line/redriven", says: saysBlocked, upon: []string{"Settle/", "Line/blocked", "Line/freed", "UpdateDeliveries/"}, prove: lineRedriven},
	{name: "Line/after a redrive", says: saysBlocked, upon: []string{"Settle/", "Line/blocked", "Line/freed", "Line/redriven", "UpdateDeliveries/"}, prove: lineAgain},
	{name: "Line/bounced elsewhere", says: saysLine, upon: []string{"Settle/", "Line/blocked", "Line/redriven", "UpdateDeliveries/"}, prove: lineBounced},
	{name: "Line/race", says: saysBlocked, needs: Concurrency, upon: []string{"Settle/", "Line/order", "Line/blocked", "Concurrency/claim"}, prove: lineRace},
}

// line returns a ticket and deliveries of one line, all of them due, in the order of
// their events, their IDs and their due times.
func (k *kit) line(n int) (ticket.Change, []ticket.Delivery) {
	edits := make([]edit, n)
	ids := make([]ticket.ID, n)
	for i := range n {
		edits[i], ids[i] = func(*ticket.Event) {}, k.id()
	}
	slices.SortFunc(ids, ticket.ID.Compare)
	c := k.opened(acme, edits...)
	list := make([]ticket.Delivery, n)
	for i := range list {
		d := k.delivery(c.Ticket)
		d.ID, d.Seq, d.Due = ids[i], int64(i+1), past.Add(time.Duration(i)*time.Second)
		list[i] = d
	}
	return c, list
}

// lined stores what line returns.
func (k *kit) lined(n int) []ticket.Delivery {
	k.Helper()
	c, list := k.line(n)
	k.enter(c, list)
	return list
}

func (k *kit) enter(c ticket.Change, list []ticket.Delivery) {
	k.Helper()
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: list})
}

// claims expects exactly these deliveries to be claimed now, and returns them.
func (k *kit) claims(now time.Time, want []ticket.Delivery, when string, args ...any) []ticket.Delivery {
	k.Helper()
	got := k.claim(now)
	k.same(deliveryIDs(got), deliveryIDs(want), "deliveries claimed %s", fmt.Sprintf(when, args...))
	return got
}

// lineOrder uses IDs and times in the opposite order of the events.
func lineOrder(k *kit) {
	c, list := k.line(6)
	slices.Reverse(list)
	for i := range list {
		list[i].Seq = min(int64(i+1), 4) // the last three are of one event
		list[i].Created = past.Add(-time.Duration(i) * time.Second)
		if i >= 3 {
			list[i].Due = past.Add(time.Duration(i) * time.Second)
		}
	}
	k.enter(c, list)
	slices.SortFunc(list[3:], func(a, b ticket.Delivery) int { return a.ID.Compare(b.ID) })
	for i := range list {
		r := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1, Notifiers: []string{"mail"}}
		claimed := k.claimWith(r)
		k.same(deliveryIDs(claimed), []ticket.ID{list[i].ID}, "%d. delivery claimed of a line", i+1)
		k.settle(settlement(claimed[0], ticket.DeliverySent))
	}
}

// lineMany uses event numbers that sort differently as text. The deliveries are stored from
// last to first and are all due at the same time.
func lineMany(k *kit) {
	c, list := k.manyInLine()
	entered := slices.Clone(list)
	slices.Reverse(entered)
	k.enter(c, entered)
	for i := range list {
		claimed := k.claims(clock, list[i:i+1], "when %d of a line are settled", i)
		k.settle(settlement(claimed[0], ticket.DeliverySent))
	}
}

// manyInLine returns a ticket with more than a hundred events, and deliveries for some of
// them, in order.
func (k *kit) manyInLine() (ticket.Change, []ticket.Delivery) {
	c := k.opened(acme, slices.Repeat([]edit{func(*ticket.Event) {}}, 101)...)
	var list []ticket.Delivery
	for _, seq := range []int64{2, 9, 10, 11, 99, 100, 101} {
		d := k.delivery(c.Ticket)
		d.Seq = seq
		list = append(list, d)
	}
	return c, list
}

// separators are characters that careless stores join keys with.
var separators = []string{":", "/", "|", " ", ",", ".", "-", "_", "#", "\t", "\n", "\x1f", ""}

// lineJoined uses notifiers and recipients whose names are equal when joined: mail:x and
// i:y, and mail and x:i:y.
func lineJoined(k *kit) {
	agent := func(id string) ticket.Recipient {
		return ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: id}}
	}
	key := agent("y")
	prefix, _ := strings.CutSuffix(key.Key(), "y") // the prefix of an agent's key
	for _, sep := range separators {
		c := k.opened(acme)
		a, b := k.delivery(c.Ticket), k.delivery(c.Ticket)
		a.Notifier, a.To = "mail", agent("x"+sep+prefix+"y")
		b.Notifier, b.To = "mail"+sep+prefix+"x", agent("y")
		k.enter(c, []ticket.Delivery{a, b})
		got := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 10, Notifiers: []string{a.Notifier, b.Notifier}})
		k.same(len(got), 2, "deliveries claimed by %q to %q and by %q to %q", a.Notifier, a.To.Key(), b.Notifier, b.To.Key())
	}
}

// lineSame uses pairs of equal recipients.
func lineSame(k *kit) {
	person := func(r ticket.Role, p ticket.Person) ticket.Recipient { return ticket.Recipient{Role: r, Person: p} }
	for what, pair := range map[string][2]ticket.Recipient{
		"an address in other letters": {
			person(ticket.RoleRequester, ticket.Person{Email: "zoe@example.org"}),
			person(ticket.RoleRequester, ticket.Person{Email: "Zoe@Example.ORG"}),
		},
		"an address, and it again with a name": {
			person(ticket.RoleRequester, ticket.Person{Email: "zoe@example.org"}),
			person(ticket.RoleRequester, ticket.Person{Email: "zoe@example.org", ID: "c-2", Name: "Zoë", Locale: "de"}),
		},
		"a requester, and the same as a follower": {
			person(ticket.RoleRequester, ticket.Person{ID: "c-2"}),
			person(ticket.RoleFollower, ticket.Person{ID: "c-2"}),
		},
	} {
		c, list := k.line(2)
		list[0].To, list[1].To = pair[0], pair[1]
		k.enter(c, list)
		k.claims(clock, list[:1], "of a line to %s", what)
	}
}

// lineOthers uses recipients that are near misses, and equal recipients for other tickets
// and other notifiers.
func lineOthers(k *kit) {
	var tos []ticket.Recipient
	for _, p := range []ticket.Person{
		{Email: "zoe@example.org"}, {ID: "zoe@example.org"}, {Phone: "zoe@example.org"}, {Email: "zoe@example.org "},
		{Email: "zoé@example.org"}, {Email: "ZOÉ@example.org"}, {Email: "zoe\u0301@example.org"}, {ID: "zoe"}, {ID: "Zoe"}, {Phone: "1"},
	} {
		tos = append(tos, ticket.Recipient{Role: ticket.RoleRequester, Person: p})
	}
	for _, queue := range []string{"", "hardware", "Hardware", "1:hardware"} {
		for level := range 3 {
			tos = append(tos, ticket.Recipient{Role: ticket.RoleAgent, Queue: queue, Level: level})
		}
	}
	tos = append(tos, ticket.Recipient{Role: ticket.RoleSystem})
	var all []ticket.Delivery
	for range 2 {
		c := k.opened(acme)
		var list []ticket.Delivery
		for _, to := range tos {
			for _, by := range []string{"mail", "Mail", "sms"} {
				d := k.delivery(c.Ticket)
				d.To, d.Notifier = to, by
				list = append(list, d)
			}
		}
		k.enter(c, list)
		all = append(all, list...)
	}
	r := ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1000, Notifiers: []string{"mail", "Mail", "sms"}}
	claimed := k.claimWith(r)
	for _, d := range all {
		if !slices.ContainsFunc(claimed, func(c ticket.Delivery) bool { return c.ID == d.ID }) {
			k.fail("the delivery by %q to %q was not claimed, but no other is in its line", d.Notifier, d.To.Key())
		}
	}
}

// lineBlocked puts a delivery in every unsettled state before one that is due.
func lineBlocked(k *kit) {
	c, list := k.line(3)
	list[0].Due = soon
	k.enter(c, list)
	k.claims(clock, nil, "after one that is not due")
	now := soon.Add(time.Second)
	k.claims(now, list[:1], "when the first one is due")
	k.claims(now, nil, "after one that is claimed")
	now = now.Add(2 * lease)
	held := k.claims(now, list[:1], "when the lease of the first one has expired")
	again := settlement(held[0], ticket.DeliveryPending)
	again.Due = now.Add(time.Hour)
	k.settle(again)
	k.claims(now.Add(time.Minute), nil, "after one that waits for another attempt")

	list = k.lined(3)
	held = k.claims(clock, list[:1], "of a line of three")
	k.settle(settlement(held[0], ticket.DeliverySent))
	k.claims(clock, list[1:2], "after the first one was done")
	k.claims(clock, nil, "after a second one that is claimed")
}

func lineFreed(k *kit) {
	for _, o := range finals {
		list := k.lined(2)
		held := k.claims(clock, list[:1], "of a line of two")
		k.settle(settlement(held[0], o))
		k.claims(clock, list[1:], "after the first one was settled: %s", o)
	}
}

// lineRedriven redrives the first of a line while the second is claimed and the third is
// pending.
func lineRedriven(k *kit) {
	list := k.lined(3)
	first := k.claims(clock, list[:1], "of a line of three")[0]
	k.settle(settlement(first, ticket.DeliveryDead))
	second := k.claims(clock, list[1:2], "after the first one was given up")[0]
	r := ticket.DeliveryUpdate{Tenant: acme, IDs: []ticket.ID{first.ID}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: clock.Add(time.Second)}
	k.same(k.update(r), 1, "deliveries redriven")

	now := clock.Add(4 * lease)
	k.claims(clock, nil, "before the redriven one is due")
	k.same(deliveryIDs(k.claimWith(ticket.ClaimRequest{Now: now, Lease: year, Limit: 100, Notifiers: []string{"mail"}})),
		deliveryIDs(list[:1]), "deliveries claimed when the redriven one is due")
	k.claims(now, nil, "after the redriven one, though the lease of the second has expired")
	k.settle(settlement(second, ticket.DeliverySent))
	k.claims(now, nil, "after the redriven one, when the second was done")
	first.Attempts++
	k.settle(settlement(first, ticket.DeliverySent))
	k.claims(now, list[2:], "after the redriven one was done")
}

// lineAgain redrives the first of two while the second is claimed. The second then needs
// another attempt.
func lineAgain(k *kit) {
	list := k.lined(2)
	first := k.claims(clock, list[:1], "of a line of two")[0]
	k.settle(settlement(first, ticket.DeliveryDead))
	again := settlement(k.claims(clock, list[1:], "after the first one was given up")[0], ticket.DeliveryPending)
	r := updateTo(ticket.DeliveryPending, settledStates, first)
	r.At = clock.Add(2 * time.Hour)
	k.update(r)
	again.Due = clock.Add(time.Minute)
	k.settle(again)
	k.claims(soon, nil, "after a redriven one that is not due yet")
	k.settle(settlement(k.claims(r.At, list[:1], "when the redriven one is due")[0], ticket.DeliverySent))
	k.claims(r.At, list[1:], "after the redriven one was done")
}

// lineBounced redrives a delivery that bounced at another address than its recipient's.
func lineBounced(k *kit) {
	list := k.lined(2)
	bounced := k.endAt(list[0], "moved@example.org", ticket.DeliveryBounced)
	k.update(updateTo(ticket.DeliveryPending, settledStates, bounced))
	k.claims(clock, nil, "after one that bounced at another address and was redriven")
	k.settle(settlement(k.claims(soon, list[:1], "when the redriven one is due")[0], ticket.DeliverySent))
	k.claims(soon, list[1:], "after the redriven one was done")
}

// lineRace has several callers work on lines until nothing is left.
func lineRace(k *kit) {
	const lines, length = 6, 8
	type state struct {
		holders atomic.Int64
		last    atomic.Int64 // the event number of the last settled delivery
	}
	of := map[ticket.ID]*state{}
	for range lines {
		list := k.lined(length)
		of[list[0].Ticket] = &state{}
	}
	var done atomic.Int64
	work := func(i int) error {
		for idle := 0; done.Load() < lines*length && idle < 1000; idle++ {
			claimed, err := k.store.Claim(k.Context(), ticket.ClaimRequest{Now: clock, Lease: 2 * lease, Limit: 3, Notifiers: []string{"mail"}})
			if err != nil {
				return fmt.Errorf("Claim: %w", err)
			}
			for _, d := range claimed {
				line := of[d.Ticket]
				if line.holders.Add(1) > 1 {
					return fmt.Errorf("claimed the delivery of event %d while another caller holds one of its line", d.Seq)
				}
				if last := line.last.Load(); d.Seq != last+1 {
					return fmt.Errorf("claimed the delivery of event %d, when the last one done was that of event %d", d.Seq, last)
				}
			}
			runtime.Gosched()
			for j, d := range claimed {
				line, s := of[d.Ticket], settlement(d, ticket.DeliverySent)
				if d.Attempts == 1 && (i+j)%3 == 0 {
					s.State, s.Due = ticket.DeliveryPending, past
				} else {
					line.last.Store(d.Seq)
				}
				line.holders.Add(-1)
				if err := k.store.Settle(k.Context(), []ticket.Settlement{s}); err != nil {
					return fmt.Errorf("Settle: %w", err)
				}
				if s.State == ticket.DeliverySent {
					done.Add(1)
				}
			}
			if len(claimed) > 0 {
				idle = 0
			}
		}
		return nil
	}
	k.together(writers/2, work)
	k.ok(work(0), "one caller alone, with what the others left")
	k.same(done.Load(), int64(lines*length), "deliveries done, when nothing is left to claim")
}
