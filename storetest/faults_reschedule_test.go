package storetest

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

// reschedulingWith returns a fault in the request of Reschedule.
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
	{"brings forward ones that are due at the time", "Reschedule/pending", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		if !h.Due.IsZero() {
			h.Due = h.Due.Add(-time.Microsecond)
		}
		return ctx, h
	})},
	{"ends no lease", "Reschedule/claimed", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		h.Until = time.Time{}
		return ctx, h
	})},
	{"brings forward ones with other IDs", "Reschedule/which", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
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
	{"brings forward in spite of the context", "Reschedule/cancelled", reschedulingWith(func(ctx context.Context, h ticket.RescheduleRequest) (context.Context, ticket.RescheduleRequest) {
		return context.WithoutCancel(ctx), h
	})},
}
