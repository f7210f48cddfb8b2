package ticket

import (
	"context"
	"errors"
	"iter"
	"time"
)

// History yields the events of a ticket and of those that were merged into it, in
// the order of time. At equal times a merged ticket's events come first.
// [Event].Ticket names the event's ticket, and Event.Seq counts within that ticket.
// To verify or replay one ticket, use [Desk.Events]. After a merge is undone, the
// events of that ticket are no longer part of this history.
//
// Agents and systems get whole events, those of merged tickets only if they may see
// those tickets. Customers get the events that concern them, without notes, people,
// queues and digests, so their numbers may have gaps. They get the events of a
// merged ticket if they had a part in it or its requester is the same customer. If
// the ticket was given to another customer, its requester gets the events from then
// on, and its own.
//
// It yields the events that existed when it began. It reads in pages and holds
// little memory. After an error it ends.
func (d *Desk) History(ctx context.Context, a Actor, id ID) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		shares, err := d.openShares(ctx, a, id)
		if err != nil {
			yield(Event{}, err)
			return
		}
		d.readable(ctx, shares, yield)
	}
}

// Events yields the events of one ticket, merged or not, from the first to the last,
// without those of tickets that were merged into it. Use it to verify, replay or
// export a ticket. Otherwise it works as [Desk.History].
func (d *Desk) Events(ctx context.Context, a Actor, id ID) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s, err := d.openShare(ctx, a, id)
		if err != nil {
			yield(Event{}, err)
			return
		}
		d.readable(ctx, []*share{s}, yield)
	}
}

// historiesAction is the action in a refusal of [Desk.Histories].
const historiesAction ActionName = "histories"

// Histories yields the history of every ticket of the actor's tenant, merged tickets
// included, in the order of ticket IDs. It is for reports and archives. Each history has
// all events of its ticket, from the first one on. It starts with the first ticket after
// the given ID; the zero ID means all tickets. To continue after an interruption, pass the
// ID of the last ticket you processed.
//
// It is for systems only, others get [ErrRefused], and it does not ask the policy. The
// loop may take any time and may call the desk. A ticket that changes in the meantime
// appears once, as it stood at some time during the loop; one that is opened in the
// meantime may be missing. Memory does not grow with the number of tickets. The store
// reads the tickets of all tenants. After an error it ends.
//
// A store that is no [Exporter] gives [errors.ErrUnsupported].
func (d *Desk) Histories(ctx context.Context, a Actor, after ID) iter.Seq2[[]Event, error] {
	return func(yield func([]Event, error) bool) {
		if err := d.checkActor(&a); err != nil {
			yield(nil, err)
			return
		}
		if a.Role&RoleSystem == 0 {
			yield(nil, &RefusedError{Action: historiesAction, Role: a.Role, Why: whyRole, Detail: "for systems only", By: RoleSystem})
			return
		}
		s, ok := d.store.(Exporter)
		if !ok {
			yield(nil, unsupported("export", errors.ErrUnsupported))
			return
		}
		for history, err := range s.Export(ctx, after) {
			if err != nil {
				yield(nil, unsupported("export", err))
				return
			}
			if len(history) > 0 && history[0].Set.Tenant == a.Tenant && !yield(history, nil) {
				return
			}
		}
	}
}

// openShare is like share, for a ticket that is about to be read.
func (d *Desk) openShare(ctx context.Context, a Actor, id ID) (*share, error) {
	if err := d.checkActor(&a); err != nil {
		return nil, err
	}
	t, err := d.load(ctx, a, id)
	if err != nil {
		return nil, err
	}
	return d.share(a, t), nil
}

func (d *Desk) openShares(ctx context.Context, a Actor, id ID) ([]*share, error) {
	s, err := d.openShare(ctx, a, id)
	if err != nil {
		return nil, err
	}
	return d.shares(ctx, s.a, s.ticket)
}

// readable yields the events that may be read.
func (d *Desk) readable(ctx context.Context, shares []*share, yield func(Event, error) bool) {
	d.read(ctx, d.thread(shares, false), func(e Event, _ *share, err error) bool { return yield(e, err) })
}

// read yields the readable part of a thread until yield returns false.
func (d *Desk) read(ctx context.Context, th *thread, yield func(Event, *share, error) bool) {
	for {
		m, s, err := th.step(ctx)
		if err == nil && s == nil {
			return
		}
		visible := false
		var e Event
		if err == nil {
			e, visible, err = s.publish(ctx, m)
		}
		switch {
		case err != nil:
			yield(Event{}, nil, err)
			return
		case visible && !yield(e, s.share, nil):
			return
		}
	}
}

