// Command retention tests [ticket.Desk.Retain] on many tickets while writers work on others.
//
// It imports tickets of which most are due, notes what a dry run says, and runs Retain: first
// in child processes that are killed with SIGKILL at random moments, then in its own process
// until nothing is left. Some of the tickets have more than a thousand events, and a rule
// selects them by a tag that the step erases. Eight writers act on other tickets meanwhile.
// Then it looks at every ticket and every event: that the run did what the dry run said, each
// step once; that nothing was lost or changed but what the steps erase; that the writers' tickets
// have what was acknowledged. A fortnight later by the clock it does the same with the tickets
// that are due for their last step. At the end it fills the outbox and the receipts, and prunes
// them beside the writers.
//
//	retention -store all -tickets 100000
//
// It prints the time of a write, p99, alone and beside each of these. The aim is at most twice
// the time alone. A missed aim does not change the exit status, because other programs on the
// machine change it too. The status is 1 if something was lost or changed, or differs from the
// dry run.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// options are the options of a run.
type options struct {
	ordeal.Common

	tickets int
	writers int
	think   time.Duration // of a writer between two writes, on average
	alone   time.Duration
	kills   int
	pause   time.Duration // before a kill, on average
	rows    int           // of the outbox and of the receipts
}

func main() {
	ordeal.BeChild(taskVariable, perform)
	var o options
	o.Flags(ordeal.Backends, sabotages())
	flag.IntVar(&o.tickets, "tickets", 100_000, "how many tickets there are, without those of the writers; at least 200")
	flag.IntVar(&o.writers, "writers", 8, "how many writers act on other tickets")
	flag.DurationVar(&o.think, "think", 10*time.Millisecond, "the average pause of a writer between two writes")
	flag.DurationVar(&o.alone, "alone", 20*time.Second, "how long the writers write alone")
	flag.IntVar(&o.kills, "kills", 40, "how many processes that run Retain are killed")
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "the average time until such a process is killed")
	flag.IntVar(&o.rows, "rows", 100_000, "how many deliveries and how many receipts there are to prune")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		fmt.Printf("%d tickets, %d writers, seed %d, load %s\n", o.tickets, o.writers, o.Seed, machine.Load())
		return ordeal.Run(ctx, ordeal.Backends, o.Common, columns(), func(ctx context.Context, b ordeal.Backend) (*report, error) { return endure(ctx, b, o) })
	})
}
