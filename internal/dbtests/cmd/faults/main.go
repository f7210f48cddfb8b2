// Command faults sends the notifications of many tickets through several relay
// processes under every kind of fault. The mail server is slow for each message, and
// slower for some than for any other step. It refuses messages permanently,
// temporarily, because of a quota or because of the sender. It goes silent after it
// has accepted a message, hangs up midway, and is down for half an hour on a clock
// that is faster than real time. Relays and writers are killed with SIGKILL at
// random moments and started again. Then the command checks that every notification
// arrived in order, that every repeated message can be recognised and had a reason,
// and that no recipient was barred because of the desk's own trouble.
//
//	faults -store all -tickets 10000
//
// The mail server is a part of this program, on loopback, so the program knows
// exactly which messages were accepted. The exit status is 1 if a notification was
// lost, is stuck, or came in the wrong order. It prints which.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// options are the options of a run.
type options struct {
	tickets  int
	relays   int
	writers  int
	pause    time.Duration // between kills, on average
	outage   time.Duration // by the clock
	longest  time.Duration // of the faults after all is written
	patience time.Duration // for the deliveries after the faults
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
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "the average time between two kills")
	flag.DurationVar(&o.outage, "outage", 30*time.Minute, "how long the mail server is down, by the run's own clock")
	flag.DurationVar(&o.longest, "for", 5*time.Minute, "the maximum time of the faults after all is written; writing may take five times as long")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "the maximum time after that until all notifications are delivered")
	flag.Uint64Var(&o.seed, "seed", 0, "the seed of the random choices; the results still vary; 0 means a random seed")
	flag.StringVar(&o.sabotage, "sabotage", "", "faults of the relays to simulate, which the check must find, separated by commas: "+strings.Join(sabotages(), ", "))
	flag.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) { return run(ctx, *store, o) })
}

// run tests the named stores, and reports whether all passed.
func run(ctx context.Context, names string, o options) (bool, error) {
	if err := ordeal.Sabotages(sabotages(), strings.Split(o.sabotage, ",")...); err != nil {
		return false, err
	}
	o.seed = ordeal.Seed(o.seed)
	fmt.Printf("%d tickets, %d writers, %d relays, seed %d\n", o.tickets, o.writers, o.relays, o.seed)
	return ordeal.Run(ctx, ordeal.Backends, names, columns, func(ctx context.Context, b ordeal.Backend) (ordeal.Outcome, error) {
		r, err := endure(ctx, b, o)
		if err != nil {
			return ordeal.Outcome{}, err
		}
		return ordeal.Outcome{Good: r.good(), Lines: append(r.Found, r.summary()...), Row: r.row()}, nil
	})
}
