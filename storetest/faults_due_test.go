package storetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// timing returns a fault in Due. due gets when each ticket ever was to be
// looked at, the latest last.
func timing(due func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		timers := map[ticket.Ref][]time.Time{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for _, ch := range c.Changes {
				ref := refTo(ch)
				if n := len(timers[ref]); err == nil && (n == 0 || !timers[ref][n-1].Equal(ch.Ticket.Wake())) {
					timers[ref] = append(timers[ref], ch.Ticket.Wake())
				}
			}
			return err
		}
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			mu.Lock()
			defer mu.Unlock()
			return due(ctx, s, timers, now, limit)
		}
	}
}

// ordering returns a fault in the order of Due.
func ordering(compare func(at, bt time.Time, a, b ticket.ID) int) func(*faulty) {
	return timing(func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error) {
		refs, err := s.Due(ctx, now, limit)
		at := func(r ticket.Ref) time.Time { return timers[r][len(timers[r])-1] }
		slices.SortStableFunc(refs, func(a, b ticket.Ref) int { return compare(at(a), at(b), a.Ticket, b.Ticket) })
		return refs, err
	})
}

// dueAt returns a fault in the arguments of Due.
func dueAt(change func(now time.Time, limit int) (time.Time, int)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			now, limit = change(now, limit)
			return s.Due(ctx, now, limit)
		}
	}
}

// undue returns a fault: Due leaves out the tickets for which left returns true.
func undue(left func(t ticket.Ticket) bool) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, limit)
			return slices.DeleteFunc(refs, func(r ticket.Ref) bool {
				t, err := s.Ticket(ctx, r.Tenant, r.Ticket)
				return err == nil && left(t)
			}), err
		}
	}
}

// unstopped returns a fault: Due also returns tickets whose timer was stopped, if kept
// returns true for them.
func unstopped(kept func(t ticket.Ticket) bool) func(*faulty) {
	return timing(func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error) {
		refs, err := s.Due(ctx, now, limit)
		for ref, at := range timers {
			t, err := s.Ticket(ctx, ref.Tenant, ref.Ticket)
			if n := len(at); err == nil && n > 1 && at[n-1].IsZero() && kept(t) {
				refs = append(refs, ref)
			}
		}
		return refs, err
	})
}

var dueFaults = []fault{
	{"is late with timers", "Due/passed", dueAt(func(now time.Time, limit int) (time.Time, int) { return now.Add(-tick), limit })},
	{"is early with timers", "Due/passed", dueAt(func(now time.Time, limit int) (time.Time, int) { return now.Add(tick), limit })},
	{"orders timers by the second", "Due/order", ordering(func(at, bt time.Time, a, b ticket.ID) int {
		return cmp.Or(at.Truncate(time.Second).Compare(bt.Truncate(time.Second)), a.Compare(b))
	})},
	{"orders tied timers backwards", "Due/order", ordering(func(at, bt time.Time, a, b ticket.ID) int {
		return cmp.Or(at.Compare(bt), b.Compare(a))
	})},
	{"has no limit for timers", "Due/limit", dueAt(func(now time.Time, _ int) (time.Time, int) { return now, 1000 })},
	{"cuts off the earliest timers", "Due/limit", func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, 1000)
			return refs[max(0, len(refs)-limit):], err
		}
	}},
	{"returns its own list of timers", "Due/copies", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var kept []ticket.Ref
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, limit)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && len(refs) == 1 && len(kept) == 1 {
				return kept, nil
			}
			if len(refs) == 1 && limit == 10 && now.Equal(soon) {
				kept = refs
			}
			return refs, err
		}
	}},
	{"does not stop timers", "Due/changed", timing(func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error) {
		refs, err := s.Due(ctx, now, limit)
		for ref, at := range timers {
			if n := len(at); n > 1 && at[n-1].IsZero() && !at[n-2].After(now) {
				refs = append(refs, ref)
			}
		}
		return refs, err
	})},
	{"does not postpone timers", "Due/changed", timing(func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error) {
		refs, err := s.Due(ctx, now, limit)
		for ref, at := range timers {
			if n := len(at); n > 1 && at[n-1].After(now) && !at[0].IsZero() && !at[0].After(now) {
				refs = append(refs, ref)
			}
		}
		return refs, err
	})},
	{"has no timers of closed tickets", "Due/done or merged", undue(func(t ticket.Ticket) bool { return t.Phase == ticket.PhaseClosed })},
	{"has no timers of resolved tickets", "Due/done or merged", undue(func(t ticket.Ticket) bool { return t.Phase == ticket.PhaseSolved })},
	{"has no timers of merged tickets", "Due/done or merged", undue(func(t ticket.Ticket) bool { return !t.MergedInto.IsZero() })},
	{"does not stop the timers of closed tickets", "Due/done or merged", unstopped(func(t ticket.Ticket) bool { return t.Phase == ticket.PhaseClosed })},
	{"does not stop the timers of merged tickets", "Due/done or merged", unstopped(func(t ticket.Ticket) bool { return !t.MergedInto.IsZero() })},
	{"has no timers of another tenant", "Due/all tenants", func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, limit)
			return slices.DeleteFunc(refs, func(r ticket.Ref) bool { return r.Tenant == "other" }), err
		}
	}},
}
