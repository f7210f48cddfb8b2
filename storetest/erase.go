package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ticketkit/ticket"
)

const (
	saysErase    = "Erase writes e.Commit as Commit does, with the same errors and in the same order of preference, and in the same step"
	saysReplaces = "It must replace the stored events that have the numbers of e.Events."
	saysRemoves  = "It must remove the deliveries e.Remove of the ticket, in any state. It must leave all others as they are, and ignore IDs that the ticket does not have."
	saysForgets  = "It must remove all receipts of the ticket but the one that the commit writes."
	saysEraseBad = "It must return ErrInvalid if e does not pass EraseCommit.Check."
	saysGone     = "Afterwards no read may return what was erased, and no search may find it."
)

var eraseRules = []rule{
	{name: "Erase/events", says: saysReplaces, lacks: noEraser, upon: eraseUpon, prove: eraseEvents},
	{name: "Erase/commit", says: saysErase, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseCommits},
	{name: "Erase/nothing", says: saysErase, lacks: noEraser, upon: append([]string{"Erase/events", "Erase/commit", "Erase/errors"}, eraseUpon...), prove: eraseNothing},
	{name: "Erase/errors", says: saysErase, lacks: noEraser, upon: append([]string{"Erase/events", "Erase/commit"}, eraseUpon...), prove: eraseErrors},
	{name: "Erase/invalid", says: saysEraseBad, lacks: noEraser, upon: append([]string{"Erase/events", "Erase/commit"}, eraseUpon...), prove: eraseInvalid},
	{name: "Erase/deliveries", says: saysRemoves, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseDeliveries},
	{name: "Erase/claimed deliveries", says: saysRemoves, lacks: noEraser, upon: append([]string{"Erase/deliveries"}, eraseUpon...), prove: eraseClaimed},
	{name: "Erase/lines", says: saysRemoves, lacks: noEraser, upon: append([]string{"Erase/deliveries", "Erase/claimed deliveries"}, eraseUpon...), prove: eraseLines},
	{name: "Erase/contexts", says: saysGone, lacks: noErasedContexts, upon: append([]string{"Erase/events", "Erase/deliveries", "DeliveryContexts/"}, eraseUpon...), prove: eraseContexts},
	{name: "Erase/receipts", says: saysForgets, lacks: noEraser, upon: append([]string{"Erase/commit", "Erase/errors"}, eraseUpon...), prove: eraseReceipts},
	{name: "Erase/lists", says: saysGone, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseLists},
	{name: "Erase/counts", says: saysGone, lacks: noErasedCounts, upon: append([]string{"Erase/events", "Count/"}, eraseUpon...), prove: eraseCounts},
	{name: "Erase/search", says: saysGone, lacks: noErasedSearch, upon: append([]string{"Erase/events", "Search/"}, eraseUpon...), prove: eraseSearch},
	{name: "Erase/tenants", says: saysTenant, lacks: noEraser, upon: append([]string{"Erase/events", "Erase/errors", "Erase/nothing", "Erase/deliveries", "Erase/receipts"}, eraseUpon...), prove: eraseTenants},
	{name: "Erase/large", says: saysWhole, lacks: noEraser, upon: append([]string{"Erase/events", "Erase/deliveries"}, eraseUpon...), prove: eraseLarge},
	{name: "Erase/copies", says: saysCopies, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseCopies},
	{name: "Erase/arguments", says: saysArguments, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseArguments},
	{name: "Erase/cancelled", says: saysCancelled, lacks: noEraser, upon: append([]string{"Erase/events"}, eraseUpon...), prove: eraseCancelled},
	{name: "Erase/reopened", says: saysGone, lacks: noEraser, durable: true, upon: append([]string{"Erase/", "Reopen"}, eraseUpon...), prove: eraseReopened},
	{name: "Concurrency/erase", says: saysVisible, needs: Concurrency, lacks: noEraser, upon: append([]string{"Erase/"}, eraseUpon...), prove: eraseRace},
}

// eraseUpon names what all cases about erasing build upon.
var eraseUpon = []string{
	"Commit/", "Ticket", "Lookup", "Events/", "Receipt", "List/", "Stages/", "Values/", "Ages/", "Many/", "Tenants/", "Claim/", "Line/", "Settle/", "Deliveries/",
	"UpdateDeliveries/", "Due/", "Context/", "Durable", "Concurrency/all", "Concurrency/v", "Concurrency/w", "Concurrency/c", "Concurrency/k", "Concurrency/n",
}

// noEraser names the feature if the store lacks it.
func noEraser(ctx context.Context, s ticket.Store) string {
	eraser, ok := s.(ticket.Eraser)
	if ok {
		_, err := eraser.Traces(ctx, acme, ticket.Person{ID: "nobody"}, ticket.ID{}, 1)
		ok = !errors.Is(err, errors.ErrUnsupported) && !errors.Is(eraser.Erase(ctx, ticket.EraseCommit{}), errors.ErrUnsupported)
	}
	if !ok {
		return "erasure"
	}
	return ""
}

