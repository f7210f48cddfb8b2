package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/ticketkit/ticket"
)

const (
	saysCounts = "Counts returns the number of the tenant's tickets that are neither done (see [Phase.Done]) nor merged, for each queue, level and status, sorted in that order, texts by their bytes."
	saysNoZero = "Places without a ticket must be left out."
)

var countsRules = []rule{
	{name: "Counts", says: saysCounts, lacks: noCounts, prove: countsAll},
	{name: "Counts/changed", says: saysCounts, lacks: noCounts, prove: countsChanged},
	{name: "Counts/none", says: saysNoZero, lacks: noCounts, prove: countsNone},
	{name: "Counts/tenants", says: saysTenant, lacks: noCounts, prove: countsTenants},
	{name: "Counts/cancelled", says: saysCancelled, lacks: noCounts, prove: countsCancelled},
}

// noCounts names the feature if the store lacks it.
func noCounts(ctx context.Context, s ticket.Store) string {
	counter, ok := s.(ticket.Counter)
	if ok {
		_, err := counter.Counts(ctx, acme)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "counts"
	}
	return ""
}

func (k *kit) counts(tenant string) []ticket.Count {
	k.Helper()
	counts, err := k.store.Counts(k.Context(), tenant)
	k.ok(err, "Counts")
	return counts
}

// countsAll counts the population. Its queues and statuses are near misses of each other.
func countsAll(k *kit) {
	n := map[ticket.Count]int{}
	for _, t := range k.populate(len(population())) {
		if !t.Phase.Done() && t.MergedInto.IsZero() {
			n[ticket.Count{Queue: t.Queue, Level: t.Level, Status: t.Status}]++
		}
	}
	var want []ticket.Count
	for c, times := range n {
		c.N = times
		want = append(want, c)
	}
	slices.SortFunc(want, func(a, b ticket.Count) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Status, b.Status))
	})
	k.same(k.counts(acme), want, "counts")
}

// countsChanged moves a ticket from place to place; another one stays where it is.
func countsChanged(k *kit) {
	stays := k.opened(acme)
	c := k.opened(acme)
	k.commit(stays, c)
	k.same(k.counts(acme), []ticket.Count{{Level: 1, Status: ticket.StatusNew, N: 2}}, "counts of two new tickets")
	move := func(what string, level int, status ticket.Status, phase ticket.Phase, queue string, want ...ticket.Count) {
		c = next(c.Ticket, func(e *ticket.Event) {
			e.To, e.Phase, e.Set.Queue = ticket.State{Status: status, Level: level}, phase, &queue
		})
		k.commit(c)
		want = append([]ticket.Count{{Level: 1, Status: ticket.StatusNew, N: 1}}, want...)
		k.same(k.counts(acme), want, "counts after one ticket %s", what)
	}
	move("was taken", 1, ticket.StatusOpen, ticket.PhaseInProgress, "", ticket.Count{Level: 1, Status: ticket.StatusOpen, N: 1})
	move("went up", 2, ticket.StatusQueued, ticket.PhaseInProgress, "q", ticket.Count{Queue: "q", Level: 2, Status: ticket.StatusQueued, N: 1})
	move("was put on hold", 2, ticket.StatusOnHold, ticket.PhaseYourTurn, "q", ticket.Count{Queue: "q", Level: 2, Status: ticket.StatusOnHold, N: 1})
	move("was solved", 2, ticket.StatusResolved, ticket.PhaseSolved, "q")
	move("was reopened", 2, ticket.StatusOpen, ticket.PhaseInProgress, "p", ticket.Count{Queue: "p", Level: 2, Status: ticket.StatusOpen, N: 1})
	move("was closed", 2, ticket.StatusClosed, ticket.PhaseClosed, "p")
	move("was reopened again", 1, ticket.StatusOpen, ticket.PhaseInProgress, "", ticket.Count{Level: 1, Status: ticket.StatusOpen, N: 1})
	merged := func(what string, into ticket.ID, want ...ticket.Count) {
		c = next(c.Ticket, func(e *ticket.Event) { e.Set.MergedInto = &into })
		k.commit(c)
		want = append([]ticket.Count{{Level: 1, Status: ticket.StatusNew, N: 1}}, want...)
		k.same(k.counts(acme), want, "counts after one ticket, which stays open, %s", what)
	}
	merged("was merged", stays.Ticket.ID)
	merged("was unmerged", ticket.ID{}, ticket.Count{Level: 1, Status: ticket.StatusOpen, N: 1})
}

// countsNone counts an empty store, and then a store with one closed ticket.
func countsNone(k *kit) {
	k.same(k.counts(acme), []ticket.Count{}, "counts of an empty store")
	k.commit(k.opened(acme, about("Printer", ""), func(e *ticket.Event) {
		e.To.Status, e.Phase = ticket.StatusClosed, ticket.PhaseClosed
	}))
	k.same(k.counts(acme), []ticket.Count{}, "counts of one closed ticket")
}

func countsTenants(k *kit) {
	for i, tenant := range tenants {
		for range i + 1 {
			k.commit(k.opened(tenant))
		}
	}
	for i, tenant := range tenants {
		k.same(k.counts(tenant), []ticket.Count{{Level: 1, Status: ticket.StatusNew, N: i + 1}}, "counts of tenant %q", tenant)
	}
}

func countsCancelled(k *kit) {
	k.commit(k.opened(acme))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Counts(ctx, acme)
	k.refused(err, context.Canceled, "Counts with a cancelled context")
}
