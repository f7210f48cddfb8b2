// Command relaybench measures the relay. It measures the time from a commit to the
// call of the notifier, and the deliveries a second with a notifier that does
// nothing, next to the bare statements that claim and settle the same rows of the
// same database. The two alternate in several rounds, because a machine's speed
// varies from minute to minute. The ratio is the result. It does so with and without
// many settled deliveries in the outbox. On PostgreSQL the relay also alternates with
// River, a queue of jobs, whose workers do nothing.
//
// It also opens tickets at one pace for minutes on an empty database, while the relay
// works, and compares the deliveries a second at the end with those at the beginning.
// A database whose plans depend on statistics gets slower over that time.
//
//	go run ./internal/dbtests/cmd/relaybench
//	go run ./internal/dbtests/cmd/relaybench -store postgres -what throughput -cpuprofile relay.pprof
//	go run ./internal/dbtests/cmd/relaybench -what throughput -settled 0,1000000
//	go run ./internal/dbtests/cmd/relaybench -store postgres -what river -rows 20000
//
//	go run ./internal/dbtests/cmd/relaybench -store mariadb -what steady -steady 5m -load 300
//
// It starts PostgreSQL and MariaDB and stops them at the end. A missed aim does not
// change the exit status, which is 0 after a measurement.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// The aims.
const (
	aimLatency = 5 * time.Millisecond // at the median
	aimRatio   = 0.7
	aimRiver   = 1.0
	aimSteady  = 0.8
)

// settings are the options of a run.
type settings struct {
	rate   int           // tickets a second, for the latency
	length time.Duration // of the measurement of the latency
	rows   int           // deliveries in a round
	rounds int
	what   string

	settled []int // settled deliveries in the outbox, a run with each

	steady time.Duration // how long tickets are opened on an empty database
	load   int           // tickets a second on the empty database
}

// A backend is a database in one configuration.
type backend struct {
	name    string
	dialect sqlstore.Dialect
	bare    shape
	open    func(database string) (*sql.DB, error)
	vacuum  string // between rounds

	pool func(database string) (*pgxpool.Pool, error) // for River; nil if it does not work on this database
}

