package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

const saysConcurrent = "A store must be safe for concurrent use."

// raceRules are the rules that concurrent callers could break. The callers start together
// as far as possible. A correct store cannot fail these cases, but a faulty one may pass
// by chance.
var raceRules = []rule{
	{name: "Concurrency/all at once", says: saysConcurrent, needs: Concurrency, prove: raceAll},
	{name: "Concurrency/crossing", says: saysConcurrent, needs: Concurrency, prove: raceCrossing},
	{name: "Concurrency/version", says: saysConflict, needs: Concurrency, prove: raceVersion},
	{name: "Concurrency/number", says: saysDuplicate, needs: Concurrency, prove: raceNumber},
	{name: "Concurrency/key", says: saysKeyFirst, needs: Concurrency, prove: raceKey},
	{name: "Concurrency/whole changes", says: saysVisible, needs: Concurrency, prove: raceVisible},
	{name: "Concurrency/walk", says: saysWalk, needs: Concurrency, upon: []string{"List/order", "List/walk", "List/after one that moved"}, prove: raceWalk},
	{name: "Concurrency/claim", says: "No two callers may ever hold the same delivery with the same Attempts.", needs: Concurrency, prove: raceClaim},
	{name: "Concurrency/closed", says: saysClosedFewer, needs: Concurrency, lacks: noArchiver, upon: append([]string{"Closed/"}, closedUpon...), prove: raceClosed},
	{name: "Concurrency/pruned", says: saysPruneCount, needs: Concurrency, lacks: noDeliveryPruner, upon: append([]string{"PruneDeliveries/"}, pruneUpon...), prove: racePruned},
}

const writers = 16

// raceAll gives each caller its own ticket and has it call every method.
func raceAll(k *kit) {
	const steps = 4
	opened := make([]ticket.Change, writers)
	for i := range opened {
		opened[i] = k.opened(acme)
	}
	_, dueWorks := k.dueAside(clock)
	tickets, histories := make([]ticket.Ticket, writers), make([][]ticket.Event, writers)
	ctx := k.Context()
	k.together(writers, func(i int) error {
		c := opened[i]
		for range steps {
			commit := ticket.Commit{
				Changes:    []ticket.Change{c},
				Deliveries: []ticket.Delivery{k.delivery(c.Ticket)},
				Receipt:    receiptFor(c.Ticket, fmt.Sprintf("%d of %d", c.Ticket.Version, i)),
			}
			if err := k.store.Commit(ctx, commit); err != nil {
				return fmt.Errorf("Commit: %w", err)
			}
			tickets[i], histories[i] = c.Ticket, append(histories[i], c.Events...)
			_, errTicket := k.store.Ticket(ctx, acme, c.Ticket.ID)
			_, errLookup := k.store.Lookup(ctx, acme, c.Ticket.Number)
			_, errReceipt := k.store.Receipt(ctx, acme, commit.Receipt.Key)
			_, errEvents := k.store.Events(ctx, acme, c.Ticket.ID, 0, 0)
			_, errList := k.store.List(ctx, ticket.Query{Tenant: acme})
			_, errDue := k.store.Due(ctx, clock, 1)
			if !dueWorks {
				errDue = nil
			}
			claimed, errClaim := k.store.Claim(ctx, ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 1, Notifiers: []string{"mail"}})
			var errSettle, errUpdate error
			for _, d := range claimed {
				errSettle = k.store.Settle(ctx, []ticket.Settlement{settlement(d, ticket.DeliverySent)})
				_, errUpdate = k.store.UpdateDeliveries(ctx, updateTo(ticket.DeliveryBounced, settledStates, d))
			}
			_, errDeliveries := k.store.Deliveries(ctx, ticket.DeliveryQuery{Tenant: acme, Ticket: c.Ticket.ID})
			for _, of := range []struct {
				method string
				err    error
			}{
				{"Ticket", errTicket}, {"Lookup", errLookup}, {"Receipt", errReceipt}, {"Events", errEvents}, {"List", errList},
				{"Due", errDue}, {"Claim", errClaim}, {"Settle", errSettle}, {"UpdateDeliveries", errUpdate}, {"Deliveries", errDeliveries},
			} {
				if of.err != nil {
					return fmt.Errorf("%s: %w", of.method, of.err)
				}
			}
			c = next(c.Ticket, note("more"), timer(clock), note("and more"))
		}
		return nil
	})
	for i := range tickets {
		k.stands(tickets[i], histories[i])
	}
}

