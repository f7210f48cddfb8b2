// Command timers tests everything that a desk does by itself. Several processes fire the
// timers of one store, by clocks that are thousands of times faster than real time, and
// are killed with SIGKILL at random moments. Meanwhile a writer acts on the tickets: it
// opens, replies, asks, holds, resumes, escalates, resolves, reopens, merges, snoozes and
// raises priorities. An agreement of package sla promises answers, updates, solutions and
// stays at a level in the business hours of an office in Berlin, and has reactions at
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
// doubled, early or wrong. It prints the findings.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// options are the options of a run.
type options struct {
	ordeal.Common

	length   time.Duration // of the writing
	events   int           // before the writing ends
	firing   int           // processes
	callers  int           // goroutines of the writer
	tickets  int
	rate     int64         // of the clock while the writer writes
	pause    time.Duration // between kills, on average
	patience time.Duration // for everything that is still to happen afterwards
}

func main() {
	ordeal.BeChild(taskVariable, perform)
	var o options
	o.Flags(ordeal.Backends, sabotages())
	flag.DurationVar(&o.length, "for", time.Minute, "how long to write and kill on each store")
	flag.IntVar(&o.events, "events", 0, "write until there are so many events, for ten times as long at most")
	flag.IntVar(&o.firing, "firing", 4, "how many processes fire timers")
	flag.IntVar(&o.callers, "callers", 3, "how many goroutines of the writer write")
	flag.IntVar(&o.tickets, "tickets", 400, "how many tickets the writer opens at most, without those of follow-ups")
	flag.Int64Var(&o.rate, "rate", 1800, "how fast the clocks are while the writer writes: their seconds in a real second")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "the average time between two kills")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "the maximum time until nothing is left to happen by itself")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		fmt.Printf("%d processes fire timers, %s of writing, clocks %d times as fast, seed %d\n", o.firing, o.length, o.rate, o.Seed)
		var all figures
		good, err := ordeal.Run(ctx, ordeal.Backends, o.Common, columns(), func(ctx context.Context, b ordeal.Backend) (*report, error) {
			r, err := endure(ctx, b, o)
			if err == nil {
				all.add(&r.figures)
			}
			return r, err
		})
		fmt.Println(all.line())
		return good, err
	})
}
