package ticket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Notifier carries notifications to people, or to other systems. Implementations
// must be safe for concurrent use, and should return soon after ctx is done.
//
// Delivery is at least once: after a crash, a lost lease or an error, the same
// notification comes again with the same ID, by which a receiver can tell. An
// error means that it was not delivered: it is tried again later, unless the
// error is marked with [Permanent] or [Bounce]; [RetryAfter] says when. A panic
// counts as an error.
//
// A notifier may be a [Checker] as well.
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// NotifierFunc is a function that is a [Notifier].
type NotifierFunc func(ctx context.Context, n Notification) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }

// Checker is a [Notifier] that can say beforehand whether it has words for
// everything that it may be given. [NewDesk] asks, and fails with its error, so
// that a missing template is found at the start and not by a customer.
type Checker interface {
	// Check returns nil, or why a notification of one of the kinds could not be
	// made. It must not reach out to anything.
	Check(kinds []Kind) error
}

// Permanent marks an error of a [Notifier] as one that no further attempt will
// mend, such as a message that is refused for what it says. The delivery is dead
// at once.
func Permanent(err error) error { return mark(err, refusal{final: true}) }

// Bounce marks an error of a [Notifier] as one that lies in the recipient's
// address: it does not exist, or takes nothing any more. The delivery is given
// up at once, and until that is lifted with [Desk.Redrive] nothing more is sent
// to the address by this notifier.
func Bounce(err error) error { return mark(err, refusal{final: true, bounced: true}) }

// RetryAfter marks an error of a [Notifier] as one that comes with the
// receiver's wish for when to be asked again, as HTTP's Retry-After does. The
// next attempt is made no earlier, but for waits of more than a day, which are
// cut to one.
func RetryAfter(err error, wait time.Duration) error {
	return mark(err, refusal{wait: min(max(wait, 0), 24*time.Hour)})
}

// refusal is what a notifier says of its error.
type refusal struct {
	err     error
	final   bool          // no further attempt
	bounced bool          // and none to this address
	wait    time.Duration // not before
}

func mark(err error, r refusal) error {
	if err == nil {
		return nil
	}
	r.err = err
	return &r
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// refusalOf returns what was said of an error; the zero refusal if nothing was.
func refusalOf(err error) refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return *r
	}
	return refusal{}
}

// Kind says what a notification tells.
type Kind string

// The kinds for customers.
const (
	KindReceived  Kind = "received"  // the confirmation, with the number; to the requester's own act as well
	KindUploaded  Kind = "uploaded"  // files arrived: the receipt for whoever sent them
	KindAnswered  Kind = "answered"  // the desk wrote
	KindAsked     Kind = "asked"     // the desk wants to know something; the customer's turn
	KindCustomer  Kind = "customer"  // a customer wrote or sent files; to the others, and to the agent or the queue that has it
	KindHanded    Kind = "handed on" // another level or department has it now
	KindSolved    Kind = "solved"
	KindReopened  Kind = "reopened"
	KindClosed    Kind = "closed"
	KindCancelled Kind = "cancelled"
	KindMerged    Kind = "merged" // it goes on under another number; the old one stays valid
)

// The kinds for agents; KindCustomer is one as well.
const (
	KindQueued    Kind = "queued"    // to a queue at a level: there is work
	KindEscalated Kind = "escalated" // to a queue at a level: there is work that a lower level handed up
	KindAssigned  Kind = "assigned"  // to an agent: it is yours
)

// KindEvent is the kind of every notification to a stream, see [Config].Streams.
const KindEvent Kind = "event"

// CustomerKinds lists the kinds that a customer may be told.
func CustomerKinds() []Kind {
	return []Kind{KindReceived, KindUploaded, KindAnswered, KindAsked, KindCustomer, KindHanded,
		KindSolved, KindReopened, KindClosed, KindCancelled, KindMerged}
}

// AgentKinds lists the kinds that an agent or a queue may be told.
func AgentKinds() []Kind { return []Kind{KindQueued, KindEscalated, KindAssigned, KindCustomer} }

// Recipient is who is to be told: a customer (Role Requesters or Followers, and
// the Person), an agent (Role Agents, and the Person's ID), everybody who serves
// a queue at a level (Role Agents, and no Person), or a stream (Role Systems).
type Recipient struct {
	Role   Role   `json:"role"`
	Person Person `json:"person,omitzero"`
	Queue  string `json:"queue,omitempty"`
	Level  int    `json:"level,omitempty"`
}

// Key names the recipient: deliveries with equal keys go to the same address,
// in the case of a person the e-mail address, or the ID or the phone number
// where there is none. Letters A to Z of an address count in either case.
func (r Recipient) Key() string {
	switch p := r.Person; {
	case p.Email != "":
		return "mail:" + asciiLower(p.Email)
	case p.ID != "":
		return "id:" + p.ID
	case p.Phone != "":
		return "phone:" + p.Phone
	case r.Role == Systems:
		return "stream:"
	default:
		return fmt.Sprintf("queue:%d:%s", r.Level, r.Queue)
	}
}

// Notification is what a [Notifier] is given. It says only what every recipient
// may know: there is no note in it, and no queue but the one of a recipient that
// is a queue. Only what goes to a stream has an Event.
type Notification struct {
	ID       ID        `json:"id"`                // of the delivery: the same at every attempt
	Previous ID        `json:"previous,omitzero"` // of the last delivery about this ticket that reached this recipient this way; zero if none did
	Kind     Kind      `json:"kind"`
	To       Recipient `json:"to"`      // completed by Config.Profile
	Attempt  int       `json:"attempt"` // 1, 2, 3 …

	Tenant  string    `json:"tenant,omitempty"`
	Ticket  ID        `json:"ticket"`
	Number  Number    `json:"number"`
	Seq     int64     `json:"seq"` // the event it tells of
	At      time.Time `json:"at"`  // of that event
	Subject string    `json:"subject"`
	Phase   Phase     `json:"phase"`            // after that event
	With    string    `json:"with,omitempty"`   // who has the ticket after that event, such as "with the specialists"
	Writer  string    `json:"writer,omitempty"` // the name of who wrote, where the recipient may know it
	Into    Number    `json:"into,omitempty"`   // the number it goes on under, for KindMerged

	Expected    time.Time `json:"expected,omitzero"`     // when an answer can be expected, where Config.Expected says so
	ReopenUntil time.Time `json:"reopen_until,omitzero"` // until when a reply reopens it, once it is solved or closed

	// Message and Attachments are those of the event; empty where it has none,
	// or where they were erased since.
	Message     Message      `json:"message,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`

	// Zone is the recipient's time zone, for showing times; UTC where none is
	// known, never nil on what a desk hands out.
	Zone *time.Location `json:"-"`

	// Link is the status link of a recipient who is a customer, where
	// Config.Links makes such; see [Links]. Whoever has it can see the ticket,
	// so it is no part of the JSON form, and does not belong into a log.
	Link string `json:"-"`

	// Event is what happened, for KindEvent only: the whole event but for notes,
	// salts and digests, which stay inside.
	Event *Event `json:"event,omitempty"`
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
