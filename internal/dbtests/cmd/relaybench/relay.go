package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

const via = "mail"

var agent = ticket.Agent("lin", 1, 2, 3)

func draft(i int) ticket.Draft {
	return ticket.Draft{
		Requester: ticket.Person{ID: fmt.Sprintf("c-%d", i), Name: "Ada Example", Email: fmt.Sprintf("ada.%d@example.org", i)},
		Subject:   "Printer on the second floor prints blank pages", Channel: ticket.ChannelMail, Queue: "hardware",
		Message: "Since this morning every page comes out blank. We switched it off and on again, which did not help.",
		Tags:    []string{"printer"}, Fields: ticket.Fields{"asset": fmt.Sprintf("PR-%05d", i)},
	}
}

// A timed store records when commits have returned and how many deliveries are
// settled.
type timed struct {
	*sqlstore.Store

	mu        sync.Mutex
	committed sync.Map // time.Time by ticket.ID
	settled   atomic.Int64
	last      int64 // after so many
	done      chan struct{}
	spent     parts
}

// parts is the time spent in the calls of a store.
type parts struct{ claim, contexts, settle time.Duration }

func (s *timed) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	defer s.count(&s.spent.claim, time.Now())
	return s.Store.Claim(ctx, r)
}

func (s *timed) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	defer s.count(&s.spent.contexts, time.Now())
	return s.Store.DeliveryContexts(ctx, rows, since, most)
}

func (s *timed) count(to *time.Duration, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to += time.Since(since)
}

func (s *timed) Commit(ctx context.Context, c ticket.Commit) error {
	err := s.Store.Commit(ctx, c)
	s.committed.Store(c.Changes[0].Ticket.ID, time.Now())
	return err
}

func (s *timed) Settle(ctx context.Context, list []ticket.Settlement) error {
	begin := time.Now()
	err := s.Store.Settle(ctx, list)
	s.count(&s.spent.settle, begin)
	if n := int64(len(list)); err == nil && s.last > 0 && s.settled.Add(n) >= s.last && s.settled.Load()-n < s.last {
		close(s.done)
	}
	return err
}

func open(ctx context.Context, b *backend, database string) (*sql.DB, *sqlstore.Store, error) {
	db, err := b.open(database)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, b.dialect)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, store, nil
}

// latency returns the time from the return of a commit to the call of the notifier,
// for each delivery, while few tickets are opened.
func latency(ctx context.Context, b *backend, s *settings) (list []time.Duration, err error) {
	db, store, err := open(ctx, b, "latency")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mu sync.Mutex
	called := map[ticket.ID][]time.Time{}
	notifier := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		called[n.Ticket] = append(called[n.Ticket], now)
		return nil
	})
	on := &timed{Store: store}
	desk, err := ticket.NewDesk(on, ticket.Config{Notifiers: map[string]ticket.Notifier{via: notifier}})
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- desk.Run(ctx) }()
	n := int(s.length.Seconds() * float64(s.rate))
	const warm = 20 // tickets that do not count
	tick := time.NewTicker(time.Second / time.Duration(s.rate))
	defer tick.Stop()
	var ids []ticket.ID
	for i := range warm + n {
		<-tick.C
		t, err := desk.Open(ctx, agent, draft(i))
		if err != nil {
			return nil, err
		}
		if i >= warm {
			ids = append(ids, t.ID)
		}
	}
	time.Sleep(2 * time.Second)
	if err := errors.Join(desk.Shutdown(ctx), <-ended); err != nil {
		return nil, err
	}
	for _, id := range ids {
		at, _ := on.committed.Load(id)
		if len(called[id]) != 2 { // the confirmation, and the queue
			return nil, fmt.Errorf("ticket %s had %d notifications", id, len(called[id]))
		}
		for _, c := range called[id] {
			// The notifier may be called before the commit's return is recorded.
			// That counts as zero.
			list = append(list, max(c.Sub(at.(time.Time)), 0))
		}
	}
	return list, nil
}

