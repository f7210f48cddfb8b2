package ticket

import (
	"cmp"
	"context"
	"slices"
)

// splitOff completes the draft of a split, and returns the writer of its words if
// they are taken over from the ticket.
func (d *Desk) splitOff(ctx context.Context, a Actor, t *Ticket, dr Draft) (Draft, Person, error) {
	if dr.From == 0 {
		dr.Channel = cmp.Or(dr.Channel, t.Channel)
		dr, err := d.derive(ctx, a, t, t.Followers, dr)
		return dr, Person{}, err
	}
	e, err := d.wordsOf(ctx, t, dr.From)
	if err != nil {
		return dr, Person{}, err
	}
	author := e.saidBy()
	follow := make([]Person, 0, len(t.Followers)) // followers who can read the message here follow the new ticket
	for _, p := range t.Followers {
		reads, err := d.readsWords(ctx, p, t, &e, author)
		if err != nil {
			return dr, author, err
		}
		if reads {
			follow = append(follow, p)
		}
	}
	dr.From, dr.Message, dr.Attachments, dr.MessageID = 0, e.Message, e.Attachments, e.MessageID
	dr.Channel, dr.Automatic = cmp.Or(dr.Channel, e.Channel, t.Channel), dr.Automatic || e.Automatic
	dr.Quiet = dr.Quiet || e.Quiet
	if dr, err = d.derive(ctx, a, t, follow, dr); err != nil || slices.ContainsFunc(dr.Followers, dr.Requester.Same) {
		return dr, author, err
	}
	reads, err := d.readsWords(ctx, dr.Requester, t, &e, author)
	if err == nil && !reads {
		err = invalid("action.draft.from", "must be a message that the new requester could read before; to show another customer's message, add the requester to the followers, too")
	}
	return dr, author, err
}

// readsWords reports whether a person may already read an event's words, as the
// ticket stands. That is so if the person or the same customer wrote them, or if
// the ticket shows them to the person, or to its requester if that is the same
// customer.
func (d *Desk) readsWords(ctx context.Context, p Person, t *Ticket, e *Event, author Person) (bool, error) {
	if d.oneCustomer(author, p) {
		return true, nil
	}
	s := d.share(Requester(p).InTenant(t.Tenant), *t)
	if !t.concerns(p) {
		if s.as = p; !d.oneCustomer(t.Requester, p) {
			return false, nil
		}
	}
	return s.reads(ctx, e.Seq)
}

// wordsOf reads the event that a split takes its words from.
func (d *Desk) wordsOf(ctx context.Context, t *Ticket, seq int64) (Event, error) {
	refuse := func(why string) (Event, error) { return Event{}, invalid("action.draft.from", "%s", why) }
	if seq > t.Version {
		return Event{}, invalid("action.draft.from", "must be 1 to %d, the number of an event of this ticket", t.Version)
	}
	page, err := d.store.Events(ctx, t.Tenant, t.ID, seq-1, 1)
	if err != nil {
		return Event{}, err
	}
	if len(page) != 1 || page[0].Seq != seq {
		return refuse("names an event that the store does not have")
	}
	switch e := page[0]; {
	case e.Seals.PublicContent.Erased():
		return refuse("names an event whose words were erased")
	case e.Message == "" && len(e.Attachments) == 0:
		return refuse("names an event without a message or files for the customer")
	case fromDesk(&e) && e.Author.IsZero():
		return refuse("names an event that a customer did not say: quote it in the message instead")
	default:
		return e, nil
	}
}

// saidBy returns the customer who said an event's words. The words of an opening by
// an agent count as the requester's.
func (e *Event) saidBy() Person {
	switch {
	case !e.Author.IsZero():
		return e.Author
	case e.Seq == 1 && e.By.Role&RoleCustomer == 0:
		return e.Requester
	default:
		return e.Actor
	}
}
