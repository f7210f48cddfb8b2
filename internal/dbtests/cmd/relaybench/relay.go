package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
