package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/ticketkit/ticket"
)

const saysCancelled = "If the context is cancelled before the call, a method must return the context's error and change nothing."

var contextRules = []rule{
	{name: "Context/cancelled", says: saysCancelled, prove: cancelledCalls},
}

// cancelledCalls calls every method with a cancelled or expired context and with
// arguments that would succeed otherwise.
func cancelledCalls(k *kit) {
	c := k.opened(acme, timer(clock))
	first, second := k.delivery(c.Ticket), k.delivery(c.Ticket)
	second.Due, second.To = soon, to(2)
	third := k.delivery(c.Ticket)
	third.To = to(3)
	k.put(ticket.Commit{
		Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{first, second, third}, Receipt: receiptFor(c.Ticket, "key"),
	})
	k.claim(clock)
	held, dead := ticket.Delivery{ID: first.ID, Attempts: 1}, ticket.Delivery{ID: third.ID, Attempts: 1}
	k.settle(settlement(dead, ticket.DeliveryDead))
	redrive := ticket.DeliveryUpdate{Tenant: acme, IDs: []ticket.ID{dead.ID}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: clock}
	more := next(c.Ticket, note("more"))
	request := ticket.ClaimRequest{Now: soon.Add(time.Hour), Lease: lease, Limit: 10, Notifiers: []string{"mail"}}

	cancelled, cancel := context.WithCancel(k.Context())
	cancel()
	late, cancel := context.WithDeadline(k.Context(), clock.AddDate(-200, 0, 0))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		for _, call := range []struct {
			method string
			do     func() error
		}{
			{"Commit", func() error { return k.store.Commit(ctx, ticket.Commit{Changes: []ticket.Change{more}}) }},
			{"Ticket", func() error { _, err := k.store.Ticket(ctx, acme, c.Ticket.ID); return err }},
			{"Lookup", func() error { _, err := k.store.Lookup(ctx, acme, c.Ticket.Number); return err }},
			{"Receipt", func() error { _, err := k.store.Receipt(ctx, acme, "key"); return err }},
			{"Events", func() error { _, err := k.store.Events(ctx, acme, c.Ticket.ID, 0, 0); return err }},
			{"List", func() error { _, err := k.store.List(ctx, ticket.Query{Tenant: acme}); return err }},
			{"Due", func() error { _, err := k.store.Due(ctx, clock, 10); return err }},
			{"Claim", func() error { _, err := k.store.Claim(ctx, request); return err }},
			{"Settle", func() error {
				return k.store.Settle(ctx, []ticket.Settlement{settlement(held, ticket.DeliverySent)})
			}},
			{"Deliveries", func() error { _, err := k.store.Deliveries(ctx, ticket.DeliveryQuery{Tenant: acme}); return err }},
			{"UpdateDeliveries", func() error { _, err := k.store.UpdateDeliveries(ctx, redrive); return err }},
		} {
			if err := call.do(); !errors.Is(err, ctx.Err()) {
				k.fail("%s with a cancelled context: got error %v, want %q", call.method, err, ctx.Err())
			}
		}
	}
	k.stands(c.Ticket, c.Events)
	k.settle(settlement(held, ticket.DeliverySent))
	k.same(len(k.claim(request.Now)), 1, "deliveries left to claim")
}
