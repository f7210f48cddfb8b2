package ticket_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestACaseGoesThroughAllLevels(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "Since this morning, every second page.", Channel: ticket.ChannelPhone})
	require.Equal(t, ticket.StatusNew, tk.Status)
	require.Equal(t, 1, tk.Level)
	require.Equal(t, ticket.GradeMedium, tk.Priority)
	require.NotEmpty(t, tk.Number)

	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	require.Equal(t, "lin", tk.Assignee)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "fuser fault?"})
	require.Equal(t, ticket.State{Status: ticket.StatusQueued, Level: 2}, tk.State())
	require.Empty(t, tk.Assignee)
	require.Equal(t, "hardware", tk.Queue)
	tk = k.do(agentMax, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which model is it?"})
	require.Equal(t, ticket.PhaseYourTurn, tk.Phase)
	require.Equal(t, "max", tk.Assignee)
	require.Equal(t, tk.Touched, tk.FirstAnswered)
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4."})
	require.Equal(t, ticket.StatusOpen, tk.Status)
	require.Empty(t, tk.Assignee, "a customer's copy does not say who has it")
	tk = k.do(agentMax, tk, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."})
	require.Equal(t, ticket.PhaseSolved, tk.Phase)
	require.Equal(t, ticket.ActionClose, tk.Timer.Action)
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	require.Equal(t, ticket.StatusClosed, tk.Status)

	events := k.events(agentMax, tk)
	require.Len(t, events, 7)
	require.NoError(t, ticket.Chain{}.Verify(events))

	for _, ref := range []string{string(tk.Number), strings.ToLower(strings.ReplaceAll(string(tk.Number), "-", " ")), tk.ID.String()} {
		found, err := k.desk.Find(t.Context(), lin, ref)
		require.NoError(t, err)
		require.Equal(t, tk.ID, found.ID)
	}
}

func TestAPinnedVersionRefusesAChangedTicket(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "help"})
	seen := tk.Version
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "a secret"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which model?"})

	err := k.refusal(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: seen}, ticket.ErrStale)
	var stale *ticket.StaleError
	require.ErrorAs(t, err, &stale)
	require.Equal(t, seen, stale.Pinned)
	require.EqualValues(t, 3, stale.Current)
	require.Len(t, stale.Since, 2)
	require.Equal(t, ticket.Note("a secret"), stale.Since[0].Note)

	err = k.refusal(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: seen}, ticket.ErrStale)
	require.ErrorAs(t, err, &stale)
	require.Len(t, stale.Since, 1, "a customer learns of changes it may see")
	require.Equal(t, ticket.Message("Which model?"), stale.Since[0].Message)

	tk = k.get(tk)
	seen = tk.Version
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "another"})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "An LJ-4.", Version: seen}) // nothing that it could see had changed
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: 99}, ticket.ErrStale)
}

func TestAPinnedVersionRefersToTheMergedTicket(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.do(ada, a, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	pinned := k.get(a).Version
	k.do(lin, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	require.Equal(t, pinned, k.get(b).Version)
	k.refused(ada, a, ticket.Action{Name: ticket.ActionCancel, Version: pinned}, ticket.ErrStale)
}

func TestAnEditChangesOnlyNamedFields(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "old"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
		Subject: "new", Impact: ticket.GradeHigh, Urgency: ticket.GradeCritical, AddTags: []string{"b", "a", "a"},
		Fields: ticket.Fields{"n": 1, "when": k.clock.Now(), "none": nil}, Follow: []ticket.Person{bob.Person}, Requester: ticket.Person{ID: "c3", Email: "eve@example.org"},
	}})
	require.Equal(t, "new", tk.Subject)
	require.Equal(t, ticket.GradeCritical, tk.Priority, "follows from impact and urgency")
	require.Equal(t, []string{"a", "b"}, tk.Tags)
	require.Equal(t, int64(1), tk.Fields["n"])
	require.NotContains(t, tk.Fields, "none")
	require.Equal(t, "c3", tk.Requester.ID)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{"a", "zz"}, Fields: ticket.Fields{"n": nil}, Unfollow: []ticket.Person{{ID: "c2"}}}})
	require.Equal(t, []string{"b"}, tk.Tags)
	require.NotContains(t, tk.Fields, "n")
	require.Empty(t, tk.Followers)
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{}}}, ticket.ErrInvalid)
}

