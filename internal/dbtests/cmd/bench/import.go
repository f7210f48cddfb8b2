package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/internal/dbtests/cputime"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
)

const (
	aimImport = 0.8
	// batchTickets is how many tickets the bare inserts write in a transaction, as
	// many as sqlstore does.
	batchTickets = 200
	mostImports  = 7 // rounds
)

// histories returns tickets of four events each, as a desk makes them.
func histories(ctx context.Context, n int) (list [][]ticket.Event, first string, err error) {
	store := memstore.New()
	desk, err := newDesk(store)
	if err != nil {
		return nil, "", err
	}
	for i := range n {
		t, err := desk.Open(ctx, agent, draft(i))
		if err != nil {
			return nil, "", err
		}
		for _, step := range []struct {
			actor  ticket.Actor
			action ticket.Action
		}{{agent, ticket.Action{Name: ticket.ActionTake}}, {agent, ask}, {customer(i), reply}} {
			if _, err := desk.Do(ctx, step.actor, t.ID, step.action); err != nil {
				return nil, "", err
			}
		}
		events, err := store.Events(ctx, "", t.ID, 0, 0)
		if err != nil {
			return nil, "", err
		}
		list = append(list, events)
		if id := t.ID.String(); first == "" || id < first {
			first = id
		}
	}
	return list, first, nil
}

func sequence(list [][]ticket.Event) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for _, events := range list {
			if !yield(events, nil) {
				return
			}
		}
	}
}

// measureImport compares [sqlstore.Store.Import] with inserts of the same rows, in
// transactions of the same size. Both databases are empty at first.
func measureImport(ctx context.Context, s *settings, variant string, dialect sqlstore.Dialect, shape bare.Shape, open func(who string) (*sql.DB, error)) (list []result, err error) {
	name := variant + "/Import/1"
	if !s.only.MatchString(name) {
		return nil, nil
	}
	_, _ = fmt.Fprintln(s.log, name) // shows progress
	// A third database provides the contents of the rows.
	file := filepath.Join(s.dir, "rows.db")
	beside, err := dbtests.Open("sqlite", sqliteDSN("sqlite", file, "OFF", 5*time.Second))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, beside.Close(), os.Remove(file)) }()
	source, err := sqlstore.Open(ctx, beside, sqlstore.SQLite)
	if err != nil {
		return nil, err
	}
	db, err := open("imported")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.Open(ctx, db, dialect)
	if err != nil {
		return nil, err
	}
	to, err := open("inserted")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := sqlstore.Open(ctx, to, dialect); err != nil {
		return nil, err
	}
	inserter, err := bare.NewInserter(ctx, to, shape)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, inserter.Close()) }()

	r := result{name: name, against: "inserts", aim: aimImport, unit: "rows"}
	for round := -1; round < min(s.rounds, mostImports); round++ { // the first one warms up
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		time.Sleep(2 * time.Millisecond) // makes the IDs later than those of the round before
		given, first, err := histories(ctx, s.rows)
		if err != nil {
			return nil, err
		}
		if _, err := source.Import(ctx, sequence(given)); err != nil {
			return nil, err
		}
		batches, err := bare.Rows(ctx, beside, bare.SQLite, first, batchTickets)
		if err != nil {
			return nil, err
		}
		rows := 0
		for i := range batches {
			rows += batches[i].Rows()
		}
		library := func() error {
			done, err := store.Import(ctx, sequence(given))
			if err == nil && done.Tickets != s.rows {
				err = fmt.Errorf("imported %d tickets instead of %d", done.Tickets, s.rows)
			}
			return err
		}
		byHand := func() error {
			for i := range batches {
				if err := inserter.Insert(ctx, &batches[i]); err != nil {
					return err
				}
			}
			return nil
		}
		one, two, swap := library, byHand, round%2 != 0
		if swap {
			one, two = two, one
		}
		a, err := timed(ctx, name, rows, one)
		if err != nil {
			return nil, err
		}
		b, err := timed(ctx, name, rows, two)
		if err != nil {
			return nil, err
		}
		if swap {
			a, b = b, a
		}
		if round >= 0 {
			r.lib, r.bare = append(r.lib, a), append(r.bare, b)
		}
	}
	has, err := count(ctx, db)
	if err != nil {
		return nil, err
	}
	want, err := count(ctx, to)
	if err != nil {
		return nil, err
	}
	if has != want {
		return nil, fmt.Errorf("%s: %+v rows were imported, but %+v inserted", name, has, want)
	}
	r.compare()
	return []result{r}, nil
}

func timed(ctx context.Context, name string, n int, f func() error) (one segment, err error) {
	runtime.GC()
	cpu, begin := cputime.Self(), time.Now()
	pprof.Do(ctx, pprof.Labels("work", name), func(context.Context) { err = f() })
	return segment{n: n, elapsed: time.Since(begin), cpu: cputime.Self() - cpu}, err
}
