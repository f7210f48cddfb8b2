package ticket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// sameCustomer reports whether both may read the same messages.
func sameCustomer(p, q Person) bool {
	return p.Same(q) || p.Organisation != "" && p.Organisation == q.Organisation
}

// together reports whether a merge may show one the messages of the other.
func (d *Decision) together(p, q Person) bool {
	return p.Same(q) || !d.onePerson && sameCustomer(p, q)
}

// merge makes the event that merges this ticket into the other one. Both must be of
// the same customer, because the followers of a ticket read its messages. For the
// same reason, followers of this ticket who are of another customer are not taken
// over. Use links for one cause of several customers' tickets.
func (d *Decision) merge(e *Event) error {
	t := &d.Ticket
	if err := d.other(); err != nil {
		return err
	}
	o := d.Other
	if !d.together(t.Requester, o.Requester) {
		if d.onePerson && sameCustomer(t.Requester, o.Requester) {
			return d.refuse(whyGuard, "the tickets are of different persons, and this desk merges those of one person only; link them instead")
		}
		return d.refuse(whyGuard, "the tickets are of different customers, who must not read each other's messages; link them instead")
	}
	switch {
	case !o.MergedInto.IsZero():
		return d.refuse(whyGuard, "the other ticket was itself merged away")
	case o.Phase.Done():
		return d.refuse(whyGuard, "the other ticket is %s", o.Status)
	case d.Role == RoleAgent && (!d.Actor.ServesLevel(o.Level) || !d.Actor.ServesQueue(o.Queue)):
		return d.refuse(whyLevel, "the agent does not serve the other ticket's level and queue")
	}
	e.Set.MergedInto, e.Set.Other = new(o.ID), o.ID
	e.Set.Timer = nil
	if !t.Timer.IsZero() {
		e.Set.Timer = &Timer{}
	}
	if _, there := t.LinkTo(RelationDuplicateOf, o.ID); !there {
		e.Set.AddLinks = []Link{{RelationDuplicateOf, o.ID, o.Number}}
	}
	return nil
}

// counterEvent is the event of a merge, unmerge, link or unlink on the other ticket.
func (d *Decision) counterEvent() (e Event, changes bool) {
	t, o := &d.Ticket, d.Other
	e = d.blank(o, o.State())
	e.Set.WorkflowVersion = 0
	back := Link{Ticket: t.ID, Number: t.Number, Relation: d.Action.Relation.Counterpart()}
	if d.Action.Name == ActionMerge || d.Action.Name == ActionUnmerge {
		back.Relation, e.Set.Other = RelationDuplicatedBy, t.ID
	}
	_, linked := o.LinkTo(back.Relation, t.ID)
	switch d.Action.Name {
	case ActionMerge:
		if !linked {
			e.Set.AddLinks = []Link{back}
		}
		d.bring(&e, t, o)
		e.Note = differences(t, o)
		return e, true
	case ActionUnmerge:
		if linked && (d.undone == nil || d.undone.linked) {
			e.Set.RemoveLinks = []Link{back}
		}
		return e, true
	case ActionUnlink:
		e.Set.RemoveLinks = []Link{back}
		return e, linked
	default:
		e.Set.AddLinks = []Link{back}
		return e, !linked
	}
}

// bring adds to an event of the target ticket the content that a merge takes over:
// the tags and fields that the target lacks, the higher priority, and the people who
// may read both. Everything else, links included, stays with the merged ticket,
// where it can be read. The target loses nothing.
func (d *Decision) bring(e *Event, from, into *Ticket) {
	for _, tag := range from.Tags {
		if !into.HasTag(tag) {
			e.Set.AddTags = append(e.Set.AddTags, tag)
		}
	}
	for k, v := range from.Fields {
		if _, has := into.Fields[k]; !has {
			if e.Fields == nil {
				e.Fields = Fields{}
			}
			e.Fields[k] = v
		}
	}
	// A value that nobody set does not replace one that somebody set.
	silent := from.Priority == derivedPriority(0, 0) && from.Impact|from.Urgency == 0 && !from.PriorityGiven
	if from.Priority > into.Priority && (!silent || !into.PriorityGiven) {
		e.Set.Priority = from.Priority
	}
	if from.Priority >= into.Priority && from.PriorityGiven && !into.PriorityGiven {
		e.Set.PriorityGiven = new(true)
	}
	d.bringPeople(e, from, into)
}

// bringPeople adds to a merge's event the people that older versions of this
// library took over. It serves to replay their merges.
func (d *Decision) bringPeople(e *Event, from, into *Ticket) {
	for _, p := range append([]Person{from.Requester}, from.Followers...) {
		if d.together(p, into.Requester) && !into.concerns(p) && !slices.ContainsFunc(e.Followed, p.Same) {
			e.Followed = append(e.Followed, p)
		}
	}
}

// differences lists the fields that both tickets have with different values: the target
// keeps its own.
func differences(from, into *Ticket) Note {
	var list []string
	for _, k := range sortedKeys(from.Fields) {
		if was, has := into.Fields[k]; has && !fieldvalue.Equal(was, from.Fields[k]) {
			list = append(list, fmt.Sprintf("%s: %s here, %s there", quote(k), shortValue(was), shortValue(from.Fields[k])))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return Note(fmt.Sprintf("Both tickets have these fields. This one keeps its values; those of %s stay there.\n%s", from.Number, strings.Join(list, "\n")))
}

// shortValue shows the value of a field on one line.
func shortValue(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339)
	case []string:
		return quote(strings.Join(v, ", "))
	default:
		return quote(fmt.Sprint(v))
	}
}

// merges calls next for each ticket that a merged one was merged into, one after the
// other, up to the one that was not merged or no longer exists. It asks no policy.
func (d *Desk) merges(ctx context.Context, t Ticket, next func(Ticket)) error {
	seen := map[ID]bool{t.ID: true}
	for !t.MergedInto.IsZero() {
		n, err := d.store.Ticket(ctx, t.Tenant, t.MergedInto)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return err
		case seen[n.ID]:
			return &RefusedError{State: n.State(), Why: whyMerged, Detail: fmt.Sprintf("the merges of %s lead in a circle", n.ID), Into: n.MergedInto}
		}
		seen[n.ID] = true
		next(n)
		t = n
	}
	return nil
}

// holder returns the ticket at the end of a chain of merges.
func (d *Desk) holder(ctx context.Context, t Ticket) (Ticket, error) {
	last := t
	err := d.merges(ctx, t, func(n Ticket) { last = n })
	return last, err
}

// recordsOnMerged reports whether a customer writes to a ticket that was merged into one
// it may not read, and gives the decision the transition for that: the message is
// recorded in the merged ticket, and nothing moves. A customer who sees the other
// ticket is led there before the decision.
func (d *Decision) recordsOnMerged() bool {
	rule := d.Workflow.actions[ActionReply]
	if d.Action.Name != ActionReply || d.Role&RoleCustomer == 0 || rule.by&d.Role == 0 {
		return false
	}
	d.To = d.Ticket.State()
	tr := Transition{Action: ActionReply}
	if list := d.Workflow.edges[edgeKey{ActionReply, d.Role, d.To}]; len(list) == 1 {
		tr.Guards, tr.Needs = list[0].Guards, list[0].Needs
	}
	tr.From, tr.By, tr.Needs.Words = []Status{d.To.Status}, d.Role, true
	d.Transition = tr
	return true
}
