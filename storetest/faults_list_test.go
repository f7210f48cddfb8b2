package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// asking returns a fault in the query of List.
func asking(change func(q *ticket.Query)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			change(&q)
			return s.List(ctx, q)
		}
	}
}

// choosing returns a fault in a comparison of List: the condition is removed from the query,
// and keep decides instead.
func choosing(without func(q *ticket.Query), keep func(q ticket.Query, t ticket.Ticket) bool) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			asked := q
			without(&asked)
			p, err := s.List(ctx, asked)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool { return !keep(q, t) })
			return p, err
		}
	}
}

// paging returns a fault in the result of List.
func paging(change func(q ticket.Query, p *ticket.Page)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			if err == nil {
				change(q, &p)
			}
			return p, err
		}
	}
}

// sorting returns a fault in one order.
func sorting(order ticket.Order, compare func(a, b ticket.Ticket) int) func(*faulty) {
	return paging(func(q ticket.Query, p *ticket.Page) {
		if q.Order == order {
			slices.SortStableFunc(p.Tickets, compare)
		}
	})
}

func lenient(list []string, all []string, alike func(a, b string) bool) []string {
	out := slices.Clone(list)
	for _, v := range all {
		if slices.ContainsFunc(list, func(l string) bool { return alike(l, v) }) {
			out = append(out, v)
		}
	}
	return out
}

const tick = time.Microsecond

