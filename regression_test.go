package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// Traps that were found by reading, each with the test that keeps it shut.

func inOrg(id, org string) ticket.Actor {
	return ticket.Requester(ticket.Person{ID: id, Email: id + "@example.org", Organisation: org})
}

func (k *kit) cannotSee(a ticket.Actor, t ticket.Ticket) {
	k.Helper()
	_, err := k.desk.Track(k.Context(), a, t.ID.String())
	require.ErrorIs(k, err, ticket.ErrNotFound)
}

func (k *kit) canSee(a ticket.Actor, t ticket.Ticket) {
	k.Helper()
	_, err := k.desk.Track(k.Context(), a, t.ID.String())
	require.NoError(k, err)
}

func TestUnmergeAlsoAfterALinkByHand(t *testing.T) {
	k := newKit(t)
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	a, b := k.open(eve, ticket.Draft{}), k.open(kim, ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationDuplicateOf, Ticket: b.ID})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.canSee(eve, b)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	k.cannotSee(eve, b)
}

func TestUnmergeInAChainOfMerges(t *testing.T) {
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

func TestUnmergeOfOneOfTwo(t *testing.T) {
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

func TestMergeLeavesFollowersOfOthersBehind(t *testing.T) {
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

func TestThePolicyIsAskedAboutBothTickets(t *testing.T) {
	var guarded ticket.ID
	k := newKit(t, func(c *ticket.Config) { c.Policy = notThat{id: &guarded} })
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	guarded = b.ID
	k.refused(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID}, errNoCancel)
	k.refused(super, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: b.ID}, errNoCancel)
}

func TestARequesterIsWhoTheHostSays(t *testing.T) {
	k := newKit(t)
	tk := k.open(ticket.Requester(ticket.Person{ID: "mal"}), ticket.Draft{Requester: ticket.Person{ID: "mal", Email: "victim@example.org", Organisation: "x"}})
	require.Equal(t, ticket.Person{ID: "mal"}, k.get(tk).Requester)
	for _, q := range []ticket.Query{{Requester: bob.Person}, {Organisation: "x"}} {
		_, err := k.desk.List(t.Context(), ada, q)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	_, err := k.desk.List(t.Context(), lin, ticket.Query{Tags: []string{"a\x00"}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
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

func TestServingNothingIsNotServingAll(t *testing.T) {
	var none []string
	a := ticket.Agent("a", 1).Serving(none...)
	require.False(t, a.ServesQueue("hr"))
	require.False(t, a.ServesQueue(""))
	require.True(t, ticket.Agent("a", 1).ServesQueue("hr"))
	require.True(t, ticket.Agent("a", 1).Serving("hr").ServesQueue(""))
}

func TestAPinIsOfOneTicket(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.do(ada, a, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	pinned := k.get(a).Version
	k.do(lin, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	require.Equal(t, pinned, k.get(b).Version)
	k.refused(ada, a, ticket.Action{Name: ticket.ActionCancel, Version: pinned}, ticket.ErrStale)
}

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

func TestTheFirstStatusHasATimerToo(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{reminding(nil).MustCompile(nil)} })
	tk := k.open(ada, ticket.Draft{})
	at := k.get(tk).Timer.At
	require.Equal(t, at.Truncate(time.Microsecond), at)
	k.clock.Advance(2 * time.Hour)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ticket.Status("out"), k.get(tk).Status)
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

func TestADeskLeavesTimersOfOtherWorkflowsAlone(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	other := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Workflows, c.Now = []*ticket.Workflow{returns()}, k.clock.Now
	})
	k.clock.Advance(confirmWindow)
	n, err := other.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	v, err := other.desk.Track(t.Context(), ada, string(tk.Number))
	require.NoError(t, err, "a customer can always see the status")
	require.Equal(t, ticket.PhaseSolved, v.Phase)
	n, err = k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

type hides struct {
	ticket.DefaultPolicy
	tag string
}

func (p hides) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return a.Role != ticket.RoleSystem || !t.HasTag(p.tag)
}

func TestDueTicketsThatCannotFireBlockNoOther(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Policy = hides{tag: "hidden"} })
	for range 250 {
		k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s", Tags: []string{"hidden"}})
	}
	k.clock.Advance(time.Second)
	last := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	k.clock.Advance(confirmWindow)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ticket.StatusClosed, k.get(last).Status)
}

