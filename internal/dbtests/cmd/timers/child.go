package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

// taskVariable marks a process as a child.
const taskVariable = "TICKET_TIMERS_TASK"

// A task is the order for a child.
type task struct {
	ordeal.Place

	Skew     time.Duration // by which the clock of the process differs from that of the run
	Slot     int
	Seed     uint64
	Sabotage string

	Callers, Tickets int // of the writer
}

// These are the roles of children.
const (
	roleFiring = "process that fires timers"
	roleWriter = "writer"
)

// mostSkew limits the skew of the processes' clocks, as fast as they are.
const mostSkew = 20 * time.Second

// These are the kinds of entries in journals.
const (
	entryPass   = "pass"   // from, to: times of the run's clock, between which FireTimers looked at everything that was due
	entryAhead  = "ahead"  // ticket, event: which has a later time than any clock when it was written
	entryOpened = "opened" // ticket, customer
)

// perform executes a task until the process is killed.
func perform(path string) error {
	var t task
	if err := ordeal.ReadTask(path, &t); err != nil {
		return err
	}
	ctx := context.Background()
	c, j, store, err := t.Open(ctx)
	if err != nil {
		return err
	}
	s := newSabotage(t.Sabotage)
	skew := t.Skew
	if t.Slot == 0 {
		skew += s.ahead
	}
	now := func() time.Time { return c.Now().Add(skew) }
	desk, err := ticket.NewDesk(&witness{Store: store, journal: j, clock: c, sabotage: s}, config(now, j, s))
	if err != nil {
		return err
	}
	ordeal.Begun()
	switch {
	case t.Role == roleWriter:
		return write(ctx, &t, now, j, desk)
	case t.Slot%2 == 1:
		return desk.Run(ctx)
	}
	for ; ; time.Sleep(poll) {
		from := c.Now()
		if _, err := desk.FireTimers(ctx); err != nil {
			j.Said("FireTimers: " + err.Error())
			continue
		}
		j.Write(fmt.Sprint(entryPass, " ", from.UnixNano(), " ", c.Now().UnixNano()))
	}
}

// A witness stands between a desk and its store. It records events that have a time
// which no clock can have had.
type witness struct {
	*sqlstore.Store

	journal  *ordeal.Journal
	clock    *ordeal.Clock
	sabotage *sabotage
}

// Commit commits, and records events from the future.
func (w *witness) Commit(ctx context.Context, c ticket.Commit) error {
	now := w.clock.Now().Add(mostSkew)
	if err := w.sabotage.commit(ctx, w.Store, c); err != nil {
		return err
	}
	for i := range c.Changes {
		for j := range c.Changes[i].Events {
			if e := &c.Changes[i].Events[j]; e.At.After(now) {
				w.journal.Write(fmt.Sprint(entryAhead, " ", e.Ticket, " ", e.Seq))
			}
		}
	}
	return nil
}

// Due returns what is due.
func (w *witness) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	list, err := w.Store.Due(ctx, now, limit)
	return w.sabotage.due(list), err
}
