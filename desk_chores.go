package ticket

import (
	"context"
	"errors"
	"fmt"
)

// UpkeepReport counts what a call of [Desk.Upkeep] did.
type UpkeepReport struct {
	Retained   int // steps of [Desk.Retain]
	Deliveries int // that were removed
	Receipts   int // that were removed or changed
	Mails      int // that were erased or removed
	Files      int // that were removed
}

// Upkeep does once what [Desk.Run] does by and by: it applies Config.Retention, prunes deliveries,
// receipts and mails, sweeps files, and lets a [Maintainer] do its work. It is for applications
// that call it every night, for example because none of their processes runs all the time. Beside
// Run it is not needed and does no harm. Several processes may call it at the same time.
//
// Upkeep leaves out what the store cannot do, except that Config.Retention on a store that is not
// an [Archiver] is an error. If a part fails, it goes on with the others, and joins the errors. It
// may be called again, and goes on where it was interrupted. It does not send notifications or fire
// timers: see [Desk.Deliver] and [Desk.FireTimers].
func (d *Desk) Upkeep(ctx context.Context) (UpkeepReport, error) {
	var r UpkeepReport
	if err := d.unbound(); err != nil {
		return r, err
	}
	var faults []error
	for _, c := range d.chores() {
		if ctx.Err() != nil {
			break
		}
		n, err := c.do(ctx)
		*c.count(&r) += n
		faults = append(faults, c.fault(err))
	}
	if m, ok := d.store.(Maintainer); ok && ctx.Err() == nil {
		faults = append(faults, chore{what: maintenance}.fault(m.Maintain(ctx)))
	}
	if err := errors.Join(faults...); err != nil {
		return r, err
	}
	return r, ctx.Err()
}

// A chore is regular work that makes room.
type chore struct {
	what   string // it does
	do     func(context.Context) (int, error)
	count  func(*UpkeepReport) *int
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
	add(len(d.cfg.Retention) > 0, chore{"apply retention", d.retainAll, func(r *UpkeepReport) *int { return &r.Retained }, true})
	_, has := d.store.(DeliveryPruner)
	add(has, chore{"prune deliveries", d.PruneDeliveries, func(r *UpkeepReport) *int { return &r.Deliveries }, false})
	_, has = d.store.(ReceiptPruner)
	add(has, chore{"prune receipts", d.PruneReceipts, func(r *UpkeepReport) *int { return &r.Receipts }, false})
	_, has = d.store.(MailStore)
	add(has, chore{"prune mails", d.PruneMails, func(r *UpkeepReport) *int { return &r.Mails }, false})
	_, has = d.store.(FileReferrer)
	add(has && d.cfg.Files != nil, chore{"sweep files", d.SweepFiles, func(r *UpkeepReport) *int { return &r.Files }, false})
	return list
}

// fault returns the error of a chore as an error of Upkeep; nil for what is not supported.
func (c chore) fault(err error) error {
	if err == nil || !c.wanted && errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return fmt.Errorf("ticket: cannot %s: %w", c.what, err)
}
