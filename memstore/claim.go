package memstore

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// Claim leases deliveries to the caller; see [ticket.Store]. It visits only the
// deliveries it returns and those whose lease has passed.
func (s *Store) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	var queues []*queue
	for _, via := range r.Notifiers {
		if q := o.queues[via]; q != nil {
			q.release(r.Now)
			queues = append(queues, q)
		}
	}
	var claimed []ticket.Delivery
	for len(claimed) < r.Limit {
		q := earliest(queues)
		if q == nil || q.ready.list[0].Due.After(r.Now) {
			break
		}
		d := heap.Pop(&q.ready).(*row)
		// A caller whose clock was ahead moved this delivery to ready. By the
		// clock of this caller, the lease has not ended.
		if d.State != ticket.DeliveryClaimed || !d.Until.After(r.Now) {
			if d.State == ticket.DeliveryClaimed {
				d.Failures++
			}
			d.State, d.Until = ticket.DeliveryClaimed, r.Now.Add(r.Lease)
			d.Attempts++
			claimed = append(claimed, d.Delivery)
		}
		heap.Push(&q.leased, d)
	}
	return claimed, nil
}

// earliest returns the queue whose first ready row comes first, or nil.
func earliest(queues []*queue) *queue {
	var best *queue
	for _, q := range queues {
		if len(q.ready.list) > 0 && (best == nil || byDue(q.ready.list[0], best.ready.list[0])) {
			best = q
		}
	}
	return best
}

// Settle records the outcome of claimed deliveries; see [ticket.Store].
func (s *Store) Settle(ctx context.Context, settlements []ticket.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range settlements {
		if err := settlements[i].Check(); err != nil {
			return err
		}
	}
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	for i := range settlements {
		if !o.settle(&settlements[i]) {
			err = ticket.ErrClaimLost
		}
	}
	return err
}

// settle reports whether the claim still held.
func (o *outbox) settle(st *ticket.Settlement) bool {
	r := o.rows[st.ID]
	if r == nil || r.State != ticket.DeliveryClaimed || r.Attempts != st.Attempts {
		return false
	}
	r.State, r.Until, r.LastError, r.Failures, r.Address = st.State, time.Time{}, st.Error, st.Failures, st.Address
	if r.State == ticket.DeliveryPending {
		r.Due = st.Due
		r.line.place()
		return true
	}
	r.Settled = st.At
	r.line.leave(r)
	o.close(r)
	return true
}

// UpdateDeliveries changes the state of settled deliveries; see [ticket.Store].
func (s *Store) UpdateDeliveries(ctx context.Context, rev ticket.DeliveryUpdate) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := rev.Check(); err != nil {
		return 0, err
	}
	o := &s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := 0
	for i, id := range rev.IDs {
		r := o.rows[id]
		if r == nil || r.Tenant != rev.Tenant || !slices.Contains(rev.From, r.State) || slices.Contains(rev.IDs[:i], id) {
			continue
		}
		changed++
		o.reopen(r)
		r.State, r.LastError = rev.To, rev.Error
		if rev.To == ticket.DeliveryPending {
			o.move(r)
			r.Due, r.Failures, r.Settled = rev.At, 0, time.Time{}
			r.line.enter(r)
			continue
		}
		r.Settled = rev.At
		o.close(r)
	}
	return changed, nil
}
