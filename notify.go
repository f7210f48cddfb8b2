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
// The log of a failed attempt has no text of the error, because that may name a person. An error
// with a method LogValue ([slog.LogValuer]) says what the log may have.
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

// limitsOf returns the limits of a notifier. Zero means that it states none.
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

	// Bounced says that the recipient's address does not exist or no longer accepts
	// messages. It implies Permanent. The notifier sends nothing more to a customer's
	// address that bounced, until [Desk.Redrive] allows it again.
	Bounced bool

	// SenderFault says that the sender is at fault, not the recipient or the
	// message: credentials, a sender that is not allowed, a quota. The delivery is
	// tried again as after any other error, and the failure is logged as an error.
	SenderFault bool

	// MaybeDelivered says that it is unknown whether the notification arrived, for
	// example because no answer came. The next attempt could deliver it twice, so it
	// is made late, after twice Relay.MaxBackoff, and further ones after days. A few
	// such errors end the delivery. Its history says "perhaps delivered".
	MaybeDelivered bool

	// NotAttempted says that the attempt never began, because there was no room for
	// it. It does not count as a failure, and another attempt is made soon.
	// Permanent overrides it.
	NotAttempted bool

	// RetryAfter is the wait that the receiver asks for, as with HTTP's Retry-After.
	// The next attempt is made no earlier. Zero means that the receiver did not ask.
	// More than a day counts as a day.
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
	KindReceived  Kind = "received"  // the confirmation, with the number; sent for the requester's own action too
	KindUploaded  Kind = "uploaded"  // files arrived: the receipt for the sender
	KindAnswered  Kind = "answered"  // the desk wrote
	KindAsked     Kind = "asked"     // the desk asked a question; the customer is to answer
	KindCustomer  Kind = "customer"  // a customer wrote or sent files; for the others, and for the agent or the queue that has the ticket
	KindHanded    Kind = "handed on" // another level or department has the ticket now
	KindSolved    Kind = "solved"
	KindReopened  Kind = "reopened"
	KindClosed    Kind = "closed"
	KindCancelled Kind = "cancelled"
	KindMerged    Kind = "merged" // the ticket was merged into another; its number stays valid
	KindAdded     Kind = "added"  // the recipient has become the requester or a follower

	// KindRescheduled tells the requester that the first answer will come later than was said
	// before; Notification.Expected is the new time.
	KindRescheduled Kind = "rescheduled"

	// KindLink brings the status link to a person who asked for it; see [Desk.SendStatusLink].
	KindLink Kind = "link"

	// KindFeedback asks the requester to rate the closed ticket; see [Config].Feedback.
	KindFeedback Kind = "feedback"
)

// The kinds for agents. Agents get KindCustomer too, and the agent who had a ticket
// gets KindMerged.
const (
	KindQueued    Kind = "queued"    // to a queue at a level: a ticket waits
	KindEscalated Kind = "escalated" // to a queue at a level: a lower level escalated a ticket
	KindAssigned  Kind = "assigned"  // to an agent: the ticket is yours

	// KindUnassigned is for an agent from whom another agent or a system took the
	// ticket.
	KindUnassigned Kind = "unassigned"

	// KindReminder reminds the agent who has a snoozed ticket, or the queue if nobody has it;
	// see [Edits].Snooze.
	KindReminder Kind = "reminder"

	// KindRated tells the agent who has a ticket, or the queue if nobody has it, that the
	// requester has rated it with a score of 1 or 2; see Notification.Score.
	KindRated Kind = "rated"
)