// The same edit twice is the same as once.
func TestAnEditThatChangesNothingMakesNoEvent(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	edits := map[string]ticket.Edits{
		"subject": {Subject: "new"}, "priority": {Priority: ticket.GradeMedium}, "impact": {Impact: ticket.GradeHigh, Urgency: ticket.GradeLow},
		"tags": {AddTags: []string{"a", "b"}}, "no tag": {RemoveTags: []string{"c", "c"}}, "field": {Fields: ticket.Fields{"n": 1, "when": k.clock.Now(), "list": []string{}}},
		"no field": {Fields: ticket.Fields{"none": nil}}, "follower": {Follow: []ticket.Person{bob.Person, bob.Person}}, "no follower": {Unfollow: []ticket.Person{{ID: "c9"}}},
		"requester": {Requester: ada.Person}, "all": {Subject: "x", AddTags: []string{"x"}, Fields: ticket.Fields{"x": "y"}, Priority: ticket.GradeHigh, Impact: ticket.GradeLow},
	}
	for name, e := range edits {
		first := k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		k.deliver()
		k.sent.Reset()
		second := k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		require.Equal(t, first, second, name)
		require.NoError(t, k.desk.Explain(t.Context(), lin, second, ticket.Action{Name: ticket.ActionEdit, Edit: &e}), name)
		k.deliver()
		require.Empty(t, k.sent.Sent(), name)
	}

	// With a key, the edit is recorded, and a repeat changes nothing even if
	// others have changed the ticket since.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeHigh}})
	act := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeHigh}, Key: "k"}
	k.do(lin, tk, act)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: ticket.GradeLow}})
	require.Equal(t, ticket.GradeLow, k.do(lin, tk, act).Priority)
}

// A follower known by an address alone can be either of two people who share it.
func TestAnEditFollowsBeforeItUnfollows(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{{Email: "office@example.org"}}})
	e := ticket.Edits{Follow: []ticket.Person{{ID: "c8", Email: "office@example.org"}}, Unfollow: []ticket.Person{{ID: "c9", Email: "office@example.org"}}}
	for range 2 {
		tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		require.Equal(t, e.Follow, tk.Followers)
		require.EqualValues(t, 2, tk.Version, "the same edit twice is the same as once")
	}
}

func TestAnEditThatContradictsItselfIsRefused(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	for _, e := range []ticket.Edits{
		{AddTags: []string{"a"}, RemoveTags: []string{"b", "a"}},
		{AddTags: []string{"a"}, RemoveTags: []string{"a\u200b"}},
		{Follow: []ticket.Person{{Email: "x@example.org"}}, Unfollow: []ticket.Person{{Email: "X@EXAMPLE.org"}}},
		{Fields: ticket.Fields{"n": 1, "n\u00a0": nil}},
	} {
		k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e}, ticket.ErrInvalid)
	}
	require.EqualValues(t, 1, k.get(tk).Version)
}

// A priority that somebody set stays until somebody sets another; else it follows
// from impact and urgency.
func TestAPriorityThatWasSetStays(t *testing.T) {
	k := newKit(t)
	edit := func(tk ticket.Ticket, e ticket.Edits) ticket.Ticket {
		return k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
	}
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Impact: ticket.GradeLow})
	require.False(t, tk.PriorityGiven)
	require.Equal(t, ticket.GradeHigh, edit(tk, ticket.Edits{Impact: ticket.GradeHigh}).Priority)
	require.Equal(t, ticket.GradeHigh, edit(tk, ticket.Edits{Priority: ticket.GradeHigh}).Priority, "the same, but set from now on")
	got := edit(tk, ticket.Edits{Impact: ticket.GradeLow, Urgency: ticket.GradeLow})
	require.Equal(t, ticket.GradeHigh, got.Priority)
	require.True(t, got.PriorityGiven)
	require.Equal(t, ticket.GradeLow, edit(tk, ticket.Edits{Priority: ticket.GradeLow, Urgency: ticket.GradeCritical}).Priority)

	tk = k.open(ada, ticket.Draft{Priority: ticket.GradeCritical, Impact: ticket.GradeCritical})
	require.True(t, tk.PriorityGiven)
	require.Equal(t, ticket.GradeCritical, edit(tk, ticket.Edits{Impact: ticket.GradeLow}).Priority)
}

