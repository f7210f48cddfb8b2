package ticket_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// away is an absence note, as mail systems write them.
func away() ticket.Action {
	return ticket.Action{Name: ticket.ActionReply, Message: "I am away.", Attachments: []ticket.Attachment{{Name: "logo.png"}}, Automatic: true}
}

// unmoved checks that a machine's words are in the history of this very ticket
// and moved nothing, and returns what was told because of them.
func (k *kit) unmoved(a ticket.Actor, tk ticket.Ticket, act ticket.Action) []string {
	k.Helper()
	k.heard(tk)
	before := k.get(tk)
	after := k.do(a, tk, act)
	require.Equal(k, tk.ID, after.ID, "no other ticket")
	after = k.get(tk)
	events := k.events(cron, tk)
	last := events[len(events)-1]
	require.Equal(k, act.Message, last.Message)
	require.True(k, last.Automatic)
	require.False(k, last.Answer)
	require.Equal(k, before.Version+1, after.Version)
	before.Version, before.Digest, before.Touched = after.Version, after.Digest, after.Touched
	require.Equal(k, before, after, "nothing but the history moved")
	told := k.heard(tk)
	for _, n := range k.sent.Sent() {
		require.Zero(k, n.To.Role&ticket.RoleCustomer, "%s to %s", n.Kind, n.To.Person.ID)
	}
	return told
}

func TestMachinesMoveNothing(t *testing.T) {
	take := ticket.Action{Name: ticket.ActionTake}
	resolve := ticket.Action{Name: ticket.ActionResolve, Message: "done", Reason: "fixed"}
	for name, before := range map[string][]ticket.Action{
		"new":       nil,
		"open":      {take},
		"waiting":   {{Name: ticket.ActionAsk, Message: "which?"}},
		"on hold":   {{Name: ticket.ActionHold, Reason: "part"}},
		"queued":    {take, {Name: ticket.ActionRelease}},
		"resolved":  {resolve},
		"closed":    {resolve, {Name: ticket.ActionClose}},
		"cancelled": {{Name: ticket.ActionCancel, Reason: "spam"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
			for _, act := range before {
				k.do(lin, tk, act)
			}
			for _, a := range []ticket.Actor{ada, bob} {
				require.NotEmpty(t, k.unmoved(a, tk, away()), "the desk hears of it")
			}
			k.unmoved(lin, tk, away())
			require.NotEmpty(t, k.unmoved(super, tk, away()))
			k.clock.Advance(60 * 24 * time.Hour) // beyond every window
			require.NotEmpty(t, k.unmoved(ada, tk, away()))
			if k.get(tk).Phase == ticket.PhaseSolved {
				k.unmoved(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done", Automatic: true})
			}
		})
	}
}

// A workflow of one's own knows nothing of machines, and need not.
func TestMachinesMoveNothingInAWorkflowOfOnesOwn(t *testing.T) {
	own := ticket.WorkflowSpec{
		Name: "own", Version: 1, Levels: 1, Initial: "in",
		Statuses: []ticket.StatusSpec{
			{Name: "in", Phase: ticket.PhaseReceived, Then: "finish", After: time.Hour},
			{Name: "again", Phase: ticket.PhaseInProgress},
			{Name: "over", Phase: ticket.PhaseSolved, Final: true},
		},
		Transitions: []ticket.Transition{
			{Action: "write", From: []ticket.Status{"in", "again"}, To: "again", By: ticket.RoleCustomer | ticket.RoleAgent, Assign: ticket.AssignActor, Needs: ticket.Inputs{Message: true}},
			{Action: "write", From: []ticket.Status{"over"}, To: "again", By: ticket.RoleCustomer, Needs: ticket.Inputs{Message: true}, Within: time.Hour, FollowUp: true},
			{Action: "finish", From: []ticket.Status{"in", "again"}, To: "over", By: ticket.RoleAgent | ticket.RoleSystem},
		},
	}.MustCompile(nil)
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{own} })
	tk := k.open(ada, ticket.Draft{})
	act := ticket.Action{Name: "write", Message: "I am away.", Automatic: true}
	require.NotEmpty(t, k.unmoved(ada, tk, act))
	require.NotEmpty(t, k.unmoved(lin, tk, act))
	k.do(lin, tk, ticket.Action{Name: "finish"})
	require.NotEmpty(t, k.unmoved(ada, tk, act))
	k.unmoved(lin, tk, act) // agents have no way from here at all
	k.clock.Advance(48 * time.Hour)
	require.NotEmpty(t, k.unmoved(ada, tk, act))
	k.refused(cron, tk, act, ticket.ErrRefused) // never allowed to write
}

