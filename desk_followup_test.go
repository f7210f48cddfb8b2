package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var late = ticket.Action{Name: ticket.ActionReply, Message: "again"}

// over opens a ticket whose window has passed.
func (k *kit) over(dr ticket.Draft) ticket.Ticket {
	k.Helper()
	tk := k.open(ada, dr)
	k.passed(tk)
	return tk
}

func (k *kit) passed(t ticket.Ticket) {
	k.Helper()
	k.do(super, t, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Hour)
}

func (k *kit) linked(t ticket.Ticket, r ticket.Relation) (list []ticket.ID) {
	for _, l := range k.get(t).Links {
		if l.Relation == r {
			list = append(list, l.Ticket)
		}
	}
	return list
}

func TestALateReplyJoinsTheFollowUp(t *testing.T) {
	k := newKit(t)
	tk := k.over(ticket.Draft{Followers: []ticket.Person{bob.Person}})
	next := k.do(ada, tk, late)
	require.NotEqual(t, tk.ID, next.ID)
	for _, a := range []ticket.Actor{ada, bob} {
		require.Equal(t, next.ID, k.do(a, tk, late).ID)
	}
	require.Len(t, k.linked(tk, ticket.RelationFollowedUpBy), 1)

	// A reply has the same effects as in the ticket itself.
	k.do(super, next, ticket.Action{Name: ticket.ActionAsk, Message: "?"})
	require.Equal(t, ticket.StatusOpen, k.do(ada, tk, late).Status)

	// The follow-up is open, so a reopen with a message counts as a reply, and a reopen
	// without one is only recorded.
	k.do(super, next, ticket.Action{Name: ticket.ActionAsk, Message: "?"})
	got := k.do(ada, tk, ticket.Action{Name: ticket.ActionReopen, Message: "still broken"})
	require.Equal(t, next.ID, got.ID)
	require.Equal(t, ticket.StatusOpen, got.Status)
	version := k.get(next).Version
	got = k.do(ada, tk, ticket.Action{Name: ticket.ActionReopen})
	require.Equal(t, next.ID, got.ID)
	require.Equal(t, version+1, got.Version)
	require.Zero(t, got.Reopened)

	// It is solved, and its window is open.
	k.do(super, next, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	got = k.do(ada, tk, late)
	require.Equal(t, next.ID, got.ID)
	require.Equal(t, 1, got.Reopened)

	// Its window has passed.
	k.passed(next)
	third := k.do(ada, tk, late)
	require.NotContains(t, []ticket.ID{tk.ID, next.ID}, third.ID)
	require.Equal(t, third.ID, k.do(ada, tk, late).ID)
	require.Equal(t, third.ID, k.do(ada, third, late).ID)

	// A follow-up that is open again comes before a newer one that is over.
	k.passed(third)
	k.do(super, next, ticket.Action{Name: ticket.ActionReopen, Note: "n"})
	require.Equal(t, next.ID, k.do(ada, tk, late).ID)
}

func TestALateReplyFollowsFollowUpsOfFollowUps(t *testing.T) {
	k := newKit(t)
	tk := k.over(ticket.Draft{})
	next := k.do(ada, tk, late)
	k.passed(next)
	third := k.do(ada, next, late)
	require.Equal(t, third.ID, k.do(ada, tk, late).ID)

	into := k.open(ada, ticket.Draft{})
	k.merge(third, into)
	require.Equal(t, into.ID, k.do(ada, tk, late).ID, "as the follow-up was merged")
	k.passed(into)
	require.NotEqual(t, into.ID, k.do(ada, tk, late).ID)
}

func TestALateReplyJoinsOnlyTheCustomersFollowUps(t *testing.T) {
	k := newKit(t)
	tk := k.over(ticket.Draft{Followers: []ticket.Person{bob.Person}})
	next := k.do(ada, tk, late)
	k.edit(next, ticket.Edits{Unfollow: []ticket.Person{bob.Person}})
	own := k.do(bob, tk, late)
	require.NotEqual(t, next.ID, own.ID)
	require.Equal(t, own.ID, k.do(bob, tk, late).ID)
}

func TestALateReplyFindsTheFollowUpThoughTheLinksAreFull(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Limits.Links = 1 })
	tk := k.open(ada, ticket.Draft{})
	k.do(super, tk, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: k.open(ada, ticket.Draft{}).ID})
	k.passed(tk)
	next := k.do(ada, tk, late)
	require.Equal(t, next.ID, k.do(ada, tk, late).ID)
}

