package report_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/report"
	"github.com/ticketkit/ticket/tickettest"
)

// february is a desk with two tickets of February 2026.
func february() *ticket.Desk {
	clock := tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Now: clock.Now, Silent: true})
	if err != nil {
		log.Fatal(err)
	}
	ctx, lin := context.Background(), ticket.Agent("lin", 1, 2)
	for i := range 2 {
		clock.Set(time.Date(2026, 2, 3+i, 9, 0, 0, 0, time.UTC))
		t, err := desk.Open(ctx, lin, ticket.Draft{Requester: ticket.Person{ID: "ada"}, Subject: "Printer", Queue: "office"})
		if err != nil {
			log.Fatal(err)
		}
		clock.Advance(90 * time.Minute)
		if _, err := desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionReply, Message: "Which one?"}); err != nil {
			log.Fatal(err)
		}
		clock.Advance(time.Duration(i) * 24 * time.Hour)
		if _, err := desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Repaired."}); err != nil {
			log.Fatal(err)
		}
	}
	return desk
}

// The report of a month, from all histories of a desk.
func Example() {
	ctx, desk := context.Background(), february()
	from, to := report.Month(2026, time.February, time.UTC)
	r, err := report.New(report.Config{From: from, To: to, Now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Run(ctx, desk.Histories(ctx, ticket.System("report"), ticket.ID{})); err != nil {
		log.Fatal(err)
	}
	table, _ := r.Table("first answer")
	fmt.Print(table)
	// Output:
	// first answer (version 1, wall)
	//   of: tickets created in the period; tickets that are merged at the end of the period are left out
	//   is: from the creation to the first message or files of an agent for the customer, automatic ones excepted
	//   unit: tickets; times with their units, shares in percent
	//   outcome                     count  median    p90  precision
	//   answered                        2   1h30m  1h30m  exact
	//   waiting                         0       -      -  -
	//   finished without an answer      0       -      -  -
}

// A report of a month that is not over is refused. Use the present time as the end.
func ExampleNew() {
	now := time.Date(2026, 2, 20, 8, 0, 0, 0, time.UTC)
	from, to := report.Month(2026, time.February, time.UTC)
	_, err := report.New(report.Config{From: from, To: to, Now: now})
	fmt.Println(err)
	_, err = report.New(report.Config{From: from, To: now, Now: now})
	fmt.Println(err)
	// Output:
	// ticket: report.to must not be after now, 2026-02-20T08:00:00Z: the period is not over
	// <nil>
}

// A report goes on where another process stopped.
func ExampleResume() {
	ctx, desk := context.Background(), february()
	from, to := report.Month(2026, time.February, time.UTC)
	cfg := report.Config{From: from, To: to, Now: to}
	r, err := report.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	for history, err := range desk.Histories(ctx, ticket.System("report"), ticket.ID{}) {
		if err != nil {
			log.Fatal(err)
		}
		if err := r.Add(history); err != nil {
			log.Fatal(err)
		}
		break // the process ends after one ticket
	}
	saved, err := r.Checkpoint()
	if err != nil {
		log.Fatal(err)
	}

	if r, err = report.Resume(cfg, saved); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(ctx, desk.Histories(ctx, ticket.System("report"), r.After())); err != nil {
		log.Fatal(err)
	}
	table, _ := r.Table("flow by month")
	row := table.Rows[0]
	fmt.Println(row[0], "opened:", row[table.Column("opened")], "solved:", row[table.Column("solved")])
	// Output:
	// 2026-02 opened: 2 solved: 2
}

// A table as CSV, with the definition of the figure in each row.
func ExampleTable_WriteCSV() {
	from, to := report.Month(2026, time.February, time.UTC)
	r, err := report.New(report.Config{From: from, To: to, Now: to})
	if err != nil {
		log.Fatal(err)
	}
	table, _ := r.Table("first contact")
	if err := table.WriteCSV(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// figure,version,population,formula,unit,clock,variant,count,of,share
	// first contact,1,tickets whose first solution is in the period; tickets that are merged at the end of the period are left out,"on opening: solved at the time of the creation. one answer: solved by the first answer, before any change of level or queue, and not reopened up to the end of the period",tickets; shares in percent,wall,on opening,0,0,
	// first contact,1,tickets whose first solution is in the period; tickets that are merged at the end of the period are left out,"on opening: solved at the time of the creation. one answer: solved by the first answer, before any change of level or queue, and not reopened up to the end of the period",tickets; shares in percent,wall,one answer,0,0,
}
