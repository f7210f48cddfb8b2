package storetest

import (
	"fmt"

	"github.com/ticketkit/ticket"
)

const saysTenant = "Data of one tenant must be invisible to every other tenant. The empty tenant is a tenant like any other, not a wildcard."

var tenantRules = []rule{
	{name: "Tenants/invisible", says: saysTenant, prove: tenantInvisible},
	{name: "Tenants/untouchable", says: saysTenant, prove: tenantUntouchable},
}

// tenants holds near misses that a lenient database treats as equal, and names that a
// careless one treats as wildcards.
var tenants = []string{"", acme, "Acme", "acme ", "ácme", "acm", "%", "*"}

// tenantInvisible reads under each tenant the data of all others.
func tenantInvisible(k *kit) {
	var theirs []ticket.Ticket
	keyOf := func(i int) string { return fmt.Sprintf("key %d", i) }
	for i, tenant := range tenants {
		c := k.opened(tenant)
		k.put(ticket.Commit{Changes: []ticket.Change{c}, Receipt: receiptFor(c.Ticket, keyOf(i))})
		theirs = append(theirs, c.Ticket)
	}
	for i, tenant := range tenants {
		k.same(idsOf(k.list(ticket.Query{Tenant: tenant}).Tickets), []ticket.ID{theirs[i].ID}, "tickets of tenant %q", tenant)
		for j, t := range theirs {
			if i == j {
				continue
			}
			_, err := k.store.Ticket(k.Context(), tenant, t.ID)
			k.refused(err, ticket.ErrNotFound, "Ticket under tenant %q of one of %q", tenant, t.Tenant)
			_, err = k.store.Lookup(k.Context(), tenant, t.Number)
			k.refused(err, ticket.ErrNotFound, "Lookup under tenant %q of a ticket of %q", tenant, t.Tenant)
			_, err = k.store.Events(k.Context(), tenant, t.ID, 0, 0)
			k.refused(err, ticket.ErrNotFound, "Events under tenant %q of a ticket of %q", tenant, t.Tenant)
			_, err = k.store.Receipt(k.Context(), tenant, keyOf(j))
			k.refused(err, ticket.ErrNotFound, "Receipt under tenant %q of a key of %q", tenant, t.Tenant)
		}
	}
}

// tenantUntouchable changes a ticket under another tenant, where it does not exist and so
// has no version.
func tenantUntouchable(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	for _, tenant := range tenants {
		if tenant == acme {
			continue
		}
		moved := c.Ticket
		moved.Tenant = tenant
		k.refused(k.try(next(moved, note("from elsewhere"))), ticket.ErrConflict,
			"Commit under tenant %q of a change to a ticket of %q", tenant, acme)
		k.stands(c.Ticket, c.Events)
	}
}
