package ticket_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

func TestActionsAndExplainAgreeWithDo(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, a := range []ticket.Actor{ada, bob, lin, agentMax, super, cron} {
		for _, c := range k.desk.Actions(a, tk) {
			act := ticket.Action{Name: c.Action, Message: "m"}
			explained := k.desk.Explain(t.Context(), a, tk, act)
			if !c.Allowed {
				require.Error(t, explained)
				require.NotEmpty(t, c.Reason)
				_, err := k.desk.Do(t.Context(), a, tk.ID, act)
				require.Error(t, err)
				continue
			}
			require.NotErrorIs(t, explained, ticket.ErrRefused)
		}
	}
	require.EqualValues(t, 1, k.get(tk).Version)
	require.NoError(t, k.desk.Explain(t.Context(), lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"}))
	require.ErrorIs(t, k.desk.Explain(t.Context(), lin, tk, ticket.Action{Name: ticket.ActionReply}), ticket.ErrInvalid)
	require.ErrorIs(t, k.desk.Explain(t.Context(), lin, tk, ticket.Action{Name: ticket.ActionConfirm}), ticket.ErrRefused)
	require.Nil(t, k.desk.Actions(lin, ticket.Ticket{Workflow: "unknown"}))
}

func TestExplainGivesTheErrorThatDoGives(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, act := range []ticket.Action{
		{Name: ticket.ActionSplit}, {Name: ticket.ActionEdit}, {Name: ticket.ActionEdit, Edit: &ticket.Edits{}},
		{Name: ticket.ActionUnlink, Relation: ticket.RelationRelatedTo, Ticket: ticket.NewID(tickettest.Start)}, {Name: ticket.ActionTake, Version: 9},
	} {
		explained := k.desk.Explain(t.Context(), lin, tk, act)
		require.Error(t, explained)
		_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
		require.Equal(t, explained.Error(), err.Error())
	}
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Hour)
	require.NoError(t, k.desk.Explain(t.Context(), ada, k.get(tk), ticket.Action{Name: ticket.ActionReply, Message: "late"}))
}

func TestActionsOffersAnActionThatChoosesAStatus(t *testing.T) {
	w := reminding(func(s *ticket.WorkflowSpec) {
		s.Statuses = append(s.Statuses, ticket.StatusSpec{Name: "away", Phase: ticket.PhaseClosed, Final: true})
		s.Transitions = append(s.Transitions,
			ticket.Transition{Action: "triage", From: []ticket.Status{"in"}, To: "out", Chosen: true},
			ticket.Transition{Action: "triage", From: []ticket.Status{"in"}, To: "away", Chosen: true})
	}).MustCompile(nil)
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	tk := k.open(ada, ticket.Draft{})
	i := slices.IndexFunc(k.desk.Actions(lin, tk), func(c ticket.Choice) bool { return c.Action == "triage" && c.Allowed })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, ticket.Status("away"), k.do(lin, tk, ticket.Action{Name: "triage", Status: "away"}).Status)
}

func TestExplainForeseesLimitsAndSplits(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Limits.Tags = 1 })
	tk := k.open(ada, ticket.Draft{})
	for _, act := range []ticket.Action{
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a"}, Fields: ticket.Fields{"x": 1}}, Note: "fits"},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s"}},
	} {
		require.NoError(t, k.desk.Explain(t.Context(), lin, tk, act))
		k.do(lin, tk, act)
		tk = k.get(tk)
	}
	for _, act := range []ticket.Action{
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"b"}}},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Workflow: "none"}},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Level: 9}},
		{Name: ticket.ActionMerge}, {Name: ticket.ActionMerge, Ticket: tk.ID}, {Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo},
	} {
		explained := k.desk.Explain(t.Context(), lin, tk, act)
		require.Error(t, explained)
		_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
		require.Equal(t, err.Error(), explained.Error())
	}
}

// ExplainOpen gives the error that Open gives, and opens nothing: the next ticket has the next
// number.
func TestExplainOpenGivesTheErrorThatOpenGives(t *testing.T) {
	k := newKit(t)
	k.open(ada, ticket.Draft{})
	for _, c := range []struct {
		a  ticket.Actor
		dr ticket.Draft
	}{
		{ada, ticket.Draft{}},
		{ada, ticket.Draft{Subject: "s", Requester: bob.Person}},
		{ada, ticket.Draft{Subject: "s", Workflow: "unknown"}},
		{ada, ticket.Draft{Subject: "s", Note: "internal"}},
		{lin, ticket.Draft{Subject: "s", Requester: ada.Person, Level: 99}},
		{lin, ticket.Draft{Subject: "s", Requester: ada.Person, Message: ticket.Message(strings.Repeat("m", 1<<20))}},
		{lin, ticket.Draft{Subject: "s", Requester: ada.Person, Tags: []string{"x\x00"}}},
	} {
		explained := k.desk.ExplainOpen(t.Context(), c.a, c.dr)
		require.Error(t, explained)
		_, err := k.desk.Open(t.Context(), c.a, c.dr)
		require.EqualError(t, err, explained.Error())
	}
	want := ticket.Draft{Subject: "s", Message: "m"}
	require.NoError(t, k.desk.ExplainOpen(t.Context(), ada, want))
	page, err := k.desk.List(t.Context(), lin, ticket.Query{})
	require.NoError(t, err)
	require.Len(t, page.Tickets, 1)
	require.Equal(t, k.open(ada, want).Number, nextNumber(page.Tickets[0].Number))
}

// nextNumber returns the number that is drawn after n.
func nextNumber(n ticket.Number) ticket.Number {
	for i := uint64(0); ; i++ {
		if ticket.NumberOf(i) == n {
			return ticket.NumberOf(i + 1)
		}
	}
}