// lackingBoth names the first of the features that the store lacks.
func lackingBoth(one, other func(context.Context, ticket.Store) string) func(context.Context, ticket.Store) string {
	return func(ctx context.Context, s ticket.Store) string {
		if what := one(ctx, s); what != "" {
			return what
		}
		return other(ctx, s)
	}
}

var (
	noErasedContexts = lackingBoth(noEraser, noLoader)
	noErasedCounts   = lackingBoth(noEraser, noCount)
	noErasedSearch   = lackingBoth(noEraser, noSearch)
)

// An erasure is one step, and the ticket and its history after it.
type erasure struct {
	ticket.EraseCommit
	after   ticket.Ticket
	history []ticket.Event
}

// erasing returns a step that erases groups from the events with these numbers.
func erasing(history []ticket.Event, g ticket.Groups, seqs ...int64) erasure {
	var x erasure
	var fold ticket.Ticket
	for _, e := range history {
		if e = e.Clone(); slices.Contains(seqs, e.Seq) {
			e = e.Erase(g)
			x.Events = append(x.Events, e)
		}
		fold = ticket.Apply(fold, e)
		x.history = append(x.history, e.Clone())
	}
	c := next(fold, both(quietly(ticket.ActionErase), func(e *ticket.Event) {
		e.Set.Erased = &ticket.Erased{Events: seqs, Groups: g, Reason: "the person asked for it", Requester: fold.Requester.IsZero()}
	}))
	x.Changes, x.after, x.history = []ticket.Change{c}, c.Ticket, append(x.history, c.Events...)
	return x
}

func (k *kit) erase(x erasure) {
	k.Helper()
	k.ok(k.store.Erase(k.Context(), x.EraseCommit), "Erase")
}

// personal returns a new ticket with content in each group of its events.
func (k *kit) personal(tenant string) ticket.Change {
	said := func(text ticket.Message) edit {
		return func(e *ticket.Event) {
			e.Action, e.By, e.Actor, e.Message = ticket.ActionReply, ticket.By{Role: ticket.RoleRequester}, ada, text
		}
	}
	return k.opened(tenant, func(e *ticket.Event) {
		e.Subject, e.Message = "Firstsecret printer", "Secondsecret: every page."
		e.Fields, e.Set.AddTags, e.Followed = ticket.Fields{"site": "plain"}, []string{"plain"}, []ticket.Person{{ID: "plain"}}
		e.Attachments = []ticket.Attachment{{Name: "secret.pdf", Size: 1, Ref: "secret"}}
	}, said("Thirdsecret message."), note("Fourthsecret note."), func(e *ticket.Event) {
		e.Set.Reason, e.Set.Resolution, e.Set.AddTags = new("Fifthsecret reason"), new("fixed"), []string{"second"}
	}, func(e *ticket.Event) { e.Message, e.Answer = "Harmless answer.", true })
}

// eraseEvents erases group by group: the first events, the last ones, some in between, none
// and all.
func eraseEvents(k *kit) {
	bystander, c := k.personal(acme), k.personal(acme)
	k.commit(bystander)
	k.commit(c)
	history := c.Events
	for _, step := range []struct {
		what   string
		groups ticket.Groups
		seqs   []int64
	}{
		{"nothing was erased", ticket.Groups{}, nil},
		{"the words of the second event were erased", ticket.Groups{PublicContent: true}, []int64{2}},
		{"the notes of the third and the last one were erased", ticket.Groups{InternalContent: true}, []int64{3, 5}},
		{"the persons of the first two were erased", ticket.Groups{Identities: true}, []int64{1, 2}},
		{"the remarks of the fourth one were erased", ticket.Groups{Remarks: true}, []int64{4}},
		{"the words of the first and the last one were erased", ticket.Groups{PublicContent: true}, []int64{1, 5}},
		{"everything was erased", everything, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	} {
		x := erasing(history, step.groups, step.seqs...)
		k.erase(x)
		history = x.history
		k.same(k.ticket(x.after), x.after, "ticket after %s", step.what)
		k.same(k.events(x.after), history, "events after %s", step.what)
		some, err := k.store.Events(k.Context(), acme, x.after.ID, 1, 3)
		k.ok(err, "Events")
		k.same(some, history[1:4], "three events after the first one, after %s", step.what)
		k.ok(ticket.Chain{}.Verify(k.events(x.after)), "Verify after %s", step.what)
		folded, err := ticket.Replay(k.events(x.after))
		k.ok(err, "Replay after %s", step.what)
		k.same(k.ticket(x.after), folded, "ticket after %s, compared with the fold of its events", step.what)
		k.stands(bystander.Ticket, bystander.Events)
	}
	more := next(k.ticket(c.Ticket), note("later"))
	k.commit(more)
	k.stands(more.Ticket, append(history, more.Events...))
}

// eraseCommits reads everything that the commit of an erasure writes.
func eraseCommits(k *kit) {
	c := k.personal(acme)
	k.commit(c)
	x := erasing(c.Events, everything, 1, 2)
	timed := add(x.Changes[0], timer(clock), archived(ticket.StageErased))
	x.Changes[0], x.after = timed, timed.Ticket
	x.history = append(slices.Clone(x.history[:len(c.Events)]), timed.Events...)
	d := k.delivery(x.after)
	x.Deliveries, x.Receipt = []ticket.Delivery{d}, receiptFor(x.after, "key")
	k.erase(x)
	k.stands(x.after, x.history)
	byNumber, err := k.store.Lookup(k.Context(), acme, c.Ticket.Number)
	k.ok(err, "Lookup")
	k.same(byNumber, x.after, "ticket by its number")
	k.same(k.receipt(acme, "key"), *x.Receipt, "receipt")
	k.same(len(k.list(ticket.Query{Tenant: acme}).Tickets), 0, "active tickets")
	k.same(k.list(ticket.Query{Tenant: acme, Stage: ticket.Stages()}).Tickets, []ticket.Ticket{x.after}, "tickets listed")
	k.same(k.stored(d), d, "delivery")
	k.same(deliveryIDs(k.claim(clock)), []ticket.ID{d.ID}, "deliveries claimed")
	if refs, ok := k.dueAside(soon); ok {
		k.same(refs, []ticket.Ref{refTo(c)}, "due")
	}
}

// A personalTicket is stored with a receipt and a delivery.
type personalTicket struct {
	ticket.Change
	receipt  ticket.Receipt
	delivery ticket.Delivery
}

func (k *kit) storedPersonal(tenant, key string) personalTicket {
	k.Helper()
	c := k.personal(tenant)
	d := k.delivery(c.Ticket)
	r := receiptFor(c.Ticket, key)
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: r})
	return personalTicket{c, *r, d}
}

