package ticket_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

const day = 24 * time.Hour

func (k *kit) merge(from, into ticket.Ticket) {
	k.Helper()
	k.do(super, from, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	require.NoError(k, k.desk.Verify(k.Context(), super, into.ID))
}

func (k *kit) unmerge(t ticket.Ticket) ticket.Ticket {
	k.Helper()
	into := k.get(t).MergedInto
	got := k.do(super, t, ticket.Action{Name: ticket.ActionUnmerge})
	require.NoError(k, k.desk.Verify(k.Context(), super, into))
	return got
}

func (k *kit) edit(t ticket.Ticket, e ticket.Edits) {
	k.Helper()
	k.do(super, t, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
}

// notificationsOf returns the notifications about a ticket since the last call.
func (k *kit) notificationsOf(t ticket.Ticket) (list []string) {
	k.Helper()
	k.sent.Reset()
	k.deliver()
	for _, n := range k.sent.Sent() {
		if n.Ticket == t.ID {
			list = append(list, fmt.Sprintf("%s > %s %s%s", n.Kind, n.To.Role, n.To.Person.ID, n.To.Queue))
		}
	}
	return list
}

// filed returns the values of a ticket that a merge may change.
func filed(t ticket.Ticket) string {
	var people []string
	for _, p := range t.Followers {
		people = append(people, p.ID)
	}
	return fmt.Sprint(t.Tags, t.Fields, t.Priority, t.PriorityGiven, people)
}

func TestAMergeAddsMissingValues(t *testing.T) {
	k := newKit(t)
	from := k.open(super, ticket.Draft{Requester: ada.Person, Tags: []string{"vip", "loom"}, Priority: ticket.GradeHigh,
		Fields: ticket.Fields{"order": "4711", "model": "X", "same": int64(1)}})
	k.edit(from, ticket.Edits{Priority: ticket.GradeCritical})
	into := k.open(super, ticket.Draft{Requester: ada.Person, Tags: []string{"loom", "new"}, Fields: ticket.Fields{"model": "Y", "same": int64(1)}})
	k.merge(from, into)

	got := k.get(into)
	require.Equal(t, []string{"loom", "new", "vip"}, got.Tags)
	require.Equal(t, ticket.Fields{"order": "4711", "model": "Y", "same": int64(1)}, got.Fields)
	require.Equal(t, ticket.GradeCritical, got.Priority)
	events := k.events(super, into)
	last := events[len(events)-1]
	require.Equal(t, from.ID, last.Set.Other)
	require.Contains(t, string(last.Note), `"model": "Y" here, "X" there`)
	require.Contains(t, string(last.Note), string(from.Number))
	require.NotContains(t, string(last.Note), "same")
	require.Equal(t, ticket.Fields{"order": "4711", "model": "X", "same": int64(1)}, k.get(from).Fields, "where they were, they stay")
	events = k.events(super, from)
	require.Equal(t, into.ID, events[len(events)-1].Set.Other)

	k.unmerge(from)
	got = k.get(into)
	require.Equal(t, []string{"loom", "new"}, got.Tags)
	require.Equal(t, ticket.Fields{"model": "Y", "same": int64(1)}, got.Fields)
	require.Equal(t, ticket.GradeMedium, got.Priority)
	events = k.events(super, into)
	require.Equal(t, from.ID, events[len(events)-1].Set.Other)
}

func TestADerivedPriorityDoesNotRaiseAGivenOne(t *testing.T) {
	for name, c := range map[string]struct {
		from, into ticket.Draft
		want       ticket.Grade
		given      bool
	}{
		"nothing said, low given":   {ticket.Draft{}, ticket.Draft{Priority: ticket.GradeLow}, ticket.GradeLow, true},
		"nothing said, low follows": {ticket.Draft{}, ticket.Draft{Impact: ticket.GradeLow}, ticket.GradeMedium, false},
		"an impact, low given":      {ticket.Draft{Impact: ticket.GradeHigh}, ticket.Draft{Priority: ticket.GradeLow}, ticket.GradeHigh, true},
		"given, and the same":       {ticket.Draft{Priority: ticket.GradeMedium}, ticket.Draft{}, ticket.GradeMedium, true},
		"given, and lower":          {ticket.Draft{Priority: ticket.GradeLow}, ticket.Draft{}, ticket.GradeMedium, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			c.from.Requester, c.into.Requester = ada.Person, ada.Person
			from, into := k.open(super, c.from), k.open(super, c.into)
			k.merge(from, into)
			got := k.get(into)
			require.Equal(t, c.want, got.Priority)
			require.Equal(t, c.given, got.PriorityGiven)
			k.unmerge(from)
			require.Equal(t, filed(into), filed(k.get(into)))
		})
	}
}

func TestUnmergeKeepsChangesMadeByHand(t *testing.T) {
	for name, c := range map[string]struct {
		into ticket.Draft
		hand []ticket.Edits
		want string
	}{
		"nothing":                  {want: "[] map[] medium"},
		"a tag set again":          {hand: []ticket.Edits{{RemoveTags: []string{"vip"}}, {AddTags: []string{"vip"}}}, want: "[vip] map[] medium"},
		"a tag taken away":         {hand: []ticket.Edits{{RemoveTags: []string{"vip"}}}, want: "[] map[] medium"},
		"a tag of its own":         {into: ticket.Draft{Tags: []string{"vip"}}, want: "[vip] map[] medium"},
		"a field with new value":   {hand: []ticket.Edits{{Fields: ticket.Fields{"f": "b"}}}, want: "[] map[f:b] medium"},
		"a field set back":         {hand: []ticket.Edits{{Fields: ticket.Fields{"f": "b"}}, {Fields: ticket.Fields{"f": "a"}}}, want: "[] map[f:a] medium"},
		"a field taken away":       {hand: []ticket.Edits{{Fields: ticket.Fields{"f": nil}}}, want: "[] map[] medium"},
		"a field of its own":       {into: ticket.Draft{Fields: ticket.Fields{"f": "c"}}, want: "[] map[f:c] medium"},
		"a priority":               {hand: []ticket.Edits{{Priority: ticket.GradeLow}}, want: "[] map[] low"},
		"a priority and back":      {hand: []ticket.Edits{{Priority: ticket.GradeLow}, {Priority: ticket.GradeHigh}}, want: "[] map[] high"},
		"a higher one of its own":  {into: ticket.Draft{Priority: ticket.GradeCritical}, want: "[] map[] critical"},
		"an impact":                {hand: []ticket.Edits{{Impact: ticket.GradeLow}}, want: "[] map[] low"},
		"something else":           {hand: []ticket.Edits{{AddTags: []string{"x"}, Fields: ticket.Fields{"g": "h"}}}, want: "[x] map[g:h] medium"},
		"a follower by hand":       {hand: []ticket.Edits{{Unfollow: []ticket.Person{{ID: "kim"}}}, {Follow: []ticket.Person{{ID: "kim"}}}}, want: "[] map[] medium kim"},
		"a follower gone":          {hand: []ticket.Edits{{Unfollow: []ticket.Person{{ID: "kim"}}}}, want: "[] map[] medium"},
		"a follower from before":   {into: ticket.Draft{Followers: []ticket.Person{{ID: "kim", Organisation: "x"}}}, want: "[] map[] medium kim"},
		"a follower of its own":    {into: ticket.Draft{Followers: []ticket.Person{{ID: "joe"}}}, want: "[] map[] medium joe"},
		"a follower added by hand": {hand: []ticket.Edits{{Follow: []ticket.Person{{ID: "joe"}}}}, want: "[] map[] medium joe"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			eve := inOrg("eve", "x").Person
			c.into.Requester = eve
			from := k.open(super, ticket.Draft{Requester: eve, Tags: []string{"vip"}, Fields: ticket.Fields{"f": "a"}, Priority: ticket.GradeHigh,
				Followers: []ticket.Person{inOrg("kim", "x").Person}})
			into := k.open(super, c.into)
			k.merge(from, into)
			for _, e := range c.hand {
				k.edit(into, e)
			}
			k.unmerge(from)
			got := k.get(into)
			text := fmt.Sprint(got.Tags, got.Fields, got.Priority)
			for _, p := range got.Followers {
				text += " " + p.ID
			}
			require.Equal(t, c.want, text)
		})
	}
}

