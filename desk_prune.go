package ticket

import (
	"context"
	"errors"
	"time"
)

// Ages of deliveries; see Config.DeliveryAge. Limits of sending look back a day at most.
const (
	defaultDeliveryAge = 365 * 24 * time.Hour
	leastDeliveryAge   = 7 * 24 * time.Hour
)

// PruneDeliveries removes the deliveries that were settled longer than Config.DeliveryAge ago.
// It returns the number of deliveries it removed. [Desk.Run] calls it once an hour; without
// Run, call it now and then. A store that cannot do it returns [errors.ErrUnsupported].
func (d *Desk) PruneDeliveries(ctx context.Context) (int, error) {
	s, ok := d.store.(DeliveryPruner)
	if !ok {
		return 0, unsupported("age of deliveries", errors.ErrUnsupported)
	}
	if d.cfg.DeliveryAge < 0 {
		return 0, nil
	}
	before := d.now().Add(-d.cfg.DeliveryAge)
	for all := 0; ; {
		n, err := s.PruneDeliveries(ctx, before, forgetBatch)
		all += n
		if err != nil || n == 0 {
			return all, unsupported("age of deliveries", err)
		}
	}
}

// hourly returns a function for Run that does a job at most once an hour.
func (d *Desk) hourly(job func(context.Context) (int, error)) func(context.Context) error {
	var next time.Time
	return func(ctx context.Context) error {
		now := d.now()
		if stillAhead(now, next, time.Hour) {
			return nil
		}
		_, err := job(ctx)
		if err == nil {
			next = now.Add(time.Hour)
		}
		return err
	}
}
