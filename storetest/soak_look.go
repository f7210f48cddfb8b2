package storetest

import (
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

// look compares all data of a tenant with each other and with what was reported as done.
func (s *soak) look(ctx context.Context, d *ticket.Desk, store ticket.Store, tenant string) {
	me := ticket.System("soak").InTenant(tenant)
	var tickets []ticket.Ticket
	histories := map[ticket.ID][]ticket.Event{}
	for t, err := range d.Tickets(ctx, me, ticket.Query{Limit: 100}) {
		if err != nil {
			s.note("a walk over the tickets of tenant %q: %v", tenant, err)
			return
		}
		tickets = append(tickets, t)
		if err := d.Verify(ctx, me, t.ID); err != nil {
			s.note("ticket %s: %v", t.ID, err)
		}
		events, err := store.Events(ctx, tenant, t.ID, 0, 0)
		if err != nil {
			s.note("events of ticket %s: %v", t.ID, err)
		}
		if folded, err := ticket.Replay(events); err != nil || !folded.Equal(t) {
			s.note("ticket %s is not the fold of its events: %v", t.ID, err)
		}
		histories[t.ID] = events
	}
	s.lookAtLists(ctx, store, tenant, tickets)
	s.lookAtOutbox(ctx, store, tenant, histories)
	s.lookForWords(tenant, histories)
}

// lookAtLists walks in every order and with some conditions.
func (s *soak) lookAtLists(ctx context.Context, store ticket.Store, tenant string, tickets []ticket.Ticket) {
	for _, q := range []ticket.Query{
		{}, {Phase: ticket.OpenPhases()}, {Queue: []string{"hardware", "q1"}}, {Tags: []string{"tag1"}}, {Assignee: []string{"a-1"}}, {Fields: ticket.Fields{"n": int64(1)}},
		{Participant: ticket.Person{ID: "c-1"}},
	} {
		for _, q.Order = range allOrders {
			q.Tenant, q.Limit, q.After = tenant, 7, ""
			want, got := answer(tickets, q), []ticket.ID{}
			for len(got) <= len(tickets) {
				page, err := store.List(ctx, q)
				if err != nil {
					s.note("List %+v: %v", q, err)
					return
				}
				got = append(got, idsOf(page.Tickets)...)
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				q.After = ""
				s.note("a walk returned %d tickets, want %d, or in another order: %+v", len(got), len(want), q)
			}
		}
	}
}

// lookAtOutbox expects every delivery to be settled and its event to exist.
func (s *soak) lookAtOutbox(ctx context.Context, store ticket.Store, tenant string, histories map[ticket.ID][]ticket.Event) {
	for q := (ticket.DeliveryQuery{Tenant: tenant, Limit: ticket.MaxLimit}); ; {
		page, err := store.Deliveries(ctx, q)
		if err != nil {
			s.note("Deliveries: %v", err)
			return
		}
		for _, d := range page.Deliveries {
			if d.Seq < 1 || d.Seq > int64(len(histories[d.Ticket])) {
				s.note("delivery %s is of event %d of ticket %s, which does not exist", d.ID, d.Seq, d.Ticket)
			}
			if !d.State.Settled() {
				s.note("delivery %s by %s is still %s at the end, due at %v, after %d attempts: %s", d.ID, d.Notifier, d.State, d.Due, d.Attempts, d.LastError)
			}
		}
		if q.After = page.Next; q.After.IsZero() {
			return
		}
	}
}

// lookForWords expects everything that was reported as done to be there once, and
// nothing that was refused.
func (s *soak) lookForWords(tenant string, histories map[ticket.ID][]ticket.Event) {
	times := map[string]int{}
	for _, events := range histories {
		for _, e := range events {
			// After a merge the remaining ticket records what the merged one keeps.
			if e.Action == ticket.ActionMerge && e.Set.MergedInto == nil {
				continue
			}
			for _, words := range []string{string(e.Message), string(e.Note)} {
				if words != "" {
					times[words]++
				}
			}
		}
	}
	for words, n := range times {
		if n > 1 {
			s.note("%q was done %d times", words, n)
		}
	}
	for _, words := range s.never {
		if times[words] > 0 {
			s.note("%q was refused, but is there", words)
		}
	}
	for _, a := range s.acks {
		if a.tenant != tenant {
			continue
		}
		events := histories[a.ticket.ID]
		v := a.ticket.Version
		if int64(len(events)) < v || !a.ticket.Digest.IsZero() && events[v-1].Digest != a.ticket.Digest { // customers see none
			s.note("version %d of ticket %s was reported as done, but is not there", v, a.ticket.ID)
		}
	}
}