// After undoing any of several merges, in any order, the ticket is as if only the
// others had happened.
func TestUnmergeInAnyOrder(t *testing.T) {
	eve := inOrg("eve", "x").Person
	drafts := []ticket.Draft{
		{Tags: []string{"a", "b"}, Fields: ticket.Fields{"f": "1"}, Priority: ticket.GradeHigh, Followers: []ticket.Person{inOrg("p", "x").Person}},
		{Tags: []string{"b", "c"}, Fields: ticket.Fields{"f": "2", "g": "2"}, Priority: ticket.GradeCritical, Followers: []ticket.Person{inOrg("p", "x").Person, inOrg("q", "x").Person}},
		{Tags: []string{"c"}, Fields: ticket.Fields{"g": "2"}, Impact: ticket.GradeHigh, Urgency: ticket.GradeHigh},
	}
	// alone returns the ticket with these merges only, and a tag by hand after the
	// second.
	alone := func(t *testing.T, without map[int]bool) string {
		t.Helper()
		k := newKit(t)
		into := k.open(super, ticket.Draft{Requester: eve, Tags: []string{"own"}, Priority: ticket.GradeLow})
		for i, dr := range drafts {
			dr.Requester = eve
			if from := k.open(super, dr); !without[i] {
				k.merge(from, into)
			}
			if i == 1 {
				k.edit(into, ticket.Edits{AddTags: []string{"hand"}, Fields: ticket.Fields{"h": "h"}})
			}
		}
		return filed(k.get(into))
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			k := newKit(t)
			into := k.open(super, ticket.Draft{Requester: eve, Tags: []string{"own"}, Priority: ticket.GradeLow})
			var from []ticket.Ticket
			for i, dr := range drafts {
				dr.Requester = eve
				from = append(from, k.open(super, dr))
				k.merge(from[i], into)
				if i == 1 {
					k.edit(into, ticket.Edits{AddTags: []string{"hand"}, Fields: ticket.Fields{"h": "h"}})
				}
			}
			undone := map[int]bool{}
			for _, i := range order {
				k.unmerge(from[i])
				undone[i] = true
				require.Equal(t, alone(t, undone), filed(k.get(into)))
			}
			// Then all merges once more, from the beginning.
			k.merge(from[2], into)
			k.unmerge(from[2])
			require.Equal(t, alone(t, undone), filed(k.get(into)))
		})
	}
}