// untouched expects nothing of the ticket to have been erased.
func (k *kit) untouched(p personalTicket) {
	k.Helper()
	k.stands(p.Ticket, p.Events)
	k.same(k.receipt(p.Ticket.Tenant, p.receipt.Key), p.receipt, "receipt")
	k.same(k.stored(p.delivery), p.delivery, "delivery")
}

// badErasures returns steps that are valid except for one part.
func (k *kit) badErasures(p personalTicket, other personalTicket) map[string]erasure {
	whole := func(change func(x *erasure)) erasure {
		x := erasing(p.Events, everything, 1, 2, 3)
		x.Remove, x.Receipt = []ticket.ID{p.delivery.ID}, receiptFor(x.after, "new")
		change(&x)
		return x
	}
	return map[string]erasure{
		"an earlier version": func() erasure {
			x := erasing(p.Events[:4], everything, 1)
			x.Remove = []ticket.ID{p.delivery.ID}
			return x
		}(),
		"a later version": func() erasure {
			x := erasing(append(slices.Clone(p.Events), add(p.Change, note("never stored")).Events[len(p.Events):]...), everything, 1)
			x.Remove = []ticket.ID{p.delivery.ID}
			return x
		}(),
		"a key of another ticket": whole(func(x *erasure) { x.Receipt = receiptFor(x.after, other.receipt.Key) }),
		"a key of the ticket":     whole(func(x *erasure) { x.Receipt = receiptFor(x.after, p.receipt.Key) }),
		"a taken delivery": whole(func(x *erasure) {
			d := k.delivery(x.after)
			d.ID = other.delivery.ID
			x.Deliveries = []ticket.Delivery{d}
		}),
	}
}

