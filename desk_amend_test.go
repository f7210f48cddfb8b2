package ticket_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestAmendTouchesNoTimeAndNoTimer(t *testing.T) {
	resolve := ticket.Action{Name: ticket.ActionResolve, Message: "m", Reason: "fixed"}
	for name, ends := range map[string][]ticket.Action{
		"resolved":  {resolve},
		"closed":    {resolve, {Name: ticket.ActionClose}},
		"cancelled": {{Name: ticket.ActionCancel, Reason: "withdrawn"}},
	} {
		for _, to := range []ticket.Status{"", ticket.StatusResolved, ticket.StatusClosed, ticket.StatusCancelled} {
			t.Run(fmt.Sprintf("%s to %q", name, to), func(t *testing.T) {
				k := newKit(t)
				tk := k.open(ada, ticket.Draft{})
				for _, act := range ends {
					k.do(super, tk, act)
				}
				before := k.get(tk)
				k.clock.Advance(3 * day)
				got := k.do(super, tk, ticket.Action{Name: ticket.ActionAmend, Status: to, Level: 2, Queue: "hardware", Note: "n"})
				require.Equal(t, before.Resolved, got.Resolved)
				require.Equal(t, before.Closed, got.Closed)
				require.Equal(t, before.FirstAnswered, got.FirstAnswered)
				require.Equal(t, before.Timer, got.Timer)
				require.Zero(t, got.Reopened)
				require.Equal(t, "hardware", got.Queue)
				events := k.events(super, tk)
				require.NotNil(t, events[len(events)-1].Set.Restored, "so that nobody is told of it")

				// The window counts from the same instant as before.
				over := before.Resolved
				if over.IsZero() {
					over = before.Closed
				}
				k.clock.Set(over.Add(reopenWindow - time.Minute))
				reply := ticket.Action{Name: ticket.ActionReply, Message: "again"}
				require.Equal(t, tk.ID, k.do(ada, tk, reply).ID)
				for _, act := range ends {
					k.do(super, tk, act)
				}
				from := k.clock.Now()
				k.do(super, tk, ticket.Action{Name: ticket.ActionAmend, Status: to, Note: "n"})
				k.clock.Set(from.Add(reopenWindow + time.Minute))
				require.NotEqual(t, tk.ID, k.do(ada, tk, reply).ID)
			})
		}
	}
}

func TestAmendSetsNoUntil(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "r"})
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionAmend, Note: "n", Status: ticket.StatusResolved, Until: k.clock.Now().Add(time.Hour)}, ticket.ErrInvalid)
}

func TestAmendInAWorkflowOfOnesOwn(t *testing.T) {
	w := ticket.WorkflowSpec{Name: "own", Version: 1, Levels: 1, Initial: "in",
		Statuses: []ticket.StatusSpec{
			{Name: "in", Phase: ticket.PhaseReceived},
			{Name: "refunded", Phase: ticket.PhaseSolved, Then: "archive", After: day},
			{Name: "replaced", Phase: ticket.PhaseSolved, Then: "archive", After: 9 * day},
			{Name: "archived", Phase: ticket.PhaseClosed, Final: true},
		},
		Transitions: []ticket.Transition{
			{Action: "refund", From: []ticket.Status{"in"}, To: "refunded"},
			{Action: "archive", From: []ticket.Status{"refunded", "replaced"}, To: "archived", By: ticket.RoleSystem},
			{Action: ticket.ActionAmend, From: []ticket.Status{"in", "refunded"}, To: "replaced", By: ticket.RoleAgent},
			{Action: ticket.ActionAmend, From: []ticket.Status{"replaced"}, To: "in", By: ticket.RoleAgent},
		}}.MustCompile(nil)
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: "refund"})
	before := k.get(tk)
	got := k.do(lin, tk, ticket.Action{Name: ticket.ActionAmend})
	require.Equal(t, before.Resolved, got.Resolved)
	require.Equal(t, before.Timer, got.Timer)

	got = k.do(lin, tk, ticket.Action{Name: ticket.ActionAmend}) // out of what was done
	require.Zero(t, got.Resolved)
	require.Zero(t, got.Reopened)
	require.True(t, got.Timer.IsZero())
	got = k.do(lin, tk, ticket.Action{Name: ticket.ActionAmend}) // and into it
	require.Equal(t, got.Touched, got.Resolved)
}
