package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// clock is the time of everything, unless a case says otherwise. It is later than the
// clock of any machine that runs the suite.
var clock = time.Date(2100, 3, 1, 9, 0, 0, 0, time.UTC)

// past and soon are before and after clock.
var (
	past = clock.Add(-time.Hour)
	soon = clock.Add(time.Hour)
)

// acme is the tenant of most tickets.
const acme = "acme"

var (
	ada = ticket.Person{ID: "c-1", Name: "Ada Byron", Email: "ada@example.org", Locale: "en", Organisation: "mill"}
	lin = ticket.By{Role: ticket.RoleAgent, ID: "lin"}
)

// id returns IDs that are the same in every run and not in ascending order.
func (k *kit) id() ticket.ID { return idOf(k.made.Add(1)) }

func idOf(n uint64) ticket.ID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return ticket.ID(sum[:16])
}

// number returns numbers in the same way. An odd factor never gives the same one twice.
func (k *kit) number() ticket.Number { return numberOf(k.made.Add(1)) }

func numberOf(n uint64) ticket.Number { return ticket.NumberOf(n * 0x9E3779B97F4A7C15) }

// An edit changes the content of an event.
type edit = func(e *ticket.Event)

// opened returns a change that opens a new ticket, with one more event for each further
// edit.
func (k *kit) opened(tenant string, edits ...edit) ticket.Change {
	return opening(k.id(), k.number(), tenant, edits...)
}

func opening(id ticket.ID, n ticket.Number, tenant string, edits ...edit) ticket.Change {
	first := func(e *ticket.Event) {
		*e = ticket.Event{
			Ticket: id, Seq: 1, At: clock, Action: ticket.ActionOpen, By: ticket.By{Role: ticket.RoleRequester},
			To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelWeb,
			Set:           ticket.Patch{Number: n, Tenant: tenant, Workflow: "default", WorkflowVersion: 1, Priority: ticket.GradeMedium},
			PublicContent: ticket.PublicContent{Subject: "Printer prints blank pages", Message: "Every second page."},
			Identities:    ticket.Identities{Actor: ada, Requester: ada},
		}
		if len(edits) > 0 {
			edits[0](e)
		}
	}
	c := add(ticket.Change{}, first)
	if len(edits) > 1 {
		c = add(c, edits[1:]...)
	}
	return c
}

// next returns a change of a stored ticket, with one event for each edit.
func next(t ticket.Ticket, edits ...edit) ticket.Change {
	return add(ticket.Change{Expect: t.Version, Ticket: t}, edits...)
}

// add appends one event for each edit to a change.
func add(c ticket.Change, edits ...edit) ticket.Change {
	c.Events = slices.Grow(slices.Clip(c.Events), len(edits)) // copied once, not for each event
	for _, edit := range edits {
		t := c.Ticket
		last := t.Touched
		if t.Checked.After(last) {
			last = t.Checked
		}
		e := ticket.Event{
			Ticket: t.ID, Seq: t.Version + 1, At: last.Add(time.Second), Action: ticket.ActionNote, By: lin,
			From: t.State(), To: t.State(), Phase: t.Phase,
		}
		edit(&e)
		ticket.Chain{}.Seal(t.Digest, &e)
		c.Ticket, c.Events = ticket.Apply(t, e), append(c.Events, e)
	}
	return c
}

func note(text ticket.Note) edit { return func(e *ticket.Event) { e.Note = text } }

func at(t time.Time) edit { return func(e *ticket.Event) { e.At = t } }

// timer sets the ticket's timer; the zero time stops it.
func timer(t time.Time) edit {
	return func(e *ticket.Event) {
		e.Set.Timer = &ticket.Timer{At: t, Action: ticket.ActionResume}
		if t.IsZero() {
			e.Set.Timer = &ticket.Timer{}
		}
	}
}

// delivery returns a delivery for the ticket's last event.
func (k *kit) delivery(t ticket.Ticket) ticket.Delivery {
	return ticket.Delivery{
		ID: k.id(), Tenant: t.Tenant, Ticket: t.ID, Seq: t.Version, Kind: ticket.KindReceived, Notifier: "mail",
		To:      ticket.Recipient{Role: ticket.RoleRequester, Person: ada},
		Created: past, Due: past, State: ticket.DeliveryPending,
	}
}

// to returns a person who is equal to no other.
func to(n int) ticket.Recipient {
	return ticket.Recipient{Role: ticket.RoleFollower, Person: ticket.Person{Email: fmt.Sprintf("person-%d@example.org", n)}}
}

// outbox stores a ticket with one delivery for each due time. Each goes to another
// person, so that none waits for another.
func (k *kit) outbox(due ...time.Time) []ticket.Delivery {
	k.Helper()
	c := k.opened(acme)
	var list []ticket.Delivery
	for i, at := range due {
		d := k.delivery(c.Ticket)
		d.Due, d.To = at, to(i)
		list = append(list, d)
	}
	k.put(ticket.Commit{Changes: []ticket.Change{c}, Deliveries: list})
	return list
}

// receiptFor returns a receipt of the key for the ticket.
func receiptFor(t ticket.Ticket, key string) *ticket.Receipt {
	return &ticket.Receipt{
		Tenant: t.Tenant, Key: key, Ticket: t.ID, Version: t.Version,
		Request: sha256.Sum256([]byte(key)), At: clock,
	}
}

// asCommitted returns a claimed delivery as it was before the claim, for cases that are
// not about claims.
func asCommitted(claimed []ticket.Delivery) []ticket.Delivery {
	out := slices.Clone(claimed)
	for i := range out {
		out[i].State, out[i].Attempts, out[i].Until = ticket.DeliveryPending, 0, time.Time{}
	}
	return out
}

func settlement(d ticket.Delivery, o ticket.DeliveryState) ticket.Settlement {
	return ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: o, At: clock, Failures: d.Failures}
}
