package ticket_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A customer asks to be forgotten.
func ExampleDesk_Erase() {
	ctx := context.Background()
	desk, _ := ticket.NewDesk(memstore.New(), tickettest.Config(tickettest.NewClock(), tickettest.NewRecorder()))
	customer := ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org"}
	t, _ := desk.Open(ctx, ticket.Requester(customer), ticket.Draft{Subject: "Lid", Message: "The lid is broken."})
	_, _ = desk.Do(ctx, ticket.Agent("lin", 1), t.ID, ticket.Action{Name: ticket.ActionNote, Note: "Ada Byron is our best customer."})

	report, err := desk.Erase(ctx, ticket.System("privacy"), ticket.Erasure{Person: customer, Reason: "asked for it, case 2026/7"})
	if err != nil {
		fmt.Println(err)
	}
	for _, e := range report.Tickets {
		fmt.Printf("%s: %d events, %d deliveries\n", e.Number, e.Events, e.Deliveries)
	}
	view, _ := desk.Track(ctx, ticket.System("web"), string(t.Number))
	fmt.Printf("%s: %s, erased %s, %q\n", view.Number, view.Phase, view.Erased.Format(time.DateOnly), view.Subject)
	// Output:
	// 0000-0001-H: 2 events, 1 deliveries
	// 0000-0001-H: received, erased 2026-01-05, ""
}

// A customer asks for a copy of everything.
func ExampleDesk_PersonalData() {
	ctx := context.Background()
	desk, _ := ticket.NewDesk(memstore.New(), tickettest.Config(tickettest.NewClock(), tickettest.NewRecorder()))
	customer := ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org"}
	_, _ = desk.Open(ctx, ticket.Requester(customer), ticket.Draft{Subject: "Lid", Message: "The lid is broken."})

	data, err := desk.PersonalData(ctx, ticket.System("privacy"), customer, ticket.PersonalDataOptions{})
	if err != nil {
		fmt.Println(err)
	}
	_ = data.WriteHTML(os.Stdout, time.UTC)
	// Output:
	// <!DOCTYPE html>
	// <html lang="en">
	// <head><meta charset="utf-8"><title>Personal data</title></head>
	// <body>
	// <h1>Personal data</h1>
	// <p>Ada Byron, ada@example.org, ID c1, as of 2026-01-05 09:00 UTC. Tickets: 1.</p>
	// <h2>0000-0001-H Lid</h2>
	// <p>Opened 2026-01-05 09:00 UTC, received. Your part: requester, author, recipient.</p>
	// <p>Recorded as Ada Byron, ada@example.org, ID c1.</p>
	// <h3>Messages</h3>
	// <p><b>2026-01-05 09:00 UTC, you</b></p>
	// <pre>The lid is broken.</pre>
	// <h3>Notifications</h3>
	// <table>
	// <tr><th>Time</th><th>What</th><th>To</th><th>Result</th></tr>
	// <tr><td>2026-01-05 09:00 UTC</td><td>received</td><td>ada@example.org</td><td>pending</td></tr>
	// </table>
	// </body>
	// </html>
}

// Closed tickets are archived after a month and erased after a year, invoices later.
func ExampleDesk_Retain() {
	ctx := context.Background()
	const day = 24 * time.Hour
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.Retention = []ticket.RetentionRule{
		{Name: "invoices", Tickets: ticket.Query{Queue: []string{"invoices"}}, Archive: 90 * day, EraseWords: 3650 * day, ErasePersons: 3650 * day},
		{Name: "usual", Archive: 30 * day, EraseWords: 365 * day, ErasePersons: 365 * day},
	}
	desk, _ := ticket.NewDesk(memstore.New(), cfg)
	customer := ticket.Requester(ticket.Person{ID: "c1"})
	for _, queue := range []string{"invoices", "parcels"} {
		t, _ := desk.Open(ctx, customer, ticket.Draft{Subject: "Where is it?", Queue: queue})
		_, _ = desk.Do(ctx, customer, t.ID, ticket.Action{Name: ticket.ActionCancel})
	}
	for range 4 {
		clock.Advance(31 * day)
		report, err := desk.Retain(ctx, ticket.RetainOptions{DryRun: true}) // what a run would do
		if err != nil {
			fmt.Println(err)
		}
		for _, s := range report.Steps {
			fmt.Printf("%s: %s (%s)\n", s.Number, s.Stage, s.Rule)
		}
		_, _ = desk.Retain(ctx, ticket.RetainOptions{})
	}
	// Output:
	// 0000-0002-7: archived (usual)
	// 0000-0001-H: archived (invoices)
}

// Archived tickets move to a file, and back.
func ExampleDesk_MoveOut() {
	ctx := context.Background()
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.Retention = []ticket.RetentionRule{{Name: "usual", Archive: time.Hour}}
	desk, _ := ticket.NewDesk(memstore.New(), cfg)
	customer := ticket.Requester(ticket.Person{ID: "c1"})
	t, _ := desk.Open(ctx, customer, ticket.Draft{Subject: "Where is it?"})
	_, _ = desk.Do(ctx, customer, t.ID, ticket.Action{Name: ticket.ActionCancel})
	clock.Advance(2 * time.Hour)
	_, _ = desk.Retain(ctx, ticket.RetainOptions{})

	archivist := ticket.System("archivist")
	var file bytes.Buffer // in a program a file, synced before MoveOut reads it
	manifest, _ := desk.WriteArchive(ctx, archivist, &file, ticket.Query{Stage: []ticket.Stage{ticket.StageArchived}})
	fmt.Println(manifest.Tickets, "ticket,", manifest.Events, "events")

	out, _ := desk.MoveOut(ctx, archivist, bytes.NewReader(file.Bytes()))
	moved, _ := desk.Get(ctx, archivist, t.ID)
	fmt.Printf("%d moved out: %q, %s\n", len(out.Moved), moved.Subject, moved.Phase)

	in, _ := desk.MoveIn(ctx, archivist, bytes.NewReader(file.Bytes()))
	moved, _ = desk.Get(ctx, archivist, t.ID)
	fmt.Printf("%d moved in: %q, %s\n", len(in.Moved), moved.Subject, moved.Phase)
	// Output:
	// 1 ticket, 3 events
	// 1 moved out: "", closed
	// 1 moved in: "Where is it?", closed
}

// An application without a process that runs all the time does the regular work by a nightly job.
func ExampleDesk_Upkeep() {
	ctx := context.Background()
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.Retention = []ticket.RetentionRule{{Name: "usual", Archive: 90 * 24 * time.Hour}}
	desk, _ := ticket.NewDesk(memstore.New(), cfg)
	customer := ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org"})
	t, _ := desk.Open(ctx, customer, ticket.Draft{Subject: "Lid", Message: "The lid is broken.", Key: "form-1"})
	_, _ = desk.Do(ctx, customer, t.ID, ticket.Action{Name: ticket.ActionCancel})
	_, _ = desk.Deliver(ctx)

	clock.Advance(400 * 24 * time.Hour)
	done, err := desk.Upkeep(ctx)
	if err != nil {
		fmt.Println(err) // the rest was done all the same
	}
	old, _ := desk.Get(ctx, ticket.System("report"), t.ID)
	fmt.Println(done, "things done; the ticket is", old.Stage)
	// Output:
	// 4 things done; the ticket is archived
}
