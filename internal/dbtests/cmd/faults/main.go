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
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// options are the options of a run.
type options struct {
	ordeal.Common

	tickets  int
	relays   int
	writers  int
	pause    time.Duration // between kills, on average
	outage   time.Duration // by the clock
	longest  time.Duration // of the faults after all is written
	patience time.Duration // for the deliveries after the faults
}

func main() {
	ordeal.BeChild(taskVariable, perform)
	var o options
	o.Flags(ordeal.Backends, sabotages())
	flag.IntVar(&o.tickets, "tickets", 10000, "how many tickets are opened and worked on")
	flag.IntVar(&o.relays, "relays", 4, "how many processes deliver")
	flag.IntVar(&o.writers, "writers", 2, "how many processes write")
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "the average time between two kills")
	flag.DurationVar(&o.outage, "outage", 30*time.Minute, "how long the mail server is down, by the run's own clock")
	flag.DurationVar(&o.longest, "for", 5*time.Minute, "the maximum time of the faults after all is written; writing may take five times as long")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "the maximum time after that until all notifications are delivered")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		fmt.Printf("%d tickets, %d writers, %d relays, seed %d\n", o.tickets, o.writers, o.relays, o.Seed)
		return ordeal.Run(ctx, ordeal.Backends, o.Common, columns, func(ctx context.Context, b ordeal.Backend) (*report, error) { return endure(ctx, b, o) })
	})
}
