package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysList   = "List returns the tickets that match q, in q's order, starting after q.After, at most q.PageSize of them."
	saysMatch  = "Match (for stores) reports whether the ticket matches the query, whatever q.After is. In OrderSoonestDue only tickets with a target still to be met match."
	saysOrder  = "Every order is total: tickets with equal keys are ordered by ID, in the same direction."
	saysWalk   = "A walk from page to page must return each ticket exactly once that matches throughout and keeps its place in the order, whatever else changes meanwhile."
	saysNext   = "Page.Next must be empty exactly when no ticket follows."
	saysBounds = "tickets per page, 1 to MaxLimit; 0 means 50"
	saysAfter  = "Place (for stores) returns the place that the query continues after, and whether there is one."
	saysQuery  = "Check returns an [*InvalidError] if the query is not valid. Stores call it first."
)

var listRules = []rule{
	{name: "List/match", says: saysMatch, prove: listMatch},
	{name: "List/merged", says: saysMatch, prove: listMerged},
	{name: "List/order", says: saysOrder, prove: listOrder},
	{name: "List/whole tickets", says: saysList, prove: listWhole},
	{name: "List/limit", says: saysBounds, prove: listLimit},
	{name: "List/walk", says: saysWalk, prove: listWalk},
	{name: "List/walk while it changes", says: saysWalk, prove: listChanging},
	{name: "List/few that match", says: saysWalk, upon: []string{"List/match", "List/merged", "List/order", "List/limit", "List/walk", "List/next"}, prove: listFew},
	{name: "List/after a change", says: saysList, upon: []string{"List/match", "List/merged", "List/order"}, prove: listChanged},
	{name: "List/after one that moved", says: saysAfter, upon: []string{"List/match", "List/order", "List/walk"}, prove: listMoved},
	{name: "List/known problems", says: saysMatch, upon: []string{"List/match"}, prove: listKnown},
	{name: "List/next", says: saysNext, prove: listNext},
	{name: "List/after any place", says: saysAfter, prove: listAfter},
	{name: "List/invalid", says: saysQuery, prove: listInvalid},
}

var allOrders = []ticket.Order{
	ticket.OrderOldestFirst, ticket.OrderNewestFirst, ticket.OrderLeastRecent, ticket.OrderMostRecent, ticket.OrderMostUrgent,
	ticket.OrderSoonestDue,
}

// allSorts are queries in all orders, and by the clocks of each metric.
var allSorts = sync.OnceValue(func() []ticket.Query {
	var all []ticket.Query
	for _, order := range allOrders {
		all = append(all, ticket.Query{Tenant: acme, Order: order})
	}
	for _, metric := range metrics {
		all = append(all, ticket.Query{Tenant: acme, Order: ticket.OrderSoonestDue, Metric: metric})
	}
	return all
})

// listMatch queries with each condition alone and with random combinations.
func listMatch(k *kit) {
	k.populate(len(population()))
	for _, q := range questions() {
		got := idsOf(k.list(q.Query).Tickets)
		slices.SortFunc(got, ticket.ID.Compare)
		k.same(got, q.answer, "tickets that match %+v", q.Query)
	}
}

// listKnown publishes something about a ticket, replaces and withdraws it, and names and
// changes the ticket that solved it.
func listKnown(k *kit) {
	by, other, c := k.opened(acme), k.opened(acme), k.opened(acme)
	k.commit(by, other, c)
	see := func(q ticket.Query, what string, want ...ticket.ID) {
		for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderMostRecent} {
			q.Tenant, q.Order = acme, order
			k.same(idsOf(k.list(q).Tickets), append([]ticket.ID{}, want...), "tickets after %s", what)
		}
	}
	solved := func(by ticket.ID) edit { return func(e *ticket.Event) { e.Set.SolvedBy = &by } }
	for _, step := range []struct {
		what   string
		edits  []edit
		known  bool
		solver ticket.ID
	}{
		{"nothing", []edit{note("n")}, false, ticket.ID{}},
		{"publishing", []edit{known("Blank leaves", "Clean it.")}, true, ticket.ID{}},
		{"publishing something else", []edit{known("Empty leaves", "Clean it.")}, true, ticket.ID{}},
		{"naming what solved it", []edit{solved(by.Ticket.ID)}, true, by.Ticket.ID},
		{"naming another one", []edit{solved(other.Ticket.ID)}, true, other.Ticket.ID},
		{"withdrawing", []edit{known("", "")}, false, other.Ticket.ID},
		{"naming none", []edit{solved(ticket.ID{})}, false, ticket.ID{}},
		{"both in one commit", []edit{known("Leaves", "Clean it."), solved(by.Ticket.ID)}, true, by.Ticket.ID},
	} {
		c = next(c.Ticket, step.edits...)
		k.commit(c)
		var known []ticket.ID
		if step.known {
			known = append(known, c.Ticket.ID)
		}
		see(ticket.Query{Known: true}, step.what, known...)
		for _, id := range []ticket.ID{by.Ticket.ID, other.Ticket.ID} {
			if id == step.solver {
				see(ticket.Query{SolvedBy: id}, step.what, c.Ticket.ID)
			} else {
				see(ticket.Query{SolvedBy: id}, step.what)
			}
		}
	}
}

