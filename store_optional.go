package ticket

import (
	"context"
	"time"
)

// DeliveryLoader is a [Store] that can look up at once what a batch of deliveries is
// about; otherwise the relay asks for each by itself.
type DeliveryLoader interface {
	// DeliveryContexts returns a brief for every delivery of the request, in its order. Or
	// it answers errors.ErrUnsupported.
	DeliveryContexts(ctx context.Context, rows []Delivery, since time.Time, most int) ([]DeliveryContext, error)
}

// DeliveryContext is what has to be known to make a delivery. Counts, Previous and Bounced
// are of deliveries by the same notifier in the same tenant.
//
// A recipient may have been sent a hundred thousand. What a brief costs is not to
// grow with them, nor with those in the delivery's line: Sent and SentHere are
// counted up to Most only, and Previous and Bounced are one look at an index each.
type DeliveryContext struct {
	Found    bool   // both the ticket and the event are there
	Ticket   Ticket // as it stands now
	Event    Event  // that it tells of
	Previous ID     // the last one Sent in its line before it (the greatest Seq below its own); zero: none
	Bounced  ID     // one that is Bounced and whose Delivery.Key is the recipient's; zero: none
	Sent     int    // to the same recipient, about any ticket: Sent, and Settled not before Since; at most Most
	SentHere int    // the same, about this ticket
}

// Listener is a [Store] that hears of what other processes commit.
type Listener interface {
	// Listen calls heard, soon after a commit of any process that brought
	// deliveries, until ctx is done or the line breaks; then it returns the
	// reason. The relay calls it again. It may call heard without need. Or it
	// answers errors.ErrUnsupported.
	Listen(ctx context.Context, heard func()) error
}

// Searcher is an optional interface of a [Store]: full-text search. A method may
// answer [errors.ErrUnsupported], so that a store that wraps another can always
// forward it. Hosts call [Desk.Search]. What holds for all methods of a store
// holds here.
type Searcher interface {
	// Search returns the tickets that match q.Query and in which every word of
	// q.Text stands: the newest first (by creation, then by ID, backwards), at
	// most Query.PageSize of them. It must fail with ErrInvalid where q does not
	// pass SearchQuery.Check.
	//
	// Words stand in the subject as it is now, and in messages, solutions
	// included. Notes must be looked at only if q.Notes says so, and must not
	// reach a snippet otherwise. A snippet must be a short piece of such text, 500
	// bytes at most, in which a word that was looked for stands, and every place
	// where one does is marked.
	//
	// What was committed must be found at the latest after a call of Maintain, if
	// the store has one, and at once if not.
	Search(ctx context.Context, q SearchQuery) ([]Hit, error)
}

// Counter is an optional interface of a [Store]: how much work there is. A
// method may answer [errors.ErrUnsupported]. Hosts call [Desk.Counts]. What holds
// for all methods of a store holds here.
type Counter interface {
	// Counts returns how many tickets of the tenant are not done (see
	// [Phase.Done]) and were not merged into another one, in each queue, level and
	// status, sorted in that order, texts by their bytes. Places where there is none
	// must be left out.
	Counts(ctx context.Context, tenant string) ([]Count, error)
}

// Count is how many tickets stand in one place.
type Count struct {
	Queue  string // "": no queue yet
	Level  int
	Status Status
	N      int
}

// Maintainer is an optional interface of a [Store] that has work of its own to
// do from time to time, such as keeping a search index up. [Desk.Run] calls it
// every Relay.Poll; trouble is logged. A method may answer
// [errors.ErrUnsupported], and is then not called again.
//
// Processes that share a store may call it at the same time.
type Maintainer interface {
	Maintain(ctx context.Context) error
}

// ReceiptPruner is an optional interface of a [Store]: its receipts come to an age.
// [Desk.Run] calls it. Or a method answers [errors.ErrUnsupported]. What holds for
// all methods of a store holds here.
type ReceiptPruner interface {
	// PruneReceipts removes receipts of all tenants whose At is before f.Before, at most
	// f.Limit of them. Of the others, at most f.Limit that are not Keyed must become
	// Keyed, with the Request that f.Key makes of theirs; none, if f.Key is nil. It
	// returns how many receipts it removed or changed.
	PruneReceipts(ctx context.Context, before time.Time, limit int, key func(Digest) Digest) (int, error)
}

// Rescheduler is an optional interface of a [Store]: what waits for a time that no desk
// sets can be brought forward. A clock that was ahead leaves such times behind, and
// what it made would wait for them. [Desk.Run] and [Desk.Deliver] ask for it. Or the
// method answers [errors.ErrUnsupported]. What holds for all methods of a store holds
// here.
type Rescheduler interface {
	// Reschedule brings forward what is on its way by h.Notifiers, in all tenants, or else, where
	// h.IDs are given, those of them in h.Tenant. Deliveries that are pending with a Due
	// after h.Due must be due at h.Now; of those that are claimed with an Until after
	// h.Until, Until must become h.Now, and so must a Due that is later. Zero times mean
	// none of these. All else must stay. It returns how many it changed.
	Reschedule(ctx context.Context, h RescheduleRequest) (int, error)
}

// RescheduleRequest says what is to be brought forward.
type RescheduleRequest struct {
	Now        time.Time
	Due, Until time.Time
	Notifiers  []string
	Tenant     string // with IDs
	IDs        []ID   // at most 1000
}

// Check reports a request that makes no sense as an [*InvalidError]. Stores call it
// first.
func (h RescheduleRequest) Check() error {
	if len(h.IDs) > maxAlternatives {
		return invalid("hasten.ids", "has %d values, at most %d are taken", len(h.IDs), maxAlternatives)
	}
	if h.Now.IsZero() {
		return invalid("hasten.now", "is missing")
	}
	return checkTimes(namedTime{"hasten.now", h.Now}, namedTime{"hasten.due", h.Due}, namedTime{"hasten.until", h.Until})
}
