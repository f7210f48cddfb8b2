package ticket

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// present returns the current recipient of a delivery: a customer has the address
// that the ticket has now, or the ticket that it was merged into. It returns false
// for a customer who is no longer concerned with the ticket.
func (d *Desk) present(ctx context.Context, row *Delivery, b *DeliveryContext) (Recipient, bool, error) {
	if !row.toCustomer() {
		return row.To, true, nil
	}
	to, concerned := b.Ticket.standing(row.To)
	if !concerned {
		return to, false, nil
	}
	err := d.merges(ctx, b.Ticket, func(t Ticket) {
		if there, is := t.standing(to); is {
			to.Person = there.Person
		}
	})
	return to, true, err
}

// complete completes a recipient with its profile. A why that is not empty is the
// reason to suppress the delivery.
func (d *Desk) complete(ctx context.Context, row *Delivery, to Recipient) (_ Recipient, why string, err error) {
	if d.cfg.Profile == nil || row.Kind == KindEvent {
		return to, "", nil
	}
	p, err := d.profile(ctx, row, to)
	switch {
	case err != nil:
		// Only a notifier can know that an address bounced.
		if DeliveryFaultOf(err).Bounced {
			err = &DeliveryFault{Err: err, Permanent: true}
		}
		return to, "", fmt.Errorf("cannot resolve the recipient: %w", err)
	case p.Unwanted:
		why = "the recipient does not want to be told this"
	}
	p.Person.Email = strings.TrimSpace(p.Person.Email)
	to.Person = p.Person.over(to.Person)
	return to, why, nil
}

func (d *Desk) profile(ctx context.Context, row *Delivery, of Recipient) (p Profile, err error) {
	err = safely("Config.Profile", func() (err error) {
		p, err = d.cfg.Profile(ctx, row.Tenant, of, row.Kind)
		return err
	})
	if err == nil && row.toCustomer() { // a queue may have several addresses
		c := check{Limits: d.cfg.Limits}
		p.Person = c.person("profile.person", p.Person)
		err = c.err
	}
	return p, err
}

// standing returns a customer as it stands on the ticket by now: with the address
// that was put right meanwhile, in the role that it has now. It reports whether it
// is still one of those concerned.
func (t *Ticket) standing(to Recipient) (Recipient, bool) {
	sameID := func(p Person) bool { return p.ID != "" && p.ID == to.Person.ID }
	for _, is := range []func(Person) bool{sameID, to.Person.Same} { // an ID is the surer sign
		if is(t.Requester) {
			return Recipient{Role: RoleRequester, Person: t.Requester}, true
		}
		if i := slices.IndexFunc(t.Followers, is); i >= 0 {
			return Recipient{Role: RoleFollower, Person: t.Followers[i]}, true
		}
	}
	return to, false
}

// elsewhere returns the mailbox of a person, where it is another than that of the
// delivery's own recipient, and is there at all.
func (d *Delivery) elsewhere(p Person) string {
	if p.Email == "" || sameMailbox(p.Email, d.To.Person.Email) {
		return ""
	}
	return shorten(mailbox(p.Email))
}

// usedMailbox is where a delivery went, or is to go as far as is known.
func (d *Delivery) usedMailbox() string { return cmp.Or(d.Address, mailbox(d.To.Person.Email)) }

// bounced returns a delivery by which the address of an attempt bounced before.
func (d *Desk) bounced(ctx context.Context, row *Delivery, b *DeliveryContext, to Person) (ID, error) {
	switch {
	case !row.toCustomer(), to.Email == "" && row.To.Person.Email != "":
		return ID{}, nil
	case row.Address == "":
		return b.Bounced, nil
	}
	page, err := d.store.Deliveries(ctx, DeliveryQuery{
		Tenant: row.Tenant, Notifiers: []string{row.Notifier}, State: []DeliveryState{DeliveryBounced}, To: mailTo(row.Address), Limit: 1,
	})
	if err != nil || len(page.Deliveries) == 0 {
		return ID{}, err
	}
	return page.Deliveries[0].ID, nil
}

