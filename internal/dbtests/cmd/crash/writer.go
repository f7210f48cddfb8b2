package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// taskVariable marks a process as a writer.
const taskVariable = "TICKET_CRASH_WRITER"

// A task tells a writer process what to do.
type task struct {
	Driver, DSN string
	Dialect     sqlstore.Dialect
	Journal     string
	Name        string // different for every writer of a run
	Callers     int
	Seed        uint64
	Tickets     []known
	Pending     []request // the unanswered requests of the previous writer, to be repeated
}

// known is a ticket and its owner.
type known struct {
	ID       ticket.ID
	Customer int
}

// customer returns one of several customers of one organisation, so that their
// tickets can be merged.
func customer(i int) ticket.Actor {
	return ticket.Requester(ticket.Person{ID: fmt.Sprintf("customer-%d", i), Name: fmt.Sprintf("Customer %d", i), Organisation: "crash"})
}

const customers = 5

// openDesk opens the store and a desk on it.
func openDesk(ctx context.Context, driver, dsn string, d sqlstore.Dialect) (*ticket.Desk, *sql.DB, error) {
	store, db, err := ordeal.OpenStore(ctx, driver, dsn, d)
	if err != nil {
		return nil, nil, err
	}
	desk, err := ticket.NewDesk(store, ticket.Config{})
	return desk, db, err
}

