package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/ticketkit/ticket"
)

const (
	saysTraces = "It must return every such ticket, and may return others. Fewer IDs than limit mean that no such ticket follows."
	saysAbove  = "Traces returns the IDs of the tenant's tickets with an ID above after that have an event which names the person in its Identities, in ascending order, at most limit of them."
)

var traceRules = []rule{
	{name: "Traces/named", says: saysTraces, lacks: noEraser, upon: eraseUpon, prove: tracesNamed},
	{name: "Traces/same person", says: saysTraces, lacks: noEraser, upon: eraseUpon, prove: tracesSame},
	{name: "Traces/text", says: saysTraces, lacks: noEraser, upon: append([]string{"Traces/same person"}, eraseUpon...), prove: tracesText},
	{name: "Traces/order", says: saysAbove, lacks: noEraser, upon: eraseUpon, prove: tracesOrder},
	{name: "Traces/walk", says: saysTraces, lacks: noEraser, upon: append([]string{"Traces/order"}, eraseUpon...), prove: tracesWalk},
	{name: "Traces/many", says: saysMany, lacks: noEraser, upon: append([]string{"Traces/order"}, eraseUpon...), prove: tracesMany},
	{name: "Traces/tenants", says: saysTenant, lacks: noEraser, upon: eraseUpon, prove: tracesTenants},
	{name: "Traces/cancelled", says: saysCancelled, lacks: noEraser, upon: eraseUpon, prove: tracesCancelled},
}

// A tracesRequest holds the arguments of Traces.
type tracesRequest struct {
	tenant string
	person ticket.Person
	after  ticket.ID
	limit  int
}

// traced returns one page of traces in the tenant acme.
func (k *kit) traced(p ticket.Person, after ticket.ID, limit int) []ticket.ID {
	k.Helper()
	ids, err := k.store.Traces(k.Context(), acme, p, after, limit)
	k.ok(err, "Traces of %+v", p)
	return ids
}

// names expects these tickets to be among those that name the person.
func (k *kit) names(p ticket.Person, what string, want ...ticket.Change) {
	k.Helper()
	got := k.traced(p, ticket.ID{}, noLimit)
	for _, c := range want {
		if !slices.Contains(got, c.Ticket.ID) {
			k.fail("Traces of %+v: the ticket is missing that names the person %s", p, what)
		}
	}
}

// bob is a person that only the cases about traces name.
var bob = ticket.Person{ID: "c-7", Name: "Bob", Email: "bob@example.org", Phone: "+41 7"}

// naming are all ways in which an event names a person.
func naming(p ticket.Person) []step {
	customer := ticket.By{Role: ticket.RoleRequester}
	return []step{
		{"as the customer who acts", func(e *ticket.Event) { e.By, e.Actor = customer, p }},
		{"as the follower who acts", func(e *ticket.Event) { e.By, e.Actor = ticket.By{Role: ticket.RoleFollower}, p }},
		{"as requester", func(e *ticket.Event) { e.Requester = p }},
		{"as follower", func(e *ticket.Event) { e.Followed = []ticket.Person{ada, p} }},
		{"as former follower", func(e *ticket.Event) { e.Unfollowed = []ticket.Person{p} }},
		{"as the author of a copy", func(e *ticket.Event) { e.Author = p }},
	}
}

// tracesNamed names a person in every way: in the first event, in the last one, and in one in
// between that the ticket shows nothing of any more.
func tracesNamed(k *kit) {
	k.commit(k.opened(acme), k.opened(acme))
	for _, way := range naming(bob) {
		first := k.opened(acme, way.edit, note("one"), note("two"))
		last := k.opened(acme, note("one"), note("two"), way.edit)
		between := k.opened(acme, note("one"), way.edit, func(e *ticket.Event) { e.Requester, e.Unfollowed = ada, []ticket.Person{bob} })
		k.commit(first, last)
		k.commit(between)
		later := next(k.stand(acme), way.edit)
		k.commit(later)
		k.names(bob, way.what, first, last, between, later)
	}
}

// stand stores a new ticket and returns it.
func (k *kit) stand(tenant string) ticket.Ticket {
	k.Helper()
	c := k.opened(tenant)
	k.commit(c)
	return c.Ticket
}

