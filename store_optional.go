package ticket

import (
	"context"
	"iter"
	"time"
)

// The interfaces in this file are optional for a store. The rules for all methods of a
// Store hold for them too. A method may return errors.ErrUnsupported, so that a store
// that wraps another can always have it.

// DeliveryLoader (for stores) is an optional interface of a [Store] that loads what
// a batch of deliveries refers to in one call. Otherwise the relay makes several calls
// for each delivery.
type DeliveryLoader interface {
	// DeliveryContexts returns a DeliveryContext for every delivery of rows, in the
	// order of rows. They are claimed deliveries, possibly of several tenants. It
	// counts sent deliveries from since on, and up to limit only. A store that cannot
	// do it returns [errors.ErrUnsupported].
	DeliveryContexts(ctx context.Context, rows []Delivery, since time.Time, limit int) ([]DeliveryContext, error)
}

// DeliveryContext (for stores) is what the relay needs to know before it makes a
// delivery. Previous, Bounced, Sent and SentHere cover only deliveries by the same
// notifier in the same tenant.
//
// A recipient may have received a hundred thousand messages. The cost of a
// DeliveryContext should not grow with them, nor with the delivery's line: a store
// counts Sent and SentHere up to limit only, and finds Previous and Bounced with one index
// lookup each.
type DeliveryContext struct {
	Found    bool   // the ticket and the event exist
	Ticket   Ticket // in its current version
	Event    Event  // the event that the delivery reports
	Previous ID     // the Sent delivery of its line with the greatest Seq below its own; zero means none
	Bounced  ID     // a Bounced delivery whose Delivery.Key is the recipient's Key; zero means none
	Sent     int    // deliveries to the same recipient, about any ticket, that are Sent with Settled not before since; at most limit
	SentHere int    // the same, about this ticket only
}

// Listener (for stores) is an optional interface of a [Store] that reports the commits
// of other processes. Without it, relays poll.
type Listener interface {
	// Listen calls heard soon after any process has committed deliveries. It returns
	// the error when ctx is done or the connection breaks; the relay then calls it
	// again. It may call heard without cause. A store that cannot do it returns
	// [errors.ErrUnsupported].
	Listen(ctx context.Context, heard func()) error
}

// Searcher (for stores) is an optional interface of a [Store] for full-text search.
// Applications call [Desk.Search]. A store that cannot search returns
// [errors.ErrUnsupported].
type Searcher interface {
	// Search returns the tickets that match q.Query and contain every word of q.Text,
	// newest first (by descending creation time, then by descending ID), at most
	// q.PageSize of them. It must return ErrInvalid if q does not pass
	// SearchQuery.Check.
	//
	// It searches the current subject, the messages, solutions included, and what is
	// published. It must
	// search notes only if q.Notes is true, and no snippet may quote them otherwise.
	// A snippet must be a short piece of this text, at most 500 bytes, that contains
	// a searched word and marks every searched word in it.
	//
	// A commit must be found at the latest after the next call of Maintain if the
	// store is a Maintainer, and at once if it is not.
	Search(ctx context.Context, q SearchQuery) ([]Hit, error)
}

// Counter (for stores) is an optional interface of a [Store] that counts tickets without
// reading them. Applications call [Desk.Counts] and [Desk.Count]. A store that cannot count
// returns [errors.ErrUnsupported].
type Counter interface {
	// Counts returns the number of the tenant's tickets that are neither done (see
	// [Phase.Done]) nor merged, for each queue, level and status, sorted in that
	// order, texts by their bytes. Places without a ticket must be left out.
	Counts(ctx context.Context, tenant string) ([]Count, error)

	// Count returns the number of tickets that match q, at most limit. A limit of 0 or less
	// means none. It must ignore q.After and q.Limit, and q.Order except that only tickets
	// with a target still to be met match in OrderSoonestDue. It must return ErrInvalid if
	// q does not pass Query.Check.
	Count(ctx context.Context, q Query, limit int) (int, error)
}

// Count is the number of tickets in one place; see [Desk.Counts].
type Count struct {
	Queue  string // "" means no queue
	Level  int
	Status Status
	N      int
}

// Suggester (for stores) is an optional interface of a [Store] that finds tickets which may
// be similar to a text. Applications call [Desk.Similar]. A store that cannot do it returns
// [errors.ErrUnsupported].
//
// A store keeps what [TermsOf] returns for each ticket: the folded words to find it by, and
// the terms by which the desk compares it. It need not keep text.
type Suggester interface {
	// Candidates returns tickets that have at least one of the words, at most q.Limit of them.
	// If more have one, those with the rarest words of the query must be preferred. It must
	// return only tickets of the tenant for which TermsOf returns terms, each once, with
	// these terms. Total must be the number of all such tickets, and With the number of those
	// with each word. It must return ErrInvalid if q does not pass CandidateQuery.Check.
	//
	// A commit must be reflected at the latest after the next call of Maintain if the
	// store is a Maintainer, and at once if it is not.
	Candidates(ctx context.Context, q CandidateQuery) (Candidates, error)
}

