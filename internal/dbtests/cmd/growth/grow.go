package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/sqlstore"
)

// A growing is a desk that grows.
type growing struct {
	options
	*ordeal.Ground

	desk  *ticket.Desk
	now   atomic.Int64 // microseconds
	count int          // of tickets

	mu      sync.Mutex
	replies []time.Duration // of this year
	upkeep  time.Duration   // the longest of this year
}

// start is when the next desk begins. The IDs of a process never go back in time, so each desk
// begins when the one before has ended.
var start = time.Date(2016, 1, 4, 8, 0, 0, 0, time.UTC)

// grow lets a desk grow on a store, and prints a table.
func grow(ctx context.Context, b ordeal.Backend, o options, k keeping) (err error) {
	g := &growing{options: o}
	if g.Ground, err = b.Ground(ctx, "growth", start); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Leave()) }()
	g.DB.SetMaxOpenConns(o.callers + 4)
	g.DB.SetMaxIdleConns(o.callers + 4)
	store, err := sqlstore.Open(ctx, g.DB, b.Dialect, sqlstore.Search())
	if err != nil {
		return err
	}
	g.now.Store(start.UnixMicro())
	c := ticket.Config{Now: func() time.Time { return time.UnixMicro(g.now.Load()) }, Notifiers: map[string]ticket.Notifier{"mail": sent{}}}
	k.apply(&c)
	if o.clocks {
		if c.ServiceLevels, err = policy(); err != nil {
			return err
		}
	}
	if g.desk, err = ticket.NewDesk(store, c); err != nil {
		return err
	}
	t := newTable(b.Name + ", " + k.name)
	for y := range o.years {
		if err := g.year(ctx, y); err != nil {
			return err
		}
		w, err := weigh(ctx, g.Ground)
		if err != nil {
			return err
		}
		slices.Sort(g.replies)
		t.add(y+1, g.count, w, g.replies, g.upkeep)
		g.replies, g.upkeep = g.replies[:0], 0
	}
	t.print()
	start = start.Add(time.Duration(o.years) * year)
	fmt.Printf("load %s\n", machine.Load())
	return updates(ctx, g.Ground)
}

// policy returns an agreement with a policy for all tickets, by the clock on the wall.
func policy() (ticket.ServiceLevels, error) {
	return sla.Spec{Name: "all", Version: 1, Policies: []sla.Policy{{Name: "usual", Targets: []sla.Target{
		{Metric: sla.MetricFirstAnswer, Within: 8 * time.Hour},
		{Metric: sla.MetricNextAnswer, Within: day},
		{Metric: sla.MetricUpdate, Within: 3 * day},
		{Metric: sla.MetricSolution, Within: week},
	}}}}.Compile()
}

// sent is a notifier that delivers at once.
type sent struct{}

func (sent) Notify(context.Context, ticket.Notification) error { return nil }

// year lives through a year.
func (g *growing) year(ctx context.Context, y int) error {
	var waiting []ticket.ID // opened last week
	for w := range 52 {
		n := g.tickets*(w+1)/52 - g.tickets*w/52
		fresh := make([]ticket.ID, n)
		err := g.each(n, func(i int) error {
			t, err := g.desk.Open(ctx, ticket.System("form"), draft(g.count+i))
			fresh[i] = t.ID
			return err
		})
		if err != nil {
			return err
		}
		g.count += n
		for i, step := range life {
			list := fresh
			if step.nextWeek {
				list = waiting
			}
			g.now.Add(step.after.Microseconds())
			if err := g.each(len(list), func(j int) error { return g.act(ctx, list[j], i, step) }); err != nil {
				return fmt.Errorf("year %d, week %d: %s: %w", y+1, w+1, step.do.Name, err)
			}
		}
		waiting = fresh
		if _, err := g.desk.Deliver(ctx); err != nil {
			return err
		}
		if _, err := g.desk.FireTimers(ctx); err != nil {
			return err
		}
		begin := time.Now()
		if _, err := g.desk.Upkeep(ctx); err != nil {
			return err
		}
		g.upkeep = max(g.upkeep, time.Since(begin))
		if w%4 == 3 && g.Dialect == sqlstore.Postgres { // as autovacuum does, whose minutes are not those of the clock
			if _, err := g.DB.ExecContext(ctx, "VACUUM (ANALYZE)"); err != nil {
				return err
			}
		}
		g.now.Store(start.Add(time.Duration(y)*year + time.Duration(w+1)*week).UnixMicro())
	}
	return nil
}

// each calls do for 0 to n-1, by several callers.
func (g *growing) each(n int, do func(int) error) error {
	var next atomic.Int64
	errs := make([]error, g.callers)
	var wg sync.WaitGroup
	for c := range g.callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[c] == nil; i = int(next.Add(1)) - 1 {
				errs[c] = do(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A step is an action of the life of a ticket.
type step struct {
	after    time.Duration // the step before
	nextWeek bool          // the ticket is of the week before
	customer bool
	do       ticket.Action
}

var life = []step{
	{after: time.Hour, do: ticket.Action{Name: ticket.ActionTake}},
	{after: time.Hour, do: ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(words(40))}},
	{after: day, customer: true, do: ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(words(30))}},
	{after: time.Hour, do: ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(words(20))}},
	{after: day, nextWeek: true, do: ticket.Action{Name: ticket.ActionResolve, Message: ticket.Message(words(40))}},
}

// act takes a step of a ticket.
func (g *growing) act(ctx context.Context, id ticket.ID, i int, s step) error {
	by, a := ticket.Agent("agent", 1), s.do
	if s.customer {
		t, err := g.desk.Get(ctx, by, id)
		if err != nil {
			return err
		}
		by, a.Key = ticket.Requester(t.Requester), fmt.Sprintf("%s-%d", id, i)
	}
	begin := time.Now()
	_, err := g.desk.Do(ctx, by, id, a)
	if took := time.Since(begin); a.Name == ticket.ActionReply {
		g.mu.Lock()
		g.replies = append(g.replies, took)
		g.mu.Unlock()
	}
	return err
}

func customer(i int) ticket.Person {
	n := i * 7919 % 5000
	return ticket.Person{ID: fmt.Sprintf("customer-%d", n), Name: fmt.Sprintf("Customer %d", n), Email: fmt.Sprintf("c%d@example.org", n)}
}

func draft(i int) ticket.Draft {
	return ticket.Draft{
		Subject: fmt.Sprintf("Parcel %d has not arrived", i), Message: ticket.Message(words(50)), Key: fmt.Sprintf("form-%d", i), Requester: customer(i),
		Queue: []string{"parcels", "billing", "returns"}[i%3], Tags: []string{"shop"}, Fields: ticket.Fields{"order": int64(100_000 + i)},
	}
}

// words returns a text of n words.
func words(n int) string {
	list := strings.Fields("the parcel was sent on monday and has not arrived since then please look where it is and tell me when it will come")
	var b strings.Builder
	for i := range n {
		b.WriteString(list[i%len(list)])
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}
