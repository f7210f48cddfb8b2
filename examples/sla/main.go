// Sla promises a customer with a contract an answer within two business hours, Monday to
// Friday from 9 to 17 in Berlin. The confirmation says when to expect it. Half an hour before,
// the queue is warned. When the time has passed, the ticket goes up one level. The
// program then says why the answer was due when it was.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // for machines without a time zone database

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
)

//go:embed policy.json
var policyJSON []byte

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sla:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout io.Writer) error {
	spec, err := sla.Parse(policyJSON)
	if err != nil {
		return err
	}
	contracts, err := spec.Compile()
	if err != nil {
		return err
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}

	var mu sync.Mutex
	var letters []string
	// The desk of this example lives through a weekend in no time.
	now := time.Date(2026, 1, 16, 16, 30, 0, 0, berlin) // a Friday
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Now:           func() time.Time { return now },
		ServiceLevels: contracts,
		Relay:         ticket.Relay{Batch: 1}, // one letter after the other
		Notifiers: map[string]ticket.Notifier{"": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			mu.Lock() // letters go out side by side
			defer mu.Unlock()
			letters = append(letters, now.Format("Mon 15:04")+" "+describe(n, berlin))
			return nil
		})},
	})
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{ID: "c-17", Name: "Ada", Organisation: "mill", Zone: "Europe/Berlin"})
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "The printer is on fire", Queue: "hardware"})
	if err != nil {
		return err
	}
	// Desk.Run does this in your application.
	for _, pass := range []time.Duration{0, 65*time.Hour + 30*time.Minute, 30*time.Minute + time.Second} {
		now = now.Add(pass)
		if _, err := desk.FireTimers(ctx); err != nil {
			return err
		}
		if _, err := desk.Deliver(ctx); err != nil {
			return err
		}
		slices.Sort(letters)
		for _, letter := range letters {
			if _, err := fmt.Fprintln(stdout, letter); err != nil {
				return err
			}
		}
		letters = nil
	}
	why, err := contracts.ExplainTicket(ctx, desk, ticket.Agent("lin"), t.ID, sla.MetricFirstAnswer, now)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\n%s\n", why)
	return err
}

// describe stands for the letters of your application.
func describe(n ticket.Notification, at *time.Location) string {
	to := n.To.Person.Name
	if to == "" {
		to = fmt.Sprintf("queue %s, level %d", n.To.Queue, n.To.Level)
	}
	text := fmt.Sprintf("to %s: %s", to, n.Kind)
	if !n.Expected.IsZero() {
		text += ", expect an answer by " + n.Expected.In(at).Format("Monday 15:04")
	}
	if !n.Due.IsZero() {
		text += fmt.Sprintf(" (%s, %s)", n.Metric, n.Due.In(at).Format("Monday 15:04"))
	}
	return text
}