func TestABoundDeskDeliversNothing(t *testing.T) {
	k := newKit(t)
	_, err := k.desk.WithStore(k.store).Deliver(t.Context())
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = ticket.NewDesk(k.store, ticket.Config{Relay: ticket.Relay{Lease: time.Millisecond}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// An attempt that the end of the process cut short has not failed, and those
// behind it in its line have not been tried.
func TestOnlyRealAttemptsCount(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 2} })
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.Reset()
	for range 4 {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	}
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		k.sent.FailWith(func(ticket.Notification) error {
			cancel()
			return errors.New("cut short")
		})
		_, err := k.desk.Deliver(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	k.sent.FailWith(func(ticket.Notification) error { return errors.New("mailbox full") })
	for _, want := range []ticket.DeliveryCounts{{Again: 1}, {Dead: 1, Again: 1}, {Dead: 1, Again: 1}} {
		did, err := k.desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, did)
		k.clock.Advance(2 * time.Hour)
	}
	k.sent.FailWith(nil)
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
}

func TestLoweredLimitsFreezeNoTicket(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Tags: []string{"a", "b", "c", "d"}})
	k.do(super, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	low := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Limits.Tags, c.Limits.Links, c.Now = 2, 1, k.clock.Now
		c.NewNumber, c.NewID = ticket.NewNumber, ticket.NewID
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

func TestARepeatIsAnsweredWhateverHappenedSince(t *testing.T) {
	k := newKit(t)
	hw := ticket.Agent("h", 1).Serving("hw")
	draft := ticket.Draft{Requester: ada.Person, Subject: "s", Queue: "billing", Key: "k1"}
	tk := k.open(hw, draft)
	require.Equal(t, tk.ID, k.open(hw, draft).ID, "though it is out of the agent's sight")

	until := time.Date(2026, 2, 1, 0, 0, 0, 0, time.FixedZone("far", 26*3600))
	other := k.open(ada, ticket.Draft{})
	hold := ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: until, Key: "k2"}
	k.do(lin, other, hold)
	require.True(t, until.Equal(k.get(other).Timer.At))
	hold.Reason = "something else"
	k.refused(lin, other, hold, ticket.ErrDuplicate)
	k.refused(super, other, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: until, Key: "k2"}, ticket.ErrDuplicate)
	far := time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -12*3600))
	k.refused(lin, other, ticket.Action{Name: ticket.ActionHold, Reason: "r", Until: far}, ticket.ErrInvalid)
}

// slowReceipt does not see a receipt at the first look, as when the commit of
// the same request comes in between.
type slowReceipt struct {
	ticket.Store
	looks int
}

func (s *slowReceipt) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.looks++; s.looks == 1 {
		return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
	}
	return s.Store.Receipt(ctx, tenant, key)
}

func TestARepeatThatIsRefusedByThenIsRecognised(t *testing.T) {
	s := &slowReceipt{Store: memstore.New()}
	k := newKitOn(t, s)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	confirm := ticket.Action{Name: ticket.ActionConfirm, Key: "k"}
	s.looks = 1
	k.do(ada, tk, confirm)
	s.looks = 0
	require.Equal(t, ticket.StatusClosed, k.do(ada, tk, confirm).Status)
}

func TestExplainSaysWhatDoDoes(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, act := range []ticket.Action{
		{Name: ticket.ActionSplit}, {Name: ticket.ActionEdit}, {Name: ticket.ActionEdit, Edit: &ticket.Edits{}},
		{Name: ticket.ActionUnlink, Relation: ticket.RelationRelatedTo, Ticket: ticket.NewID(tickettest.Start)}, {Name: ticket.ActionTake, Version: 9},
	} {
		explained := k.desk.Explain(lin, tk, act)
		require.Error(t, explained)
		_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
		require.Equal(t, explained.Error(), err.Error())
	}
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(reopenWindow + time.Hour)
	require.NoError(t, k.desk.Explain(ada, k.get(tk), ticket.Action{Name: ticket.ActionReply, Message: "late"}))
}

func TestChoosingAStatusIsOneOfTheActions(t *testing.T) {
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

func TestNobodyIsToldTwice(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{ada.Person, bob.Person, bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	told := map[string]int{}
	for _, n := range k.sent.Sent() {
		told[fmt.Sprint(n.Seq, n.Kind, n.To.Person.ID)]++
	}
	for what, times := range told {
		require.Equal(t, 1, times, what)
	}
}

func TestARequesterCanBeTold(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{Name: "x"}}}, ticket.ErrInvalid)
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

func TestSplitIntoAWorkflowWithFewerLevels(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{ticket.DefaultWorkflow().MustCompile(nil), returns()}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	child := k.do(max, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "a return", Workflow: "returns"}})
	require.Equal(t, 1, child.Level)
}

