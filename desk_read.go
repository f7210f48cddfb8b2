package ticket

import (
	"context"
	"iter"
)

// Get returns a ticket by ID, in the form the actor may hold. A ticket that the
// actor may not see is [ErrNotFound].
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

// Find returns the ticket for a number or an ID, as somebody wrote it or read it
// out. The number of a merged ticket leads to the ticket it was merged into. Text
// that cannot be a number is [ErrMistyped]; a ticket that the actor may not see is
// [ErrNotFound].
func (d *Desk) Find(ctx context.Context, a Actor, ref string) (Ticket, error) {
	t, err := d.find(ctx, a, ref)
	if err != nil {
		return Ticket{}, err
	}
	return d.shown(a, t), nil
}

// Lookup returns exactly the ticket with this number or ID, even if it was merged,
// so that an agent can find the ticket to unmerge. It is for agents and systems;
// customers get the result of [Desk.Find]. It returns the errors of Find.
func (d *Desk) Lookup(ctx context.Context, a Actor, ref string) (Ticket, error) {
	if a.Role&(RoleAgent|RoleSystem) == 0 {
		return d.Find(ctx, a, ref)
	}
	if err := d.checkActor(&a); err != nil {
		return Ticket{}, err
	}
	return d.meant(ctx, a, ref)
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
	var missing error
	if id, err := readID(ref); err == nil {
		t, err := d.load(ctx, a, id)
		if !isNotFound(err) {
			return t, err
		}
		missing = err
	}
	list, err := d.numbers(ref)
	if missing != nil { // perhaps it is a number of your application's own form
		err = missing
	}
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

// follow returns the ticket that this one was merged into. If the actor may not see
// that one, it returns the last that the actor may see.
func (d *Desk) follow(ctx context.Context, a Actor, t Ticket) (Ticket, error) {
	if t.MergedInto.IsZero() {
		return t, nil
	}
	seen := t
	err := d.merges(ctx, t, func(next Ticket) {
		if d.cfg.Policy.MaySee(a, next) {
			seen = next
		}
	})
	return seen, err
}

// followPart is like follow, for a customer's actions and its list of tickets. A
// policy may show a customer a target in which it has no part, and so could do
// nothing. Then followPart returns the last ticket in which it has one.
func (d *Desk) followPart(ctx context.Context, a Actor, t Ticket) (Ticket, error) {
	if t.MergedInto.IsZero() {
		return t, nil
	}
	part := t
	err := d.merges(ctx, t, func(next Ticket) {
		if a.RoleOn(next) != 0 && d.cfg.Policy.MaySee(a, next) {
			part = next
		}
	})
	return part, err
}

// List returns one page of the tickets that match and that the actor may see. A
// customer gets the tickets it requested or follows, without those that were merged
// into another of them; with its own organisation as Query.Organisation, where the policy
// allows it (see [DefaultPolicy]), those of its organisation, without those that were merged
// into another of these. If some are left out, a page may hold fewer than the limit,
// even none, and still have a Next. A limit above MaxLimit, an unknown order and a
// cursor of another order are [ErrInvalid], and so is a customer's query by queue,
// assignee, tags, fields, another organisation, clocks or another person.
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
		if !d.cfg.Policy.MaySee(a, t) {
			continue
		}
		if a.Role == RoleRequester {
			gone, err := d.goesOn(ctx, a, q, t)
			if err != nil {
				return Page{}, err
			}
			if gone {
				continue
			}
		}
		kept = append(kept, d.shown(a, t))
	}
	page.Tickets = kept
	return page, nil
}

// goesOn reports whether a customer's ticket was merged into another one of its own, or in
// a list of its organisation, of the organisation's.
func (d *Desk) goesOn(ctx context.Context, a Actor, q Query, t Ticket) (bool, error) {
	if t.MergedInto.IsZero() {
		return false, nil
	}
	if q.Organisation != "" {
		last, err := d.follow(ctx, a, t)
		return err == nil && last.ID != t.ID && last.Requester.Organisation == q.Organisation, err
	}
	// Usually the next ticket of the chain already is one of the customer's.
	// Then the rest of the chain need not be read.
	switch next, err := d.load(ctx, a, t.MergedInto); {
	case err == nil && a.RoleOn(next) != 0:
		return true, nil
	case err != nil && !isNotFound(err):
		return false, err
	}
	last, err := d.followPart(ctx, a, t)
	return err == nil && last.ID != t.ID, err
}

// prepare turns an actor's query into a query for the store, or refuses it.
func (d *Desk) prepare(a *Actor, q Query) (Query, error) {
	if err := d.checkActor(a); err != nil {
		return Query{}, err
	}
	q.Tenant = a.Tenant
	c := check{Limits: d.cfg.Limits}
	q.Fields = c.fields("query.fields", q.Fields, false)
	q.Requester = c.meant("query.requester", q.Requester)
	q.Participant = c.meant("query.participant", q.Participant)
	given := q.Organisation != ""
	if q.Organisation = name(&c, "query.organisation", q.Organisation); given && q.Organisation == "" {
		c.fail("query.organisation", "shows nothing")
	}
	q.Status = names(&c, "query.status", q.Status)
	q.Phase = names(&c, "query.phase", q.Phase)
	q.Queue = anyForm(&c, "query.queue", q.Queue)
	q.Assignee = anyForm(&c, "query.assignee", q.Assignee)
	q.Channel = anyForm(&c, "query.channel", q.Channel)
	q.Tags = names(&c, "query.tags", q.Tags)
	if c.err != nil {
		return Query{}, c.err
	}
	if a.Role == RoleRequester {
		if len(q.Queue)+len(q.Assignee)+len(q.Tags)+len(q.Fields) > 0 {
			return Query{}, invalid("query", "has conditions for agents only: queue, assignee, tags or fields")
		}
		if q.Organisation != "" && !d.seesOrganisation(*a, q.Organisation) {
			return Query{}, invalid("query.organisation", "is for agents, and for customers of the organisation to whom the policy shows its tickets")
		}
		if !q.DueBefore.IsZero() || q.Order == OrderSoonestDue || q.Metric != "" || q.Missed || q.NotSnoozed {
			return Query{}, invalid("query", "has a condition for agents only: clocks")
		}
		if q.Known || !q.SolvedBy.IsZero() {
			return Query{}, invalid("query", "has a condition for agents only: known or solved_by; see Desk.KnownProblems")
		}
		if !q.Requester.IsZero() && !q.Requester.Same(a.Person) {
			return Query{}, invalid("query.requester", "must be the actor")
		}
		if !q.Participant.IsZero() && !q.Participant.Same(a.Person) {
			return Query{}, invalid("query.participant", "must be the actor")
		}
		if q.Organisation == "" {
			q.Participant = a.Person
		}
	}
	return q, nil
}

// seesOrganisation reports whether a customer may list the tickets of this organisation.
func (d *Desk) seesOrganisation(a Actor, organisation string) bool {
	p, can := d.cfg.Policy.(interface{ SeesOrganisation(a Actor) bool })
	return can && organisation != "" && organisation == a.Person.Organisation && p.SeesOrganisation(a)
}

// Tickets yields all tickets that match and that the actor may see. It reads pages
// of q.Limit. After an error it ends. Between pages it holds no resources of the
// store. See [Order] about tickets that change meanwhile.
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
