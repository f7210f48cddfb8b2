package ticket

import (
	"context"
	"time"
)

// Store is the interface that a database implements for the desk: it keeps
// tickets, their events, receipts of idempotency keys, and deliveries.
// Applications call a [*Desk] and never these methods. Package storetest tests a
// store: each sentence below that contains "must" has a test case there.
//
// For all methods:
//   - A store must be safe for concurrent use.
//   - If the context is cancelled before the call, a method must return the
//     context's error and change nothing.
//   - Arguments and results are copies: a caller that later changes a slice, map or
//     pointer it passed or received must not change what is stored. A method must
//     not change its arguments, including the order of their lists.
//   - Text must come back byte for byte, if it is valid UTF-8 without NUL bytes.
//     Times come back in UTC, to the microsecond, and zero values as zero values.
//   - A store must accept times of the years 1 to 9999, in UTC, and refuse all
//     others with ErrInvalid, as the Check methods do. Due accepts any time.
//   - A store must compare times as times and numbers as numbers, not as text: ten
//     comes after nine, and 2001 after 1999.
//   - A method must return all results up to its limit, however high the limit is.
//     A store that reads in batches continues with the next batch.
//   - A method must handle everything that the Check of its argument allows. A
//     store that writes in batches writes all of them.
//   - A store must answer queries whose lists are as long as their Check allows.
//   - Texts that differ in one byte must be different texts, whatever their length
//     and wherever the byte is.
//   - Commit, List, Claim, Settle, Deliveries and UpdateDeliveries must return the
//     error of their argument's Check before they do anything else.
//   - A store must not read a clock. All times come from the desk.
//   - Data of one tenant must be invisible to every other tenant. The empty tenant
//     is a tenant like any other, not a wildcard.
//   - Only List, Count and Search look at Ticket.Stage. All other methods must treat
//     an archived ticket like any other.
//   - Texts that are combined into one key must not run together: the tenant "a"
//     with the key "b:c" is not the tenant "a:b" with the key "c".
//
// Errors wrap the categories of this package, with data, so that errors.Is finds
// them: [ErrNotFound], [ErrConflict], [ErrDuplicate], [ErrInvalid],
// [ErrClaimLost]. Any other error means that the store has failed.
//
// A store does not repeat a database call after an error that leaves open whether
// the call took effect, and neither may its driver. A commit that took effect
// would then conflict with itself, the desk would decide again, and the action
// would happen twice. Many drivers repeat calls by default; turn that off. The desk
// knows which calls can be repeated.
type Store interface {
	// Commit writes everything in c, or nothing. After it has returned nil, every
	// read must see all of c. No reader ever sees a part of one ticket's change:
	// its row, events and deliveries appear together.
	//
	// It must return ErrConflict if the stored version of a ticket is not its
	// Change.Expect. A ticket that does not exist, or belongs to another tenant,
	// has no version. It must return ErrDuplicate if, in this order of preference,
	// the receipt's key is used in its tenant, a new ticket's ID or number is used
	// in any tenant, or a delivery's ID is used. If the receipt's key is used, that
	// error must win over all others, a conflict included, so that the desk
	// recognises a repeat. If there are both a conflict and another duplicate,
	// Commit may return either. It must return ErrInvalid if c does not pass
	// Commit.Check.
	Commit(ctx context.Context, c Commit) error

	// Ticket returns the ticket with this ID, or ErrNotFound.
	Ticket(ctx context.Context, tenant string, id ID) (Ticket, error)

	// Lookup returns the ticket with this number, or ErrNotFound. A merged ticket
	// keeps its number; the desk follows Ticket.MergedInto. Numbers are stored
	// verbatim: numbers that differ in the case of a letter, a space or a hyphen
	// must be different numbers. The desk handles other spellings.
	Lookup(ctx context.Context, tenant string, n Number) (Ticket, error)

	// Receipt returns the receipt of an idempotency key, or ErrNotFound.
	Receipt(ctx context.Context, tenant, key string) (Receipt, error)

	// Events returns the ticket's events with Seq greater than after, in order and
	// without a gap, at most limit of them. A limit of 0 or less means all. If an
	// existing ticket has no such events, it returns none and no error. If the
	// ticket does not exist, it must return ErrNotFound.
	Events(ctx context.Context, tenant string, id ID, after int64, limit int) ([]Event, error)

	// List returns the tickets that match q, in q's order, starting after q.After,
	// at most q.PageSize of them. Query.Match, Query.PlaceOf and Place.Compare
	// define the matches and the order. Page.Next must be empty exactly when no
	// ticket follows. A walk from page to page must return each ticket exactly once
	// that matches throughout and keeps its place in the order, whatever else
	// changes meanwhile.
	List(ctx context.Context, q Query) (Page, error)

	// Due returns references to tickets of all tenants that the desk must look at
	// (Ticket.Wake is not zero and not after now), earliest first, then by ID, at
	// most limit of them. A limit of 0 or less means none. Only Wake counts: a closed,
	// merged or archived ticket must be returned while it has one, and a ticket without
	// one must not.
	Due(ctx context.Context, now time.Time, limit int) ([]Ref, error)

	// Claim leases deliveries to the caller: pending ones with Due not after r.Now,
	// and claimed ones whose lease has expired (Until not after r.Now). It claims
	// deliveries of r.Notifiers only, earliest Due first, then by ID, at most
	// r.Limit of them. In each delivery, as returned and as stored, it increments
	// Attempts, sets State to DeliveryClaimed and Until to r.Now plus r.Lease. When
	// it takes over an expired lease, it must also increment Failures. All other
	// fields must stay as they were, both as returned and as stored. No two callers
	// may ever hold the same delivery with the same Attempts.
	//
	// Deliveries of one ticket by one notifier to one recipient (with equal
	// Recipient.Key) form a line, ordered by Seq, then by ID. A delivery must not
	// be claimed while an earlier one of its line is pending or claimed, due or not.
	Claim(ctx context.Context, r ClaimRequest) ([]Delivery, error)

	// Settle records the outcomes of claimed deliveries. A delivery must get the State
	// of its settlement, and with DeliveryPending also its Due. All states but pending
	// and claimed are settled: Settled becomes the settlement's At, and the
	// delivery stays in the store. In every case Failures, LastError and Address
	// become those of the settlement, and Until becomes zero. All other fields of
	// the delivery must stay as they were.
	//
	// Settlements are independent of each other. If a delivery is not claimed, or
	// is claimed with other Attempts, its settlement must change nothing, and
	// Settle returns ErrClaimLost after it has applied the others. A settlement
	// counts however late it arrives: the end of the lease does not matter as long
	// as nobody else has claimed the delivery. With DeliveryPending, the store may
	// postpone the Due of later deliveries of the same line to the same time. It
	// must not bring any forward, and must leave all others as they are.
	Settle(ctx context.Context, s []Settlement) error

	// Deliveries returns the deliveries that match q, in any state, newest first
	// (by descending ID), starting after q.After, at most q.PageSize of them.
	// DeliveryQuery.Match defines the matches. DeliveryPage.Next must be zero
	// exactly when no delivery follows.
	Deliveries(ctx context.Context, q DeliveryQuery) (DeliveryPage, error)

	// UpdateDeliveries changes the state of settled deliveries that are in one of
	// the states r.From; it must leave all others as they are. If r.To is
	// DeliveryPending, a delivery becomes due at r.At, and Failures and Settled
	// become zero. If r.To is DeliveryBounced, Settled becomes r.At. The same holds for
	// DeliveryUndelivered. In all cases LastError becomes r.Error; Attempts and Address
	// must stay. It returns the number of deliveries it changed; an ID that is named
	// twice counts once.
	UpdateDeliveries(ctx context.Context, r DeliveryUpdate) (int, error)
}

// Ref (for stores) names a ticket and its tenant; see [Store].Due.
type Ref struct {
	Tenant string
	Ticket ID
}
