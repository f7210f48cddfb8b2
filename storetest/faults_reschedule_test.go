package storetest

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

// hasteningWith is a fault in what Hasten is asked.
func reschedulingWith(change func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Rescheduler)
		f.reschedule = func(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
			ctx, h = change(ctx, h)
			return s.Reschedule(ctx, h)
		}
	}
}

var rescheduleFaults = []fault{
	{"brings forward what is due right then", "Reschedule/pending", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		if !h.Due.IsZero() {
			h.Due = h.Due.Add(-time.Microsecond)
		}
		return ctx, h
	})},
	{"ends no lease", "Reschedule/claimed", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		h.Until = time.Time{}
		return ctx, h
	})},
	{"brings forward what has other IDs", "Reschedule/which", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		if len(h.IDs) > 0 {
			h.IDs, h.Notifiers = nil, []string{"mail"}
		}
		return ctx, h
	})},
	{"ends leases that are not asked for", "Reschedule/none", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		if h.Until.IsZero() {
			h.Until = h.Due
		}
		return ctx, h
	})},
	{"brings forward for a caller who has gone", "Reschedule/cancelled", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		return context.WithoutCancel(ctx), h
	})},
}
