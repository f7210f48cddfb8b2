package ticket

import (
	"context"
	"errors"
	"fmt"
)

// Upkeep does once what [Desk.Run] does by and by: it applies Config.Retention, prunes deliveries,
// receipts and mails, sweeps files, and lets a [Maintainer] do its work. It is for applications
// that call it every night, for example because none of their processes runs all the time. Beside
// Run it is not needed and does no harm. Several processes may call it at the same time.
//
// Upkeep leaves out what the store cannot do, except that Config.Retention on a store that is not
// an [Archiver] is an error. If a part fails, it goes on with the others, and joins the errors. It
// may be called again, and goes on where it was interrupted. It does not send notifications or fire
// timers: see [Desk.Deliver] and [Desk.FireTimers].
//
// It returns how many steps of retention it made and how many deliveries, receipts, mails and files
// it removed or changed, together.
func (d *Desk) Upkeep(ctx context.Context) (int, error) {
	if err := d.unbound(); err != nil {
		return 0, err
	}
	all := 0
	var faults []error
	for _, c := range d.chores() {
		if ctx.Err() != nil {
			break
		}
		n, err := c.do(ctx)
		all += n
		faults = append(faults, c.fault(err))
	}
	if m, ok := d.store.(Maintainer); ok && ctx.Err() == nil {
		faults = append(faults, chore{what: maintenance}.fault(m.Maintain(ctx)))
	}
	if err := errors.Join(faults...); err != nil {
		return all, err
	}
	return all, ctx.Err()
}

// A chore is regular work that makes room.
type chore struct {
	what   string // it does
	do     func(context.Context) (int, error)
	wanted bool // by the configuration: it is a fault if the store cannot do it
}

const maintenance = "maintain the store"

// chores returns the chores of the desk. Some may turn out to be unsupported.
func (d *Desk) chores() (list []chore) {
	add := func(has bool, c chore) {
		if has {
			list = append(list, c)
		}
	}
	// Retention leaves work for the others.
	add(len(d.cfg.Retention) > 0, chore{"apply retention", d.retainAll, true})
	_, has := d.store.(DeliveryPruner)
	add(has, chore{"prune deliveries", d.PruneDeliveries, false})
	_, has = d.store.(ReceiptPruner)
	add(has, chore{"prune receipts", d.PruneReceipts, false})
	_, has = d.store.(MailStore)
	add(has, chore{"prune mails", d.PruneMails, false})
	_, has = d.store.(FileReferrer)
	add(has && d.cfg.Files != nil, chore{"sweep files", d.SweepFiles, false})
	return list
}

// fault returns the error of a chore as an error of Upkeep; nil for what is not supported.
func (c chore) fault(err error) error {
	if err == nil || !c.wanted && errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return fmt.Errorf("ticket: cannot %s: %w", c.what, err)
}