// history yields the events of one ticket after a version, as the actor may see
// them.
func (d *Desk) history(ctx context.Context, a Actor, t Ticket, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		th := d.thread([]*share{d.share(a, t)}, false)
		th.strands[0].next = after + 1
		d.read(ctx, th, func(e Event, _ *share, err error) bool { return yield(e, err) })
	}
}

// AtVersion returns the ticket as it stood after the event with this sequence
// number, in the form the actor may hold. A version that the ticket has not reached
// is an [*InvalidError]. The requester does not get the subject of a time when the
// ticket was another customer's.
func (d *Desk) AtVersion(ctx context.Context, a Actor, id ID, version int64) (Ticket, error) {
	return d.past(ctx, a, id, func(now Ticket) error {
		if version < 1 || version > now.Version {
			return invalid("version", "must be 1 to %d", now.Version)
		}
		return nil
	}, func(e *Event) bool { return e.Seq <= version })
}

// AsOf returns the ticket as it stood at an instant, in the form the actor may hold.
// Before the ticket was opened, it returns [ErrNotFound]. Otherwise it works as
// [Desk.AtVersion].
func (d *Desk) AsOf(ctx context.Context, a Actor, id ID, instant time.Time) (Ticket, error) {
	return d.past(ctx, a, id, func(Ticket) error { return nil }, func(e *Event) bool { return !e.At.After(instant) })
}

// past folds the events from the first one up to the last consecutive match.
func (d *Desk) past(ctx context.Context, a Actor, id ID, check func(now Ticket) error, was func(*Event) bool) (Ticket, error) {
	s, err := d.openShare(ctx, a, id)
	if err != nil {
		return Ticket{}, err
	}
	if err := check(s.ticket); err != nil {
		return Ticket{}, err
	}
	var t Ticket
	for e, err := range d.events(ctx, s.a.Tenant, id) {
		if err == nil {
			err = inSequence([]Event{e}, 0, t.Version, id)
		}
		if err != nil {
			return Ticket{}, err
		}
		if e.Seq > s.ticket.Version || !was(&e) {
			break
		}
		t = Apply(t, e)
	}
	if t.Version == 0 {
		return Ticket{}, &NotFoundError{What: "ticket", Ref: id.String()}
	}
	readable, err := s.reads(ctx, t.Version)
	if err != nil {
		return Ticket{}, err
	}
	if !readable {
		t.Subject = ""
	}
	return d.shown(s.a, t), nil
}

// Verify checks that a ticket was not tampered with: its history is complete, its
// digest chain is valid under the desk's key, and the stored ticket equals the fold
// of its events. It returns nil or a [*ChainError]. See [Chain] for what this can
// prove.
func (d *Desk) Verify(ctx context.Context, a Actor, id ID) error {
	s, err := d.openShare(ctx, a, id)
	for err == nil {
		fault := d.verify(ctx, &s.ticket)
		if !errors.Is(fault, ErrChain) {
			return fault
		}
		// An erasure between the reads replaces events that the ticket was folded from.
		version := s.ticket.Version
		if s, err = d.openShare(ctx, a, id); err == nil && s.ticket.Version == version {
			return fault
		}
	}
	return err
}

// verify compares a ticket with the history that the store has.
func (d *Desk) verify(ctx context.Context, t *Ticket) error {
	var folded Ticket
	for page, err := range d.pages(ctx, t.Tenant, t.ID) {
		page = page[:min(int64(len(page)), t.Version-folded.Version)]
		if err == nil {
			err = d.chain.verify(page, folded.Version, folded.Digest, t.ID)
		}
		if err != nil {
			return err
		}
		for _, e := range page {
			folded = Apply(folded, e)
		}
		if folded.Version == t.Version {
			break
		}
	}
	switch {
	case folded.Version < t.Version:
		return &ChainError{Ticket: t.ID, Seq: folded.Version + 1, Index: int(folded.Version), Fault: chainRemoved, Detail: "the history ends before the ticket's version"}
	case !folded.Equal(*t):
		return &ChainError{Ticket: t.ID, Seq: t.Version, Index: int(t.Version) - 1, Fault: chainAltered, Detail: "the stored ticket is not the fold of its events"}
	default:
		return nil
	}
}
