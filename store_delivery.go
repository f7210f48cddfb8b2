package ticket

import (
	"cmp"
	"slices"
	"time"
)

// DeliveryState is the state of a [Delivery].
type DeliveryState string

// The states of a delivery. All but DeliveryPending and DeliveryClaimed are settled:
// the delivery no longer changes by itself.
const (
	DeliveryPending    DeliveryState = "pending"    // waits until Due, and until earlier deliveries of its line are settled
	DeliveryClaimed    DeliveryState = "claimed"    // a relay is working on it, until Until
	DeliverySent       DeliveryState = "sent"       // the notifier accepted it, at Settled
	DeliveryDead       DeliveryState = "dead"       // failed for good; LastError says why
	DeliveryBounced    DeliveryState = "bounced"    // failed for good because the address accepts no mail; LastError has the server's reply
	DeliverySuppressed DeliveryState = "suppressed" // not sent on purpose; LastError says why

	// DeliveryUndelivered is a delivery that was sent and came back for another reason than its
	// address, such as its size or content; see [Desk.Undelivered]. LastError has the reason.
	DeliveryUndelivered DeliveryState = "undelivered"
)

// Settled reports whether a delivery in this state no longer changes by itself.
func (s DeliveryState) Settled() bool { return s != DeliveryPending && s != DeliveryClaimed }

var deliveryStates = []DeliveryState{DeliveryPending, DeliveryClaimed, DeliverySent, DeliveryDead, DeliveryBounced, DeliverySuppressed, DeliveryUndelivered}

// Delivery is one notification to one recipient by one notifier. It waits in the
// outbox until it is settled, and then stays as a record. Applications get it from
// [Desk.Deliveries], stores keep it. It refers to its event and holds no content, so
// that erasing the event also removes the content here.
type Delivery struct {
	ID       ID        `json:"id"` // the same for all attempts
	Tenant   string    `json:"tenant,omitempty"`
	Ticket   ID        `json:"ticket"`
	Seq      int64     `json:"seq"` // number of the event that it reports
	Kind     Kind      `json:"kind"`
	Notifier string    `json:"via,omitempty"` // name of the notifier
	To       Recipient `json:"to"`

	Created   time.Time     `json:"created"`
	Due       time.Time     `json:"due"` // earliest time of the next attempt
	State     DeliveryState `json:"state"`
	Attempts  int           `json:"attempts,omitempty"`   // number of claims so far
	Failures  int           `json:"failures,omitempty"`   // attempts that failed or never ended, since the delivery was created or redriven
	Until     time.Time     `json:"until,omitzero"`       // end of the lease, if claimed
	Settled   time.Time     `json:"settled,omitzero"`     // when it was settled
	LastError string        `json:"last_error,omitempty"` // of the last failed attempt, or why it was not sent
	Address   string        `json:"address,omitempty"`    // e-mail address of the last attempt, if it differs from the one in To
}

// Key returns the key that identifies the recipient in a [DeliveryQuery] and in
// DeliveryContexts: [Recipient.Key] of To. If the delivery is Bounced and has an
// Address, it is the key of a recipient with that address only.
func (d *Delivery) Key() string {
	if d.State == DeliveryBounced && d.Address != "" {
		return mailTo(d.Address).Key()
	}
	return d.To.Key()
}

// mailTo returns a recipient with an e-mail address and nothing else.
func mailTo(address string) Recipient { return Recipient{Person: Person{Email: address}} }

// Before (for stores) reports whether both deliveries are in the same line and d comes
// first; see [Store].Claim.
func (d *Delivery) Before(o *Delivery) bool {
	return d.Ticket == o.Ticket && d.Notifier == o.Notifier && cmp.Or(cmp.Compare(d.Seq, o.Seq), d.ID.Compare(o.ID)) < 0 && d.To.Key() == o.To.Key()
}

// ClaimRequest (for stores) selects the deliveries that a relay claims; see
// [Store].Claim.
type ClaimRequest struct {
	Now       time.Time
	Lease     time.Duration // duration of the claim; must be positive
	Limit     int           // maximum number of deliveries; must be positive
	Notifiers []string      // names of the notifiers that the caller serves; none means that nothing is claimed
}

// Check returns an [*InvalidError] if the request is not valid. Stores call it first.
func (r ClaimRequest) Check() error {
	if r.Lease <= 0 {
		return invalid("claim.lease", "must be positive")
	}
	if r.Limit <= 0 {
		return invalid("claim.limit", "must be positive")
	}
	return checkTimes(namedTime{"claim.now", r.Now}, namedTime{"claim.lease, from claim.now on,", r.Now.Add(r.Lease)})
}

