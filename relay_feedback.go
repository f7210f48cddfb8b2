package ticket

import (
	"context"
	"fmt"
	"time"
)

// fireFeedback asks the requester for a rating, or records why it does not.
func (d *Desk) fireFeedback(ctx context.Context, t Ticket, now time.Time) (bool, error) {
	w, err := d.workflowOf(&t)
	if err != nil {
		return false, err
	}
	why, err := d.notAsked(ctx, &t, now)
	if err != nil {
		return false, err
	}
	e := clockEvent(w, &t, now)
	e.Set.FeedbackDue = new(time.Time{})
	if why == "" {
		e.Set.FeedbackAsked = true
	} else {
		e.Note = Note(shorten("not asked for feedback: " + why))
	}
	return true, d.record(ctx, t, e)
}

// notAsked returns the reason not to ask for a rating; it is empty if there is none.
func (d *Desk) notAsked(ctx context.Context, t *Ticket, now time.Time) (why string, err error) {
	cfg := &d.cfg.Feedback
	switch why := t.noFeedback(); {
	case cfg.After == 0:
		return "this desk asks nobody", nil
	case why != "":
		return why, nil
	case !t.Requester.known():
		return "there is nobody to ask", nil
	}
	if why, err = d.byMachine(ctx, t); why != "" || err != nil {
		return why, err
	}
	if cfg.Every > 0 {
		page, err := d.store.Deliveries(ctx, feedbackTo(t.Tenant, Recipient{Role: RoleRequester, Person: t.Requester}))
		if err != nil {
			return "", err
		}
		for i := range page.Deliveries {
			if last := &page.Deliveries[i]; last.Ticket != t.ID && now.Sub(last.Created) < cfg.Every {
				return fmt.Sprintf("the requester was asked less than %v ago: see delivery %s", cfg.Every, last.ID), nil
			}
		}
	}
	if cfg.Ask == nil {
		return "", nil
	}
	err = hook("Config.Feedback.Ask", func() error {
		ask, err := cfg.Ask(ctx, t.Clone())
		if !ask {
			why = "Config.Feedback.Ask has refused"
		}
		return err
	})
	return why, err
}

// noFeedback returns the reason why the ticket as it is now is not to be asked about.
func (t *Ticket) noFeedback() string {
	switch {
	case !t.MergedInto.IsZero():
		return "the ticket was merged into another one"
	case t.Phase != PhaseClosed:
		return "the ticket is not closed any more"
	case t.Status == StatusCancelled:
		return "the ticket was cancelled"
	case t.Score != 0:
		return "the ticket was rated already"
	case t.Stage != StageActive:
		return "the ticket was put away"
	case !t.Erased.IsZero():
		return "content of the ticket was erased"
	default:
		return ""
	}
}

// byMachine reports whether a machine opened the ticket, or ended the work on it. It reads the
// history, once per ticket.
func (d *Desk) byMachine(ctx context.Context, t *Ticket) (why string, err error) {
	var before Phase
	for e, err := range d.events(ctx, t.Tenant, t.ID) {
		if err != nil {
			return "", err
		}
		if e.Seq == 1 && e.Automatic {
			return "a machine opened the ticket", nil
		}
		if e.Phase.Done() && !before.Done() && e.Set.Restored == nil {
			why = ""
			if e.By.Role == RoleSystem || e.Automatic {
				why = "a machine ended the work on the ticket"
			}
		}
		before = e.Phase
	}
	return why, nil
}

// feedbackTo selects the deliveries that have asked the recipient for a rating, or will.
func feedbackTo(tenant string, to Recipient) DeliveryQuery {
	return DeliveryQuery{Tenant: tenant, Kind: []Kind{KindFeedback}, State: []DeliveryState{DeliverySent, DeliveryPending, DeliveryClaimed}, To: to}
}

// feedbackOnce keeps a person from being asked about two tickets that became due at the same
// time: of two deliveries that wait, the one with the lesser ID is sent.
func (d *Desk) feedbackOnce(ctx context.Context, row *Delivery) (verdict, error) {
	if row.Kind != KindFeedback || d.cfg.Feedback.Every <= 0 {
		return verdict{}, nil
	}
	q := feedbackTo(row.Tenant, row.To)
	q.Notifiers = []string{row.Notifier}
	page, err := d.store.Deliveries(ctx, q)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{}
	for i := range page.Deliveries {
		o := &page.Deliveries[i]
		if o.Ticket == row.Ticket || row.Created.Sub(o.Created).Abs() >= d.cfg.Feedback.Every {
			continue
		}
		if o.State == DeliverySent || o.ID.Compare(row.ID) < 0 {
			return verdict{why: fmt.Sprintf("the person is asked about another ticket: see delivery %s", o.ID)}, nil
		}
		if o.State == DeliveryClaimed { // perhaps on its way
			v = verdict{why: fmt.Sprintf("the person is perhaps being asked about another ticket: see delivery %s", o.ID), wait: true}
		}
	}
	return v, nil
}
