// Command crash kills programs that write tickets, and the database servers they
// write to, with SIGKILL at random moments, again and again, and then looks
// whether everything is there that was acknowledged, and nothing by halves.
//
//	crash -store all -for 60s
//
// A kill is the crash of a process and not of a machine: what a process had
// handed to the operating system survives it.
//
// It exits with 1 if something was lost, torn or doubled, and prints what.
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
	{"sqlite3", "sqlite3", sqlstore.SQLite, nil},
	{"postgres", "pgx", sqlstore.Postgres, servers.StartPostgres},
	{"mysql", "mysql", sqlstore.MySQL, servers.StartMariaDB},
}

// options are those of a run.
type options struct {
	length   time.Duration
	writers  int
	callers  int           // goroutines of each writer
	tickets  int           // that all share
	pause    time.Duration // between kills, on average
	seed     uint64
	sabotage string
}

func main() {
	if task := os.Getenv(taskVariable); task != "" {
		os.Exit(writer(task))
	}
	var o options
	store := flag.String("store", "all", "sqlite (modernc), sqlite3 (mattn), postgres, mysql (MariaDB), several with commas between, or all")
	flag.DurationVar(&o.length, "for", time.Minute, "how long each store is worked on")
	flag.IntVar(&o.writers, "writers", 8, "how many processes write")
	flag.IntVar(&o.callers, "callers", 3, "how many goroutines of each process write")
	flag.IntVar(&o.tickets, "tickets", 24, "how many tickets all share")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "how long it is between two kills, on average")
	flag.Uint64Var(&o.seed, "seed", 0, "what the choices depend on, though not what comes of them; 0: another every time")
	flag.StringVar(&o.sabotage, "sabotage", "", "damage to do before the check, which has to find it: "+strings.Join(sabotages(), ", "))
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

// run crashes the stores that are named, and reports whether all stood it.
func run(ctx context.Context, names string, o options) (bool, error) {
	if o.sabotage != "" && !slices.Contains(sabotages(), o.sabotage) {
		return false, fmt.Errorf("there is no sabotage %q; there are %s", o.sabotage, strings.Join(sabotages(), ", "))
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
	fmt.Printf("%d writers of %d callers each, %s a store, seed %d\n", o.writers, o.callers, o.length, o.seed)
	good := true
	var reports []*report
	for _, b := range list {
		r, err := crash(ctx, b, o)
		if err != nil {
			return false, fmt.Errorf("%s: %w", b.name, err)
		}
		reports = append(reports, r)
		good = good && r.good()
		for _, line := range r.found {
			fmt.Printf("%s: %s\n", b.name, line)
		}
		for _, line := range r.said() {
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