// eraseNothing makes steps that must fail, and expects nothing to be erased.
func eraseNothing(k *kit) {
	other := k.storedPersonal(acme, "other")
	p := k.storedPersonal(acme, "own")
	bad := k.badErasures(p, other)
	for _, what := range sortedKeys(bad) {
		if err := k.store.Erase(k.Context(), bad[what].EraseCommit); err == nil {
			k.fail("Erase with %s: got no error", what)
		}
		k.untouched(p)
		k.untouched(other)
		_, err := k.store.Receipt(k.Context(), acme, "new")
		k.refused(err, ticket.ErrNotFound, "Receipt after an erasure with %s", what)
	}
	unknown := k.personal(acme)
	k.refused(k.store.Erase(k.Context(), erasing(unknown.Events, everything, 1).EraseCommit), ticket.ErrConflict, "Erase of a ticket that is not stored")
	k.unknown(unknown.Ticket)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// eraseErrors expects the errors of Commit, in its order of preference.
func eraseErrors(k *kit) {
	other := k.storedPersonal(acme, "other")
	p := k.storedPersonal(acme, "own")
	bad := k.badErasures(p, other)
	for what, x := range bad {
		err := k.store.Erase(k.Context(), x.EraseCommit)
		switch {
		case strings.Contains(what, "version"):
			var conflict *ticket.ConflictError
			if k.refused(err, ticket.ErrConflict, "Erase with %s", what); !errors.As(err, &conflict) || conflict.Ticket != p.Ticket.ID {
				k.fail("Erase with %s: got error %#v, want a ConflictError of the ticket", what, err)
			}
		case strings.Contains(what, "key"):
			k.duplicate(err, "key", "Erase with %s", what)
		default:
			k.duplicate(err, "delivery", "Erase with %s", what)
		}
	}
	for _, what := range []string{"an earlier version", "a later version", "a taken delivery"} {
		for _, key := range []string{"own", "other"} {
			x := bad[what]
			x.Receipt = receiptFor(x.after, key)
			k.duplicate(k.store.Erase(k.Context(), x.EraseCommit), "key", "Erase with %s and the taken key %q", what, key)
		}
	}
	x := erasing(p.Events, everything, 1)
	x.Receipt = receiptFor(x.after, "new")
	k.erase(x)
	k.duplicate(k.store.Erase(k.Context(), x.EraseCommit), "key", "Erase for the second time")
}

// eraseInvalid breaks each rule of EraseCommit.Check.
func eraseInvalid(k *kit) {
	p, other := k.storedPersonal(acme, "own"), k.storedPersonal(acme, "other")
	for _, bad := range []struct {
		what string
		do   func(x *erasure)
	}{
		{"nothing in it", func(x *erasure) { x.EraseCommit = ticket.EraseCommit{} }},
		{"an invalid commit", func(x *erasure) { x.Changes[0].Ticket.Version++ }},
		{"two tickets", func(x *erasure) { x.Changes = append(x.Changes, next(other.Ticket, note("too"))) }},
		{"a new ticket", func(x *erasure) { x.Changes, x.Events = []ticket.Change{k.opened(acme)}, nil }},
		{"an event of another ticket", func(x *erasure) { x.Events[0] = other.Events[0].Erase(everything) }},
		{"events in another order", func(x *erasure) { slices.Reverse(x.Events) }},
		{"an event twice", func(x *erasure) { x.Events[1] = x.Events[0] }},
		{"an event without a number", func(x *erasure) { x.Events[0].Seq = 0 }},
		{"the event that it writes", func(x *erasure) { x.Events[1] = x.Changes[0].Events[0] }},
		{"an event without a digest", func(x *erasure) { x.Events[0].Digest = ticket.Digest{} }},
		{"a delivery without an ID", func(x *erasure) { x.Remove = append(x.Remove, ticket.ID{}) }},
	} {
		x := erasing(p.Events, everything, 1, 2)
		x.Remove, x.Receipt = []ticket.ID{p.delivery.ID}, nil
		bad.do(&x)
		k.refused(k.store.Erase(k.Context(), x.EraseCommit), ticket.ErrInvalid, "Erase with %s", bad.what)
		k.untouched(p)
		k.untouched(other)
	}
}

// eraseStates are the states that a delivery can be removed in.
var eraseStates = append([]ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}, finals...)

// inStates stores a ticket with deliveries in each state, each to another person.
func (k *kit) inStates(tenant string, c ticket.Change, n int) []ticket.Delivery {
	k.Helper()
	var list []ticket.Delivery
	for range n {
		for i := range eraseStates {
			d := k.delivery(c.Ticket)
			d.To, d.Due = to(100*n+len(list)), past
			if i == 0 {
				d.Due = soon.Add(year)
			}
			list = append(list, d)
		}
	}
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: list})
	var outcomes []ticket.Settlement
	for _, d := range k.claim(clock) {
		i := slices.IndexFunc(list, func(o ticket.Delivery) bool { return o.ID == d.ID }) % len(eraseStates)
		if eraseStates[i] != ticket.DeliveryClaimed {
			outcomes = append(outcomes, settlement(d, eraseStates[i]))
		}
	}
	k.settle(outcomes...)
	for i := range list {
		list[i] = k.stored(list[i])
		k.same(list[i].State, eraseStates[i%len(eraseStates)], "state of a delivery of tenant %q", tenant)
	}
	return list
}

