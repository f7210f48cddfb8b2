// Sla promises a customer with a contract an answer within two business hours, Monday to Friday from 9
// to 17 in Berlin. The confirmation tells the customer when to expect it. Later, the clocks
// of the ticket show that the answer came too late, and why it was due when it was.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"time"
	_ "time/tzdata" // the zone is known on every machine

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
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }

	spec, err := sla.Parse(policyJSON)
	if err != nil {
		return err
	}
	promised, err := spec.Compile()
	if err != nil {
		return err
	}

	// The desk of this example lives through a weekend in no time.
	now := time.Date(2026, 1, 16, 15, 30, 0, 0, time.UTC) // Friday, half past four in Berlin
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Now:      func() time.Time { return now },
		Expected: promised.Expected,
		Notifiers: map[string]ticket.Notifier{"": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.Kind == ticket.KindReceived {
				say("To %s: we have your request. Expect an answer by %s.", n.To.Person.Name, n.Expected.In(n.Zone).Format("Monday 15:04"))
			}
			return nil
		})},
	})
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{ID: "c-17", Name: "Ada", Organisation: "mill", Zone: "Europe/Berlin"})
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "The printer is on fire"})
	if err != nil {
		return err
	}
	if _, err := desk.Deliver(ctx); err != nil {
		return err
	}

	lin := ticket.Agent("lin", 1)
	now = now.Add(67 * time.Hour) // Monday, half past eleven
	if _, err := desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "Please leave the building."}); err != nil {
		return err
	}

	timeline := promised.Timeline()
	for e, err := range desk.Events(ctx, lin, t.ID) {
		if err != nil {
			return err
		}
		if err := timeline.Add(e); err != nil {
			return err
		}
	}
	for i := range timeline.Clocks(now) {
		why, err := timeline.Explain(i, now)
		if err != nil {
			return err
		}
		say("\n%s", why)
	}
	return nil
}
