package sla_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// promising answers gold customers within two hours of the office, except while the desk
// waits for them.
func promising(t *testing.T, days ...businesshours.Day) *sla.Agreement {
	t.Helper()
	hours := businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")}
	if days != nil {
		hours.Week, hours.Days = businesshours.Week{}, days
	}
	a, err := sla.Spec{
		Name: "contracts", Version: 1,
		Calendars: []businesshours.Spec{{Name: "office", Hours: hours}},
		Policies: []sla.Policy{
			{
				Name: "gold", When: sla.Condition{Tags: []string{"gold"}},
				Targets: []sla.Target{{
					Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
					Pause: []sla.Pause{{Status: ticket.StatusWaiting}, {Status: ticket.StatusOnHold, Reasons: []string{"vendor"}}},
				}},
			},
			{Name: "tin", When: sla.Condition{Tags: []string{"tin"}}, Targets: []sla.Target{{Metric: sla.MetricSolution, Within: time.Hour}}},
		},
	}.Compile()
	require.NoError(t, err)
	return a
}

func TestExpectedIsWhenTheFirstAnswerIsDue(t *testing.T) {
	friday := time.Date(2026, 1, 16, 15, 30, 0, 0, time.UTC) // half past four in Berlin
	monday := time.Date(2026, 1, 19, 9, 30, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		change func(tk *ticket.Ticket)
		want   time.Time
	}{
		"new":                      {func(*ticket.Ticket) {}, monday},
		"in work":                  {func(tk *ticket.Ticket) { tk.Status, tk.Phase = ticket.StatusOpen, ticket.PhaseInProgress }, monday},
		"on hold, another reason":  {func(tk *ticket.Ticket) { tk.Status, tk.Reason = ticket.StatusOnHold, "holiday" }, monday},
		"on hold, a pause":         {func(tk *ticket.Ticket) { tk.Status, tk.Reason = ticket.StatusOnHold, "vendor" }, time.Time{}},
		"waiting for the customer": {func(tk *ticket.Ticket) { tk.Status = ticket.StatusWaiting }, time.Time{}},
		"answered":                 {func(tk *ticket.Ticket) { tk.FirstAnswered = friday.Add(time.Minute) }, time.Time{}},
		"solved":                   {func(tk *ticket.Ticket) { tk.Phase = ticket.PhaseSolved }, time.Time{}},
		"closed":                   {func(tk *ticket.Ticket) { tk.Phase = ticket.PhaseClosed }, time.Time{}},
		"merged away":              {func(tk *ticket.Ticket) { tk.MergedInto = ticket.NewID(friday) }, time.Time{}},
		"no policy":                {func(tk *ticket.Ticket) { tk.Tags = nil }, time.Time{}},
		"no target for an answer":  {func(tk *ticket.Ticket) { tk.Tags = []string{"tin"} }, time.Time{}},
		"after the last year":      {func(tk *ticket.Ticket) { tk.Created = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			tk := ticket.Ticket{Created: friday, Tags: []string{"gold"}, Status: ticket.StatusNew, Phase: ticket.PhaseReceived}
			tc.change(&tk)
			at, err := promising(t).Expected(t.Context(), tk)
			require.NoError(t, err)
			require.Equal(t, tc.want, at)
		})
	}
	at, err := promising(t, businesshours.Day{Date: "2026-01-15", Open: []businesshours.Span{"09:00-17:00"}}).
		Expected(t.Context(), ticket.Ticket{Created: friday, Tags: []string{"gold"}})
	require.NoError(t, err)
	require.Zero(t, at, "the calendar has ended")
}

// The confirmation says it, and the clock of the ticket agrees.
func TestExpectedIsToldInTheConfirmation(t *testing.T) {
	a, clock, sent := promising(t), tickettest.NewClock(), tickettest.NewRecorder()
	cfg := tickettest.Config(clock, sent)
	cfg.Expected = a.Expected
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	lin := ticket.Agent("lin", 1)
	tk, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ticket.Person{ID: "c-1", Email: "ada@example.org"}, Subject: "Printer", Tags: []string{"gold"}})
	require.NoError(t, err)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)

	clocks, err := a.Clocks(eventsOf(t, desk, tk.ID), clock.Now())
	require.NoError(t, err)
	require.Len(t, clocks, 1)
	require.NotZero(t, clocks[0].Due)
	told := 0
	for _, n := range sent.Sent() {
		if n.Kind == ticket.KindReceived {
			told++
			require.Equal(t, n.Expected, clocks[0].Due)
		}
	}
	require.Equal(t, 1, told)
}
