package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Notifier sends notifications to people or to other systems. Implementations must
// be safe for concurrent use, and should return soon after ctx is done.
//
// Delivery is at least once: after a crash, a lost lease or an error, the same
// notification comes again with the same ID, so that a receiver can recognize it.
// An error means that it was not delivered. It is tried again later, unless the
// error is a [DeliveryFault] that says otherwise. A panic counts as an error.
//
// A notifier may also be a [NotifierChecker] and a [LimitedNotifier].
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// NotifierFunc is a function that is a [Notifier].
type NotifierFunc func(ctx context.Context, n Notification) error

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }

// NotifierChecker is a [Notifier] that can check before the first notification
// whether it can send everything that it may be given. [NewDesk] calls Check and
// fails with its error, so that a missing template or an unusable address is found
// at the start.
type NotifierChecker interface {
	// Check returns an error if the notifier cannot send one of the kinds, or cannot
	// use statusLink, an example of a status link that Config.StatusLinks.URL makes
	// for no tenant. An empty statusLink means that there is none to check. Check
	// must not access the network.
	Check(kinds []Kind, statusLink string) error
}

// LimitedNotifier is a [Notifier] that states its limits, so that the relay begins
// an attempt only when the notifier has room for it, and with a lease that is long
// enough. A notifier that wraps another one should pass on its limits.
type LimitedNotifier interface {
	// Limits returns how many attempts the notifier makes at the same time, and how
	// long one attempt may take. Zero, or less, means that it states no limit. The
	// relay begins no more than concurrency attempts, and never more than Relay.Batch.
	// It makes a lease longer than timeout if Relay.Lease is not. Limits is called
	// when the relay starts and must return quickly.
	Limits() (concurrency int, timeout time.Duration)
}

// limitsOf returns the limits of a notifier; zero for those it does not state.
func limitsOf(n Notifier) (concurrency int, timeout time.Duration) {
	limited, ok := n.(LimitedNotifier)
	if !ok {
		return 0, 0
	}
	err := safely("Limits", func() error { concurrency, timeout = limited.Limits(); return nil })
	if err != nil {
		return 0, 0
	}
	return concurrency, timeout
}

// DeliveryFault is an error of a [Notifier] that says what the failure means for
// the next attempts:
//
//	return &ticket.DeliveryFault{Err: err, Permanent: true}
//
// With all other fields zero, it is handled as any other error: the delivery is
// tried again after Relay.Backoff.
type DeliveryFault struct { //nolint:errname // a fault of a delivery, read by DeliveryFaultOf
	Err error // the cause

	// Permanent says that no further attempt will help, for example because the
	// message is refused for its content. The delivery is dead at once.
	Permanent bool

	// Bounced says that the recipient's address does not exist or accepts nothing
	// any more. It implies Permanent. The notifier sends nothing more to a customer's
	// address that bounced, until [Desk.Redrive] lifts that.
	Bounced bool

	// SenderFault says that the fault is on this side, not in the recipient or the
	// message: credentials, a sender that is not allowed, a quota. The delivery is
	// tried again as after any other error, and the failure is logged as an error.
	SenderFault bool

	// MaybeDelivered says that nobody knows whether the notification arrived, for
	// example because an answer never came. The next attempt could deliver it twice,
	// so it is made late, after twice Relay.MaxBackoff, and further ones after days.
	// A few such errors end the delivery. Its history says "perhaps delivered".
	MaybeDelivered bool

	// NotAttempted says that the attempt never began, because there was no room for
	// it. It does not count as a failure, and another attempt is made soon.
	// Permanent overrides it.
	NotAttempted bool

	// RetryAfter is how long the receiver asks to be left alone, as HTTP's
	// Retry-After does. The next attempt is made no earlier. Zero means that it did
	// not say, and more than a day counts as a day.
	RetryAfter time.Duration
}

// Error returns the text of the cause.
func (f *DeliveryFault) Error() string {
	if f == nil || f.Err == nil {
		return "ticket: the delivery failed"
	}
	return f.Err.Error()
}

// Unwrap returns the cause.
func (f *DeliveryFault) Unwrap() error {
	if f == nil {
		return nil
	}
	return f.Err
}

// DeliveryFaultOf returns the [DeliveryFault] in an error's tree, as the relay
// understands it: Bounced implies Permanent, and RetryAfter is between zero and a
// day. It is for notifiers that call others, such as one that telephones when mail
// bounces. Of a fault inside another one, the outer one decides whether another
// attempt is made; SenderFault, MaybeDelivered and RetryAfter of the inner one
// hold as well. DeliveryFaultOf returns the zero DeliveryFault if there is none.
func DeliveryFaultOf(err error) DeliveryFault {
	p, ok := errors.AsType[*DeliveryFault](err)
	if !ok || p == nil {
		return DeliveryFault{}
	}
	f, inner := *p, DeliveryFaultOf(p.Err)
	f.Permanent = f.Permanent || f.Bounced
	f.SenderFault = f.SenderFault || inner.SenderFault
	f.MaybeDelivered = f.MaybeDelivered || inner.MaybeDelivered
	f.RetryAfter = max(min(f.RetryAfter, longestRetryAfter), inner.RetryAfter) // of inner: at least 0
	return f
}

// longestRetryAfter bounds DeliveryFault.RetryAfter.
const longestRetryAfter = 24 * time.Hour

// Kind says what a notification is about.
type Kind string

// The kinds for customers.
const (
	KindReceived  Kind = "received"  // the confirmation, with the number; to the requester's own act as well
	KindUploaded  Kind = "uploaded"  // files arrived: the receipt for the sender
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

// KindEvent is the kind of every notification to an event notifier; see
// [Config].EventNotifiers.
const KindEvent Kind = "event"

// Kinds lists the kinds of notifications that recipients with any of these roles
// can get, each kind once: [RoleCustomer] for customers, [RoleAgent] for agents
// and queues, [RoleSystem] for event notifiers; combine them for more.
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

// Recipient is the recipient of a notification: a customer (RoleRequester or
// RoleFollower, and the Person), an agent (RoleAgent, and the Person's ID), everybody who serves
// a queue at a level (RoleAgent, and no Person), or an event notifier (RoleSystem).
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

// Notification is the input of a [Notifier]. It contains only what its recipient
// may know: no note, and no queue except that of a recipient that is a queue. Only a
// notification to an event notifier has an Event.
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