var listFaults = []fault{
	{"ignores the status", "List/match", asking(func(q *ticket.Query) { q.Status = nil })},
	{"ignores the phase", "List/match", asking(func(q *ticket.Query) { q.Phase = nil })},
	{"ignores the level", "List/match", asking(func(q *ticket.Query) { q.Level = nil })},
	{"ignores the queue", "List/match", asking(func(q *ticket.Query) { q.Queue = nil })},
	{"ignores the assignee", "List/match", asking(func(q *ticket.Query) { q.Assignee = nil })},
	{"ignores the priority", "List/match", asking(func(q *ticket.Query) { q.Priority = nil })},
	{"ignores the channel", "List/match", asking(func(q *ticket.Query) { q.Channel = nil })},
	{"ignores the tags", "List/match", asking(func(q *ticket.Query) { q.Tags = nil })},
	{"ignores the fields", "List/match", asking(func(q *ticket.Query) {
		if q.Check() == nil {
			q.Fields = nil
		}
	})},
	{"ignores the requester", "List/match", asking(func(q *ticket.Query) { q.Requester = ticket.Person{} })},
	{"ignores the participant", "List/match", asking(func(q *ticket.Query) { q.Participant = ticket.Person{} })},
	{"ignores the organisation", "List/match", asking(func(q *ticket.Query) { q.Organisation = "" })},
	{"ignores merges in large pages", "List/match", asking(func(q *ticket.Query) {
		if len(q.Status)+len(q.Phase)+len(q.Tags)+len(q.Queue)+len(q.Level) > 0 || !q.TouchedFrom.IsZero() {
			q.NotMerged = false
		}
	})},
	{"leaves out unmerged tickets", "List/merged", choosing(func(q *ticket.Query) { q.NotMerged = false }, func(q ticket.Query, t ticket.Ticket) bool {
		return !q.NotMerged || t.MergedInto.IsZero() && (t.Version < 4 || len(t.Links) > 0)
	})},
	{"ignores created from", "List/match", asking(func(q *ticket.Query) { q.CreatedFrom = time.Time{} })},
	{"ignores created before", "List/match", asking(func(q *ticket.Query) { q.CreatedBefore = time.Time{} })},
	{"ignores touched from", "List/match", asking(func(q *ticket.Query) { q.TouchedFrom = time.Time{} })},
	{"ignores touched before", "List/match", asking(func(q *ticket.Query) { q.TouchedBefore = time.Time{} })},

	{"ignores due before", "List/match", asking(func(q *ticket.Query) { q.DueBefore = time.Time{} })},
	{"has due before include the time", "List/match", asking(func(q *ticket.Query) {
		if !q.DueBefore.IsZero() {
			q.DueBefore = q.DueBefore.Add(tick)
		}
	})},
	{"takes no target for an old one", "List/match", choosing(func(q *ticket.Query) { q.DueBefore = time.Time{} }, func(q ticket.Query, t ticket.Ticket) bool {
		return q.DueBefore.IsZero() || t.Due(q.Metric).Before(q.DueBefore)
	})},
	{"lists by timers", "List/match", choosing(func(q *ticket.Query) {
		if q.Order == "" {
			q.DueBefore = time.Time{}
		}
	}, func(q ticket.Query, t ticket.Ticket) bool {
		return q.DueBefore.IsZero() || q.Order != "" || q.DueBefore.Year() != clock.Year() || len(t.Tags) == 0 || !t.Timer.IsZero() && t.Timer.At.Before(q.DueBefore)
	})},
	{"lists targets of any metric", "List/match", asking(func(q *ticket.Query) {
		if !q.DueBefore.IsZero() && !q.Missed {
			q.Metric = ""
		}
	})},
	{"lists targets that were met", "List/match", choosing(func(q *ticket.Query) { q.DueBefore = time.Time{} }, func(q ticket.Query, t ticket.Ticket) bool {
		return q.DueBefore.IsZero() || slices.ContainsFunc(t.Clocks, func(c ticket.Clock) bool {
			return (q.Metric == "" || q.Metric == c.Metric) && (!c.Ended() || c.State == "met" && len(t.Tags) > 0) && !c.Due.IsZero() && c.Due.Before(q.DueBefore)
		})
	})},
	{"takes a metric alone for a condition", "List/match", choosing(func(*ticket.Query) {}, func(q ticket.Query, t ticket.Ticket) bool {
		_, has := t.Clock(q.Metric)
		return q.Metric == "" || has || q.Limit != ticket.MaxLimit
	})},
	{"ignores missed targets", "List/match", asking(func(q *ticket.Query) { q.Missed = false })},
	{"lists missed targets of any metric", "List/match", asking(func(q *ticket.Query) {
		if q.Missed && q.DueBefore.IsZero() && q.Order == "" && q.Check() == nil {
			q.Metric = ""
		}
	})},
	{"has missed only those that ended", "List/match", choosing(func(q *ticket.Query) { q.Missed = false }, func(q ticket.Query, t ticket.Ticket) bool {
		return !q.Missed || t.Missed(q.Metric) && (len(t.Tags) == 0 || slices.ContainsFunc(t.Clocks, func(c ticket.Clock) bool {
			return (q.Metric == "" || q.Metric == c.Metric) && c.State == "missed"
		}))
	})},
	{"ignores snoozes", "List/match", asking(func(q *ticket.Query) { q.NotSnoozed = false })},
	{"has created before include the time", "List/match", asking(func(q *ticket.Query) {
		if !q.CreatedBefore.IsZero() {
			q.CreatedBefore = q.CreatedBefore.Add(tick)
		}
	})},
	{"has touched from exclude the time", "List/match", asking(func(q *ticket.Query) {
		if !q.TouchedFrom.IsZero() {
			q.TouchedFrom = q.TouchedFrom.Add(tick)
		}
	})},
	{"looks at the first status only", "List/match", asking(func(q *ticket.Query) { q.Status = q.Status[:min(1, len(q.Status))] })},
	{"looks at the first tag only", "List/match", asking(func(q *ticket.Query) { q.Tags = q.Tags[:min(1, len(q.Tags))] })},
	{"takes the empty queue for any", "List/match", asking(func(q *ticket.Query) {
		if slices.Contains(q.Queue, "") {
			q.Queue = nil
		}
	})},
	{"folds the case of queues", "List/match", asking(func(q *ticket.Query) { q.Queue = lenient(q.Queue, queues, strings.EqualFold) })},
	{"ignores blanks after queues", "List/match", asking(func(q *ticket.Query) {
		q.Queue = lenient(q.Queue, queues, func(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) })
	})},
	{"ignores accents in assignees", "List/match", asking(func(q *ticket.Query) {
		plain := strings.NewReplacer("á", "a")
		q.Assignee = lenient(q.Assignee, assignees, func(a, b string) bool { return plain.Replace(a) == plain.Replace(b) })
	})},
	{"takes tags for parts of a text", "List/match", choosing(func(q *ticket.Query) { q.Tags = nil }, func(q ticket.Query, t ticket.Ticket) bool {
		return !slices.ContainsFunc(q.Tags, func(tag string) bool { return !strings.Contains(strings.Join(t.Tags, ","), tag) })
	})},
	{"compares fields as text", "List/match", choosing(func(q *ticket.Query) {
		if q.Check() == nil {
			q.Fields = nil
		}
	}, func(q ticket.Query, t ticket.Ticket) bool {
		for k, v := range q.Fields {
			if have, ok := t.Fields[k]; !ok || fmt.Sprint(have) != fmt.Sprint(v) {
				return false
			}
		}
		return true
	})},
	{"compares addresses with their case", "List/match", choosing(func(*ticket.Query) {}, func(q ticket.Query, t ticket.Ticket) bool {
		p, r := q.Requester, t.Requester
		return p.ID != "" && r.ID != "" || p.Email == r.Email || p.IsZero()
	})},
	{"folds the case of letters in addresses other than A to Z", "List/match", choosing(func(q *ticket.Query) { q.Requester = ticket.Person{} }, func(q ticket.Query, t ticket.Ticket) bool {
		p, r := q.Requester, t.Requester
		return p.IsZero() || p.Same(r) || (p.ID == "" || r.ID == "") && p.Email != "" && strings.EqualFold(p.Email, r.Email)
	})},
	{"compares phones in addition to addresses", "List/match", choosing(func(q *ticket.Query) { q.Requester = ticket.Person{} }, func(q ticket.Query, t ticket.Ticket) bool {
		p, r := q.Requester, t.Requester
		return p.IsZero() || p.Same(r) || (p.ID == "" || r.ID == "") && p.Phone != "" && p.Phone == r.Phone
	})},
	{"ignores followers", "List/match", choosing(func(*ticket.Query) {}, func(q ticket.Query, t ticket.Ticket) bool {
		return q.Participant.IsZero() || q.Participant.Same(t.Requester)
	})},

	{"ties oldest first backwards", "List/order", sorting(ticket.OrderOldestFirst, func(a, b ticket.Ticket) int {
		return cmp.Or(a.Created.Compare(b.Created), b.ID.Compare(a.ID))
	})},
	{"ties newest first forwards", "List/order", sorting(ticket.OrderNewestFirst, func(a, b ticket.Ticket) int {
		return cmp.Or(b.Created.Compare(a.Created), a.ID.Compare(b.ID))
	})},
	{"takes touched for created", "List/order", sorting(ticket.OrderLeastRecent, func(a, b ticket.Ticket) int { return a.Created.Compare(b.Created) })},
	{"has the most recent last", "List/order", sorting(ticket.OrderMostRecent, func(a, b ticket.Ticket) int { return a.Touched.Compare(b.Touched) })},
	{"has the newest urgent first", "List/order", sorting(ticket.OrderMostUrgent, func(a, b ticket.Ticket) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), b.Created.Compare(a.Created))
	})},
	{"has the least urgent first", "List/order", sorting(ticket.OrderMostUrgent, func(a, b ticket.Ticket) int { return cmp.Compare(a.Priority, b.Priority) })},
	{"ties soonest due backwards", "List/order", sorting(ticket.OrderSoonestDue, func(a, b ticket.Ticket) int {
		return cmp.Or(a.Due("").Compare(b.Due("")), b.ID.Compare(a.ID))
	})},
	{"has the latest due first", "List/order", sorting(ticket.OrderSoonestDue, func(a, b ticket.Ticket) int { return b.Due("").Compare(a.Due("")) })},
	{"sorts by the timer", "List/order", sorting(ticket.OrderSoonestDue, func(a, b ticket.Ticket) int { return a.Timer.At.Compare(b.Timer.At) })},
	{"sorts by the targets of all metrics", "List/order", paging(func(q ticket.Query, p *ticket.Page) {
		if q.Order == ticket.OrderSoonestDue && q.Metric != "" {
			slices.SortStableFunc(p.Tickets, func(a, b ticket.Ticket) int {
				return cmp.Or(a.Due("").Compare(b.Due("")), a.ID.Compare(b.ID))
			})
		}
	})},
	{"has those without a target last", "List/match", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			if q.Order != ticket.OrderSoonestDue || q.Limit != ticket.MaxLimit || !q.DueBefore.IsZero() || q.After != "" || err != nil {
				return p, err
			}
			q.Order = ticket.OrderOldestFirst
			all, err := s.List(ctx, q)
			for _, t := range all.Tickets {
				if len(all.Tickets) > 100 && t.Due(q.Metric).IsZero() {
					p.Tickets = append(p.Tickets, t)
				}
			}
			return p, err
		}
	}},

	{"lists without followers", "List/whole tickets", paging(func(_ ticket.Query, p *ticket.Page) {
		for i := range p.Tickets {
			if i > 0 {
				p.Tickets[i].Followers = nil
			}
		}
	})},
	{"takes limit 0 for all", "List/limit", asking(func(q *ticket.Query) {
		if q.Limit == 0 {
			q.Limit = ticket.MaxLimit
		}
	})},
	{"has a default limit of a hundred tickets", "List/limit", asking(func(q *ticket.Query) {
		if q.Limit == 0 {
			q.Limit = 100
		}
	})},
	{"loses ties between pages", "List/walk", paging(func(q ticket.Query, p *ticket.Page) {
		after, continues, _ := q.Place()
		p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool {
			place := q.PlaceOf(&t)
			return continues && place.Grade == after.Grade && place.Time.Equal(after.Time)
		})
	})},
	{"repeats ties between pages", "List/walk", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			place, continues, _ := q.Place()
			if !continues {
				return s.List(ctx, q)
			}
			place.ID = ticket.ID{}
			if q.Order == ticket.OrderNewestFirst || q.Order == ticket.OrderMostRecent {
				place.ID = ticket.ID(slices.Repeat([]byte{0xFF}, 16))
			}
			again := q
			again.After, again.Limit = place.Cursor(), 2
			if p, err := s.List(ctx, again); err == nil && len(p.Tickets) == 2 && q.PlaceOf(&p.Tickets[1]).Time.Equal(place.Time) {
				q.After = again.After
			}
			return s.List(ctx, q)
		}
	}},
	{"continues by counting", "List/walk while it changes", func(f *faulty) {
		s, offsets := f.Store, &register{}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			start, ok := offsets.get(string(q.Order) + string(q.After))
			if q.After != "" && !ok {
				return s.List(ctx, q)
			}
			from, _ := start.(int)
			everything := q
			everything.After, everything.Limit = "", ticket.MaxLimit
			all, err := s.List(ctx, everything)
			if err != nil || q.Check() != nil {
				return s.List(ctx, q)
			}
			p := q.NewPage(all.Tickets[min(from, len(all.Tickets)):])
			if p.Next != "" {
				offsets.put(string(q.Order)+string(p.Next), from+len(p.Tickets))
			}
			return p, nil
		}
	}},
	{"follows a full page with an empty one", "List/next", paging(func(q ticket.Query, p *ticket.Page) {
		if n := len(p.Tickets); p.Next == "" && n == q.PageSize() {
			p.Next = q.PlaceOf(&p.Tickets[n-1]).Cursor()
		}
	})},
	{"continues after existing tickets only", "List/after any place", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if after, continues, err := q.Place(); continues && err == nil {
				if _, err := s.Ticket(ctx, q.Tenant, after.ID); err != nil {
					q.After = ""
				}
			}
			return s.List(ctx, q)
		}
	}},
	{"takes unknown metrics for any", "List/invalid", asking(func(q *ticket.Query) {
		if !slices.Contains(metrics, q.Metric) {
			q.Metric = ""
		}
	})},
	{"clamps limits", "List/invalid", asking(func(q *ticket.Query) { q.Limit = min(max(q.Limit, 0), ticket.MaxLimit) })},
	{"takes unknown orders for the first", "List/invalid", asking(func(q *ticket.Query) {
		if !slices.Contains(allOrders, q.Order) {
			q.Order = ""
		}
	})},
	{"takes bad cursors for none", "List/invalid", asking(func(q *ticket.Query) {
		if _, _, err := q.Place(); err != nil {
			q.After = ""
		}
	})},
	{"takes fields of any type", "List/invalid", asking(func(q *ticket.Query) {
		if q.Check() != nil {
			q.Fields = nil
		}
	})},
}
