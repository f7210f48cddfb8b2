package ticket

import (
	"cmp"
	"context"
	"slices"
)

// recipientKind is a recipient and the kind of its notification.
type recipientKind struct {
	kind Kind
	to   Recipient
}

// deliveries appends the outbox rows for an event that changed a ticket from before
// to after. This file has the rules for the recipients of an event and the kinds of
// their notifications. The holder is the ticket that a merged one belongs to now. It
// gets the messages that customers and machines send under the merged number. Nil
// means the ticket itself.
func (d *Desk) deliveries(ctx context.Context, rows []Delivery, before, after *Ticket, e *Event, holder *Ticket) (_ []Delivery, err error) {
	if len(d.notifiers)+len(d.eventNotifiers) == 0 {
		return rows, nil
	}
	due, now := e.At, d.now()
	if now.Before(due) {
		due = now // a clock that was ahead made the ticket's last event
	}
	d.ahead.see(now)
	row := func(n recipientKind, notifier string) {
		rows = append(rows, Delivery{
			ID: d.cfg.NewID(e.At), Tenant: after.Tenant, Ticket: after.ID, Seq: e.Seq,
			Kind: n.kind, Notifier: notifier, To: n.to, Created: due, Due: due, State: DeliveryPending,
		})
	}
	if len(d.notifiers) > 0 && !e.upkeep() {
		var space [8]recipientKind
		list := eventRecipients(space[:0], before, after, e)
		if holder != nil {
			list = heldBy(list, holder, e)
		}
		if d.cfg.ExtraRecipients != nil {
			if list, err = d.extraRecipients(ctx, list, before, after, e); err != nil {
				return rows, err
			}
		}
		for _, n := range list {
			for _, notifier := range d.notifiers {
				row(n, notifier)
			}
		}
	}
	for _, notifier := range d.eventNotifiers {
		row(recipientKind{KindEvent, Recipient{Role: RoleSystem}}, notifier)
	}
	return rows, nil
}

// heldBy directs a message of a customer or a machine to the agent or queue that has
// the holder, and not to the one that had the ticket before the merge.
func heldBy(list []recipientKind, holder *Ticket, e *Event) []recipientKind {
	list = slices.DeleteFunc(list, func(n recipientKind) bool { return n.to.Role == RoleAgent })
	to := Recipient{Role: RoleAgent, Queue: holder.Queue, Level: holder.Level}
	if holder.Assignee != "" {
		to = Recipient{Role: RoleAgent, Person: Person{ID: holder.Assignee}}
	}
	if ownAct(e, to) {
		return list
	}
	return append(list, recipientKind{KindCustomer, to})
}

// extraRecipients appends the recipients of Config.ExtraRecipients.
func (d *Desk) extraRecipients(ctx context.Context, list []recipientKind, before, after *Ticket, e *Event) ([]recipientKind, error) {
	kind := customerKind(before, e)
	if kind == "" {
		return list, nil
	}
	var more []Recipient
	err := hook("Config.ExtraRecipients", func() (err error) {
		more, err = d.cfg.ExtraRecipients(ctx, after.Clone(), kind)
		return err
	})
	if err != nil {
		return list, err
	}
	c := check{Limits: d.cfg.Limits}
	if len(more) > c.Followers {
		c.fail("config.extra_recipients", "gave %d recipients, at most %d are taken", len(more), c.Followers)
	}
	for _, to := range more {
		to.Role = RoleAgent
		to.Person = c.person("config.extra_recipients.person", to.Person)
		to.Queue = name(&c, "config.extra_recipients.queue", to.Queue)
		if to.Person.IsZero() && to.Level < 1 {
			c.fail("config.extra_recipients", "gave a recipient that is neither a person nor a queue at a level")
		}
		told := slices.ContainsFunc(list, func(n recipientKind) bool {
			return n.to.Key() == to.Key() || n.to.Role == RoleAgent && !to.Person.IsZero() && n.to.Person.Same(to.Person)
		})
		if !told && !ownAct(e, to) {
			list = append(list, recipientKind{kind, to})
		}
	}
	if c.err != nil {
		return list, &hookError{c.err}
	}
	return list, nil
}