// eraseDeliveries removes deliveries in each state, and names others that it must not remove.
func eraseDeliveries(k *kit) {
	c := k.personal(acme)
	list := k.inStates(acme, c, 2)
	n := len(eraseStates)
	others := k.inStates(acme, k.personal(acme), 1)
	alien := k.inStates("other", k.personal("other"), 1)

	x := erasing(c.Events, everything, 1, 2, 3, 4, 5)
	x.Remove = slices.Concat(deliveryIDs(list[:n]), deliveryIDs(others[:3]), deliveryIDs(alien[:3]), []ticket.ID{k.id(), list[0].ID})
	k.erase(x)
	for _, d := range list[:n] {
		if _, found := k.find(d); found {
			k.fail("the %s delivery is still found by its ID", d.State)
		}
	}
	for _, d := range slices.Concat(list[n:], others, alien) {
		k.same(k.stored(d), d, "delivery that was not removed")
	}
	all := slices.Concat(list[n:], others)
	queries := []ticket.DeliveryQuery{{}, {Ticket: c.Ticket.ID}, {Limit: 3}, {SettledFrom: past}, {SettledBefore: soon.Add(year)}, {Notifiers: []string{"mail"}}, {Kind: []ticket.Kind{ticket.KindReceived}}}
	for _, s := range eraseStates {
		queries = append(queries, ticket.DeliveryQuery{State: []ticket.DeliveryState{s}})
	}
	for _, d := range list {
		queries = append(queries, ticket.DeliveryQuery{To: d.To})
	}
	for _, q := range queries {
		q.Tenant = acme
		want := deliveryIDs(newestFirst(q, all))
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		k.same(deliveryIDs(k.deliveries(q).Deliveries), want, "deliveries that match %+v", q)
	}
	k.same(k.update(updateTo(ticket.DeliveryPending, settledStates, list[:n]...)), 0, "removed deliveries that were updated")
}

// eraseClaimed removes deliveries while a relay works on them. Its settlements come too late,
// and those of others do not.
func eraseClaimed(k *kit) {
	c := k.personal(acme)
	var list []ticket.Delivery
	for i := range 4 {
		d := k.delivery(c.Ticket)
		d.To = to(i)
		list = append(list, d)
	}
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: list})
	claimed := k.claim(clock)
	k.same(len(claimed), 4, "deliveries claimed")
	x := erasing(c.Events, everything, 1)
	x.Remove = []ticket.ID{claimed[1].ID, claimed[2].ID}
	k.erase(x)
	var outcomes []ticket.Settlement
	for i, d := range claimed {
		outcomes = append(outcomes, settlement(d, []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliveryDead}[i]))
	}
	outcomes[2].Due = clock
	k.refused(k.store.Settle(k.Context(), outcomes), ticket.ErrClaimLost, "Settle of four deliveries, two of which were removed")
	k.refused(k.store.Settle(k.Context(), outcomes[1:2]), ticket.ErrClaimLost, "Settle of a delivery that was removed")
	for i, d := range claimed {
		found, ok := k.find(d)
		k.same(ok, i == 0 || i == 3, "found the %d. delivery", i+1)
		if ok {
			k.same(found.State, outcomes[i].State, "state of the %d. delivery", i+1)
		}
	}
	k.same(len(k.claim(soon.Add(year))), 0, "deliveries left to claim")
}

// eraseLines removes the head of a line and one from its middle: pending, not due, claimed,
// and claimed with a lease that has expired.
func eraseLines(k *kit) {
	for _, head := range []string{"pending", "not due", "claimed", "expired"} {
		c, list := k.line(5)
		if head == "not due" {
			list[0].Due = soon.Add(year)
		}
		k.enter(c, list)
		now := clock
		if head == "claimed" || head == "expired" {
			k.same(deliveryIDs(k.claim(now)), deliveryIDs(list[:1]), "head of the line")
		}
		if head == "expired" {
			now = now.Add(2 * lease)
		}
		history := k.events(c.Ticket)
		x := erasing(history, everything, 1)
		x.Remove = []ticket.ID{list[0].ID, list[2].ID}
		d := list[4]
		d.ID, d.Seq = k.id(), x.after.Version
		x.Deliveries = []ticket.Delivery{d}
		k.erase(x)
		for i, want := range []ticket.Delivery{list[1], list[3], list[4], d} {
			claimed := k.claim(now)
			k.same(deliveryIDs(claimed), []ticket.ID{want.ID}, "the %d. delivery claimed after a %s head of the line was removed", i+1, head)
			k.settle(settlement(claimed[0], ticket.DeliverySent))
		}
		k.same(len(k.claim(now.Add(year))), 0, "deliveries left after a %s head was removed", head)
	}
}

// eraseContexts removes the previous delivery of a line, a bounce, and sent ones that count.
func eraseContexts(k *kit) {
	bounce := k.opened(acme)
	bounced := k.delivery(bounce.Ticket)
	k.enter(bounce, []ticket.Delivery{bounced})
	bounced = k.end(bounced, ticket.DeliveryBounced)
	list := k.lined(5)
	k.work(list, ticket.DeliverySent, ticket.DeliverySent, ticket.DeliverySent)
	t, err := k.store.Ticket(k.Context(), acme, list[0].Ticket)
	k.ok(err, "Ticket")
	before := k.contexts(list[3])[0]
	k.same([]ticket.ID{before.Previous, before.Bounced}, []ticket.ID{list[2].ID, bounced.ID}, "Previous and Bounced before the erasure")
	k.same([]int{before.Sent, before.SentHere}, []int{3, 3}, "sent before the erasure")

	x := erasing(k.events(t), everything, 1)
	x.Remove = []ticket.ID{list[2].ID, list[0].ID}
	k.erase(x)
	y := erasing(bounce.Events, everything, 1)
	y.Remove = []ticket.ID{bounced.ID}
	k.erase(y)
	after := k.contexts(list[3])[0]
	k.same(after.Previous, list[1].ID, "Previous after the one before was removed")
	k.same(after.Bounced, ticket.ID{}, "Bounced after the bounced one was removed")
	k.same([]int{after.Sent, after.SentHere}, []int{1, 1}, "sent after two of three were removed")
	k.same(after.Ticket, x.after, "ticket of the context")
	first := list[3]
	first.Seq = 1
	k.same(k.contexts(first)[0].Event, x.history[0], "erased event of the context")
}

