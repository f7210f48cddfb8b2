package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/bare"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// aims are the wanted results of a measurement.
type aims struct {
	ratio map[string]map[int]float64 // by the bare contestant's name and the number of callers
	p99   map[int]time.Duration      // by the number of callers
}

const aimCPU = 10 // µs of CPU time that a Do may take more than the bare statements, with one caller

// A variant is a database in one configuration, with its contestants.
type variant struct {
	name string
	aims
	contestants []*contestant
	settle      func(context.Context) error // before each measurement
}

func measureStore(ctx context.Context, s *settings, name string) ([]result, error) {
	switch name {
	case "postgres":
		return measurePostgres(ctx, s)
	case "mysql":
		return measureMySQL(ctx, s)
	case "instant":
		return measureInstant(ctx, s)
	default:
		return measureSQLite(ctx, s, name)
	}
}

// measure runs all requested measurements with the contestants of a variant.
func measure(ctx context.Context, s *settings, v *variant, f *filling) (results []result, err error) {
	defer func() {
		for _, c := range v.contestants {
			err = errors.Join(err, c.close())
		}
	}()
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(f.ids))
	for _, what := range []string{"Do", "Open"} {
		for _, callers := range s.callers {
			name := fmt.Sprintf("%s/%s/%d", v.name, what, callers)
			if !s.only.MatchString(name) {
				continue
			}
			_, _ = fmt.Fprintln(s.log, name) // shows progress
			if v.settle != nil {
				if err := v.settle(ctx); err != nil {
					return results, err
				}
			}
			all, err := contest(ctx, s, name, what, callers, order, v.contestants)
			if err != nil {
				return results, fmt.Errorf("%s: %w", name, err)
			}
			for i, c := range v.contestants[1:] {
				r := result{name: name, against: c.name, lib: all[0], bare: all[i+1], aim: v.ratio[c.name][callers]}
				if i == 0 {
					r.aimP99 = v.p99[callers]
				}
				if what == "Do" && callers == 1 && i == 0 {
					r.aimCPU = aimCPU
				}
				r.compare()
				results = append(results, r)
			}
		}
	}
	for _, c := range v.contestants {
		if err := c.check(ctx, c.dos, c.opens); err != nil {
			return results, fmt.Errorf("%s: %s: %w", v.name, c.name, err)
		}
	}
	return results, nil
}

// wanted reports whether Do or Open of a variant is to be measured.
func (s *settings) wanted(variant string) bool {
	for _, what := range []string{"Do", "Open"} {
		for _, callers := range s.callers {
			if s.only.MatchString(fmt.Sprintf("%s/%s/%d", variant, what, callers)) {
				return true
			}
		}
	}
	return false
}

func (s *settings) mostCallers() int { return slices.Max(s.callers) }

