package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// flights counts concurrent commits by keys that a fault chooses.
type flights struct {
	mu sync.Mutex
	n  map[ticket.ID]int
}

// takeOff reports whether a commit of another ticket is running.
func (f *flights) takeOff(id ticket.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == nil {
		f.n = map[ticket.ID]int{}
	}
	met := false
	for other, n := range f.n {
		met = met || other != id && n > 0
	}
	f.n[id]++
	return met
}

func (f *flights) land(id ticket.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n[id]--
}

// early returns a fault in Commit: before it writes a change of two events with a
// delivery, show lets readers see a part of that change for the length of a window.
func early(show func(f *faulty, pending func() *ticket.Commit)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var pending *ticket.Commit
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if len(c.Changes) != 1 || c.Changes[0].Expect == 0 || len(c.Changes[0].Events) != 2 || len(c.Deliveries) == 0 || c.Check() != nil {
				return s.Commit(ctx, c)
			}
			set := func(p *ticket.Commit) {
				mu.Lock()
				defer mu.Unlock()
				pending = p
			}
			set(&c)
			defer set(nil)
			f.window()
			return s.Commit(ctx, c)
		}
		show(f, func() *ticket.Commit {
			mu.Lock()
			defer mu.Unlock()
			return pending
		})
	}
}

var raceFaults = []fault{
	{"drops a commit when another ticket changes at the same time", "Concurrency/all at once", func(f *faulty) {
		s, air := f.Store, &flights{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if c.Receipt == nil || len(c.Changes) != 1 {
				return s.Commit(ctx, c)
			}
			id := c.Changes[0].Ticket.ID
			met := air.takeOff(id)
			defer air.land(id)
			f.window()
			if met {
				return nil
			}
			return s.Commit(ctx, c)
		}
	}},
	{"deadlocks on two tickets", "Concurrency/crossing", func(f *faulty) {
		s, air := f.Store, &flights{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if len(c.Changes) != 2 {
				return s.Commit(ctx, c)
			}
			id := c.Changes[0].Ticket.ID
			met := air.takeOff(id)
			defer air.land(id)
			f.window()
			if met {
				return errors.New("deadlock detected")
			}
			return s.Commit(ctx, c)
		}
	}},
	{"compares the version before it locks", "Concurrency/version", func(f *faulty) {
		s := f.Store
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if len(c.Changes) != 1 || c.Changes[0].Expect == 0 || c.Receipt != nil || len(c.Deliveries) > 0 {
				return s.Commit(ctx, c)
			}
			t, _ := s.Ticket(ctx, c.Changes[0].Ticket.Tenant, c.Changes[0].Ticket.ID)
			if t.Version != c.Changes[0].Expect {
				return s.Commit(ctx, c)
			}
			f.window()
			if err := s.Commit(ctx, c); !errors.Is(err, ticket.ErrConflict) {
				return err
			}
			return nil
		}
	}},
	{"looks for the number before it locks", "Concurrency/number", func(f *faulty) {
		s, used := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if len(c.Changes) != 1 || c.Changes[0].Expect > 0 || c.Receipt != nil || len(c.Deliveries) > 0 {
				for _, ch := range c.Changes {
					used.put(ch.Ticket.Number, true)
				}
				return s.Commit(ctx, c)
			}
			n := c.Changes[0].Ticket.Number
			_, known := used.get(n)
			if !known {
				f.window()
			}
			err := s.Commit(ctx, c)
			if taken(err, "number") && !known {
				return nil
			}
			used.put(n, true)
			return err
		}
	}},
	{"looks for the key before it locks", "Concurrency/key", func(f *faulty) {
		s := f.Store
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if c.Receipt == nil || c.Check() != nil || c.Changes[0].Expect == 0 {
				return s.Commit(ctx, c)
			}
			_, free := s.Receipt(ctx, c.Receipt.Tenant, c.Receipt.Key)
			if free != nil {
				f.window()
			}
			err := s.Commit(ctx, c)
			if taken(err, "key") && free != nil {
				return &ticket.ConflictError{Ticket: c.Changes[0].Ticket.ID, Expected: c.Changes[0].Expect, Actual: -1}
			}
			return err
		}
	}},
	{"shows the row before the events", "Concurrency/whole changes", early(func(f *faulty, pending func() *ticket.Commit) {
		s := f.Store
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			if c := pending(); c != nil && c.Changes[0].Ticket.ID == id {
				return c.Changes[0].Ticket.Clone(), nil
			}
			return s.Ticket(ctx, tenant, id)
		}
	})},
	{"shows the first event before the second", "Concurrency/whole changes", early(func(f *faulty, pending func() *ticket.Commit) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			if c := pending(); c != nil && c.Changes[0].Ticket.ID == id && int64(len(events)) == c.Changes[0].Expect {
				events = append(events, c.Changes[0].Events[0].Clone())
			}
			return events, err
		}
	})},
	{"shows the events before the row", "Concurrency/whole changes", early(func(f *faulty, pending func() *ticket.Commit) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			if c := pending(); c != nil && c.Changes[0].Ticket.ID == id && int64(len(events)) == c.Changes[0].Expect {
				events = append(events, c.Changes[0].Events...)
			}
			return events, err
		}
	})},
	{"shows the delivery before the row", "Concurrency/whole changes", early(func(f *faulty, pending func() *ticket.Commit) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			claimed, err := s.Claim(ctx, r)
			if c := pending(); c != nil {
				claimed = append(claimed, c.Deliveries...)
			}
			return claimed, err
		}
	})},
	{"gives a delivery to two callers at the same time", "Concurrency/claim", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var last []ticket.Delivery
		inside := 0
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			if r.Limit == 1 {
				return s.Claim(ctx, r)
			}
			mu.Lock()
			inside++
			mu.Unlock()
			f.window()
			mu.Lock()
			defer mu.Unlock()
			defer func() { inside-- }()
			if inside > 1 && len(last) > 0 {
				same := last
				last = nil
				return same, nil
			}
			var err error
			last, err = s.Claim(ctx, r)
			return last, err
		}
	}},
	{"finds closed tickets before it reads them", "Concurrency/closed", func(f *faulty) {
		s := f.Store
		f.closed = func(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
			found, err := s.(ticket.Archiver).Closed(ctx, q)
			f.window()
			var list []ticket.Ticket
			for _, old := range found {
				t, err := s.Ticket(ctx, old.Tenant, old.ID)
				if err != nil {
					return nil, err
				}
				if q.Match(&t) {
					list = append(list, t)
				}
			}
			return list, err
		}
	}},
	{"counts what another caller prunes", "Concurrency/pruned", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		removed := 0
		f.pruneDeliveries = func(ctx context.Context, before time.Time, limit int) (int, error) {
			mu.Lock()
			from := removed
			mu.Unlock()
			f.window()
			n, err := s.(ticket.DeliveryPruner).PruneDeliveries(ctx, before, limit)
			mu.Lock()
			defer mu.Unlock()
			removed += n
			return removed - from, err
		}
	}},
}
