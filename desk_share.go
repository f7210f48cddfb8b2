package ticket

import (
	"context"
	"slices"
)

// A share is the part of one ticket's history that an actor may read. Agents and
// systems read all of it. Customers read the following:
//
//   - A follower reads all messages.
//   - The requester reads all messages except those from the time when the ticket
//     was another customer's, if [ActionMerge] would not show them either.
//   - A customer who is neither, on a ticket merged into the one asked for, reads
//     what the merged ticket's requester would, if both are the same customer.
//
// Everybody reads their own words.
type share struct {
	d      *Desk
	a      Actor
	ticket Ticket
	whole  bool // all of it, with notes
	public bool // always in the form for customers

	// as is the person whose rights count for messages from before
	// Ticket.RequesterSince: the reader gets those of this person's customer.
	as      Person
	known   bool // whether the fields below were read from the history
	all     bool // an agent added the person as a follower, so the person reads all
	tenures []tenure
}

// A tenure is the time in which a ticket has one requester.
type tenure struct {
	from int64 // the event that began it
	of   Person
}

// share returns the part of the ticket that the actor, who sees it, may read.
func (d *Desk) share(a Actor, t Ticket) *share {
	s := &share{d: d, a: a, ticket: t, whole: a.Role&(RoleAgent|RoleSystem) != 0, as: t.Requester}
	if i := slices.IndexFunc(t.Followers, a.Person.Same); i >= 0 && !a.Person.Same(t.Requester) {
		s.as = t.Followers[i]
	}
	return s
}

// oneCustomer reports whether one may read the other's messages: the condition for
// merging their tickets.
func (d *Desk) oneCustomer(p, q Person) bool {
	return p.Same(q) || !d.cfg.MergeSameRequester && sameCustomer(p, q)
}

// shares returns the parts of the ticket and of those merged into it that the actor,
// who sees the ticket, may read.
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
		// The policy knows nothing of merges. So it is not asked about a person who
		// belongs to t, and reads m only because m was merged into t.
		asked := concerned || a.RoleOn(t) == 0
		if asked && !d.cfg.Policy.MaySee(a, m) || !concerned && !d.oneCustomer(m.Requester, s.as) {
			continue
		}
		list = append(list, s)
	}
	return list, nil
}

// publish returns the readable part of an event, and whether there is any.
func (s *share) publish(ctx context.Context, m moment) (Event, bool, error) {
	if s.whole && !s.public {
		return m.Event, true, nil
	}
	p := publisher{agents: s.d.cfg.ShowAgents, links: &s.d.cfg.StatusLinks}
	if !s.whole && s.a.only.IsZero() { // the holder of a link need not know whose ticket it is
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

// reads reports whether a customer reads the words of others in the event with this
// number. Most tickets are one customer's; for those it reads nothing.
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

// readsAll reports whether the reader may read every message.
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

// learn reads the history to find the former requesters of the ticket and how
// the person became a follower. A follower who was added by a merge reads what
// the requester of the merged ticket reads.
func (s *share) learn(ctx context.Context) error {
	follows := slices.ContainsFunc(s.ticket.Followers, s.a.Person.Same)
	merges := map[int64]bool{} // the events that add followers by a merge
	for e, err := range s.d.events(ctx, s.ticket.Tenant, s.ticket.ID) {
		if err != nil {
			return err
		}
		if e.Seq > s.ticket.Version || e.Seq >= s.ticket.RequesterSince && !follows {
			break
		}
		if e.Seq == 1 || !e.Requester.IsZero() || e.Set.NewCustomer {
			s.tenures = append(s.tenures, tenure{e.Seq, e.Requester}) // zero, if it was erased
		}
		merges[e.Seq] = e.Action == ActionMerge
		if r := e.Set.Erased; r != nil { // it names the followers of erased events again
			merges[e.Seq] = slices.ContainsFunc(r.Events, func(seq int64) bool { return merges[seq] })
		}
		if slices.ContainsFunc(e.Followed, s.a.Person.Same) {
			s.all = follows && !merges[e.Seq]
		}
	}
	s.known = true
	return nil
}

// publisher turns events into the form for customers.
type publisher struct {
	reader Person
	agents bool         // show their names
	links  *StatusLinks // others must not get these
}

// publish returns the public part of an event. It builds a new event from public
// fields, so that fields added to Event later stay internal.
func (p *publisher) publish(m moment) (Event, bool) {
	e := &m.Event
	if !m.public() {
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
		out.Actor = Person{Name: e.Author.Name} // taken over from a customer's message
	}
	return out, true
}

// public reports whether an event has something for customers.
func (m *moment) public() bool {
	e := &m.Event
	words := e.Message != "" || len(e.Attachments) > 0
	moved := e.Phase != m.before || e.From.Level != e.To.Level
	erasedAnswer := e.Answer && e.Seals.PublicContent.Erased()
	return words || moved || erasedAnswer
}

// publicAttachments removes the place where your application keeps the files.
func publicAttachments(list []Attachment) []Attachment {
	list = slices.Clone(list)
	for i := range list {
		list[i].Ref = ""
	}
	return list
}