func measureSQLite(ctx context.Context, s *settings, driver string) (results []result, err error) {
	title := map[string]string{"sqlite": "SQLite modernc", "sqlite3": "SQLite mattn"}[driver]
	eight := map[string]float64{"sqlite": 1.1, "sqlite3": 1.4}[driver]
	imported, err := measureImport(ctx, s, title+" FULL", sqlstore.SQLite, bare.SQLite, func(who string) (*sql.DB, error) {
		return dbtests.Open(driver, sqliteDSN(driver, filepath.Join(s.dir, driver+who+".db"), "FULL", 5*time.Second))
	})
	if err != nil || !s.wanted(title+" FULL") && !s.wanted(title+" NORMAL") {
		return imported, err
	}
	defer func() { results = append(results, imported...) }()
	template := filepath.Join(s.dir, "template.db")
	db, err := dbtests.Open(driver, sqliteDSN(driver, template, "OFF", 5*time.Second))
	if err != nil {
		return nil, err
	}
	version, err := ask1(ctx, db, "SELECT sqlite_version()")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.note("%s: SQLite %s", title, version)
	f, err := fill(ctx, s, db, sqlstore.SQLite, bare.SQLite)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(template) }() // the folder is removed anyway
	for _, synchronous := range []string{"FULL", "NORMAL"} {
		name := title + " " + synchronous
		if !s.wanted(name) {
			continue
		}
		one := map[string]float64{"FULL": 0.9, "NORMAL": 0.7}[synchronous]
		v := &variant{name: name, aims: aims{
			ratio: map[string]map[int]float64{"each": {1: one, 8: eight}, "grouped": {8: 0.9}},
			p99:   map[int]time.Duration{8: 6 * time.Millisecond},
		}}
		for _, who := range []string{"library", "each", "grouped"} {
			file := filepath.Join(s.dir, driver+synchronous+who+".db")
			if err := copyFile(file, template); err != nil {
				return results, err
			}
			patience := 5 * time.Second
			if who != "library" {
				patience = time.Minute
			}
			db, err := dbtests.Open(driver, sqliteDSN(driver, file, synchronous, patience))
			if err != nil {
				return results, err
			}
			var c *contestant
			switch who {
			case "library":
				c, err = library(ctx, db, sqlstore.SQLite, f)
			case "each":
				c, err = byHand(ctx, who, db, f, func(ctx context.Context) (bare.Worker, error) { return bare.New(ctx, db, f.data, bare.SQLite) }, s.mostCallers())
			default:
				var g *bare.Group
				if g, err = bare.NewGroup(ctx, db, f.data); err != nil {
					return results, err
				}
				if c, err = byHand(ctx, who, db, f, g.Worker, s.mostCallers()); err == nil {
					shut := c.close
					c.close = func() error { return errors.Join(g.Close(), shut()) }
				}
			}
			if err != nil {
				return results, err
			}
			v.contestants = append(v.contestants, c)
			if err := growLog(ctx, driver, file); err != nil {
				return results, err
			}
		}
		list, err := measure(ctx, s, v, f)
		results = append(results, list...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// sqliteDSN returns a data source name like that of an application, except for
// _txlock=immediate, which the store does not need. A longer timeout lets callers
// that compete for the lock succeed.
//
// The page cache holds the whole database. With modernc, all connections of a process share
// one (SQLITE_ENABLE_MEMORY_MANAGEMENT). With the default of 2 MB for each, the
// contestants take pages from each other, and who reads them again is luck.
func sqliteDSN(driver, file, synchronous string, timeout time.Duration) string {
	const cache = 128 << 10 // KiB
	if driver == "sqlite" {
		return fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=synchronous(%s)&_pragma=cache_size(-%d)", file, timeout.Milliseconds(), synchronous, cache)
	}
	return fmt.Sprintf("file:%s?_busy_timeout=%d&_synchronous=%s&_cache_size=-%d", file, timeout.Milliseconds(), synchronous, cache)
}

// ask1 queries one value from a database.
func ask1(ctx context.Context, db *sql.DB, query string) (value string, err error) {
	err = db.QueryRowContext(ctx, query).Scan(&value)
	return value, err
}

// growLog extends the write-ahead log to the length that it has after the first
// checkpoint. Until then the file grows with each commit, which takes the disk
// longer. The contestant's connections keep the log from being removed.
func growLog(ctx context.Context, driver, file string) (err error) {
	db, err := sql.Open(driver, sqliteDSN(driver, file, "OFF", 5*time.Second))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "PRAGMA wal_autocheckpoint = 0"); err != nil {
		return err
	}
	for n := 0; ; n++ {
		info, err := os.Stat(file + "-wal")
		if err != nil {
			return err
		}
		if info.Size() > 20_000*4096 {
			break
		}
		if n > 20_000 {
			return errors.New("the write-ahead log does not grow")
		}
		if _, err := conn.ExecContext(ctx, "UPDATE ticket_tickets SET touched = touched + 1"); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "PRAGMA wal_checkpoint(RESTART)")
	return err
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

func measurePostgres(ctx context.Context, s *settings) (results []result, err error) {
	const name = "PostgreSQL"
	if !s.wanted(name) && !s.only.MatchString(name+"/Import/1") {
		return nil, nil
	}
	server, err := servers.StartPostgres(ctx, servers.Settings(map[string]string{"shared_buffers": "512MB"}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	admin, err := sql.Open("pgx", server.DSN("pgx", "postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	open := func(who string) (*sql.DB, error) {
		if err := server.CreateDatabase(ctx, who); err != nil {
			return nil, err
		}
		return dbtests.Open("pgx", server.DSN("pgx", who))
	}
	version, err := ask1(ctx, admin, "SHOW server_version")
	if err != nil {
		return nil, err
	}
	s.note("PostgreSQL %s with pgx", version)
	imported, err := measureImport(ctx, s, name, sqlstore.Postgres, bare.PostgresPlain, open)
	if err != nil || !s.wanted(name) {
		return imported, err
	}
	defer func() { results = append(results, imported...) }()
	db, err := open("template")
	if err != nil {
		return nil, err
	}
	f, err := fill(ctx, s, db, sqlstore.Postgres, bare.PostgresOne)
	if err == nil {
		_, err = db.ExecContext(ctx, "VACUUM ANALYZE")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	v := &variant{
		name: name,
		aims: aims{ratio: map[string]map[int]float64{"cte": {1: 0.9, 8: 0.8}, "plain": {1: 1.5, 8: 1.5}}},
		settle: func(ctx context.Context) error {
			_, err := admin.ExecContext(ctx, "CHECKPOINT")
			return err
		},
	}
	for _, who := range []string{"library", "cte", "plain"} {
		if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+who+" TEMPLATE template"); err != nil {
			return nil, err
		}
		db, err := dbtests.Open("pgx", server.DSN("pgx", who))
		if err != nil {
			return nil, err
		}
		var c *contestant
		if who == "library" {
			c, err = library(ctx, db, sqlstore.Postgres, f)
		} else {
			shape := map[string]bare.Shape{"cte": bare.PostgresOne, "plain": bare.PostgresPlain}[who]
			c, err = byHand(ctx, who, db, f, func(ctx context.Context) (bare.Worker, error) { return bare.New(ctx, db, f.data, shape) }, s.mostCallers())
		}
		if err != nil {
			return nil, err
		}
		v.contestants = append(v.contestants, c)
	}
	return measure(ctx, s, v, f)
}

func measureMySQL(ctx context.Context, s *settings) (results []result, err error) {
	const name = "MariaDB"
	if !s.wanted(name) && !s.only.MatchString(name+"/Import/1") {
		return nil, nil
	}
	server, err := servers.StartMariaDB(ctx, servers.Settings(map[string]string{"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "96M"}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	open := func(who string) (*sql.DB, error) {
		if err := server.CreateDatabase(ctx, who); err != nil {
			return nil, err
		}
		return dbtests.Open("mysql", server.DSN("mysql", who))
	}
	template, err := open("template")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, template.Close()) }()
	version, err := ask1(ctx, template, "SELECT VERSION()")
	if err != nil {
		return nil, err
	}
	s.note("MariaDB %s with go-sql-driver", version)
	imported, err := measureImport(ctx, s, name, sqlstore.MySQL, bare.MySQL, open)
	if err != nil || !s.wanted(name) {
		return imported, err
	}
	defer func() { results = append(results, imported...) }()
	f, err := fill(ctx, s, template, sqlstore.MySQL, bare.MySQL)
	if err != nil {
		return nil, err
	}
	v := &variant{name: name, aims: aims{ratio: map[string]map[int]float64{"prepared": {1: 0.9, 8: 0.8}}}}
	for _, who := range []string{"library", "prepared"} {
		db, err := open(who)
		if err != nil {
			return nil, err
		}
		c, err := library(ctx, db, sqlstore.MySQL, f) // it creates the tables
		if err != nil {
			return nil, err
		}
		for _, table := range []string{"tickets", "events", "labels", "outbox"} {
			if _, err := db.ExecContext(ctx, "INSERT INTO ticket_"+table+" SELECT * FROM template.ticket_"+table); err != nil {
				return nil, err
			}
			if _, err := db.ExecContext(ctx, "ANALYZE TABLE ticket_"+table); err != nil {
				return nil, err
			}
		}
		if who != "library" {
			c, err = byHand(ctx, who, db, f, func(ctx context.Context) (bare.Worker, error) { return bare.New(ctx, db, f.data, bare.MySQL) }, s.mostCallers())
			if err != nil {
				return nil, err
			}
		}
		v.contestants = append(v.contestants, c)
	}
	return measure(ctx, s, v, f)
}