func TestLateRepliesAtOnceOpenOneFollowUp(t *testing.T) {
	k := newKit(t)
	tk := k.over(ticket.Draft{})
	var wg sync.WaitGroup
	ids := make([]ticket.ID, 8)
	for i := range ids {
		wg.Go(func() {
			got, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(fmt.Sprint(i))})
			if assert.NoError(t, err) {
				ids[i] = got.ID
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.Equal(t, ids[:1], k.linked(tk, ticket.RelationFollowedUpBy))
}

// The ticket and its follow-up are both over, and a customer writes under both
// numbers at once.
func TestLateRepliesAtOnceUnderTwoNumbersOpenOneFollowUp(t *testing.T) {
	for range 20 {
		k := newKitOn(t, yielding{memstore.New()})
		first := k.over(ticket.Draft{})
		second := k.do(ada, first, late)
		k.passed(second)
		third := k.do(ada, second, late)
		k.passed(third)
		got := make([]ticket.Ticket, 6)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				var err error
				got[i], err = k.desk.Do(t.Context(), ada, []ticket.ID{first.ID, second.ID, third.ID}[i%3], late)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for _, tk := range got {
			require.Equal(t, got[0].ID, tk.ID)
		}
	}
}

// yielding is a store that lets other goroutines run between reading and
// committing.
type yielding struct{ *memstore.Store }

func (s yielding) Commit(ctx context.Context, c ticket.Commit) error {
	for range 100 {
		runtime.Gosched()
	}
	return s.Store.Commit(ctx, c)
}

func TestAGuardOfTheFollowUpIsAsked(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Policy = denies{name: ticket.ActionReply, if_: func(t ticket.Ticket) bool { return t.Subject == "barred" }}
	})
	tk := k.over(ticket.Draft{})
	next := k.do(ada, tk, late)
	k.edit(next, ticket.Edits{Subject: "barred"})
	k.refused(ada, tk, late, errNoCancel)
}

type denies struct {
	ticket.DefaultPolicy
	name ticket.ActionName
	if_  func(ticket.Ticket) bool
}

func (p denies) MayDo(_ ticket.Actor, t ticket.Ticket, act ticket.ActionName) error {
	if act == p.name && p.if_(t) {
		return errNoCancel
	}
	return nil
}

func TestAFollowUpBeginsWhereTheTicketEnded(t *testing.T) {
	k := newKit(t)
	front, hard := ticket.Agent("front", 1).Serving("front"), ticket.Agent("hard", 2).Serving("hardware")
	tk := k.open(super, ticket.Draft{Requester: ada.Person, Queue: "front", Tags: []string{"vip"}, Fields: ticket.Fields{"order": "4711"},
		Impact: ticket.GradeHigh, Urgency: ticket.GradeCritical})
	k.do(front, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "motor"})
	k.passed(tk)
	next := k.get(k.do(ada, tk, late))
	require.Equal(t, "hardware", next.Queue)
	require.Equal(t, 2, next.Level)
	require.Equal(t, []string{"vip"}, next.Tags)
	require.Equal(t, ticket.Fields{"order": "4711"}, next.Fields)
	require.Equal(t, ticket.GradeHigh, next.Impact)
	require.Equal(t, ticket.GradeCritical, next.Priority)
	require.False(t, next.PriorityGiven, "it follows from impact and urgency")
	k.do(hard, next, ticket.Action{Name: ticket.ActionTake})

	given := k.over(ticket.Draft{Priority: ticket.GradeLow})
	next = k.get(k.do(ada, given, late))
	require.Equal(t, ticket.GradeLow, next.Priority)
	require.True(t, next.PriorityGiven)
}