// throughput returns the deliveries a second of the relay and of the bare statements
// in each round, and the time the relay spent in all of them.
func throughput(ctx context.Context, b *backend, s *settings) (relay, bare []float64, spent parts, err error) {
	db, store, err := open(ctx, b, "throughput")
	if err != nil {
		return nil, nil, spent, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := prepare(ctx, db, store, s.rows); err != nil {
		return nil, nil, spent, err
	}
	worker, err := newWorker(ctx, db, b.bare) // its statements are closed with db
	if err != nil {
		return nil, nil, spent, err
	}
	relays := func(ctx context.Context) (time.Time, error) { return relayed(ctx, store, s.rows, &spent) }
	byHand := func(ctx context.Context) (time.Time, error) {
		err := worker.all(ctx, s.rows)
		return time.Now(), err
	}
	for round := -1; round < s.rounds; round++ { // the first one warms up
		one, two := relays, byHand
		if round%2 != 0 {
			one, two = two, one
		}
		first, err := clocked(ctx, b, db, s.rows, round%2 == 0, one)
		if err != nil {
			return nil, nil, spent, err
		}
		second, err := clocked(ctx, b, db, s.rows, round%2 != 0, two)
		if err != nil {
			return nil, nil, spent, err
		}
		if round%2 != 0 {
			first, second = second, first
		}
		if round >= 0 {
			relay, bare = append(relay, first), append(bare, second)
		}
	}
	return relay, bare, spent, nil
}

// prepare opens the tickets. Each has one delivery, to a recipient of its own.
func prepare(ctx context.Context, db *sql.DB, store *sqlstore.Store, n int) error {
	desk, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{via: nil}})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 8)
	for range cap(errs) {
		group.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if _, err := desk.Open(ctx, agent, draft(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "DELETE FROM ticket_outbox WHERE kind = 'queued'")
	return err
}

// clocked makes everything due again, and returns how many rows a second were
// settled.
func clocked(ctx context.Context, b *backend, db *sql.DB, n int, relay bool, work func(context.Context) (time.Time, error)) (float64, error) {
	if _, err := db.ExecContext(ctx, "UPDATE ticket_outbox SET state = 0, until = NULL, attempts = 0, failures = 0, settled = NULL"); err != nil {
		return 0, err
	}
	if b.vacuum != "" {
		if _, err := db.ExecContext(ctx, b.vacuum); err != nil {
			return 0, err
		}
	}
	runtime.GC() // so that no contestant collects another one's garbage
	name := "bare"
	if relay {
		name = "relay"
	}
	var err error
	var end time.Time
	begin := time.Now()
	pprof.Do(ctx, pprof.Labels("work", name+" "+b.name), func(ctx context.Context) { end, err = work(ctx) })
	elapsed := end.Sub(begin)
	if err != nil {
		return 0, err
	}
	var sent int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_outbox WHERE state = 4 AND settled IS NOT NULL AND attempts = 1").Scan(&sent); err != nil {
		return 0, err
	}
	if sent != n {
		return 0, fmt.Errorf("%s: delivered %d of %d", name, sent, n)
	}
	return float64(n) / elapsed.Seconds(), nil
}

// relayed runs [ticket.Desk.Run] until all is settled, and returns when that was.
func relayed(ctx context.Context, store *sqlstore.Store, n int, spent *parts) (time.Time, error) {
	nothing := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
	on := &timed{Store: store, last: int64(n), done: make(chan struct{})}
	desk, err := ticket.NewDesk(on, ticket.Config{Notifiers: map[string]ticket.Notifier{via: nothing}})
	if err != nil {
		return time.Time{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- desk.Run(ctx) }()
	select {
	case <-on.done:
	case <-ctx.Done():
	}
	end := time.Now()
	err = errors.Join(desk.Shutdown(ctx), <-ended)
	spent.claim, spent.contexts, spent.settle = spent.claim+on.spent.claim, spent.contexts+on.spent.contexts, spent.settle+on.spent.settle
	return end, err
}
