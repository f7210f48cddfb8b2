package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/ticketkit/ticket"
)

// head is the part of a text that a fault looks at.
func head(s string) string { return s[:min(len(s), 190)] }

// isLong reports whether a text is longer than its head.
func isLong(s string) bool { return head(s) != s }

// asksByHead returns a fault: List compares only the heads of long texts.
func asksByHead(asked func(q *ticket.Query) string, without func(q *ticket.Query), have func(t *ticket.Ticket) []string) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			want := asked(&q)
			if !isLong(want) {
				return s.List(ctx, q)
			}
			without(&q)
			p, err := s.List(ctx, q)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool {
				return !slices.ContainsFunc(have(&t), func(v string) bool { return head(v) == head(want) })
			})
			return p, err
		}
	}
}

func firstOf[T ~string](list []T) string {
	if len(list) == 0 {
		return ""
	}
	return string(list[0])
}

func atMost[T any](n int, list []T) []T {
	if len(list) > longList { // checked by List/invalid and Deliveries/invalid
		return list
	}
	return list[:min(len(list), n)]
}

var longFaults = []fault{
	{"compares the heads of queues", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return firstOf(q.Queue) },
		func(q *ticket.Query) { q.Queue = nil }, func(t *ticket.Ticket) []string { return []string{t.Queue} })},
	{"compares the heads of statuses", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return firstOf(q.Status) },
		func(q *ticket.Query) { q.Status = nil }, func(t *ticket.Ticket) []string { return []string{string(t.Status)} })},
	{"compares the heads of assignees", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return firstOf(q.Assignee) },
		func(q *ticket.Query) { q.Assignee = nil }, func(t *ticket.Ticket) []string { return []string{t.Assignee} })},
	{"compares the heads of tags", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return firstOf(q.Tags) },
		func(q *ticket.Query) { q.Tags = nil }, func(t *ticket.Ticket) []string { return t.Tags })},
	{"compares the heads of organisations", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return q.Organisation },
		func(q *ticket.Query) { q.Organisation = "" }, func(t *ticket.Ticket) []string { return []string{t.Requester.Organisation} })},
	{"compares the heads of requesters", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return q.Requester.ID },
		func(q *ticket.Query) { q.Requester = ticket.Person{} }, func(t *ticket.Ticket) []string { return []string{t.Requester.ID} })},
	{"compares the heads of followers", "Values/alike except the end", asksByHead(func(q *ticket.Query) string { return q.Participant.Email },
		func(q *ticket.Query) { q.Participant = ticket.Person{} }, func(t *ticket.Ticket) []string {
			var emails []string
			for _, p := range t.Followers {
				emails = append(emails, p.Email)
			}
			return emails
		})},
	{"compares the heads of fields", "Values/alike except the end", asksByHead(func(q *ticket.Query) string {
		text, _ := q.Fields["text"].(string)
		return text
	}, func(q *ticket.Query) { q.Fields = nil }, func(t *ticket.Ticket) []string {
		text, _ := t.Fields["text"].(string)
		return []string{text}
	})},
	{"compares the heads of keys", "Values/alike except the end", func(f *faulty) {
		s := f.Store
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if c.Receipt != nil && isLong(c.Receipt.Key) {
				r := *c.Receipt
				r.Key = head(r.Key)
				c.Receipt = &r
			}
			return s.Commit(ctx, c)
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, head(key))
			if err == nil {
				r.Key = key
			}
			return r, err
		}
	}},
	{"compares the heads of tenants", "Values/alike except the end", func(f *faulty) {
		s, tenants := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if err == nil && isLong(ch.Ticket.Tenant) {
					tenants.put(ch.Ticket.ID, ch.Ticket.Tenant)
				}
			}
			return err
		}
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			t, err := s.Ticket(ctx, tenant, id)
			if own, ok := tenants.get(id); ok && errors.Is(err, ticket.ErrNotFound) && head(own.(string)) == head(tenant) {
				return s.Ticket(ctx, own.(string), id)
			}
			return t, err
		}
	}},
	{"compares the heads of recipients in lines", "Values/alike except the end", naively(func(n *naive) {
		n.ahead = func(a, b *ticket.Delivery) bool {
			alike := *b
			if isLong(b.To.Key()) && head(a.To.Key()) == head(b.To.Key()) {
				alike.To = a.To
			}
			return a.Before(&alike)
		}
	}, "Claim")},
	{"compares the heads of notifiers of deliveries", "Values/alike except the end", func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			by := q.Notifiers
			if len(by) != 1 || !isLong(by[0]) {
				return s.Deliveries(ctx, q)
			}
			q.Notifiers = nil
			p, err := s.Deliveries(ctx, q)
			p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool { return head(d.Notifier) != head(by[0]) })
			return p, err
		}
	}},
	{"compares the heads of recipients of deliveries", "Values/alike except the end", func(f *faulty) {
		s := f.Store
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			to := q.To.Key()
			if q.To == (ticket.Recipient{}) || !isLong(to) {
				return s.Deliveries(ctx, q)
			}
			q.To = ticket.Recipient{}
			p, err := s.Deliveries(ctx, q)
			p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool { return head(d.Key()) != head(to) })
			return p, err
		}
	}},

	{"looks at 999 statuses", "Values/long lists", asking(func(q *ticket.Query) { q.Status = atMost(999, q.Status) })},
	{"looks at 999 levels", "Values/long lists", asking(func(q *ticket.Query) { q.Level = atMost(999, q.Level) })},
	{"looks at 999 queues", "Values/long lists", asking(func(q *ticket.Query) { q.Queue = atMost(999, q.Queue) })},
	{"looks at 999 assignees", "Values/long lists", asking(func(q *ticket.Query) { q.Assignee = atMost(999, q.Assignee) })},
	{"looks at 999 tags", "Values/long lists", asking(func(q *ticket.Query) { q.Tags = atMost(999, q.Tags) })},
	{"ignores fields if they are many", "Values/long lists", asking(func(q *ticket.Query) {
		if n := len(q.Fields); n > 64 && n <= longList {
			q.Fields = nil
		}
	})},
	{"takes no more than 5000 parameters", "Values/long lists", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if len(q.Status)+len(q.Level)+len(q.Queue)+len(q.Assignee)+len(q.Tags)+len(q.Fields) > 5000 {
				return ticket.Page{}, errors.New("too many parameters")
			}
			return s.List(ctx, q)
		}
	}},
	{"looks at 999 IDs of deliveries", "Values/long lists", listing(func(q *ticket.DeliveryQuery) { q.IDs = atMost(999, q.IDs) }, nil)},
	{"looks at 999 kinds of deliveries", "Values/long lists", listing(func(q *ticket.DeliveryQuery) { q.Kind = atMost(999, q.Kind) }, nil)},
	{"looks at 999 notifiers of deliveries", "Values/long lists", listing(func(q *ticket.DeliveryQuery) { q.Notifiers = atMost(999, q.Notifiers) }, nil)},
	{"looks at 999 states of deliveries", "Values/long lists", listing(func(q *ticket.DeliveryQuery) { q.State = atMost(999, q.State) }, nil)},
}