// raceCrossing changes pairs of tickets in opposite orders, which makes careless locks
// wait for each other forever.
func raceCrossing(k *kit) {
	a, b := k.opened(acme), k.opened(acme)
	k.commit(a, b)
	var made atomic.Int64
	k.together(writers/2, func(i int) error {
		for range 8 {
			x, errX := k.store.Ticket(k.Context(), acme, a.Ticket.ID)
			y, errY := k.store.Ticket(k.Context(), acme, b.Ticket.ID)
			if err := errors.Join(errX, errY); err != nil {
				return fmt.Errorf("Ticket: %w", err)
			}
			pair := []ticket.Change{next(x, note("both")), next(y, note("both"))}
			if i%2 == 1 {
				pair[0], pair[1] = pair[1], pair[0]
			}
			switch err := k.try(pair...); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, ticket.ErrConflict):
				return fmt.Errorf("Commit of two tickets, while others do it in the opposite order: got error %w, want a conflict or none", err)
			}
		}
		return nil
	})
	k.same(k.ticket(a.Ticket).Version, 1+made.Load(), "version of the one ticket")
	k.same(k.ticket(b.Ticket).Version, 1+made.Load(), "version of the other ticket")
}

// raceVersion has all writers commit on the same version, round after round.
func raceVersion(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	t, history := c.Ticket, c.Events
	for range 8 {
		tries, errs := make([]ticket.Change, writers), make([]error, writers)
		for i := range tries {
			tries[i] = next(t, note(ticket.Note(fmt.Sprintf("writer %d", i))))
		}
		k.together(writers, func(i int) error {
			errs[i] = k.try(tries[i])
			return nil
		})
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				t = tries[i].Ticket
				history = append(history, tries[i].Events...)
				continue
			}
			k.refused(err, ticket.ErrConflict, "Commit by a writer that was not the first")
		}
		k.same(won, 1, "writers that won on one version")
		k.stands(t, history)
	}
}

// raceNumber has all callers open a ticket with the same number.
func raceNumber(k *kit) {
	for range 4 {
		n, tries, errs := k.number(), make([]ticket.Change, writers), make([]error, writers)
		for i := range tries {
			tries[i] = opening(k.id(), n, acme)
		}
		k.together(writers, func(i int) error {
			errs[i] = k.try(tries[i])
			return nil
		})
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				k.stands(tries[i].Ticket, tries[i].Events)
				continue
			}
			k.duplicate(err, "number", "Commit by a caller that was not the first")
		}
		k.same(won, 1, "tickets with the same number")
	}
}

