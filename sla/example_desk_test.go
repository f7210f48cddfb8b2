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

// A desk acts when time runs short, and can say why.
func ExampleAgreement_ExplainTicket() {
	agreed := sla.Spec{
		Name: "support", Version: 1,
		Calendars: []businesshours.Spec{{Name: "office", Hours: businesshours.Hours{
			Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00"),
		}}},
		Policies: []sla.Policy{{Name: "standard", Targets: []sla.Target{{
			Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
			Thresholds: []sla.Threshold{{Share: 100, Do: []sla.Reaction{{Escalate: true}, {Tag: "late"}}}},
		}}}},
	}.MustCompile()

	ctx, clock := context.Background(), tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.ServiceLevels = agreed
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	clock.Set(time.Date(2026, 1, 16, 15, 0, 0, 0, time.UTC)) // a Friday, four o'clock in Berlin
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Printer prints blank pages"})
	if err != nil {
		fmt.Println(err)
		return
	}
	clock.Set(time.Date(2026, 1, 19, 9, 0, 0, 1000, time.UTC)) // Monday, a microsecond after ten
	if _, err := desk.FireTimers(ctx); err != nil {            // Desk.Run does it in your application
		fmt.Println(err)
		return
	}
	lin := ticket.Agent("lin")
	late, err := desk.Get(ctx, lin, t.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("level", late.Level, late.Tags)
	why, err := agreed.ExplainTicket(ctx, desk, lin, t.ID, sla.MetricFirstAnswer, clock.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range why.Moments {
		fmt.Println(m)
	}
	// Output:
	// level 2 [late]
	// started by event 1, "open" by requester: 2h in calendar "office", by policy "standard"
	// threshold: due
	// missed: 2h by policy "standard"
}
