package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// viewing returns a fault in List: it selects and sorts tickets by how view sees them. view
// gets a ticket as it is stored, and all its versions as they were committed, the latest last.
func viewing(view func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		versions := map[ticket.ID][]ticket.Ticket{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for _, ch := range c.Changes {
				if err == nil {
					versions[ch.Ticket.ID] = append(versions[ch.Ticket.ID], ch.Ticket.Clone())
				}
			}
			return err
		}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			after, continues, _ := q.Place()
			all, err := s.List(ctx, ticket.Query{Tenant: q.Tenant, Limit: ticket.MaxLimit, Stage: ticket.Stages()})
			if err != nil || q.Check() != nil || all.Next != "" {
				return s.List(ctx, q)
			}
			mu.Lock()
			defer mu.Unlock()
			type row struct {
				place ticket.Place
				ticket.Ticket
			}
			var rows []row
			for _, t := range all.Tickets {
				seen := view(t, versions[t.ID])
				if place := q.PlaceOf(&seen); q.Match(&seen) && (!continues || after.Compare(place) < 0) {
					rows = append(rows, row{place, t})
				}
			}
			slices.SortFunc(rows, func(a, b row) int { return a.place.Compare(b.place) })
			var p ticket.Page
			for i, r := range rows {
				if i == q.PageSize() {
					p.Next = rows[i-1].place.Cursor()
					break
				}
				p.Tickets = append(p.Tickets, r.Ticket)
			}
			return p, nil
		}
	}
}

// clocking returns a fault in reading the clocks of tickets and events.
func clocking(change func(c *ticket.Clock)) func(*faulty) {
	each := func(list []ticket.Clock) {
		for i := range list {
			change(&list[i])
		}
	}
	return changing(func(t *ticket.Ticket) { each(t.Clocks) }, func(e *ticket.Event) { each(e.Set.Clocks) })
}

// seeingClocks returns a fault in List: it sees other clocks than those stored.
func seeingClocks(change func(c *ticket.Clock)) func(*faulty) {
	return viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		t = t.Clone()
		for i := range t.Clocks {
			change(&t.Clocks[i])
		}
		return t
	})
}

