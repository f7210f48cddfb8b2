package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// listFew queries for a few tickets among many, with small pages. A page is not complete
// when the first tickets looked at do not match.
func listFew(k *kit) {
	var changes []ticket.Change
	var all []ticket.Ticket
	for i := range 60 {
		when := clock.Add(time.Duration(i) * time.Minute)
		c := k.opened(acme, at(when), due(when.Add(year)))
		if i%10 == 9 {
			c = add(c, func(e *ticket.Event) { rarely(e, i) })
		}
		changes, all = append(changes, c), append(all, c.Ticket)
	}
	k.commit(changes...)
	for _, q := range rare {
		for _, q.Order = range allOrders {
			for _, q.Limit = range []int{1, 4} {
				k.same(k.walked(q, func(ticket.Page) {}), answer(all, q), "a walk with pages of %d over few matches: %+v", q.Limit, q)
			}
		}
	}
}

// rarely gives a ticket everything that the queries of rare select.
func rarely(e *ticket.Event, i int) {
	e.At = clock.Add(time.Duration(60-i) * time.Hour)
	e.To, e.Phase = ticket.State{Status: ticket.StatusOpen, Level: 2}, ticket.PhaseInProgress
	e.Fields, e.Set.AddTags = ticket.Fields{"site": "rare"}, []string{"rare"}
	e.Set.Queue, e.Set.Assignee, e.Set.Priority = new("rare"), new("rare"), ticket.GradeCritical
	e.Requester, e.Followed = ticket.Person{ID: "rare", Organisation: "rare"}, []ticket.Person{{ID: "rarer"}}
	due(clock.Add(-time.Duration(i) * time.Minute))(e)
	e.Set.Clocks[0].Breached = past
}

// rare has queries, one for each condition, that a ticket meets after rarely.
var rare = []ticket.Query{
	{Tenant: acme, Status: []ticket.Status{ticket.StatusOpen}},
	{Tenant: acme, Phase: []ticket.Phase{ticket.PhaseInProgress}},
	{Tenant: acme, Level: []int{2}},
	{Tenant: acme, Queue: []string{"rare"}},
	{Tenant: acme, Assignee: []string{"rare"}},
	{Tenant: acme, Priority: []ticket.Grade{ticket.GradeCritical}},
	{Tenant: acme, Tags: []string{"rare"}},
	{Tenant: acme, Fields: ticket.Fields{"site": "rare"}},
	{Tenant: acme, Requester: ticket.Person{ID: "rare"}},
	{Tenant: acme, Participant: ticket.Person{ID: "rarer"}},
	{Tenant: acme, Organisation: "rare"},
	{Tenant: acme, TouchedFrom: clock.Add(2 * time.Hour)},
	{Tenant: acme, DueBefore: clock},
	{Tenant: acme, DueBefore: clock, Metric: metricOfDue},
	{Tenant: acme, Missed: true},
}

// common has queries, one for each condition, that a ticket meets before rarely. After
// it, the ticket no longer meets most of them.
var common = []ticket.Query{
	{Tenant: acme},
	{Tenant: acme, Status: []ticket.Status{ticket.StatusNew}},
	{Tenant: acme, Phase: []ticket.Phase{ticket.PhaseReceived}},
	{Tenant: acme, Level: []int{1}},
	{Tenant: acme, Queue: []string{""}},
	{Tenant: acme, Assignee: []string{""}},
	{Tenant: acme, Priority: []ticket.Grade{ticket.GradeMedium}},
	{Tenant: acme, Tags: []string{"plain"}},
	{Tenant: acme, Fields: ticket.Fields{"site": "plain"}},
	{Tenant: acme, Requester: ada},
	{Tenant: acme, Participant: ticket.Person{ID: "plain"}},
	{Tenant: acme, Organisation: ada.Organisation},
	{Tenant: acme, TouchedBefore: clock.Add(2 * time.Hour)},
	{Tenant: acme, DueBefore: clock.Add(2 * year), Metric: metricOfDue},
}