func main() {
	var s settings
	store := flag.String("store", "sqlite,postgres,mariadb", "sqlite (modernc, with synchronous FULL and NORMAL), postgres, mariadb, or a comma-separated list")
	flag.IntVar(&s.rate, "rate", 20, "tickets opened per second while the latency is measured")
	flag.DurationVar(&s.length, "for", 15*time.Second, "how long to measure the latency")
	flag.IntVar(&s.rows, "rows", 5000, "deliveries per round")
	flag.IntVar(&s.rounds, "rounds", 9, "rounds of each contestant")
	flag.StringVar(&s.what, "what", "latency,throughput,river,steady", "what to measure; River works on PostgreSQL only")
	flag.Func("settled", "settled deliveries in the outbox while the throughput is measured, or a comma-separated list (default 0)", func(list string) error {
		for text := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			s.settled = append(s.settled, n)
		}
		return nil
	})
	flag.DurationVar(&s.steady, "steady", 2*time.Minute, "how long to open tickets on an empty database")
	flag.IntVar(&s.load, "load", 200, "tickets opened per second meanwhile, with two deliveries each")
	profile := flag.String("cpuprofile", "", "a `file` for a profile of the relay's rounds and the bare ones, with the label \"work\"")
	flag.Parse()
	if s.settled == nil {
		s.settled = []int{0}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := profiled(*profile, func() error { return run(ctx, *store, &s) })
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func profiled(path string, f func() error) (err error) {
	if path == "" {
		return f()
	}
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := pprof.StartCPUProfile(to); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// run measures the named stores, and prints a table.
func run(ctx context.Context, names string, s *settings) (err error) {
	dir, err := os.MkdirTemp("", "ticket-relaybench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var backends []backend
	for name := range strings.SplitSeq(names, ",") {
		switch name {
		case "sqlite":
			for _, synchronous := range []string{"FULL", "NORMAL"} {
				backends = append(backends, backend{name: "SQLite, modernc, " + synchronous, dialect: sqlstore.SQLite, bare: sqliteShape, open: func(database string) (*sql.DB, error) {
					file := filepath.Join(dir, database+synchronous+".db")
					return dbtests.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous("+synchronous+")")
				}})
			}
		case "postgres":
			server, err := servers.StartPostgres(ctx, servers.Settings(map[string]string{"shared_buffers": "256MB"}))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.Stop()) }()
			backends = append(backends, backend{name: "PostgreSQL, pgx", dialect: sqlstore.Postgres, bare: postgresShape, vacuum: "VACUUM ANALYZE", open: func(database string) (*sql.DB, error) {
				if err := server.CreateDatabase(ctx, database); err != nil {
					return nil, err
				}
				return dbtests.Open("pgx", server.DSN("pgx", database))
			}, pool: func(database string) (*pgxpool.Pool, error) {
				if err := server.CreateDatabase(ctx, database); err != nil {
					return nil, err
				}
				return pgxpool.New(ctx, server.DSN("pgx", database))
			}})
		case "mariadb":
			server, err := servers.StartMariaDB(ctx, servers.Settings(map[string]string{"innodb_buffer_pool_size": "256M"}))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.Stop()) }()
			backends = append(backends, backend{name: "MariaDB", dialect: sqlstore.MySQL, bare: mariadbShape, open: func(database string) (*sql.DB, error) {
				if err := server.CreateDatabase(ctx, database); err != nil {
					return nil, err
				}
				return dbtests.Open("mysql", server.DSN("mysql", database))
			}})
		default:
			return fmt.Errorf("unknown store %q", name)
		}
	}
	fmt.Printf("load %s at the beginning, %d processors\n", machine.Load(), runtime.NumCPU())
	for _, m := range []struct {
		name    string
		measure func(ctx context.Context, backends []backend, s *settings) error
	}{{"latency", latencies}, {"throughput", throughputs}, {"river", rivers}, {"steady", paces}} {
		if strings.Contains(s.what, m.name) {
			if err := m.measure(ctx, backends, s); err != nil {
				return err
			}
		}
	}
	fmt.Printf("load %s at the end\n", machine.Load())
	return nil
}

// A table prints lines of cells in columns.
type table struct{ *tabwriter.Writer }

func newTable(head ...string) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.line(head...)
	return t
}

func (t table) line(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) } // Flush has the error

func latencies(ctx context.Context, backends []backend, s *settings) error {
	t := newTable("database", "deliveries", "p50 ms", "p99 ms", fmt.Sprintf("p50 < %d ms", aimLatency.Milliseconds()))
	for i := range backends {
		list, err := latency(ctx, &backends[i], s)
		if err != nil {
			return fmt.Errorf("%s: %w", backends[i].name, err)
		}
		p50 := quantile(list, 0.5)
		t.line(backends[i].name, fmt.Sprint(len(list)), ms(p50), ms(quantile(list, 0.99)), verdict(p50 < aimLatency))
	}
	return t.Flush()
}

// throughputs measures the relay beside the bare statements.
func throughputs(ctx context.Context, backends []backend, s *settings) error {
	t := newTable("database", "settled", "relay/s", "bare/s", "ratio", "least–most", fmt.Sprintf("≥ %.1f", aimRatio), "CPU µs relay", "(own)", "bare", "(own)", "µs in claim, contexts, settle")
	for i := range backends {
		for _, settled := range s.settled {
			b := &backends[i]
			all, spent, err := beside(ctx, b, s, settled)
			if err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			relay, bare := all[0], all[1]
			each := func(d time.Duration) int64 { return d.Microseconds() / int64(s.rows*(s.rounds+1)) }
			ratios := ratiosOf(relay, bare)
			middle := median(ratios)
			t.line(b.name, fmt.Sprint(settled), middleOf(relay, rate), middleOf(bare, rate), fmt.Sprintf("%.2f", middle), fmt.Sprintf("%.2f–%.2f", slices.Min(ratios), slices.Max(ratios)),
				verdict(math.Round(middle*100)/100 >= aimRatio), middleOf(relay, cpu), middleOf(relay, own), middleOf(bare, cpu), middleOf(bare, own),
				fmt.Sprintf("%d, %d, %d", each(spent.claim), each(spent.contexts), each(spent.settle)))
		}
	}
	return t.Flush()
}

