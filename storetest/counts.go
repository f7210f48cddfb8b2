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

const (
	saysCount      = "Count returns the number of tickets that match q, at most limit. A limit of 0 or less means none."
	saysCountOf    = "It must ignore q.After and q.Limit, and q.Order except that only tickets with a target still to be met match in OrderSoonestDue."
	saysCountCheck = "It must return ErrInvalid if q does not pass Query.Check."
)

var countRules = []rule{
	{name: "Count/match", says: saysCount, lacks: noCount, prove: countMatch},
	{name: "Count/limit", says: saysCount, lacks: noCount, prove: countLimit},
	{name: "Count/many", says: saysMany, lacks: noCount, prove: countMany},
	{name: "Count/after a change", says: saysCount, lacks: noCount, upon: []string{"Count/match"}, prove: countChanged},
	{name: "Count/no pages", says: saysCountOf, lacks: noCount, prove: countPages},
	{name: "Count/invalid", says: saysCountCheck, lacks: noCount, prove: countInvalid},
	{name: "Count/tenants", says: saysTenant, lacks: noCount, prove: countTenants},
	{name: "Count/cancelled", says: saysCancelled, lacks: noCount, prove: countCancelled},
}

// noCounts names the feature if the store lacks it.
// maxCount is the limit with which [ticket.Desk.Count] calls a store.
const maxCount = 10_000

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

// noCount names the feature if the store lacks it.
func noCount(ctx context.Context, s ticket.Store) string {
	counter, ok := s.(ticket.Counter)
	if ok {
		_, err := counter.Count(ctx, ticket.Query{Tenant: acme}, 1)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "counts of a query"
	}
	return ""
}

func (k *kit) count(q ticket.Query, limit int) int {
	k.Helper()
	n, err := k.store.Count(k.Context(), q, limit)
	k.ok(err, "Count of %+v with limit %d", q, limit)
	return n
}

// countMatch counts with all conditions of a list.
func countMatch(k *kit) {
	k.populate(len(population()))
	for _, q := range questions() {
		k.same(k.count(q.Query, maxCount), len(q.answer), "Count of %+v", q.Query)
	}
}

func countLimit(k *kit) {
	k.same(k.count(ticket.Query{Tenant: acme}, 10), 0, "Count of an empty store")
	tickets := k.populate(60)
	for _, q := range []ticket.Query{{Tenant: acme}, {Tenant: acme, Level: []int{2}}, {Tenant: acme, NotMerged: true, NotSnoozed: true}} {
		all := len(answer(tickets, q))
		for _, limit := range []int{1, 7, all - 1, all, all + 1, noLimit, 0, -1} {
			k.same(k.count(q, limit), max(0, min(limit, all)), "Count of %+v with limit %d, of %d", q, limit, all)
		}
	}
}

// countMany counts more tickets than a page holds.
func countMany(k *kit) {
	for range 12 {
		var changes []ticket.Change
		for range many / 12 {
			changes = append(changes, k.opened(acme, due(soon)))
		}
		k.commit(changes...)
	}
	for _, q := range []ticket.Query{{}, {NotMerged: true}, {DueBefore: lastYear}, {Limit: 10, Order: ticket.OrderSoonestDue}} {
		q.Tenant = acme
		for _, limit := range []int{many - 1, many, maxCount, noLimit} {
			k.same(k.count(q, limit), min(limit, many), "Count of %+v with limit %d, of %d", q, limit, many)
		}
	}
}

// countChanged changes one of a few tickets, and counts in between.
func countChanged(k *kit) {
	var all []ticket.Ticket
	for i := range 5 {
		c := k.opened(acme, func(e *ticket.Event) {
			e.At = clock.Add(time.Duration(i) * time.Minute)
			e.Fields, e.Set.AddTags = ticket.Fields{"site": "plain"}, []string{"plain"}
			due(soon)(e)
		})
		k.commit(c)
		all = append(all, c.Ticket)
	}
	for _, step := range append([]step{{"it was opened", func(*ticket.Event) {}}, {"a change", func(e *ticket.Event) { rarely(e, 2) }}}, clockSteps()...) {
		c := next(all[2], step.edit)
		k.commit(c)
		all[2] = c.Ticket
		for _, q := range slices.Concat(rare, common, clockQueries) {
			k.same(k.count(q, 10), len(answer(all, q)), "Count after %s of one of 5, of %+v", step.what, q)
		}
	}
}

// countPages counts with limits, orders and cursors of a list.
func countPages(k *kit) {
	tickets := k.populate(60)
	for _, sort := range allSorts() {
		for _, q := range []ticket.Query{{}, {Level: []int{1, 2}}} {
			q.Tenant, q.Order, q.Metric, q.Limit = acme, sort.Order, sort.Metric, 2
			want := len(answer(tickets, q))
			k.same(k.count(q, 100), want, "Count of %+v", q)
			q.After = k.list(q).Next
			k.same(k.count(q, 100), want, "Count of %+v, after the first page", q)
		}
	}
}

func countInvalid(k *kit) {
	k.populate(3)
	newest := k.list(ticket.Query{Tenant: acme, Order: ticket.OrderNewestFirst, Limit: 1}).Next
	for what, q := range map[string]ticket.Query{
		"a negative limit":           {Limit: -1},
		"a limit above MaxLimit":     {Limit: ticket.MaxLimit + 1},
		"an unknown order":           {Order: "sideways"},
		"an unknown metric":          {Metric: "patience", Missed: true},
		"an unknown stage":           {Stage: []ticket.Stage{"gone"}},
		"an invalid cursor":          {After: "!"},
		"a cursor of another order":  {Order: ticket.OrderOldestFirst, After: newest},
		"a field of an unknown type": {Fields: ticket.Fields{"order": struct{}{}}},
		"a time that is too late":    {DueBefore: lastYear.Add(time.Microsecond)},
	} {
		q.Tenant = acme
		for _, limit := range []int{10, 0} {
			_, err := k.store.Count(k.Context(), q, limit)
			k.refused(err, ticket.ErrInvalid, "Count of a query with %s, with limit %d", what, limit)
		}
	}
}

func countTenants(k *kit) {
	for i, tenant := range tenants {
		for range i + 1 {
			k.commit(k.opened(tenant))
		}
	}
	for i, tenant := range tenants {
		k.same(k.count(ticket.Query{Tenant: tenant}, 100), i+1, "Count of the tickets of tenant %q", tenant)
	}
}

func countCancelled(k *kit) {
	k.commit(k.opened(acme))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Count(ctx, ticket.Query{Tenant: acme}, 10)
	k.refused(err, context.Canceled, "Count with a cancelled context")
}
