package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// looker sees every ticket.
var looker = ticket.System("faults")

// A checking compares the outbox with the scripts, the journals of the processes,
// and the mail server's record.
type checking struct {
	*faulting

	journals
	rows    map[ticket.ID]*ticket.Delivery
	tickets map[ticket.ID][]*ticket.Delivery
	first   map[ticket.ID]int // the index in the mail server's record
	last    map[ticket.ID]arrival
	arrived []arrival
}

// check runs all checks.
func (r *faulting) check(ctx context.Context) error {
	if slices.Contains(strings.Split(r.Sabotage, ","), missing) {
		if _, err := r.DB.ExecContext(ctx, "DELETE FROM ticket_outbox WHERE id = (SELECT MIN(id) FROM ticket_outbox)"); err != nil {
			return err
		}
	}
	c := &checking{faulting: r, journals: journals{grips: map[ticket.ID][]grip{}, said: map[string]int{}},
		rows: map[ticket.ID]*ticket.Delivery{}, tickets: map[ticket.ID][]*ticket.Delivery{}, first: map[ticket.ID]int{}, last: map[ticket.ID]arrival{}}
	if err := r.Journals("[rw][0-9]*", c.read); err != nil {
		return err
	}
	c.report.said = c.said
	c.arrived, c.report.faults = r.post.record()
	if err := c.outbox(ctx); err != nil {
		return err
	}
	c.committed()
	c.arrivals()
	c.ends()
	c.order()
	c.atOnce()
	return c.givenUp(ctx)
}

// outbox reads the whole outbox.
func (c *checking) outbox(ctx context.Context) error {
	list, err := c.Deliveries(ctx)
	for i := range list {
		d := &list[i]
		c.rows[d.ID] = d
		c.tickets[d.Ticket] = append(c.tickets[d.Ticket], d)
	}
	c.report.notifications = len(c.rows)
	return err
}

// committed checks that the outbox contains exactly the notifications of the
// scripts.
func (c *checking) committed() {
	rep := c.report
	ids := map[int]ticket.ID{}
	for _, w := range c.worked {
		if id, twice := ids[w.number]; twice && id != w.ticket {
			rep.Note(&rep.unknown, "ticket %d was opened as %s and as %s", w.number, id, w.ticket)
		}
		ids[w.number] = w.ticket
	}
	if len(ids) != c.options.tickets {
		rep.Note(&rep.lost, "%d tickets were finished instead of %d", len(ids), c.options.tickets)
	}
	rep.tickets = len(ids)
	for n, id := range ids {
		want := map[string]int{}
		for i, s := range script(c.Seed, n) {
			for _, t := range s.expected {
				want[fmt.Sprintf("event %d, %q to %s", i+1, t.kind, t.address)]++
			}
		}
		for _, d := range c.tickets[id] {
			want[fmt.Sprintf("event %d, %q to %s", d.Seq, d.Kind, address(d.To))]--
		}
		for what, n := range want {
			if n > 0 {
				rep.Note(&rep.lost, "ticket %s: not in the outbox: %s", id, what)
			} else if n < 0 {
				rep.Note(&rep.unknown, "ticket %s: in the outbox without a reason: %s", id, what)
			}
		}
	}
}

// arrivals checks the messages that the mail server accepted.
func (c *checking) arrivals() {
	rep := c.report
	rep.accepted = len(c.arrived)
	for i, a := range c.arrived {
		d, known := c.rows[a.id]
		if !known {
			rep.Note(&rep.unknown, "mail to %s with ID %s, which is not in the outbox", a.to, a.id)
			continue
		}
		if want := address(d.To); a.to != want {
			rep.Note(&rep.unknown, "delivery %s to %s arrived at %s", d.ID, want, a.to)
		}
		at, repeat := c.first[a.id]
		if !repeat {
			c.first[a.id] = i
			c.last[a.id] = a
			continue
		}
		rep.repeats++
		if before := c.last[a.id]; !before.heard.IsZero() && !c.cutShort(a.id, before.at) {
			rep.Note(&rep.doubled, "delivery %s to %s arrived again, though it was answered and no process was killed", d.ID, a.to)
		}
		c.last[a.id] = a
		if a.content != c.arrived[at].content {
			rep.Note(&rep.reworded, "delivery %s to %s arrived again with other words", d.ID, a.to)
		}
	}
	rep.reached = len(c.first)
}

// cutShort reports whether a process was killed after the mail server had accepted a
// delivery at a moment, and before the store knew.
func (c *checking) cutShort(id ticket.ID, at int64) bool {
	for _, g := range c.grips[id] {
		if g.begin != 0 && g.begin <= at && (g.end == 0 || at <= g.end) && !g.kept && c.killed[g.by] {
			return true
		}
	}
	return false
}

