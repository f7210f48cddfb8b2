// Command timers tests everything that a desk does by itself. Several processes fire the
// timers of one store, by clocks that are thousands of times faster than real time, and
// are killed with SIGKILL at random moments. Meanwhile a writer acts on the tickets: it
// opens, replies, asks, holds, resumes, escalates, resolves, reopens, merges, snoozes and
// raises priorities. An agreement of package sla promises answers, updates, solutions and
// stays at a level in the business hours of an office in Berlin, and asks for something at
// many thresholds. The office changes to summer time during the run.
//
// When nothing is left to happen by itself, the command reads every history and computes
// everything again. It checks that every threshold which a running clock reached was acted
// on once, and not early; that nothing happened to finished, merged and paused tickets;
// that every snooze ended once, with its reminder or with the customer's words; that the
// timed actions of the workflow happened once, and not early; that an escalation goes up
// one level and never above the top; that the recorded clocks are those of the history;
// that everybody was told who had to be told; and that the lists of the store are those of
// its tickets.
//
//	timers -store all -for 60s
//
// The last line has the figures of all stores. The exit status is 1 if something was lost,
// doubled, early or wrong. It prints what.
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
	length   time.Duration // of the writing
	firing   int           // processes
	callers  int           // goroutines of the writer
	tickets  int
	rate     int64         // of the clock while the writer writes
	pause    time.Duration // between kills, on average
	patience time.Duration // for everything that is still to happen afterwards
	seed     uint64
	sabotage string
}

func main() {
	if path := os.Getenv(taskVariable); path != "" {
		os.Exit(child(path))
	}
	var o options
	store := flag.String("store", "all", "sqlite (modernc), postgres, mariadb, a comma-separated list, or all")
	flag.DurationVar(&o.length, "for", time.Minute, "how long to write and kill on each store")
	flag.IntVar(&o.firing, "firing", 4, "how many processes fire timers")
	flag.IntVar(&o.callers, "callers", 3, "how many goroutines of the writer write")
	flag.IntVar(&o.tickets, "tickets", 400, "how many tickets the writer opens at most, without those of splits and follow-ups")
	flag.Int64Var(&o.rate, "rate", 7200, "how fast the clocks are while the writer writes: their seconds in a real second")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "the average time between two kills")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "the maximum time until nothing is left to happen by itself")
	flag.Uint64Var(&o.seed, "seed", 0, "the seed of the random choices; the results still vary; 0 means a random seed")
	flag.StringVar(&o.sabotage, "sabotage", "", "faults to simulate, which the check must find, separated by commas: "+strings.Join(sabotages(), ", "))
	flag.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) { return run(ctx, *store, o) })
}

// run tests the named stores, and reports whether all passed.
func run(ctx context.Context, names string, o options) (bool, error) {
	if err := ordeal.Sabotages(sabotages(), strings.Split(o.sabotage, ",")...); err != nil {
		return false, err
	}
	o.seed = ordeal.Seed(o.seed)
	fmt.Printf("%d processes fire timers, %s of writing, clocks %d times as fast, seed %d\n", o.firing, o.length, o.rate, o.seed)
	var all figures
	good, err := ordeal.Run(ctx, ordeal.Backends, names, columns(), func(ctx context.Context, b ordeal.Backend) (ordeal.Outcome, error) {
		r, err := endure(ctx, b, o)
		if err != nil {
			return ordeal.Outcome{}, err
		}
		all.add(&r.figures)
		return ordeal.Outcome{Good: r.good(), Lines: append(r.Found, r.summary()...), Row: r.row()}, nil
	})
	if err == nil {
		fmt.Println(all.line())
	}
	return good, err
}
