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

	ordeal.Main(func(ctx context.Context) (bool, error) { return run(ctx, *store, o) })
}

// run crashes the stores that are named, and reports whether all stood it.
func run(ctx context.Context, names string, o options) (bool, error) {
	if err := ordeal.Sabotages(sabotages(), o.sabotage); err != nil {
		return false, err
	}
	o.seed = ordeal.Seed(o.seed)
	fmt.Printf("%d writers of %d callers each, %s a store, seed %d\n", o.writers, o.callers, o.length, o.seed)
	return ordeal.Run(ctx, backends, names, columns, func(ctx context.Context, b ordeal.Backend) (ordeal.Outcome, error) {
		r, err := crash(ctx, b, o)
		if err != nil {
			return ordeal.Outcome{}, err
		}
		return ordeal.Outcome{Good: r.good(), Lines: append(r.Found, r.said()...), Row: r.row()}, nil
	})
}
