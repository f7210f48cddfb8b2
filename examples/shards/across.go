package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/ticketkit/ticket"
)

// What is asked of all tenants is asked of each, one after the other. That is right for some
// hundred tenants and for what operators look at now and then. For more, let a relay of each desk
// feed one index (ticket.Config.EventNotifiers), and search that.

// each calls f for every tenant. It goes on after an error, so a result is what the databases have
// that work, and the error says which do not.
func (r *Router) each(ctx context.Context, f func(tenant string, d *ticket.Desk) error) error {
	tenants, err := texts(ctx, r.app, "SELECT name FROM app_tenants ORDER BY name")
	if err != nil {
		return err
	}
	var faults []error
	for _, tenant := range tenants {
		d, err := r.For(ctx, tenant)
		if err == nil {
			err = f(tenant, d)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", tenant, err))
		}
	}
	return errors.Join(faults...)
}

// A cursor names a place in an order, and no row of a database. So one cursor serves all.

// List returns a page of the tickets of all tenants, in the order of the query, and the cursor of
// the next page. Each tenant is asked for a whole page, of which few are used.
func (r *Router) List(ctx context.Context, who ticket.Actor, q ticket.Query) (page ticket.Page, err error) {
	more := false
	err = r.each(ctx, func(tenant string, d *ticket.Desk) error {
		found, err := d.List(ctx, who.InTenant(tenant), q)
		page.Tickets, more = append(page.Tickets, found.Tickets...), more || found.Next != ""
		return err
	})
	slices.SortFunc(page.Tickets, func(a, b ticket.Ticket) int { return q.PlaceOf(&a).Compare(q.PlaceOf(&b)) })
	if n := q.PageSize(); len(page.Tickets) > n {
		page.Tickets, more = page.Tickets[:n], true
	}
	if more && len(page.Tickets) > 0 {
		page.Next = q.PlaceOf(&page.Tickets[len(page.Tickets)-1]).Cursor()
	}
	return page, err
}

// Search returns the newest tickets of all tenants that have the words. A search of the library
// has one page; so has this one. The best first (SearchQuery.Best) cannot be merged: how well a
// ticket fits is no number that two databases share.
func (r *Router) Search(ctx context.Context, who ticket.Actor, q ticket.SearchQuery) (hits []ticket.Hit, err error) {
	err = r.each(ctx, func(tenant string, d *ticket.Desk) error {
		found, err := d.Search(ctx, who.InTenant(tenant), q)
		hits = append(hits, found...)
		return err
	})
	newest := ticket.Query{Order: ticket.OrderNewestFirst}
	slices.SortFunc(hits, func(a, b ticket.Hit) int { return newest.PlaceOf(&a.Ticket).Compare(newest.PlaceOf(&b.Ticket)) })
	return hits[:min(len(hits), q.PageSize())], err
}

// Open returns how many tickets are not done, of all tenants. Sums of Desk.Count would do too, up
// to its limit of 10,000 for each.
func (r *Router) Open(ctx context.Context) (n int, err error) {
	err = r.each(ctx, func(tenant string, d *ticket.Desk) error {
		counts, err := d.Counts(ctx, ticket.System("operator").InTenant(tenant))
		for _, c := range counts {
			n += c.N
		}
		return err
	})
	return n, err
}

// Histories yields the histories of all databases, one database after the other, for a report or
// a log. A report does not mind the order. It would count a tenant twice who is in two databases,
// as in the middle of a move, so only tickets of residents are yielded. An error ends it: a
// report without a part of the desks would be wrong without a sign.
func (r *Router) Histories(ctx context.Context) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(r.shards)) {
			s, err := r.shard(name)
			var residents []string
			if err == nil {
				residents, err = texts(ctx, s.db, "SELECT tenant FROM app_residents")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for history, err := range s.store.Export(ctx, ticket.ID{}) {
				if err == nil && !slices.Contains(residents, history[0].Set.Tenant) {
					continue
				}
				if !yield(history, err) || err != nil {
					return
				}
			}
		}
	}
}
