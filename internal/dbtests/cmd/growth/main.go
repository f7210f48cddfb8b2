// Command growth lets a desk grow for years, and weighs its database at the end of each.
//
// Every week as many tickets are opened, and each goes through its life: it is taken, answered,
// answered back, noted, solved, and closed by its timer. Letters are delivered, and the search
// index is kept. Once a week the application calls Desk.Upkeep, as a nightly job does. The clock
// is the program's own, so ten years take minutes. It runs twice on each store: without rules of
// retention and with everything kept for ever, and with the rules below.
//
//	growth -store all -years 10 -tickets 1000
//
// It prints the bytes of each group of tables at the end of each year, the time of a reply, and
// how long the upkeep took. On PostgreSQL it prints which updates stayed on their page (HOT). The
// exit status is 1 only after an error.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 52 * week
)

// keeping is how a desk keeps its records.
type keeping struct {
	name  string
	apply func(*ticket.Config)
}

var keepings = []keeping{
	{"everything is kept", func(c *ticket.Config) { c.ReceiptAge, c.DeliveryAge = -1, -1 }},
	{"kept as long as needed", func(c *ticket.Config) {
		c.Retention = []ticket.RetentionRule{{Name: "usual", Archive: year / 2, EraseWords: 2 * year, ErasePersons: 3 * year}}
	}},
}

type options struct {
	ordeal.Common

	years, tickets, callers int
	clocks                  bool
}

func main() {
	var o options
	o.Flags(ordeal.Backends, nil)
	flag.IntVar(&o.years, "years", 10, "how many years of 52 weeks")
	flag.IntVar(&o.tickets, "tickets", 1000, "how many tickets a year; at least 52")
	flag.IntVar(&o.callers, "callers", 4, "how many callers act at the same time")
	flag.BoolVar(&o.clocks, "clocks", false, "let a policy with four targets apply to all tickets")
	o.Parse()

	ordeal.Main(func(ctx context.Context) (bool, error) {
		if o.years < 1 || o.tickets < 52 || o.callers < 1 {
			return false, fmt.Errorf("-years and -callers must be at least 1, and -tickets at least 52")
		}
		fmt.Printf("%d years of %d tickets, load %s\n", o.years, o.tickets, machine.Load())
		return ordeal.Run(ctx, ordeal.Backends, o.Common, nil, func(ctx context.Context, b ordeal.Backend) (r result, err error) {
			for _, k := range keepings {
				if err := grow(ctx, b, o, k); err != nil {
					return r, err
				}
			}
			return r, nil
		})
	})
}

// A result is that of a store. The program prints its tables itself, and nothing can be wrong.
type result struct{}

func (result) Good() bool        { return true }
func (result) Remarks() []string { return nil }
func (result) Row() []string     { return nil }
