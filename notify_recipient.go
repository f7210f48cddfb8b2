package ticket

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// present returns the current recipient of a delivery. A customer has the current
// address of the ticket, or of the ticket that it was merged into. It returns false
// for a customer who no longer belongs to the ticket.
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

// complete adds the profile to a recipient. A why that is not empty is the reason to
// suppress the delivery.
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
		why = "the recipient does not want this notification"
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

// standing returns a customer with its current address and role on the ticket. It
// returns false if the customer no longer belongs to the ticket.
func (t *Ticket) standing(to Recipient) (Recipient, bool) {
	sameID := func(p Person) bool { return p.ID != "" && p.ID == to.Person.ID }
	for _, is := range []func(Person) bool{sameID, to.Person.Same} { // an ID is more reliable
		if is(t.Requester) {
			return Recipient{Role: RoleRequester, Person: t.Requester}, true
		}
		if i := slices.IndexFunc(t.Followers, is); i >= 0 {
			return Recipient{Role: RoleFollower, Person: t.Followers[i]}, true
		}
	}
	return to, false
}

// elsewhere returns the mailbox of a person if it has one that differs from that of
// the delivery's own recipient.
func (d *Delivery) elsewhere(p Person) string {
	if p.Email == "" || sameMailbox(p.Email, d.To.Person.Email) {
		return ""
	}
	return shorten(mailbox(p.Email))
}

// usedMailbox returns the mailbox that a delivery went to, or will go to as far as
// is known.
func (d *Delivery) usedMailbox() string { return cmp.Or(d.Address, mailbox(d.To.Person.Email)) }

// bounced returns an earlier delivery that bounced at the address of an attempt.
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

// fromThere reports whether a delivery would return a message to the mailbox that it
// came from, even if other people use it too. Receipts are exempt.
func (d *Desk) fromThere(ctx context.Context, row *Delivery, b *DeliveryContext, to Person) bool {
	e := &b.Event
	switch {
	case to.Email == "" || e.By.Role == RoleSystem || e.Message == "" && len(e.Attachments) == 0:
		return false
	case row.Kind == KindReceived || row.Kind == KindUploaded || row.Kind == KindEvent || row.aboutWork():
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
		if p, err := d.profile(ctx, row, writer); err == nil { // otherwise the ticket's data holds
			writer.Person = p.Person.over(writer.Person)
		}
	}
	return sameMailbox(to.Email, writer.Person.Email)
}

// aboutWork reports whether a delivery informs agents about their work and not about a
// message.
func (r *Delivery) aboutWork() bool {
	switch r.Kind {
	case KindQueued, KindEscalated, KindAssigned, KindUnassigned, KindReminder:
		return true
	case KindDueSoon, KindOverdue:
		return !r.toCustomer()
	default:
		return false
	}
}

// sharesMailbox reports whether the same mailbox may have got the event for another
// person. For mailboxes that were equal in the ticket at the event, only one
// delivery exists. Those of others are known only at the attempt.
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

// deliveredThere returns a delivery that brought the same event to the same
// mailbox.
func (d *Desk) deliveredThere(ctx context.Context, row *Delivery) (ID, error) {
	page, err := d.store.Deliveries(ctx, DeliveryQuery{
		Tenant: row.Tenant, Ticket: row.Ticket, Notifiers: []string{row.Notifier}, State: []DeliveryState{DeliverySent}, Limit: MaxLimit,
	})
	for i := range page.Deliveries {
		p := &page.Deliveries[i]
		if p.Seq == row.Seq && p.ID != row.ID && p.aboutWork() == row.aboutWork() && p.usedMailbox() == row.usedMailbox() {
			return p.ID, err
		}
	}
	return ID{}, err
}

// A mailboxUse is an event that is sent to a mailbox.
type mailboxUse struct {
	ticket   ID
	seq      int64
	notifier string
	work     bool
	mailbox  string
}

// mailboxUses holds the mailboxes to which this process is sending, until the outcome
// is recorded. If two deliveries turn out to go to one mailbox, the later one finds the
// earlier one and need not be sent.
type mailboxUses struct {
	mu    sync.Mutex
	taken map[mailboxUse]chan struct{} // closed when it is free again
	by    map[ID]mailboxUse
}

// reserve reserves the mailbox of a delivery. If another delivery has reserved it for
// the same event, reserve waits until that one is released and tries again.
func (m *mailboxUses) reserve(ctx context.Context, row *Delivery) error {
	at := mailboxUse{row.Ticket, row.Seq, row.Notifier, row.aboutWork(), row.usedMailbox()}
	for {
		m.mu.Lock()
		if err := ctx.Err(); err != nil { // the attempt was perhaps abandoned and recorded, so nobody would release the mailbox
			m.mu.Unlock()
			return err
		}
		busy := m.taken[at]
		if busy == nil {
			if m.taken == nil {
				m.taken, m.by = map[mailboxUse]chan struct{}{}, map[ID]mailboxUse{}
			}
			m.taken[at], m.by[row.ID] = make(chan struct{}), at
			m.mu.Unlock()
			return nil
		}
		m.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

// release frees the mailboxes that deliveries have reserved.
func (m *mailboxUses) release(list []Settlement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range list {
		if at, ok := m.by[list[i].ID]; ok {
			close(m.taken[at])
			delete(m.taken, at)
			delete(m.by, list[i].ID)
		}
	}
}
