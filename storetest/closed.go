package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysClosed      = "Closed returns the tickets of all tenants that match q, earliest Closed first, then by ID, at most q.Limit of them."
	saysClosedFewer = "Fewer tickets than q.Limit mean that no other ticket matches, also while tickets change."
	saysClosedMatch = "ClosedQuery.Match defines the matches."
	saysClosedCheck = "It must return ErrInvalid if q does not pass ClosedQuery.Check."
)

var closedRules = []rule{
	{name: "Closed/order", says: saysClosed, lacks: noArchiver, upon: closedUpon, prove: closedOrder},
	{name: "Closed/limit", says: saysClosed, lacks: noArchiver, upon: append([]string{"Closed/order"}, closedUpon...), prove: closedLimit},
	{name: "Closed/matches", says: saysClosedMatch, lacks: noArchiver, upon: append([]string{"Closed/order"}, closedUpon...), prove: closedMatches},
	{name: "Closed/changed", says: saysClosedMatch, lacks: noArchiver, upon: append([]string{"Closed/order", "Closed/matches"}, closedUpon...), prove: closedChanged},
	{name: "Closed/pages", says: saysClosedMatch, lacks: noArchiver, upon: append([]string{"Closed/order", "Closed/limit", "Closed/matches", "Closed/changed"}, closedUpon...), prove: closedPages},
	{name: "Closed/refused", says: saysClosedCheck, lacks: noArchiver, upon: closedUpon, prove: closedRefused},
	{name: "Closed/copies", says: saysCopies, lacks: noArchiver, upon: closedUpon, prove: closedCopies},
	{name: "Closed/cancelled", says: saysCancelled, lacks: noArchiver, upon: closedUpon, prove: closedCancelled},
}

// closedUpon names what all cases about Closed build upon.
var closedUpon = []string{"Commit/", "Ticket", "Events/", "Stages/", "Values/", "Ages/", "Many/", "Tenants/"}

// noArchiver names the feature if the store lacks it.
func noArchiver(ctx context.Context, s ticket.Store) string {
	f, ok := s.(ticket.Archiver)
	if ok {
		_, err := f.Closed(ctx, ticket.ClosedQuery{Before: clock, Limit: 1})
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "closed tickets by their age"
	}
	return ""
}

func (k *kit) closedTickets(q ticket.ClosedQuery) []ticket.Ticket {
	k.Helper()
	found, err := k.store.Closed(k.Context(), q)
	k.ok(err, "Closed %+v", q)
	return found
}

// closing returns a change that opens a ticket which is closed at the time.
func (k *kit) closing(tenant string, t time.Time, more ...edit) ticket.Change {
	return k.opened(tenant, append([]edit{both(closed, at(t))}, more...)...)
}

func byClosed(a, b ticket.Ticket) int {
	return cmp.Or(a.Closed.Compare(b.Closed), a.ID.Compare(b.ID))
}

// closedAnswer returns the right answer.
func closedAnswer(all []ticket.Ticket, q ticket.ClosedQuery) []ticket.Ticket {
	var list []ticket.Ticket
	for i := range all {
		if q.Match(&all[i]) {
			list = append(list, all[i])
		}
	}
	slices.SortFunc(list, byClosed)
	return list[:min(len(list), q.Limit)]
}

// closedMany stores n tickets of each of three tenants. Many are closed at the same time.
func (k *kit) closedMany(n int) []ticket.Ticket {
	k.Helper()
	var all []ticket.Ticket
	for i, tenant := range []string{acme, "", "other"} {
		var changes []ticket.Change
		for j := range n {
			c := k.closing(tenant, clock.Add(time.Duration((i+j*7)%5)*time.Microsecond))
			changes, all = append(changes, c), append(all, c.Ticket)
		}
		k.commit(changes...)
	}
	return all
}

func closedOrder(k *kit) {
	all := k.closedMany(12)
	q := ticket.ClosedQuery{Before: soon, Limit: 100}
	k.same(k.closedTickets(q), closedAnswer(all, q), "closed tickets")
}

// closedLimit expects the earliest ones, wherever the store keeps them.
func closedLimit(k *kit) {
	all := k.closedMany(6)
	for _, limit := range []int{1, 2, 17, 18, 19} {
		q := ticket.ClosedQuery{Before: soon, Limit: limit}
		k.same(idsOf(k.closedTickets(q)), idsOf(closedAnswer(all, q)), "closed tickets with a limit of %d, of 18", limit)
	}
}