func TestARequesterNeedsAnAddress(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{Name: "x"}}}, ticket.ErrInvalid)
}

func TestATicketAboveLoweredLimitsCanBeWorkedOn(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Tags: []string{"a", "b", "c", "d"}})
	k.do(super, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	low := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Limits.Tags, c.Limits.Links, c.Now = 2, 1, k.clock.Now
		c.Numbers, c.NewID = ticket.Numbers{}, ticket.NewID
	})
	low.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	low.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{RemoveTags: []string{"a"}}})
	low.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"e"}}}, ticket.ErrInvalid)
	// Follow-ups go on when there is no room for another link.
	low.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	for range 3 {
		k.clock.Advance(reopenWindow + time.Hour)
		next := low.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
		require.NotEqual(t, tk.ID, next.ID)
	}
	require.Len(t, k.get(tk).Links, 1)
}

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
				require.NotNil(t, events[len(events)-1].Set.Restored, "so that nobody is notified")

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

func TestAmendWorksInACustomWorkflow(t *testing.T) {
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

// away is an absence note, as mail systems write them.
func away() ticket.Action {
	return ticket.Action{Name: ticket.ActionReply, Message: "I am away.", Attachments: []ticket.Attachment{{Name: "logo.png"}}, Automatic: true}
}

// unmoved checks that a machine's message is in the history of exactly this ticket
// and moved nothing, and returns the notifications about it.
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
				require.NotEmpty(t, k.unmoved(a, tk, away()), "the desk is notified")
			}
			k.unmoved(lin, tk, away())
			require.NotEmpty(t, k.unmoved(super, tk, away()))
			k.clock.Advance(60 * 24 * time.Hour) // after every window
			require.NotEmpty(t, k.unmoved(ada, tk, away()))
			if k.get(tk).Phase == ticket.PhaseSolved {
				k.unmoved(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done", Automatic: true})
			}
		})
	}
}

// A custom workflow needs no rules for automatic messages.
func TestAutomaticMessagesMoveNothingInACustomWorkflow(t *testing.T) {
	own := ticket.WorkflowSpec{
		Name: "own", Version: 1, Levels: 1, Initial: "in",
		Statuses: []ticket.StatusSpec{
			{Name: "in", Phase: ticket.PhaseReceived, Then: "finish", After: time.Hour},
			{Name: "again", Phase: ticket.PhaseInProgress},
			{Name: "over", Phase: ticket.PhaseSolved, Final: true},
		},
		Transitions: []ticket.Transition{
			{Action: "write", From: []ticket.Status{"in", "again"}, To: "again", By: ticket.RoleCustomer | ticket.RoleAgent, Assign: "actor", Needs: ticket.Inputs{Message: true}},
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
	k.unmoved(lin, tk, act) // agents have no transition from here
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
	// An automatic action must not set a field that moves the ticket.
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
	// Without a message, Automatic changes nothing.
	k.heard(tk)
	require.Equal(t, ticket.StatusQueued, k.do(cron, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "alarm", Automatic: true}).Status)
	require.Equal(t, []string{"escalated agent", "handed on requester c1ada@example.org"}, k.heard(tk))
	k.do(cron, tk, ticket.Action{Name: ticket.ActionEdit, Automatic: true, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}})
	require.Equal(t, []string{"added follower c2bob@example.org"}, k.heard(tk))
}

// A monitor opens a ticket and gets no answer; its followers do not get the
// monitor's own messages.
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
