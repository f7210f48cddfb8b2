package ticket

import (
	"cmp"
	"context"
	"errors"
)

// Choice is one action and whether it is allowed now.
type Choice struct {
	Action  ActionName
	Allowed bool
	Reason  string // why not, in a few words; empty if allowed
	Err     error  // why not, as Do returns it; nil if allowed
	Needs   Inputs // the inputs the action requires, if allowed
	Takes   Inputs // the inputs it accepts, required or not, if allowed; any other is refused
	// To is the status it leads to. It is zero if the action is not allowed or chooses
	// the status, if a merge is undone, or if a follow-up ticket is opened.
	To State
}

// Actions returns every action of the ticket's workflow, sorted by name, and
// whether the actor may perform it now on the given ticket. It decides as [Desk.Do]
// does, but reads nothing. For an old copy of a ticket it returns an old answer. A
// guard that uses data that a customer's copy lacks may answer differently;
// [View].Actions has a customer's actions for the stored ticket. If the desk does
// not have the ticket's workflow, there are no actions.
//
// For a merged ticket, Actions allows customers to reply and nothing else. Do applies
// their actions to the ticket it was merged into, if they see that one.
func (d *Desk) Actions(a Actor, t Ticket) []Choice {
	_ = d.checkActor(&a) // Do reports an actor that may do nothing; here the actor is only cleaned
	w, err := d.workflowOf(&t)
	if err != nil {
		return nil
	}
	choices := make([]Choice, len(w.names))
	for i, name := range w.names {
		choices[i] = d.choice(w, a, t, Action{Name: name})
	}
	return choices
}

// Explain reports whether the actor may perform exactly this action, content
// included, on the given ticket. It returns nil or the error that [Desk.Do] would
// return. It reads nothing. So it does not check the other ticket of a merge,
// unmerge, link or unlink, nor the message that a split takes over. For a merged
// ticket it gives a customer the answer of [Desk.Actions], while Do continues with
// the other ticket.
func (d *Desk) Explain(ctx context.Context, a Actor, t Ticket, act Action) error {
	if err := d.checkActor(&a); err != nil {
		return err
	}
	act, err := d.checkAction(a, act)
	if err != nil {
		return err
	}
	w, err := d.workflowOf(&t)
	if err != nil {
		return err
	}
	if act.Version > 0 && act.Version != t.Version {
		return &StaleError{Ticket: t.ID, Pinned: act.Version, Current: t.Version}
	}
	dec, err := d.asked(w, a, t, act)
	late := tooLate(err) && dec.Transition.FollowUp
	if err != nil && !late {
		return err
	}
	if err := dec.content(); err != nil || late {
		return err
	}
	if act.Name == ActionMerge || act.Name == ActionLink {
		dec.Other = &Ticket{ID: act.Ticket} // stands for the ticket that is not read
		return dec.other()
	}
	e, err := dec.event()
	if err != nil {
		return err
	}
	after := Apply(t, e)
	if err := d.within(&t, &after); err != nil || act.Name != ActionSplit {
		return err
	}
	o := newOutcome()
	defer o.release()
	o.ctx, o.trial = ctx, true
	dr := *act.Draft
	dr.From = 0 // the event is not read
	if dr, err = d.derive(ctx, a, &t, t.Followers, dr); err != nil {
		return err
	}
	if _, err := d.begin(o, a, dr, dec.Now, nil, Person{}); err != nil {
		return err
	}
	return o.fault
}

// ExplainOpen reports whether the actor may open exactly this ticket, content included. It
// returns nil or the error that [Desk.Open] would return, and draws no number. It does not
// check the Key, nor whether Config.Files has the attachments.
func (d *Desk) ExplainOpen(ctx context.Context, a Actor, dr Draft) error {
	if err := d.checkActor(&a); err != nil {
		return err
	}
	dr, err := d.checkDraft("draft", a, dr)
	if err != nil {
		return err
	}
	o := newOutcome()
	defer o.release()
	o.ctx, o.trial = ctx, true
	if _, err := d.begin(o, a, dr, d.now(), nil, Person{}); err != nil {
		return err
	}
	return o.fault
}

// asked decides without looking at the content.
func (d *Desk) asked(w *Workflow, a Actor, t Ticket, act Action) (*Decision, error) {
	dec := &Decision{Ticket: t, Actor: a, Action: act, Now: d.now(), levels: d.cfg.ServiceLevels}
	if a.Tenant != t.Tenant || !d.cfg.Policy.MaySee(a, t) {
		return dec, &NotFoundError{What: "ticket", Ref: t.ID.String()}
	}
	if err := d.may(a, t, act.Name); err != nil {
		return dec, err
	}
	return dec, w.permit(dec)
}

func (d *Desk) choice(w *Workflow, a Actor, t Ticket, act Action) Choice {
	dec, err := d.asked(w, a, t, act)
	if err != nil && act.Status == "" {
		// If the action chooses a status, one possible status is enough.
		for _, tr := range w.edges[edgeKey{act.Name, dec.Role, t.State()}] {
			if tr.Chosen && tr.To != "" && err != nil {
				act.Status = tr.To
				dec, err = d.asked(w, a, t, act)
			}
		}
	}
	followUp := tooLate(err) && dec.Transition.FollowUp
	if followUp {
		err = nil
	}
	if err != nil {
		c := Choice{Action: act.Name, Reason: err.Error(), Err: err}
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			c.Reason = refused.why()
		}
		return c
	}
	c := Choice{Action: act.Name, Allowed: true, Needs: dec.needs(), Takes: dec.takes()}
	if dec.Transition.Chosen { // the inputs of the other choices
		for _, tr := range dec.candidates() {
			other := *dec
			other.Transition = *tr
			other.To.Status = cmp.Or(tr.To, t.Status)
			c.Takes = c.Takes.or(other.takes())
		}
	}
	if !followUp && !dec.Transition.Chosen && dec.Transition.Level == "" && act.Name != ActionUnmerge {
		c.To = dec.To
	}
	return c
}