func TestUnmergeOfAMergeOfMerges(t *testing.T) {
	k := newKit(t)
	a := k.open(super, ticket.Draft{Requester: ada.Person, Tags: []string{"a"}})
	b := k.open(super, ticket.Draft{Requester: ada.Person, Tags: []string{"b"}})
	c := k.open(ada, ticket.Draft{})
	k.merge(a, b)
	k.merge(b, c)
	require.Equal(t, []string{"a", "b"}, k.get(c).Tags)
	k.unmerge(b)
	require.Empty(t, k.get(c).Tags)
	require.Equal(t, []string{"a", "b"}, k.get(b).Tags)
	k.unmerge(a)
	require.Equal(t, []string{"b"}, k.get(b).Tags)
}

// old is a store with the events of an older version: those of a merge do not name the
// other ticket.
type old struct{ ticket.Store }

func (s old) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	events, err := s.Store.Events(ctx, tenant, id, after, limit)
	for i := range events {
		events[i].Set.Other = ticket.ID{}
	}
	return events, err
}

func TestMergesOfOlderVersionsAreUndone(t *testing.T) {
	for _, linked := range []bool{false, true} {
		t.Run(fmt.Sprint(linked), func(t *testing.T) {
			k := newKit(t)
			eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
			a, b, c := k.open(eve, ticket.Draft{}), k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{})
			if linked {
				k.do(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationDuplicateOf, Ticket: c.ID})
			}
			k.merge(a, c)
			k.merge(b, c)
			older := newKitOn(t, old{k.store}, func(cfg *ticket.Config) { cfg.NewID, cfg.Numbers = ticket.NewID, ticket.Numbers{} })
			older.clock.Set(k.clock.Now())
			undo := func(tk ticket.Ticket) {
				_, err := older.desk.Do(t.Context(), super, tk.ID, ticket.Action{Name: ticket.ActionUnmerge})
				require.NoError(t, err)
			}
			undo(a)
			k.canSee(eve, c)
			undo(b)
			k.cannotSee(eve, c)
		})
	}
}

func TestALinkByHandOutlivesAMerge(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationDuplicateOf, Ticket: b.ID})
	k.merge(a, b)
	back := k.unmerge(a)
	require.Len(t, back.Links, 1)
	require.Len(t, k.get(b).Links, 1)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnlink, Relation: ticket.RelationDuplicateOf, Ticket: b.ID})
	require.Empty(t, k.get(b).Links)
}

func TestAMergeStaysWithinTheLimits(t *testing.T) {
	for field, c := range map[string]struct {
		limits ticket.Limits
		draft  func(i int) ticket.Draft
	}{
		"tags":   {ticket.Limits{Tags: 1}, func(i int) ticket.Draft { return ticket.Draft{Tags: []string{fmt.Sprint(i)}} }},
		"fields": {ticket.Limits{Fields: 1}, func(i int) ticket.Draft { return ticket.Draft{Fields: ticket.Fields{fmt.Sprint(i): "x"}} }},
		"followers": {ticket.Limits{Followers: 1}, func(i int) ticket.Draft {
			return ticket.Draft{Followers: []ticket.Person{inOrg(fmt.Sprint(i), "x").Person}}
		}},
	} {
		t.Run(field, func(t *testing.T) {
			k := newKit(t, func(cfg *ticket.Config) { cfg.Limits = c.limits })
			var both []ticket.Ticket
			for i := range 2 {
				dr := c.draft(i)
				dr.Requester = inOrg("eve", "x").Person
				both = append(both, k.open(super, dr))
			}
			from, into := k.get(both[0]), k.get(both[1])
			err := k.refusal(super, both[0], ticket.Action{Name: ticket.ActionMerge, Ticket: both[1].ID}, ticket.ErrInvalid)
			require.ErrorContains(t, err, field)
			require.Equal(t, from, k.get(both[0]))
			require.Equal(t, into, k.get(both[1]))
		})
	}
}