func eraseReceipts(k *kit) {
	c := k.personal(acme)
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Receipt: receiptFor(c.Ticket, "first")})
	more := next(c.Ticket, note("more"))
	k.put(ticket.Commit{Changes: []ticket.Change{more}, Receipt: receiptFor(more.Ticket, "second")})
	other, alien := k.storedPersonal(acme, "other"), k.storedPersonal("alien", "first")
	pair, partner := next(more.Ticket, note("both")), k.opened(acme)
	k.put(ticket.Commit{Changes: []ticket.Change{pair, partner}, Receipt: receiptFor(partner.Ticket, "pair")})
	theirs := k.receipt(acme, "pair")

	x := erasing(k.events(pair.Ticket), everything, 1, 2)
	x.Receipt = receiptFor(x.after, "erasure")
	k.erase(x)
	for _, key := range []string{"first", "second"} {
		_, err := k.store.Receipt(k.Context(), acme, key)
		k.refused(err, ticket.ErrNotFound, "Receipt %q of an erased ticket", key)
	}
	k.same(k.receipt(acme, "erasure"), *x.Receipt, "receipt of the erasure")
	k.same(k.receipt(acme, "other"), other.receipt, "receipt of another ticket")
	k.same(k.receipt(acme, "pair"), theirs, "receipt of another ticket that was changed together with this one")
	k.same(k.receipt("alien", "first"), alien.receipt, "receipt of another tenant")

	y := erasing(x.history, everything, 3)
	k.erase(y)
	_, err := k.store.Receipt(k.Context(), acme, "erasure")
	k.refused(err, ticket.ErrNotFound, "Receipt of an erasure, after another one without a key")
	again := k.opened(acme)
	k.put(ticket.Commit{Changes: []ticket.Change{again}, Receipt: receiptFor(again.Ticket, "first")}) // the key is free
	k.same(k.receipt(acme, "first").Ticket, again.Ticket.ID, "ticket of a key that is used once more")
}

// labelQueries find tickets by what an erasure takes from them.
var labelQueries = []ticket.Query{
	{}, {Tags: []string{"plain"}}, {Tags: []string{"second"}}, {Tags: []string{"plain", "second"}}, {Fields: ticket.Fields{"site": "plain"}},
	{Requester: ada}, {Requester: ticket.Person{Email: ada.Email}}, {Participant: ada}, {Participant: ticket.Person{ID: "plain"}}, {Organisation: ada.Organisation},
	{Requester: ada, Tags: []string{"plain"}}, {Organisation: ada.Organisation, Fields: ticket.Fields{"site": "plain"}, NotMerged: true},
}

// erasedStepByStep erases the labels of the second of three tickets, group by group.
func (k *kit) erasedStepByStep(see func(when string, tickets []ticket.Ticket)) {
	var tickets []ticket.Ticket
	var history []ticket.Event
	for i := range 3 {
		c := k.personal(acme)
		k.commit(c)
		if i == 1 {
			history = c.Events
		}
		tickets = append(tickets, c.Ticket)
	}
	see("before an erasure", tickets)
	for _, step := range []struct {
		what   string
		groups ticket.Groups
		seqs   []int64
	}{
		{"some tags were erased", ticket.Groups{Remarks: true}, []int64{4}},
		{"fields were erased", ticket.Groups{PublicContent: true}, []int64{1}},
		{"persons were erased", ticket.Groups{Identities: true}, []int64{1, 2}},
		{"all was erased", everything, []int64{1, 2, 3, 4, 5, 6}},
	} {
		x := erasing(history, step.groups, step.seqs...)
		k.erase(x)
		history, tickets[1] = x.history, x.after
		see("after "+step.what, tickets)
	}
}

func eraseLists(k *kit) {
	k.erasedStepByStep(func(when string, tickets []ticket.Ticket) {
		k.Helper()
		for _, q := range labelQueries {
			q.Tenant = acme
			for _, q.Order = range allOrders {
				k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets %s that match %+v", when, q)
			}
			q.Order = ""
			for _, t := range k.list(q).Tickets {
				k.same(t, k.ticket(t), "ticket in a list %s", when)
			}
		}
	})
}

