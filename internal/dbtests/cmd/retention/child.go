package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

// taskVariable marks a process as a child.
const taskVariable = "TICKET_RETENTION_TASK"

// A task is the order for a child, which runs Retain.
type task struct {
	ordeal.Place

	Skew     time.Duration // of its clock
	Sabotage string
}

// perform executes a task until nothing is left to do, or the process is killed.
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
	desk, err := retainer(store, nil, func() time.Time { return c.Now().Add(t.Skew) }, t.Sabotage)
	if err != nil {
		return err
	}
	ordeal.Begun()
	for failures := 0; ; {
		r, err := desk.Retain(ctx, ticket.RetainOptions{})
		switch {
		case err != nil && failures < 20:
			failures++
			j.Said("Retain: " + err.Error())
		case err != nil:
			return err
		case !r.More:
			return nil
		}
	}
}

// retainer returns a desk that has the rules.
func retainer(store *sqlstore.Store, db *sql.DB, now func() time.Time, names string) (*ticket.Desk, error) {
	list := rules()
	on := sabotage(store, db, list, names)
	return ticket.NewDesk(on, ticket.Config{Now: now, Retention: list})
}
