package ticket

import (
	"context"
	"slices"
)

// recipientKind is a recipient of a notification, and its kind.
type recipientKind struct {
	kind Kind
	to   Recipient
}

// deliveries appends the outbox rows for an event that changed a ticket from
// before to after. This file has the rules that say who is told of which event, and
// as which kind. The holder is the ticket that a merged one now belongs to, for what
// customers and machines say under the merged number; nil means the ticket itself.
func (d *Desk) deliveries(ctx context.Context, rows []Delivery, before, after *Ticket, e *Event, holder *Ticket) (_ []Delivery, err error) {
	if len(d.notifiers)+len(d.eventNotifiers) == 0 {
		return rows, nil
	}
	due, now := e.At, d.now()
	if now.Before(due) {
		due = now // the ticket's last event was made by a clock that is ahead
	}
	d.ahead.see(now)
	row := func(n recipientKind, notifier string) {
		rows = append(rows, Delivery{
			ID: d.cfg.NewID(e.At), Tenant: after.Tenant, Ticket: after.ID, Seq: e.Seq,
			Kind: n.kind, Notifier: notifier, To: n.to, Created: due, Due: due, State: DeliveryPending,
		})
	}
	if len(d.notifiers) > 0 {
		var space [8]recipientKind
		list := eventRecipients(space[:0], before, after, e)
		if holder != nil {
			list = heldBy(list, holder, e)
		}
		if d.cfg.ExtraRecipients != nil {
			if list, err = d.copies(ctx, list, before, after, e); err != nil {
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

// heldBy tells the desk that holds the case what a customer or a machine said, and
// not the one that had it before the merge.
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

// copies appends the recipients of Config.ExtraRecipients.
func (d *Desk) copies(ctx context.Context, list []recipientKind, before, after *Ticket, e *Event) ([]recipientKind, error) {
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
	return list, c.err
}

// ownAct reports whether it was the recipient who acted, or somebody who shares
// a mailbox with it. The ID of an agent and that of a customer are different
// things even where they are equal.
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

// eventRecipients lists the recipients of an event and their kinds. Nobody is told
// of their own act, except for receipts: the ticket was received, files arrived. A
// mailbox is told once, even if several people share it.
func eventRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	return agentRecipients(customerRecipients(list, before, after, e), before, after, e)
}

func customerRecipients(list []recipientKind, before, after *Ticket, e *Event) []recipientKind {
	if e.Automatic && e.Seq > 1 && e.words() {
		return list // what a machine wrote is for the desk to read
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

// words reports whether an event brings words or files for customers.
func (e *Event) words() bool { return e.Message != "" || len(e.Attachments) > 0 }

// joins reports whether a customer was told nothing of the ticket before the
// event: nobody concerned with it had this address. Those whom a merge brings
// are told of the merge.
func joins(before *Ticket, e *Event, to Recipient) bool {
	if e.Action == ActionMerge || e.Requester.IsZero() && len(e.Followed) == 0 {
		return false
	}
	had := func(role Role, p Person) bool { return Recipient{Role: role, Person: p}.Key() == to.Key() }
	return !had(RoleRequester, before.Requester) && !slices.ContainsFunc(before.Followers, func(p Person) bool { return had(RoleFollower, p) })
}

// agentRecipients appends the agents and queues that an event concerns.
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

// customerKind returns the kind of an event's notification to customers, or "" if
// they are not told.
func customerKind(before *Ticket, e *Event) Kind {
	entered := e.Phase != before.Phase && e.Set.Restored == nil // what is put right is no news
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
		return KindAnswered // words of a system
	}
	return ""
}
