package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// customer returns one of several customers of one organisation, so that their tickets
// can be merged.
func customer(i int) ticket.Actor {
	return ticket.Requester(ticket.Person{ID: fmt.Sprintf("customer-%d", i), Email: fmt.Sprintf("customer-%d@example.org", i), Organisation: "acme"})
}

const customers = 5

// known is a ticket and its customer.
type known struct {
	id       ticket.ID
	customer int
}

// A writing is what the goroutines of a writer share.
type writing struct {
	desk    *ticket.Desk
	now     func() time.Time
	journal *ordeal.Journal
	most    int

	mu    sync.Mutex
	known []known
}

// write acts on tickets until the process is killed.
func write(ctx context.Context, t *task, now func() time.Time, j *ordeal.Journal, desk *ticket.Desk) error {
	w := &writing{desk: desk, now: now, journal: j, most: t.Tickets}
	old, err := ordeal.Lines(t.Journal)
	if err != nil {
		return err
	}
	for _, line := range old {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != entryOpened {
			continue
		}
		id, err := ticket.ParseID(words[1])
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		w.known = append(w.known, known{id, n})
	}
	var all sync.WaitGroup
	for i := range t.Callers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(t.Seed, uint64(i)))
			for {
				w.act(ctx, r)
				time.Sleep(rand.N(8 * time.Millisecond))
			}
		})
	}
	all.Wait()
	return nil
}

// act does one thing.
func (w *writing) act(ctx context.Context, r *rand.Rand) {
	w.mu.Lock()
	n := len(w.known)
	var at, other known
	if n > 0 {
		at, other = w.known[r.IntN(n)], w.known[r.IntN(n)]
	}
	w.mu.Unlock()
	if n == 0 || n < w.most && r.IntN(8) == 0 {
		w.open(ctx, r)
		return
	}
	by, a := w.choose(r, at, other)
	_, err := w.desk.Do(ctx, by, at.id, a)
	if err != nil && !errors.Is(err, ticket.ErrRefused) && !errors.Is(err, ticket.ErrInvalid) && !errors.Is(err, ticket.ErrNotFound) {
		w.journal.Said("writer: " + err.Error())
	}
}

// open opens a ticket.
func (w *writing) open(ctx context.Context, r *rand.Rand) {
	k := known{customer: r.IntN(customers)}
	by := customer(k.customer)
	d := ticket.Draft{Subject: "Opened while timers fire", Message: "Something is wrong.", Priority: ticket.Grade(r.IntN(5))}
	if r.IntN(3) == 0 {
		d.Queue = "hardware"
	}
	if r.IntN(4) == 0 {
		d.Requester, by = by.Person, agent(r)
	}
	t, err := w.desk.Open(ctx, by, d)
	if err != nil {
		w.journal.Said("writer: " + err.Error())
		return
	}
	k.id = t.ID
	w.journal.Write(fmt.Sprint(entryOpened, " ", k.id, " ", k.customer))
	w.mu.Lock()
	w.known = append(w.known, k)
	w.mu.Unlock()
}

func agent(r *rand.Rand) ticket.Actor {
	return ticket.Agent(fmt.Sprintf("agent-%d", r.IntN(6)), 1, 2, 3)
}

// choose chooses an action on a ticket. Most are possible in some states only.
func (w *writing) choose(r *rand.Rand, at, other known) (ticket.Actor, ticket.Action) {
	soon := func() time.Time { return w.now().Add(time.Duration(r.Int64N(int64(6 * time.Hour)))).UTC() }
	by := agent(r)
	switch n := r.IntN(100); {
	case n < 14:
		return customer(at.customer), ticket.Action{Name: ticket.ActionReply, Message: "Still wrong.", Automatic: n == 0}
	case n < 26:
		return by, ticket.Action{Name: ticket.ActionReply, Message: "We look into it."}
	case n < 32:
		return by, ticket.Action{Name: ticket.ActionAsk, Message: "Since when?"}
	case n < 40:
		reasons := []string{"vendor", "spare part"}
		return by, ticket.Action{Name: ticket.ActionHold, Note: "wait", Reason: reasons[r.IntN(2)], Until: soon()}
	case n < 44:
		return by, ticket.Action{Name: ticket.ActionResume}
	case n < 48:
		return by, ticket.Action{Name: ticket.ActionEscalate, Note: "too hard"}
	case n < 51:
		return by, ticket.Action{Name: ticket.ActionHandBack, Note: "not so hard"}
	case n < 54:
		return by, ticket.Action{Name: ticket.ActionHandOver, Note: "yours", Queue: "network"}
	case n < 61:
		return by, ticket.Action{Name: ticket.ActionResolve, Message: "Solved.", Reason: "fixed"}
	case n < 65:
		return by, ticket.Action{Name: ticket.ActionReopen, Note: "not solved"}
	case n < 66:
		return customer(at.customer), ticket.Action{Name: ticket.ActionConfirm}
	case n < 67:
		return by, ticket.Action{Name: ticket.ActionCancel, Reason: "withdrawn"}
	case n < 69:
		return by, ticket.Action{Name: ticket.ActionMerge, Ticket: other.id}
	case n < 70:
		return by, ticket.Action{Name: ticket.ActionUnmerge}
	case n < 75:
		return by, ticket.Action{Name: ticket.ActionTake}
	case n < 77:
		return by, ticket.Action{Name: ticket.ActionRelease}
	case n < 80:
		return by, ticket.Action{Name: ticket.ActionNote, Note: "no news"}
	case n < 84:
		grades := []ticket.Grade{ticket.GradeHigh, ticket.GradeCritical}
		return by, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: grades[r.IntN(2)]}}
	case n < 98:
		return by, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: new(soon())}}
	default:
		return by, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: new(time.Time{})}}
	}
}