// A history made elsewhere may hold other types than a desk lets in. They are
// covered by the digest all the same.
func TestTheDigestCoversFieldsOfAnyType(t *testing.T) {
	e := ticket.Event{Ticket: ticket.NewID(tickettest.Start), Seq: 1, At: tickettest.Start.Add(7 * time.Nanosecond), Action: ticket.ActionOpen}
	e.Fields = ticket.Fields{"amount": 5, "odd": struct{ N int }{1}}
	ticket.Chain{}.Seal(ticket.Digest{}, &e)
	require.NoError(t, ticket.Chain{}.Verify([]ticket.Event{e}))
	require.Equal(t, tickettest.Start, e.At)
	for k, v := range map[string]any{"amount": 5000, "odd": struct{ N int }{2}} {
		forged := e.Clone()
		forged.Fields[k] = v
		require.ErrorIs(t, ticket.Chain{}.Verify([]ticket.Event{forged}), ticket.ErrChain)
		forged.Fields[k] = nil
		require.ErrorIs(t, ticket.Chain{}.Verify([]ticket.Event{forged}), ticket.ErrChain)
	}
}

func TestEqualLooksAtInstants(t *testing.T) {
	k := newKit(t)
	a := k.get(k.open(lin, ticket.Draft{Requester: ada.Person, Fields: ticket.Fields{"t": tickettest.Start}}))
	b := a.Clone()
	zone := time.FixedZone("here", 3600)
	b.Created, b.Touched, b.Fields["t"] = b.Created.In(zone), b.Touched.In(zone), tickettest.Start.In(zone)
	b.Links, b.Followers = []ticket.Link{}, []ticket.Person{}
	require.True(t, a.Equal(b))
	b.Created = b.Created.Add(time.Microsecond)
	require.False(t, a.Equal(b))
}

func TestAMergesLinkIsUndoneByUnmergeOnly(t *testing.T) {
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

// brokenReads is a store that cannot read events for a while.
type brokenReads struct {
	ticket.Store // which hides that it is a Briefer
	broken       bool
}

func (s *brokenReads) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if s.broken {
		return nil, errDown
	}
	return s.Store.Events(ctx, tenant, id, after, limit)
}

func TestTheStoresTroubleKillsNoDelivery(t *testing.T) {
	s := &brokenReads{Store: memstore.New(), broken: true}
	k := newKitOn(t, s, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 2} })
	k.open(ada, ticket.Draft{})
	for range 10 {
		did, err := k.desk.Deliver(t.Context())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
		k.clock.Advance(2 * time.Hour)
	}
	s.broken = false
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
}

// A delivery whose outcome is lost every time, because the attempt outlasts its
// lease and another relay takes over, has an end as well.
func TestAnEndlessDeliveryEnds(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 3, Batch: 4} })
	k.open(ada, ticket.Draft{})
	var calls atomic.Int64
	k.sent.FailWith(func(ticket.Notification) error {
		calls.Add(1)
		now := k.clock.Advance(2 * time.Minute)
		_, err := k.store.Claim(t.Context(), ticket.ClaimRequest{Now: now, Lease: time.Minute, Limit: 10, Notifiers: []string{""}})
		return err // of another relay, which then crashes
	})
	for range 300 {
		k.deliver()
		k.clock.Advance(2 * time.Minute)
	}
	require.Less(t, calls.Load(), int64(10))
	require.Positive(t, calls.Load())
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Zero(t, did, "nothing is left to try")
}

func TestLoweredLimitsStopNoFollowUp(t *testing.T) {
	k := newKit(t)
	var followers []ticket.Person
	for i := range 4 {
		followers = append(followers, ticket.Person{ID: fmt.Sprint("f", i)})
	}
	tk := k.open(ada, ticket.Draft{Followers: followers})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	low := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Limits.Followers, c.Now, c.NewID, c.NewNumber = 2, k.clock.Now, ticket.NewID, ticket.NewNumber
	})
	k.clock.Advance(reopenWindow + time.Hour)
	next := low.do(ticket.Requester(followers[3]), tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
	require.NotEqual(t, tk.ID, next.ID)
	require.Equal(t, []ticket.Person{followers[3], followers[1]}, low.get(next).Followers)
}

func TestExplainForeseesLimitsAndSplits(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Limits.Tags = 1 })
	tk := k.open(ada, ticket.Draft{})
	for _, act := range []ticket.Action{
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"a"}, Fields: ticket.Fields{"x": 1}}, Note: "fits"},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s"}},
	} {
		require.NoError(t, k.desk.Explain(lin, tk, act))
		k.do(lin, tk, act)
		tk = k.get(tk)
	}
	for _, act := range []ticket.Action{
		{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"b"}}},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Workflow: "none"}},
		{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "s", Level: 9}},
		{Name: ticket.ActionMerge}, {Name: ticket.ActionMerge, Ticket: tk.ID}, {Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo},
	} {
		explained := k.desk.Explain(lin, tk, act)
		require.Error(t, explained)
		_, err := k.desk.Do(t.Context(), lin, tk.ID, act)
		require.Equal(t, err.Error(), explained.Error())
	}
}

// Only what is marked so is permanent: a notifier that cannot find something,
// perhaps a ticket, may find it later.
func TestANotifiersNotFoundIsTriedAgain(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { return fmt.Errorf("address book: %w", ticket.ErrNotFound) })
	k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
}