var clockFaults = []fault{
	{"holds durations as floats", "Values/clocks", clocking(func(c *ticket.Clock) {
		if c.Within > -1<<62 && c.Within < 1<<62 { // above, the conversion is undefined
			c.Within = time.Duration(float64(c.Within))
		}
	})},
	{"has no clocks before 1970", "Values/clocks", clocking(func(c *ticket.Clock) {
		if !c.Started.IsZero() && c.Started.Year() == 1 {
			c.Started = time.Unix(0, 0).UTC()
		}
	})},
	{"has no pointer to the end of a snooze", "Values/clocks", changing(nil, func(e *ticket.Event) {
		if e.Set.Snoozed != nil && e.Set.Snoozed.IsZero() && e.Set.Alert != nil {
			e.Set.Snoozed = nil
		}
	})},
	{"has no pointer to a promise of no time", "Values/clocks", changing(nil, func(e *ticket.Event) {
		if e.Set.Promised != nil && e.Set.Promised.IsZero() {
			e.Set.Promised = nil
		}
	})},
	{"has no empty alert", "Values/clocks", changing(nil, func(e *ticket.Event) {
		if e.Set.Alert != nil && e.Set.Alert.Metric == "" {
			e.Set.Alert = nil
		}
	})},
	{"has five thresholds of a clock at most", "Values/clocks", clocking(func(c *ticket.Clock) { c.Fired = c.Fired[:min(len(c.Fired), 5)] })},
	{"joins thresholds by commas", "Values/clocks", clocking(func(c *ticket.Clock) {
		if len(c.Fired) == 1 && c.Fired[0] == "" {
			c.Fired = nil
		}
	})},
	{"shows events of the desk when the ticket was touched", "List/events of clocks", viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		if !t.Checked.IsZero() {
			t.Touched = t.Checked
		}
		return t
	})},
	{"loses the time of events of the desk", "List/events of clocks", changing(func(t *ticket.Ticket) {
		if t.Checked.After(soon) && t.Version == 2 {
			t.Checked = t.Touched
		}
	}, nil)},
	{"leaves out broken targets of paused clocks", "List/by clocks", seeingClocks(func(c *ticket.Clock) {
		if c.State == "paused" {
			c.Due = time.Time{}
		}
	})},
	{"ignores earlier targets that were missed", "List/by clocks", seeingClocks(func(c *ticket.Clock) { c.Missed = 0 })},
	{"has missed what ended as missed", "List/by clocks", seeingClocks(func(c *ticket.Clock) {
		if c.State == "missed" {
			c.Missed++
		}
	})},
	{"takes a target that is due for a missed one", "List/by clocks", seeingClocks(func(c *ticket.Clock) {
		if !c.Ended() && c.Due.Equal(lastYear) {
			c.Missed++
		}
	})},
	{"never wakes tickets", "List/snoozed", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		for _, v := range versions {
			if !v.Snoozed.IsZero() {
				t.Snoozed = v.Snoozed
			}
		}
		return t
	})},
	{"wakes tickets with the first change", "List/snoozed", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		if n := len(versions); n > 1 && versions[n-2].Snoozed.Equal(t.Snoozed) {
			t.Snoozed = time.Time{}
		}
		return t
	})},
	{"takes snoozes long ago for none", "List/snoozed", viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		if t.Snoozed.Before(clock) {
			t.Snoozed = time.Time{}
		}
		return t
	})},
	{"ignores changes of nothing but clocks", "List/after a change of clocks", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		for _, v := range versions {
			if v.Checked.IsZero() {
				t.Clocks = v.Clocks
			}
		}
		return t
	})},
	{"loses the tags with a change of clocks", "List/after a change of clocks", viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		if !t.Checked.IsZero() {
			t.Tags = nil
		}
		return t
	})},
	{"loses the fields with a change of clocks", "List/after a change of clocks", viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		if !t.Checked.IsZero() {
			t.Fields = nil
		}
		return t
	})},
	{"has only the clocks of the last change", "List/after a change of clocks", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		if n := len(versions); n > 1 && !t.Checked.IsZero() {
			t.Clocks = slices.DeleteFunc(slices.Clone(t.Clocks), func(c ticket.Clock) bool {
				before, had := versions[n-2].Clock(c.Metric)
				return had && diff(before, c) == ""
			})
		}
		return t
	})},
	{"adds a clock for each change", "List/after a change of clocks", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		for _, v := range versions {
			if !t.Checked.IsZero() {
				t.Clocks = append(slices.Clone(t.Clocks), v.Clocks...)
			}
		}
		return t
	})},
}

// waking returns a fault in Due: it goes by wake instead of Ticket.Wake. wake gets the
// versions of a ticket as they were committed, the latest last.
func waking(wake func(versions []ticket.Ticket) time.Time) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		versions := map[ticket.Ref][]ticket.Ticket{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for _, ch := range c.Changes {
				if err == nil {
					versions[refTo(ch)] = append(versions[refTo(ch)], ch.Ticket.Clone())
				}
			}
			return err
		}
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			var refs []ticket.Ref
			for ref, list := range versions {
				if at := wake(list); !at.IsZero() && !at.After(now) {
					refs = append(refs, ref)
				}
			}
			slices.SortFunc(refs, func(a, b ticket.Ref) int {
				return cmp.Or(wake(versions[a]).Compare(wake(versions[b])), a.Ticket.Compare(b.Ticket))
			})
			return refs[:max(0, min(limit, len(refs)))], nil
		}
	}
}

// wakingBy is like waking, by the latest version.
func wakingBy(wake func(t ticket.Ticket) time.Time) func(*faulty) {
	return waking(func(versions []ticket.Ticket) time.Time { return wake(versions[len(versions)-1].Clone()) })
}

func isMerged(t ticket.Ticket) bool { return !t.MergedInto.IsZero() }