// tracesSame looks for a person by ID, address and telephone number; see [ticket.Person.Same].
func tracesSame(k *kit) {
	requester := func(p ticket.Person) ticket.Change {
		c := k.opened(acme, func(e *ticket.Event) { e.Requester, e.Actor = p, p })
		k.commit(c)
		return c
	}
	for _, pair := range []struct {
		what      string
		named, by ticket.Person
	}{
		{"with all of it", bob, bob},
		{"with the same ID", ticket.Person{ID: "c-7"}, bob},
		{"with an ID and another address", ticket.Person{ID: "c-8", Email: "old@example.org"}, ticket.Person{ID: "c-8", Email: "new@example.org"}},
		{"with an address only", ticket.Person{Email: "eve@example.org"}, ticket.Person{ID: "c-9", Email: "eve@example.org"}},
		{"with an address in another case", ticket.Person{ID: "c-10", Email: "Zoe@Example.ORG"}, ticket.Person{Email: "zOE@example.org"}},
		{"with a telephone number only", ticket.Person{Phone: "+41 8"}, ticket.Person{ID: "c-11", Phone: "+41 8"}},
		{"with a telephone number beside an ID", ticket.Person{ID: "c-12", Phone: "+41 9"}, ticket.Person{Phone: "+41 9"}},
	} {
		if !pair.by.Same(pair.named) {
			panic("storetest: not the same person " + pair.what)
		}
		k.names(pair.by, pair.what, requester(pair.named))
	}
}

// tracesText names persons by text that JSON, SQL or a pattern writes in another way.
func tracesText(k *kit) {
	for i, text := range append([]string{`"`, `\`, `\"`, "%", "_", "<", "&", ">", "'", "é", "e\u0301", "\u2028", "漢", "a\tb", `\u0022`, "*", "?", "[a]"}, awkward...) {
		for _, p := range []ticket.Person{{ID: text}, {Email: text + "@example.org"}, {Phone: text}} {
			c := k.opened(acme, func(e *ticket.Event) {
				if i%2 == 0 {
					e.Requester, e.Actor = p, p
				} else {
					e.Followed = []ticket.Person{p}
				}
			})
			k.commit(c)
			k.names(p, fmt.Sprintf("by %q", text), c)
		}
	}
}

// traceable stores tickets of which every third names bob, and returns the IDs of these in
// ascending order, and the IDs of all.
func (k *kit) traceable(n int) (named, all []ticket.ID) {
	k.Helper()
	var changes []ticket.Change
	for i := range n {
		c := k.opened(acme, func(e *ticket.Event) {
			if i%3 == 0 {
				e.Requester = bob
			}
		})
		if changes, all = append(changes, c), append(all, c.Ticket.ID); i%3 == 0 {
			named = append(named, c.Ticket.ID)
		}
	}
	for batch := range slices.Chunk(changes, 100) {
		k.commit(batch...)
	}
	slices.SortFunc(named, ticket.ID.Compare)
	return named, all
}

func tracesOrder(k *kit) {
	named, all := k.traceable(24)
	for _, after := range append([]ticket.ID{{}}, named...) {
		for _, limit := range []int{1, 2, 7, 8, 9, 100, 0, -1} {
			ids := k.traced(bob, after, limit)
			if len(ids) > max(limit, 0) {
				k.fail("Traces with limit %d: got %d", limit, len(ids))
			}
			last := after
			for _, id := range ids {
				if id.Compare(last) <= 0 {
					k.fail("Traces after %s: got %s after %s", after, id, last)
				}
				if last = id; !slices.Contains(all, id) {
					k.fail("Traces: got %s, which is no ticket of the tenant", id)
				}
			}
		}
	}
}

// tracesWalk goes from page to page, and ends at a page that is not full, as the desk does.
func tracesWalk(k *kit) {
	named, _ := k.traceable(60)
	for _, limit := range []int{1, 3, 7, 20, 100} {
		var met []ticket.ID
		after := ticket.ID{}
		for range 200 {
			page := k.traced(bob, after, limit)
			met = append(met, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		for _, id := range named {
			if !slices.Contains(met, id) {
				k.fail("Traces in pages of %d: the ticket %s is missing", limit, id)
			}
		}
	}
}

func tracesMany(k *kit) {
	named, _ := k.traceable(many)
	got := k.traced(bob, ticket.ID{}, noLimit)
	for _, id := range named {
		if !slices.Contains(got, id) {
			k.fail("Traces with a limit above the number of tickets: got %d, without %s", len(got), id)
		}
	}
}

func tracesTenants(k *kit) {
	for _, tenant := range tenants {
		c := k.opened(tenant, func(e *ticket.Event) { e.Requester = bob })
		k.commit(c)
	}
	for _, tenant := range tenants {
		ids, err := k.store.Traces(k.Context(), tenant, bob, ticket.ID{}, 100)
		k.ok(err, "Traces under tenant %q", tenant)
		k.same(ids, idsOf(k.list(ticket.Query{Tenant: tenant}).Tickets), "tickets under tenant %q that name a person", tenant)
	}
}

func tracesCancelled(k *kit) {
	k.commit(k.opened(acme))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Traces(ctx, acme, bob, ticket.ID{}, 10)
	k.refused(err, context.Canceled, "Traces with a cancelled context")
}
