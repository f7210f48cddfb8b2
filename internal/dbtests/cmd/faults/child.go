package main

import (
	"context"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"time"

	"github.com/ticketkit/ticket"
)

// taskVariable marks a process as a child.
const taskVariable = "TICKET_FAULTS_TASK"

// A task is the order for a child.
type task struct {
	ordeal.Place

	Post     string // the address of the mail server
	Sabotage string
	Seed     uint64 // of the scripts

	Slot, Slots, Tickets int // of a writer: its share is every Slots-th ticket
}

// lease is the lease of the relays, by the clock of a run. It is longer than any
// attempt takes, even while the clock is fastest.
const lease = 40 * time.Minute

// via is the name of the only notifier.
const via = "mail"

// config is the configuration of all desks of a run.
func config(c *ordeal.Clock, j *ordeal.Journal, n ticket.Notifier) ticket.Config {
	return ticket.Config{
		Now:        c.Now,
		Notifiers:  map[string]ticket.Notifier{via: n},
		SendLimits: ticket.SendLimits{PerRecipient: -1, PerTicket: -1},
		Relay:      ticket.Relay{Lease: lease, Poll: 50 * time.Millisecond, MaxBackoff: 10 * time.Minute, MaxAttempts: 1000},
		Logger:     j.Logger(),
		Profile: func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (ticket.Profile, error) {
			return ticket.Profile{Person: ticket.Person{Email: address(to)}}, nil
		},
	}
}

// perform executes a task until it is done, or killed.
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
	ordeal.Begun()
	if t.Role == roleWriter {
		return write(ctx, &t, c, j, store)
	}
	return relay(ctx, &t, c, j, store)
}

// These are the roles of children.
const (
	roleRelay  = "relay"
	roleWriter = "writer"
)
