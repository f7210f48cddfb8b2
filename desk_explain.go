package ticket

import (
	"cmp"
	"context"
	"errors"
)

// Choice is one action and whether it may be done now.
type Choice struct {
	Action  ActionName
	Allowed bool
	Reason  string // why not, in a few words; empty if allowed
	Err     error  // why not, as Do would put it; nil if allowed
	Needs   Inputs // what the action must bring, if allowed
	Takes   Inputs // what it may bring, needed or not, if allowed; what is not here has no use and is refused
	// To is where it leads; zero where it is not allowed, the action chooses, a
	// merge is undone, or a follow-up ticket is opened.
	To State
}

// Actions returns every action of the ticket's workflow, sorted by name, and
// whether the actor may do it now with the ticket as it is given. It asks the
// same decision as [Desk.Do], but reads nothing: whoever holds an old copy of a
// ticket gets an old answer, and guards that look at what a customer's copy does
// not have may answer otherwise than they will; [View].Actions has what a customer
// may do by the stored ticket. Without the ticket's workflow there are no actions.
//
// Of a ticket that was merged away, customers are told that they may reply, and
// nothing else. What they do is done to the ticket that goes on with it, where
// they see that one.
func (d *Desk) Actions(a Actor, t Ticket) []Choice {
	_ = d.checkActor(&a) // who may act at all is Do's to say; here the actor is only cleaned
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

// Explain says whether the actor may do this very action with the ticket as it
// is given, its content included, and why not: nil, or the error that [Desk.Do]
// would give. It reads nothing, so it does not look at the other ticket of a
// merge, unmerge, link or unlink, nor at the words that a split takes over; and of a
// ticket that was merged away it tells a customer what [Desk.Actions] does, where
// Do goes on to the other one.
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
		dec.Other = &Ticket{ID: act.Ticket} // stands in for what is not read
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
	dr.From = 0 // whose words are not read
	if dr, err = d.derive(ctx, a, &t, t.Followers, dr); err != nil {
		return err
	}
	if _, err := d.begin(o, a, dr, dec.Now, nil, Person{}); err != nil {
		return err
	}
	return o.fault
}

// asked is a decision up to where the content matters.
func (d *Desk) asked(w *Workflow, a Actor, t Ticket, act Action) (*Decision, error) {
	dec := &Decision{Ticket: t, Actor: a, Action: act, Now: d.now()}
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
		// Where the action chooses a status, one that is possible is enough.
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
	if dec.Transition.Chosen { // what another choice would take as well
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