func TestUnmergeRestoresTheTicketAsItWas(t *testing.T) {
	for name, prepare := range map[string][]ticket.Action{
		"new":     nil,
		"open":    {{Name: ticket.ActionTake}},
		"waiting": {{Name: ticket.ActionAsk, Message: "?"}},
		"on hold": {{Name: ticket.ActionHold, Reason: "part", Until: tickettest.Start.Add(30 * day)}},
		"higher":  {{Name: ticket.ActionTake}, {Name: ticket.ActionEscalate, Note: "n", Queue: "hardware"}},
		"solved":  {{Name: ticket.ActionResolve, Message: "m", Reason: "fixed"}},
		"reopened": {{Name: ticket.ActionResolve, Message: "m", Reason: "fixed"}, {Name: ticket.ActionReopen, Note: "n"},
			{Name: ticket.ActionTake}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a, b := k.open(ada, ticket.Draft{Queue: "front"}), k.open(ada, ticket.Draft{})
			for _, act := range prepare {
				k.do(super, a, act)
			}
			before := k.get(a)
			k.merge(a, b)
			require.True(t, k.get(a).Timer.IsZero())
			k.do(super, a, ticket.Action{Name: ticket.ActionNote, Note: "meanwhile"})
			k.notificationsOf(a)
			got := k.unmerge(a)
			want := before
			want.Version, want.Digest, want.Touched = got.Version, got.Digest, got.Touched
			require.True(t, want.Equal(got), "%+v\n%+v", want, got)
			for _, kind := range k.notificationsOf(a) {
				require.NotContains(t, kind, "reopened")
			}
			events := k.events(super, a)
			require.False(t, events[len(events)-1].Reopens(ticket.PhaseClosed))
			require.Equal(t, ticket.Note("meanwhile"), events[len(events)-2].Note)
		})
	}
}

func TestATimerThatPassedWhileMergedFiresAtOnce(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	due := k.get(a).Timer.At
	k.merge(a, b)
	k.clock.Advance(30 * day)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, due, k.unmerge(a).Timer.At)
	n, err = k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ticket.StatusClosed, k.get(a).Status)
}

// ownMerges is a custom workflow whose unmerge leads to another status.
func ownMerges(version int, statuses ...ticket.Status) *ticket.Workflow {
	s := ticket.WorkflowSpec{Name: "own", Version: version, Levels: 2, Initial: "in",
		Statuses: []ticket.StatusSpec{{Name: "in", Phase: ticket.PhaseReceived}, {Name: "sorted", Phase: ticket.PhaseInProgress}, {Name: "gone", Phase: ticket.PhaseClosed, Final: true}},
		Transitions: []ticket.Transition{
			{Action: ticket.ActionMerge, From: append([]ticket.Status{"in"}, statuses...), To: "gone"},
			{Action: ticket.ActionUnmerge, From: []ticket.Status{"gone"}, To: "sorted", Assign: "actor"},
			{Action: "work", From: []ticket.Status{"sorted"}, To: "in"},
			{Action: "drop", From: []ticket.Status{"in"}, To: "gone"},
		}}
	for _, st := range statuses {
		s.Statuses = append(s.Statuses, ticket.StatusSpec{Name: st, Phase: ticket.PhaseYourTurn})
		s.Transitions = append(s.Transitions, ticket.Transition{Action: "wait", From: []ticket.Status{"in"}, To: st},
			ticket.Transition{Action: "drop", From: []ticket.Status{st}, To: "gone"})
	}
	return s.MustCompile(nil)
}

func TestUnmergeInAWorkflowOfOnesOwn(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{ownMerges(1, "parked")} })
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: "wait"})
	k.merge(a, b)
	got := k.unmerge(a)
	require.Equal(t, ticket.Status("parked"), got.Status)
	require.Empty(t, got.Assignee)

	// The workflow no longer has the earlier status, so unmerge leads where the
	// workflow says.
	k.merge(a, b)
	k2 := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{ownMerges(2)}
		c.NewID, c.Numbers = ticket.NewID, ticket.Numbers{}
	})
	k2.clock.Set(k.clock.Now().Add(time.Hour))
	got = k2.unmerge(a)
	require.Equal(t, ticket.Status("sorted"), got.Status)
	require.Zero(t, got.Reopened)
	require.Zero(t, got.Closed)
}

func TestActionsDoesNotNameTheTargetOfUnmerge(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.merge(a, b)
	require.NoError(t, k.desk.Explain(t.Context(), super, k.get(a), ticket.Action{Name: ticket.ActionUnmerge}))
	for _, c := range k.desk.Actions(super, k.get(a)) {
		if c.Action == ticket.ActionUnmerge {
			require.True(t, c.Allowed)
			require.Zero(t, c.To)
		}
	}
}

