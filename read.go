package ticket

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// pageOfEvents is how many events are read at once.
const pageOfEvents = 500

// Get returns a ticket by ID, in the form the actor may hold. What the actor may
// not know of is [ErrNotFound].
func (d *Desk) Get(ctx context.Context, a Actor, id ID) (Ticket, error) {
	if err := d.checkActor(&a); err != nil {
		return Ticket{}, err
	}
	t, err := d.load(ctx, a, id)
	if err != nil {
		return Ticket{}, err
	}
	return d.shown(a, t), nil
}

// Find returns the ticket that a number or an ID leads to, as somebody wrote or
// read it out. The number of a ticket that was merged away leads to the one that
// goes on with its case. A number that cannot be one is [ErrMistyped]; one that
// the actor may not know of is [ErrNotFound].
func (d *Desk) Find(ctx context.Context, a Actor, ref string) (Ticket, error) {
	t, err := d.find(ctx, a, ref)
	if err != nil {
		return Ticket{}, err
	}
	return d.shown(a, t), nil
}

func (d *Desk) find(ctx context.Context, a Actor, ref string) (Ticket, error) {
	if err := d.checkActor(&a); err != nil {
		return Ticket{}, err
	}
	t, err := d.meant(ctx, a, ref)
	if err != nil {
		return Ticket{}, err
	}
	return d.follow(ctx, a, t)
}

// meant returns the ticket whose number or ID somebody gave.
func (d *Desk) meant(ctx context.Context, a Actor, ref string) (Ticket, error) {
	if id, err := readID(ref); err == nil {
		return d.load(ctx, a, id)
	}
	list, err := d.numbers(ref)
	for _, n := range list {
		t, lookupErr := d.store.Lookup(ctx, a.Tenant, n)
		if lookupErr == nil && !d.cfg.Policy.MaySee(a, t) {
			lookupErr = &NotFoundError{What: "ticket", Ref: string(n)}
		}
		if lookupErr == nil || !isNotFound(lookupErr) {
			return t, lookupErr
		}
		if err == nil {
			err = lookupErr // unless it may be mistyped
		}
	}
	return Ticket{}, err
}

// mostMerges bounds how far a chain of merges is followed.
const mostMerges = 100

// follow returns the ticket that goes on with this one's case. Where the actor
// may not see that one, it is left with what it had.
func (d *Desk) follow(ctx context.Context, a Actor, t Ticket) (Ticket, error) {
	for range mostMerges {
		if t.MergedInto.IsZero() {
			return t, nil
		}
		next, err := d.store.Ticket(ctx, a.Tenant, t.MergedInto)
		if errors.Is(err, ErrNotFound) || err == nil && !d.cfg.Policy.MaySee(a, next) {
			return t, nil
		}
		if err != nil {
			return Ticket{}, err
		}
		t = next
	}
	return Ticket{}, &ChainError{Ticket: t.ID, Fault: Altered, Detail: "merges lead on and on, perhaps in a circle"}
}

// View is what a customer sees of a ticket.
type View struct {
	ID      ID     `json:"id"`
	Number  Number `json:"number"`
	Subject string `json:"subject"`
	Phase   Phase  `json:"phase"`
	With    string `json:"with,omitempty"` // who has it, such as "with the specialists"; empty when it is over

	Created       time.Time `json:"created"`
	FirstAnswered time.Time `json:"first_answered,omitzero"`
	Touched       time.Time `json:"touched"` // last event that the customer sees
	Resolved      time.Time `json:"resolved,omitzero"`
	Closed        time.Time `json:"closed,omitzero"`

	Messages []ViewMessage `json:"messages,omitempty"` // in order
	// Actions is what the customer may do now, sorted; pass Version on to pin
	// an action to what was seen.
	Actions []ActionName `json:"actions,omitempty"`
	Version int64        `json:"version"`
}

