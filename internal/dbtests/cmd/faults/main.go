// Command faults sends the notifications of many tickets through several relay
// processes while everything fails that can: the mail server takes its time for each
// letter, and for some longer than for any other step; it refuses, for good, for now,
// because of a quota or because of the sender; it goes silent after it has accepted,
// hangs up midway, is down for half an hour on a
// clock that goes faster than time; relays and writers are killed with SIGKILL
// at random moments and started again. Afterwards it looks whether every
// notification arrived, in order, whether every repeat can be recognised and had a
// reason, and whether nobody is sent nothing any more because of what was the desk's
// own trouble.
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
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

var backends = []ordeal.Backend{
	{Name: "sqlite", Driver: "sqlite", Dialect: sqlstore.SQLite},
	{Name: "postgres", Driver: "pgx", Dialect: sqlstore.Postgres, Start: servers.StartPostgres},
	{Name: "mariadb", Driver: "mysql", Dialect: sqlstore.MySQL, Start: servers.StartMariaDB},
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
	store := flag.String("store", "all", "sqlite (modernc), postgres, mariadb, or all")
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

	ordeal.Main(func(ctx context.Context) (bool, error) { return run(ctx, *store, o) })
}

// run puts the stores that are named to the test, and reports whether all stood
// it.
func run(ctx context.Context, names string, o options) (bool, error) {
	if err := ordeal.Sabotages(sabotages(), strings.Split(o.sabotage, ",")...); err != nil {
		return false, err
	}
	o.seed = ordeal.Seed(o.seed)
	fmt.Printf("%d tickets, %d writers, %d relays, seed %d\n", o.tickets, o.writers, o.relays, o.seed)
	return ordeal.Run(ctx, backends, names, columns, func(ctx context.Context, b ordeal.Backend) (ordeal.Outcome, error) {
		r, err := endure(ctx, b, o)
		if err != nil {
			return ordeal.Outcome{}, err
		}
		return ordeal.Outcome{Good: r.good(), Lines: append(r.Found, r.told()...), Row: r.row()}, nil
	})
}
