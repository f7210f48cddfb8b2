package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// A running is the run for one store.
type running struct {
	*ordeal.Ground
	options

	rand    *rand.Rand
	report  *report
	writers *writers
	before  map[ticket.ID]*known
	count   int // of children
}

// endure runs Retain and the writers on a store, kills, and checks.
func endure(ctx context.Context, b ordeal.Backend, o options) (_ *report, err error) {
	if o.tickets < 200 || o.writers < 1 || o.rows < 0 {
		return nil, errors.New("-tickets must be at least 200, -writers at least 1, and -rows not negative")
	}
	g, err := b.Ground(ctx, "retention", start)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Leave()) }()
	g.DB.SetMaxOpenConns(o.writers + 4)
	g.DB.SetMaxIdleConns(o.writers + 4)
	r := &running{Ground: g, options: o, rand: rand.New(rand.NewPCG(o.Seed, 1)), report: &report{store: b.Name, from: machine.Load()}}
	if _, err := g.Store.Import(ctx, histories(o.tickets)); err != nil {
		return nil, err
	}
	if err := r.note(ctx); err != nil {
		return nil, err
	}
	desk, err := ticket.NewDesk(g.Store, ticket.Config{Now: g.Clock.Now, Notifiers: map[string]ticket.Notifier{"mail": nil}})
	if err != nil {
		return nil, err
	}
	if r.writers, err = startWriters(ctx, desk, o.writers, o.think, o.Seed); err != nil {
		return nil, err
	}
	err = r.work(ctx)
	if ended := r.writers.end(); ended != nil {
		err = errors.Join(err, fmt.Errorf("a writer: %w", ended))
	}
	if err == nil {
		err = r.check(ctx, desk)
	}
	r.report.to = machine.Load()
	return r.report, err
}

// work does everything beside the writers.
func (r *running) work(ctx context.Context) error {
	if err := pause(ctx, time.Second); err != nil { // caches and connections
		return err
	}
	r.writers.enter(phaseAlone)
	if err := pause(ctx, r.alone); err != nil {
		return err
	}
	r.writers.enter(phaseNone)
	would, err := r.dryRun(ctx, 0)
	if err != nil {
		return err
	}
	r.writers.enter(phaseKilled)
	if _, err := r.kill(ctx, 0, r.kills); err != nil {
		return err
	}
	r.writers.enter(phaseRetain)
	if err := r.retain(ctx); err != nil {
		return err
	}
	r.writers.enter(phaseAlone) // again, because the load of the machine may have changed
	if err := pause(ctx, r.alone); err != nil {
		return err
	}
	r.writers.enter(phaseNone)
	if err := r.compare(ctx, would, 0); err != nil {
		return err
	}

	if would, err = r.dryRun(ctx, later); err != nil {
		return err
	}
	for all := false; !all; r.pause *= 2 { // some must come to an end
		if all, err = r.kill(ctx, later, r.kills+1); err != nil {
			return err
		}
	}
	if err := r.compare(ctx, would, 1); err != nil {
		return err
	}
	if r.rows > 0 {
		return r.prune(ctx)
	}
	return nil
}

// dryRun returns what a run would do.
func (r *running) dryRun(ctx context.Context, skew time.Duration) (ticket.RetainReport, error) {
	desk, err := ticket.NewDesk(r.Store, ticket.Config{Now: func() time.Time { return r.Clock.Now().Add(skew) }, Retention: rules()})
	if err != nil {
		return ticket.RetainReport{}, err
	}
	begin := time.Now()
	would, err := desk.Retain(ctx, ticket.RetainOptions{DryRun: true, Limit: r.tickets + 1})
	if r.report.dry == 0 {
		r.report.dry = time.Since(begin)
	}
	r.report.planned += len(would.Steps)
	return would, err
}

// retain runs Retain in this process until nothing is left.
func (r *running) retain(ctx context.Context) error {
	desk, err := retainer(r.Store, r.DB, r.Clock.Now, r.Sabotage)
	if err != nil {
		return err
	}
	begin := time.Now()
	for {
		done, err := desk.Retain(ctx, ticket.RetainOptions{})
		r.report.alive += len(done.Steps)
		if err != nil {
			return err
		}
		if !done.More {
			r.report.took = time.Since(begin)
			return nil
		}
	}
}

// kill lets processes run Retain, one after the other, and kills them, at most so many. It
// reports whether one came to the end.
func (r *running) kill(ctx context.Context, skew time.Duration, most int) (all bool, err error) {
	for range most {
		r.count++
		t := task{Place: r.Place("process that runs Retain", fmt.Sprintf("r%d", r.count)), Skew: skew, Sabotage: r.Sabotage}
		child, err := ordeal.NewChild(taskVariable, t.Journal+".task", t)
		if err == nil {
			err = child.Launch(t.Role)
		}
		if err != nil {
			return false, err
		}
		wait := time.Duration(r.rand.Int64N(int64(2 * r.pause)))
		select {
		case <-child.Ready:
			select {
			case <-time.After(wait):
			case <-child.Ended:
			}
		case <-ctx.Done():
		}
		if err := child.Kill(); err != nil {
			return false, err
		}
		<-child.Ended
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case child.Failed != nil:
			return false, child.Failed
		case !child.Killed():
			return true, nil
		}
		r.report.killed++
		if skew == 0 {
			if err := r.countHalves(ctx); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// countHalves counts the tickets that are between two parts of a step of the first run.
func (r *running) countHalves(ctx context.Context) error {
	for id, k := range r.before {
		if k.kind != tagged {
			continue
		}
		t, err := r.Store.Ticket(ctx, "", id)
		if err != nil {
			return err
		}
		if t.Stage == ticket.StageArchived && t.Version > k.version {
			r.report.halves++
		}
	}
	return nil
}

// said collects the errors of the children.
func (r *running) said() error {
	return r.Journals("r*", func(path string) error {
		list, err := ordeal.Lines(path)
		for _, line := range list {
			r.report.Found = append(r.report.Found, filepath.Base(path)+": "+line)
			r.report.wrong++
		}
		return err
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
