package memstore

import (
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

// Commit writes everything in c, or nothing; see [ticket.Store].
func (s *Store) Commit(ctx context.Context, c ticket.Commit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return err
	}
	h := s.holdFor(&c)
	s.lock(h)
	defer s.unlock(h)
	if err := s.refuse(&c); err != nil {
		return err
	}
	s.write(&c)
	return nil
}

// refuse returns the reason why the commit must fail, in the order of the contract.
func (s *Store) refuse(c *ticket.Commit) error {
	if r := c.Receipt; r != nil {
		if _, taken := s.keys[s.shardOf(r.Key)].m[key{r.Tenant, r.Key}]; taken {
			return &ticket.DuplicateError{What: "key"}
		}
	}
	for i := range c.Changes {
		var err error
		if c.Changes[i].Expect == 0 {
			err = s.refuseNew(c.Changes, i)
		} else {
			err = s.refuseStale(&c.Changes[i])
		}
		if err != nil {
			return err
		}
	}
	for i := range c.Deliveries {
		id := c.Deliveries[i].ID
		_, taken := s.outbox.rows[id]
		if taken || slices.ContainsFunc(c.Deliveries[:i], func(d ticket.Delivery) bool { return d.ID == id }) {
			return &ticket.DuplicateError{What: "delivery"}
		}
	}
	return nil
}

// refuseNew checks a ticket to be opened: its ID and number must be unused in all
// tenants, and among the changes before it.
func (s *Store) refuseNew(changes []ticket.Change, i int) error {
	t := &changes[i].Ticket
	if s.tickets[drawerOf(t.ID)].records[t.ID] != nil {
		return &ticket.DuplicateError{What: "id"}
	}
	_, taken := s.numbers[s.shardOf(string(t.Number))].m[t.Number]
	if taken || slices.ContainsFunc(changes[:i], func(ch ticket.Change) bool {
		return ch.Expect == 0 && ch.Ticket.Number == t.Number
	}) {
		return &ticket.DuplicateError{What: "number"}
	}
	return nil
}

// refuseStale checks a ticket to be changed: the expected version must be the stored
// one. A ticket of another tenant counts as missing.
func (s *Store) refuseStale(ch *ticket.Change) error {
	t := &ch.Ticket
	var actual int64
	if r := s.tickets[drawerOf(t.ID)].find(t.Tenant, t.ID); r != nil {
		actual = r.ticket.Version
	}
	if actual != ch.Expect {
		return &ticket.ConflictError{Ticket: t.ID, Expected: ch.Expect, Actual: actual}
	}
	return nil
}

// write stores copies of everything. It cannot fail.
func (s *Store) write(c *ticket.Commit) {
	for i := range c.Changes {
		ch := &c.Changes[i]
		if ch.Expect == 0 {
			n := ch.Ticket.Number
			s.numbers[s.shardOf(string(n))].m[n] = ch.Ticket.ID
		}
		s.tickets[drawerOf(ch.Ticket.ID)].put(ch)
		s.suggester.note(ch.Ticket.ID)
	}
	for i := range c.Deliveries {
		s.outbox.put(c.Deliveries[i], c.Deliveries[i].To.Key())
	}
	if r := c.Receipt; r != nil {
		s.keys[s.shardOf(r.Key)].m[key{r.Tenant, r.Key}] = *r
	}
}

func (d *drawer) put(ch *ticket.Change) {
	r := d.records[ch.Ticket.ID]
	if r == nil {
		r = &record{events: make([]*ticket.Event, 0, 8)} // most tickets have a few events
		d.records[ch.Ticket.ID] = r
	}
	events := make([]ticket.Event, len(ch.Events))
	for i := range ch.Events {
		events[i] = ch.Events[i].Clone()
		r.events = append(r.events, &events[i])
	}
	before := r.ticket
	r.ticket = new(ch.Ticket.Clone())
	if !r.ticket.Wake().IsZero() {
		d.timers[r.ticket.ID] = r.ticket
	} else if before != nil && !before.Wake().IsZero() {
		delete(d.timers, r.ticket.ID)
	}
}