// fromThere reports whether a delivery would return words to the mailbox that they
// came from, even if other people use it too. Receipts are exempt.
func (d *Desk) fromThere(ctx context.Context, row *Delivery, b *DeliveryContext, to Person) bool {
	e := &b.Event
	switch {
	case to.Email == "" || e.By.Role == RoleSystem || e.Message == "" && len(e.Attachments) == 0:
		return false
	case row.Kind == KindReceived || row.Kind == KindUploaded || row.Kind == KindEvent || aboutWork(row.Kind):
		return false
	case sameMailbox(to.Email, e.Actor.Email):
		return true
	case e.By.Role&RoleCustomer == 0 || !row.toCustomer():
		return false
	}
	writer, concerned := b.Ticket.standing(Recipient{Role: e.By.Role, Person: e.Actor})
	if !concerned {
		return false
	}
	if d.cfg.Profile != nil {
		if p, err := d.profile(ctx, row, writer); err == nil { // else it is what the ticket says
			writer.Person = p.Person.over(writer.Person)
		}
	}
	return sameMailbox(to.Email, writer.Person.Email)
}

// aboutWork are the kinds that tell the desk of its work, and not of words.
func aboutWork(k Kind) bool {
	return k == KindQueued || k == KindEscalated || k == KindAssigned || k == KindUnassigned
}

// sharesMailbox reports whether somebody else may have been told of the event at the same
// mailbox. Who has one mailbox by what the ticket said was told once as it was;
// the mailboxes of others are only known by now.
func (d *Desk) sharesMailbox(row *Delivery, b *DeliveryContext, to Person) bool {
	switch {
	case to.Email == "" || row.Kind == KindEvent:
		return false
	case row.Address != "", d.cfg.Profile != nil && (len(b.Ticket.Followers) > 0 || d.cfg.ExtraRecipients != nil):
		return true
	}
	same := 0
	for _, p := range b.Ticket.Followers {
		if sameMailbox(p.Email, to.Email) {
			same++
		}
	}
	return same > 1 || same == 1 && sameMailbox(b.Ticket.Requester.Email, to.Email)
}

// toldThere returns a delivery by which a mailbox was told of the same event.
func (d *Desk) toldThere(ctx context.Context, row *Delivery) (ID, error) {
	page, err := d.store.Deliveries(ctx, DeliveryQuery{
		Tenant: row.Tenant, Ticket: row.Ticket, Notifiers: []string{row.Notifier}, State: []DeliveryState{DeliverySent}, Limit: MaxLimit,
	})
	for i := range page.Deliveries {
		p := &page.Deliveries[i]
		if p.Seq == row.Seq && p.ID != row.ID && aboutWork(p.Kind) == aboutWork(row.Kind) && p.usedMailbox() == row.usedMailbox() {
			return p.ID, err
		}
	}
	return ID{}, err
}

// A place is a mailbox that an event is told to.
type place struct {
	ticket   ID
	seq      int64
	notifier string
	work     bool
	mailbox  string
}

// places are those that something is on its way to from this process, until it is
// recorded what came of it: so that of two deliveries which turn out to go to one
// mailbox the later finds the earlier one, and need not be sent.
type places struct {
	mu    sync.Mutex
	taken map[place]chan struct{} // closed when it is free again
	by    map[ID]place
}

// enter takes the place of a delivery. Where another has it, it waits until that is
// over, and then asks again.
func (p *places) enter(ctx context.Context, row *Delivery) error {
	at := place{row.Ticket, row.Seq, row.Notifier, aboutWork(row.Kind), row.usedMailbox()}
	for {
		p.mu.Lock()
		if err := ctx.Err(); err != nil { // perhaps it was given up and recorded: nobody would leave
			p.mu.Unlock()
			return err
		}
		busy := p.taken[at]
		if busy == nil {
			if p.taken == nil {
				p.taken, p.by = map[place]chan struct{}{}, map[ID]place{}
			}
			p.taken[at], p.by[row.ID] = make(chan struct{}), at
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

// leave frees the places of deliveries, if they had one.
func (p *places) leave(list []Settlement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range list {
		if at, ok := p.by[list[i].ID]; ok {
			close(p.taken[at])
			delete(p.taken, at)
			delete(p.by, list[i].ID)
		}
	}
}
