package storetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// An archive is a store whose Closed looks at all tickets. It remembers them as they were
// when they were first stored closed.
type archive struct {
	ticket.Store
	mu    sync.Mutex
	known []*shelved

	matches func(q ticket.ClosedQuery, t *shelved) bool
	compare func(a, b *shelved) int
	limit   func(q ticket.ClosedQuery) int
}

type shelved struct{ first, now ticket.Ticket }

// shelving returns a fault: spoil changes one function of an archive.
func shelving(spoil func(a *archive)) func(*faulty) {
	return func(f *faulty) {
		a := &archive{
			Store:   f.Store,
			matches: func(q ticket.ClosedQuery, t *shelved) bool { return q.Match(&t.now) },
			compare: func(a, b *shelved) int { return byClosed(a.now, b.now) },
			limit:   func(q ticket.ClosedQuery) int { return q.Limit },
		}
		spoil(a)
		f.Store, f.closed = a, a.Closed
	}
}

func (a *archive) Commit(ctx context.Context, c ticket.Commit) error {
	if err := a.Store.Commit(ctx, c); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ch := range c.Changes {
		i := slices.IndexFunc(a.known, func(t *shelved) bool { return t.now.ID == ch.Ticket.ID })
		if i < 0 {
			i, a.known = len(a.known), append(a.known, &shelved{})
		}
		t := a.known[i]
		t.now = ch.Ticket.Clone()
		if t.first.Closed.IsZero() {
			t.first = t.now
		}
	}
	return nil
}

func (a *archive) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	if err := cmp.Or(ctx.Err(), q.Check()); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []*shelved
	for _, t := range a.known {
		if a.matches(q, t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, a.compare)
	var list []ticket.Ticket
	for _, t := range found[:min(len(found), a.limit(q))] {
		list = append(list, t.now.Clone())
	}
	return list, nil
}

// comparing returns a fault in the order of Closed.
func comparing(compare func(a, b ticket.Ticket) int) func(*faulty) {
	return shelving(func(s *archive) { s.compare = func(a, b *shelved) int { return compare(a.now, b.now) } })
}

// matching returns a fault in the matches of Closed.
func matching(matches func(q ticket.ClosedQuery, t ticket.Ticket) bool) func(*faulty) {
	return shelving(func(a *archive) {
		a.matches = func(q ticket.ClosedQuery, t *shelved) bool { return matches(q, t.now) }
	})
}

var closedFaults = []fault{
	{"sorts closed tickets by their IDs", "Closed/order", comparing(func(a, b ticket.Ticket) int { return a.ID.Compare(b.ID) })},
	{"sorts closed tickets from the last one", "Closed/order", comparing(func(a, b ticket.Ticket) int { return byClosed(b, a) })},
	{"sorts tickets that were closed at once from the last ID", "Closed/order", comparing(func(a, b ticket.Ticket) int {
		return cmp.Or(a.Closed.Compare(b.Closed), b.ID.Compare(a.ID))
	})},
	{"sorts closed tickets by tenant", "Closed/order", comparing(func(a, b ticket.Ticket) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), byClosed(a, b))
	})},
	{"returns closed tickets without a limit", "Closed/limit", shelving(func(a *archive) { a.limit = func(ticket.ClosedQuery) int { return 100 } })},
	{"returns one closed ticket less", "Closed/limit", shelving(func(a *archive) {
		a.limit = func(q ticket.ClosedQuery) int { return max(q.Limit-1, 1) }
	})},
	{"returns tickets that were never closed", "Closed/matches", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) || t.Stage == q.Stage && t.Closed.IsZero() && q.AfterID.IsZero() && t.Reopened == 0
	})},
	{"returns closed tickets at all stages", "Closed/matches", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		q.Stage = t.Stage
		return q.Match(&t)
	})},
	{"leaves out tickets that were closed at the time", "Closed/matches", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) && (t.Closed.Before(q.Before) || !q.AfterID.IsZero())
	})},
	{"returns closed tickets of any time", "Closed/matches", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		q.Before = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		return q.Match(&t)
	})},
	{"heeds AfterTime without AfterID", "Closed/matches", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) && (!q.AfterID.IsZero() || !t.Closed.Before(q.AfterTime))
	})},
	{"keeps the stage at which a ticket was closed", "Closed/changed", shelving(func(a *archive) {
		a.matches = func(q ticket.ClosedQuery, t *shelved) bool {
			now := t.now
			now.Stage = t.first.Stage
			return q.Match(&now)
		}
	})},
	{"sorts by the first time a ticket was closed", "Closed/changed", shelving(func(a *archive) {
		a.compare = func(a, b *shelved) int { return byClosed(a.first, b.first) }
	})},
	{"asks when a ticket was first closed", "Closed/changed", shelving(func(a *archive) {
		a.matches = func(q ticket.ClosedQuery, t *shelved) bool {
			now := t.now
			if !now.Closed.IsZero() {
				now.Closed = t.first.Closed
			}
			return q.Match(&now)
		}
	})},
	{"returns reopened tickets", "Closed/changed", shelving(func(a *archive) {
		a.matches = func(q ticket.ClosedQuery, t *shelved) bool {
			now := t.now
			if now.Closed.IsZero() {
				now.Closed = t.first.Closed
			}
			return q.Match(&now)
		}
	})},
	{"skips tickets closed at the same time as the last one", "Closed/pages", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) && (q.AfterID.IsZero() || t.Closed.After(q.AfterTime))
	})},
	{"returns the ticket before a page again", "Closed/pages", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) || t.ID == q.AfterID
	})},
	{"continues after the ID alone", "Closed/pages", matching(func(q ticket.ClosedQuery, t ticket.Ticket) bool {
		return q.Match(&t) && t.ID.Compare(q.AfterID) > 0
	})},
	{"continues after a ticket that must still match", "Closed/pages", shelving(func(a *archive) {
		a.matches = func(q ticket.ClosedQuery, t *shelved) bool {
			for _, last := range a.known {
				if last.now.ID == q.AfterID && last.now.Stage != q.Stage {
					return false
				}
			}
			return q.Match(&t.now)
		}
	})},
	{"does not check queries for closed tickets", "Closed/refused", func(f *faulty) {
		f.closed = func(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
			if ctx.Err() == nil && q.Check() != nil {
				return nil, nil
			}
			return f.Store.(ticket.Archiver).Closed(ctx, q)
		}
	}},
	{"returns the same closed tickets twice", "Closed/copies", func(f *faulty) {
		kept := map[ticket.ClosedQuery][]ticket.Ticket{}
		f.closed = func(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
			if q.Limit != 10 || q.Check() != nil || ctx.Err() != nil {
				return f.Store.(ticket.Archiver).Closed(ctx, q)
			}
			if kept[q] == nil {
				kept[q], _ = f.Store.(ticket.Archiver).Closed(ctx, q)
			}
			return kept[q], nil
		}
	}},
	{"returns closed tickets in spite of the context", "Closed/cancelled", func(f *faulty) {
		f.closed = func(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
			return f.Store.(ticket.Archiver).Closed(context.WithoutCancel(ctx), q)
		}
	}},
}
