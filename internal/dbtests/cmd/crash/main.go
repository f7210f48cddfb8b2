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
	ordeal.Common

	length  time.Duration
	writers int
	callers int           // goroutines of each writer
	tickets int           // shared by all
	pause   time.Duration // between kills, on average
}

func main() {
	ordeal.BeChild(taskVariable, writer)
	var o options
	o.Flags(backends, sabotages())
	flag.DurationVar(&o.length, "for", time.Minute, "how long to test each store")
	flag.IntVar(&o.writers, "writers", 8, "how many processes write")
	flag.IntVar(&o.callers, "callers", 3, "how many goroutines of each process write")
	flag.IntVar(&o.tickets, "tickets", 24, "how many tickets the callers share")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "the average time between two kills")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		fmt.Printf("%d writers with %d callers each, %s per store, seed %d\n", o.writers, o.callers, o.length, o.Seed)
		return ordeal.Run(ctx, backends, o.Common, columns, func(ctx context.Context, b ordeal.Backend) (*report, error) { return crash(ctx, b, o) })
	})
}