func TestMachinesDoNothingElse(t *testing.T) {
	k := newKit(t)
	tk, other := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	for _, act := range []ticket.Action{
		{Name: ticket.ActionMerge, Ticket: other.ID},
		{Name: ticket.ActionLink, Ticket: other.ID, Relation: ticket.RelationRelatedTo},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s"}},
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "s"}},
	} {
		act.Message, act.Automatic = "m", true
		k.refused(super, tk, act, ticket.ErrInvalid)
	}
	// Where to move cannot be said, in whatever way.
	for name, to := range map[string]func(*ticket.Action){
		"level": func(a *ticket.Action) { a.Level = 2 }, "no level at all": func(a *ticket.Action) { a.Level = 99 }, "status": func(a *ticket.Action) { a.Status = ticket.StatusClosed },
		"queue": func(a *ticket.Action) { a.Queue = "mains" }, "assignee": func(a *ticket.Action) { a.Assignee = "kim" },
		"reason": func(a *ticket.Action) { a.Reason = "part" }, "until": func(a *ticket.Action) { a.Until = k.clock.Now().Add(time.Hour) },
	} {
		for _, do := range []ticket.ActionName{ticket.ActionReply, ticket.ActionEscalate, ticket.ActionResolve, ticket.ActionHold} {
			act := ticket.Action{Name: do, Message: "m", Automatic: true}
			to(&act)
			require.ErrorContains(t, k.refusal(super, tk, act, ticket.ErrInvalid), "has no use", "%s %s", do, name)
		}
	}
	// Without words there is nothing that a machine said, and all is as ever.
	k.heard(tk)
	require.Equal(t, ticket.StatusQueued, k.do(cron, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "alarm", Automatic: true}).Status)
	require.Equal(t, []string{"escalated agent", "handed on requester c1ada@example.org"}, k.heard(tk))
	k.do(cron, tk, ticket.Action{Name: ticket.ActionEdit, Automatic: true, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}})
	require.Equal(t, []string{"added follower c2bob@example.org"}, k.heard(tk))
}

// A monitor opens a ticket, and is not answered; whoever follows it is not sent
// what it wrote.
func TestMachinesOpenTickets(t *testing.T) {
	k := newKit(t)
	tk := k.open(cron, ticket.Draft{Requester: ada.Person, Followers: []ticket.Person{bob.Person}, Message: "disk full", Automatic: true})
	require.Equal(t, []string{"queued agent"}, k.heard(tk))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "replaced"})
	require.Contains(t, k.heard(tk), "answered requester c1ada@example.org", "a person's words are sent")
}

func TestFirstAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		act    ticket.Action
		answer bool
	}{
		"words":              {ticket.Action{Name: ticket.ActionReply, Message: "m"}, true},
		"a file alone":       {ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "manual.pdf"}}}, true},
		"a machine's words":  {ticket.Action{Name: ticket.ActionReply, Message: "we have got it", Automatic: true}, false},
		"a note":             {ticket.Action{Name: ticket.ActionNote, Note: "n"}, false},
		"a file in the desk": {ticket.Action{Name: ticket.ActionNote, Note: "n", NoteAttachments: []ticket.Attachment{{Name: "log.txt"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			tk := k.open(ada, ticket.Draft{})
			require.Equal(t, tc.answer, !k.do(lin, tk, tc.act).FirstAnswered.IsZero())
		})
	}
}
