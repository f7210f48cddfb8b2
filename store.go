package ticket

import (
	"context"
	"time"
)

// Store keeps tickets, their events, idempotency receipts and the outbox.
// Hosts call a [*Desk]; a back end implements this. Package storetest proves
// one: every sentence below that says "must" is a case there.
//
// For all methods:
//   - A store must be safe for concurrent use.
//   - A call whose context is cancelled before it begins must return the
//     context's error and change nothing.
//   - Values in and out are copies: what a caller does later to a slice, map or
//     pointer it passed or got must not reach the store. What it passed must be
//     afterwards as it was, the order of a list included.
//   - Text must come back byte for byte, whatever valid UTF-8 without NUL bytes it
//     is; times to the microsecond, in UTC; zero values as zero values.
//   - Times of the years 1 to 9999, in UTC, must be taken, and others refused with
//     ErrInvalid, as the Check methods do. Due takes any.
//   - Times are compared as times and numbers as numbers, not as text: ten must
//     come after nine, and 2001 after 1999.
//   - A method must return as many as there are, up to its limit, however high that
//     is; a store that has to ask in portions asks again.
//   - A method must handle all that it is passed, up to what its Check allows; a store
//     that has to write in portions writes them all.
//   - A query must be answered with lists of the greatest length that its Check allows.
//   - Texts that differ in one byte must be different texts, however long they are and
//     wherever that byte is.
//   - Commit, List, Claim, Settle, Deliveries and UpdateDeliveries must return the error of the
//     Check of what they are passed, before they look at anything.
//   - The store must not ask a clock: all times come from the desk.
//   - What belongs to one tenant must be invisible under every other; the empty
//     tenant is a tenant like any other, not a wildcard.
//   - Texts that are kept in one key must not run together: the tenant "a" with
//     the key "b:c" is not the tenant "a:b" with the key "c".
//
// Errors are the categories of this package, wrapped with data, so that
// errors.Is finds them: [ErrNotFound], [ErrConflict], [ErrDuplicate],
// [ErrInvalid], [ErrClaimLost]. Other errors mean that the store is in trouble.
//
// A store does not call its database again after an error that leaves open
// whether the call was carried out, and neither may its driver: a commit that got
// through would be in conflict with itself, be decided again, and be done twice.
// Many drivers do it by themselves; switch it off. The desk knows what may be tried
// again.
type Store interface {
	// Commit writes everything in c, or nothing. When it has returned nil, every
	// later read must see all of it, and no reader ever sees a part of one
	// ticket's change: its row, events and deliveries appear together.
	//
	// It must fail with ErrConflict where a ticket's stored version is not its
	// Change.Expect (a ticket that is not there, or another tenant's, has none).
	// It must fail with ErrDuplicate where, in this order of preference, the
	// receipt's key is taken in its tenant, a new ticket's ID or number is taken
	// in any tenant, or a delivery's ID is taken. Where the receipt's key is
	// taken, that must win over everything else, a conflict included, so that a
	// repeat is recognised. Of a conflict and anything else that is taken, either
	// may be told. It must fail with ErrInvalid where c does not pass
	// Commit.Check.
	Commit(ctx context.Context, c Commit) error

	// Ticket returns the ticket with this ID, or ErrNotFound.
	Ticket(ctx context.Context, tenant string, id ID) (Ticket, error)

	// Lookup returns the ticket with this number, or ErrNotFound. A ticket that
	// was merged away keeps its number; the desk follows Ticket.MergedInto. A
	// number is kept verbatim, whatever it looks like: numbers that differ in a
	// letter's case, a blank or a hyphen must be different numbers. What people
	// write instead of them is for the desk to know.
	Lookup(ctx context.Context, tenant string, n Number) (Ticket, error)

	// Receipt returns what an idempotency key was used for, or ErrNotFound.
	Receipt(ctx context.Context, tenant, key string) (Receipt, error)

	// Events returns the ticket's events with Seq greater than after, in order
	// and without a gap, at most limit of them (all, if limit is 0 or less). An
	// existing ticket without such events gives none and no error; an unknown
	// one must give ErrNotFound.
	Events(ctx context.Context, tenant string, id ID, after int64, limit int) ([]Event, error)

	// List returns the tickets that match q, in q's order, from q.After on, at
	// most q.Limit of them. Query.Match, Query.PlaceOf and Place.Compare define
	// what that means. Page.Next must be empty exactly when nothing follows. A
	// walk from page to page must meet every ticket that matches all the while,
	// once, whatever else changes meanwhile, as long as its place in the order
	// does not change.
	List(ctx context.Context, q Query) (Page, error)

	// Due returns references to tickets of all tenants whose timer has passed
	// (Timer.At is not after now), the earliest first, by ID where equal, at
	// most limit of them; none, if limit is 0 or less. The timer alone decides: a
	// ticket that is closed or merged away must be among them while it has one, and
	// must not be when its timer was stopped.
	Due(ctx context.Context, now time.Time, limit int) ([]Ref, error)

	// Claim leases deliveries to the caller: those pending with Due not after
	// r.Now, and those claimed whose lease has passed (Until not after r.Now);
	// of r.Notifiers only; the earliest Due first, by ID where equal; at most
	// r.Limit. Each one returned has Attempts counted up by one, State Claimed
	// and Until set to r.Now plus r.Lease, and so it is stored; where it takes
	// over a lease that has passed, Failures must be counted up by one as well. All
	// its other fields must stay as they were, both as returned and as stored.
	// No two callers may ever hold the same delivery with the same Attempts.
	//
	// Deliveries of one ticket by one notifier to one recipient (with equal
	// Recipient.Key) stand in line, by Seq, then by ID. One must not be claimed
	// while an earlier one of its line is pending or claimed, due or not.
	Claim(ctx context.Context, r ClaimRequest) ([]Delivery, error)

	// Settle records the outcome of claimed deliveries. One that is done must
	// become Sent; one that is to be tried again must become Pending with the
	// new Due; the other outcomes must become Dead, Bounced and Suppressed. A
	// delivery that is Sent, Dead, Bounced or Suppressed is settled: it has
	// Settled set to the settlement's At, and stays in the store. In every case
	// Failures, LastError and Address become those of the settlement, and Until
	// zero. All other fields of the delivery must stay as they were.
	//
	// Each settlement stands by itself: one whose delivery is not claimed, or is
	// claimed with other Attempts, must change nothing, and the call then
	// returns ErrClaimLost after the others were made. It counts however late it
	// comes: the end of the lease does not matter as long as nobody else has
	// claimed the delivery. Where one is to be tried again, the store may put off
	// the Due of those behind it in its line to the same time; it must bring none
	// forward, and must leave all others as they are.
	Settle(ctx context.Context, s []Settlement) error

	// Deliveries returns the deliveries that match q, whatever their state, the
	// newest first (by ID, backwards), from q.After on, at most q.Limit of them.
	// DeliveryQuery.Match defines what matches. DeliveryPage.Next must be zero
	// exactly when nothing follows.
	Deliveries(ctx context.Context, q DeliveryQuery) (DeliveryPage, error)

	// UpdateDeliveries changes the state of deliveries that are settled and in one of the
	// states r.From; others it must leave as they are. To Pending: they are due
	// at r.At, with no Failures and Settled zero. To Bounced: Settled becomes
	// r.At. LastError becomes r.Error in both cases; Attempts and Address must
	// stay. It returns how many it changed; one that is named twice counts once.
	UpdateDeliveries(ctx context.Context, r DeliveryUpdate) (int, error)
}