// Settlement is the outcome of one attempt at a delivery. Stores receive it in
// [Store].Settle, applications in Relay.Observe.
type Settlement struct {
	ID       ID
	Attempts int // those of the claim; a settlement of an older claim changes nothing
	// State is what the delivery becomes: DeliverySent, DeliveryPending for another
	// attempt at Due, DeliveryDead, DeliveryBounced or DeliverySuppressed.
	State    DeliveryState
	At       time.Time // when the attempt ended
	Failures int       // number of failed attempts so far
	Due      time.Time // time of the next attempt, for DeliveryPending
	Error    string    // why the attempt failed, or why nothing was sent; empty for DeliverySent
	Address  string    // becomes Delivery.Address

	loud  bool   // logged as an error, because the operator has to act
	cause string // why the attempt failed, without personal data, for the log
}

// Check returns an [*InvalidError] if the settlement is not valid. Stores call it first.
func (s Settlement) Check() error {
	if s.State == DeliveryClaimed || s.State == DeliveryUndelivered || !slices.Contains(deliveryStates, s.State) {
		return invalid("settlement.state", "must be sent, pending, dead, bounced or suppressed")
	}
	if s.At.IsZero() {
		return invalid("settlement.at", "is missing")
	}
	if s.State == DeliveryPending && s.Due.IsZero() {
		return invalid("settlement.due", "is missing, with DeliveryPending")
	}
	if s.State != DeliveryPending {
		s.Due = time.Time{} // not used
	}
	return checkTimes(namedTime{"settlement.at", s.At}, namedTime{"settlement.due", s.Due})
}

// DeliveryQuery selects deliveries, for [Desk.Deliveries] and [Desk.Redrive]; stores
// receive it in [Store].Deliveries. All conditions that are set must hold. A list
// matches if one of its values does, and has at most 1000 values.
type DeliveryQuery struct {
	Tenant string // set by the desk to the actor's tenant

	IDs       []ID
	Ticket    ID // zero means any
	State     []DeliveryState
	Kind      []Kind
	Notifiers []string  // names of notifiers; none means any
	To        Recipient // Delivery.Key is the Key of this recipient; zero means anybody

	SettledFrom   time.Time // settled at this time or later
	SettledBefore time.Time // settled before this time

	After ID  // continue with lesser IDs than this one; zero starts with the newest
	Limit int // deliveries per page, 1 to MaxLimit; 0 means 50
}

// DeliveryPage is one page of deliveries, from [Desk.Deliveries] or
// [Store].Deliveries.
type DeliveryPage struct {
	Deliveries []Delivery
	Next       ID // for DeliveryQuery.After; zero means that no delivery follows
}

// Check returns an [*InvalidError] if the query is not valid. Stores call it first.
func (q DeliveryQuery) Check() error {
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid("query.limit", "must be 1 to %d, or 0 for %d", MaxLimit, defaultLimit)
	}
	if n := max(len(q.IDs), len(q.State), len(q.Kind), len(q.Notifiers)); n > maxAlternatives {
		return invalid("query", "has a list of %d values, more than %d", n, maxAlternatives)
	}
	for _, s := range q.State {
		if !slices.Contains(deliveryStates, s) {
			return invalid("query.state", "must be among %q", deliveryStates)
		}
	}
	return checkTimes(namedTime{"query.settled_from", q.SettledFrom}, namedTime{"query.settled_before", q.SettledBefore})
}

// PageSize returns Limit, or 50 if Limit is 0.
func (q DeliveryQuery) PageSize() int {
	if q.Limit == 0 {
		return defaultLimit
	}
	return q.Limit
}

// Match (for stores) reports whether the delivery matches the query, After included. A
// store that selects in its database must select the same deliveries.
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

// NewPage (for stores) returns a page of the deliveries found. These are all that match,
// in order, or at least one more than PageSize.
func (q DeliveryQuery) NewPage(found []Delivery) DeliveryPage {
	n := q.PageSize()
	if len(found) <= n {
		return DeliveryPage{Deliveries: found}
	}
	return DeliveryPage{Deliveries: found[:n:n], Next: found[n-1].ID}
}

// DeliveryUpdate (for stores) changes the state of settled deliveries; see
// [Store].UpdateDeliveries.
type DeliveryUpdate struct {
	Tenant string
	IDs    []ID            // at most 1000
	From   []DeliveryState // settled states; a delivery in any other state is not changed
	To     DeliveryState   // DeliveryPending, DeliveryBounced or DeliveryUndelivered
	At     time.Time       // the new Due, or the new Settled
	Error  string          // the new LastError
}

// Check returns an [*InvalidError] if the update is not valid. Stores call it first.
func (r DeliveryUpdate) Check() error {
	if len(r.IDs) > maxAlternatives {
		return invalid("update.ids", "has %d values, more than %d", len(r.IDs), maxAlternatives)
	}
	for _, s := range r.From {
		if !slices.Contains(deliveryStates, s) || !s.Settled() {
			return invalid("update.from", "must be sent, dead, bounced, suppressed or undelivered")
		}
	}
	if r.To != DeliveryPending && r.To != DeliveryBounced && r.To != DeliveryUndelivered {
		return invalid("update.to", "must be pending, bounced or undelivered")
	}
	if r.At.IsZero() {
		return invalid("update.at", "is missing")
	}
	return checkTimes(namedTime{"update.at", r.At})
}