// ViewMessage is one message, or the files that arrived.
type ViewMessage struct {
	Seq         int64        `json:"seq"` // of its event
	At          time.Time    `json:"at"`
	FromDesk    bool         `json:"from_desk,omitempty"` // else from a customer
	Name        string       `json:"name,omitempty"`      // the customer's; an agent's if Config.ShowAgents says so
	Text        Message      `json:"text,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Erased      bool         `json:"erased,omitempty"` // there were words, which were erased since
}

// Track returns the customer's view of the ticket that a number or ID leads to,
// wherever it is: its phase, who has it, the messages. It has no notes, no
// queues, no agents (unless [Config].ShowAgents says so). The [Holder] of a status
// link may leave the number empty. Errors are those of [Desk.Find], and
// [ErrLink].
func (d *Desk) Track(ctx context.Context, a Actor, ref string) (View, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return View{}, err
	}
	if !a.only.IsZero() {
		if err := d.isLinked(ctx, a, ref); err != nil {
			return View{}, err
		}
		ref = a.only.String()
	}
	t, err := d.find(ctx, a, ref)
	if err != nil {
		return View{}, err
	}
	v := View{
		ID: t.ID, Number: t.Number, Subject: t.Subject, Phase: t.Phase, Created: t.Created,
		FirstAnswered: t.FirstAnswered, Resolved: t.Resolved, Closed: t.Closed, Version: t.Version,
	}
	// A desk that has lost the workflow still shows the status.
	if w, err := d.workflowOf(&t); err == nil && !t.Phase.Done() {
		v.With = w.LevelName(t.Level)
	}
	if a.RoleOn(t)&Customers != 0 {
		for _, c := range d.Actions(a, t) {
			if c.Allowed && (a.only.IsZero() || c.Action == Reply && a.scope != 0) {
				v.Actions = append(v.Actions, c.Action)
			}
		}
	}
	p := d.publisher(a)
	for e, err := range d.events(ctx, t.Tenant, t.ID, 0) {
		if err != nil {
			return View{}, err
		}
		if e.Seq > t.Version {
			break // happened while we read
		}
		e, visible := p.publish(e)
		if !visible {
			continue
		}
		v.Touched = e.At
		erased := e.Seals.Words.Erased()
		if e.Message == "" && len(e.Attachments) == 0 && !erased {
			continue
		}
		v.Messages = append(v.Messages, ViewMessage{
			Seq: e.Seq, At: e.At, FromDesk: fromDesk(&e), Name: e.Actor.Name,
			Text: e.Message, Attachments: e.Attachments, Erased: erased,
		})
	}
	return v, nil
}

// isLinked checks that a number leads to the ticket that a link is for.
func (d *Desk) isLinked(ctx context.Context, a Actor, ref string) error {
	if ref == "" {
		return nil
	}
	asked, err := d.find(ctx, a, ref)
	if err != nil {
		return err
	}
	linked, err := d.find(ctx, a, a.only.String())
	if err == nil && asked.ID != linked.ID {
		err = &NotFoundError{What: "ticket", Ref: ref}
	}
	return err
}

// fromDesk tells whose words an event brings: an opening message is always the
// customer's, whoever wrote it down.
func fromDesk(e *Event) bool { return e.Seq > 1 && e.By.Role&Customers == 0 }

// History yields the ticket's events from the first to the last, read in pages;
// after an error it ends. Agents and systems get them whole. Customers get those
// that concern them, without notes, people, queues and digests, so their numbers
// may have gaps.
//
// It shows what had happened when it began, and perhaps what happens meanwhile.
func (d *Desk) History(ctx context.Context, a Actor, id ID) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		t, err := d.Get(ctx, a, id)
		if err != nil {
			yield(Event{}, err)
			return
		}
		d.history(ctx, a, t, 0)(yield)
	}
}

// history yields the events after a version, as the actor may see them.
func (d *Desk) history(ctx context.Context, a Actor, t Ticket, after int64) iter.Seq2[Event, error] {
	if a.Role&(Agents|Systems) != 0 {
		return d.events(ctx, t.Tenant, t.ID, after)
	}
	return func(yield func(Event, error) bool) {
		p := d.publisher(a)
		for e, err := range d.events(ctx, t.Tenant, t.ID, 0) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if e, visible := p.publish(e); visible && e.Seq > after && !yield(e, nil) {
				return
			}
		}
	}
}

// events yields stored events page by page.
func (d *Desk) events(ctx context.Context, tenant string, id ID, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			page, err := d.store.Events(ctx, tenant, id, after, pageOfEvents)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(page) < pageOfEvents {
				return
			}
		}
	}
}

// publisher turns a history into what one customer may see of it.
type publisher struct {
	reader Person
	agents bool  // show their names
	phase  Phase // before the event
}

func (d *Desk) publisher(a Actor) *publisher {
	p := &publisher{reader: a.Person, agents: d.cfg.ShowAgents}
	if !a.only.IsZero() {
		p.reader = Person{} // who has a link need not know whose it is
	}
	return p
}

// publish returns what may be seen of an event. It builds a new one from what is
// public, so that what is added to Event later stays inside.
func (p *publisher) publish(e Event) (Event, bool) {
	said := e.Message != "" || len(e.Attachments) > 0
	moved := e.Phase != p.phase || e.From.Level != e.To.Level
	p.phase = e.Phase
	erasedAnswer := e.Answer && e.Seals.Words.Erased()
	if !said && !moved && !erasedAnswer {
		return Event{}, false
	}
	out := Event{
		Ticket: e.Ticket, Seq: e.Seq, At: e.At, Action: e.Action, By: By{Role: e.By.Role},
		From: e.From, To: e.To, Phase: e.Phase, Channel: e.Channel, Answer: e.Answer,
	}
	out.Message = e.Message
	out.Attachments = publicAttachments(e.Attachments)
	if e.Seq == 1 {
		out.Subject = e.Subject
	}
	if e.Seals.Words.Erased() {
		out.Seals.Words = e.Seals.Words
	}
	switch {
	case e.Actor.Same(p.reader):
		out.Actor = e.Actor
	case e.By.Role&Customers != 0 || p.agents && e.By.Role == Agents:
		out.Actor.Name = e.Actor.Name
	}
	if e.Seq == 1 && e.By.Role&Customers == 0 {
		out.Actor = Person{Name: e.Requester.Name} // written down for the requester
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

// AtVersion returns the ticket as it stood after the event with this sequence
// number, in the form the actor may hold. A version that the ticket has not
// reached is an [*InvalidError].
func (d *Desk) AtVersion(ctx context.Context, a Actor, id ID, version int64) (Ticket, error) {
	return d.past(ctx, a, id, func(events []Event) ([]Event, error) {
		if version < 1 || version > int64(len(events)) {
			return nil, invalid("version", "must be 1 to %d", len(events))
		}
		return events[:version], nil
	})
}

// AsOf returns the ticket as it stood at an instant, in the form the actor may
// hold. Before the ticket was opened there is none: [ErrNotFound].
func (d *Desk) AsOf(ctx context.Context, a Actor, id ID, instant time.Time) (Ticket, error) {
	return d.past(ctx, a, id, func(events []Event) ([]Event, error) {
		events = Until(events, instant)
		if len(events) == 0 {
			return nil, &NotFoundError{What: "ticket", Ref: id.String()}
		}
		return events, nil
	})
}

func (d *Desk) past(ctx context.Context, a Actor, id ID, cut func([]Event) ([]Event, error)) (Ticket, error) {
	t, err := d.Get(ctx, a, id)
	if err != nil {
		return Ticket{}, err
	}
	events, err := d.store.Events(ctx, a.Tenant, id, 0, int(t.Version))
	if err == nil {
		events, err = cut(events)
	}
	if err == nil {
		t, err = Replay(events)
	}
	if err != nil {
		return Ticket{}, err
	}
	return d.shown(a, t), nil
}

// Verify checks that nobody tampered with a ticket: its history is whole and its
// digest chain holds under the desk's key, and the stored ticket equals the fold
// of its events. It returns nil or a [*ChainError]. See [Chain] for what can be
// shown this way.
func (d *Desk) Verify(ctx context.Context, a Actor, id ID) error {
	if err := d.checkActor(&a); err != nil {
		return err
	}
	t, err := d.load(ctx, a, id)
	if err != nil {
		return err
	}
	events, err := d.store.Events(ctx, a.Tenant, id, 0, int(t.Version))
	if err != nil {
		return err
	}
	if err := d.chain.Verify(events); err != nil {
		return err
	}
	if int64(len(events)) < t.Version {
		return &ChainError{Ticket: id, Seq: int64(len(events)) + 1, Index: len(events), Fault: Removed, Detail: "the history ends before the ticket's version"}
	}
	folded, err := Replay(events)
	if err == nil && !folded.Equal(t) {
		err = &ChainError{Ticket: id, Seq: t.Version, Index: len(events) - 1, Fault: Altered, Detail: "the stored ticket is not the fold of its events"}
	}
	return err
}

// List returns one page of the tickets that match and that the actor may see;
// a customer's are those it requested or follows. A limit beyond MaxLimit, an
// unknown order, a cursor of another order, and a customer's query by queue,
// assignee, tags, fields, organisation, timer or another person are [ErrInvalid]. Where the policy hides some, a
// page may hold fewer than the limit, even none, and still have a Next.
func (d *Desk) List(ctx context.Context, a Actor, q Query) (Page, error) {
	q, err := d.prepare(&a, q)
	if err != nil {
		return Page{}, err
	}
	page, err := d.store.List(ctx, q)
	if err != nil {
		return Page{}, err
	}
	kept := page.Tickets[:0]
	for _, t := range page.Tickets {
		if d.cfg.Policy.MaySee(a, t) {
			kept = append(kept, d.shown(a, t))
		}
	}
	page.Tickets = kept
	return page, nil
}

// prepare makes of what an actor asks for what a store is asked, or refuses it.
func (d *Desk) prepare(a *Actor, q Query) (Query, error) {
	if err := d.checkActor(a); err != nil {
		return Query{}, err
	}
	q.Tenant = a.Tenant
	c := check{Limits: d.cfg.Limits}
	q.Fields = c.fields("query.fields", q.Fields, false)
	q.Requester = c.person("query.requester", q.Requester)
	q.Participant = c.person("query.participant", q.Participant)
	q.Organisation = name(&c, "query.organisation", q.Organisation)
	q.Status = names(&c, "query.status", q.Status)
	q.Phase = names(&c, "query.phase", q.Phase)
	q.Queue = names(&c, "query.queue", q.Queue)
	q.Assignee = names(&c, "query.assignee", q.Assignee)
	q.Channel = names(&c, "query.channel", q.Channel)
	q.Tags = names(&c, "query.tags", q.Tags)
	if c.err != nil {
		return Query{}, c.err
	}
	if a.Role == Requesters {
		if len(q.Queue)+len(q.Assignee)+len(q.Tags)+len(q.Fields)+len(q.Organisation) > 0 {
			return Query{}, invalid("query", "asks for what only agents may see: queue, assignee, tags, fields or organisation")
		}
		if !q.DueBefore.IsZero() || q.Order == SoonestDue {
			return Query{}, invalid("query", "asks for what only agents may see: when something happens by itself")
		}
		if !q.Requester.IsZero() && !q.Requester.Same(a.Person) {
			return Query{}, invalid("query.requester", "must be the actor")
		}
		if !q.Participant.IsZero() && !q.Participant.Same(a.Person) {
			return Query{}, invalid("query.participant", "must be the actor")
		}
		q.Participant = a.Person
	}
	return q, nil
}

// Tickets yields all tickets that match and that the actor may see, read in
// pages of q.Limit; after an error it ends. Between pages it holds nothing of
// the store. See [Order] about tickets that change meanwhile.
func (d *Desk) Tickets(ctx context.Context, a Actor, q Query) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		for {
			page, err := d.List(ctx, a, q)
			if err != nil {
				yield(Ticket{}, err)
				return
			}
			for _, t := range page.Tickets {
				if !yield(t, nil) {
					return
				}
			}
			if q.After = page.Next; q.After == "" {
				return
			}
		}
	}
}

// Choice is one action and whether it may be done now.
type Choice struct {
	Action  ActionName
	Allowed bool
	Reason  string // why not, in a few words; empty if allowed
	Err     error  // why not, as Do would put it; nil if allowed
	Needs   Need   // what the action must bring, if allowed
	Takes   Need   // what it may bring, needed or not, if allowed; what is not here has no use and is refused
	To      State  // where it leads; zero where it is not allowed, the action chooses, or a follow-up ticket is opened
}

// Actions returns every action of the ticket's workflow, sorted by name, and
// whether the actor may do it now with the ticket as it is given. It asks the
// same decision as [Desk.Do], but reads nothing: whoever holds an old copy of a
// ticket gets an old answer, and guards that look at what a customer's copy does
// not have may answer otherwise than they will; [View].Actions has what a customer
// may do by the stored ticket. Without the ticket's workflow there are no actions.
//
// Of a ticket that was merged away, customers are told that nothing is possible,
// though what they do is done to the ticket that goes on with it.
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
// merge, link or unlink; and of a ticket that was merged away it tells a customer
// so, where Do goes on to the other one.
func (d *Desk) Explain(a Actor, t Ticket, act Action) error {
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
	if act.Name == Merge || act.Name == AddLink {
		dec.Other = &Ticket{ID: act.Ticket} // stands in for what is not read
		return dec.other()
	}
	e, err := dec.event()
	if err != nil {
		return err
	}
	after := Apply(t, e)
	if err := d.within(&t, &after); err != nil || act.Name != Split {
		return err
	}
	o := newOutcome()
	defer o.release()
	if _, err := d.begin(o, a, d.splitOff(t, *act.Draft), dec.Now, nil); err != nil {
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
			c.Takes |= other.takes()
		}
	}
	if !followUp && !dec.Transition.Chosen && dec.Transition.Level == Stay {
		c.To = dec.To
	}
	return c
}
