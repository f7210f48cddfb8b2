package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/limits"
)

// longest has the longest text of each kind that a desk accepts by default.
var longest = ticket.Limits{
	Name: limits.Name, Email: limits.Email, FieldValue: limits.FieldValue, Tags: limits.Tags, Fields: limits.Fields,
}

// longestKey is the length of the longest idempotency key; see ticket.Action.Key.
const longestKey = 200

// alike returns two texts of n bytes that differ in the last byte.
func alike(n int) [2]string {
	s := strings.Repeat("as long as can be-", n/18+1)[:n-1]
	return [2]string{s + "a", s + "b"}
}

// valueAlike uses pairs of texts of the greatest length that the desk accepts. They differ
// in the last byte. They are tenants, keys, and everything that queries select by.
func valueAlike(k *kit) {
	names, keys := alike(longest.Name), alike(longestKey)
	var commits []ticket.Commit
	for _, tenant := range names {
		for i, key := range keys {
			commits = append(commits, k.endsIn(i, tenant, key))
		}
	}
	for _, c := range commits {
		k.ok(k.store.Commit(k.Context(), c), "Commit, with names and a key that differ from others in the last byte")
	}
	for _, c := range commits {
		t := c.Changes[0].Ticket
		k.same(k.receipt(t.Tenant, c.Receipt.Key), *c.Receipt, "receipt of a key that differs from another in the last byte")
		for what, q := range asksFor(t) {
			q.Tenant = t.Tenant
			k.same(idsOf(k.list(q).Tickets), []ticket.ID{t.ID}, "tickets with one of two %s that differ in the last byte", what)
		}
		for _, other := range commits {
			if u := other.Changes[0].Ticket; u.Tenant != t.Tenant {
				_, err := k.store.Ticket(k.Context(), t.Tenant, u.ID)
				k.refused(err, ticket.ErrNotFound, "Ticket under a tenant that differs in the last byte")
			}
		}
	}
	k.alikeDeliveries(names)
}

// endsIn returns a commit of a ticket with the first or the second text of every pair.
func (k *kit) endsIn(i int, tenant, key string) ticket.Commit {
	name := alike(longest.Name)[i]
	c := k.opened(tenant, func(e *ticket.Event) {
		e.Requester = ticket.Person{ID: name, Organisation: name}
		e.Set.Queue, e.Set.Assignee, e.Set.AddTags = new(name), new(name), []string{name}
		e.To.Status = ticket.Status(name)
		e.Fields = ticket.Fields{
			name: "names differ", "text": alike(longest.FieldValue)[i],
			"list": []string{alike(longest.FieldValue / 2)[0], alike(longest.FieldValue / 2)[i]},
		}
		e.Followed = []ticket.Person{{Email: alike(longest.Email - 12)[0] + "@example.or" + name[len(name)-1:]}}
	})
	return ticket.Commit{Changes: []ticket.Change{c}, Receipt: receiptFor(c.Ticket, key)}
}

// asksFor returns queries with one condition each that the ticket meets.
func asksFor(t ticket.Ticket) map[string]ticket.Query {
	asks := map[string]ticket.Query{
		"statuses":      {Status: []ticket.Status{t.Status}},
		"queues":        {Queue: []string{t.Queue}},
		"assignees":     {Assignee: []string{t.Assignee}},
		"tags":          {Tags: t.Tags},
		"requesters":    {Requester: t.Requester},
		"participants":  {Participant: t.Followers[0]},
		"organisations": {Organisation: t.Requester.Organisation},
	}
	for name, v := range t.Fields {
		asks[fmt.Sprintf("values of a field (%T), or its names (%d bytes)", v, len(name))] = ticket.Query{Fields: ticket.Fields{name: v}}
	}
	return asks
}

// alikeDeliveries commits deliveries by notifiers and to recipients that differ in the
// last byte. No delivery waits for another.
func (k *kit) alikeDeliveries(names [2]string) {
	c := k.opened(acme)
	emails := alike(longest.Email - 12)
	var list []ticket.Delivery
	for _, by := range names {
		for _, to := range []ticket.Recipient{
			{Role: ticket.RoleRequester, Person: ticket.Person{ID: names[0]}}, {Role: ticket.RoleRequester, Person: ticket.Person{ID: names[1]}},
			{Role: ticket.RoleAgent, Queue: names[0]}, {Role: ticket.RoleAgent, Queue: names[1]},
			{Role: ticket.RoleFollower, Person: ticket.Person{Email: emails[0] + "@example.or" + "a"}},
			{Role: ticket.RoleFollower, Person: ticket.Person{Email: emails[0] + "@example.or" + "b"}},
		} {
			d := k.delivery(c.Ticket)
			d.Notifier, d.To = by, to
			list = append(list, d)
		}
	}
	k.enter(c, list)
	for _, d := range list {
		q := ticket.DeliveryQuery{Tenant: acme, Notifiers: []string{d.Notifier}, To: d.To}
		k.same(deliveryIDs(k.deliveries(q).Deliveries), []ticket.ID{d.ID}, "deliveries by a notifier and to a recipient that differ from others in the last byte")
	}
	for i, by := range names {
		got := k.claimWith(ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 100, Notifiers: []string{by}})
		want := list[i*len(list)/2 : (i+1)*len(list)/2]
		k.same(sortedIDs(got), sortedIDs(want), "deliveries claimed of one of two notifiers, to recipients that differ in the last byte")
	}
}

