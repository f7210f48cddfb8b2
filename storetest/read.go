package storetest

import (
	"strings"

	"github.com/ticketkit/ticket"
)

const (
	saysTicket  = "Ticket returns the ticket with this ID, or ErrNotFound."
	saysLookup  = "Lookup returns the ticket with this number, or ErrNotFound."
	saysNumber  = "Numbers are stored verbatim: numbers that differ in the case of a letter, a space or a hyphen must be different numbers."
	saysMerged  = "A merged ticket keeps its number"
	saysReceipt = "Receipt returns the receipt of an idempotency key, or ErrNotFound."
	saysEvents  = "Events returns the ticket's events with Seq greater than after, in order and without a gap, at most limit of them. A limit of 0 or less means all."
	saysNoEvent = "If an existing ticket has no such events, it returns none and no error. If the ticket does not exist, it must return ErrNotFound."
)

var readRules = []rule{
	{name: "Ticket", says: saysTicket, prove: readTicket},
	{name: "Lookup", says: saysLookup, prove: readLookup},
	{name: "Lookup/merged", says: saysMerged, prove: readMerged},
	{name: "Lookup/verbatim", says: saysNumber, upon: []string{"Lookup", "Commit/number taken"}, prove: readVerbatim},
	{name: "Receipt", says: saysReceipt, prove: readReceipt},
	{name: "Events/after and limit", says: saysEvents, prove: readEvents},
	{name: "Events/none", says: saysNoEvent, prove: readNoEvents},
}

// readTicket reads two tickets in three versions.
func readTicket(k *kit) {
	a, b := k.opened(acme), k.opened(acme)
	_, err := k.store.Ticket(k.Context(), acme, a.Ticket.ID)
	k.refused(err, ticket.ErrNotFound, "Ticket before it is opened")
	k.commit(a)
	k.commit(b)
	k.same(k.ticket(b.Ticket), b.Ticket, "ticket")
	for range 3 {
		k.same(k.ticket(a.Ticket), a.Ticket, "ticket at version %d", a.Ticket.Version)
		a = next(a.Ticket, note("more"))
		k.commit(a)
	}
	_, err = k.store.Ticket(k.Context(), acme, ticket.ID{})
	k.refused(err, ticket.ErrNotFound, "Ticket of the zero ID")
}

func readLookup(k *kit) {
	a, b := k.opened(acme), k.opened(acme)
	k.commit(a)
	k.commit(b)
	a = next(a.Ticket, note("more"))
	k.commit(a)
	for _, want := range []ticket.Ticket{a.Ticket, b.Ticket} {
		got, err := k.store.Lookup(k.Context(), acme, want.Number)
		k.ok(err, "Lookup")
		k.same(got, want, "ticket by its number")
	}
	for _, n := range []ticket.Number{k.number(), "", "%"} {
		_, err := k.store.Lookup(k.Context(), acme, n)
		k.refused(err, ticket.ErrNotFound, "Lookup of %q", n)
	}
}

func readMerged(k *kit) {
	a, b := k.opened(acme), k.opened(acme)
	k.commit(a, b)
	a = next(a.Ticket, func(e *ticket.Event) {
		e.Action, e.Set.MergedInto = ticket.ActionMerge, new(b.Ticket.ID)
		e.To.Status, e.Phase = ticket.StatusClosed, ticket.PhaseClosed
	})
	b = next(b.Ticket, func(e *ticket.Event) { e.Action = ticket.ActionMerge })
	k.commit(a, b)
	got, err := k.store.Lookup(k.Context(), acme, a.Ticket.Number)
	k.ok(err, "Lookup of a merged ticket")
	k.same(got, a.Ticket, "merged ticket")
}

