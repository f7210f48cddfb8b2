// Command relaybench measures the relay. It measures the time from a commit to the
// call of the notifier, and the deliveries a second with a notifier that does
// nothing, next to the bare statements that claim and settle the same rows of the
// same database. The two alternate in several rounds, because a machine's speed
// varies from minute to minute. The ratio is the result. It also opens tickets at
// one pace for minutes on an empty database, while the relay works, and compares the
// deliveries a second at the end with those at the beginning. A database whose plans
// depend on statistics gets slower over that time.
//
//	go run ./internal/dbtests/cmd/relaybench
//	go run ./internal/dbtests/cmd/relaybench -store postgres -what throughput -cpuprofile relay.pprof
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
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// The aims.
const (
	aimLatency = 5 * time.Millisecond // at the median
	aimRatio   = 0.7
	aimSteady  = 0.8
)

// settings are the options of a run.
type settings struct {
	rate   int           // tickets a second, for the latency
	length time.Duration // of the measurement of the latency
	rows   int           // deliveries in a round
	rounds int
	what   string
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
}

func main() {
	var s settings
	store := flag.String("store", "sqlite,postgres,mariadb", "sqlite (modernc, with synchronous FULL and NORMAL), postgres, mariadb, or a comma-separated list")
	flag.IntVar(&s.rate, "rate", 20, "tickets opened per second while the latency is measured")
	flag.DurationVar(&s.length, "for", 15*time.Second, "how long to measure the latency")
	flag.IntVar(&s.rows, "rows", 5000, "deliveries per round")
	flag.IntVar(&s.rounds, "rounds", 9, "rounds of each contestant")
	flag.StringVar(&s.what, "what", "latency,throughput,steady", "what to measure")
	flag.DurationVar(&s.steady, "steady", 2*time.Minute, "how long to open tickets on an empty database")
	flag.IntVar(&s.load, "load", 200, "tickets opened per second meanwhile, with two deliveries each")
	profile := flag.String("cpuprofile", "", "a `file` for a profile of the relay's rounds and the bare ones, with the label \"work\"")
	flag.Parse()
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
	var rows []row
	for i := range backends {
		r := row{name: backends[i].name}
		if strings.Contains(s.what, "latency") {
			if r.latencies, err = latency(ctx, &backends[i], s); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		if strings.Contains(s.what, "throughput") {
			if r.relay, r.bare, r.spent, err = throughput(ctx, &backends[i], s); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		if strings.Contains(s.what, "steady") {
			if r.paces, r.waiting, err = steady(ctx, &backends[i], s); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		rows = append(rows, r)
	}
	if strings.Contains(s.what, "latency") || strings.Contains(s.what, "throughput") {
		if err := table(rows, s); err != nil {
			return err
		}
	}
	if strings.Contains(s.what, "steady") {
		return steadyTable(rows, s)
	}
	return nil
}

// steadyTable prints the paces of the deliveries.
func steadyTable(rows []row, s *settings) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) } // Flush has the error
	line("database", fmt.Sprintf("deliveries/s by sixths of %v", s.steady), "waiting at the end", "end/beginning", fmt.Sprintf("≥ %.1f", aimSteady))
	for _, r := range rows {
		var paces []string
		for _, p := range r.paces {
			paces = append(paces, fmt.Sprintf("%.0f", p))
		}
		ratio := r.paces[len(r.paces)-1] / r.paces[0]
		line(r.name, strings.Join(paces, " "), fmt.Sprint(r.waiting), fmt.Sprintf("%.2f", ratio), verdict(ratio >= aimSteady))
	}
	return t.Flush()
}

// A row is the result for a database.
type row struct {
	name        string
	latencies   []time.Duration
	relay, bare []float64 // deliveries a second, by round
	spent       parts     // of the relay in all rounds, including the warm-up
	paces       []float64 // deliveries a second, by sixths of the time
	waiting     int       // undelivered at the end
}

// each is the time of the relay for each delivery, in µs.
func (r *row) each(s *settings, spent time.Duration) int64 {
	return spent.Microseconds() / int64(s.rows*(s.rounds+1))
}

func table(rows []row, s *settings) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) } // Flush has the error
	line("database", "deliveries", "p50 ms", "p99 ms", fmt.Sprintf("p50 < %d ms", aimLatency.Milliseconds()), "relay/s", "bare/s", "ratio", "least–most", fmt.Sprintf("≥ %.1f", aimRatio), "µs in claim, contexts, settle")
	for _, r := range rows {
		cells := []string{r.name, "", "", "", ""}
		if n := len(r.latencies); n > 0 {
			p50 := quantile(r.latencies, 0.5)
			cells = []string{r.name, fmt.Sprint(n), ms(p50), ms(quantile(r.latencies, 0.99)), verdict(p50 < aimLatency)}
		}
		if len(r.relay) > 0 {
			var ratios []float64
			for i := range r.relay {
				ratios = append(ratios, r.relay[i]/r.bare[i])
			}
			middle := median(ratios)
			cells = append(cells, fmt.Sprintf("%.0f", median(r.relay)), fmt.Sprintf("%.0f", median(r.bare)), fmt.Sprintf("%.2f", middle),
				fmt.Sprintf("%.2f–%.2f", slices.Min(ratios), slices.Max(ratios)), verdict(math.Round(middle*100)/100 >= aimRatio),
				fmt.Sprintf("%d, %d, %d", r.each(s, r.spent.claim), r.each(s, r.spent.contexts), r.each(s, r.spent.settle)))
		}
		line(cells...)
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
