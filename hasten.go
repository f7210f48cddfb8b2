package ticket

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Rescheduler is an optional interface of a [Store]: what waits for a time that no desk
// sets can be brought forward. A clock that was ahead leaves such times behind, and
// what it made would wait for them. [Desk.Run] and [Desk.Deliver] ask for it. Or the
// method answers [errors.ErrUnsupported]. What holds for all methods of a store holds
// here.
type Rescheduler interface {
	// Reschedule brings forward what is on its way by h.Via, in all tenants, or else, where
	// h.IDs are given, those of them in h.Tenant. Deliveries that are pending with a Due
	// after h.Due must be due at h.Now; of those that are claimed with an Until after
	// h.Until, Until must become h.Now, and so must a Due that is later. Zero times mean
	// none of these. All else must stay. It returns how many it changed.
	Reschedule(ctx context.Context, h RescheduleRequest) (int, error)
}

// RescheduleRequest says what is to be brought forward.
type RescheduleRequest struct {
	Now        time.Time
	Due, Until time.Time
	Notifiers  []string
	Tenant     string // with IDs
	IDs        []ID   // at most 1000
}

// Check reports a request that makes no sense as an [*InvalidError]. Stores call it
// first.
func (h RescheduleRequest) Check() error {
	if len(h.IDs) > maxAlternatives {
		return invalid("hasten.ids", "has %d values, at most %d are taken", len(h.IDs), maxAlternatives)
	}
	if h.Now.IsZero() {
		return invalid("hasten.now", "is missing")
	}
	return checkTimes(namedTime{"hasten.now", h.Now}, namedTime{"hasten.due", h.Due}, namedTime{"hasten.until", h.Until})
}

// longestWait is the longest that the desk lets a delivery wait for its next attempt.
func (r Relay) longestWait() time.Duration {
	most := 24 * time.Hour // by RetryAfter
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

// again has it looked anew.
func (a *ahead) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = time.Time{}
}

// hasten brings forward what waits for a time that lies further ahead than the desk
// ever sets one, when it is time to look.
func (d *Desk) hasten(ctx context.Context) error {
	s, ok := d.store.(Rescheduler)
	if !ok {
		return errors.ErrUnsupported
	}
	now, margin := d.now(), time.Hour // for clocks that differ
	if !d.ahead.due(now) {
		return nil
	}
	wait, lease := d.cfg.Relay.longestWait(), max(longestLease, d.cfg.Relay.Lease)
	h := RescheduleRequest{Now: now, Due: nearest(now.Add(margin).Add(wait), epoch, lastNow), Until: nearest(now.Add(margin).Add(lease), epoch, lastNow), Notifiers: sortedKeys(d.serving())}
	if len(h.Notifiers) == 0 {
		return nil
	}
	n, err := s.Reschedule(ctx, h)
	if n > 0 {
		d.wake.all()
	}
	if err != nil {
		d.ahead.again()
	}
	return err
}

// hastenNow brings forward deliveries that wait, for Redrive.
func (d *Desk) hastenNow(ctx context.Context, tenant string, ids []ID) (int, error) {
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
