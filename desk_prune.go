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
	n, err := d.inBatches(ctx, func() (int, error) { return s.PruneDeliveries(ctx, before, pruneBatch) })
	return n, unsupported("age of deliveries", err)
}

// pruneBatch is how many records are removed or changed at a time, and prunePause how long
// others may write in between: a database with one writer at a time gives no turns.
const (
	pruneBatch = 100
	prunePause = 5 * time.Millisecond
)

// inBatches removes batches until one is empty. It returns how much was removed. Inside a
// transaction of your application, nobody else could use a pause.
func (d *Desk) inBatches(ctx context.Context, batch func() (int, error)) (all int, err error) {
	for {
		n, err := batch()
		all += n
		if err != nil || n == 0 {
			return all, err
		}
		if d.bound {
			continue
		}
		if err := wait(ctx, prunePause); err != nil {
			return all, err
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
