package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ticketkit/ticket"
)

// Bench measures a store with the calls that a desk makes. open returns an empty store
// for each benchmark. Each commit writes one ticket, one event and one delivery, and
// each read returns at most twenty events or fifty tickets.
func Bench(b *testing.B, open func(b *testing.B) ticket.Store) {
	b.Run("Commit/new", func(b *testing.B) { benchCommit(b, open, 1, true) })
	b.Run("Commit/existing", func(b *testing.B) { benchCommit(b, open, 1, false) })
	b.Run(fmt.Sprintf("Commit/existing, %d callers", callers), func(b *testing.B) { benchCommit(b, open, callers, false) })

	s := &seeded{store: open(b)}
	s.fill(b)
	for _, read := range []struct {
		name string
		call func(i int) error
	}{
		{"Ticket", s.ticket},
		{"Lookup", s.lookup},
		{"Events", s.events},
		{"List/first page", s.list(ticket.Query{Tenant: acme})},
		{"List/newest of a queue", s.list(ticket.Query{Tenant: acme, Queue: []string{"queue 3"}, Order: ticket.OrderNewestFirst})},
		{"List/soonest due", s.list(ticket.Query{Tenant: acme, Order: ticket.OrderSoonestDue, NotSnoozed: true})},
		{"List/soonest due of a metric", s.list(ticket.Query{Tenant: acme, Order: ticket.OrderSoonestDue, Metric: "solution"})},
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := read.call(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Claim and Settle/1", func(b *testing.B) { benchOutbox(b, open(b), 1) })
	b.Run("Claim and Settle/50", func(b *testing.B) { benchOutbox(b, open(b), 50) })
}

const (
	callers     = 8
	storeSize   = 1 << 16 // commits before a new store is opened, so that memory use stays small
	seedTickets = 10_000
	seedEvents  = 20
)

// A writer makes commits by changing its previous one in place, to measure the store
// only. Its events are not sealed; stores do not check that.
type writer struct {
	b      *testing.B
	ids    *atomic.Uint64
	commit ticket.Commit
}

func newWriter(b *testing.B, ids *atomic.Uint64) *writer {
	w := &writer{b: b, ids: ids}
	c := opening(ticket.ID{1}, ticket.NumberOf(0), acme, func(e *ticket.Event) { e.Set.Queue = new("hardware") })
	w.commit.Changes = []ticket.Change{c}
	w.commit.Deliveries = []ticket.Delivery{(&kit{}).delivery(c.Ticket)}
	w.open()
	return w
}

// id returns IDs like the desk's: time first, then random bytes.
func (w *writer) id() (id ticket.ID) {
	n := w.ids.Add(1)
	binary.BigEndian.PutUint64(id[:], n<<16)
	binary.BigEndian.PutUint64(id[8:], n*0x9E3779B97F4A7C15)
	return id
}

// open turns the commit into that of a new ticket.
func (w *writer) open() {
	ch, d := &w.commit.Changes[0], &w.commit.Deliveries[0]
	id := w.id()
	ch.Ticket.ID, ch.Ticket.Number, ch.Ticket.Version, ch.Expect = id, numberOf(w.ids.Load()<<8|w.ids.Add(1)&0xFF), 1, 0
	ch.Events[0].Ticket, ch.Events[0].Seq, ch.Events[0].Set.Number = id, 1, ch.Ticket.Number
	d.ID, d.Ticket, d.Seq = w.id(), id, 1
}

// change turns the commit into the next one of the same ticket.
func (w *writer) change() {
	ch, d := &w.commit.Changes[0], &w.commit.Deliveries[0]
	ch.Expect++
	ch.Ticket.Version++
	ch.Events[0].Seq++
	d.ID, d.Seq = w.id(), ch.Ticket.Version
}

func (w *writer) write(s ticket.Store) {
	if err := s.Commit(w.b.Context(), w.commit); err != nil {
		w.b.Error(err)
	}
}

// benchCommit lets several callers commit, each to its own tickets.
func benchCommit(b *testing.B, open func(b *testing.B) ticket.Store, callers int, fresh bool) {
	b.ReportAllocs()
	for left := b.N; left > 0; left -= storeSize {
		b.StopTimer()
		store, ids := open(b), new(atomic.Uint64)
		writers := make([]*writer, callers)
		for i := range writers {
			writers[i] = newWriter(b, ids)
			if !fresh {
				writers[i].write(store)
			}
		}
		b.StartTimer()
		var todo atomic.Int64
		todo.Store(int64(min(left, storeSize)))
		var wg sync.WaitGroup
		for _, w := range writers {
			wg.Go(func() {
				for todo.Add(-1) >= 0 {
					if fresh {
						w.open()
					} else {
						w.change()
					}
					w.write(store)
				}
			})
		}
		wg.Wait()
	}
}

// seeded is a store with tickets to read. The first ones have a history.
type seeded struct {
	store   ticket.Store
	ctx     context.Context
	tickets []ticket.Ticket
}

func (s *seeded) fill(b *testing.B) {
	b.Helper()
	s.ctx = b.Context()
	for n := range seedTickets / 100 {
		var commit ticket.Commit
		for i := range 100 {
			m := 100*n + i
			edits := []edit{func(e *ticket.Event) {
				e.At = clock.Add(time.Duration(m) * time.Second)
				e.Set.Queue = new(fmt.Sprintf("queue %d", m%100))
				e.Set.Clocks = seedClocks(m, e.At)
			}}
			for range seedEvents - 1 {
				edits = append(edits, note("one of twenty"))
			}
			if n > 0 {
				edits = edits[:1]
			}
			c := opening(idOf(uint64(2*m)), numberOf(uint64(2*m+1)), acme, edits...)
			commit.Changes = append(commit.Changes, c)
			s.tickets = append(s.tickets, c.Ticket)
		}
		if err := s.store.Commit(b.Context(), commit); err != nil {
			b.Fatal(err)
		}
	}
}

// seedClocks returns the clocks of the m-th ticket, as a desk with a policy has them: two
// that run, or are paused in every tenth ticket. Every twentieth missed its first answer.
func seedClocks(m int, at time.Time) []ticket.Clock {
	answer, solution := dueClock("first answer", at.Add(8*time.Hour)), dueClock("solution", at.Add(40*time.Hour))
	answer.Next, solution.Next = answer.Due.Add(-time.Hour), solution.Due.Add(-time.Hour)
	switch {
	case m%10 == 9:
		for _, c := range []*ticket.Clock{&answer, &solution} {
			c.State, c.Due, c.Next = "paused", time.Time{}, time.Time{}
		}
	case m%20 == 0:
		answer.State, answer.Breached, answer.Next = "missed", answer.Due, time.Time{}
	}
	return []ticket.Clock{answer, solution}
}

func (s *seeded) ticket(i int) error {
	_, err := s.store.Ticket(s.ctx, acme, s.tickets[i*7919%seedTickets].ID)
	return err
}

func (s *seeded) lookup(i int) error {
	_, err := s.store.Lookup(s.ctx, acme, s.tickets[i*7919%seedTickets].Number)
	return err
}

func (s *seeded) events(i int) error {
	events, err := s.store.Events(s.ctx, acme, s.tickets[i%100].ID, 0, 0)
	if err == nil && len(events) != seedEvents {
		err = fmt.Errorf("got %d events, want %d", len(events), seedEvents)
	}
	return err
}

func (s *seeded) list(q ticket.Query) func(int) error {
	return func(int) error {
		page, err := s.store.List(s.ctx, q)
		if want := (ticket.Query{}).PageSize(); err == nil && len(page.Tickets) != want {
			err = fmt.Errorf("got %d tickets, want %d", len(page.Tickets), want)
		}
		return err
	}
}

// benchOutbox claims and settles n deliveries at a time, with ten thousand others that
// are due later and return after each round.
func benchOutbox(b *testing.B, store ticket.Store, n int) {
	k := &kit{}
	c := k.opened(acme)
	commit := ticket.Commit{Changes: []ticket.Change{c}}
	const waiting = 10_000
	for i := range waiting {
		d := k.delivery(c.Ticket)
		d.Due, d.To = clock.Add(time.Duration(i)*time.Second), to(i)
		commit.Deliveries = append(commit.Deliveries, d)
	}
	if err := store.Commit(b.Context(), commit); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := clock.Add(-time.Second)
	outcomes := make([]ticket.Settlement, n)
	for b.Loop() {
		now = now.Add(time.Duration(n) * time.Second)
		claimed, err := store.Claim(b.Context(), ticket.ClaimRequest{Now: now, Lease: lease, Limit: n, Notifiers: []string{"mail"}})
		if err != nil || len(claimed) != n {
			b.Fatalf("claimed %d of %d: %v", len(claimed), n, err)
		}
		for i, d := range claimed {
			outcomes[i] = settlement(d, ticket.DeliveryPending)
			outcomes[i].Due = d.Due.Add(waiting * time.Second)
		}
		if err := store.Settle(b.Context(), outcomes); err != nil {
			b.Fatal(err)
		}
	}
}