func TestDeriveDraftChangesFollowUpsAndSplits(t *testing.T) {
	var from []ticket.Ticket
	k := newKit(t, func(c *ticket.Config) {
		c.DeriveDraft = func(_ context.Context, f ticket.Ticket, d ticket.Draft) (ticket.Draft, error) {
			from = append(from, f)
			d.Level, d.Queue, d.Tags = 1, "front", append(d.Tags, "again")
			return d, nil
		}
	})
	tk := k.open(super, ticket.Draft{Requester: ada.Person, Queue: "hardware", Level: 2, Tags: []string{"vip"}})
	k.do(super, tk, ticket.Action{Name: ticket.ActionTake})
	part := k.do(super, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "a part"}})
	k.passed(tk)
	next := k.get(k.do(ada, tk, late))
	for _, made := range []ticket.Ticket{part, next} {
		require.Equal(t, "front", made.Queue)
		require.Equal(t, 1, made.Level)
		require.Equal(t, []string{"again", "vip"}, made.Tags)
	}
	require.Equal(t, tk.ID, from[0].ID)
	require.Equal(t, []string{"vip"}, k.get(tk).Tags)
}

func TestTheResultOfDeriveDraftIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		derive func(ticket.Draft) ticket.Draft
		field  string
	}{
		"no subject": {func(d ticket.Draft) ticket.Draft { d.Subject = ""; return d }, "config.derive_draft.subject"},
		"a solution": {func(d ticket.Draft) ticket.Draft { d.Solution = "s"; return d }, "config.derive_draft.solution"},
		"a key":      {func(d ticket.Draft) ticket.Draft { d.Key = "k"; return d }, "config.derive_draft.key"},
		"a level":    {func(d ticket.Draft) ticket.Draft { d.Level = 9; return d }, "draft.level"},
		"words":      {func(d ticket.Draft) ticket.Draft { d.From = 1; return d }, "config.derive_draft.from"},
		"a panic":    {func(ticket.Draft) ticket.Draft { panic("no") }, "Config.DeriveDraft panicked: no"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(cfg *ticket.Config) {
				cfg.DeriveDraft = func(_ context.Context, _ ticket.Ticket, d ticket.Draft) (ticket.Draft, error) {
					return c.derive(d), nil
				}
			})
			tk := k.over(ticket.Draft{})
			_, err := k.desk.Do(t.Context(), ada, tk.ID, late)
			require.ErrorContains(t, err, c.field)
			require.Empty(t, k.linked(tk, ticket.RelationFollowedUpBy))
		})
	}
}

func TestLateRepliesUnderAllNumbersOfACaseJoinOneFollowUp(t *testing.T) {
	for name, merged := range map[string]bool{"follow-ups": false, "a follow-up that was merged": true} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			over := func(tk ticket.Ticket) {
				k.do(super, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
				k.clock.Advance(reopenWindow + day)
			}
			late := func(tk ticket.Ticket) ticket.Ticket {
				return k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
			}
			first := k.open(ada, ticket.Draft{})
			over(first)
			second := late(first)
			last := second
			if merged {
				last = k.open(ada, ticket.Draft{})
				k.merge(second, last)
			}
			over(last)
			third := late(first)
			require.NotContains(t, []ticket.ID{first.ID, second.ID, last.ID}, third.ID)
			require.Equal(t, third.ID, late(second).ID)
			require.Equal(t, third.ID, late(last).ID)
			require.Equal(t, third.ID, late(first).ID)
			over(third)
			fourth := late(last)
			for _, tk := range []ticket.Ticket{first, second, third, last} {
				require.Equal(t, fourth.ID, late(tk).ID)
			}
		})
	}
}

