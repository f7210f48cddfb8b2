// Command mailbench measures how many mails an intake takes in a second, from [mailbox.Intake.Take]
// to the settled record, against bare statements that write the same rows and one file for
// each mail. It also measures the first look at a mailbox with many old mails, and how long it takes
// to look at a mailbox whose mails are all known and have new UIDs.
//
//	mailbench -store sqlite,postgres -mails 2000 -old 100000 -known 100000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

func main() {
	ordeal.Main(func(ctx context.Context) (bool, error) { return true, run(ctx) })
}

func run(ctx context.Context) error {
	stores := flag.String("store", "sqlite,postgres", "a comma-separated list of sqlite, postgres and mariadb")
	mails := flag.Int("mails", 2000, "how many mails are taken in a round; 0 leaves this out")
	rounds := flag.Int("rounds", 3, "how often; the median counts")
	old := flag.Int("old", 100_000, "how many old mails are in the mailbox; 0 leaves this out")
	known := flag.Int("known", 0, "how many known mails have new UIDs; 0 leaves this out")
	flag.Parse()
	fmt.Printf("%s, %d cores, load %s\n", runtime.Version(), runtime.GOMAXPROCS(0), machine.Load())
	for name := range strings.SplitSeq(*stores, ",") {
		for _, b := range ordeal.Backends {
			if b.Name != name {
				continue
			}
			if *mails > 0 {
				if err := measure(ctx, b, *mails, *rounds); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if *known > 0 {
				if err := measureKnown(ctx, b, *known); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if *old > 0 {
				if err := measureOld(ctx, b, *old); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	fmt.Printf("load %s at the end\n", machine.Load())
	return nil
}

// ground makes an empty database that leave removes.
func ground(ctx context.Context, b ordeal.Backend) (g *ordeal.Ground, leave func(error) error, err error) {
	g, err = b.Ground(ctx, "mailbench", time.Now())
	if err != nil {
		return nil, nil, err
	}
	return g, func(err error) error { return errors.Join(err, g.Leave()) }, nil
}
