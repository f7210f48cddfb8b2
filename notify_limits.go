package ticket

import (
	"context"
	"fmt"
	"time"
)

// SendLimits caps the messages to customers, so that a desk and a machine that
// answers it do not write to each other forever. Agents, queues and event notifiers
// have no cap. Zero means the default, and a negative number no cap.
//
// Over a cap, a notification of an action of the desk or a system waits until there
// is room. A notification of a customer's action (a confirmation, a receipt, another
// customer's message) is suppressed. Messages in flight are not counted, so a cap
// can be exceeded by their number.
//
// Five more rules hold, with any limits. An automatic message (see
// [Action].Automatic) causes no message to its sender, agents included, and none to
// any customer. A quiet one (see [Action].Quiet) causes none to its sender. An address that bounced (see [DeliveryFault]) is sent nothing. A
// person who no longer belongs to the ticket is sent nothing. A mailbox that several
// people share gets one message per event, and never the text that came from it.
//
// A suppressed delivery has the reason, which the ticket's history shows.
// [Desk.Redrive] tries it again, and the limits are then checked again.
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

// verdict is the reason why a delivery may not be sent. The zero verdict allows it.
type verdict struct {
	why  string
	wait bool // try again after capWait; otherwise the delivery is suppressed
}

// capWait is how long a delivery over a cap waits before it is checked again.
const capWait = 10 * time.Minute

// checkLimits checks whether a delivery may be sent to a person after its profile
// was applied.
func (d *Desk) checkLimits(row *Delivery, b *DeliveryContext, to Person) verdict {
	e, customer := &b.Event, row.toCustomer()
	unanswered := e.Automatic || e.Quiet
	switch {
	case unanswered && (ownAct(e, Recipient{Role: row.To.Role, Person: to}) || customer && e.Seq == 1 && e.Requester.Same(to)):
		if !e.Automatic {
			return verdict{why: "the message asks for no answer"}
		}
		return verdict{why: "the message is automatic and is not answered"}
	case !customer:
		return verdict{}
	case e.Automatic && (e.Seq == 1 || e.words()):
		return verdict{why: "the message is automatic and is for the desk only"}
	case !b.Bounced.IsZero():
		return verdict{why: fmt.Sprintf("the address bounced before: see delivery %s", b.Bounced)}
	}
	limits := &d.cfg.SendLimits
	v := verdict{wait: e.By.Role&RoleCustomer == 0} // only notifications of a customer's action are suppressed
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

// recount counts the messages that fill a cap again, without those with a time in
// the future. A clock that was ahead wrote these, and they would count until that
// time.
func (d *Desk) recount(ctx context.Context, row *Delivery, b *DeliveryContext) error {
	limits, now := &d.cfg.SendLimits, d.now()
	full := func(n, limit int) bool { return limit > 0 && n >= limit }
	if !row.toCustomer() || !full(b.Sent, limits.PerRecipient) && !full(b.SentHere, limits.PerTicket) {
		return nil
	}
	q := DeliveryQuery{Tenant: row.Tenant, Notifiers: []string{row.Notifier}, State: []DeliveryState{DeliverySent}, To: row.To,
		SettledFrom: now.Add(-limitWindow), SettledBefore: now.Add(time.Minute)} // the clocks of processes differ
	count := func(n *int, limit int) error {
		if !full(*n, limit) {
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