// ownAct reports whether the recipient performed the action, or somebody who shares
// a mailbox with it. The ID of an agent and an equal ID of a customer are different
// people.
func ownAct(e *Event, to Recipient) bool {
	switch e.By.Role {
	case RoleAgent:
		return to.Role == RoleAgent && e.By.ID != "" && e.By.ID == to.Person.ID
	case RoleSystem:
		return false
	default:
		from := Recipient{Role: e.By.Role, Person: e.Actor}
		return to.Role&RoleCustomer != 0 && e.Actor.Same(to.Person) || e.Actor.Email != "" && from.Key() == to.Key()
	}
}

// eventRecipients lists the recipients of an event and their kinds. Nobody is
// notified of their own action, except by receipts: the ticket was received, files
// arrived. A mailbox gets one notification, even if several people share it.
func eventRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	list = agentRecipients(customerRecipients(list, before, after, e), before, after, e)
	return clockRecipients(list, before, after, e)
}

// clockRecipients appends the recipients that an event tells about clocks and feedback. A recipient of
// another notification of the event keeps that one. But a notification about the clock
// replaces one that the ticket was handed on, because it matters more to a customer.
func clockRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	tell := func(k Kind, to Recipient) {
		i := slices.IndexFunc(list, func(n recipientKind) bool { return n.to.Key() == to.Key() })
		switch {
		case i < 0:
			list = append(list, recipientKind{k, to})
		case list[i].kind == KindHanded:
			list[i].kind = k
		}
	}
	requester := Recipient{Role: RoleRequester, Person: after.Requester}
	queue := Recipient{Role: RoleAgent, Queue: after.Queue, Level: after.Level}
	assignee := queue // if nobody has the ticket
	if id := cmp.Or(after.Assignee, before.Assignee); id != "" {
		assignee = Recipient{Role: RoleAgent, Person: Person{ID: id}}
	}
	if a := e.Set.Alert; a != nil {
		kind := KindDueSoon
		if a.At.After(a.Due) || a.Threshold == breachName {
			kind = KindOverdue
		}
		for _, to := range a.Tell {
			switch to {
			case "assignee":
				tell(kind, assignee)
			case "queue":
				tell(kind, queue)
			case "agents":
				tell(kind, Recipient{Role: RoleAgent, Level: after.Level})
			case "requester":
				if a.Metric != metricLevel { // which no customer sees
					tell(kind, requester)
				}
			}
		}
	}
	if e.reminds() {
		tell(KindReminder, assignee)
	}
	if e.Seq > 1 && e.Set.Promised != nil {
		tell(KindRescheduled, requester)
	}
	if e.Set.FeedbackAsked {
		tell(KindFeedback, requester)
	}
	if s := e.Set.Score; s != 0 && s <= lowScore {
		tell(KindRated, assignee)
	}
	return list
}

func customerRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	if e.Automatic && e.Seq > 1 && e.words() {
		return list // only the desk reads a machine's message
	}
	kind := customerKind(before, e)
	sent := e.By.Role&RoleCustomer != 0 && len(e.Attachments) > 0
	none := len(list)
	tell := func(to Recipient) {
		k := kind
		switch own := ownAct(e, to); {
		case kind == KindReceived:
		case own && sent:
			k = KindUploaded
		case own:
			return
		case kind == "" && joins(before, e, to):
			k = KindAdded
		}
		told := slices.ContainsFunc(list[none:], func(n recipientKind) bool { return n.to.Key() == to.Key() })
		if k != "" && !told {
			list = append(list, recipientKind{k, to})
		}
	}
	tell(Recipient{Role: RoleRequester, Person: after.Requester})
	for _, f := range after.Followers {
		if !f.Same(after.Requester) {
			tell(Recipient{Role: RoleFollower, Person: f})
		}
	}
	return list
}

