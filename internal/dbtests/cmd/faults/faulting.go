package main

import (
	"context"
	"errors"
	"fmt"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/ticketkit/ticket"
)

// These are rates of the clock, in seconds for a real second. At a higher rate a
// lease ends earlier while a relay still works under it.
const (
	rateUsual  = 300 // a lease is eight real seconds
	rateOutage = 720
	rateRest   = 720
)

// A faulting is the run for one store.
type faulting struct {
	*ordeal.Ground
	options

	post   *post
	slots  []*slot
	rand   *rand.Rand
	report *report
	killed map[string]bool // journals of processes that were killed
}

// A slot is the place of a child. When one is killed, the next takes it.
type slot struct {
	task  task
	count int    // of children so far
	by    string // the journal of the child
	child *ordeal.Child
	over  bool // a writer that has done its share
}

// endure works on a store, causes faults, and checks.
func endure(ctx context.Context, b ordeal.Backend, o options) (_ *report, err error) {
	g, err := b.Ground(ctx, "faults", time.Now())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Leave()) }()
	r := &faulting{Ground: g, options: o, post: newPost(o.Seed), report: &report{store: b.Name},
		rand: rand.New(rand.NewPCG(o.Seed, 1)), killed: map[string]bool{}}
	r.post.clock = g.Clock
	if err := r.post.open(); err != nil {
		return nil, err
	}
	defer r.post.close()
	defer r.killAll()
	if err := r.work(ctx); err != nil {
		return nil, err
	}
	return r.report, r.check(ctx)
}

// work runs everything with faults until all is written and most of it is delivered.
// Then the relays deliver the rest without faults.
func (r *faulting) work(ctx context.Context) error {
	begin := time.Now()
	if err := r.Clock.SetRate(rateUsual); err != nil {
		return err
	}
	for i := range r.relays {
		r.slots = append(r.slots, r.newSlot(roleRelay, fmt.Sprintf("r%d", i), task{}))
	}
	for i := range r.writers {
		r.slots = append(r.slots, r.newSlot(roleWriter, fmt.Sprintf("w%d", i), task{Slot: i, Slots: r.writers, Tickets: r.tickets}))
	}
	for _, s := range r.slots {
		if err := r.startChild(s); err != nil {
			return err
		}
	}
	var hurried time.Time  // when all was written, and the mail server was up again
	var restored time.Time // when the mail server comes up again, by the clock
	for {
		select {
		case <-time.After(time.Duration(r.rand.Int64N(int64(2 * r.pause)))):
		case <-ctx.Done():
			return ctx.Err()
		}
		written := !slices.ContainsFunc(r.slots, func(s *slot) bool { return s.task.Role == roleWriter && !s.over })
		switch {
		case restored.IsZero() && (r.post.accepted() >= r.tickets || written):
			r.post.close()
			restored = r.Clock.Now().Add(r.outage)
			if err := r.Clock.SetRate(rateOutage); err != nil {
				return err
			}
		case r.post.server == nil && !r.Clock.Now().Before(restored):
			r.report.outage = r.outage + r.Clock.Now().Sub(restored)
			if err := errors.Join(r.Clock.SetRate(rateUsual), r.post.open()); err != nil {
				return err
			}
		}
		if err := r.lookAfter(); err != nil {
			return err
		}
		live, err := r.live(ctx, max(1, r.tickets/20))
		if err != nil {
			return err
		}
		if written && r.report.writing == 0 {
			r.report.writing = time.Since(begin)
		}
		if written && r.report.outage > 0 && hurried.IsZero() { // the remaining deliveries wait
			hurried = time.Now()
			if err := r.Clock.SetRate(rateRest); err != nil {
				return err
			}
		}
		if !hurried.IsZero() && (!live || time.Since(hurried) > r.longest) {
			break // after too long, the check reports the remaining deliveries
		}
		if hurried.IsZero() && time.Since(begin) > 5*r.longest {
			return fmt.Errorf("not all tickets were written after %s", 5*r.longest)
		}
		if err := r.strike(); err != nil {
			return err
		}
	}
	r.report.faulty = time.Since(begin)
	r.post.setCalm()
	if err := r.Clock.SetRate(rateRest); err != nil {
		return err
	}
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if err := errors.Join(ctx.Err(), r.lookAfter()); err != nil {
			return err
		}
		if live, err := r.live(ctx, 1); err != nil || !live {
			r.report.rest = time.Since(begin)
			return errors.Join(err, r.stopAll())
		}
		if time.Since(begin) > r.patience {
			r.report.rest = time.Since(begin)
			return nil // the check reports stuck deliveries
		}
	}
}