// raceKey has all callers make the same commit with the same key. All but one get both a
// conflict and a duplicate key.
func raceKey(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	for i := range 4 {
		errs := make([]error, writers)
		c = next(c.Ticket, note("once"))
		same := ticket.Commit{
			Changes:    []ticket.Change{c},
			Deliveries: []ticket.Delivery{k.delivery(c.Ticket)},
			Receipt:    receiptFor(c.Ticket, fmt.Sprintf("key %d", i)),
		}
		k.together(writers, func(i int) error {
			errs[i] = k.store.Commit(k.Context(), same)
			return nil
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			k.duplicate(err, "key", "Commit by a caller that was not the first")
		}
		k.same(won, 1, "commits made with the same key")
	}
}

// raceVisible reads a ticket with every method while it changes.
func raceVisible(k *kit) {
	c := k.opened(acme)
	k.commit(c)
	id, ctx := c.Ticket.ID, k.Context()
	var done atomic.Bool
	k.together(4, func(i int) error {
		if i == 0 {
			defer done.Store(true)
			for range 40 {
				c = next(c.Ticket, note("one"), note("two"))
				d := k.delivery(c.Ticket)
				if err := k.store.Commit(ctx, ticket.Commit{Changes: []ticket.Change{c}, Deliveries: []ticket.Delivery{d}}); err != nil {
					return fmt.Errorf("Commit: %w", err)
				}
			}
			return nil
		}
		for !done.Load() {
			var err error
			switch i {
			case 1:
				err = k.rowThenEvents(ctx, id)
			case 2:
				err = k.eventsThenRow(ctx, id)
			case 3:
				err = k.deliveryThenRow(ctx, id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *kit) rowThenEvents(ctx context.Context, id ticket.ID) error {
	t, err := k.store.Ticket(ctx, acme, id)
	if err != nil {
		return fmt.Errorf("Ticket: %w", err)
	}
	events, err := k.store.Events(ctx, acme, id, 0, 0)
	switch {
	case err != nil:
		return fmt.Errorf("Events: %w", err)
	case int64(len(events)) < t.Version:
		return fmt.Errorf("read a ticket at version %d, then only %d events", t.Version, len(events))
	case len(events)%2 != 1:
		return fmt.Errorf("read %d events: only one of two that were written together", len(events))
	}
	folded, err := ticket.Replay(events[:t.Version])
	if err != nil {
		return err
	}
	if d := diff(t, folded); d != "" {
		return fmt.Errorf("read a ticket that is not the fold of its events: %s", d)
	}
	return nil
}

func (k *kit) eventsThenRow(ctx context.Context, id ticket.ID) error {
	events, err := k.store.Events(ctx, acme, id, 0, 0)
	if err != nil {
		return fmt.Errorf("Events: %w", err)
	}
	t, err := k.store.Ticket(ctx, acme, id)
	switch {
	case err != nil:
		return fmt.Errorf("Ticket: %w", err)
	case t.Version < int64(len(events)):
		return fmt.Errorf("read %d events, then a ticket at version %d", len(events), t.Version)
	}
	return nil
}

func (k *kit) deliveryThenRow(ctx context.Context, id ticket.ID) error {
	claimed, err := k.store.Claim(ctx, ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 100, Notifiers: []string{"mail"}})
	if err != nil {
		return fmt.Errorf("Claim: %w", err)
	}
	t, err := k.store.Ticket(ctx, acme, id)
	if err != nil {
		return fmt.Errorf("Ticket: %w", err)
	}
	for _, d := range claimed {
		if t.Version < d.Seq {
			return fmt.Errorf("claimed a delivery of event %d, then read a ticket at version %d", d.Seq, t.Version)
		}
	}
	return nil
}

// raceClaim has all callers claim until nothing is left.
func raceClaim(k *kit) {
	const there = 60
	c := k.opened(acme)
	commit := ticket.Commit{Changes: []ticket.Change{c}}
	for i := range there {
		d := k.delivery(c.Ticket)
		d.To = to(i)
		commit.Deliveries = append(commit.Deliveries, d)
	}
	k.put(commit)
	claimed := make([][]ticket.Delivery, writers)
	k.together(writers, func(i int) error {
		for range there + 1 {
			some, err := k.store.Claim(k.Context(), ticket.ClaimRequest{Now: clock, Lease: lease, Limit: 3, Notifiers: []string{"mail"}})
			if err != nil {
				return fmt.Errorf("Claim: %w", err)
			}
			if len(some) == 0 {
				return nil
			}
			claimed[i] = append(claimed[i], some...)
		}
		return fmt.Errorf("one caller claimed more than %d times, but there are only %d deliveries", there, there)
	})
	holders := map[ticket.ID]int{}
	for _, list := range claimed {
		for _, d := range list {
			holders[d.ID]++
			k.same(d.Attempts, 1, "attempts of a delivery claimed once")
		}
	}
	for _, d := range commit.Deliveries {
		k.same(holders[d.ID], 1, "callers that hold one delivery")
	}
}

// raceClosed walks over closed tickets while every other one is archived. A page that has fewer
// tickets than its limit ends a walk.
func raceClosed(k *kit) {
	const there, limit = 40, 4
	ctx := k.Context()
	var stay []ticket.Ticket
	var leave []ticket.Change
	for i := range there {
		c := k.closing(acme, clock.Add(time.Duration(i)*time.Microsecond))
		k.commit(c)
		if i%2 == 0 {
			stay = append(stay, c.Ticket)
		} else {
			leave = append(leave, next(c.Ticket, archived(ticket.StageArchived)))
		}
	}
	var done atomic.Bool
	k.together(4, func(i int) error {
		if i == 0 {
			defer done.Store(true)
			for _, c := range leave {
				if err := k.store.Commit(ctx, ticket.Commit{Changes: []ticket.Change{c}}); err != nil {
					return fmt.Errorf("Commit: %w", err)
				}
			}
			return nil
		}
		for last := false; !last; {
			last = done.Load() // one more walk
			var found []ticket.ID
			for q := (ticket.ClosedQuery{Before: soon, Limit: limit}); ; {
				page, err := k.store.Closed(ctx, q)
				if err != nil {
					return fmt.Errorf("Closed: %w", err)
				}
				for j := range page {
					q.AfterTime, q.AfterID = page[j].Closed, page[j].ID
					if slices.ContainsFunc(stay, func(t ticket.Ticket) bool { return t.ID == page[j].ID }) {
						found = append(found, page[j].ID)
					}
				}
				if len(page) < limit {
					break
				}
			}
			if !slices.Equal(found, idsOf(stay)) {
				return fmt.Errorf("Closed in pages of %d, while other tickets were archived: found %d of %d tickets that stayed", limit, len(found), len(stay))
			}
		}
		return nil
	})
}

// racePruned has all callers prune at the same time. Each delivery is counted once.
func racePruned(k *kit) {
	var old []ticket.Delivery
	for range 20 {
		old = append(old, k.outcomes(acme, past, prunable...)...)
	}
	kept := k.outcomes(acme, past, ticket.DeliveryBounced, ticket.DeliveryPending)
	var removed atomic.Int64
	k.together(writers, func(int) error {
		for range 3 {
			n, err := k.store.PruneDeliveries(k.Context(), clock, 3)
			if err != nil {
				return fmt.Errorf("PruneDeliveries: %w", err)
			}
			removed.Add(int64(n))
		}
		return nil
	})
	k.same(int(removed.Load()), len(old)-k.left(old), "deliveries that all callers say they removed")
	for n := 1; n > 0; {
		n = k.pruneDeliveries(clock, 3)
	}
	k.same(k.left(old), 0, "deliveries that are left")
	k.remain(kept)
}
