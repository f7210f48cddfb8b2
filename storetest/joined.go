package storetest

import (
	"fmt"

	"github.com/ticketkit/ticket"
)

const saysJoined = `Texts that are combined into one key must not run together: the tenant "a" with the key "b:c" is not the tenant "a:b" with the key "c".`

var joinedRules = []rule{
	{name: "Tenants/run together", says: saysJoined, upon: []string{"Tenants/", "List/match", "Deliveries/match", "Deliveries/tenants", "Commit/key", "Receipt"}, prove: joinedTenants},
	{name: "List/run together", says: saysJoined, upon: []string{"List/match"}, prove: joinedFields},
	{name: "Counts/run together", says: saysJoined, lacks: noCounts, upon: []string{"Counts"}, prove: joinedCounts},
}

// pairs returns two pairs of names that are equal when joined: a and b:c, and a:b and c.
// Another n gives other names.
func pairs(n int, sep string) [2][2]string {
	a := fmt.Sprintf("%d a", n)
	return [2][2]string{{a, "b" + sep + "c"}, {a + sep + "b", "c"}}
}

// joinedTenants uses pairs of a tenant and of anything else that a store may keep in one
// key with it.
func joinedTenants(k *kit) {
	for n, sep := range separators {
		var commits []ticket.Commit
		for i, p := range pairs(n, sep) {
			tenant, name := p[0], p[1]
			c := k.opened(tenant, func(e *ticket.Event) {
				e.Requester, e.Followed = ticket.Person{ID: name, Organisation: name}, []ticket.Person{{ID: "f" + sep + name}}
				e.Channel, e.To.Status, e.Phase = ticket.Channel(name), ticket.Status(name), ticket.PhaseReceived
				e.Set.Queue, e.Set.Assignee, e.Set.AddTags = &name, &name, []string{name}
				e.Fields = ticket.Fields{name: name}
			})
			d := k.delivery(c.Ticket)
			d.Notifier, d.Kind, d.To.Person = name, ticket.Kind(name), ticket.Person{ID: name}
			commit := ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}, Receipt: receiptFor(c.Ticket, name)}
			k.ok(k.store.Commit(k.Context(), commit), "Commit under tenant %q with the key %q, the %d. of two that are alike", tenant, name, i+1)
			commits = append(commits, commit)
		}
		for i, commit := range commits {
			t, d := commit.Changes[0].Ticket, commit.Deliveries[0]
			k.same(k.receipt(t.Tenant, commit.Receipt.Key), *commit.Receipt, "receipt of %q", t.Tenant)
			other := commits[1-i]
			_, err := k.store.Receipt(k.Context(), t.Tenant, other.Receipt.Key)
			k.refused(err, ticket.ErrNotFound, "Receipt under tenant %q of the key %q of tenant %q", t.Tenant, other.Receipt.Key, other.Receipt.Tenant)
			for _, q := range []ticket.Query{
				{}, {Queue: []string{t.Queue}}, {Assignee: []string{t.Assignee}}, {Status: []ticket.Status{t.Status}}, {Channel: []ticket.Channel{t.Channel}},
				{Tags: t.Tags}, {Fields: t.Fields}, {Requester: t.Requester}, {Participant: t.Followers[0]}, {Organisation: t.Requester.Organisation},
			} {
				q.Tenant = t.Tenant
				k.same(idsOf(k.list(q).Tickets), []ticket.ID{t.ID}, "tickets that match %+v", q)
				q.Tenant = other.Changes[0].Ticket.Tenant
				if len(q.Queue)+len(q.Assignee)+len(q.Tags) > 0 {
					k.same(len(k.list(q).Tickets), 0, "tickets that match %+v, which are of tenant %q", q, t.Tenant)
				}
			}
			for _, q := range []ticket.DeliveryQuery{{}, {Notifiers: []string{d.Notifier}}, {Kind: []ticket.Kind{d.Kind}}, {To: d.To}} {
				q.Tenant = t.Tenant
				k.same(deliveryIDs(k.deliveries(q).Deliveries), []ticket.ID{d.ID}, "deliveries that match %+v", q)
			}
		}
	}
}

// joinedFields uses tags and custom fields of one tenant whose names and values are equal
// when joined.
func joinedFields(k *kit) {
	for n, sep := range append([]string{"=", `"`}, separators...) {
		var tickets []ticket.Ticket
		for _, p := range pairs(n, sep) {
			c := k.opened(acme, func(e *ticket.Event) {
				e.Fields, e.Set.AddTags = ticket.Fields{p[0]: p[1]}, p[:]
			})
			k.commit(c)
			tickets = append(tickets, c.Ticket)
		}
		for _, t := range tickets {
			for _, q := range []ticket.Query{{Fields: t.Fields}, {Tags: t.Tags}} {
				q.Tenant = acme
				k.same(idsOf(k.list(q).Tickets), []ticket.ID{t.ID}, "tickets that match %+v", q)
			}
		}
	}
}

func joinedCounts(k *kit) {
	for n, sep := range separators {
		for _, p := range pairs(n, sep) {
			k.commit(k.opened(p[0], func(e *ticket.Event) { e.Set.Queue = &p[1] }))
		}
		for _, p := range pairs(n, sep) {
			want := []ticket.Count{{Queue: p[1], Level: 1, Status: ticket.StatusNew, N: 1}}
			k.same(k.counts(p[0]), want, "counts of tenant %q, with a queue %q", p[0], p[1])
		}
	}
}