func TestACustomerOfAMergedTicketCanStillReply(t *testing.T) {
	k := newKit(t)
	vic := inOrg("vic", "vendor")
	a := k.open(inOrg("eve", "x"), ticket.Draft{Followers: []ticket.Person{vic.Person}})
	b := k.open(inOrg("kim", "x"), ticket.Draft{Message: "salaries", Queue: "hardware"})
	k.do(super, a, ticket.Action{Name: ticket.ActionTake})
	k.merge(a, b)
	before := k.get(a)
	k.notificationsOf(a)

	v, err := k.desk.Track(t.Context(), vic, string(a.Number))
	require.NoError(t, err)
	require.Equal(t, []ticket.ActionName{ticket.ActionReply}, v.Actions)
	reply := ticket.Action{Name: ticket.ActionReply, Message: "the part comes on Monday"}
	require.NoError(t, k.desk.Explain(t.Context(), vic, before, reply))
	require.ErrorIs(t, k.desk.Explain(t.Context(), vic, before, ticket.Action{Name: ticket.ActionReply}), ticket.ErrInvalid)
	k.refused(vic, a, ticket.Action{Name: ticket.ActionReply}, ticket.ErrInvalid)
	k.refused(vic, a, ticket.Action{Name: ticket.ActionCancel}, ticket.ErrRefused)
	for _, to := range []ticket.Action{{Level: 2}, {Status: ticket.StatusOpen}, {Queue: "mains"}} { // nothing moves
		to.Name, to.Message = reply.Name, reply.Message
		k.refused(vic, a, to, ticket.ErrInvalid)
	}
	k.clock.Advance(100 * day) // no window, no follow-up
	require.Equal(t, a.ID, k.do(vic, a, reply).ID)
	after := k.get(a)
	require.Equal(t, b.ID, after.MergedInto)
	require.Equal(t, before.State(), after.State())
	require.Zero(t, after.Reopened)
	require.ElementsMatch(t, []string{"customer > requester eve", "customer > agent hardware"}, k.notificationsOf(a))
	require.EqualValues(t, 2, k.get(b).Version)

	k.do(super, b, ticket.Action{Name: ticket.ActionTake})
	k.do(vic, a, reply)
	require.Contains(t, k.notificationsOf(a), "customer > agent super")
	k.do(super, b, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.do(vic, a, reply)
	require.Contains(t, k.notificationsOf(a), "customer > agent super", "though the case is done")
	require.Equal(t, ticket.StatusResolved, k.get(b).Status)

	// The action of a customer who sees the last ticket is applied there, even if
	// the customer does not see the tickets between.
	c := k.open(inOrg("eve", "x"), ticket.Draft{Followers: []ticket.Person{vic.Person}})
	k.do(super, b, ticket.Action{Name: ticket.ActionMerge, Ticket: c.ID})
	require.Equal(t, c.ID, k.do(vic, a, reply).ID)
}

// colleaguesLook is a policy that shows customers the tickets of their organisation.
type colleaguesLook struct{ ticket.DefaultPolicy }

func (p colleaguesLook) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) ||
		a.Role == ticket.RoleRequester && a.Person.Organisation != "" && a.Person.Organisation == t.Requester.Organisation
}

func TestACustomerWithoutAPartInTheTargetKeepsTheMergedTicket(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Policy = colleaguesLook{} })
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b := k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{Queue: "hardware"})
	k.merge(a, b)
	list := func() (ids []ticket.ID) {
		page, err := k.desk.List(t.Context(), eve, ticket.Query{})
		require.NoError(t, err)
		for _, tk := range page.Tickets {
			ids = append(ids, tk.ID)
		}
		return ids
	}
	require.Equal(t, []ticket.ID{b.ID}, list())
	k.edit(b, ticket.Edits{Unfollow: []ticket.Person{eve.Person}})
	require.Equal(t, []ticket.ID{a.ID}, list())

	k.notificationsOf(a)
	require.Equal(t, a.ID, k.do(eve, a, ticket.Action{Name: ticket.ActionReply, Message: "it is still broken"}).ID)
	require.Equal(t, []string{"customer > agent hardware"}, k.notificationsOf(a))
	k.refused(eve, b, ticket.Action{Name: ticket.ActionReply, Message: "not mine"}, ticket.ErrRefused)

	k.edit(b, ticket.Edits{Follow: []ticket.Person{eve.Person}})
	require.Equal(t, b.ID, k.do(eve, a, ticket.Action{Name: ticket.ActionReply, Message: "thanks"}).ID)
}

func TestAnAutomaticMessageOnAMergedTicketReachesTheTargetsAgent(t *testing.T) {
	k := newKit(t)
	from, into := k.open(ada, ticket.Draft{Queue: "old"}), k.open(ada, ticket.Draft{Queue: "new"})
	k.do(lin, from, ticket.Action{Name: ticket.ActionTake})
	k.merge(from, into)
	before := k.get(from)
	k.notificationsOf(from)
	away := ticket.Action{Name: ticket.ActionReply, Message: "away", Automatic: true}
	monitor := away
	monitor.Name = ticket.ActionNote
	k.do(super, from, away)
	require.Equal(t, []string{"customer > agent new"}, k.notificationsOf(from))
	k.do(cron, from, monitor)
	require.Equal(t, []string{"customer > agent new"}, k.notificationsOf(from))

	k.do(super, into, ticket.Action{Name: ticket.ActionTake})
	k.do(cron, from, monitor)
	require.Equal(t, []string{"customer > agent super"}, k.notificationsOf(from))
	k.do(super, from, away)
	require.Empty(t, k.notificationsOf(from), "its own")
	require.Equal(t, before.State(), k.get(from).State())
}

func TestARequesterKeepsItsCaseWhenTheOtherTicketGoesToSomebodyElse(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.merge(a, b)
	k.edit(b, ticket.Edits{Requester: bob.Person})
	require.Equal(t, a.ID, k.do(ada, a, ticket.Action{Name: ticket.ActionReply, Message: "any news?"}).ID)
	k.cannotSee(ada, b)
}

func TestRepliesToAMergedTicketFollowTheWorkflow(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{ownMerges(1)} })
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.merge(a, b)
	k.edited(b, bob.Person)
	k.refused(ada, a, ticket.Action{Name: ticket.ActionReply, Message: "m"}, ticket.ErrRefused)
	_, err := k.desk.Do(t.Context(), ada, a.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	var refused *ticket.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "unknown", refused.Why)
}

