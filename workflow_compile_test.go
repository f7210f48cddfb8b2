package ticket_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func reminding(change func(*ticket.WorkflowSpec)) ticket.WorkflowSpec {
	s := ticket.WorkflowSpec{
		Name: "w", Version: 1, Levels: 1, Initial: "in",
		Statuses: []ticket.StatusSpec{
			{Name: "in", Phase: ticket.PhaseReceived, Then: "expire", After: time.Hour + 7*time.Nanosecond},
			{Name: "out", Phase: ticket.PhaseClosed, Final: true},
		},
		Transitions: []ticket.Transition{{Action: "expire", From: []ticket.Status{"in"}, To: "out", By: ticket.RoleSystem}},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestCompileRefusesTimersThatCannotWork(t *testing.T) {
	for name, change := range map[string]func(*ticket.Transition){
		"fires for ever":             func(tr *ticket.Transition) { tr.To = "" },
		"needs what nobody gives it": func(tr *ticket.Transition) { tr.Needs = ticket.Inputs{Note: true} },
		"has to be chosen":           func(tr *ticket.Transition) { tr.Chosen = true },
		"opens follow-ups":           func(tr *ticket.Transition) { tr.Within, tr.FollowUp = time.Hour, true },
		"is not for the system":      func(tr *ticket.Transition) { tr.By = ticket.RoleAgent },
	} {
		_, err := reminding(func(s *ticket.WorkflowSpec) {
			s.Transitions = append(s.Transitions, ticket.Transition{Action: "end", From: []ticket.Status{"in"}, To: "out"})
			change(&s.Transitions[0])
		}).Compile(nil)
		require.ErrorContains(t, err, "then: the system cannot expire", name)
	}
	_, err := reminding(func(s *ticket.WorkflowSpec) {
		s.Transitions = append(s.Transitions,
			ticket.Transition{Action: "x", From: []ticket.Status{"in"}, Chosen: true},
			ticket.Transition{Action: "x", From: []ticket.Status{"in"}, To: "in", Chosen: true})
	}).Compile(nil)
	require.ErrorContains(t, err, "is there already", "the status that stays, and the same by name")
}
