package ticket

import "fmt"

// Guard keeps a desk and a machine that answers it from writing to each other
// for ever. What it holds back becomes Suppressed, with the reason, so that the
// ticket's history tells; [Desk.Redrive] makes it try again, and then the guard
// looks at it anew. It applies to customers, not to agents, queues and streams.
//
// Besides the caps, which are set here: who sent something automatically (see
// [Action].Automatic) is sent nothing because of it, and who bounced (see
// [Bounce]) is sent nothing at all. In a cap, 0 means the default, and a
// negative number no cap. A cap can be passed by as many messages as are on
// their way at the same time.
type Guard struct {
	Recipient int // messages to one recipient by one notifier within an hour, at most 1000. Default: 100
	Ticket    int // of these, about one ticket. Default: 20
}

func (g Guard) withDefaults() (Guard, error) {
	if g.Recipient > MaxLimit || g.Ticket > MaxLimit {
		return g, invalid("config.guard", "must have caps of at most %d, or negative ones for none", MaxLimit)
	}
	if g.Recipient == 0 {
		g.Recipient = 100
	}
	if g.Ticket == 0 {
		g.Ticket = 20
	}
	return g, nil
}

// guarded reports whether the guard applies to a delivery.
func (d *Desk) guarded(row *Delivery) bool { return row.To.Role&Customers != 0 }

// hold says why a delivery must not be made; "" if it may be.
func (d *Desk) hold(row *Delivery, b *Brief) string {
	g := &d.cfg.Guard
	switch {
	case !d.guarded(row):
		return ""
	case !b.Bounced.IsZero():
		return fmt.Sprintf("the address bounced before: see delivery %s", b.Bounced)
	case b.Event.Automatic && ownAct(&b.Event, row.To.Person):
		return "a machine wrote that, and is not answered"
	case g.Recipient > 0 && b.Sent >= g.Recipient:
		return fmt.Sprintf("more than %d messages to this recipient within an hour", g.Recipient)
	case g.Ticket > 0 && b.SentHere >= g.Ticket:
		return fmt.Sprintf("more than %d messages about this ticket to this recipient within an hour", g.Ticket)
	}
	return ""
}