// edited hands a ticket to somebody else, in a workflow without edits.
func (k *kit) edited(t ticket.Ticket, to ticket.Person) {
	k.Helper()
	now := k.get(t)
	e := ticket.Event{Ticket: now.ID, Seq: now.Version + 1, At: now.Touched, Action: ticket.ActionEdit, By: ticket.By{Role: ticket.RoleSystem},
		From: now.State(), To: now.State(), Phase: now.Phase, Identities: ticket.Identities{Requester: to}}
	ticket.Chain{}.Seal(now.Digest, &e)
	require.NoError(k, k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{{Expect: now.Version, Ticket: ticket.Apply(now, e), Events: []ticket.Event{e}}}}))
}

func TestLongChainsOfMerges(t *testing.T) {
	for name, newest := range map[string]bool{"into newer ones": true, "into older ones": false} {
		t.Run(name, func(t *testing.T) {
			const n = 1000
			k := newKit(t, func(c *ticket.Config) { c.Silent = true })
			list := make([]ticket.Ticket, n)
			for i := range list {
				list[i] = k.open(ada, ticket.Draft{})
			}
			if !newest {
				slices.Reverse(list)
			}
			for i := range n - 1 {
				_, err := k.desk.Do(t.Context(), super, list[i].ID, ticket.Action{Name: ticket.ActionMerge, Ticket: list[i+1].ID})
				require.NoError(t, err)
			}
			last := list[n-1]
			for _, a := range []ticket.Actor{ada, super} {
				found, err := k.desk.Find(t.Context(), a, string(list[0].Number))
				require.NoError(t, err)
				require.Equal(t, last.ID, found.ID)
			}
			require.Equal(t, last.ID, k.do(ada, list[0], ticket.Action{Name: ticket.ActionReply, Message: "m"}).ID)
			k.unmerge(list[n-2])
			found, err := k.desk.Find(t.Context(), ada, string(list[0].Number))
			require.NoError(t, err)
			require.Equal(t, list[n-2].ID, found.ID)
			_, err = k.desk.RevokeStatusLinks(t.Context(), ada, list[n-2].ID)
			require.NoError(t, err)
		})
	}
}

func TestManyTicketsAreMergedIntoOne(t *testing.T) {
	const n = 100
	k := newKit(t, func(c *ticket.Config) { c.Silent, c.Limits.Links = true, n })
	into := k.open(ada, ticket.Draft{})
	var first ticket.Ticket
	for i := range n {
		from := k.open(super, ticket.Draft{Requester: ada.Person, Tags: []string{fmt.Sprint(i % 10)}})
		if i == 0 {
			first = from
		}
		_, err := k.desk.Do(t.Context(), super, from.ID, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
		require.NoError(t, err)
	}
	over := k.open(ada, ticket.Draft{})
	k.refused(super, over, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID}, ticket.ErrInvalid)
	k.unmerge(first)
	require.Len(t, k.get(into).Tags, 10, "the others bring it as well")
	k.merge(over, into)
}

func TestACircleOfMergesIsSaidToBeOne(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.merge(a, b)
	now := k.get(b) // which no desk does
	e := ticket.Event{Ticket: b.ID, Seq: now.Version + 1, At: now.Touched, Action: ticket.ActionMerge, By: ticket.By{Role: ticket.RoleSystem},
		From: now.State(), To: now.State(), Phase: now.Phase, Set: ticket.Patch{MergedInto: &a.ID}}
	ticket.Chain{}.Seal(now.Digest, &e)
	require.NoError(t, k.store.Commit(t.Context(), ticket.Commit{Changes: []ticket.Change{{Expect: now.Version, Ticket: ticket.Apply(now, e), Events: []ticket.Event{e}}}}))
	_, err := k.desk.Find(t.Context(), ada, string(a.Number))
	require.ErrorIs(t, err, ticket.ErrRefused)
	require.ErrorContains(t, err, "circle")
	require.NotErrorIs(t, err, ticket.ErrChain)
}

func TestMergingOnePersonsTicketsOnly(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.MergeSameRequester = true })
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b, c := k.open(eve, ticket.Draft{Followers: []ticket.Person{kim.Person}}), k.open(kim, ticket.Draft{}), k.open(eve, ticket.Draft{})
	k.refused(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID}, ticket.ErrRefused)
	k.merge(a, c)
	k.cannotSee(kim, c)
	require.Equal(t, a.ID, k.do(kim, a, ticket.Action{Name: ticket.ActionReply, Message: "still"}).ID)
}