var wakeFaults = []fault{
	{"looks at timers only", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time { return t.Timer.At })},
	{"does not look at snoozes", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time {
		t.Snoozed = time.Time{}
		return t.Wake()
	})},
	{"does not look at ratings", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time {
		t.FeedbackDue = time.Time{}
		return t.Wake()
	})},
	{"does not look at clocks", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time {
		t.Clocks = nil
		return t.Wake()
	})},
	{"looks at the clocks of customers only", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time {
		t.Clocks = slices.DeleteFunc(t.Clocks, func(c ticket.Clock) bool { return c.Metric == "level" })
		return t.Wake()
	})},
	{"looks at clocks when they are due", "Due/each reason", wakingBy(func(t ticket.Ticket) time.Time {
		for i := range t.Clocks {
			t.Clocks[i].Next = t.Clocks[i].Due
		}
		return t.Wake()
	})},
	{"looks at the timer first", "Due/earliest reason", wakingBy(func(t ticket.Ticket) time.Time {
		if !t.Timer.IsZero() {
			return t.Timer.At
		}
		return t.Wake()
	})},
	{"looks at the first clock only", "Due/earliest reason", wakingBy(func(t ticket.Ticket) time.Time {
		t.Clocks = t.Clocks[:min(1, len(t.Clocks))]
		return t.Wake()
	})},
	{"looks at the latest reason", "Due/earliest reason", wakingBy(func(t ticket.Ticket) time.Time {
		at := t.Timer.At
		if t.Snoozed.After(at) {
			at = t.Snoozed
		}
		if t.FeedbackDue.After(at) {
			at = t.FeedbackDue
		}
		for _, c := range t.Clocks {
			if c.Next.After(at) {
				at = c.Next
			}
		}
		return at
	})},
	{"does not look after events of the desk", "Due/earliest reason", waking(func(versions []ticket.Ticket) time.Time {
		var at time.Time
		for i := range versions {
			if versions[i].Checked.IsZero() {
				at = versions[i].Wake()
			}
		}
		return at
	})},
	{"has timers before snoozes", "Due/reasons in order", func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, limit)
			slices.SortStableFunc(refs, func(a, b ticket.Ref) int {
				t, _ := s.Ticket(ctx, a.Tenant, a.Ticket)
				u, _ := s.Ticket(ctx, b.Tenant, b.Ticket)
				return cmp.Compare(len(t.Clocks), len(u.Clocks))
			})
			return refs, err
		}
	}},
	{"does not look at snoozes of merged tickets", "Due/whatever the state", wakingBy(func(t ticket.Ticket) time.Time {
		if isMerged(t) {
			t.Snoozed = time.Time{}
		}
		return t.Wake()
	})},
	{"does not look at clocks of closed tickets", "Due/whatever the state", wakingBy(func(t ticket.Ticket) time.Time {
		if t.Phase == ticket.PhaseClosed {
			t.Clocks = nil
		}
		return t.Wake()
	})},
	{"does not look at paused clocks", "Due/whatever the state", wakingBy(func(t ticket.Ticket) time.Time {
		t.Clocks = slices.DeleteFunc(t.Clocks, func(c ticket.Clock) bool { return c.State == "paused" })
		return t.Wake()
	})},
	{"does not look at clocks that have ended", "Due/whatever the state", wakingBy(func(t ticket.Ticket) time.Time {
		t.Clocks = slices.DeleteFunc(t.Clocks, func(c ticket.Clock) bool { return c.Ended() })
		return t.Wake()
	})},
}

// countingBy returns a fault in Count.
func countingBy(count func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Counter)
		f.count = func(ctx context.Context, q ticket.Query, limit int) (int, error) { return count(ctx, s, q, limit) }
	}
}

// countingOf returns a fault in the arguments of Count, if they are valid.
func countingOf(change func(q *ticket.Query, limit *int)) func(*faulty) {
	return countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		if q.Check() == nil {
			change(&q, &limit)
		}
		return s.Count(ctx, q, limit)
	})
}

