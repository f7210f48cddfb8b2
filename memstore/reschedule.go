package memstore

import (
	"context"

	"github.com/ticketkit/ticket"
)

// Reschedule makes deliveries due earlier; see [ticket.Rescheduler]. It visits all
// unsettled deliveries of h.Notifiers.
func (s *Store) Reschedule(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := h.Check(); err != nil {
		return 0, err
	}
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	var open []*row
	for _, id := range h.IDs {
		if r := o.rows[id]; r != nil && r.Tenant == h.Tenant {
			open = append(open, r)
		}
	}
	if len(h.IDs) == 0 {
		for _, via := range h.Notifiers {
			if q := o.queues[via]; q != nil {
				for _, heads := range []rows{q.ready, q.leased} {
					for _, head := range heads.list {
						open = append(open, head.line.open...)
					}
				}
			}
		}
	}
	n := 0
	for _, r := range open {
		switch {
		case r.State == ticket.DeliveryPending && !h.Due.IsZero() && r.Due.After(h.Due):
			r.Due = h.Now
		case r.State == ticket.DeliveryClaimed && !h.Until.IsZero() && r.Until.After(h.Until):
			r.Until = h.Now
			if r.Due.After(h.Now) {
				r.Due = h.Now
			}
		default:
			continue
		}
		r.line.place()
		n++
	}
	return n, nil
}
