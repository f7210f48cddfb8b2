package sla_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// When is the answer to a ticket due, and why?
func ExampleTimeline() {
	agreed := sla.Spec{
		Name: "support", Version: 1,
		Calendars: []businesshours.Spec{{Name: "office", Hours: businesshours.Hours{
			Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00"),
		}}},
		Policies: []sla.Policy{{Name: "standard", Targets: []sla.Target{
			{Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office"},
		}}},
	}.MustCompile()

	ctx, clock := context.Background(), tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	clock.Set(time.Date(2026, 1, 16, 15, 0, 0, 0, time.UTC)) // a Friday
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"})
	if err != nil {
		fmt.Println(err)
		return
	}

	line := agreed.Timeline()
	for e, err := range desk.Events(ctx, ticket.System("clocks"), t.ID) {
		if err == nil {
			err = line.Add(e)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	now := clock.Now().Add(30 * time.Minute)
	for _, c := range line.Clocks(now) {
		fmt.Println(c.Metric, c.State, "due", c.Due.Format("Mon 15:04"), "left", c.Left)
	}
	x, err := line.Explain(0, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range x.Spans {
		fmt.Println(s.From.Format("Mon 15:04"), s.To.Format("Mon 15:04"), s)
	}
	// Output:
	// first answer running due Mon 09:00 left 1h30m0s
	// Fri 15:00 Fri 15:30 counted 30m, total 30m
	// Fri 15:30 Mon 09:00 counted 1h30m, total 2h
}