// writer writes until it is killed, or its parent is gone.
func writer(say string) error {
	var t task
	if err := ordeal.ReadTask(say, &t); err != nil {
		return err
	}
	j, err := openJournal(t.Journal)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var desk *ticket.Desk
	for {
		if desk, _, err = openDesk(ctx, t.Driver, t.DSN, t.Dialect); err == nil {
			break
		}
		if err := j.write(entry{Kind: failed, Token: "open-" + t.Name, Text: "open: " + err.Error()}); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // the server is down
	}
	var all sync.WaitGroup
	errs := make(chan error, t.Callers)
	for i := range t.Callers {
		all.Go(func() {
			c := &caller{desk: desk, journal: j, name: fmt.Sprintf("%s-%d", t.Name, i), tickets: t.Tickets,
				rand: rand.New(rand.NewPCG(t.Seed, uint64(i)))}
			for n := i; n < len(t.Pending); n += t.Callers {
				if err := c.send(ctx, &t.Pending[n]); err != nil {
					errs <- err
					return
				}
			}
			for {
				r := c.next()
				if err := c.send(ctx, &r); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	return <-errs
}

// A caller is one goroutine that writes.
type caller struct {
	desk    *ticket.Desk
	journal *journal
	name    string
	tickets []known
	rand    *rand.Rand
	count   int
}

// send repeats a request until its outcome is known, or sends it once if it has no
// key.
func (c *caller) send(ctx context.Context, r *request) error {
	for {
		e := entry{Kind: asked, Token: r.Token}
		if r.key() != "" {
			e.Keyed = r
		}
		if err := c.journal.write(e); err != nil {
			return err
		}
		e = perform(ctx, c.desk, r)
		if err := c.journal.write(e); err != nil {
			return err
		}
		if e.Kind == acknowledged && r.Draft != nil {
			c.tickets = append(c.tickets, known{e.Ticket, r.Whose})
		}
		if e.Kind != failed {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // the server is down
		if r.key() == "" {
			return nil
		}
	}
}

// perform sends a request once, and returns its result.
func perform(ctx context.Context, desk *ticket.Desk, r *request) entry {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var t ticket.Ticket
	var err error
	if r.Draft != nil {
		t, err = desk.Open(ctx, r.Actor, *r.Draft)
	} else {
		t, err = desk.Do(ctx, r.Actor, r.Ticket, *r.Action)
	}
	e := entry{Token: r.Token}
	switch {
	case err == nil:
		e.Kind, e.Ticket, e.Version = acknowledged, t.ID, t.Version
		if r.Draft != nil {
			e.Number = t.Number
		}
	case errors.Is(err, ticket.ErrRefused), errors.Is(err, ticket.ErrInvalid), errors.Is(err, ticket.ErrNotFound):
		e.Kind = refused
	default:
		// If the desk returns a conflict or a duplicate, nothing was written, but the
		// run must not produce such errors.
		e.Kind, e.Text = failed, category(err)+err.Error()
	}
	return e
}

// serious begins the text of an error that cannot come from a killed server.
const serious = "MUST NOT HAPPEN: "

func category(err error) string {
	for _, c := range []error{ticket.ErrConflict, ticket.ErrDuplicate, ticket.ErrChain, ticket.ErrWorkflow, context.DeadlineExceeded,
		sqlstore.ErrSchema, sqlstore.ErrDialect, sqlstore.ErrBusy, sqlstore.ErrFull, sqlstore.ErrReadOnly} {
		if errors.Is(err, c) {
			return serious
		}
	}
	return ""
}

// next makes a random request.
func (c *caller) next() request {
	c.count++
	r := request{Token: fmt.Sprintf("%s-%d", c.name, c.count)}
	key := ""
	if c.rand.IntN(3) == 0 {
		key = "key-" + r.Token
	}
	queues := []string{"", "hardware", "software", "network"}
	queue := queues[c.rand.IntN(len(queues))]
	at := c.tickets[c.rand.IntN(min(len(c.tickets), 40))]
	if n := len(c.tickets); c.rand.IntN(10) == 0 {
		at = c.tickets[n-1-c.rand.IntN(min(n, 10))]
	}
	other := c.tickets[c.rand.IntN(len(c.tickets))]
	note, words := ticket.Note(r.Token), ticket.Message(r.Token)
	r.Actor = ticket.Agent("agent-"+c.name, 1, 2, 3)
	r.Ticket = at.ID

	if c.rand.IntN(100) < 6 {
		r.Whose = c.rand.IntN(customers)
		d := ticket.Draft{Subject: "Opened in a crash run", Message: words, Queue: queue, Key: key,
			Requester: customer(r.Whose).Person, Fields: ticket.Fields{"writer": c.name}}
		switch c.rand.IntN(4) {
		case 0:
			d.Message, d.Solution = "", words // opened and solved: two events
		case 1:
			d.Tags = []string{"opened", "by-agent"}
		default:
			r.Actor, d.Requester = ticket.Requester(d.Requester), ticket.Person{}
		}
		r.Draft = &d
		return r
	}
	var a ticket.Action
	switch n := c.rand.IntN(100); {
	case n < 8:
		a = ticket.Action{Name: ticket.ActionTake, Note: note}
	case n < 20:
		a = ticket.Action{Name: ticket.ActionReply, Message: words}
	case n < 30:
		a = ticket.Action{Name: ticket.ActionReply, Message: words}
		r.Actor = customer(at.Customer)
	case n < 36:
		a = ticket.Action{Name: ticket.ActionAsk, Message: words}
	case n < 50:
		a = ticket.Action{Name: ticket.ActionNote, Note: note}
	case n < 55:
		a = ticket.Action{Name: ticket.ActionEscalate, Note: note, Queue: queue}
	case n < 59:
		a = ticket.Action{Name: ticket.ActionHandBack, Note: note}
	case n < 62:
		a = ticket.Action{Name: ticket.ActionHandOver, Note: note, Queue: "hardware"}
	case n < 64:
		a = ticket.Action{Name: ticket.ActionRelease, Note: note}
	case n < 67:
		a = ticket.Action{Name: ticket.ActionHold, Note: note, Reason: "spare part", Until: time.Now().Add(time.Hour).UTC()}
	case n < 69:
		a = ticket.Action{Name: ticket.ActionResume, Note: note}
	case n < 74:
		a = ticket.Action{Name: ticket.ActionResolve, Message: words, Reason: "fixed"}
	case n < 80:
		a = ticket.Action{Name: ticket.ActionReopen, Note: note}
	case n < 82:
		a = ticket.Action{Name: ticket.ActionClose, Note: note}
	case n < 84:
		a = ticket.Action{Name: ticket.ActionCancel, Note: note, Reason: "withdrawn"}
	case n < 92:
		e := &ticket.Edits{Fields: ticket.Fields{"token": r.Token, "odd": c.count%2 == 1}}
		tags := []string{"red", "green", "blue"}
		e.AddTags = tags[:1+c.rand.IntN(2)]
		if c.rand.IntN(2) == 0 {
			e.AddTags, e.RemoveTags = nil, tags[c.rand.IntN(2):]
		}
		a = ticket.Action{Name: ticket.ActionEdit, Note: note, Edit: e}
	case n < 94:
		a = ticket.Action{Name: ticket.ActionMerge, Note: note, Ticket: other.ID}
	case n < 96:
		a = ticket.Action{Name: ticket.ActionUnmerge, Note: note}
	case n < 97:
		a = ticket.Action{Name: ticket.ActionLink, Note: note, Ticket: other.ID, Relation: ticket.RelationRelatedTo}
	case n < 98:
		a = ticket.Action{Name: ticket.ActionUnlink, Note: note, Ticket: other.ID, Relation: ticket.RelationRelatedTo}
	default:
		// The token goes into the new ticket.
		a = ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "Split off in a crash run", Message: words}}
	}
	a.Key = key
	r.Action = &a
	return r
}
