// Command crash kills programs that write tickets, and their database servers, with
// SIGKILL at random moments, again and again. Then it checks that every acknowledged
// action is stored, and that no action is stored in part.
//
//	crash -store all -for 60s
//
// A kill is the crash of a process and not of a machine: data that a process had
// passed to the operating system survives.
//
// The exit status is 1 if an action was lost, torn or doubled. It prints which.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

var backends = []ordeal.Backend{
	{Name: "sqlite", Driver: "sqlite", Dialect: sqlstore.SQLite},
	{Name: "sqlite3", Driver: "sqlite3", Dialect: sqlstore.SQLite},
	{Name: "postgres", Driver: "pgx", Dialect: sqlstore.Postgres, Start: servers.StartPostgres},
	{Name: "mysql", Driver: "mysql", Dialect: sqlstore.MySQL, Start: servers.StartMariaDB},
}

// options are the options of a run.
type options struct {
	length   time.Duration
	writers  int
	callers  int           // goroutines of each writer
	tickets  int           // shared by all
	pause    time.Duration // between kills, on average
	seed     uint64
	sabotage string
}

func main() {
	if task := os.Getenv(taskVariable); task != "" {
		os.Exit(writer(task))
	}
	var o options
	store := flag.String("store", "all", "sqlite (modernc), sqlite3 (mattn), postgres, mysql (MariaDB), a comma-separated list, or all")
	flag.DurationVar(&o.length, "for", time.Minute, "how long to test each store")
	flag.IntVar(&o.writers, "writers", 8, "how many processes write")
	flag.IntVar(&o.callers, "callers", 3, "how many goroutines of each process write")
	flag.IntVar(&o.tickets, "tickets", 24, "how many tickets the callers share")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "the average time between two kills")
	flag.Uint64Var(&o.seed, "seed", 0, "the seed of the random choices; the results still vary; 0 means a random seed")
	flag.StringVar(&o.sabotage, "sabotage", "", "damage to do before the check, which must find it: "+strings.Join(sabotages(), ", "))
	flag.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) { return run(ctx, *store, o) })
}

// run crashes the named stores, and reports whether all passed.
func run(ctx context.Context, names string, o options) (bool, error) {
	if err := ordeal.Sabotages(sabotages(), o.sabotage); err != nil {
		return false, err
	}
	o.seed = ordeal.Seed(o.seed)
	fmt.Printf("%d writers with %d callers each, %s per store, seed %d\n", o.writers, o.callers, o.length, o.seed)
	return ordeal.Run(ctx, backends, names, columns, func(ctx context.Context, b ordeal.Backend) (ordeal.Outcome, error) {
		r, err := crash(ctx, b, o)
		if err != nil {
			return ordeal.Outcome{}, err
		}
		return ordeal.Outcome{Good: r.good(), Lines: append(r.Found, r.said()...), Row: r.row()}, nil
	})
}
