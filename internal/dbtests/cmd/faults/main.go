// Command faults sends the notifications of many tickets through several relay
// processes while everything fails that can: the mail server refuses, goes
// silent after it has accepted, hangs up midway, is down for half an hour on a
// clock that goes faster than time; relays and writers are killed with SIGKILL
// at random moments and started again. Afterwards it looks whether every
// notification arrived, in order, and whether every repeat can be recognised.
//
//	faults -store all -tickets 10000
//
// The mail server is this program, on loopback: what it has accepted it knows
// for sure. It exits with 1 if something was lost, is stuck, or came in the
// wrong order, and prints what.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// A backend is a database with a driver.
type backend struct {
	name    string
	driver  string
	dialect sqlstore.Dialect
	start   func(context.Context, ...servers.Option) (*servers.Server, error) // nil: a file
}

var backends = []backend{
	{"sqlite", "sqlite", sqlstore.SQLite, nil},
	{"postgres", "pgx", sqlstore.Postgres, servers.StartPostgres},
}

// options are those of a run.
type options struct {
	tickets  int
	relays   int
	writers  int
	pause    time.Duration // between kills, on average
	outage   time.Duration // by the clock
	longest  time.Duration // for the faults, once all is written
	patience time.Duration // for what comes after
	seed     uint64
	sabotage string
}

func main() {
	if path := os.Getenv(taskVariable); path != "" {
		os.Exit(child(path))
	}
	var o options
	store := flag.String("store", "all", "sqlite (modernc), postgres, or all")
	flag.IntVar(&o.tickets, "tickets", 10000, "how many tickets are opened and worked on")
	flag.IntVar(&o.relays, "relays", 4, "how many processes deliver")
	flag.IntVar(&o.writers, "writers", 2, "how many processes write")
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "how long it is between two kills, on average")
	flag.DurationVar(&o.outage, "outage", 30*time.Minute, "how long the mail server is down, by the clock")
	flag.DurationVar(&o.longest, "for", 5*time.Minute, "how long the faults go on at most once all is written; it may take five times that to write it")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "how long it may take after that until all is told")
	flag.Uint64Var(&o.seed, "seed", 0, "what the choices depend on, though not what comes of them; 0: another every time")
	flag.StringVar(&o.sabotage, "sabotage", "", "what to do wrong on purpose, with commas between, which the check has to find: "+strings.Join(sabotages(), ", "))
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	good, err := run(ctx, *store, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run puts the stores that are named to the test, and reports whether all stood
// it.
func run(ctx context.Context, names string, o options) (bool, error) {
	for name := range strings.SplitSeq(o.sabotage, ",") {
		if name != "" && !slices.Contains(sabotages(), name) {
			return false, fmt.Errorf("there is no sabotage %q; there are %s", name, strings.Join(sabotages(), ", "))
		}
	}
	list := backends
	if names != "all" {
		list = nil
		for name := range strings.SplitSeq(names, ",") {
			i := slices.IndexFunc(backends, func(b backend) bool { return b.name == name })
			if i < 0 {
				return false, fmt.Errorf("there is no store %q", name)
			}
			list = append(list, backends[i])
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	fmt.Printf("%d tickets, %d writers, %d relays, seed %d\n", o.tickets, o.writers, o.relays, o.seed)
	good := true
	var reports []*report
	for _, b := range list {
		r, err := endure(ctx, b, o)
		if err != nil {
			return false, fmt.Errorf("%s: %w", b.name, err)
		}
		reports = append(reports, r)
		good = good && r.good()
		for _, line := range append(r.found, r.told()...) {
			fmt.Printf("%s: %s\n", b.name, line)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, name := range columns {
		line := []string{name}
		for _, r := range reports {
			line = append(line, r.row()[i])
		}
		if _, err := fmt.Fprintln(table, strings.Join(line, "\t")+"\t"); err != nil {
			return false, err
		}
	}
	return good, table.Flush()
}
