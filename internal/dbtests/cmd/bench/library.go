package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/sqlstore"
)

// The desk has the default workflow and one notifier, which another process would
// serve. Each action of the loop makes one event and one delivery.
func newDesk(store ticket.Store) (*ticket.Desk, error) {
	return ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{"email": nil}})
}

var agent = ticket.Agent("lin", 1, 2, 3)

var (
	ask   = ticket.Action{Name: ticket.ActionAsk, Message: "Thank you. Could you tell us which cartridge is in the printer, and whether a test page comes out?"}
	reply = ticket.Action{Name: ticket.ActionReply, Message: "It is the black one that came with it. The test page is blank as well, from both trays."}
)

const customers = 1000

func customer(i int) ticket.Actor {
	n := i % customers
	return ticket.Requester(ticket.Person{
		ID: fmt.Sprintf("c-%04d", n), Name: "Ada Example", Email: fmt.Sprintf("ada.%04d@example.com", n), Organisation: fmt.Sprintf("org-%02d", n%50),
	})
}

func draft(i int) ticket.Draft {
	return ticket.Draft{
		Requester: customer(i).Person, Subject: "Printer on the second floor prints blank pages",
		Message:  "Since this morning every page comes out blank. We switched it off and on again, which did not help. There is paper in both trays.",
		Priority: ticket.Grade(1 + i%4), Queue: fmt.Sprintf("queue-%d", i%5), Channel: ticket.ChannelMail,
		Tags: []string{"printer", fmt.Sprintf("floor-%d", i%7)}, Fields: ticket.Fields{"asset": fmt.Sprintf("PR-%05d", i%5000)},
	}
}

// filling is the contents of a database before the measurement.
type filling struct {
	ids  []ticket.ID // of the tickets to act on: open, with the agent
	text []string    // the same
	data *bare.Data  // for the hand-written statements
	rows counts
}

// samples is how many new tickets the bare contestants copy.
const samples = 200

// fill opens the tickets.
func fill(ctx context.Context, s *settings, db *sql.DB, dialect sqlstore.Dialect, shape bare.Shape) (*filling, error) {
	store, err := sqlstore.Open(ctx, db, dialect)
	if err != nil {
		return nil, err
	}
	desk, err := newDesk(store)
	if err != nil {
		return nil, err
	}
	f := &filling{ids: make([]ticket.ID, s.tickets), text: make([]string, s.tickets)}
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < s.tickets; i = int(next.Add(1)) - 1 {
				t, err := desk.Open(ctx, agent, draft(i))
				if err == nil {
					_, err = desk.Do(ctx, agent, t.ID, ticket.Action{Name: ticket.ActionTake})
				}
				if err != nil {
					errs <- err
					return
				}
				f.ids[i], f.text[i] = t.ID, t.ID.String()
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
	}

	// The other contestants copy the rows that the library writes.
	t, err := desk.Open(ctx, agent, draft(0))
	if err != nil {
		return nil, err
	}
	f.data = &bare.Data{}
	for _, step := range []struct {
		actor  ticket.Actor
		action ticket.Action
		to     *bare.Action
	}{{agent, ticket.Action{Name: ticket.ActionTake}, &bare.Action{}}, {agent, ask, &f.data.Ask}, {customer(0), reply, &f.data.Reply}} {
		after, err := desk.Do(ctx, step.actor, t.ID, step.action)
		if err != nil {
			return nil, err
		}
		step.to.Status, step.to.Phase = string(after.Status), string(after.Phase)
	}
	var openings []string
	for i := range samples {
		n, err := desk.Open(ctx, agent, draft(i))
		if err != nil {
			return nil, err
		}
		openings = append(openings, n.ID.String())
	}
	if err := bare.Load(ctx, db, shape, f.data, t.ID.String(), openings); err != nil {
		return nil, err
	}
	f.rows, err = count(ctx, db)
	return f, err
}

// library is the contestant to be measured.
func library(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, f *filling) (*contestant, error) {
	store, err := sqlstore.Open(ctx, db, dialect)
	if err != nil {
		return nil, err
	}
	desk, err := newDesk(store)
	if err != nil {
		return nil, err
	}
	waiting := make([]bool, len(f.ids)) // each ticket belongs to one caller
	var opened atomic.Int64
	return &contestant{
		name: "library",
		do: func(ctx context.Context, _, i int) error {
			actor, action := agent, ask
			if waiting[i] {
				actor, action = customer(i), reply
			}
			_, err := desk.Do(ctx, actor, f.ids[i], action)
			waiting[i] = !waiting[i]
			return err
		},
		open: func(ctx context.Context, _ int) error {
			_, err := desk.Open(ctx, agent, draft(int(opened.Add(1))%samples))
			return err
		},
		turn:  make([]int, mostCallers),
		check: checker(db, f),
		close: db.Close,
	}, nil
}

// byHand makes a contestant of workers.
func byHand(ctx context.Context, name string, db *sql.DB, f *filling, worker func(context.Context) (bare.Worker, error), most int) (*contestant, error) {
	workers := make([]bare.Worker, most)
	for i := range workers {
		var err error
		if workers[i], err = worker(ctx); err != nil {
			return nil, err
		}
	}
	return &contestant{
		name:  name,
		do:    func(ctx context.Context, caller, i int) error { return workers[caller].Do(ctx, f.text[i]) },
		open:  func(ctx context.Context, caller int) error { return workers[caller].Open(ctx) },
		turn:  make([]int, mostCallers),
		check: checker(db, f),
		close: func() error {
			for _, w := range workers {
				if err := w.Close(); err != nil {
					return err
				}
			}
			return db.Close()
		},
	}, nil
}

// counts holds the numbers of rows in the tables.
type counts struct{ tickets, events, labels, outbox int }

func count(ctx context.Context, db *sql.DB) (c counts, err error) {
	row := db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM ticket_tickets), (SELECT COUNT(*) FROM ticket_events),"+
		" (SELECT COUNT(*) FROM ticket_labels), (SELECT COUNT(*) FROM ticket_outbox)")
	err = row.Scan(&c.tickets, &c.events, &c.labels, &c.outbox)
	return c, err
}

// checker returns a function that checks whether a contestant has written all rows.
func checker(db *sql.DB, f *filling) func(context.Context, int, int) error {
	return func(ctx context.Context, dos, opens int) error {
		has, err := count(ctx, db)
		if err != nil {
			return err
		}
		o := &f.data.Openings[0]
		want := f.rows
		want.tickets += opens
		want.events += dos + opens
		want.labels += opens * len(o.Labels)
		want.outbox += dos + opens*len(o.Told)
		if has != want {
			return fmt.Errorf("%d Do and %d Open wrote %+v rows instead of %+v", dos, opens, has, want)
		}
		return nil
	}
}
