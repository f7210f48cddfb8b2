package ticket

import (
	"cmp"
	"context"
)

// splitOff completes the draft of a split, and says who said its words, where
// they are taken over from the ticket.
func (d *Desk) splitOff(ctx context.Context, a Actor, t *Ticket, dr Draft) (Draft, Person, error) {
	var author Person
	from := dr.From
	dr.From = 0
	if from != 0 {
		e, err := d.wordsOf(ctx, t, from)
		if err != nil {
			return dr, author, err
		}
		dr.Message, dr.Attachments = e.Message, e.Attachments
		dr.Channel, dr.Automatic = cmp.Or(dr.Channel, e.Channel), dr.Automatic || e.Automatic
		author = e.saidBy()
		if reader := cmp.Or(dr.Requester, t.Requester); from < t.RequesterSince && !d.oneCustomer(author, reader) {
			return dr, author, invalid("action.draft.from", "is of before the ticket was this requester's, who does not read it")
		}
	}
	dr.Channel = cmp.Or(dr.Channel, t.Channel)
	dr, err := d.derive(a, t, dr)
	return dr, author, err
}

// wordsOf reads the event whose words a split takes over.
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
	case e.Seals.Words.Erased():
		return refuse("names an event whose words were erased")
	case e.Message == "" && len(e.Attachments) == 0:
		return refuse("names an event without a message or files for the customer")
	case fromDesk(&e) && e.Author.IsZero():
		return refuse("names an event that a customer did not say: quote it in the message instead")
	default:
		return e, nil
	}
}

// saidBy returns the customer who said an event's words. What somebody at the desk
// wrote down when the ticket was opened, the requester said.
func (e *Event) saidBy() Person {
	switch {
	case !e.Author.IsZero():
		return e.Author
	case e.Seq == 1 && e.By.Role&Customers == 0:
		return e.Requester
	default:
		return e.Actor
	}
}