var countFaults = []fault{
	{"counts all tickets of a tenant", "Count/match", countingOf(func(q *ticket.Query, _ *int) {
		if q.Limit == ticket.MaxLimit {
			*q = ticket.Query{Tenant: q.Tenant}
		}
	})},
	{"counts whatever the tags", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.Tags = nil })},
	{"counts whatever the fields", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.Fields = nil })},
	{"counts whatever the requester", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.Requester = ticket.Person{} })},
	{"counts merged tickets with all conditions", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.NotMerged = q.NotMerged && q.Limit == 0 })},
	{"counts snoozed tickets", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.NotSnoozed = q.NotSnoozed && q.Limit == 0 })},
	{"counts tickets without a missed target", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.Missed = false })},
	{"counts whatever is due", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.DueBefore = time.Time{} })},
	{"counts targets of any metric", "Count/match", countingOf(func(q *ticket.Query, _ *int) {
		if q.Order == "" {
			q.Metric = ""
		}
	})},
	{"counts tickets without a limit", "Count/limit", countingOf(func(_ *ticket.Query, limit *int) {
		if *limit > 0 && *limit < 100 {
			*limit = 1000
		}
	})},
	{"counts all with limit 0", "Count/limit", countingOf(func(_ *ticket.Query, limit *int) {
		if *limit == 0 {
			*limit = 1000
		}
	})},
	{"counts all with a negative limit", "Count/limit", countingOf(func(_ *ticket.Query, limit *int) {
		if *limit < 0 {
			*limit = 1000
		}
	})},
	{"counts one more than the limit", "Count/limit", countingOf(func(_ *ticket.Query, limit *int) {
		if *limit > 0 && *limit < 100 {
			*limit++
		}
	})},
	{"counts a page at most", "Count/many", countingOf(func(_ *ticket.Query, limit *int) { *limit = min(*limit, ticket.MaxLimit) })},
	{"counts before events of the desk", "Count/after a change", func(f *faulty) {
		list := f.Store.List
		commit := f.Store.Commit
		viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
			for _, v := range versions {
				if v.Checked.IsZero() {
					t = v
				}
			}
			return t
		})(f)
		stale := f.list
		f.list = list
		if f.commit == nil {
			f.commit = commit
		}
		s := f.Store.(ticket.Counter)
		f.count = func(ctx context.Context, q ticket.Query, limit int) (int, error) {
			if q.Check() != nil || q.Limit > 0 || limit != 10 {
				return s.Count(ctx, q, limit)
			}
			p, err := stale(ctx, q)
			return len(p.Tickets), err
		}
	}},
	{"counts a page of the limit of the query", "Count/no pages", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		if q.Limit == 2 {
			limit = min(limit, 2)
		}
		return s.Count(ctx, q, limit)
	})},
	{"counts those after the cursor", "Count/no pages", func(f *faulty) {
		s := f.Store
		f.count = func(ctx context.Context, q ticket.Query, limit int) (int, error) {
			if q.After == "" || q.Check() != nil {
				return s.(ticket.Counter).Count(ctx, q, limit)
			}
			q.Limit = ticket.MaxLimit
			p, err := s.List(ctx, q)
			return min(limit, len(p.Tickets)), err
		}
	}},
	{"counts in any order", "Count/no pages", countingOf(func(q *ticket.Query, _ *int) {
		if q.Limit == 2 {
			q.Order, q.After = "", ""
		}
	})},
	{"counts with a bad cursor", "Count/invalid", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		q.After = ""
		return s.Count(ctx, q, limit)
	})},
	{"counts with unknown metrics", "Count/invalid", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		if !slices.Contains(metrics, q.Metric) {
			q.Metric = ""
		}
		return s.Count(ctx, q, limit)
	})},
	{"checks no query with limit 0", "Count/invalid", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		if limit <= 0 {
			return 0, ctx.Err()
		}
		return s.Count(ctx, q, limit)
	})},
	{"counts tickets of tenants regardless of case", "Count/tenants", countingOf(func(q *ticket.Query, _ *int) { q.Tenant = strings.ToLower(q.Tenant) })},
	{"counts tickets in spite of the context", "Count/cancelled", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		return s.Count(context.WithoutCancel(ctx), q, limit)
	})},
}
