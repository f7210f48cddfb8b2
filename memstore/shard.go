package memstore

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"sync"

	"github.com/ticketkit/ticket"
)

// Everything is spread over shards with a lock each, so that commits on different
// tickets rarely meet. A set of shards fits into one word.
const shards = 64

// An index keeps a shard of values that must be unique.
type index[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

func (x *index[K, V]) get(k K) (V, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	v, ok := x.m[k]
	return v, ok
}

// A key is an idempotency key. Each tenant has its own.
type key struct{ tenant, key string }

// A drawer keeps a shard of the tickets.
type drawer struct {
	mu      sync.RWMutex
	records map[ticket.ID]*record
	timers  map[ticket.ID]*ticket.Ticket // those with a Wake
}

// A record is a ticket with its history. Stored tickets and events never change: a
// change replaces the pointer to the ticket, and adds events. So readers take
// pointers under the lock and copy after it.
type record struct {
	ticket *ticket.Ticket
	events []*ticket.Event // events[i] has the number i+1
}

// drawerOf spreads tickets by the end of the ID, which is random. The beginning is
// the time.
func drawerOf(id ticket.ID) int { return int(id[len(id)-1]) % shards }

func (s *Store) shardOf(text string) int {
	return int(maphash.String(s.seed, text) % shards)
}

// find returns the record of a ticket of this tenant, or nil. The drawer must be
// locked.
func (d *drawer) find(tenant string, id ticket.ID) *record {
	if r := d.records[id]; r != nil && r.ticket.Tenant == tenant {
		return r
	}
	return nil
}

// A set holds numbers of shards.
type set uint64

func (s *set) add(i int) { *s |= 1 << i }

// all yields the members in ascending order, which is the order of locking.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(bits.TrailingZeros64(uint64(s))) {
				return
			}
		}
	}
}

// A hold names the shards that a commit locks. They are always locked in the order
// of the fields, and ascending within each, so commits cannot deadlock. All are held
// until everything is written, so another call sees a commit as a whole.
type hold struct {
	keys, numbers, tickets set
	outbox                 bool
}

func (s *Store) holdFor(c *ticket.Commit) (h hold) {
	if c.Receipt != nil {
		h.keys.add(s.shardOf(c.Receipt.Key))
	}
	for i := range c.Changes {
		ch := &c.Changes[i]
		h.tickets.add(drawerOf(ch.Ticket.ID))
		if ch.Expect == 0 {
			h.numbers.add(s.shardOf(string(ch.Ticket.Number)))
		}
	}
	h.outbox = len(c.Deliveries) > 0
	return h
}

func (s *Store) lock(h hold) {
	for i := range h.keys.all() {
		s.keys[i].mu.Lock()
	}
	for i := range h.numbers.all() {
		s.numbers[i].mu.Lock()
	}
	for i := range h.tickets.all() {
		s.tickets[i].mu.Lock()
	}
	if h.outbox {
		s.outbox.mu.Lock()
	}
}

func (s *Store) unlock(h hold) {
	for i := range h.keys.all() {
		s.keys[i].mu.Unlock()
	}
	for i := range h.numbers.all() {
		s.numbers[i].mu.Unlock()
	}
	for i := range h.tickets.all() {
		s.tickets[i].mu.Unlock()
	}
	if h.outbox {
		s.outbox.mu.Unlock()
	}
}