// The kinds for the recipients that a service level policy names: agents, queues and the
// requester. A clock has reached a threshold; see Notification.Metric and Notification.Due.
const (
	KindDueSoon Kind = "due soon" // a target is due soon: a threshold before the breach
	KindOverdue Kind = "overdue"  // a target was missed, and is still to be met
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
			KindSolved, KindReopened, KindClosed, KindCancelled, KindMerged, KindAdded, KindRescheduled, KindLink, KindFeedback, KindDueSoon, KindOverdue)
	}
	if role&RoleAgent != 0 {
		list = append(list, KindQueued, KindEscalated, KindAssigned, KindUnassigned, KindReminder, KindRated)
		if role&RoleCustomer == 0 { // otherwise the list has them already
			list = append(list, KindCustomer, KindDueSoon, KindOverdue)
		}
	}
	if role&RoleSystem != 0 {
		list = append(list, KindEvent)
	}
	return list
}

// Recipient is the recipient of a notification: a customer (RoleRequester or
// RoleFollower, and the Person), an agent (RoleAgent, and the Person's ID), all
// agents of a queue at a level (RoleAgent, and no Person), or an event notifier
// (RoleSystem).
type Recipient struct {
	Role   Role   `json:"role"`
	Person Person `json:"person,omitzero"`
	Queue  string `json:"queue,omitempty"`
	Level  int    `json:"level,omitempty"`
}

// Key identifies the recipient: deliveries with equal keys go to the same address.
// For a person that is the e-mail address, else the ID, else the phone number. An
// agent's ID differs from an equal ID of a customer. The case of the ASCII letters
// of an address does not matter; its domain is the same in Unicode and in ASCII,
// with or without a final dot.
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
	Previous ID        `json:"previous,omitzero"` // of the last delivery about this ticket that this notifier made to this recipient; zero if there is none
	Kind     Kind      `json:"kind"`
	To       Recipient `json:"to"`      // completed by Config.Profile
	Attempt  int       `json:"attempt"` // 1, 2, 3 …

	Tenant  string    `json:"tenant,omitempty"`
	Ticket  ID        `json:"ticket"`
	Number  Number    `json:"number"`
	Seq     int64     `json:"seq"` // of the event
	At      time.Time `json:"at"`  // of that event
	Subject string    `json:"subject"`
	Phase   Phase     `json:"phase"`            // after that event
	With    string    `json:"with,omitempty"`   // the holder of the ticket after that event, such as "with the specialists"
	Writer  string    `json:"writer,omitempty"` // the author's name, if the recipient may know it
	Into    Number    `json:"into,omitempty"`   // for KindMerged: the number of the ticket that it was merged into

	Expected    time.Time `json:"expected,omitzero"`     // when to expect an answer, if that was promised; see Config.ServiceLevels and Config.Expected
	Metric      string    `json:"metric,omitempty"`      // for KindDueSoon and KindOverdue: of the clock; see [Clock].Metric
	Due         time.Time `json:"due,omitzero"`          // for KindDueSoon and KindOverdue: when the target is or was due
	ReopenUntil time.Time `json:"reopen_until,omitzero"` // a reply reopens a solved or closed ticket until this time

	Score int `json:"score,omitempty"` // for KindRated: the rating, 1 to 5; Message is what the requester wrote with it

	// Message and Attachments are those of the event. They are empty if it has none
	// or if they have been erased.
	Message     Message      `json:"message,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`

	// Answers has the Message-IDs of the recipient's own mails that this notification
	// answers: those since the Previous one, oldest first, at most eight. They have no angle
	// brackets; see [Action].MessageID. A letter names them in In-Reply-To and References.
	Answers []string `json:"answers,omitempty"`

	// Zone is the recipient's time zone, for showing times. It is UTC if the zone is
	// unknown. A desk never sets it to nil.
	Zone *time.Location `json:"-"`

	// StatusLink is the status link for a customer, if Config.StatusLinks makes
	// links; see [StatusLinks]. Everyone who has the link can see the ticket. It is
	// therefore not part of the JSON form and must not be logged.
	StatusLink string `json:"-"`

	// Event is the event, for KindEvent only. It has everything except notes, salts
	// and digests, which stay internal.
	Event *Event `json:"event,omitempty"`
}
