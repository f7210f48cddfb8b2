package ticket

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Notifier carries notifications to people. Implementations must be safe for
// concurrent use, and should return soon after ctx is done.
//
// Delivery is at least once: after a crash, a lost lease or an error, the same
// notification comes again with the same ID, by which a receiver can tell. An
// error means that it was not delivered: it is tried again later, unless the
// error is marked with [Permanent]. A panic counts as an error.
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// NotifierFunc is a function that is a [Notifier].
type NotifierFunc func(ctx context.Context, n Notification) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }

// Permanent marks an error of a [Notifier] as one that no further attempt will
// mend, such as an address that does not exist.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Kind says what a notification tells.
type Kind string

// The kinds for customers.
const (
	KindReceived  Kind = "received"  // the confirmation, with the number; to the requester's own act as well
	KindAnswered  Kind = "answered"  // the desk wrote
	KindAsked     Kind = "asked"     // the desk wants to know something; the customer's turn
	KindCustomer  Kind = "customer"  // a customer wrote; to the others, and to the agent who has it
	KindEscalated Kind = "escalated" // it changed level
	KindSolved    Kind = "solved"
	KindReopened  Kind = "reopened"
	KindClosed    Kind = "closed"
	KindCancelled Kind = "cancelled"
	KindMerged    Kind = "merged" // it goes on under another number; the old one stays valid
)

// The kinds for agents; KindCustomer is one as well.
const (
	KindQueued   Kind = "queued"   // to a queue at a level: there is work
	KindAssigned Kind = "assigned" // to an agent: it is yours
)

// Recipient is who is to be told: a customer (Role Requesters or Followers, and
// the Person), an agent (Role Agents, and the Person's ID), or everybody who
// serves a queue at a level (Role Agents, and no Person).
type Recipient struct {
	Role   Role   `json:"role"`
	Person Person `json:"person,omitzero"`
	Queue  string `json:"queue,omitempty"`
	Level  int    `json:"level,omitempty"`
}

