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
// A notifier may be a [NotifierChecker], a [StatusLinkChecker] and a [LimitedNotifier] as well.
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// NotifierFunc is a function that is a [Notifier].
type NotifierFunc func(ctx context.Context, n Notification) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }

// NotifierChecker is a [Notifier] that can say beforehand whether it has words for
// everything that it may be given. [NewDesk] asks, and fails with its error, so
// that a missing template is found at the start and not by a customer.
type NotifierChecker interface {
	// Check returns nil, or why a notification of one of the kinds could not be
	// made. It must not reach out to anything.
	Check(kinds []Kind) error
}

// StatusLinkChecker is a [Notifier] that puts status links into what it sends. [NewDesk]
// asks it, with one that Links.URL makes for no tenant, and fails with its error, so
// that an address which it cannot take is found at the start and is not a link that
// is missing.
type StatusLinkChecker interface {
	// CheckStatusLink returns nil, or why the address can be no link. It must not reach out
	// to anything.
	CheckStatusLink(address string) error
}

// LimitedNotifier is a [Notifier] that says how it works, so that an attempt begins only when
// the notifier has what it needs for it, and has all of its time then. One that is
// wrapped around another passes on what that says.
type LimitedNotifier interface {
	// Limits is asked once, when the relay begins. It must be quick.
	Limits() NotifierLimits
}

// NotifierLimits is how a notifier works; what is 0 it does not say.
type NotifierLimits struct {
	Concurrency int           // how many attempts it makes at the same time: the relay begins no more, of up to Relay.Batch
	Timeout     time.Duration // how long one attempt may take: the lease is made longer than that, if Relay.Lease is not
}

// paceOf asks a notifier.
func paceOf(n Notifier) (p NotifierLimits) {
	if paced, ok := n.(LimitedNotifier); ok {
		if err := safely("Pace", func() error { p = paced.Limits(); return nil }); err != nil {
			return NotifierLimits{}
		}
	}
	return p
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

// SenderFault marks an error of a [Notifier] as one that lies on this side, and
// neither in the recipient nor in what is told: credentials, a sender that is not
// allowed, a quota. It is tried again as any other, and logged as an error.
func SenderFault(err error) error { return mark(err, refusal{own: true}) }

// MaybeDelivered marks an error of a [Notifier] as one after which nobody knows whether the
// notification arrived, such as an answer that never came. The next attempt could
// bring it twice, so it is made late, after twice Relay.MaxBackoff, and further ones
// after days; few such errors end the delivery. Its history says "perhaps
// delivered".
func MaybeDelivered(err error) error { return mark(err, refusal{unsure: true}) }

// NotAttempted marks an error of a [Notifier] as one of an attempt that never began,
// because there was no room for it. It counts as no failure, and another is made
// soon.
func NotAttempted(err error) error { return mark(err, refusal{idle: true}) }

// refusal is what a notifier says of its error.
type refusal struct {
	err     error
	final   bool          // no further attempt
	bounced bool          // and none to this address
	own     bool          // the fault is on this side
	unsure  bool          // perhaps it was delivered
	idle    bool          // nothing was tried
	wait    time.Duration // not before
}

func mark(err error, r refusal) error {
	if err == nil {
		return nil
	}
	inner := refusalOf(err)
	r.err, r.own, r.unsure, r.wait = err, r.own || inner.own, r.unsure || inner.unsure, max(r.wait, inner.wait)
	return &r
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// DeliveryFault is how the error of a [Notifier] is marked. The zero Refusal means that
// it is not: the delivery is tried again when the relay sees fit.
type DeliveryFault struct {
	Permanent      bool          // by Permanent or Bounce: no attempt will help
	Bounced        bool          // by Bounce: the address is to blame
	SenderFault    bool          // by SenderFault: this side is to blame
	MaybeDelivered bool          // by Unsure: perhaps it was delivered
	NotAttempted   bool          // by NotAttempted: nothing was tried
	After          time.Duration // by RetryAfter: how long to wait at least
}

// DeliveryFaultOf returns how an error is marked, for notifiers that are made of
// others: one that telephones where mail bounces, say. Of an error that is marked
// more than once, the outer mark says whether another attempt is made; what
// [SenderFault], [MaybeDelivered] and [RetryAfter] said below it holds as well.
func DeliveryFaultOf(err error) DeliveryFault {
	r := refusalOf(err)
	return DeliveryFault{Permanent: r.final, Bounced: r.bounced, SenderFault: r.own, MaybeDelivered: r.unsure, NotAttempted: r.idle, After: r.wait}
}

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
	KindAdded     Kind = "added"  // the recipient is its requester or one of its followers from now on
)

// The kinds for agents. KindCustomer is one as well, and KindMerged is told to the
// agent who had the ticket.
const (
	KindQueued    Kind = "queued"    // to a queue at a level: there is work
	KindEscalated Kind = "escalated" // to a queue at a level: there is work that a lower level handed up
	KindAssigned  Kind = "assigned"  // to an agent: it is yours

	// KindUnassigned is told to an agent from whom another agent or a system took
	// the ticket.
	KindUnassigned Kind = "unassigned"
)

// KindEvent is the kind of every notification to a stream, see [Config].EventNotifiers.
const KindEvent Kind = "event"

// Kinds lists the kinds of notifications that recipients with any of these roles
// can get, each kind once: [RoleCustomer] for customers, [RoleAgent] for agents
// and queues, [RoleSystem] for event notifiers, [RoleAny] for all kinds.
func Kinds(role Role) []Kind {
	var list []Kind
	if role&RoleCustomer != 0 {
		list = append(list, KindReceived, KindUploaded, KindAnswered, KindAsked, KindCustomer, KindHanded,
			KindSolved, KindReopened, KindClosed, KindCancelled, KindMerged, KindAdded)
	}
	if role&RoleAgent != 0 {
		list = append(list, KindQueued, KindEscalated, KindAssigned, KindUnassigned)
		if role&RoleCustomer == 0 { // else it is in the list already
			list = append(list, KindCustomer)
		}
	}
	if role&RoleSystem != 0 {
		list = append(list, KindEvent)
	}
	return list
}

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
// where there is none; an agent's ID is another than a customer's. Letters A to
// Z of an address count in either case, and its domain in Unicode as in ASCII,
// with a dot at its end or without.
func (r Recipient) Key() string {
	switch p := r.Person; {
	case p.Email != "":
		return "mail:" + mailbox(p.Email)
	case p.ID != "" && r.Role == RoleAgent:
		return "agent:" + p.ID
	case p.ID != "":
		return "id:" + p.ID
	case p.Phone != "":
		return "phone:" + p.Phone
	case r.Role == RoleSystem:
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

	// StatusLink is the status link of a recipient who is a customer, where
	// Config.StatusLinks makes such; see [StatusLinks]. Whoever has it can see the ticket,
	// so it is no part of the JSON form, and does not belong into a log.
	StatusLink string `json:"-"`

	// Event is what happened, for KindEvent only: the whole event but for notes,
	// salts and digests, which stay inside.
	Event *Event `json:"event,omitempty"`
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