// listChanged changes every field of a ticket that a list can select or sort by, changes
// it back, and queries in between. Indexes have to follow.
func listChanged(k *kit) {
	var all []ticket.Ticket
	for i := range 5 {
		c := k.opened(acme, func(e *ticket.Event) {
			e.At = clock.Add(time.Duration(i) * time.Minute)
			e.Fields, e.Set.AddTags, e.Followed = ticket.Fields{"site": "plain"}, []string{"plain"}, []ticket.Person{{ID: "plain"}}
			due(soon.Add(time.Duration(i) * time.Minute))(e)
		})
		k.commit(c)
		all = append(all, c.Ticket)
	}
	see := func(when string) {
		k.Helper()
		for _, q := range slices.Concat(rare, common) {
			for _, q.Order = range allOrders {
				k.same(idsOf(k.list(q).Tickets), answer(all, q), "tickets %s that match %+v", when, q)
			}
		}
	}
	change := func(when string, edit edit) {
		k.Helper()
		c := next(all[2], edit)
		k.commit(c)
		all[2] = c.Ticket
		see(when)
	}
	see("before a change")
	first := all[2]
	change("after a change of one", func(e *ticket.Event) {
		rarely(e, 2)
		e.Set.RemoveTags, e.Unfollowed = first.Tags, first.Followers
	})
	change("after it was changed back", func(e *ticket.Event) {
		e.At, e.To, e.Phase = clock.Add(time.Hour), first.State(), first.Phase
		e.Fields, e.Set.AddTags, e.Set.RemoveTags = first.Fields, first.Tags, []string{"rare"}
		e.Set.Queue, e.Set.Assignee, e.Set.Priority, e.Set.Clocks = &first.Queue, &first.Assignee, first.Priority, first.Clocks
		e.Requester, e.Followed, e.Unfollowed = first.Requester, first.Followers, []ticket.Person{{ID: "rarer"}}
	})
	change("after its target was met", met)
	change("after it got a target again", due(soon))
}

// listMoved moves the last ticket of a page before it reads the next page. The walk
// continues after the ticket's old place.
func listMoved(k *kit) {
	for _, order := range []ticket.Order{ticket.OrderLeastRecent, ticket.OrderMostRecent, ticket.OrderMostUrgent, ticket.OrderSoonestDue} {
		var all []ticket.Ticket
		for i := range 12 {
			c := k.opened(acme, func(e *ticket.Event) {
				e.At = clock.Add(time.Duration(i) * time.Minute)
				e.Set.Queue, e.Set.Priority = new(string(order)), ticket.Grade(2+i%2)
				due(soon.Add(time.Duration(i) * time.Minute))(e)
			})
			k.commit(c)
			all = append(all, c.Ticket)
		}
		moved := map[ticket.ID]bool{}
		met := map[ticket.ID]int{}
		for _, id := range k.walked(ticket.Query{Tenant: acme, Queue: []string{string(order)}, Order: order, Limit: 3}, func(p ticket.Page) {
			if len(p.Tickets) == 0 || len(moved) == 3 { // so that a walk in the direction of moved tickets ends
				return
			}
			last := k.ticket(p.Tickets[len(p.Tickets)-1])
			to := clock.Add(year) // in turn to the end and to the beginning
			if len(moved)%2 == 1 {
				to = past
			}
			moved[last.ID] = true
			k.commit(next(last, func(e *ticket.Event) {
				due(to)(e)
				e.At, e.Set.Priority = to, ticket.GradeLow
				if to.Before(clock) {
					e.Set.Priority = ticket.GradeCritical
				}
			}))
		}) {
			met[id]++
		}
		for _, t := range all {
			if !moved[t.ID] {
				k.same(met[t.ID], 1, "times a walk in the order %q returned a ticket that stayed, while the last of each page moved", order)
			}
		}
	}
}

// raceWalk walks while one ticket keeps moving.
func raceWalk(k *kit) {
	var stay []ticket.ID
	for i := range 30 {
		c := k.opened(acme, at(clock.Add(time.Duration(i)*time.Minute)))
		k.commit(c)
		stay = append(stay, c.Ticket.ID)
	}
	hot := k.opened(acme)
	k.commit(hot)
	orders := []ticket.Order{ticket.OrderLeastRecent, ticket.OrderMostRecent, ticket.OrderMostUrgent}
	var walking atomic.Int64
	walking.Store(int64(len(orders)))
	k.together(1+len(orders), func(i int) error {
		if i == 0 {
			t := hot.Ticket
			for n := 0; walking.Load() > 0 && n < 5000; n++ {
				c := next(t, at(clock.Add(time.Duration(n*7%30)*time.Minute)), func(e *ticket.Event) { e.Set.Priority = ticket.Grade(1 + n%4) })
				if err := k.try(c); err != nil {
					return fmt.Errorf("Commit: %w", err)
				}
				t = c.Ticket
			}
			return nil
		}
		defer walking.Add(-1)
		for range 8 {
			met := map[ticket.ID]int{}
			q := ticket.Query{Tenant: acme, Order: orders[i-1], Limit: 3}
			for pages := 0; ; pages++ {
				if pages > 100 {
					return errors.New("List: a walk does not end while one ticket moves")
				}
				p, err := k.store.List(k.Context(), q)
				if err != nil {
					return fmt.Errorf("List: %w", err)
				}
				for _, id := range idsOf(p.Tickets) {
					met[id]++
				}
				if q.After = p.Next; p.Next == "" {
					break
				}
			}
			for _, id := range stay {
				if met[id] != 1 {
					return fmt.Errorf("List: a walk in the order %q returned a ticket that stayed %d times, while another one moved", q.Order, met[id])
				}
			}
		}
		return nil
	})
}
