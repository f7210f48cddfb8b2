package ticket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"
)

// breachName is the name of the threshold at which a target is missed.
const breachName = "due"

// checkServiceLevels checks the fields of the configuration that concern service levels.
func (c *Config) checkServiceLevels() error {
	if v := reflect.ValueOf(c.ServiceLevels); v.Kind() == reflect.Pointer && v.IsNil() {
		return invalid("config.service_levels", "is a nil pointer; leave the field nil for none")
	}
	if c.ServiceLevels != nil && c.Expected != nil {
		return invalid("config.expected", "has no use beside ServiceLevels, which computes when to expect an answer")
	}
	for _, w := range c.Workflows {
		for _, s := range w.spec.Statuses {
			if s.Calendar == "" {
				continue
			}
			if c.ServiceLevels == nil {
				return invalid("config.service_levels", "are missing: status %s of workflow %s counts in the calendar %s", quote(string(s.Name)), quote(w.Name()), quote(s.Calendar))
			}
			err := hook("Config.ServiceLevels", func() error {
				_, err := c.ServiceLevels.Add(s.Calendar, nearest(c.Now(), epoch, lastNow), s.After)
				return err
			})
			if err != nil {
				return &InvalidError{Field: "config.workflows", Reason: fmt.Sprintf("status %s of %s cannot count in its calendar", quote(string(s.Name)), quote(w.Name())), Err: err}
			}
		}
	}
	return nil
}

// addClocks completes an event of the ticket o.before, before it is sealed: with the end of a
// snooze, the changes of clocks, and the time that the customer is told. made are the earlier
// events of the same commit, which are not stored yet.
func (d *Desk) addClocks(o *outcome, e *Event, made []Event) error {
	t := &o.before
	said := e.By.Role&RoleCustomer != 0 && !e.Automatic && e.words()
	if merged, _ := e.merges(); !t.Snoozed.IsZero() && e.Set.Snoozed == nil && (said || merged || e.Phase.Done()) {
		e.Set.Snoozed = new(time.Time{})
	}
	if d.cfg.ServiceLevels == nil {
		return nil
	}
	if n := len(o.clocks); cap(o.clocks)-n < len(clockMetrics) { // earlier events keep theirs
		o.clocks = make([]Clock, 0, len(clockMetrics))
	}
	e.Set.Clocks = o.clocks[len(o.clocks):]
	err := hook("Config.ServiceLevels", func() error {
		return d.cfg.ServiceLevels.Advance(t, e, d.historyWith(o.ctx, t, made))
	})
	switch n := len(e.Set.Clocks); {
	case n == 0:
		e.Set.Clocks = nil
	case n <= len(clockMetrics) && &e.Set.Clocks[0] == &o.clocks[:len(o.clocks)+1][len(o.clocks)]:
		o.clocks = o.clocks[:len(o.clocks)+n]
	}
	if err == nil {
		e.promise(t)
	}
	return err
}

