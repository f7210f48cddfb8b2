package ticket

import "slices"

// notice is one thing to be told to one recipient.
type notice struct {
	kind Kind
	to   Recipient
}

// deliveries appends the outbox rows for an event that took a ticket from
// before to after.
func (d *Desk) deliveries(rows []Delivery, before, after *Ticket, e *Event) (_ []Delivery, err error) {
	if len(d.vias)+len(d.streams) == 0 {
		return rows, nil
	}
	due := e.At
	if now := d.now(); now.Before(due) {
		due = now // the ticket's last event was made by a clock that is ahead
	}
	row := func(n notice, via string) {
		rows = append(rows, Delivery{
			ID: d.cfg.NewID(e.At), Tenant: after.Tenant, Ticket: after.ID, Seq: e.Seq,
			Kind: n.kind, Via: via, To: n.to, Created: due, Due: due, State: Pending,
		})
	}
	if len(d.vias) > 0 {
		var space [8]notice
		list := notices(space[:0], before, after, e)
		if d.cfg.Copies != nil {
			if list, err = d.copies(list, before, after, e); err != nil {
				return rows, err
			}
		}
		for _, n := range list {
			for _, via := range d.vias {
				row(n, via)
			}
		}
	}
	for _, via := range d.streams {
		row(notice{KindEvent, Recipient{Role: Systems}}, via)
	}
	return rows, nil
}

// copies appends those whom the host wants to be told as well.
func (d *Desk) copies(list []notice, before, after *Ticket, e *Event) ([]notice, error) {
	kind := customerKind(before, e)
	if kind == "" {
		return list, nil
	}
	var more []Recipient
	err := safely("Config.Copies", func() error {
		more = d.cfg.Copies(after.Clone(), kind)
		return nil
	})
	if err != nil {
		return list, err
	}
	c := check{Limits: d.cfg.Limits}
	if len(more) > c.Followers {
		c.fail("config.copies", "gave %d recipients, at most %d are taken", len(more), c.Followers)
	}
	for _, to := range more {
		to.Role = Agents
		to.Person = c.person("config.copies.person", to.Person)
		to.Queue = name(&c, "config.copies.queue", to.Queue)
		if to.Person.IsZero() && to.Level < 1 {
			c.fail("config.copies", "gave a recipient that is neither a person nor a queue at a level")
		}
		told := slices.ContainsFunc(list, func(n notice) bool {
			return n.to.Key() == to.Key() || !to.Person.IsZero() && n.to.Person.Same(to.Person)
		})
		if !told && !ownAct(e, to.Person) {
			list = append(list, notice{kind, to})
		}
	}
	return list, c.err
}

// ownAct reports whether it was this person who acted.
func ownAct(e *Event, p Person) bool {
	switch e.By.Role {
	case Agents:
		return e.By.ID != "" && e.By.ID == p.ID
	case Systems:
		return false
	default:
		return e.Actor.Same(p)
	}
}

// notices lists who is to be told what of an event. Nobody is told of an act of
// their own, but for the receipts: that a ticket was received, that files
// arrived.
func notices(list []notice, before, after *Ticket, e *Event) []notice {
	byCustomer := e.By.Role&Customers != 0
	said := byCustomer && (e.Message != "" || len(e.Attachments) > 0)
	kind := customerKind(before, e)
	tell := func(role Role, p Person) {
		switch own := ownAct(e, p); {
		case kind == KindReceived && (own || role == Requesters), kind != "" && !own:
			list = append(list, notice{kind, Recipient{Role: role, Person: p}})
		case own && byCustomer && kind != KindReceived && len(e.Attachments) > 0:
			list = append(list, notice{KindUploaded, Recipient{Role: role, Person: p}})
		}
	}
	tell(Requesters, after.Requester)
	for _, f := range after.Followers {
		if !f.Same(after.Requester) {
			tell(Followers, f)
		}
	}

	agent := Recipient{Role: Agents, Person: Person{ID: after.Assignee}}
	queue := Recipient{Role: Agents, Queue: after.Queue, Level: after.Level}
	switch {
	case after.Assignee != "" && after.Assignee != before.Assignee:
		if e.By.Role != Agents || e.By.ID != after.Assignee {
			list = append(list, notice{KindAssigned, agent})
		}
	case after.Assignee != "":
		if said {
			list = append(list, notice{KindCustomer, agent})
		}
	case after.Phase.Done():
	case e.Seq > 1 && e.To.Level > e.From.Level:
		list = append(list, notice{KindEscalated, queue})
	case e.From != e.To || e.Set.Queue != nil:
		list = append(list, notice{KindQueued, queue})
	case said:
		list = append(list, notice{KindCustomer, queue})
	}
	return list
}

// customerKind says what an event is to the customers of a ticket; "" if it is
// nothing to them.
func customerKind(before *Ticket, e *Event) Kind {
	entered := e.Phase != before.Phase
	department := e.Set.Queue != nil && before.Queue != "" && *e.Set.Queue != before.Queue
	switch {
	case e.Seq == 1:
		return KindReceived
	case e.Set.MergedInto != nil && !e.Set.MergedInto.IsZero():
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
	case e.By.Role&Customers != 0 && (e.Message != "" || len(e.Attachments) > 0):
		return KindCustomer
	case (e.From.Level != e.To.Level || department) && !e.Phase.Done():
		return KindHanded
	case e.Message != "" || len(e.Attachments) > 0:
		return KindAnswered // words of a system
	}
	return ""
}
