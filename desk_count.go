package ticket

import (
	"context"
	"errors"
)

// maxCount is the largest result of [Desk.Count].
const maxCount = 10_000

// Count returns the number of tickets that match and that the actor may see. It stops at
// 10,000, so that result means that many or more. It is for numbers on a dashboard, such as
// how many tickets are overdue. The cursor and the limit of the query do not matter. Its
// order matters only in that [OrderSoonestDue] leaves out tickets without a target that is
// still to be met. Errors are those of [Desk.List].
//
// With a store that is a [Counter], and for an actor to whom [DefaultPolicy] shows every
// ticket, Count reads no tickets. Otherwise it reads pages of tickets until it has counted
// all.
func (d *Desk) Count(ctx context.Context, a Actor, q Query) (int, error) {
	q.After, q.Limit = "", MaxLimit
	prepared, err := d.prepare(&a, q)
	if err != nil {
		return 0, err
	}
	if c, can := d.store.(Counter); can && d.seesAll(a) {
		if err := prepared.Check(); err != nil {
			return 0, err
		}
		n, err := c.Count(ctx, prepared, maxCount)
		if !errors.Is(err, errors.ErrUnsupported) {
			return n, err
		}
	}
	n := 0
	for {
		page, err := d.List(ctx, a, q)
		if err != nil {
			return 0, err
		}
		if n += len(page.Tickets); n >= maxCount {
			return maxCount, nil
		}
		if q.After = page.Next; q.After == "" {
			return n, nil
		}
	}
}

// seesAll reports whether the policy shows an actor every ticket of its tenant.
func (d *Desk) seesAll(a Actor) bool {
	if _, ours := d.cfg.Policy.(DefaultPolicy); !ours {
		return false
	}
	return a.Role == RoleSystem || a.Role == RoleAgent && a.Queues == nil
}
