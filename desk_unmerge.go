package ticket

import (
	"context"
	"errors"
	"slices"

	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// undone is the merge that an unmerge undoes.
type undone struct {
	before Ticket // the merged ticket, as it stood before
	linked bool   // the merge linked the two tickets; false if they were linked before
}

// mergeOf reads the merge of a ticket in its history.
func (d *Desk) mergeOf(ctx context.Context, t *Ticket) (*undone, error) {
	var now Ticket
	var u *undone
	for e, err := range d.events(ctx, t.Tenant, t.ID) {
		if err != nil {
			return nil, err
		}
		if into := e.Set.MergedInto; into != nil && !into.IsZero() {
			u = &undone{before: now, linked: slices.ContainsFunc(e.Set.AddLinks, func(l Link) bool { return l.Relation == RelationDuplicateOf && l.Ticket == *into })}
		}
		now = Apply(now, e)
	}
	return u, nil
}

// restores reports whether the action brings back the state from before the merge:
// it sets nothing else, and the workflow still has that state.
func (d *Decision) restores() bool {
	if d.Action.Name != ActionUnmerge || d.undone == nil || d.Action.Status != "" || d.Action.Level != 0 {
		return false
	}
	_, has := d.Workflow.stateOf[d.undone.before.State()]
	return has
}

// unmerge makes the event that takes a ticket out of the other one. The ticket is as
// it was before the merge, unless the action sets something else; later messages
// stay. Nothing counts as reopened, and no deadline gets longer.
func (d *Decision) unmerge(e *Event) {
	t, act, p := &d.Ticket, &d.Action, &e.Set
	p.MergedInto, p.Other = new(ID{}), t.MergedInto
	if l, ok := t.LinkTo(RelationDuplicateOf, t.MergedInto); ok && (d.undone == nil || d.undone.linked) {
		p.RemoveLinks = []Link{l}
	}
	p.Restored = &restored{}
	if !d.restores() {
		if e.Phase.Done() {
			*p.Restored = restored{t.Resolved, t.Closed}
		}
		return
	}
	was := &d.undone.before
	*p.Restored = restored{was.Resolved, was.Closed}
	if act.Queue == "" {
		back(&p.Queue, t.Queue, was.Queue)
	}
	if d.Transition.Assign != "given" {
		back(&p.Assignee, t.Assignee, was.Assignee)
	}
	if act.Reason == "" {
		back(&p.Reason, t.Reason, was.Reason)
		back(&p.Resolution, t.Resolution, was.Resolution)
	}
	if act.Until.IsZero() {
		back(&p.Timer, t.Timer, was.Timer)
	}
}

// back sets a field of a patch to its former value, if it has changed.
func back[T comparable](to **T, is, was T) {
	*to = nil
	if is != was {
		*to = new(was)
	}
}

// joined is a ticket that was merged into another one, from the other one's history.
type joined struct {
	id    ID      // zero in an event of an older version
	event *Event  // of the merge
	from  *Ticket // nil if the ticket cannot be read; then the event says what it brought
}

// takeBack adds to an unmerge's event on the target ticket (o) the removal of values
// that the merge of the other one (t) brought: those that o has only because of that
// merge. Later changes by hand stay, and so do values that another merged ticket
// brings as well.
//
// It finds them by replaying o's history twice: with all merges that still hold, and
// without this one.
func (d *Desk) takeBack(ctx context.Context, dec *Decision, e *Event) error {
	t, o := &dec.Ticket, dec.Other
	events, merged, err := d.mergesInto(ctx, o)
	if err != nil {
		return err
	}
	i := indexOf(merged, t.ID)
	if i < 0 {
		return nil
	}
	this := merged[i]
	this.id, this.from = t.ID, t
	alone, none := dec.replayWith(events, []*joined{this}), dec.replayWith(events, nil)
	if alone.Equal(none) {
		return nil // it brought nothing that still counts
	}
	for _, m := range merged {
		if m == this || m.id.IsZero() {
			continue
		}
		other, err := d.store.Ticket(ctx, o.Tenant, m.id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil {
			m.from = &other
		}
	}
	with := dec.replayWith(events, merged)
	without := dec.replayWith(events, slices.Delete(slices.Clone(merged), i, i+1))

	for _, tag := range with.Tags {
		if !without.HasTag(tag) && o.HasTag(tag) {
			e.Set.RemoveTags = append(e.Set.RemoveTags, tag)
		}
	}
	for k, brought := range with.Fields {
		v, has := without.Fields[k]
		is, there := o.Fields[k]
		if has && fieldvalue.Equal(v, brought) || !there || !fieldvalue.Equal(is, brought) {
			continue
		}
		if e.Fields == nil {
			e.Fields = Fields{}
		}
		e.Fields[k] = v // nil removes it
	}
	for _, p := range with.Followers {
		if !slices.ContainsFunc(without.Followers, p.Same) && slices.ContainsFunc(o.Followers, p.Same) {
			e.Unfollowed = append(e.Unfollowed, p)
		}
	}
	if with.Priority != without.Priority && o.Priority == with.Priority {
		e.Set.Priority = without.Priority
	}
	if with.PriorityGiven != without.PriorityGiven && o.PriorityGiven == with.PriorityGiven {
		e.Set.PriorityGiven = new(without.PriorityGiven)
	}
	return nil
}

// mergesInto reads the part of a ticket's history that matters for merges, and the
// merges that still hold, in their order.
func (d *Desk) mergesInto(ctx context.Context, o *Ticket) (events []*Event, merged []*joined, err error) {
	var now Ticket
	for full, err := range d.events(ctx, o.Tenant, o.ID) {
		if err != nil {
			return nil, nil, err
		}
		now = Apply(now, full)
		e := &Event{Ticket: full.Ticket, Seq: full.Seq, Action: full.Action, PublicContent: PublicContent{Fields: full.Fields}, Identities: full.Identities, Set: full.Set}
		events = append(events, e)
		if e.Set.MergedInto != nil { // this ticket itself was merged
			continue
		}
		switch e.Action {
		case ActionMerge:
			merged = append(merged, &joined{id: otherOf(e, e.Set.AddLinks), event: e})
		case ActionUnmerge:
			if i := indexOf(merged, otherOf(e, e.Set.RemoveLinks)); i >= 0 {
				merged = slices.Delete(merged, i, i+1)
			}
		default:
			if e.Set.PriorityGiven != nil && e.Set.Priority == 0 {
				e.Set.Priority = now.Priority // somebody set the value it had already
			}
		}
	}
	return events, merged, nil
}

// otherOf returns the ticket that was merged or unmerged by an event of the other
// one. Events of older versions name it in the link only.
func otherOf(e *Event, links []Link) ID {
	if e.Set.Other.IsZero() {
		for _, l := range links {
			if l.Relation == RelationDuplicatedBy {
				return l.Ticket
			}
		}
	}
	return e.Set.Other
}

// replayWith replays a history as if there had been only these merges.
func (d *Decision) replayWith(events []*Event, merged []*joined) (t Ticket) {
	for _, e := range events {
		if e.Set.MergedInto == nil && (e.Action == ActionMerge || e.Action == ActionUnmerge) {
			i := slices.IndexFunc(merged, func(m *joined) bool { return m.event == e })
			if i < 0 {
				t.Version = e.Seq
				continue
			}
			e = d.mergeAgain(merged[i], &t)
		}
		t = Apply(t, *e)
		if e.Set.Impact|e.Set.Urgency != 0 && e.Set.Priority == 0 && !t.PriorityGiven {
			t.Priority = derivedPriority(t.Impact, t.Urgency) // the merge had covered it
		}
	}
	return t
}

// mergeAgain returns the event that a merge makes on the ticket as it stands in a
// replayed history.
func (d *Decision) mergeAgain(m *joined, into *Ticket) *Event {
	e := &Event{Ticket: m.event.Ticket, Seq: m.event.Seq, Action: ActionMerge}
	switch {
	case m.from == nil:
		e.Fields, e.Followed = m.event.Fields, m.event.Followed
		e.Set.AddTags, e.Set.PriorityGiven = m.event.Set.AddTags, m.event.Set.PriorityGiven
		e.Set.Priority = max(m.event.Set.Priority, into.Priority)
	case m.event.Set.Other.IsZero(): // of an older version
		d.bringPeople(e, m.from, into)
	default:
		d.bring(e, m.from, into)
	}
	return e
}

// indexOf returns the index of a ticket's last merge. If there is none, it returns
// the last one of an older version whose event names no ticket, because the two had
// been linked before.
func indexOf(merged []*joined, id ID) int {
	unknown := -1
	for i, m := range slices.Backward(merged) {
		if m.id == id {
			return i
		}
		if unknown < 0 && m.id.IsZero() {
			unknown = i
		}
	}
	return unknown
}

// amend keeps the times of a ticket: only its data changes, and nothing was solved,
// closed or reopened. If amend changes the phase in a workflow, the ticket has the
// times of its new status.
func (d *Decision) amend(e *Event) {
	t := &d.Ticket
	r := restored{t.Resolved, t.Closed}
	switch {
	case !e.Phase.Done():
		r = restored{}
	case t.Phase.Done():
	case e.Phase == PhaseSolved:
		r.Resolved = e.At
	default:
		r.Closed = e.At
	}
	e.Set.Restored = &r
}
