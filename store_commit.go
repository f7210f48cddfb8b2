package ticket

import (
	"slices"
	"time"
)

// Commit (for stores) is everything that one call of the desk writes, as a whole or
// not at all; see [Store].Commit.
type Commit struct {
	Changes    []Change
	Deliveries []Delivery // new ones, all DeliveryPending
	Receipt    *Receipt   // nil without an idempotency key
}

// Change (for stores) is the change of one ticket: the ticket after the change and
// the new events.
type Change struct {
	Expect int64   // the version before the change; 0 means that the ticket is new
	Ticket Ticket  // the ticket before the change with Events applied (see Apply); its Version is Expect+len(Events)
	Events []Event // at least one, with Seq Expect+1, Expect+2 and so on
}

// Check returns an [*InvalidError] if the commit contradicts itself: there is
// nothing to write, a ticket occurs twice, events do not continue from Expect or do
// not end at the ticket's version, a ticket is not the result of its events, an event or
// delivery belongs to another ticket or tenant, a stage is unknown, or a time is outside
// the years 1 to 9999. Stores call it first. It does not read the store, so for an existing ticket it
// compares the ticket with its last event only.
func (c Commit) Check() error {
	if len(c.Changes) == 0 {
		return invalid("commit.changes", "must not be empty")
	}
	for i, ch := range c.Changes {
		t := &ch.Ticket
		switch {
		case t.ID.IsZero():
			return invalid("commit.changes.ticket.id", "is missing")
		case len(ch.Events) == 0:
			return invalid("commit.changes.events", "must not be empty")
		case ch.Expect < 0 || t.Version != ch.Expect+int64(len(ch.Events)):
			return invalid("commit.changes.ticket.version", "must be %d, the expected version and the events", ch.Expect+int64(len(ch.Events)))
		case t.Digest != ch.Events[len(ch.Events)-1].Digest:
			return invalid("commit.changes.ticket.digest", "must be that of the last event")
		case t.Tenant != c.Changes[0].Ticket.Tenant:
			return invalid("commit.changes.ticket.tenant", "must be the same for all tickets of a commit")
		}
		for j := range ch.Events {
			e := &ch.Events[j]
			if e.Ticket != t.ID {
				return invalid("commit.changes.events.ticket", "must be the changed ticket")
			}
			if e.Seq != ch.Expect+int64(j)+1 {
				return invalid("commit.changes.events.seq", "must be %d, without a gap", ch.Expect+int64(j)+1)
			}
			times := []namedTime{{"commit.changes.events.at", e.At}}
			if e.Set.Timer != nil {
				times = append(times, namedTime{"commit.changes.events.set.timer.at", e.Set.Timer.At}, namedTime{"commit.changes.events.set.timer.from", e.Set.Timer.From})
			}
			if p := e.Set.Promised; p != nil {
				times = append(times, namedTime{"commit.changes.events.set.promised", *p})
			}
			if s := e.Set.Snoozed; s != nil {
				times = append(times, namedTime{"commit.changes.events.set.snoozed", *s})
			}
			if f := e.Set.FeedbackDue; f != nil {
				times = append(times, namedTime{"commit.changes.events.set.feedback_due", *f})
			}
			if a := e.Set.Alert; a != nil {
				times = append(times, namedTime{"commit.changes.events.set.alert.at", a.At}, namedTime{"commit.changes.events.set.alert.due", a.Due})
			}
			if s := e.Set.Stage; s != nil && !slices.Contains(stages, *s) {
				return invalid("commit.changes.events.set.stage", "must be among %q", stages)
			}
			if err := checkClocks("commit.changes.events.set.clocks", e.Set.Clocks); err != nil {
				return err
			}
			if err := checkTimes(times...); err != nil {
				return err
			}
		}
		if err := checkTimes(namedTime{"commit.changes.ticket.created", t.Created}, namedTime{"commit.changes.ticket.touched", t.Touched},
			namedTime{"commit.changes.ticket.timer.at", t.Timer.At}, namedTime{"commit.changes.ticket.timer.from", t.Timer.From}, namedTime{"commit.changes.ticket.first_answered", t.FirstAnswered},
			namedTime{"commit.changes.ticket.resolved", t.Resolved}, namedTime{"commit.changes.ticket.closed", t.Closed},
			namedTime{"commit.changes.ticket.promised", t.Promised}, namedTime{"commit.changes.ticket.rescheduled", t.Rescheduled}, namedTime{"commit.changes.ticket.snoozed", t.Snoozed},
			namedTime{"commit.changes.ticket.checked", t.Checked}, namedTime{"commit.changes.ticket.erased", t.Erased},
			namedTime{"commit.changes.ticket.feedback_due", t.FeedbackDue}, namedTime{"commit.changes.ticket.feedback_asked", t.FeedbackAsked}, namedTime{"commit.changes.ticket.rated", t.Rated}); err != nil {
			return err
		}
		if !slices.Contains(stages, t.Stage) {
			return invalid("commit.changes.ticket.stage", "must be among %q", stages)
		}
		if err := checkClocks("commit.changes.ticket.clocks", t.Clocks); err != nil {
			return err
		}
		if !ch.folds() {
			return invalid("commit.changes.ticket", "must be the fold of its events")
		}
		for j := range i {
			if c.Changes[j].Ticket.ID == t.ID {
				return invalid("commit.changes", "must name each ticket once")
			}
		}
	}
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		switch {
		case d.ID.IsZero():
			return invalid("commit.deliveries.id", "is missing")
		case d.State != DeliveryPending:
			return invalid("commit.deliveries.state", "must be pending")
		case !c.changes(d.Tenant, d.Ticket):
			return invalid("commit.deliveries.ticket", "must be a changed ticket")
		}
		if err := checkTimes(namedTime{"commit.deliveries.created", d.Created}, namedTime{"commit.deliveries.due", d.Due}); err != nil {
			return err
		}
	}
	if r := c.Receipt; r != nil && (r.Key == "" || !c.changes(r.Tenant, r.Ticket)) {
		return invalid("commit.receipt", "must have a key and be about a changed ticket")
	} else if r != nil {
		return checkTimes(namedTime{"commit.receipt.at", r.At})
	}
	return nil
}

func (c *Commit) changes(tenant string, id ID) bool {
	for i := range c.Changes {
		if t := &c.Changes[i].Ticket; t.ID == id && t.Tenant == tenant {
			return true
		}
	}
	return false
}

// Receipt (for stores) records the call that an idempotency key was used for.
type Receipt struct {
	Tenant  string    `json:"tenant,omitempty"`
	Key     string    `json:"key"`
	Ticket  ID        `json:"ticket"`          // the ticket that the call returned
	Version int64     `json:"version"`         // the version that the call returned
	Request Digest    `json:"request"`         // digest of the request; another request with the same key is refused
	Keyed   bool      `json:"keyed,omitempty"` // Request is an HMAC; see Config.ReceiptKey
	At      time.Time `json:"at"`
}
