package ticket

import (
	"context"
	"errors"
	"sync"
	"time"
)

// longestWait is the longest that the desk lets a delivery wait for its next attempt.
func (r Relay) longestWait() time.Duration {
	most := longestRetryAfter
	if d := 48 * r.MaxBackoff; d/48 == r.MaxBackoff {
		most = max(most, d)
	} else {
		most = 1<<63 - 1
	}
	return most
}

// ahead remembers when it was looked for what a clock that was ahead has left.
type ahead struct {
	mu         sync.Mutex
	last, next time.Time
}

// see takes note of the time of something that is written down.
func (a *ahead) see(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.After(a.last) {
		a.last = now
	}
}

// due reports whether it is time to look: once an hour, and when the clock was put
// back by more than what goroutines and time servers make of it.
func (a *ahead) due(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	back := now.Before(a.last.Add(-time.Minute))
	a.last = now
	if !back && now.Before(a.next) {
		return false
	}
	a.next = now.Add(time.Hour)
	return true
}

// again makes the next call of due return true.
func (a *ahead) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = time.Time{}
}

// rescheduleAhead brings forward what waits for a time that lies further ahead than the desk
// ever sets one, when it is time to look.
func (d *Desk) rescheduleAhead(ctx context.Context) error {
	s, ok := d.store.(Rescheduler)
	if !ok {
		return errors.ErrUnsupported
	}
	now, margin := d.now(), time.Hour // for clocks that differ
	if !d.ahead.due(now) {
		return nil
	}
	wait, lease := d.cfg.Relay.longestWait(), max(longestLease, d.cfg.Relay.Lease)
	r := RescheduleRequest{Now: now, Due: nearest(now.Add(margin).Add(wait), epoch, lastNow), Until: nearest(now.Add(margin).Add(lease), epoch, lastNow), Notifiers: sortedKeys(d.serving())}
	if len(r.Notifiers) == 0 {
		return nil
	}
	n, err := s.Reschedule(ctx, r)
	if n > 0 {
		d.wake.all()
	}
	if err != nil {
		d.ahead.again()
	}
	return err
}

// rescheduleNow brings forward deliveries that wait, for Redrive.
func (d *Desk) rescheduleNow(ctx context.Context, tenant string, ids []ID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	s, ok := d.store.(Rescheduler)
	if !ok {
		return 0, unsupported("bringing deliveries forward", errors.ErrUnsupported)
	}
	now := d.now()
	n, err := s.Reschedule(ctx, RescheduleRequest{Now: now, Due: now, Tenant: tenant, IDs: ids})
	return n, unsupported("bringing deliveries forward", err)
}