// ends checks the final state of each delivery.
func (c *checking) ends() {
	rep := c.report
	for _, d := range c.rows {
		at := address(d.To)
		_, arrived := c.first[d.ID]
		switch {
		case !d.State.Settled():
			rep.Note(&rep.stuck, "delivery %s to %s is %s after %d attempts, due %s: %s", d.ID, at, d.State, d.Attempts, d.Due, d.LastError)
		case d.State == ticket.DeliverySent && !arrived:
			rep.Note(&rep.lost, "delivery %s to %s is marked sent, but never arrived", d.ID, at)
		case d.State == ticket.DeliverySent:
			rep.sent++
		case !strings.HasPrefix(at, gone+"-") && !strings.HasPrefix(at, refusing+"-"):
			rep.Note(&rep.wrong, "delivery %s to %s is %s, but no server refused it: %s", d.ID, at, d.State, d.LastError)
			if d.State != ticket.DeliveryDead {
				rep.Note(&rep.barred, "delivery %s to %s is %s, though the fault was the desk's: %s", d.ID, at, d.State, d.LastError)
			}
		}
	}
}

// order checks that notifications to one recipient about one ticket arrived in the
// order of their events.
func (c *checking) order() {
	rep := c.report
	for _, list := range c.tickets {
		slices.SortFunc(list, func(a, b *ticket.Delivery) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) })
		last := map[string]*ticket.Delivery{} // the last arrival, by line
		for _, d := range list {
			at, arrived := c.first[d.ID]
			if !arrived {
				continue
			}
			line := d.To.Key()
			if p := last[line]; p != nil {
				rep.followed++
				if c.first[p.ID] > at {
					rep.Note(&rep.disorder, "ticket %s to %s: the notification of event %d arrived before that of event %d", d.Ticket, address(d.To), d.Seq, p.Seq)
				}
			}
			last[line] = d
		}
	}
}

// atOnce looks for a second attempt at a delivery during the lease of the first one.
func (c *checking) atOnce() {
	rep := c.report
	for id, list := range c.grips {
		slices.SortFunc(list, func(a, b grip) int { return cmp.Or(cmp.Compare(a.attempt, b.attempt), cmp.Compare(a.at, b.at)) })
		rep.attempts += len(list)
		for i := range list[1:] {
			a, b := &list[i], &list[i+1]
			settled := a.settled != 0 && (b.begin == 0 || a.settled <= b.begin)
			switch {
			case a.attempt == b.attempt:
				rep.Note(&rep.together, "delivery %s: two relays hold attempt %d", id, a.attempt)
			case !settled && b.at < a.until:
				rep.Note(&rep.together, "delivery %s: attempt %d began while the lease of attempt %d held", id, b.attempt, a.attempt)
			case !settled:
				rep.taken++
			}
		}
	}
}

// givenUp checks that the desk lists every dead, bounced or suppressed delivery with
// a reason.
func (c *checking) givenUp(ctx context.Context) error {
	desk, err := ticket.NewDesk(c.Store, config(c.Clock, nil, nil))
	if err != nil {
		return err
	}
	rep := c.report
	refused := 0
	for _, d := range c.rows {
		if at := address(d.To); (strings.HasPrefix(at, gone+"-") || strings.HasPrefix(at, refusing+"-")) && d.State.Settled() {
			refused++
		}
	}
	q := ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed}, Limit: ticket.MaxLimit}
	listed := 0
	for {
		page, err := desk.Deliveries(ctx, looker, q)
		if err != nil {
			return err
		}
		for _, d := range page.Deliveries {
			listed++
			words := map[ticket.DeliveryState]string{ticket.DeliveryDead: wordsRefusing, ticket.DeliveryBounced: wordsGone, ticket.DeliverySuppressed: "bounced before"}[d.State]
			if !strings.Contains(d.LastError, words) {
				rep.Note(&rep.wrong, "delivery %s to %s is %s with the wrong reason: %q", d.ID, address(d.To), d.State, d.LastError)
			}
			if rep.reasons == nil {
				rep.reasons = map[ticket.DeliveryState]int{}
			}
			rep.reasons[d.State]++
		}
		if q.After = page.Next; q.After.IsZero() {
			break
		}
	}
	rep.refused = listed
	if listed < refused {
		rep.Note(&rep.wrong, "%d deliveries were refused, but the desk lists %d", refused, listed)
	}
	return nil
}