// merges reports whether an event merges its ticket into another one, or undoes that.
func (e *Event) merges() (merged, unmerged bool) {
	into := e.Set.MergedInto
	return into != nil && !into.IsZero(), into != nil && into.IsZero()
}

// words reports whether an event has a message or files for customers.
func (e *Event) words() bool { return e.Message != "" || len(e.Attachments) > 0 }

// joins reports whether the event adds a customer who got no notification about the
// ticket before, because nobody with this address belonged to it. Customers that a
// merge adds get the notification of the merge instead.
func joins(before *Ticket, e *Event, to Recipient) bool {
	if e.Action == ActionMerge || e.Requester.IsZero() && len(e.Followed) == 0 {
		return false
	}
	had := func(role Role, p Person) bool { return Recipient{Role: role, Person: p}.Key() == to.Key() }
	return !had(RoleRequester, before.Requester) && !slices.ContainsFunc(before.Followers, func(p Person) bool { return had(RoleFollower, p) })
}

// agentRecipients appends the agents and queues that get a notification of an event.
func agentRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	said := e.words() && (e.By.Role&RoleCustomer != 0 || e.Automatic)
	tell := func(k Kind, to Recipient) {
		if !ownAct(e, to) {
			list = append(list, recipientKind{k, to})
		}
	}
	agent := func(id string) Recipient { return Recipient{Role: RoleAgent, Person: Person{ID: id}} }
	queue := Recipient{Role: RoleAgent, Queue: after.Queue, Level: after.Level}
	merged, unmerged := e.merges()
	switch lost := after.Assignee != before.Assignee && e.By.Role&RoleCustomer == 0; {
	case before.Assignee == "":
	case merged:
		tell(KindMerged, agent(before.Assignee))
	case lost:
		tell(KindUnassigned, agent(before.Assignee))
	}
	switch {
	case after.Assignee != "" && (after.Assignee != before.Assignee || unmerged && !after.Phase.Done()):
		tell(KindAssigned, agent(after.Assignee))
	case after.Assignee != "":
		if said {
			tell(KindCustomer, agent(after.Assignee))
		}
	case !after.Phase.Done() && e.Seq > 1 && e.To.Level > e.From.Level:
		tell(KindEscalated, queue)
	case !after.Phase.Done() && (e.From != e.To || e.Set.Queue != nil):
		tell(KindQueued, queue)
	case said:
		tell(KindCustomer, queue)
	}
	return list
}

// customerKind returns the kind of an event's notification to customers, or an empty
// kind if they get none.
func customerKind(before *Ticket, e *Event) Kind {
	entered := e.Phase != before.Phase && e.Set.Restored == nil // a restored phase is not news
	merged, _ := e.merges()
	department := e.Set.Queue != nil && before.Queue != "" && *e.Set.Queue != before.Queue
	switch {
	case e.Seq == 1:
		return KindReceived
	case merged:
		return KindMerged
	case e.Reopens(before.Phase):
		return KindReopened
	case entered && e.Phase == PhaseSolved:
		return KindSolved
	case entered && e.Phase == PhaseClosed && e.To.Status == StatusCancelled:
		return KindCancelled
	case entered && e.Phase == PhaseClosed:
		return KindClosed
	case e.Phase == PhaseYourTurn && (entered || e.Answer):
		return KindAsked
	case e.Answer:
		return KindAnswered
	case e.By.Role&RoleCustomer != 0 && (e.Message != "" || len(e.Attachments) > 0):
		return KindCustomer
	case (e.From.Level != e.To.Level || department) && !e.Phase.Done():
		return KindHanded
	case e.Message != "" || len(e.Attachments) > 0:
		return KindAnswered // a system's message
	}
	return ""
}
