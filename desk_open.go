package ticket

import (
	"context"
	"time"
)

// Open opens a ticket: it gives it a number, confirms it to the requester, and
// begins its history. A draft with a Solution is resolved in the same commit. Open
// returns the ticket in the form the actor may hold; see [Ticket.PublicTo].
//
// Errors: [ErrInvalid] for an incomplete or too large draft, [ErrRefused] if the
// actor may not open it, [ErrDuplicate] for a key that was used for another request,
// [ErrWorkflow] for an unknown workflow, and the store's own errors.
func (d *Desk) Open(ctx context.Context, a Actor, dr Draft) (Ticket, error) {
	if err := d.checkActor(&a); err != nil {
		return Ticket{}, err
	}
	dr, err := d.checkDraft("draft", a, dr)
	if err != nil {
		return Ticket{}, err
	}
	request := func() (Digest, error) { r := dr; r.Key = ""; return fingerprint(a, ActionOpen, r) }
	return d.commit(ctx, a, ID{}, dr.Key, request, func(o *outcome) error {
		if err := d.checkStored(o.ctx, a.Tenant, "draft.attachments", dr.Attachments); err != nil {
			return err
		}
		_, err := d.begin(o, a, dr, d.now(), nil, Person{})
		return err
	})
}

// begin puts a new ticket into the outcome. The author is the writer of words that
// were taken over.
func (d *Desk) begin(o *outcome, a Actor, dr Draft, now time.Time, links []Link, author Person) (Ticket, error) {
	w, err := d.workflow(dr.Workflow)
	if err != nil {
		return Ticket{}, err
	}
	if dr.Level > w.spec.Levels {
		return Ticket{}, invalid("draft.level", "must be 1 to %d", w.spec.Levels)
	}
	n := NumberOf(0)
	if !o.trial { // an unused number would leave a gap
		if n, err = d.draw(o.ctx, a.Tenant); err != nil {
			return Ticket{}, err
		}
	}
	e, err := w.opening(a, dr, now, d.cfg.NewID(now), n, links, d.cfg.ServiceLevels)
	if err != nil {
		return Ticket{}, err
	}
	t := Apply(Ticket{}, e)
	if !d.cfg.Policy.MaySee(a, t) && a.Role != RoleAgent { // an agent may give a ticket to a queue it does not see
		return Ticket{}, &RefusedError{Action: ActionOpen, Role: a.Role, Why: whyPolicy, Detail: "the actor would not see the ticket"}
	}
	if err := d.may(a, t, ActionOpen); err != nil {
		return Ticket{}, err
	}
	e.Author = author
	events := []Event{e}
	if dr.Solution != "" {
		resolve := Action{Name: ActionResolve, Message: dr.Solution, Reason: firstContact, Channel: dr.Channel, SolvedBy: dr.SolvedBy, Suggested: dr.Suggested}
		if err := d.maySolve(o.ctx, a, t.ID, dr.SolvedBy); err != nil {
			return Ticket{}, err
		}
		if err := d.may(a, t, ActionResolve); err != nil {
			return Ticket{}, err
		}
		solved, err := w.Decide(Decision{Ticket: t, Actor: a, Action: resolve, Now: now, levels: d.cfg.ServiceLevels})
		if err != nil {
			return Ticket{}, err
		}
		events = append(events, solved)
	}
	return d.add(o, Ticket{}, events...), nil
}
