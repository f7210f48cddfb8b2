package ticket

import (
	"context"
	"errors"
	"sync"
	"time"
)

// longestWait returns the longest wait before a next attempt that the desk ever
// sets.
func (r Relay) longestWait() time.Duration {
	most := longestRetryAfter
	if d := 48 * r.MaxBackoff; d/48 == r.MaxBackoff {
		most = max(most, d)
	} else {
		most = 1<<63 - 1
	}
	return most
}

// ahead records when the desk last looked for deliveries that a clock running ahead
// has put off.
type ahead struct {
	mu         sync.Mutex
	last, next time.Time
}

// see records the time of something that is stored.
func (a *ahead) see(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.After(a.last) {
		a.last = now
	}
}

// due reports whether it is time to look: once an hour, and when the clock was set
// back by more than a minute. Smaller steps back are usual, because goroutines
// overtake each other and time servers correct the clock.
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

// rescheduleAhead brings forward deliveries that wait longer than the desk ever
// sets. It does nothing if it is not yet time to look.
func (d *Desk) rescheduleAhead(ctx context.Context) error {
	s, ok := d.store.(Rescheduler)
	if !ok {
		return errors.ErrUnsupported
	}
	now, margin := d.now(), time.Hour // the clocks of processes differ
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

// rescheduleNow brings forward waiting deliveries for Redrive.
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
