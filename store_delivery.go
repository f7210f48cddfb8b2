package ticket

import (
	"cmp"
	"slices"
	"time"
)

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery. All but the first two are settled: nothing more
// happens to it by itself.
const (
	DeliveryPending    DeliveryState = "pending"    // to be made when it is Due, and when those before it in its line are settled
	DeliveryClaimed    DeliveryState = "claimed"    // somebody is at it until Until
	DeliverySent       DeliveryState = "sent"       // the notifier took it, at Settled
	DeliveryDead       DeliveryState = "dead"       // given up; LastError says why
	DeliveryBounced    DeliveryState = "bounced"    // given up, because the address takes nothing; LastError has its words
	DeliverySuppressed DeliveryState = "suppressed" // not sent on purpose; LastError says why
)

// Settled reports whether nothing more happens by itself.
func (s DeliveryState) Settled() bool { return s != DeliveryPending && s != DeliveryClaimed }

var deliveryStates = []DeliveryState{DeliveryPending, DeliveryClaimed, DeliverySent, DeliveryDead, DeliveryBounced, DeliverySuppressed}

// Delivery is one row of the outbox: one notification on its way to one
// recipient by one notifier, and afterwards the record of what became of it. It
// refers to the event it tells of and holds no content, so that erasing an event
// takes the content from here as well.
type Delivery struct {
	ID       ID        `json:"id"` // stays the same through all attempts
	Tenant   string    `json:"tenant,omitempty"`
	Ticket   ID        `json:"ticket"`
	Seq      int64     `json:"seq"` // the event that it tells of
	Kind     Kind      `json:"kind"`
	Notifier string    `json:"via,omitempty"` // the notifier's name
	To       Recipient `json:"to"`

	Created   time.Time     `json:"created"`
	Due       time.Time     `json:"due"` // not before
	State     DeliveryState `json:"state"`
	Attempts  int           `json:"attempts,omitempty"`   // claims so far
	Failures  int           `json:"failures,omitempty"`   // attempts that failed or never ended, since it was made or redriven
	Until     time.Time     `json:"until,omitzero"`       // end of the lease, while claimed
	Settled   time.Time     `json:"settled,omitzero"`     // when it came to its end
	LastError string        `json:"last_error,omitempty"` // of the last attempt that failed, or why it was not sent
	Address   string        `json:"address,omitempty"`    // the e-mail address of the last attempt, where it was another than To has
}

// Key names whom the delivery stands for in queries and briefs: the recipient, as
// [Recipient.Key] has it. Once it is Bounced, that is the address which bounced: a
// recipient of nothing but Address, where there is one.
func (d *Delivery) Key() string {
	if d.State == DeliveryBounced && d.Address != "" {
		return mailTo(d.Address).Key()
	}
	return d.To.Key()
}

// mailTo is somebody of whom nothing but an e-mail address is known.
func mailTo(address string) Recipient { return Recipient{Person: Person{Email: address}} }

// Before reports whether both deliveries stand in the same line and d comes
// first; see [Store].Claim.
func (d *Delivery) Before(o *Delivery) bool {
	return d.Ticket == o.Ticket && d.Notifier == o.Notifier && cmp.Or(cmp.Compare(d.Seq, o.Seq), d.ID.Compare(o.ID)) < 0 && d.To.Key() == o.To.Key()
}

// Settlement is the outcome of one attempt.
type Settlement struct {
	ID       ID
	Attempts int // of the claim; a settlement of an older claim is void
	Outcome  Outcome
	At       time.Time // when it ended
	Failures int       // attempts that failed so far
	Due      time.Time // when to try again, for Again
	Error    string    // what went wrong, or why it was not sent; empty for Done
	Address  string    // becomes that of the delivery

	loud bool // for the log: somebody of this side has to do something
}

// Check reports a settlement that makes no sense as an [*InvalidError].
func (s Settlement) Check() error {
	if s.Outcome < OutcomeDone || s.Outcome > OutcomeSuppress {
		return invalid("settlement.outcome", "must be done, again, give up, bounce back or suppress")
	}
	if s.At.IsZero() {
		return invalid("settlement.at", "is missing: when it ended")
	}
	if s.Outcome == OutcomeRetry && s.Due.IsZero() {
		return invalid("settlement.due", "is missing: when to try again")
	}
	if s.Outcome != OutcomeRetry {
		s.Due = time.Time{} // nobody looks at it
	}
	return checkTimes(namedTime{"settlement.at", s.At}, namedTime{"settlement.due", s.Due})
}

// Outcome says what becomes of a delivery after an attempt.
type Outcome uint8

// The outcomes.
const (
	OutcomeDone     Outcome = iota + 1 // delivered: Sent
	OutcomeRetry                       // failed: another attempt at Due
	OutcomeGiveUp                      // failed for good: Dead
	OutcomeBounce                      // failed for good, and so will all others to the address: Bounced
	OutcomeSuppress                    // not to be sent: Suppressed
)