func sortedIDs(list []ticket.Delivery) []ticket.ID {
	ids := deliveryIDs(list)
	slices.SortFunc(ids, ticket.ID.Compare)
	return ids
}

// longList is the greatest length of a list; see ticket.Query.
const longList = 1000

// among returns a list of the greatest length that ends with v.
func among[T any](v T, other func(i int) T) []T {
	list := make([]T, longList)
	for i := range list {
		list[i] = other(i)
	}
	list[longList-1] = v
	return list
}

// valueLists queries with lists of the greatest length, in which only the last value
// matches: with each list alone, and with all of them together.
func valueLists(k *kit) {
	text := func(i int) string { return fmt.Sprintf("other %d", i) }
	tags, fields := make([]string, longest.Tags), ticket.Fields{}
	for i := range tags {
		tags[i] = fmt.Sprintf("tag %d", i)
	}
	for i := range longest.Fields {
		fields[fmt.Sprintf("field %d", i)] = int64(i)
	}
	made := func(e *ticket.Event) {
		e.To = ticket.State{Status: "mine", Level: longList}
		e.Set.Queue, e.Set.Assignee, e.Set.AddTags, e.Fields = new("mine"), new("mine"), tags, fields
	}
	mine, near, other := k.opened(acme, made), k.opened(acme, func(e *ticket.Event) {
		made(e)
		e.Set.AddTags = tags[:len(tags)-1]
		e.Fields = maps.Clone(fields)
		e.Fields[fmt.Sprintf("field %d", longest.Fields-1)] = "another"
	}), k.opened(acme)
	k.commit(mine, near, other, k.opened(acme, stage(ticket.StageArchived)))
	both := []ticket.ID{mine.Ticket.ID, near.Ticket.ID}
	slices.SortFunc(both, ticket.ID.Compare)
	active := []ticket.ID{mine.Ticket.ID, near.Ticket.ID, other.Ticket.ID}
	slices.SortFunc(active, ticket.ID.Compare)
	alone := []ticket.ID{mine.Ticket.ID}
	var all ticket.Query
	for _, ask := range []struct {
		what string
		set  func(q *ticket.Query)
		want []ticket.ID
	}{
		{"statuses", func(q *ticket.Query) {
			q.Status = among("mine", func(i int) ticket.Status { return ticket.Status(text(i)) })
		}, both},
		{"levels", func(q *ticket.Query) { q.Level = among(longList, func(i int) int { return i + 2*longList }) }, both},
		{"stages", func(q *ticket.Query) {
			q.Stage = among(ticket.StageActive, func(i int) ticket.Stage { return pickNth(ticket.Stages()[2:], i) })
		}, active},
		{"queues", func(q *ticket.Query) { q.Queue = among("mine", text) }, both},
		{"assignees", func(q *ticket.Query) { q.Assignee = among("mine", text) }, both},
		{"tags", func(q *ticket.Query) {
			q.Tags = among(tags[len(tags)-1], func(i int) string { return tags[i%(len(tags)-1)] })
		}, alone},
		{"fields", func(q *ticket.Query) { q.Fields = fields }, alone},
		{"lists of all sorts", func(q *ticket.Query) { *q = all }, alone},
	} {
		var q ticket.Query
		ask.set(&q)
		ask.set(&all)
		q.Tenant = acme
		page, err := k.store.List(k.Context(), q)
		k.ok(err, "List with the longest list of %s", ask.what)
		got := idsOf(page.Tickets)
		slices.SortFunc(got, ticket.ID.Compare)
		k.same(got, ask.want, "tickets that match the longest list of %s", ask.what)
	}
	k.longDeliveryLists()
}

func (k *kit) longDeliveryLists() {
	c := k.opened(acme)
	d, o := k.delivery(c.Ticket), k.delivery(c.Ticket)
	d.Notifier, d.Kind, o.Kind, o.Notifier, o.To = "mine", "mine", "another", "another", to(2)
	k.enter(c, []ticket.Delivery{d, o})
	text := func(i int) string { return fmt.Sprintf("other %d", i) }
	var all ticket.DeliveryQuery
	for _, ask := range []struct {
		what string
		set  func(q *ticket.DeliveryQuery)
	}{
		{"IDs", func(q *ticket.DeliveryQuery) { q.IDs = among(d.ID, func(int) ticket.ID { return k.id() }) }},
		{"kinds", func(q *ticket.DeliveryQuery) {
			q.Kind = among("mine", func(i int) ticket.Kind { return ticket.Kind(text(i)) })
		}},
		{"notifiers", func(q *ticket.DeliveryQuery) { q.Notifiers = among("mine", text) }},
		{"lists of all sorts", func(q *ticket.DeliveryQuery) {
			*q = all
			q.State = among(ticket.DeliveryPending, func(int) ticket.DeliveryState { return ticket.DeliveryDead })
		}},
	} {
		var q ticket.DeliveryQuery
		ask.set(&q)
		ask.set(&all)
		q.Tenant = acme
		page, err := k.store.Deliveries(k.Context(), q)
		k.ok(err, "Deliveries with the longest list of %s", ask.what)
		k.same(deliveryIDs(page.Deliveries), []ticket.ID{d.ID}, "deliveries that match the longest list of %s", ask.what)
	}
}
