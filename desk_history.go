package ticket

import (
	"context"
	"iter"
	"time"
)

// History yields what happened to a ticket, and to those that were merged into it,
// in the order of time; at equal times what happened to a merged one comes first.
// [Event].Ticket says whose an event is, and Event.Seq counts within that ticket:
// whoever verifies or replays takes the events of one ticket, which [Desk.Events]
// yields. Where a merge was undone, the events of that ticket are gone from here.
//
// Agents and systems get the events whole, those of the merged tickets that they
// may see. Customers get those that concern them, without notes, people, queues
// and digests, so their numbers may have gaps: of a merged ticket where they had
// a part in it, or its requester is the same customer; and where the ticket was
// given to another customer, its requester gets those from then on, and its own.
//
// It shows what had happened when it began. It reads in pages and holds little;
// after an error it ends.
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

// Events yields the events of one ticket, also of one that was merged away, from
// the first to the last, and none of those that were merged into it: what is to
// be verified, replayed or exported. Otherwise it is as [Desk.History].
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

// openShare is share for a ticket that is to be read.
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

// readable yields what may be read of the events.
func (d *Desk) readable(ctx context.Context, shares []*share, yield func(Event, error) bool) {
	d.read(ctx, d.thread(shares, false), func(e Event, _ *share, err error) bool { return yield(e, err) })
}

// read goes through a thread, and passes over what may not be read, until it is
// told to stop.
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

// history yields what happened to one ticket after a version, as the actor may see
// it.
func (d *Desk) history(ctx context.Context, a Actor, t Ticket, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		th := d.thread([]*share{d.share(a, t)}, false)
		th.strands[0].next = after + 1
		d.read(ctx, th, func(e Event, _ *share, err error) bool { return yield(e, err) })
	}
}

// AtVersion returns the ticket as it stood after the event with this sequence
// number, in the form the actor may hold. A version that the ticket has not
// reached is an [*InvalidError]. Of a time when the ticket was another customer's,
// its requester does not learn the subject.
func (d *Desk) AtVersion(ctx context.Context, a Actor, id ID, version int64) (Ticket, error) {
	return d.past(ctx, a, id, func(now Ticket) error {
		if version < 1 || version > now.Version {
			return invalid("version", "must be 1 to %d", now.Version)
		}
		return nil
	}, func(e *Event) bool { return e.Seq <= version })
}

// AsOf returns the ticket as it stood at an instant, in the form the actor may
// hold. Before the ticket was opened there is none: [ErrNotFound]. Otherwise it is
// as [Desk.AtVersion].
func (d *Desk) AsOf(ctx context.Context, a Actor, id ID, instant time.Time) (Ticket, error) {
	return d.past(ctx, a, id, func(Ticket) error { return nil }, func(e *Event) bool { return !e.At.After(instant) })
}

// past folds the events that were, from the first to the last of them in a row.
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

// Verify checks that nobody tampered with a ticket: its history is whole and its
// digest chain holds under the desk's key, and the stored ticket equals the fold
// of its events. It returns nil or a [*ChainError]. See [Chain] for what can be
// shown this way.
func (d *Desk) Verify(ctx context.Context, a Actor, id ID) error {
	s, err := d.openShare(ctx, a, id)
	if err != nil {
		return err
	}
	var folded Ticket
	for page, err := range d.pages(ctx, s.a.Tenant, id) {
		page = page[:min(int64(len(page)), s.ticket.Version-folded.Version)]
		if err == nil {
			err = d.chain.verify(page, folded.Version, folded.Digest, id)
		}
		if err != nil {
			return err
		}
		for _, e := range page {
			folded = Apply(folded, e)
		}
		if folded.Version == s.ticket.Version {
			break
		}
	}
	switch {
	case folded.Version < s.ticket.Version:
		return &ChainError{Ticket: id, Seq: folded.Version + 1, Index: int(folded.Version), Fault: chainRemoved, Detail: "the history ends before the ticket's version"}
	case !folded.Equal(s.ticket):
		return &ChainError{Ticket: id, Seq: s.ticket.Version, Index: int(s.ticket.Version) - 1, Fault: chainAltered, Detail: "the stored ticket is not the fold of its events"}
	default:
		return nil
	}
}