// A follower whose late reply opens a follow-up gets the receipt, and its message
// does not appear as the requester's.
func TestALateReplyOfAFollowerIsConfirmedToTheFollower(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(60 * 24 * time.Hour)
	k.deliver()
	k.sent.Reset()
	next := k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "bob's words", Attachments: []ticket.Attachment{{Name: "a.png"}}})
	require.NotEqual(t, tk.ID, next.ID)
	k.deliver()
	got := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.NotEqual(t, "Ada Byron", got.Writer, "bob's words are not Ada's")
	require.True(t, slices.ContainsFunc(k.sent.Sent(), func(n ticket.Notification) bool { return n.To.Person.ID == "c2" }), "no receipt, no number for bob")
}

func TestReopenWithinTheWindowAndFollowUpAfterIt(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "It stopped", Queue: "hardware", Followers: []ticket.Person{bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Try now."})
	back := k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "Still broken."})
	require.Equal(t, ticket.StatusQueued, back.Status)
	require.Equal(t, 1, back.Reopened)
	require.Equal(t, tk.ID, back.ID)
	require.Zero(t, back.Resolved)

	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "And now."})
	k.clock.Advance(reopenWindow + time.Minute)
	next := k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "It stopped again.", Attachments: []ticket.Attachment{{Name: "log.txt"}}})
	require.NotEqual(t, tk.ID, next.ID)
	full := k.get(next)
	require.Equal(t, ada.Person, full.Requester)
	require.Equal(t, "hardware", full.Queue)
	_, ok := full.LinkTo(ticket.RelationFollowUpOf, tk.ID)
	require.True(t, ok)
	old := k.get(tk)
	require.Equal(t, ticket.StatusResolved, old.Status)
	_, ok = old.LinkTo(ticket.RelationFollowedUpBy, next.ID)
	require.True(t, ok)
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))

	// Agents may undo a closing at any time, and that is no follow-up.
	again := k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "was not"})
	require.Equal(t, tk.ID, again.ID)
	require.Equal(t, 2, again.Reopened)
	// Words are needed for a follow-up as for a reply.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Minute)
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionReply}, ticket.ErrInvalid)
}

// guarded is a workflow with a guard on a transition that turns into a follow-up.
func guarded(guard func(ticket.Decision) error) *ticket.Workflow {
	s := ticket.DefaultWorkflow()
	for i := range s.Transitions {
		if s.Transitions[i].FollowUp {
			s.Transitions[i].Guards = []string{"contract"}
		}
	}
	return s.MustCompile(map[string]func(ticket.Decision) error{"contract": guard})
}

func TestAFollowUpPassesTheGuards(t *testing.T) {
	over := errors.New("the contract has ended")
	k := newKit(t, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{guarded(func(ticket.Decision) error { return over })}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Hour)
	k.refused(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"}, over)
}

func TestTheWindowBeginsWithTheLastSolution(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for range 3 {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "now?"})
		k.clock.Advance(6 * 24 * time.Hour)
	}
	require.Equal(t, tk.ID, k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "no"}).ID)
}

func TestAFollowUpTakesAsManyFollowersAsTheLimitAllows(t *testing.T) {
	k := newKit(t)
	var followers []ticket.Person
	for i := range 4 {
		followers = append(followers, ticket.Person{ID: fmt.Sprint("f", i)})
	}
	tk := k.open(ada, ticket.Draft{Followers: followers})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	low := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Limits.Followers, c.Now, c.NewID, c.Numbers = 2, k.clock.Now, ticket.NewID, ticket.Numbers{}
	})
	k.clock.Advance(reopenWindow + time.Hour)
	next := low.do(ticket.Requester(followers[3]), tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
	require.NotEqual(t, tk.ID, next.ID)
	require.Equal(t, []ticket.Person{followers[3], followers[1]}, low.get(next).Followers)
}
