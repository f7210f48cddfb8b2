package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

// callers is how many goroutines of a writer write.
const callers = 3

// write executes the writer's share of the scripts. The journal shows which tickets
// earlier writers have finished. Unfinished ones are repeated, and their keys keep
// anything from happening twice.
func write(ctx context.Context, t *task, c *ordeal.Clock, j *ordeal.Journal, store *sqlstore.Store) error {
	desk, err := ticket.NewDesk(store, config(c, nil, nil))
	if err != nil {
		return err
	}
	old := journals{}
	if err := old.read(t.Journal); err != nil {
		return err
	}
	done := map[int]bool{}
	for _, w := range old.worked {
		done[w.number] = true
	}
	next := make(chan int)
	errs := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := range next {
				id, err := workOff(ctx, desk, j, script(t.Seed, n))
				if err != nil {
					errs <- fmt.Errorf("ticket %d: %w", n, err)
					return
				}
				j.Write(fmt.Sprint(entryWorked, " ", id, " ", n))
			}
		})
	}
	for n := t.Slot; n < t.Tickets; n += t.Slots {
		if done[n] {
			continue
		}
		select {
		case next <- n:
		case err := <-errs:
			return err
		}
	}
	close(next)
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// workOff executes the steps of a ticket, one after the other.
func workOff(ctx context.Context, desk *ticket.Desk, j *ordeal.Journal, steps []step) (id ticket.ID, err error) {
	for i := range steps {
		s := &steps[i]
		for try := 1; ; try++ {
			var t ticket.Ticket
			if s.draft != nil {
				t, err = desk.Open(ctx, s.actor, *s.draft)
			} else {
				t, err = desk.Do(ctx, s.actor, id, s.action)
			}
			if err == nil {
				id = t.ID
				break
			}
			if try == 100 || errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) || errors.Is(err, ticket.ErrNotFound) {
				return id, fmt.Errorf("step %d: %w", i+1, err)
			}
			j.Said("writer: " + err.Error())
			time.Sleep(20 * time.Millisecond)
		}
	}
	return id, nil
}