// After random merges, undone merges and edits, when no merge is left, every ticket
// has exactly the changes that were made by hand.
func TestRandomMergesAndUnmergesLeaveNoTrace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	k := newKit(t, func(c *ticket.Config) { c.Silent = true })
	for range 20 {
		var list []ticket.Ticket
		var byHand []ticket.Ticket // the model: tags and fields
		for range 6 {
			dr := ticket.Draft{Requester: ada.Person, Tags: []string{fmt.Sprint(rng.IntN(4))}, Fields: ticket.Fields{fmt.Sprint(rng.IntN(3)): fmt.Sprint(rng.IntN(3))}}
			list = append(list, k.open(super, dr))
			byHand = append(byHand, ticket.Ticket{Tags: dr.Tags, Fields: dr.Fields})
		}
		for range 80 {
			i, j := rng.IntN(len(list)), rng.IntN(len(list))
			var act ticket.Action
			tag, field, value := fmt.Sprint(rng.IntN(4)), fmt.Sprint(rng.IntN(3)), any(fmt.Sprint(rng.IntN(3)))
			if rng.IntN(3) == 0 {
				value = nil
			}
			now := k.get(list[i])
			model := &byHand[i]
			change := func() {}
			switch rng.IntN(5) {
			case 0, 1:
				act = ticket.Action{Name: ticket.ActionMerge, Ticket: list[j].ID}
			case 2:
				act = ticket.Action{Name: ticket.ActionUnmerge}
			case 3:
				act = ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Fields: ticket.Fields{field: value}}}
				change = func() {
					if value != now.Fields[field] {
						model.Fields = maps.Clone(model.Fields)
						model.Fields[field] = value
					}
				}
			default:
				act = ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{tag}}}
				if now.HasTag(tag) {
					act.Edit = &ticket.Edits{RemoveTags: []string{tag}}
					change = func() {
						model.Tags = slices.DeleteFunc(slices.Clone(model.Tags), func(s string) bool { return s == tag })
					}
				} else {
					change = func() { model.Tags = append(slices.Clone(model.Tags), tag) }
				}
			}
			if _, err := k.desk.Do(t.Context(), super, list[i].ID, act); err == nil {
				change()
				require.NoError(t, k.desk.Verify(t.Context(), super, list[i].ID))
				require.NoError(t, k.desk.Verify(t.Context(), super, list[j].ID))
			}
		}
		for left := true; left; {
			left = false
			for _, tk := range list {
				if now := k.get(tk); !now.MergedInto.IsZero() {
					left = true
					_, err := k.desk.Do(t.Context(), super, tk.ID, ticket.Action{Name: ticket.ActionUnmerge})
					require.True(t, err == nil || !k.get(ticket.Ticket{ID: now.MergedInto}).MergedInto.IsZero(), "%v", err)
				}
			}
		}
		for i, tk := range list {
			now := k.get(tk)
			slices.Sort(byHand[i].Tags)
			require.Equal(t, slices.Compact(slices.Clone(byHand[i].Tags)), append([]string{}, now.Tags...), "seed %d", seed)
			fields := ticket.Fields{}
			for f, v := range byHand[i].Fields {
				if v != nil {
					fields[f] = v
				}
			}
			require.Len(t, now.Fields, len(fields), "seed %d", seed)
			for f, v := range fields {
				require.Equal(t, v, now.Fields[f], "seed %d", seed)
			}
		}
	}
}

func TestMergeAndUnmerge(t *testing.T) {
	k := newKit(t)
	ada, col := inOrg("ada", "x"), inOrg("col", "x")
	one, two := k.open(ada, ticket.Draft{Subject: "one"}), k.open(ada, ticket.Draft{Subject: "two", Followers: []ticket.Person{col.Person}})
	k.do(lin, one, ticket.Action{Name: ticket.ActionAsk, Message: "?"})

	merged := k.do(lin, two, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID})
	require.Equal(t, one.ID, merged.MergedInto)
	require.Equal(t, ticket.StatusClosed, merged.Status)
	target := k.get(one)
	_, linked := target.LinkTo(ticket.RelationDuplicatedBy, two.ID)
	require.True(t, linked)
	require.Equal(t, []ticket.Person{col.Person}, target.Followers)

	// The number of the merged ticket stays valid and leads to the other
	// ticket.
	for _, a := range []ticket.Actor{ada, col, lin} {
		found, err := k.desk.Find(t.Context(), a, string(two.Number))
		require.NoError(t, err)
		require.Equal(t, one.ID, found.ID)
	}
	v, err := k.desk.Track(t.Context(), col, string(two.Number))
	require.NoError(t, err)
	require.Equal(t, one.Number, v.Number)
	replied := k.do(ada, two, ticket.Action{Name: ticket.ActionReply, Message: "to the old number"})
	require.Equal(t, one.ID, replied.ID)
	require.Equal(t, ticket.StatusOpen, replied.Status)

	err = k.refusal(lin, two, ticket.Action{Name: ticket.ActionReopen, Note: "n"}, ticket.ErrRefused)
	var refused *ticket.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "merged", refused.Why)
	require.Equal(t, one.ID, refused.Into)
	k.do(lin, two, ticket.Action{Name: ticket.ActionNote, Note: "still possible"})

	back := k.do(lin, two, ticket.Action{Name: ticket.ActionUnmerge})
	require.True(t, back.MergedInto.IsZero())
	require.Equal(t, ticket.StatusNew, back.Status, "as before the merge")
	require.Empty(t, back.Links)
	target = k.get(one)
	require.Empty(t, target.Links)
	require.Empty(t, target.Followers, "whom the merge had made followers")
	found, err := k.desk.Find(t.Context(), ada, string(two.Number))
	require.NoError(t, err)
	require.Equal(t, two.ID, found.ID)
	require.NoError(t, k.desk.Verify(t.Context(), lin, one.ID))
}

