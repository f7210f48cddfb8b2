package sla_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// long makes a history of so many events: questions, answers, holds and changes of the
// priority, one every ten minutes.
func long(n int) []ticket.Event {
	begin := time.Date(2026, 1, 12, 8, 0, 0, 0, time.UTC)
	var id ticket.ID
	id[0] = 1
	list := make([]ticket.Event, n)
	state := ticket.State{Status: ticket.StatusOpen, Level: 1}
	for i := range list {
		e := ticket.Event{Ticket: id, Seq: int64(i + 1), At: begin.Add(time.Duration(i) * 10 * time.Minute), From: state, Phase: ticket.PhaseInProgress}
		switch i % 5 {
		case 0:
			e.Action, e.By.Role, e.Message = ticket.ActionReply, ticket.RoleRequester, "Words."
			state.Status = ticket.StatusOpen
		case 1:
			e.Action, e.By.Role, e.Message, e.Answer = ticket.ActionReply, ticket.RoleAgent, "Words.", true
		case 2:
			e.Action, e.By.Role = ticket.ActionHold, ticket.RoleAgent
			state.Status = ticket.StatusOnHold
		case 3:
			e.Action, e.By.Role = ticket.ActionResume, ticket.RoleAgent
			state.Status = ticket.StatusOpen
		case 4:
			e.Action, e.By.Role, e.Set.Priority = ticket.ActionEdit, ticket.RoleAgent, ticket.Grade(3+i/5%2)
		}
		e.To = state
		list[i] = e
	}
	return list
}

func fourTargets() []sla.Target {
	list := []sla.Target{
		within(sla.MetricFirstAnswer, 2*time.Hour, onHold), within(sla.MetricNextAnswer, 2*time.Hour, onHold),
		within(sla.MetricUpdate, 8*time.Hour, onHold), solveIn(40*time.Hour, onHold),
	}
	for i := range list {
		list[i].Thresholds = []sla.Threshold{tell(sla.Threshold{Share: 75}), tell(sla.Threshold{Share: 100})}
	}
	return list
}

// BenchmarkAdd measures one event of a history, and BenchmarkClocks the clocks after all.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a, events := compile(b, byPriority(christmas, fourTargets(), fourTargets())), long(n)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				line := a.Timeline()
				for k := range events {
					if err := line.Add(events[k]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkClocks(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a, events := compile(b, byPriority(christmas, fourTargets(), fourTargets())), long(n)
			line, err := a.AsOf(events, events[n-1].At)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				line.Clocks(events[n-1].At)
			}
			b.ReportMetric(float64(len(line.Clocks(events[n-1].At))), "clocks")
		})
	}
}
