package ticket

import (
	"context"
	"fmt"
	"time"
)

// SendLimits keeps a desk and a machine that answers it from writing to each other
// for ever. It caps what customers are sent; agents, queues and streams have no
// cap. Beyond a cap, what the desk did or said waits until there is room, and
// what only tells of a customer's own doing (a confirmation, a receipt, another
// customer's words) becomes Suppressed. In a cap, 0 means the default, and a
// negative number no cap. A cap can be passed by as many messages as are on their
// way at the same time.
//
// Besides: who sent something automatically (see [Action].Automatic) is sent
// nothing because of it, agents included, and no customer is; who
// bounced (see [Bounce]), and who is not concerned with the ticket any more, is
// sent nothing at all. A mailbox that several people share is told of an event
// once, and is not sent the words that came from it. What is suppressed has the reason, so that the ticket's
// history tells; [Desk.Redrive] makes it try again, and then the guard looks at it
// anew.
type SendLimits struct {
	PerRecipient int // messages to one recipient by one notifier within an hour, at most 1000. Default: 100
	PerTicket    int // of these, about one ticket. Default: 20
}

func (l SendLimits) withDefaults() (SendLimits, error) {
	if l.PerRecipient > MaxLimit || l.PerTicket > MaxLimit {
		return l, invalid("config.send_limits", "must have caps of at most %d, or negative ones for none", MaxLimit)
	}
	if l.PerRecipient == 0 {
		l.PerRecipient = 100
	}
	if l.PerTicket == 0 {
		l.PerTicket = 20
	}
	return l, nil
}

// toCustomer reports whether the recipient is a customer. Only deliveries to
// customers have caps and can bounce.
func (d *Delivery) toCustomer() bool { return d.To.Role&RoleCustomer != 0 }

// verdict is what the guard says of a delivery; the zero verdict lets it pass.
type verdict struct {
	why  string
	wait bool // it may pass later; else it is held back for good
}

// wait for room under a cap is this long, and then again.
const capWait = 10 * time.Minute

// checkLimits says whether a delivery may be made to this person, as the profile has
// completed it.
func (d *Desk) checkLimits(row *Delivery, b *DeliveryContext, to Person) verdict {
	e, customer := &b.Event, row.toCustomer()
	switch {
	case e.Automatic && (ownAct(e, Recipient{Role: row.To.Role, Person: to}) || customer && e.Seq == 1 && e.Requester.Same(to)):
		return verdict{why: "a machine wrote that, and is not answered"}
	case !customer:
		return verdict{}
	case e.Automatic && (e.Seq == 1 || e.words()):
		return verdict{why: "a machine wrote that, which is for the desk to read"}
	case !b.Bounced.IsZero():
		return verdict{why: fmt.Sprintf("the address bounced before: see delivery %s", b.Bounced)}
	}
	limits := &d.cfg.SendLimits
	v := verdict{wait: e.By.Role&RoleCustomer == 0} // what the desk did or said is told, only later
	switch {
	case limits.PerRecipient > 0 && b.Sent >= limits.PerRecipient:
		v.why = fmt.Sprintf("more than %d messages to this recipient within an hour", limits.PerRecipient)
	case limits.PerTicket > 0 && b.SentHere >= limits.PerTicket:
		v.why = fmt.Sprintf("more than %d messages about this ticket to this recipient within an hour", limits.PerTicket)
	default:
		return verdict{}
	}
	return v
}

// recount counts again what a cap is about to hold a delivery back for, without what a
// clock that was ahead has sent: that would count until its year.
func (d *Desk) recount(ctx context.Context, row *Delivery, b *DeliveryContext) error {
	limits, now := &d.cfg.SendLimits, d.now()
	if !row.toCustomer() {
		return nil
	}
	q := DeliveryQuery{Tenant: row.Tenant, Notifiers: []string{row.Notifier}, State: []DeliveryState{DeliverySent}, To: row.To,
		SettledFrom: now.Add(-limitWindow), SettledBefore: now.Add(time.Minute)} // for clocks that differ
	count := func(n *int, limit int) error {
		if limit <= 0 || *n < limit {
			return nil
		}
		q.Limit = limit
		page, err := d.store.Deliveries(ctx, q)
		*n = len(page.Deliveries)
		return err
	}
	if err := count(&b.Sent, limits.PerRecipient); err != nil {
		return err
	}
	q.Ticket = row.Ticket
	return count(&b.SentHere, limits.PerTicket)
}