// closedMatches has tickets at each stage that were closed at several times, and others that
// are not closed.
func closedMatches(k *kit) {
	times := []time.Time{
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), past, clock.Add(-time.Microsecond), clock, clock.Add(time.Microsecond), soon,
		time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	solved := func(e *ticket.Event) {
		e.Action, e.To.Status, e.Phase = ticket.ActionResolve, ticket.StatusResolved, ticket.PhaseSolved
	}
	var all []ticket.Ticket
	for _, s := range ticket.Stages() {
		changes := []ticket.Change{
			k.opened(acme, at(past), archived(s)), k.opened(acme, both(solved, at(past)), archived(s)), k.closing(acme, past, reopened, archived(s)),
		}
		for _, t := range times {
			changes = append(changes, k.closing(acme, t, archived(s)))
		}
		k.commit(changes...)
		for _, c := range changes {
			all = append(all, c.Ticket)
		}
	}
	for _, s := range ticket.Stages() {
		for _, t := range times {
			q := ticket.ClosedQuery{Stage: s, Before: t, Limit: 100}
			k.same(k.closedTickets(q), closedAnswer(all, q), "tickets at stage %q that were closed at %v or earlier", s, t)
		}
		q := ticket.ClosedQuery{Stage: s, Before: soon, AfterTime: clock, Limit: 100}
		k.same(idsOf(k.closedTickets(q)), idsOf(closedAnswer(all, q)), "tickets at stage %q, without AfterID", s)
	}
}

// closedChanged moves one of three tickets through the stages, reopens it and closes it again.
func closedChanged(k *kit) {
	changes := []ticket.Change{k.closing(acme, clock), k.closing(acme, clock.Add(2*time.Second), archived(ticket.StageArchived)), k.closing(acme, clock.Add(2*time.Second))}
	k.commit(changes...)
	all := []ticket.Ticket{changes[0].Ticket, changes[1].Ticket, changes[2].Ticket}
	for _, step := range stageSteps() {
		c := next(all[0], step.edit)
		k.commit(c)
		all[0] = c.Ticket
		for _, s := range ticket.Stages() {
			for _, before := range []time.Time{clock, soon} {
				q := ticket.ClosedQuery{Stage: s, Before: before, Limit: 100}
				k.same(k.closedTickets(q), closedAnswer(all, q), "tickets at stage %q that were closed at %v or earlier, after %s", s, before, step.what)
			}
		}
	}
}

// closedPages walks with several limits. The second walk archives what it has got.
func closedPages(k *kit) {
	all := k.closedMany(7)
	whole := closedAnswer(all, ticket.ClosedQuery{Before: soon, Limit: 100})
	walk := func(limit int, visit func(ticket.Ticket)) []ticket.ID {
		var ids []ticket.ID
		q := ticket.ClosedQuery{Before: soon, Limit: limit}
		for len(ids) <= len(whole) {
			page := k.closedTickets(q)
			ids = append(ids, idsOf(page)...)
			for _, t := range page {
				visit(t)
			}
			if len(page) < limit {
				break
			}
			last := page[len(page)-1]
			q.AfterTime, q.AfterID = last.Closed, last.ID
		}
		return ids
	}
	for _, limit := range []int{1, 2, 4, 7, 20, 21, 22} {
		k.same(walk(limit, func(ticket.Ticket) {}), idsOf(whole), "tickets of a walk with a limit of %d", limit)
	}
	for i, t := range whole {
		q := ticket.ClosedQuery{Before: t.Closed, AfterTime: t.Closed, AfterID: t.ID, Limit: 100}
		k.same(idsOf(k.closedTickets(q)), idsOf(closedAnswer(whole, q)), "tickets closed at the same time as the %d. and after it", i+1)
	}
	k.same(walk(4, func(t ticket.Ticket) { k.commit(next(t, archived(ticket.StageArchived))) }), idsOf(whole), "tickets of a walk that archives them")
	k.same(len(walk(4, func(ticket.Ticket) {})), 0, "tickets left after that")
}

// closedRefused breaks each rule of ClosedQuery.Check.
func closedRefused(k *kit) {
	k.commit(k.closing(acme, past))
	for what, change := range map[string]func(q *ticket.ClosedQuery){
		"an unknown stage":   func(q *ticket.ClosedQuery) { q.Stage = "shredded" },
		"no limit":           func(q *ticket.ClosedQuery) { q.Limit = 0 },
		"a negative limit":   func(q *ticket.ClosedQuery) { q.Limit = -1 },
		"no Before":          func(q *ticket.ClosedQuery) { q.Before = time.Time{} },
		"a Before too late":  func(q *ticket.ClosedQuery) { q.Before = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an AfterTime early": func(q *ticket.ClosedQuery) { q.AfterTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		q := ticket.ClosedQuery{Before: clock, AfterTime: past, AfterID: k.id(), Limit: 10}
		change(&q)
		_, err := k.store.Closed(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "Closed with %s", what)
	}
}

// closedCopies overwrites its results.
func closedCopies(k *kit) {
	f := plainly()
	c := k.opened(acme, f.event, both(closed, at(soon)), stage(ticket.StageActive))
	k.commit(c)
	for i := range 3 { // the first one may have filled a cache
		found := k.closedTickets(ticket.ClosedQuery{Before: soon.Add(year), Limit: 10})
		k.same(found, []ticket.Ticket{c.Ticket}, "closed tickets, asked for the %d. time", i+1)
		scribble(&found)
	}
	k.stands(c.Ticket, c.Events)
}

func closedCancelled(k *kit) {
	k.commit(k.closing(acme, past))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Closed(ctx, ticket.ClosedQuery{Before: clock, Limit: 10})
	k.refused(err, context.Canceled, "Closed with a cancelled context")
}
