package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// asText compares times by the digits of their microseconds.
func asText(a, b time.Time) int {
	return cmp.Compare(fmt.Sprint(a.UnixMicro()), fmt.Sprint(b.UnixMicro()))
}

// asFloat compares times by their microseconds, as far as a float64 can hold them.
func asFloat(a, b time.Time) int { return cmp.Compare(float64(a.UnixMicro()), float64(b.UnixMicro())) }

// ageing returns a fault in the order in which Claim compares times.
func ageing(compare func(a, b time.Time) int) func(*faulty) {
	return claiming(nil, func(d []ticket.Delivery) {
		slices.SortStableFunc(d, func(a, b ticket.Delivery) int { return cmp.Or(compare(a.Due, b.Due), a.ID.Compare(b.ID)) })
	})
}

var ageFaults = []fault{
	{"sorts tickets by the digits of a time", "Ages/list", sorting(ticket.OrderOldestFirst, func(a, b ticket.Ticket) int { return asText(a.Created, b.Created) })},
	{"sorts tickets by times as floating point", "Ages/list", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool {
				return !q.CreatedFrom.IsZero() && asFloat(t.Created, q.CreatedFrom) == 0 && q.CreatedFrom.Year() == 9999 && t.Created.After(q.CreatedFrom)
			})
			return p, err
		}
	}},
	{"ignores timers before 1970", "Ages/due", dueWithout(func(at time.Time) bool { return at.UnixMicro() < 0 })},
	{"sorts timers by the digits of a time", "Ages/due", ordering(func(at, bt time.Time, a, b ticket.ID) int {
		return cmp.Or(asText(at, bt), a.Compare(b))
	})},
	{"sorts timers as floating point", "Ages/due", ordering(func(at, bt time.Time, a, b ticket.ID) int {
		return cmp.Or(asFloat(at, bt), a.Compare(b))
	})},
	{"sorts deliveries by the digits of a time", "Ages/claim", ageing(asText)},
	{"sorts deliveries by times as floating point", "Ages/claim", ageing(asFloat)},
	{"compares ends by the digits of a time", "Ages/deliveries", listing(nil, func(q ticket.DeliveryQuery, p *ticket.DeliveryPage) {
		p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool {
			return !q.SettledFrom.IsZero() && !d.Settled.IsZero() && asText(d.Settled, q.SettledFrom) < 0
		})
	})},
}

// dueWithout returns a fault: Due leaves out the timers that the function selects.
func dueWithout(some func(at time.Time) bool) func(*faulty) {
	return timing(func(ctx context.Context, s ticket.Store, timers map[ticket.Ref][]time.Time, now time.Time, limit int) ([]ticket.Ref, error) {
		refs, err := s.Due(ctx, now, limit)
		return slices.DeleteFunc(refs, func(r ticket.Ref) bool { return some(timers[r][len(timers[r])-1]) }), err
	})
}
