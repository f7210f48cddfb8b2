package memstore

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// boxes is smaller than shards, since a claim must look at all of them at once.
const boxes = 16

// A box keeps a shard of the outbox: the rows by their own ID, because that is
// all a settlement tells, and because it must be unique.
type box struct {
	mu    sync.Mutex
	rows  map[ticket.ID]*row
	lines map[string]*line // by notifier
}

// A line holds the rows of one notifier. Dead ones are in neither heap.
type line struct {
	ready  rows // pending, or claimed with a lease that has passed; by Due
	leased rows // claimed; by Until
}

func (b *box) line(via string) *line {
	l := b.lines[via]
	if l == nil {
		l = &line{ready: rows{before: byDue}, leased: rows{before: byUntil}}
		b.lines[via] = l
	}
	return l
}

func (b *box) put(d *ticket.Delivery) {
	r := &row{Delivery: *d}
	b.rows[d.ID] = r
	heap.Push(&b.line(d.Via).ready, r)
}

// Claim leases deliveries to the caller; see [ticket.Store]. It looks at those
// it returns and those whose lease has passed, not at all that wait.
func (s *Store) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	for i := range s.outbox {
		s.outbox[i].mu.Lock()
		defer s.outbox[i].mu.Unlock()
	}
	var lines []*line
	for i := range s.outbox {
		for _, via := range r.Via {
			if l := s.outbox[i].lines[via]; l != nil {
				l.release(r.Now)
				lines = append(lines, l)
			}
		}
	}
	var claimed []ticket.Delivery
	for len(claimed) < r.Limit {
		l := earliest(lines)
		if l == nil || l.ready.list[0].Due.After(r.Now) {
			break
		}
		d := heap.Pop(&l.ready).(*row)
		// A lease that another caller, with a later clock, saw pass still runs
		// for one with an earlier clock.
		if d.State != ticket.Claimed || !d.Until.After(r.Now) {
			d.State, d.Until = ticket.Claimed, r.Now.Add(r.Lease)
			d.Attempts++
			claimed = append(claimed, d.Delivery)
		}
		heap.Push(&l.leased, d)
	}
	return claimed, nil
}

// release makes ready what was leased until now or before.
func (l *line) release(now time.Time) {
	for len(l.leased.list) > 0 && !l.leased.list[0].Until.After(now) {
		heap.Push(&l.ready, heap.Pop(&l.leased))
	}
}

// earliest returns the line whose first ready row comes first, or nil.
func earliest(lines []*line) *line {
	var best *line
	for _, l := range lines {
		if len(l.ready.list) > 0 && (best == nil || byDue(l.ready.list[0], best.ready.list[0])) {
			best = l
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
	var err error
	for i := range settlements {
		if !s.outbox[boxOf(settlements[i].ID)].settle(&settlements[i]) {
			err = ticket.ErrClaimLost
		}
	}
	return err
}

// settle reports whether the claim still held.
func (b *box) settle(st *ticket.Settlement) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rows[st.ID]
	if r == nil || r.State != ticket.Claimed || r.Attempts != st.Attempts {
		return false
	}
	heap.Remove(r.in, r.at)
	r.Until, r.LastError, r.Failures = time.Time{}, st.Error, st.Failures
	switch st.Outcome {
	case ticket.Done:
		delete(b.rows, r.ID)
	case ticket.Again:
		r.State, r.Due = ticket.Pending, st.Due
		heap.Push(&b.line(r.Via).ready, r)
	case ticket.GiveUp:
		r.State = ticket.Dead
	}
	return true
}

// A row is a delivery that knows its place, so that it can be taken out of the
// middle of a heap.
type row struct {
	ticket.Delivery
	in *rows
	at int
}

func byDue(a, b *row) bool {
	if c := a.Due.Compare(b.Due); c != 0 {
		return c < 0
	}
	return a.ID.Compare(b.ID) < 0
}

func byUntil(a, b *row) bool { return a.Until.Before(b.Until) }

// rows is a [heap.Interface].
type rows struct {
	list   []*row
	before func(a, b *row) bool
}

func (h *rows) Len() int           { return len(h.list) }
func (h *rows) Less(i, j int) bool { return h.before(h.list[i], h.list[j]) }

func (h *rows) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].at, h.list[j].at = i, j
}

func (h *rows) Push(x any) {
	r := x.(*row)
	r.in, r.at = h, len(h.list)
	h.list = append(h.list, r)
}

func (h *rows) Pop() any {
	last := len(h.list) - 1
	r := h.list[last]
	h.list[last] = nil // let it go
	h.list = h.list[:last]
	return r
}