func TestUnmergeKeepsEarlierFollowers(t *testing.T) {
	k := newKit(t)
	one := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	two := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.do(lin, two, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID})
	k.do(lin, two, ticket.Action{Name: ticket.ActionUnmerge})
	require.Equal(t, []ticket.Person{bob.Person}, k.get(one).Followers)
}

func TestMergeRefuses(t *testing.T) {
	k := newKit(t)
	one, two, other := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{}), k.open(bob, ticket.Draft{})
	merge := func(from, into ticket.Ticket, category error) {
		t.Helper()
		k.refused(super, from, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID}, category)
	}
	merge(one, other, ticket.ErrRefused) // another customer's
	merge(one, one, ticket.ErrInvalid)
	merge(one, ticket.Ticket{ID: ticket.NewID(tickettest.Start)}, ticket.ErrNotFound)
	k.do(super, two, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	k.refused(lin, one, ticket.Action{Name: ticket.ActionMerge, Ticket: two.ID}, ticket.ErrRefused) // level 2 is not lin's
	k.do(super, two, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	merge(one, two, ticket.ErrRefused) // is over
	three := k.open(ada, ticket.Draft{})
	four := k.open(ada, ticket.Draft{})
	k.do(super, three, ticket.Action{Name: ticket.ActionMerge, Ticket: four.ID})
	merge(one, three, ticket.ErrRefused) // was merged itself

	same := ticket.Requester(ticket.Person{ID: "c9", Organisation: "engines"})
	also := ticket.Requester(ticket.Person{ID: "c8", Organisation: "engines"})
	a, b := k.open(same, ticket.Draft{}), k.open(also, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	_, err := k.desk.Track(t.Context(), same, string(a.Number))
	require.NoError(t, err, "of one organisation")
}

func TestUnmergeEndsAMergeThatWasLinkedByHandBefore(t *testing.T) {
	k := newKit(t)
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b := k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationDuplicateOf, Ticket: b.ID})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.canSee(eve, b)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, b)
}

func TestTheLastMergeOfAChainIsUndoneFirst(t *testing.T) {
	k := newKit(t)
	eve, kim, joe := inOrg("eve", "x"), inOrg("kim", "x"), inOrg("joe", "x")
	a, b, c := k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{}), k.open(joe, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.do(super, b, ticket.Action{Name: ticket.ActionMerge, Ticket: c.ID})
	k.canSee(eve, c)
	found, err := k.desk.Find(t.Context(), eve, string(a.Number))
	require.NoError(t, err)
	require.Equal(t, c.ID, found.ID)
	k.refused(super, a, ticket.Action{Name: ticket.ActionUnmerge}, ticket.ErrRefused) // the last merge first
	k.do(super, b, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, c)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, b)
}

func TestUnmergeLeavesOtherMergesAlone(t *testing.T) {
	k := newKit(t)
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b, c := k.open(eve, ticket.Draft{}), k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: c.ID})
	k.do(super, b, ticket.Action{Name: ticket.ActionMerge, Ticket: c.ID})
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	require.Equal(t, c.ID, k.do(eve, b, ticket.Action{Name: ticket.ActionReply, Message: "still mine"}).ID)
	k.do(super, b, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, c)
}

func TestAMergeDoesNotTakeOverFollowersOfOtherCustomers(t *testing.T) {
	k := newKit(t)
	vendor := inOrg("vic", "vendor")
	a := k.open(inOrg("eve", "x"), ticket.Draft{Followers: []ticket.Person{vendor.Person}})
	b := k.open(inOrg("kim", "x"), ticket.Draft{Message: "salaries"})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.cannotSee(vendor, b)
	v, err := k.desk.Track(t.Context(), vendor, string(a.Number))
	require.NoError(t, err, "its own number stays valid")
	require.Equal(t, a.Number, v.Number)
}

type notThat struct {
	ticket.DefaultPolicy
	id *ticket.ID
}

func (p notThat) MayDo(_ ticket.Actor, t ticket.Ticket, _ ticket.ActionName) error {
	if t.ID == *p.id {
		return errNoCancel
	}
	return nil
}

func TestThePolicyIsAskedAboutBothTicketsOfAMerge(t *testing.T) {
	var guarded ticket.ID
	k := newKit(t, func(c *ticket.Config) { c.Policy = notThat{id: &guarded} })
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	guarded = b.ID
	k.refused(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID}, errNoCancel)
	k.refused(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: b.ID}, errNoCancel)
}

func TestOnlyUnmergeRemovesTheLinkOfAMerge(t *testing.T) {
	k := newKit(t)
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b, x := k.open(eve, ticket.Draft{}), k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: x.ID})
	k.do(super, b, ticket.Action{Name: ticket.ActionMerge, Ticket: x.ID})
	k.refused(super, b, ticket.Action{Name: ticket.ActionUnlink, Relation: ticket.RelationDuplicateOf, Ticket: x.ID}, ticket.ErrInvalid)
	k.refused(super, x, ticket.Action{Name: ticket.ActionUnlink, Relation: ticket.RelationDuplicatedBy, Ticket: b.ID}, ticket.ErrInvalid)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	k.canSee(eve, x)
	k.do(super, b, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, x)
}
