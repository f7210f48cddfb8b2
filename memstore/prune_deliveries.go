package memstore

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.DeliveryPruner = (*Store)(nil)

// PruneDeliveries removes old settled deliveries; see [ticket.DeliveryPruner]. It visits every
// delivery.
func (s *Store) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	removed := 0
	for _, r := range o.rows {
		if removed >= limit {
			break
		}
		if r.State.Settled() && r.State != ticket.DeliveryBounced && r.Settled.Before(before) {
			o.forget(r)
			removed++
		}
	}
	return removed, nil
}