// State returns the state that the outcome leads to; "" for one that is none.
func (o Outcome) State() DeliveryState {
	if o < OutcomeDone || o > OutcomeSuppress {
		return ""
	}
	return [...]DeliveryState{DeliverySent, DeliveryPending, DeliveryDead, DeliveryBounced, DeliverySuppressed}[o-1]
}

// String returns the outcome's name.
func (o Outcome) String() string {
	if o < OutcomeDone || o > OutcomeSuppress {
		return "none"
	}
	return [...]string{"done", "again", "give up", "bounce back", "suppress"}[o-1]
}

// DeliveryQuery asks for deliveries. Conditions that are given must all hold;
// within a list one is enough. A list has at most 1000 values.
type DeliveryQuery struct {
	Tenant string // set by the desk to the actor's own

	IDs       []ID
	Ticket    ID // of this ticket; zero: of any
	State     []DeliveryState
	Kind      []Kind
	Notifiers []string  // of these notifiers; none: of any
	To        Recipient // whose Delivery.Key is the Key of this one; zero: to anybody

	SettledFrom   time.Time // settled, and not before
	SettledBefore time.Time // settled, and before

	After ID  // go on behind this one: with those of lesser IDs; zero: from the newest on
	Limit int // deliveries a page, 1 to MaxLimit; 0: DefaultLimit
}

// DeliveryPage is one page of deliveries.
type DeliveryPage struct {
	Deliveries []Delivery
	Next       ID // for DeliveryQuery.After; zero: there is no more
}

// Check reports a query that makes no sense as an [*InvalidError]. Stores call
// it first.
func (q DeliveryQuery) Check() error {
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid("query.limit", "must be 1 to %d, or 0 for %d", MaxLimit, DefaultLimit)
	}
	if n := max(len(q.IDs), len(q.State), len(q.Kind), len(q.Notifiers)); n > maxAlternatives {
		return invalid("query", "has a list of %d values, at most %d are taken", n, maxAlternatives)
	}
	for _, s := range q.State {
		if !slices.Contains(deliveryStates, s) {
			return invalid("query.state", "must be some of %q", deliveryStates)
		}
	}
	return checkTimes(namedTime{"query.settled_from", q.SettledFrom}, namedTime{"query.settled_before", q.SettledBefore})
}

// PageSize returns Limit, or DefaultLimit where none is given.
func (q DeliveryQuery) PageSize() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// Match reports whether the delivery is one the query asks for, After included.
// Stores in memory use it; others must do the same in their own terms.
func (q DeliveryQuery) Match(d *Delivery) bool {
	settled := q.SettledFrom.IsZero() && q.SettledBefore.IsZero() ||
		!d.Settled.IsZero() && within(d.Settled, q.SettledFrom, q.SettledBefore)
	return q.Tenant == d.Tenant && settled &&
		oneOf(q.IDs, d.ID) &&
		(q.Ticket.IsZero() || q.Ticket == d.Ticket) &&
		oneOf(q.State, d.State) && oneOf(q.Kind, d.Kind) && oneOf(q.Notifiers, d.Notifier) &&
		(q.To == Recipient{} || q.To.Key() == d.Key()) &&
		(q.After.IsZero() || d.ID.Compare(q.After) < 0)
}

// NewPage makes a page of the deliveries that a store found: all that match, in
// order, one more than fits at least where there are more.
func (q DeliveryQuery) NewPage(found []Delivery) DeliveryPage {
	n := q.PageSize()
	if len(found) <= n {
		return DeliveryPage{Deliveries: found}
	}
	return DeliveryPage{Deliveries: found[:n:n], Next: found[n-1].ID}
}

// DeliveryUpdate changes the state of deliveries that are settled; see [Store].Revise.
type DeliveryUpdate struct {
	Tenant string
	IDs    []ID            // at most 1000
	From   []DeliveryState // only those in one of these; none: nothing is changed
	To     DeliveryState   // Pending or Bounced
	At     time.Time
	Error  string
}

// Check reports a revision that makes no sense as an [*InvalidError].
func (r DeliveryUpdate) Check() error {
	if len(r.IDs) > maxAlternatives {
		return invalid("revision.ids", "has %d values, at most %d are taken", len(r.IDs), maxAlternatives)
	}
	for _, s := range r.From {
		if !slices.Contains(deliveryStates, s) || !s.Settled() {
			return invalid("revision.from", "must be sent, dead, bounced or suppressed")
		}
	}
	if r.To != DeliveryPending && r.To != DeliveryBounced {
		return invalid("revision.to", "must be pending or bounced")
	}
	if r.At.IsZero() {
		return invalid("revision.at", "is missing")
	}
	return checkTimes(namedTime{"revision.at", r.At})
}
