package ticket

import (
	"context"
	"errors"
	"slices"

	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// eraserStore returns the store as an Eraser; what names the feature in the error.
func (d *Desk) eraserStore(what string) (Eraser, error) {
	if s, ok := d.store.(Eraser); ok {
		return s, nil
	}
	return nil, unsupported(what, errors.ErrUnsupported)
}

// upkeepEvent returns an event of upkeep: it moves nothing.
func (d *Desk) upkeepEvent(t *Ticket, a Actor, name ActionName) Event {
	w, err := d.workflowOf(t)
	if err != nil {
		w = d.cfg.Workflows[0] // not needed, since the state stays
	}
	e := ownEvent(w, t, name, d.now())
	e.By = By{Role: a.Role}
	e.by(a)
	e.Actor = Person{} // else there would be a name to erase again
	e.Set.WorkflowVersion = 0
	return e
}

// rewrite returns the commit of an event of upkeep that follows on rewritten events. before is
// the stored ticket, fold that of the rewritten events.
func (d *Desk) rewrite(ctx context.Context, before, fold Ticket, e Event) (c EraseCommit, err error) {
	d.chain.Seal(before.Digest, &e)
	after := Apply(fold, e)
	c.Changes = []Change{{Expect: before.Version, Ticket: after, Events: []Event{e}}}
	c.Deliveries, err = d.deliveries(ctx, nil, &before, &after, &e, nil)
	return c, err
}

// eraseIn commits to the store and wakes the relay of this process.
func (d *Desk) eraseIn(ctx context.Context, s Eraser, c EraseCommit) error {
	if err := s.Erase(ctx, c); err != nil {
		return err
	}
	if !d.bound && len(c.Deliveries) > 0 {
		d.wake.all()
	}
	return nil
}

// restate completes an event, so that it takes a ticket from what it is to what is wanted:
// its subject, persons, fields and remarks.
func (e *Event) restate(is, want *Ticket) {
	if want.Subject != is.Subject {
		e.Subject = want.Subject
	}
	if want.Requester != is.Requester {
		e.Requester = want.Requester
		if want.Requester.IsZero() {
			e.Set.Erased.Requester = true
		}
	}
	e.Followed, e.Unfollowed = missing(want.Followers, is.Followers), missing(is.Followers, want.Followers)
	for k, v := range want.Fields {
		if have, ok := is.Fields[k]; !ok || !fieldvalue.Equal(have, v) {
			e.setField(k, v)
		}
	}
	for k := range is.Fields {
		if _, ok := want.Fields[k]; !ok {
			e.setField(k, nil)
		}
	}
	e.Set.AddTags, e.Set.RemoveTags = missing(want.Tags, is.Tags), missing(is.Tags, want.Tags)
	setIfOther(&e.Set.Reason, is.Reason, want.Reason, true)
	setIfOther(&e.Set.Resolution, is.Resolution, want.Resolution, true)
}

func (e *Event) setField(k string, v any) {
	if e.Fields == nil {
		e.Fields = Fields{}
	}
	e.Fields[k] = v
}

// missing returns the values of a list that another list does not have in the same form.
func missing[T comparable](list, other []T) (m []T) {
	for _, v := range list {
		if !slices.Contains(other, v) {
			m = append(m, v)
		}
	}
	return m
}