// live reports whether at least n deliveries are not settled.
func (r *faulting) live(ctx context.Context, n int) (bool, error) {
	page, err := r.Store.Deliveries(ctx, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}, Limit: min(n, ticket.MaxLimit)})
	return len(page.Deliveries) == min(n, ticket.MaxLimit), err
}

// strike kills some children, or tells a relay to stop, and starts others in their
// places.
func (r *faulting) strike() error {
	n := 1
	if r.rand.IntN(10) < 2 {
		n += r.rand.IntN(len(r.slots))
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
		if !s.over {
			victims = append(victims, s)
		}
	}
	gently := r.rand.IntN(5) == 0
	for _, s := range victims {
		if gently && len(victims) == 1 && s.task.Role == roleRelay {
			if err := r.stop(s); err != nil {
				return err
			}
			r.report.stopped++
			continue
		}
		if err := s.child.Kill(); err != nil {
			return err
		}
	}
	for _, s := range victims {
		<-s.child.Ended
		killed := s.child.Killed()
		if killed {
			r.killed[s.by] = true
		}
		switch {
		case !killed && s.child.Failed != nil:
			return s.child.Failed
		case !killed && s.task.Role == roleWriter:
			s.over = true
			continue
		case killed && s.task.Role == roleRelay:
			r.report.killedRelays++
		case killed:
			r.report.killedWriters++
		}
		if err := r.startChild(s); err != nil {
			return err
		}
	}
	return nil
}

// lookAfter records which writers have done their share, and checks that no child
// has failed.
func (r *faulting) lookAfter() error {
	for _, s := range r.slots {
		select {
		case <-s.child.Ended:
			if s.child.Failed != nil {
				return s.child.Failed
			}
			if s.task.Role == roleRelay {
				return errors.New("a relay ended unexpectedly")
			}
			s.over = true
		default:
		}
	}
	return nil
}

func (r *faulting) newSlot(role, name string, t task) *slot {
	t.Place, t.Post, t.Sabotage, t.Seed = r.Place(role, name), r.post.addr, r.Sabotage, r.Seed
	return &slot{task: t}
}

// startChild starts the next child of a slot.
func (r *faulting) startChild(s *slot) error {
	s.count++
	t := s.task
	if t.Role == roleRelay { // those of a writer continue in the same journal
		t.Journal = fmt.Sprintf("%s-%d", s.task.Journal, s.count)
	}
	child, err := ordeal.NewChild(taskVariable, s.task.Journal+".task", t)
	if err != nil {
		return err
	}
	s.by = t.Journal
	s.child = child
	return child.Launch(s.task.Role)
}

// stop tells a relay to finish the attempts it has begun.
func (r *faulting) stop(s *slot) error {
	if err := s.child.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.child.Ended:
		if s.child.Failed == nil && s.child.Killed() {
			r.report.early++ // the signal came before it listened
		}
		return s.child.Failed
	case <-time.After(2 * grace):
		_ = s.child.Process.Signal(syscall.SIGQUIT) // it prints its stack
		<-s.child.Ended
		return fmt.Errorf("a relay still runs %s after it was told to stop: %s", 2*grace, s.child.Errors)
	}
}

// stopAll stops the relays. They have nothing left to do.
func (r *faulting) stopAll() error {
	for _, s := range r.slots {
		if s.task.Role == roleRelay {
			if err := r.stop(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// killAll kills all remaining children at the end.
func (r *faulting) killAll() {
	for _, s := range r.slots {
		if s.child != nil && s.child.Process != nil {
			_ = s.child.Process.Kill() // perhaps it has already ended
			<-s.child.Ended
		}
	}
}