// Notification is what a [Notifier] is given. It says only what every recipient
// may know: there is no note in it, and no queue but the one of a recipient that
// is a queue.
type Notification struct {
	ID      ID        `json:"id"` // of the delivery: the same at every attempt
	Kind    Kind      `json:"kind"`
	To      Recipient `json:"to"`
	Attempt int       `json:"attempt"` // 1, 2, 3 …

	Tenant  string    `json:"tenant,omitempty"`
	Ticket  ID        `json:"ticket"`
	Number  Number    `json:"number"`
	Seq     int64     `json:"seq"` // the event it tells of
	At      time.Time `json:"at"`  // of that event
	Subject string    `json:"subject"`
	Phase   Phase     `json:"phase"`          // after that event
	With    string    `json:"with,omitempty"` // who has the ticket after that event, such as "with the specialists"
	Into    Number    `json:"into,omitempty"` // the number it goes on under, for KindMerged

	// Message and Attachments are those of the event; empty where it has none,
	// or where they were erased since.
	Message     Message      `json:"message,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// notice is one thing to be told to one recipient.
type notice struct {
	kind Kind
	to   Recipient
}

// deliveries appends the outbox rows for an event that took a ticket from
// before to after.
func (d *Desk) deliveries(rows []Delivery, before, after *Ticket, e *Event) []Delivery {
	if len(d.vias) == 0 {
		return rows
	}
	var space [8]notice
	for _, n := range notices(space[:0], before, after, e) {
		for _, via := range d.vias {
			rows = append(rows, Delivery{
				ID: d.cfg.NewID(e.At), Tenant: after.Tenant, Ticket: after.ID, Seq: e.Seq,
				Kind: n.kind, Via: via, To: n.to, Created: e.At, Due: e.At, State: Pending,
			})
		}
	}
	return rows
}

// notices lists who is to be told what of an event. Nobody is told of an act of
// their own, but for the confirmation that a ticket was received.
func notices(list []notice, before, after *Ticket, e *Event) []notice {
	byCustomer := e.By.Role&Customers != 0
	if kind := customerKind(before, e); kind != "" {
		if kind == KindReceived || !byCustomer || !e.Actor.Same(after.Requester) {
			list = append(list, notice{kind, Recipient{Role: Requesters, Person: after.Requester}})
		}
		for _, f := range after.Followers {
			if !f.Same(after.Requester) && (!byCustomer || !e.Actor.Same(f)) {
				list = append(list, notice{kind, Recipient{Role: Followers, Person: f}})
			}
		}
	}
	actsAs := func(agent string) bool { return e.By.Role == Agents && e.By.ID == agent }
	switch {
	case after.Assignee != "" && after.Assignee != before.Assignee:
		if !actsAs(after.Assignee) {
			list = append(list, notice{KindAssigned, Recipient{Role: Agents, Person: Person{ID: after.Assignee}}})
		}
	case after.Assignee != "":
		if byCustomer && (e.Message != "" || len(e.Attachments) > 0) {
			list = append(list, notice{KindCustomer, Recipient{Role: Agents, Person: Person{ID: after.Assignee}}})
		}
	case !after.Phase.Done() && (e.From != e.To || e.Set.Queue != nil):
		list = append(list, notice{KindQueued, Recipient{Role: Agents, Queue: after.Queue, Level: after.Level}})
	}
	return list
}

// customerKind says what an event is to the customers of a ticket; "" if it is
// nothing to them.
func customerKind(before *Ticket, e *Event) Kind {
	entered := e.Phase != before.Phase
	switch {
	case e.Seq == 1:
		return KindReceived
	case e.Set.MergedInto != nil && !e.Set.MergedInto.IsZero():
		return KindMerged
	case e.Reopens(before.Phase):
		return KindReopened
	case entered && e.Phase == PhaseSolved:
		return KindSolved
	case entered && e.Phase == PhaseClosed && e.To.Status == StatusCancelled:
		return KindCancelled
	case entered && e.Phase == PhaseClosed:
		return KindClosed
	case e.Phase == PhaseYourTurn && (entered || e.Answer):
		return KindAsked
	case e.Answer:
		return KindAnswered
	case e.By.Role&Customers != 0 && (e.Message != "" || len(e.Attachments) > 0):
		return KindCustomer
	case e.From.Level != e.To.Level && !e.Phase.Done():
		return KindEscalated
	case e.Message != "" || len(e.Attachments) > 0:
		return KindAnswered // words of a system
	}
	return ""
}

// notification builds what the notifier gets, from the ticket and the event as
// they are stored now.
func (d *Desk) notification(ctx context.Context, row Delivery) (Notification, error) {
	t, err := d.store.Ticket(ctx, row.Tenant, row.Ticket)
	var events []Event
	if err == nil {
		events, err = d.store.Events(ctx, row.Tenant, row.Ticket, row.Seq-1, 1)
	}
	if errors.Is(err, ErrNotFound) {
		err = Permanent(err)
	}
	if err != nil {
		return Notification{}, err
	}
	if len(events) != 1 || events[0].Seq != row.Seq {
		return Notification{}, Permanent(&ChainError{Ticket: row.Ticket, Seq: row.Seq, Fault: Removed, Detail: "the event to tell of is missing"})
	}
	e := events[0]
	n := Notification{
		ID: row.ID, Kind: row.Kind, To: row.To, Attempt: row.Attempts,
		Tenant: row.Tenant, Ticket: t.ID, Number: t.Number, Seq: e.Seq, At: e.At,
		Subject: t.Subject, Phase: e.Phase,
		Message: e.Message, Attachments: publicAttachments(e.Attachments),
	}
	if w, err := d.workflowOf(&t); err == nil && !e.Phase.Done() {
		n.With = w.LevelName(e.To.Level)
	}
	if e.Set.MergedInto != nil {
		for _, l := range append(e.Set.AddLinks, t.Links...) {
			if l.Ticket == *e.Set.MergedInto {
				n.Into = l.Number
				break
			}
		}
	}
	return n, nil
}

// LogNotifier is a [Notifier] that writes a line to a log for every notification
// and tells nobody: for a first try, and for hosts that look at the log. It
// writes the kind, the number and the role of the recipient, nothing personal.
type LogNotifier struct {
	Logger *slog.Logger // nil: slog.Default
	Level  slog.Level   // default: Info
}

// Notify implements [Notifier].
func (l LogNotifier) Notify(ctx context.Context, n Notification) error {
	log := l.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Log(ctx, l.Level, "ticket notification", "id", n.ID.String(), "kind", string(n.Kind),
		"number", string(n.Number), "to", n.To.Role.String(), "attempt", n.Attempt)
	return nil
}

// isPermanent reports whether no further attempt will help.
func isPermanent(err error) bool {
	_, permanent := errors.AsType[*permanentError](err)
	return permanent
}
