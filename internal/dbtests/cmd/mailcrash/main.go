// Command mailcrash lets several processes take in thousands of mails, from an IMAP server
// and by LMTP, and kills them with SIGKILL at random moments. Connections to the IMAP server
// and to the database are cut, and the file store fails at times. The mails are new ones,
// answers that name their ticket in every way, repeats, floods, loops, mails of strangers who
// know a number or a signed address, automatic ones, and broken ones.
//
// At the end the command reads all of it. It checks that every mail that a server was told is
// stored was done, or recognised as a repeat, ignored by a rule or held; that nothing is
// pending; that the words of each mail are on one ticket once, the right one; that the words
// of strangers are internal notes there; and that the bytes of every mail and of every file
// can be read.
//
//	mailcrash -store all -mails 5000
//
// The exit status is 1 if a mail was lost, doubled, on the wrong ticket or in the wrong state.
// It prints which.
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

	mails    int
	takers   int           // processes
	pause    time.Duration // between kills, on average
	patience time.Duration // for the mails that are pending when the faults end
	longest  time.Duration // of the faults
}

func main() {
	ordeal.BeChild(taskVariable, perform)
	var o options
	o.Flags(ordeal.Backends, sabotages())
	flag.IntVar(&o.mails, "mails", 5000, "how many mails arrive, without the copies of repeats")
	flag.IntVar(&o.takers, "takers", 3, "how many processes take them in")
	flag.DurationVar(&o.pause, "pause", 700*time.Millisecond, "the average time between two kills")
	flag.DurationVar(&o.longest, "for", 10*time.Minute, "the maximum time until all mails have arrived")
	flag.DurationVar(&o.patience, "rest", 2*time.Minute, "the maximum time after that until none is pending")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		fmt.Printf("%d mails, %d takers, seed %d\n", o.mails, o.takers, o.Seed)
		return ordeal.Run(ctx, ordeal.Backends, o.Common, columns, func(ctx context.Context, b ordeal.Backend) (*report, error) { return endure(ctx, b, o) })
	})
}
