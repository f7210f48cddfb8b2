package storetest

import (
	"context"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// likening returns a fault that treats numbers as equal if their normal forms
// are equal.
func likening(form func(n string) string) func(*faulty) {
	return func(f *faulty) {
		s, used := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			for _, ch := range c.Changes {
				if n, taken := used.get(form(string(ch.Ticket.Number))); taken && n != ch.Ticket.Number {
					return &ticket.DuplicateError{What: "number"}
				}
				used.put(form(string(ch.Ticket.Number)), ch.Ticket.Number)
			}
			return s.Commit(ctx, c)
		}
	}
}

var readFaults = []fault{
	{"returns a zero ticket for the zero ID", "Ticket", func(f *faulty) {
		s := f.Store
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			if id.IsZero() {
				return ticket.Ticket{}, nil
			}
			return s.Ticket(ctx, tenant, id)
		}
	}},
	{"takes a number for a pattern", "Lookup", func(f *faulty) {
		s := f.Store
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			if p, err := s.List(ctx, ticket.Query{Tenant: tenant}); n == "%" && err == nil && len(p.Tickets) > 0 {
				return p.Tickets[0], nil
			}
			return s.Lookup(ctx, tenant, n)
		}
	}},
	{"folds the case of numbers", "Lookup/verbatim", likening(strings.ToUpper)},
	{"ignores blanks in numbers", "Lookup/verbatim", likening(func(n string) string { return strings.ReplaceAll(n, " ", "") })},
	{"ignores hyphens in numbers", "Lookup/verbatim", likening(func(n string) string { return strings.ReplaceAll(n, "-", "") })},
	{"stores numeric numbers as integers", "Lookup/verbatim", likening(func(n string) string {
		if v, err := strconv.ParseFloat(n, 64); err == nil {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
		return n
	})},
	{"finds numbers that are almost the same", "Lookup/verbatim", func(f *faulty) {
		s := f.Store
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			t, err := s.Lookup(ctx, tenant, n)
			if other := ticket.Number(strings.TrimSpace(string(n))); err != nil && other != n {
				return s.Lookup(ctx, tenant, other)
			}
			return t, err
		}
	}},
	{"looks up the first version of a ticket", "Lookup", func(f *faulty) {
		s, opened := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			for _, ch := range c.Changes {
				if ch.Ticket.Version == 1 {
					opened.put(ch.Ticket.Number, ch.Ticket.Clone())
				}
			}
			return s.Commit(ctx, c)
		}
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			t, err := s.Lookup(ctx, tenant, n)
			if old, ok := opened.get(n); ok && err == nil && t.Version == 2 && t.Status == ticket.StatusNew {
				return old.(ticket.Ticket), nil
			}
			return t, err
		}
	}},
	{"follows a merge", "Lookup/merged", func(f *faulty) {
		s := f.Store
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			t, err := s.Lookup(ctx, tenant, n)
			if into, missing := s.Ticket(ctx, tenant, t.MergedInto); err == nil && missing == nil {
				return into, nil
			}
			return t, err
		}
	}},
	{"folds the case of keys in Receipt", "Receipt", func(f *faulty) {
		s := f.Store
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			if r, err := s.Receipt(ctx, tenant, key); err == nil {
				return r, nil
			}
			r, err := s.Receipt(ctx, tenant, strings.ToLower(key))
			if err != nil {
				return s.Receipt(ctx, tenant, key)
			}
			return r, err
		}
	}},
	{"keeps the last receipt of a ticket only", "Receipt", func(f *faulty) {
		s, last := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			if err == nil && c.Receipt != nil {
				last.put(c.Receipt.Ticket, *c.Receipt)
			}
			return err
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if l, ok := last.get(r.Ticket); ok && err == nil {
				r.Version = l.(ticket.Receipt).Version
			}
			return r, err
		}
	}},
	{"includes the event after if there is a limit", "Events/after and limit", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			if limit > 0 {
				after--
			}
			return s.Events(ctx, tenant, id, after, limit)
		}
	}},
	{"returns no events for a negative limit", "Events/after and limit", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			if limit < 0 {
				events = nil
			}
			return events, err
		}
	}},
	{"gives twenty events at most", "Events/after and limit", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			return s.Events(ctx, tenant, id, after, min(limit, 20))
		}
	}},
	{"returns not found if there are no later events", "Events/none", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			if err == nil && len(events) == 0 && limit == 0 {
				err = &ticket.NotFoundError{What: "ticket", Ref: id.String()}
			}
			return events, err
		}
	}},
	{"returns no events of an unknown ticket", "Events/none", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			if after > 0 {
				err = nil
			}
			return events, err
		}
	}},
}