// beside returns the figures of the relay and of the bare statements.
func beside(ctx context.Context, b *backend, s *settings, settled int) (all [][]figures, spent parts, err error) {
	f, err := newField(ctx, b, "throughput", s.rows, settled)
	if err != nil {
		return nil, spent, err
	}
	defer func() { err = errors.Join(err, f.db.Close()) }()
	bare, err := f.bare(ctx)
	if err != nil {
		return nil, spent, err
	}
	all, err = rounds(ctx, s.rows, s.rounds, []contestant{f.relay("relay "+b.name, ticket.Relay{}), bare})
	return all, f.spent, err
}

// rivers measures the relay beside River.
func rivers(ctx context.Context, backends []backend, s *settings) error {
	t := newTable("database", "", "a second", "of River", "least–most", fmt.Sprintf("≥ %.1f", aimRiver), "CPU µs", "(own)")
	for i := range backends {
		b := &backends[i]
		if b.pool == nil {
			continue
		}
		list, all, err := besideRiver(ctx, b, s)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		for j := range list {
			ratios := ratiosOf(all[j], all[0])
			middle := median(ratios)
			t.line(b.name, list[j].name, middleOf(all[j], rate), fmt.Sprintf("%.2f", middle), fmt.Sprintf("%.2f–%.2f", slices.Min(ratios), slices.Max(ratios)),
				verdict(math.Round(middle*100)/100 >= aimRiver), middleOf(all[j], cpu), middleOf(all[j], own))
		}
	}
	return t.Flush()
}

// besideRiver returns the contestants, River first, and their figures.
func besideRiver(ctx context.Context, b *backend, s *settings) (list []contestant, all [][]figures, err error) {
	f, err := newField(ctx, b, "beside", s.rows, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.db.Close()) }()
	pool, err := b.pool("river")
	if err != nil {
		return nil, nil, err
	}
	defer pool.Close()
	jobs, err := riverContestant(ctx, pool, s.rows)
	if err != nil {
		return nil, nil, err
	}
	list = []contestant{jobs, f.relay("relay, Batch 1000", tuned), f.relay("relay, defaults", ticket.Relay{})}
	all, err = rounds(ctx, s.rows, s.rounds, list)
	return list, all, err
}

func rate(f figures) float64 { return f.rate }
func cpu(f figures) float64  { return f.cpu }
func own(f figures) float64  { return f.own }

func middleOf(list []figures, which func(figures) float64) string {
	return fmt.Sprintf("%.0f", median(of(list, which)))
}

func ratiosOf(list, to []figures) []float64 {
	var ratios []float64
	for i := range list {
		ratios = append(ratios, list[i].rate/to[i].rate)
	}
	return ratios
}

// paces measures whether the relay stays as fast.
func paces(ctx context.Context, backends []backend, s *settings) error {
	t := newTable("database", fmt.Sprintf("deliveries/s by sixths of %v", s.steady), "waiting at the end", "end/beginning", fmt.Sprintf("≥ %.1f", aimSteady))
	for i := range backends {
		list, waiting, err := steady(ctx, &backends[i], s)
		if err != nil {
			return fmt.Errorf("%s: %w", backends[i].name, err)
		}
		var texts []string
		for _, p := range list {
			texts = append(texts, fmt.Sprintf("%.0f", p))
		}
		ratio := list[len(list)-1] / list[0]
		t.line(backends[i].name, strings.Join(texts, " "), fmt.Sprint(waiting), fmt.Sprintf("%.2f", ratio), verdict(ratio >= aimSteady))
	}
	return t.Flush()
}

func verdict(met bool) string {
	if met {
		return "ok"
	}
	return "MISSED"
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func quantile(list []time.Duration, q float64) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
