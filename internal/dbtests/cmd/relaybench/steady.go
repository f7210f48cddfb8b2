package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// openers is how many goroutines open tickets.
const openers = 4

// steady opens tickets at one pace on an empty database while a relay works. It
// returns the deliveries a second in each sixth of the time, and how many wait at
// the end.
func steady(ctx context.Context, b *backend, s *settings) (paces []float64, waiting int, err error) {
	db, store, err := open(ctx, b, "steady")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var told atomic.Int64
	notifier := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { told.Add(1); return nil })
	desk, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{via: notifier}})
	if err != nil {
		return nil, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- desk.Run(ctx) }()
	var group sync.WaitGroup
	opening, stop := context.WithTimeout(ctx, s.steady)
	defer stop()
	errs := make(chan error, openers)
	for c := range openers {
		group.Go(func() {
			tick := time.NewTicker(openers * time.Second / time.Duration(s.load))
			defer tick.Stop()
			for i := c; ; i += openers {
				select {
				case <-tick.C:
				case <-opening.Done():
					return
				}
				if _, err := desk.Open(ctx, agent, draft(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	const sixths = 6
	last := int64(0)
	for range sixths {
		pause := time.NewTimer(s.steady / sixths)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		n := told.Load()
		paces = append(paces, float64(n-last)/(s.steady/sixths).Seconds())
		last = n
	}
	group.Wait()
	close(errs)
	if err := errors.Join(ctx.Err(), <-errs, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_outbox WHERE state = 0").Scan(&waiting)); err != nil {
		return nil, 0, err
	}
	return paces, waiting, errors.Join(desk.Shutdown(ctx), <-ended)
}
