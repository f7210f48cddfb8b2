package storetest

import (
	"context"
	"slices"

	"github.com/ticketkit/ticket"
)

// run is a key joined from two texts, and the values stored under it.
type run struct{ what, key string }

var joinedFaults = []fault{
	{"joins tenant and key with a colon", "Tenants/run together", joiningKeys(":")},
	{"joins tenant and key with a bar", "Tenants/run together", joiningKeys("|")},
	{"joins tenant and key with a control character", "Tenants/run together", joiningKeys("\x1f")},
	{"joins tenant and key with nothing", "Tenants/run together", joiningKeys("")},
	{"joins tenant and queue with a slash", "Tenants/run together", joiningTickets(
		func(t ticket.Ticket) string { return t.Tenant + "/" + t.Queue },
		func(q ticket.Query) string {
			if len(q.Queue) != 1 {
				return ""
			}
			return q.Tenant + "/" + q.Queue[0]
		})},
	{"joins the name and value of a field", "List/run together", joiningTickets(
		func(t ticket.Ticket) string { return fieldRun(t.Tenant, t.Fields) },
		func(q ticket.Query) string { return fieldRun(q.Tenant, q.Fields) })},
	{"joins tags with a comma", "List/run together", choosing(func(q *ticket.Query) { q.Tags = nil }, func(q ticket.Query, t ticket.Ticket) bool {
		if len(q.Tags) < 2 {
			return (ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages(), Tags: q.Tags}).Match(&t)
		}
		return listRun(q.Tags) == listRun(t.Tags) || (ticket.Query{Tenant: t.Tenant, Stage: ticket.Stages(), Tags: q.Tags}).Match(&t)
	})},
	{"counts under joined names", "Counts/run together", func(f *faulty) {
		s, owner := f.Store.(ticket.Counter), &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := f.Store.Commit(ctx, c)
			for _, ch := range c.Changes {
				if err == nil {
					owner.put(ch.Ticket.Tenant+"_"+ch.Ticket.Queue, ch.Ticket.Tenant)
				}
			}
			return err
		}
		f.counts = func(ctx context.Context, tenant string) ([]ticket.Count, error) {
			counts, err := s.Counts(ctx, tenant)
			var own []ticket.Count
			for _, c := range counts {
				if last, ok := owner.get(tenant + "_" + c.Queue); !ok || last == tenant {
					own = append(own, c)
				}
			}
			return own, err
		}
	}},
}

func listRun(list []string) (run string) {
	for _, s := range list {
		run += "," + s
	}
	return run
}

// fieldRun joins the only field.
func fieldRun(tenant string, fields ticket.Fields) string {
	if len(fields) != 1 {
		return ""
	}
	for name, v := range fields {
		if text, ok := v.(string); ok {
			return tenant + "\x00" + name + "=" + text
		}
	}
	return ""
}

// joiningKeys returns a fault in receipts, whose keys are joined with the tenant.
func joiningKeys(sep string) func(*faulty) {
	return func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			r := c.Receipt
			if r == nil || c.Check() != nil {
				return s.Commit(ctx, c)
			}
			if other, taken := kept.get(r.Tenant + sep + r.Key); taken && other.(ticket.Receipt).Tenant != r.Tenant {
				return &ticket.DuplicateError{What: "key"}
			}
			err := s.Commit(ctx, c)
			if err == nil {
				kept.put(r.Tenant+sep+r.Key, *r)
			}
			return err
		}
	}
}

// joiningTickets returns a fault in List, whose index has joined keys.
func joiningTickets(of func(t ticket.Ticket) string, asked func(q ticket.Query) string) func(*faulty) {
	return func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if key := (run{"ticket", of(ch.Ticket)}); err == nil && key.key != "" {
					had, _ := kept.get(key)
					list, _ := had.([]ticket.Ticket)
					kept.put(key, append(slices.Clip(list), ch.Ticket)) // others read the list
				}
			}
			return err
		}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			had, _ := kept.get(run{"ticket", asked(q)})
			list, _ := had.([]ticket.Ticket)
			for _, t := range list {
				if len(list) == 2 && err == nil && !q.Match(&t) {
					p.Tickets = append(p.Tickets, t.Clone())
				}
			}
			return p, err
		}
	}
}
