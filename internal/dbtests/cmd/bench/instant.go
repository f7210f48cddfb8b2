package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/sqlstore"
)

// measureInstant measures the library's own work, on a database that answers at
// once. The figures contain only that work and database/sql, so they do not depend
// on disk and server. Every Do is an Ask.
func measureInstant(ctx context.Context, s *settings) (results []result, err error) {
	small := *s
	small.tickets = 1
	real, err := dbtests.Open("sqlite", sqliteDSN("sqlite", filepath.Join(s.dir, "instant.db"), "OFF", 5*time.Second))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, real.Close()) }()
	f, err := fill(ctx, &small, real, sqlstore.SQLite, bare.SQLite)
	if err != nil {
		return nil, err
	}
	row, err := bare.ReadTicket(ctx, real, bare.SQLite, f.text[0])
	if err != nil {
		return nil, err
	}
	for _, one := range []struct {
		dialect sqlstore.Dialect
		shape   bare.Shape
		against string
	}{
		{sqlstore.SQLite, bare.SQLite, "each"},
		{sqlstore.Postgres, bare.PostgresOne, "cte"},
		{sqlstore.MySQL, bare.MySQL, "prepared"},
	} {
		name := "Instant " + one.dialect.String() + "/Do/1"
		if !s.only.MatchString(name) {
			continue
		}
		r, err := contestInstant(ctx, s, name, one.dialect, one.shape, one.against, f, bare.NewInstant(row))
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

func contestInstant(ctx context.Context, s *settings, name string, dialect sqlstore.Dialect, shape bare.Shape, against string, f *filling, on *bare.Instant) (r result, err error) {
	db := sql.OpenDB(on)
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.New(db, dialect)
	if err != nil {
		return r, err
	}
	desk, err := newDesk(store)
	if err != nil {
		return r, err
	}
	worker, err := bare.New(ctx, db, f.data, shape)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, worker.Close()) }()
	all, err := contest(ctx, s, name, "Do", 1, []int{0}, []*contestant{{
		name: "library", turn: []int{0},
		do: func(ctx context.Context, _, _ int) error {
			_, err := desk.Do(ctx, agent, f.ids[0], ask)
			return err
		},
	}, {
		name: against, turn: []int{0},
		do: func(ctx context.Context, _, _ int) error { return worker.Do(ctx, f.text[0]) },
	}})
	if err != nil {
		return r, err
	}
	r = result{name: name, against: against, lib: all[0], bare: all[1], aimCPU: aimCPU, silent: true}
	r.compare()
	return r, nil
}