// historyWith yields the stored events of a ticket, and then those made after them.
func (d *Desk) historyWith(ctx context.Context, t *Ticket, made []Event) iter.Seq2[Event, error] {
	tenant, id, stored := t.Tenant, t.ID, t.Version-int64(len(made))
	return func(yield func(Event, error) bool) {
		if stored > 0 {
			for e, err := range d.events(ctx, tenant, id) {
				if err == nil && e.Seq > stored {
					break // written since the ticket was read; the commit will conflict
				}
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		for i := range made {
			if !yield(made[i], nil) {
				return
			}
		}
	}
}

// promise records the time of the first answer that the customer is told: at the opening the
// time when it is due, and afterwards every later one. A time that has passed is not told.
func (e *Event) promise(t *Ticket) {
	changed := Ticket{Clocks: e.Set.Clocks}
	due := t.Due(metricFirstAnswer)
	if _, ok := changed.Clock(metricFirstAnswer); ok {
		due = changed.Due(metricFirstAnswer)
	}
	if due.IsZero() || due.Before(e.At) {
		return
	}
	switch said := latest(t.Promised, t.Rescheduled); {
	case e.Seq == 1, !said.IsZero() && due.After(said) && (e.By.Role&RoleCustomer == 0 || !e.words()): // nobody is sent their own words
		e.Set.Promised = &due
	}
}

// promised returns the time of the next answer for an event's notification to a customer.
// It is zero if the event does not change that time, if the answer was due before the event,
// or if none is due any more.
func (e *Event) promised(now *Ticket) time.Time {
	changed := Ticket{Clocks: e.Set.Clocks}
	due := changed.answerDue()
	if e.Set.Promised != nil {
		due = *e.Set.Promised
	}
	if due.Before(e.At) || now.answerDue().IsZero() {
		return time.Time{}
	}
	return due
}

// obsolete returns the reason why a notification about a clock is no longer true, or why
// nobody is to be asked for feedback any more. It is empty if the notification is still true
// or is of another kind. The role is the recipient's now.
func (r *Delivery) obsolete(b *DeliveryContext, role Role) string {
	t, a := &b.Ticket, b.Event.Set.Alert
	switch r.Kind {
	case KindDueSoon, KindOverdue:
		if a == nil {
			return ""
		}
		over := func(t *Ticket) bool {
			c, ok := t.Clock(a.Metric)
			return ok && (c.Event != a.Clock || c.Ended())
		}
		// A reaction of the policy may itself have ended the stay at a level.
		done := t.Phase.Done() || !t.MergedInto.IsZero()
		if over(t) && (done || !over(&Ticket{Clocks: b.Event.Set.Clocks})) {
			return "the clock has ended since"
		}
	case KindRescheduled:
		if !t.FirstAnswered.IsZero() || t.answerDue().IsZero() {
			return "the answer was given since, or is no longer promised"
		}
	case KindFeedback:
		if role != RoleRequester {
			return "the person is not the requester any more"
		}
		return t.noFeedback()
	}
	return ""
}

// reminds reports whether the event is the reminder of a snoozed ticket.
func (e *Event) reminds() bool { return e.aside() && e.Set.Snoozed != nil && e.Set.Snoozed.IsZero() }

// promise returns the value of View.Promise.
func (t *Ticket) promise(now time.Time) string {
	open := t.FirstAnswered.IsZero()
	over := open && t.Phase.Done()
	end := earliest(t.FirstAnswered, now)
	if over {
		end = earliest(t.Resolved, t.Closed)
	}
	switch {
	case t.Promised.IsZero(), over && !end.After(t.Promised):
		return ""
	case end.After(t.Promised):
		return "broken"
	case open:
		return "open"
	default:
		return "kept"
	}
}

// RefreshClocks computes the clocks of a tenant's unfinished tickets again, and records the
// changes. Call it once after a change of [Config].ServiceLevels, when all processes have the
// new ones: otherwise the clocks of a ticket change only with its next event. It also gives
// clocks to the tickets of a desk that had no service levels. It returns the number of
// tickets that changed.
//
// It may be interrupted and called again, in any number of processes at the same time. Its
// events have [ActionClock]. They do not touch a ticket, so its Touched stays, and an action
// that pins an earlier version is not stale.
//
// A desk without service levels returns [ErrInvalid]. If a ticket cannot be computed,
// RefreshClocks continues with the others, up to 100 such tickets, and joins the errors. An
// error of the list ends it.
func (d *Desk) RefreshClocks(ctx context.Context, tenant string) (int, error) {
	if d.cfg.ServiceLevels == nil {
		return 0, invalid("config.service_levels", "are missing")
	}
	changed := 0
	var faults []error
	a := deskItself.InTenant(tenant)
	for t, err := range d.Tickets(ctx, a, Query{Phase: OpenPhases(), NotMerged: true, Limit: MaxLimit}) {
		if err != nil {
			return changed, errors.Join(append(faults, err)...)
		}
		for try := 1; ; try++ {
			var ok bool
			ok, err = d.refresh(ctx, &t)
			if !errors.Is(err, ErrConflict) || try == d.cfg.Attempts || d.bound {
				if ok {
					changed++
				}
				break
			}
			if t, err = d.store.Ticket(ctx, tenant, t.ID); err != nil {
				break
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("ticket %s: %w", t.ID, err))
		}
		if len(faults) == mostFaults {
			break
		}
	}
	return changed, errors.Join(faults...)
}

// mostFaults is how many tickets RefreshClocks fails on before it gives up.
const mostFaults = 100

// refresh computes the clocks of a ticket again. It reports whether they changed.
func (d *Desk) refresh(ctx context.Context, t *Ticket) (bool, error) {
	w, err := d.workflowOf(t)
	if err != nil {
		return false, err
	}
	e := clockEvent(w, t, d.now())
	err = hook("Config.ServiceLevels", func() error {
		return d.cfg.ServiceLevels.Advance(t, &e, d.historyWith(ctx, t, nil))
	})
	if err != nil || e.Set.Clocks == nil && e.Set.Policy == nil && e.Set.PolicyVersion == nil {
		return false, err
	}
	return true, d.record(ctx, *t, e)
}

// clockEvent returns an event of the desk itself that is about clocks only.
func clockEvent(w *Workflow, t *Ticket, now time.Time) Event {
	e := ownEvent(w, t, ActionClock, now)
	e.Set.WorkflowVersion = 0
	return e
}

// record commits an event of the desk itself.
func (d *Desk) record(ctx context.Context, t Ticket, e Event) error {
	o := newOutcome()
	defer o.release()
	o.ctx = ctx
	d.add(o, t, e)
	if o.fault != nil {
		return o.fault
	}
	return d.write(ctx, o)
}