// listMerged merges a ticket, changes it and unmerges it.
func listMerged(k *kit) {
	into, c := k.opened(acme), k.opened(acme)
	k.commit(into, c)
	see := func(what string, want ...ticket.ID) {
		for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderNewestFirst, ticket.OrderMostRecent, ticket.OrderMostUrgent} {
			for _, person := range []ticket.Person{{}, c.Ticket.Requester} {
				q := ticket.Query{Tenant: acme, NotMerged: true, Order: order, Requester: person}
				got := idsOf(k.list(q).Tickets)
				slices.SortFunc(got, ticket.ID.Compare)
				k.same(got, want, "tickets that were not merged, in the order %q, after one %s", order, what)
			}
		}
	}
	change := func(what string, f func(e *ticket.Event), want ...ticket.ID) {
		c = next(c.Ticket, f)
		k.commit(c)
		see(what, want...)
	}
	both := []ticket.ID{into.Ticket.ID, c.Ticket.ID}
	slices.SortFunc(both, ticket.ID.Compare)
	see("was opened", both...)
	change("was merged", func(e *ticket.Event) { e.Set.MergedInto = new(into.Ticket.ID) }, into.Ticket.ID)
	change("was changed then", func(e *ticket.Event) { e.Note = "n" }, into.Ticket.ID)
	change("got a tag", func(e *ticket.Event) { e.Set.AddTags = []string{"vip"} }, into.Ticket.ID)
	change("was unmerged", func(e *ticket.Event) { e.Set.MergedInto = new(ticket.ID{}) }, both...)
}

func listOrder(k *kit) {
	tickets := k.populate(80)
	for _, q := range allSorts() {
		q.Limit = ticket.MaxLimit
		k.same(idsOf(k.list(q).Tickets), answer(tickets, q), "tickets in the order %q, by the metric %q", q.Order, q.Metric)
	}
}

func listWhole(k *kit) {
	k.populate(40)
	for _, t := range k.list(ticket.Query{Tenant: acme}).Tickets {
		k.same(t, k.ticket(t), "ticket in a list, compared with the same by its ID")
	}
}

func listLimit(k *kit) {
	k.populate(60)
	for limit, want := range map[int]int{0: ticket.Query{}.PageSize(), 1: 1, 7: 7, 60: 60, ticket.MaxLimit: 60} {
		got := k.list(ticket.Query{Tenant: acme, Limit: limit}).Tickets
		k.same(len(got), want, "tickets on a page with limit %d, of 60", limit)
	}
}

// walk goes through all pages, calls between after each page, and counts how often it
// gets each ticket.
func (k *kit) walk(q ticket.Query, between func()) map[ticket.ID]int {
	k.Helper()
	met := map[ticket.ID]int{}
	for _, id := range k.walked(q, func(ticket.Page) { between() }) {
		met[id]++
	}
	return met
}

// walked goes through all pages, calls between after each page, and returns the tickets
// in the order it got them.
func (k *kit) walked(q ticket.Query, between func(p ticket.Page)) []ticket.ID {
	k.Helper()
	var met []ticket.ID
	for range 1000 {
		p := k.list(q)
		met = append(met, idsOf(p.Tickets)...)
		if p.Next == "" {
			return met
		}
		q.After = p.Next
		between(p)
	}
	k.fail("a walk with pages of %d does not end", q.Limit)
	return nil
}

func listWalk(k *kit) {
	tickets := k.populate(30)
	for _, q := range allSorts() {
		for _, q.Limit = range []int{1, 3, 7, 29} {
			met := k.walk(q, func() {})
			for _, t := range tickets {
				want := 0
				if q.Match(&t) {
					want = 1
				}
				k.same(met[t.ID], want, "times a walk with pages of %d in the order %q, by the metric %q, returned %s", q.Limit, q.Order, q.Metric, t.ID)
			}
		}
	}
}