func eraseCounts(k *kit) {
	k.erasedStepByStep(func(when string, tickets []ticket.Ticket) {
		k.Helper()
		for _, q := range labelQueries {
			q.Tenant = acme
			k.same(k.count(q, 10), len(answer(tickets, q)), "Count %s of %+v", when, q)
		}
	})
}

// secretWords are in the events of personal, each in one event.
var secretWords = []string{"firstsecret", "secondsecret", "thirdsecret", "fourthsecret"}

// eraseSearch searches at once and after Maintain, with an index that was up to date before
// the erasure and with one that was not.
func eraseSearch(k *kit) {
	for _, indexed := range []bool{true, false} {
		tenant := fmt.Sprint("indexed ", indexed)
		c, stays := k.personal(tenant), k.personal(tenant)
		k.commit(c, stays)
		find := func(text string) []ticket.Hit {
			k.Helper()
			q := looking(text)
			q.Tenant, q.Notes = tenant, true
			hits, err := k.store.Search(k.Context(), q)
			k.ok(err, "Search for %q", text)
			return hits
		}
		if indexed {
			k.ok(k.maintain(), "Maintain")
			k.same(len(find("thirdsecret")), 2, "tickets found before the erasure")
		}
		x := erasing(c.Events, everything, 1, 2, 3, 4)
		k.erase(x)
		for _, maintained := range []bool{false, true, true} {
			if maintained {
				k.ok(k.maintain(), "Maintain")
			}
			for _, word := range append([]string{"every page", "thirdsec*", "harmless answer thirdsecret"}, secretWords...) {
				for _, h := range find(word) {
					if h.Ticket.ID == c.Ticket.ID {
						k.fail("a search for %q finds the erased ticket; maintained: %t", word, maintained)
					}
				}
			}
			for _, h := range find("harmless") {
				for _, word := range secretWords {
					if h.Ticket.ID == c.Ticket.ID && strings.Contains(strings.ToLower(h.Snippet.Text), word) {
						k.fail("a snippet has %q: %q", word, h.Snippet.Text)
					}
				}
			}
		}
		want := []ticket.ID{c.Ticket.ID, stays.Ticket.ID}
		got := idsOf(ticketsOf(find("harmless")))
		slices.SortFunc(want, ticket.ID.Compare)
		slices.SortFunc(got, ticket.ID.Compare)
		k.same(got, want, "tickets found by a word that was not erased")
		for _, word := range secretWords {
			k.same(idsOf(ticketsOf(find(word))), []ticket.ID{stays.Ticket.ID}, "tickets found by %q", word)
		}
		for _, h := range find("harmless") {
			if h.Ticket.ID == c.Ticket.ID {
				k.same(h.Ticket, x.after, "ticket found after the erasure")
			}
		}
	}
}

// eraseTenants erases the same under each tenant, and under one that does not have the ticket.
func eraseTenants(k *kit) {
	var all []personalTicket
	for _, tenant := range tenants {
		all = append(all, k.storedPersonal(tenant, "key"))
	}
	for i, p := range all {
		for _, tenant := range tenants {
			if tenant == p.Ticket.Tenant {
				continue
			}
			x := erasing(p.Events, everything, 1)
			moved := x.Changes[0]
			moved.Ticket.Tenant = tenant
			x.Changes, x.Remove = []ticket.Change{moved}, []ticket.ID{p.delivery.ID}
			k.refused(k.store.Erase(k.Context(), x.EraseCommit), ticket.ErrConflict, "Erase under tenant %q of a ticket of %q", tenant, p.Ticket.Tenant)
		}
		k.untouched(p)
		x := erasing(p.Events, everything, 1, 2, 3)
		x.Remove = []ticket.ID{p.delivery.ID}
		k.erase(x)
		k.stands(x.after, x.history)
		for _, later := range all[i+1:] {
			k.untouched(later)
		}
	}
}

// The most that the desk erases in one step.
const (
	mostErased  = 500
	mostRemoved = 1000
)

func eraseLarge(k *kit) {
	edits := make([]edit, mostErased+5)
	seqs := make([]int64, mostErased)
	for i := range edits {
		edits[i] = func(*ticket.Event) {}
		if i > 0 {
			edits[i] = said("A secret of the customer.")
		}
		if i < mostErased {
			seqs[i] = int64(i + 1)
		}
	}
	c := k.opened(acme, edits...)
	var list []ticket.Delivery
	for i := range mostRemoved + 10 {
		d := k.delivery(c.Ticket)
		d.To = to(i)
		list = append(list, d)
	}
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: list})
	x := erasing(c.Events, everything, seqs...)
	x.Remove = deliveryIDs(list[:mostRemoved])
	k.erase(x)
	k.stands(x.after, x.history)
	left := k.deliveries(ticket.DeliveryQuery{Tenant: acme, Limit: ticket.MaxLimit}).Deliveries
	k.same(deliveryIDs(left), deliveryIDs(newestFirst(ticket.DeliveryQuery{Tenant: acme}, list[mostRemoved:])), "deliveries left")
}