// readVerbatim uses numbers of other systems. They are near misses of each other and of
// the desk's own numbers.
func readVerbatim(k *kit) {
	ours := string(k.number())
	var changes []ticket.Change
	for _, n := range []string{
		ours, strings.ToLower(ours), strings.ReplaceAll(ours, "-", ""), strings.ReplaceAll(ours, "-", " "), "T" + ours, "0" + ours,
		"INC-0001", "inc-0001", "Inc-0001", "INC 0001", "INC0001", "INC-1", "INC/0001", "INC-O001", "INC_0001", "INC%0001", "INC\\0001", "#1", "1", "01", "1.0", "1e0", "+1",
		"a:b", "2026/11/0001", "'", "\"", "null", "0123456789ABCDEFGHIJKLMNOPQRSTUV", "0123456789ABCDEFGHIJKLMNOPQRSTUv",
	} {
		changes = append(changes, opening(k.id(), ticket.Number(n), acme))
		k.ok(k.try(changes[len(changes)-1]), "Commit of a new ticket with the number %q, with similar numbers in the store", n)
	}
	for _, c := range changes {
		got, err := k.store.Lookup(k.Context(), acme, c.Ticket.Number)
		k.ok(err, "Lookup of %q", c.Ticket.Number)
		k.same(got, c.Ticket, "ticket with the number %q", c.Ticket.Number)
		k.duplicate(k.try(opening(k.id(), c.Ticket.Number, acme)), "number", "Commit of another ticket with the number %q", c.Ticket.Number)
	}
	for _, n := range []ticket.Number{"inc0001", " INC-0001", "INC-0001 ", "INC -0001", "INC-00001", "A:B", "%", "NULL", "0123456789ABCDEFGHIJKLMNOPQRSTU"} {
		_, err := k.store.Lookup(k.Context(), acme, n)
		k.refused(err, ticket.ErrNotFound, "Lookup of %q", n)
	}
}

func readReceipt(k *kit) {
	a := k.opened(acme)
	_, err := k.store.Receipt(k.Context(), acme, "one")
	k.refused(err, ticket.ErrNotFound, "Receipt of a key before it is used")

	one := receiptFor(a.Ticket, "one")
	k.put(ticket.Commit{Changes: []ticket.Change{a}, Receipt: one})
	b := next(a.Ticket, note("more"))
	two := receiptFor(b.Ticket, "two")
	k.put(ticket.Commit{Changes: []ticket.Change{b}, Receipt: two})
	k.same(k.receipt(acme, "one"), *one, "receipt of the first key")
	k.same(k.receipt(acme, "two"), *two, "receipt of the second key")

	for _, key := range []string{"three", "", "%", "ONE"} {
		_, err := k.store.Receipt(k.Context(), acme, key)
		k.refused(err, ticket.ErrNotFound, "Receipt of %q", key)
	}
}

// readEvents reads parts of a history of more than two dozen events. They were written
// in commits of one to seven events, alternating with those of another ticket.
func readEvents(k *kit) {
	c, other := k.opened(acme), k.opened(acme)
	k.commit(c)
	k.commit(other)
	all, t := c.Events, c.Ticket
	for i := range 7 {
		edits := make([]edit, 1+i)
		for j := range edits {
			edits[j] = note("more")
		}
		c, other = next(t, edits...), next(other.Ticket, note("beside"))
		k.commit(c)
		k.commit(other)
		all, t = append(all, c.Events...), c.Ticket
	}
	n := len(all)
	for _, after := range []int{-1, 0, 1, n / 2, n - 1} {
		for _, limit := range []int{-1, 0, 1, 5, n - 1, n + 1} {
			want := all[min(max(after, 0), n):]
			if limit > 0 {
				want = want[:min(limit, len(want))]
			}
			got, err := k.store.Events(k.Context(), acme, t.ID, int64(after), limit)
			k.ok(err, "Events after %d, limit %d", after, limit)
			k.same(got, want, "events after %d, limit %d, of %d", after, limit, n)
		}
	}
}

func readNoEvents(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	for _, after := range []int64{1, 2, 1 << 40} {
		got, err := k.store.Events(k.Context(), acme, c.Ticket.ID, after, 0)
		k.ok(err, "Events after %d of a ticket with one", after)
		k.same(len(got), 0, "events after %d of a ticket with one", after)
	}
	for _, after := range []int64{0, 1} {
		_, err := k.store.Events(k.Context(), acme, k.id(), after, 0)
		k.refused(err, ticket.ErrNotFound, "Events after %d of an unknown ticket", after)
	}
}