// listChanging opens and changes tickets while it walks in an order that these changes
// do not affect.
func listChanging(k *kit) {
	var all []ticket.Ticket
	open := func(created time.Time) {
		c := k.opened(acme, at(created.Add(time.Duration(len(all))*time.Microsecond)))
		k.commit(c)
		all = append(all, c.Ticket)
	}
	for i := range 20 {
		open(clock.Add(time.Duration(i) * time.Minute))
	}
	for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderNewestFirst} {
		there := slices.Clone(all)
		step := 0
		met := k.walk(ticket.Query{Tenant: acme, Order: order, Limit: 3}, func() {
			step++
			if step > 20 {
				return // so that a walk in the direction of new tickets ends
			}
			open(clock.Add(-time.Duration(step) * time.Second))                 // before all of them
			open(clock.Add(time.Duration(step)*time.Minute + time.Second))      // between them
			open(clock.Add(24*time.Hour + time.Duration(step)*time.Second))     // after all of them
			for _, i := range []int{step % len(there), (7 * step) % len(all)} { // already returned, or not yet
				c := next(all[i], note("meanwhile"), func(e *ticket.Event) {
					e.To, e.Phase = ticket.State{Status: ticket.StatusOpen, Level: 2}, ticket.PhaseInProgress
					e.Set.Priority = ticket.GradeCritical
				})
				k.commit(c)
				all[i] = c.Ticket
			}
		})
		for _, t := range there {
			k.same(met[t.ID], 1, "times a walk in the order %q returned %s, while others were opened and changed", order, t.ID)
		}
	}
}

// listNext checks the end of lists whose last page is full, and of others.
func listNext(k *kit) {
	k.same(k.list(ticket.Query{Tenant: acme}).Next, ticket.Cursor(""), "Next of an empty list")
	for i := range 6 {
		k.commit(k.opened(acme, at(clock.Add(time.Duration(i)*time.Minute)), due(soon.Add(time.Duration(i)*time.Minute))))
	}
	for _, order := range allOrders {
		for limit, pages := range map[int]int{1: 6, 2: 3, 3: 2, 4: 2, 5: 2, 6: 1, 7: 1} {
			q := ticket.Query{Tenant: acme, Order: order, Limit: limit}
			for page := 1; page <= pages; page++ {
				p := k.list(q)
				if last := page == pages; (p.Next == "") != last {
					k.fail("page %d of %d, 6 tickets by %d in the order %q: Next is %q", page, pages, limit, order, p.Next)
				}
				q.After = p.Next
			}
		}
	}
}

// listAfter continues after places without a ticket, like a walk whose last ticket has
// moved since.
func listAfter(k *kit) {
	tickets := k.populate(40)
	for _, q := range allSorts() {
		q.Limit = ticket.MaxLimit
		for _, t := range tickets[:10] {
			place := q.PlaceOf(&t)
			place.Time, place.ID = place.Time.Add(time.Microsecond), k.id()
			q.After = place.Cursor()
			rest := slices.DeleteFunc(slices.Clone(tickets), func(t ticket.Ticket) bool {
				return !q.Match(&t) || place.Compare(q.PlaceOf(&t)) >= 0
			})
			got, want := idsOf(k.list(q).Tickets), idsOf(rest)
			slices.SortFunc(got, ticket.ID.Compare)
			slices.SortFunc(want, ticket.ID.Compare)
			k.same(got, want, "tickets after %+v", place)
		}
	}
}

func listInvalid(k *kit) {
	k.populate(3)
	newest := k.list(ticket.Query{Tenant: acme, Order: ticket.OrderNewestFirst, Limit: 1}).Next
	for what, q := range map[string]ticket.Query{
		"a negative limit":           {Limit: -1},
		"a limit above MaxLimit":     {Limit: ticket.MaxLimit + 1},
		"an unknown order":           {Order: "sideways"},
		"an unknown metric":          {Metric: "patience", Missed: true},
		"an unknown stage":           {Stage: []ticket.Stage{ticket.StageArchived, "gone"}},
		"a stage of another case":    {Stage: []ticket.Stage{"Archived"}},
		"a metric of another case":   {Metric: "Solution"},
		"an invalid cursor":          {After: "!"},
		"a truncated cursor":         {Order: ticket.OrderNewestFirst, After: newest[1:]},
		"a cursor of another order":  {Order: ticket.OrderOldestFirst, After: newest},
		"a field of an unknown type": {Fields: ticket.Fields{"order": struct{}{}}},
	} {
		q.Tenant = acme
		_, err := k.store.List(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "List with %s", what)
	}
}
