package ticket

import (
	"context"
	"slices"
)

// A share is what an actor may read of one ticket's history. Agents and systems
// read all of it, and customers what concerns them:
//
//   - a follower reads all that was said;
//   - the requester too, but for what was said while the ticket was that of
//     another customer, who must not be read by it as [ActionMerge] says;
//   - of a ticket that was merged into the one asked for, a customer who is neither
//     reads what its requester would, if both are the same customer.
//
// Everybody reads their own words.
type share struct {
	d      *Desk
	a      Actor
	ticket Ticket
	whole  bool // all of it, with what is inside
	public bool // in the form that customers read, in any case

	// as is the person as whom a customer reads what was said before
	// Ticket.RequesterSince: what is of its own customer.
	as      Person
	known   bool // whether what follows was read from the history
	all     bool // an agent lets the person follow, and so read all
	tenures []tenure
}

// A tenure is the time in which a ticket has one requester.
type tenure struct {
	from int64 // the event that began it
	of   Person
}

// share returns what the actor, who sees the ticket, may read of it.
func (d *Desk) share(a Actor, t Ticket) *share {
	s := &share{d: d, a: a, ticket: t, whole: a.Role&(RoleAgent|RoleSystem) != 0, as: t.Requester}
	if i := slices.IndexFunc(t.Followers, a.Person.Same); i >= 0 && !a.Person.Same(t.Requester) {
		s.as = t.Followers[i]
	}
	return s
}

// oneCustomer reports whether one may read what the other said: that is whose
// tickets can be merged.
func (d *Desk) oneCustomer(p, q Person) bool {
	return p.Same(q) || !d.cfg.MergeSameRequester && sameCustomer(p, q)
}

// shares returns what the actor, who sees the ticket, may read of it and of those
// that were merged into it.
func (d *Desk) shares(ctx context.Context, a Actor, t Ticket) ([]*share, error) {
	of := d.share(a, t)
	list := []*share{of}
	merged, err := d.mergedInto(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, m := range merged[1:] {
		s := d.share(a, m)
		concerned := a.RoleOn(m) != 0
		if !concerned {
			s.as = of.as
		}
		// The policy knows nothing of merges, so it is not asked about somebody who
		// has a part in the one and, by the merge alone, reads the other.
		asked := concerned || a.RoleOn(t) == 0
		if asked && !d.cfg.Policy.MaySee(a, m) || !concerned && !d.oneCustomer(m.Requester, s.as) {
			continue
		}
		list = append(list, s)
	}
	return list, nil
}

// publish returns what may be read of an event, and whether anything is.
func (s *share) publish(ctx context.Context, m moment) (Event, bool, error) {
	if s.whole && !s.public {
		return m.Event, true, nil
	}
	p := publisher{agents: s.d.cfg.ShowAgents, links: &s.d.cfg.StatusLinks}
	if !s.whole && s.a.only.IsZero() { // who has a link need not know whose it is
		p.reader = s.a.Person
	}
	e, visible := p.publish(m)
	if !visible {
		return Event{}, false, nil
	}
	readable := said(&m.Event, s.a.Person)
	if !readable {
		var err error
		if readable, err = s.reads(ctx, m.Seq); err != nil {
			return Event{}, false, err
		}
	}
	return e, readable, nil
}

// said reports whether the words of an event are this customer's own.
func said(e *Event, p Person) bool {
	if !e.Author.IsZero() {
		return e.Author.Same(p)
	}
	return e.By.Role&RoleCustomer != 0 && e.Actor.Same(p)
}

// reads reports whether a customer reads what others said in the event with this
// number. Most tickets are one customer's, and nothing has to be read for that.
func (s *share) reads(ctx context.Context, seq int64) (bool, error) {
	if s.whole || seq >= s.ticket.RequesterSince {
		return true, nil
	}
	if all, err := s.readsAll(ctx); all || err != nil {
		return all, err
	}
	i, found := slices.BinarySearchFunc(s.tenures, seq, func(t tenure, seq int64) int { return int(t.from - seq) })
	if !found {
		i--
	}
	return i >= 0 && s.d.oneCustomer(s.tenures[i].of, s.as), nil
}

// readsAll reports whether nothing that was said is kept from the reader.
func (s *share) readsAll(ctx context.Context) (bool, error) {
	if s.whole || s.ticket.RequesterSince == 0 {
		return true, nil
	}
	if !s.known {
		if err := s.learn(ctx); err != nil {
			return false, err
		}
	}
	return s.all, nil
}

// learn reads from the history whose the ticket was, and how the person came to
// follow it: who does so because another ticket was merged into this one reads
// what that one's requester does.
func (s *share) learn(ctx context.Context) error {
	follows := slices.ContainsFunc(s.ticket.Followers, s.a.Person.Same)
	for e, err := range s.d.events(ctx, s.ticket.Tenant, s.ticket.ID) {
		if err != nil {
			return err
		}
		if e.Seq > s.ticket.Version || e.Seq >= s.ticket.RequesterSince && !follows {
			break
		}
		if e.Seq == 1 || !e.Requester.IsZero() || e.Set.NewCustomer {
			s.tenures = append(s.tenures, tenure{e.Seq, e.Requester}) // nobody, where it was erased
		}
		if slices.ContainsFunc(e.Followed, s.a.Person.Same) {
			s.all = follows && e.Action != ActionMerge
		}
	}
	s.known = true
	return nil
}

// publisher turns events into what a customer may see of them.
type publisher struct {
	reader Person
	agents bool         // show their names
	links  *StatusLinks // which others must not get
}

// publish returns what may be seen of an event. It builds a new one from what is
// public, so that what is added to Event later stays inside.
func (p *publisher) publish(m moment) (Event, bool) {
	e := &m.Event
	words := e.Message != "" || len(e.Attachments) > 0
	moved := e.Phase != m.before || e.From.Level != e.To.Level
	erasedAnswer := e.Answer && e.Seals.PublicContent.Erased()
	if !words && !moved && !erasedAnswer {
		return Event{}, false
	}
	out := Event{
		Ticket: e.Ticket, Seq: e.Seq, At: e.At, Action: e.Action, By: By{Role: e.By.Role},
		From: e.From, To: e.To, Phase: e.Phase, Channel: e.Channel, Answer: e.Answer,
	}
	out.Message, out.Attachments = e.Message, publicAttachments(e.Attachments)
	if !said(e, p.reader) {
		out.Message = Message(p.links.cutTokens(string(e.Message)))
		out.Attachments = p.links.cutNames(out.Attachments)
	}
	if e.Seq == 1 {
		out.Subject = p.links.cutTokens(e.Subject)
	}
	if e.Seals.PublicContent.Erased() {
		out.Seals.PublicContent = e.Seals.PublicContent
	}
	switch {
	case e.By.Role&RoleCustomer != 0 && e.Actor.Same(p.reader):
		out.Actor = e.Actor
	case e.By.Role&RoleCustomer != 0 || p.agents && e.By.Role == RoleAgent:
		out.Actor.Name = e.Actor.Name
	}
	if e.Seq == 1 && e.By.Role&RoleCustomer == 0 {
		out.Actor = Person{Name: e.Requester.Name} // written down for the requester
	}
	if !e.Author.IsZero() {
		out.Actor = Person{Name: e.Author.Name} // taken over from what a customer said
	}
	return out, true
}

// publicAttachments leaves out where the host keeps the files.
func publicAttachments(list []Attachment) []Attachment {
	list = slices.Clone(list)
	for i := range list {
		list[i].Ref = ""
	}
	return list
}
