package ticket

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Eraser (for stores) is an optional interface of a [Store] that replaces stored events with
// erased ones, for [Desk.Erase], [Desk.PersonalData] and retention. A store that cannot do it
// returns [errors.ErrUnsupported].
type Eraser interface {
	// Erase writes e.Commit as Commit does, with the same errors and in the same order of
	// preference, and in the same step:
	//
	//   - It must replace the stored events that have the numbers of e.Events.
	//   - It must remove the deliveries e.Remove of the ticket, in any state. It must leave
	//     all others as they are, and ignore IDs that the ticket does not have.
	//   - It must remove all receipts of the ticket but the one that the commit writes.
	//
	// It must return ErrInvalid if e does not pass EraseCommit.Check. Afterwards no read may
	// return what was erased, and no search may find it. No index and no other table may
	// keep it; the documentation of the store says when the database itself overwrites it.
	Erase(ctx context.Context, e EraseCommit) error

	// Traces returns the IDs of the tenant's tickets with an ID above after that have an event
	// which names the person in its Identities, in ascending order, at most limit of them.
	// Event.Names decides. It must return every such ticket, and may return others. Fewer
	// IDs than limit mean that no such ticket follows. A limit of 0 or less means none. It
	// may read all events of the tenant.
	Traces(ctx context.Context, tenant string, p Person, after ID, limit int) ([]ID, error)
}

// Archiver (for stores) is an optional interface of a [Store] that finds closed tickets by
// their age, for [Desk.Retain]. A store that cannot do it returns [errors.ErrUnsupported].
type Archiver interface {
	// Closed returns the tickets of all tenants that match q, earliest Closed first, then by
	// ID, at most q.Limit of them. Fewer tickets than q.Limit mean that no other ticket
	// matches, also while tickets change. ClosedQuery.Match defines the matches. It must
	// return ErrInvalid if q does not pass ClosedQuery.Check.
	Closed(ctx context.Context, q ClosedQuery) ([]Ticket, error)
}

// ClosedQuery (for stores) selects closed tickets; see [Archiver].
type ClosedQuery struct {
	Stage     Stage
	Before    time.Time // closed at this time or earlier
	AfterTime time.Time // continue after the ticket that was closed then and has AfterID
	AfterID   ID        // zero starts with the earliest
	Limit     int       // at least 1
}

// Check returns an [*InvalidError] if the query is not valid. Stores call it first.
func (q ClosedQuery) Check() error {
	switch {
	case !slices.Contains(stages, q.Stage):
		return invalid("closed.stage", "must be among %q", stages)
	case q.Limit < 1:
		return invalid("closed.limit", "must be 1 or more")
	case q.Before.IsZero():
		return invalid("closed.before", "is missing")
	}
	return checkTimes(namedTime{"closed.before", q.Before}, namedTime{"closed.after_time", q.AfterTime})
}

// Match (for stores) reports whether the ticket matches the query, AfterTime and AfterID
// included.
func (q ClosedQuery) Match(t *Ticket) bool {
	return t.Stage == q.Stage && !t.Closed.IsZero() && !t.Closed.After(q.Before) &&
		(q.AfterID.IsZero() || cmp.Or(t.Closed.Compare(q.AfterTime), t.ID.Compare(q.AfterID)) > 0)
}

// EraseCommit (for stores) is one step of an erasure; see [Eraser].
type EraseCommit struct {
	Commit         // the change of one ticket, with the event that records the erasure
	Events []Event // stored events after erasing, by ascending Seq; they keep their digests
	Remove []ID    // deliveries of the ticket
}

// Check returns an [*InvalidError] if the step is not valid: the commit is not valid or
// changes more than one ticket, the ticket is new, or an event is not one of the ticket's
// earlier ones. Stores call it first. It does not read the store.
func (e EraseCommit) Check() error {
	if err := e.Commit.Check(); err != nil {
		return err
	}
	ch := &e.Changes[0]
	if len(e.Changes) != 1 || ch.Expect == 0 {
		return invalid("erase.changes", "must be one, of a stored ticket")
	}
	last := int64(0)
	for i := range e.Events {
		ev := &e.Events[i]
		switch {
		case ev.Ticket != ch.Ticket.ID:
			return invalid("erase.events.ticket", "must be the changed ticket")
		case ev.Seq <= last || ev.Seq > ch.Expect:
			return invalid("erase.events.seq", "must ascend, from 1 to the version before the change")
		case ev.Digest.IsZero():
			return invalid("erase.events.digest", "is missing")
		}
		last = ev.Seq
	}
	if slices.ContainsFunc(e.Remove, ID.IsZero) {
		return invalid("erase.remove", "must not have a zero ID")
	}
	return nil
}
