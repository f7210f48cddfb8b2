package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// rateRest is the rate of the clocks when nobody writes. A day takes half a second, and
// so many thresholds are reached between two looks.
const rateRest = 48 * 3600

// A timing is the run for one store.
type timing struct {
	*ordeal.Ground
	options

	desk   *ticket.Desk // for reading
	slots  []*slot
	rand   *rand.Rand
	report *report
}

// A slot is the place of a child. When one is killed, the next takes it.
type slot struct {
	task  task
	count int // of children so far
	child *ordeal.Child
}

// endure works on a store, kills processes, and checks.
func endure(ctx context.Context, b ordeal.Backend, o options) (_ *report, err error) {
	g, err := b.Ground(ctx, "timers", start)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Leave()) }()
	r := &timing{Ground: g, options: o, rand: rand.New(rand.NewPCG(o.Seed, 1)), report: &report{store: b.Name}}
	if r.desk, err = ticket.NewDesk(r.Store, config(r.Clock.Now, nil, newSabotage(""))); err != nil {
		return nil, err
	}
	defer r.killAll()
	if err := r.work(ctx); err != nil {
		return nil, err
	}
	return r.report, r.check(ctx)
}

// work writes and kills, checks the lists of the store while much is due, and then lets
// the clocks run until nothing is left to happen by itself.
func (r *timing) work(ctx context.Context) error {
	if err := r.Clock.SetRate(r.rate); err != nil {
		return err
	}
	for i := range r.firing {
		r.slots = append(r.slots, r.newSlot(roleFiring, fmt.Sprintf("f%d", i), task{Slot: i}))
	}
	writer := r.newSlot(roleWriter, "w", task{Slot: r.firing, Callers: r.callers, Tickets: r.tickets})
	r.slots = append(r.slots, writer)
	for _, s := range r.slots {
		if err := r.startChild(s); err != nil {
			return err
		}
	}
	begin := time.Now()
	for events := 0; time.Since(begin) < r.length || events < r.events && time.Since(begin) < 10*r.length; {
		if err := errors.Join(r.wait(ctx), r.strike()); err != nil {
			return err
		}
		if err := r.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_events").Scan(&events); err != nil {
			return err
		}
	}
	r.report.writing = time.Since(begin)
	r.killAll()
	if err := r.lists(ctx); err != nil {
		return err
	}
	r.slots = r.slots[:r.firing]
	for _, s := range r.slots {
		if err := r.startChild(s); err != nil {
			return err
		}
	}
	if err := r.Clock.SetRate(rateRest); err != nil {
		return err
	}
	for begin = time.Now(); ; {
		if err := r.wait(ctx); err != nil {
			return err
		}
		left, err := r.Store.Due(ctx, time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), 1)
		if err != nil {
			return err
		}
		if len(left) == 0 || time.Since(begin) > r.patience {
			r.report.rest = time.Since(begin)
			break // after too long, the check reports what is left
		}
		if time.Since(begin) > r.patience/2 {
			continue // no longer kill
		}
		if err := r.strike(); err != nil {
			return err
		}
	}
	r.killAll()
	return r.Clock.SetRate(1)
}

// wait waits until the next kill.
func (r *timing) wait(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(r.rand.Int64N(int64(2 * r.pause)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// strike kills some children and starts others in their places. Sometimes nobody fires
// timers for a moment, so that there is something to catch up with.
func (r *timing) strike() error {
	n := 1
	switch r.rand.IntN(10) {
	case 0:
		n = len(r.slots)
	case 1, 2:
		n = 1 + r.rand.IntN(len(r.slots))
	}
	var victims []*slot
	for _, v := range r.rand.Perm(len(r.slots))[:n] {
		s := r.slots[v]
		select {
		case <-s.child.Ready:
		default:
			if r.rand.IntN(4) > 0 { // most must make progress
				continue
			}
		}
		if err := s.child.Kill(); err != nil {
			return err
		}
		victims = append(victims, s)
	}
	for _, s := range victims {
		<-s.child.Ended
		if s.child.Failed != nil {
			return s.child.Failed
		}
		r.report.killed++
	}
	if n == len(r.slots) {
		time.Sleep(time.Duration(r.rand.Int64N(int64(r.pause))))
	}
	for _, s := range victims {
		if err := r.startChild(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *timing) newSlot(role, name string, t task) *slot {
	t.Place, t.Sabotage = r.Place(role, name), r.Sabotage
	t.Skew = time.Duration(r.rand.Int64N(int64(2*mostSkew))) - mostSkew
	return &slot{task: t}
}

// startChild starts the next child of a slot. It continues the journal of the one before.
func (r *timing) startChild(s *slot) error {
	s.count++
	s.task.Seed = r.rand.Uint64()
	child, err := ordeal.NewChild(taskVariable, s.task.Journal+".task", s.task)
	if err != nil {
		return err
	}
	s.child = child
	return child.Launch(s.task.Role)
}

// killAll kills all children that run.
func (r *timing) killAll() {
	for _, s := range r.slots {
		if s.child != nil && s.child.Process != nil {
			_ = s.child.Kill() // perhaps it has already ended
			<-s.child.Ended
			if s.child.Killed() {
				r.report.killed++
			}
			s.child = nil
		}
	}
}

// settled reads all tickets when they no longer change. A server may still carry out
// what a process asked for before it was killed.
func (r *timing) settled(ctx context.Context) ([]ticket.Ticket, error) {
	var last []ticket.Ticket
	for {
		list, err := r.all(ctx)
		if err != nil || last != nil && slices.EqualFunc(list, last, func(a, b ticket.Ticket) bool { return a.ID == b.ID && a.Version == b.Version }) {
			return list, err
		}
		last = append([]ticket.Ticket{}, list...)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// all reads all tickets.
func (r *timing) all(ctx context.Context) (list []ticket.Ticket, err error) {
	for t, err := range r.desk.Tickets(ctx, looker, ticket.Query{Limit: ticket.MaxLimit}) {
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}