// Maintainer (for stores) is an optional interface of a [Store] that has regular work
// of its own, such as updating a search index. [Desk.Run] calls Maintain every
// Relay.Poll and logs errors. After [errors.ErrUnsupported] it does not call it again.
//
// Several processes that share a store may call Maintain at the same time.
type Maintainer interface {
	Maintain(ctx context.Context) error
}

// ReceiptPruner (for stores) is an optional interface of a [Store] that removes old
// receipts, for [Desk.PruneReceipts] and [Desk.Run]. A store that cannot do it returns
// [errors.ErrUnsupported].
type ReceiptPruner interface {
	// PruneReceipts removes receipts of all tenants whose At is before the time before,
	// at most limit of them. Of the other receipts, at most limit that are not Keyed
	// must become Keyed, with key of their Request as the new Request; none if key is
	// nil. It returns the number of receipts it removed or changed. A limit of 0 or
	// less means none.
	PruneReceipts(ctx context.Context, before time.Time, limit int, key func(Digest) Digest) (int, error)
}

// DeliveryPruner (for stores) is an optional interface of a [Store] that removes old
// deliveries, for [Desk.PruneDeliveries] and [Desk.Run]. A store that cannot do it returns
// [errors.ErrUnsupported].
type DeliveryPruner interface {
	// PruneDeliveries removes deliveries of all tenants that are Sent, Suppressed, Dead or
	// Undelivered with Settled before the time before, at most limit of them. It must leave
	// all others, bounced ones too. It may leave a delivery whose ID has a later time than its
	// Settled. It returns the number of deliveries it removed. A limit of 0 or less means none.
	PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
}

// Rescheduler (for stores) is an optional interface of a [Store] that brings deliveries
// forward. A process whose clock was ahead leaves deliveries with times later than any
// that the desk sets; [Desk.Run] and [Desk.Deliver] look for them. A store that cannot do
// it returns [errors.ErrUnsupported].
type Rescheduler interface {
	// Reschedule brings forward deliveries by r.Notifiers in all tenants or, if r.IDs
	// is not empty, the deliveries r.IDs of r.Tenant. Pending deliveries with a Due
	// after r.Due must become due at r.Now. For claimed deliveries with an Until after
	// r.Until, Until must become r.Now, and so must a later Due. If r.Due or r.Until is
	// zero, it selects no deliveries. Everything else must stay. It returns the number
	// of deliveries it changed.
	Reschedule(ctx context.Context, r RescheduleRequest) (int, error)
}

// RescheduleRequest (for stores) selects the deliveries to bring forward; see
// [Rescheduler].
type RescheduleRequest struct {
	Now       time.Time
	Due       time.Time // selects pending deliveries that are due later; zero selects none
	Until     time.Time // selects claimed deliveries that are leased for longer; zero selects none
	Notifiers []string  // names of notifiers; not used with IDs
	Tenant    string    // of IDs
	IDs       []ID      // at most 1000
}

// Check returns an [*InvalidError] if the request is not valid. Stores call it first.
func (r RescheduleRequest) Check() error {
	if len(r.IDs) > maxAlternatives {
		return invalid("reschedule.ids", "has %d values, more than %d", len(r.IDs), maxAlternatives)
	}
	if r.Now.IsZero() {
		return invalid("reschedule.now", "is missing")
	}
	return checkTimes(namedTime{"reschedule.now", r.Now}, namedTime{"reschedule.due", r.Due}, namedTime{"reschedule.until", r.Until})
}

// Exporter (for stores) is an optional interface of a [Store] that yields the histories of
// all tickets, for reports and archives. Applications call [Desk.Histories]. A store that
// cannot do it yields [errors.ErrUnsupported] and nothing else.
type Exporter interface {
	// Export yields the history of every ticket of all tenants, in the order of ticket
	// IDs. It starts with the first ticket after the given ID; the zero ID means all
	// tickets. Each history must be whole: all events of the ticket, from the first one to
	// the last, in order.
	//
	// The caller must be able to call the store between two histories, to change the same
	// tickets too. A ticket that changes during the export must appear once and without a
	// gap, as it stood at some time during the export. A ticket that is opened during the
	// export may be missing.
	//
	// An error must come last, and without a history. The method holds a page of events and
	// one history in memory, however many tickets there are.
	Export(ctx context.Context, after ID) iter.Seq2[[]Event, error]
}