// eraseCopies overwrites the arguments after the call.
func eraseCopies(k *kit) {
	c := k.personal(acme)
	k.commit(c)
	x := erasing(c.Events, ticket.Groups{PublicContent: true}, 1, 2)
	x.Receipt = receiptFor(x.after, "key")
	after, receipt := x.after.Clone(), *x.Receipt
	var history []ticket.Event
	for _, e := range x.history {
		history = append(history, e.Clone())
	}
	k.erase(x)
	scribble(&x.EraseCommit)
	k.stands(after, history)
	k.same(k.receipt(acme, "key"), receipt, "receipt after the caller changed its step")
	got := k.events(after)
	scribble(&got)
	k.stands(after, history)
}

func eraseArguments(k *kit) {
	p := k.storedPersonal(acme, "key")
	x := erasing(p.Events, ticket.Groups{PublicContent: true}, 1, 2, 4)
	x.Remove = []ticket.ID{p.delivery.ID, k.id(), k.id(), k.id(), p.delivery.ID}
	slices.SortFunc(x.Remove, func(a, b ticket.ID) int { return b.Compare(a) })
	before := ticket.EraseCommit{Commit: x.Commit, Remove: slices.Clone(x.Remove)}
	before.Changes = slices.Clone(x.Changes)
	for _, e := range x.Events {
		before.Events = append(before.Events, e.Clone())
	}
	k.erase(x)
	k.same(x.EraseCommit, before, "the step, after Erase")
}

func eraseCancelled(k *kit) {
	p := k.storedPersonal(acme, "key")
	x := erasing(p.Events, everything, 1, 2)
	x.Remove = []ticket.ID{p.delivery.ID}
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	k.refused(k.store.Erase(ctx, x.EraseCommit), context.Canceled, "Erase with a cancelled context")
	k.untouched(p)
	k.erase(x)
}

func eraseReopened(k *kit) {
	p := k.storedPersonal(acme, "key")
	x := erasing(p.Events, everything, 1, 2, 3)
	x.Remove, x.Receipt = []ticket.ID{p.delivery.ID}, receiptFor(x.after, "erasure")
	k.erase(x)
	k.reopen()
	k.stands(x.after, x.history)
	k.same(k.receipt(acme, "erasure"), *x.Receipt, "receipt of the erasure, after reopening")
	_, err := k.store.Receipt(k.Context(), acme, "key")
	k.refused(err, ticket.ErrNotFound, "Receipt of an erased ticket, after reopening")
	if _, found := k.find(p.delivery); found {
		k.fail("a removed delivery is found after reopening")
	}
	k.same(len(k.list(ticket.Query{Tenant: acme, Requester: ada}).Tickets), 0, "tickets of the requester, after reopening")
}

// eraseRace erases and commits on the same version at the same time, while others read. One of
// the two wins, and nobody sees a part of an erasure.
func eraseRace(k *kit) {
	const rounds = 12
	for round := range rounds {
		p := k.storedPersonal(acme, fmt.Sprint("key ", round))
		x := erasing(p.Events, everything, 1, 2, 3, 4, 5)
		x.Remove = []ticket.ID{p.delivery.ID}
		more := next(p.Ticket, note("meanwhile"))
		var erased, committed atomic.Bool
		var writing atomic.Int64
		writing.Store(2)
		won := func(err error, won *atomic.Bool, method string) error {
			writing.Add(-1)
			if err != nil && !errors.Is(err, ticket.ErrConflict) {
				return fmt.Errorf("%s: got error %w, want a conflict or none", method, err)
			}
			won.Store(err == nil)
			return nil
		}
		k.together(4, func(i int) error {
			switch i {
			case 0:
				return won(k.store.Erase(k.Context(), x.EraseCommit), &erased, "Erase")
			case 1:
				return won(k.try(more), &committed, "Commit")
			}
			for {
				last := writing.Load() == 0
				events, err := k.store.Events(k.Context(), acme, p.Ticket.ID, 0, 0)
				if err != nil {
					return fmt.Errorf("Events: %w", err)
				}
				recorded := events[len(events)-1].Set.Erased != nil
				for _, e := range events[:5] {
					if e.Seals.Identities.Erased() != (recorded && !e.Seals.Identities.IsZero()) {
						return fmt.Errorf("Events: event %d is erased: %t, but the history records an erasure: %t", e.Seq, e.Seals.Identities.Erased(), recorded)
					}
				}
				if last {
					return nil
				}
			}
		})
		switch {
		case erased.Load() == committed.Load():
			k.fail("Erase and Commit on the same version at the same time: both %t, want one to win", erased.Load())
		case erased.Load():
			k.stands(x.after, x.history)
		default:
			k.stands(more.Ticket, append(p.Events, more.Events...))
			k.same(k.stored(p.delivery).State, ticket.DeliveryPending, "state of a delivery whose removal lost")
		}
	}
}