// Ref names a ticket across tenants.
type Ref struct {
	Tenant string
	Ticket ID
}

// Commit is everything one decision changes; it is written whole or not at all.
type Commit struct {
	Changes    []Change
	Deliveries []Delivery // to enter the outbox
	Receipt    *Receipt   // nil: no idempotency key
}

// Change is what happens to one ticket: its row as it stands afterwards, and
// the events that led there.
type Change struct {
	Expect int64   // the version the decision was made on; 0: the ticket is new
	Ticket Ticket  // the fold of Events, over the ticket as it was (see Apply); with Version Expect+len(Events)
	Events []Event // numbered Expect+1, Expect+2 …; at least one
}

// Check reports as an [*InvalidError] what makes the commit self-contradictory:
// events that do not carry on from Expect or do not end at the ticket's
// version, a ticket that is not the fold of its events, events or deliveries of
// another ticket or tenant, the same ticket twice, nothing to write, times outside
// of the years 1 to 9999. Stores call it first; it costs no look at the store, and
// so sees of a ticket that is not new only what its last event says.
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
				times = append(times, namedTime{"commit.changes.events.set.timer.at", e.Set.Timer.At})
			}
			if err := checkTimes(times...); err != nil {
				return err
			}
		}
		if err := checkTimes(namedTime{"commit.changes.ticket.created", t.Created}, namedTime{"commit.changes.ticket.touched", t.Touched},
			namedTime{"commit.changes.ticket.timer.at", t.Timer.At}, namedTime{"commit.changes.ticket.first_answered", t.FirstAnswered},
			namedTime{"commit.changes.ticket.resolved", t.Resolved}, namedTime{"commit.changes.ticket.closed", t.Closed}); err != nil {
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

// Receipt remembers what an idempotency key was used for.
type Receipt struct {
	Tenant  string    `json:"tenant,omitempty"`
	Key     string    `json:"key"`
	Ticket  ID        `json:"ticket"`          // the ticket that the call returned
	Version int64     `json:"version"`         // and its version then
	Request Digest    `json:"request"`         // of the request, so that a reused key is noticed
	Keyed   bool      `json:"keyed,omitempty"` // Request is an HMAC, see Config.ReceiptKey
	At      time.Time `json:"at"`
}

// ClaimRequest asks for deliveries to work on.
type ClaimRequest struct {
	Now       time.Time
	Lease     time.Duration // how long the claim holds; must be positive
	Limit     int           // how many at most; must be positive
	Notifiers []string      // the notifiers that the caller can serve; none: nothing is claimed
}

// Check reports a request that makes no sense as an [*InvalidError].
func (r ClaimRequest) Check() error {
	if r.Lease <= 0 {
		return invalid("claim.lease", "must be positive")
	}
	if r.Limit <= 0 {
		return invalid("claim.limit", "must be positive")
	}
	return checkTimes(namedTime{"claim.now", r.Now}, namedTime{"claim.lease, from claim.now on,", r.Now.Add(r.Lease)})
}
