package ticket_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// solve opens a ticket and resolves it.
func (k *kit) solve(a ticket.Actor, dr ticket.Draft, solution ticket.Message) ticket.Ticket {
	k.Helper()
	return k.do(super.InTenant(a.Tenant), k.open(a, dr), ticket.Action{Name: ticket.ActionResolve, Message: solution})
}

func (k *kit) publish(t ticket.Ticket, title string, text ticket.Message) ticket.Ticket {
	k.Helper()
	return k.do(super.InTenant(t.Tenant), t, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: title, Text: text}})
}

// similar returns the suggestions for a draft with this subject.
func (k *kit) similar(a ticket.Actor, subject string) []ticket.Suggestion {
	k.Helper()
	list, err := k.desk.SimilarToDraft(k.Context(), a, ticket.Draft{Subject: subject}, 0)
	require.NoError(k, err)
	return list
}

func suggested(list []ticket.Suggestion) (ids []ticket.ID) {
	for _, s := range list {
		ids = append(ids, s.Ticket.ID)
	}
	return ids
}

func all[T any](t *testing.T, seq iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range seq {
		require.NoError(t, err)
		list = append(list, v)
	}
	return list
}

func TestSimilarFindsSolvedTicketsWithTheirSolution(t *testing.T) {
	k := newKit(t)
	fuser := k.solve(ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Every second page of my LJ-4."}, "A new fuser was fitted.")
	k.solve(bob, ticket.Draft{Subject: "Cannot log in", Message: "Password refused."}, "Unlocked.")
	k.open(bob, ticket.Draft{Subject: "Blank pages too", Message: "not solved"})

	list, err := k.desk.SimilarToDraft(t.Context(), lin, ticket.Draft{Subject: "BLANK Pages", Message: "from our printer"}, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, fuser, list[0].Ticket)
	require.EqualValues(t, "A new fuser was fitted.", list[0].Solution)
	require.Equal(t, []string{"BLANK", "Pages", "printer"}, list[0].Words, "as the draft spells them")

	// By ID: the words of its messages count, and it is no suggestion for itself.
	mine := k.open(bob, ticket.Draft{Subject: "Help", Message: "Something is wrong."})
	mine = k.do(bob, mine, ticket.Action{Name: ticket.ActionReply, Message: "It prints blank pages."})
	list, err = k.desk.Similar(t.Context(), lin, mine.ID, 0)
	require.NoError(t, err)
	require.Equal(t, []ticket.ID{fuser.ID}, suggested(list))
	list, err = k.desk.Similar(t.Context(), lin, fuser.ID, 0)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestSimilarSuggestsOnlyWhatIsSolvedNow(t *testing.T) {
	k := newKit(t)
	of := func(change func(ticket.Ticket)) {
		tk := k.solve(ada, ticket.Draft{Subject: "Flickering monitor"}, "A new cable.")
		require.Len(t, k.similar(lin, "flickering"), 1)
		change(tk)
		require.Empty(t, k.similar(lin, "flickering"))
	}
	of(func(tk ticket.Ticket) { k.do(ada, tk, ticket.Action{Name: ticket.ActionReopen}) })
	of(func(tk ticket.Ticket) { k.do(super, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "spam"}) })
	of(func(tk ticket.Ticket) {
		k.do(super, tk, ticket.Action{Name: ticket.ActionAmend, Status: ticket.StatusCancelled, Note: "spam"})
	})
	of(func(tk ticket.Ticket) {
		k.do(super, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: k.open(ada, ticket.Draft{Subject: "Other"}).ID})
	})
	of(func(tk ticket.Ticket) {
		k.do(super, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "Renamed"}})
	})
	closed := k.do(ada, k.solve(ada, ticket.Draft{Subject: "Flickering monitor"}, "A new cable."), ticket.Action{Name: ticket.ActionConfirm})
	require.Equal(t, []ticket.ID{closed.ID}, suggested(k.similar(lin, "flickering")))
}

// Suggestions never name a ticket that the actor may not see, whatever its words.
func TestSimilarKeepsTicketsApart(t *testing.T) {
	k := newKit(t)
	mains := k.solve(ada, ticket.Draft{Subject: "Toner everywhere", Queue: "mains"}, "Cleaned.")
	gas := k.solve(ada, ticket.Draft{Subject: "Toner in the gas meter", Queue: "gas"}, "Cleaned.")
	elsewhere := k.solve(ada.InTenant("elsewhere"), ticket.Draft{Subject: "Toner"}, "Cleaned.")
	require.ElementsMatch(t, []ticket.ID{mains.ID, gas.ID}, suggested(k.similar(lin, "toner")))
	require.Equal(t, []ticket.ID{gas.ID}, suggested(k.similar(lin.Serving("gas"), "toner")))
	require.Empty(t, k.similar(lin.Serving(), "toner"))
	require.Equal(t, []ticket.ID{elsewhere.ID}, suggested(k.similar(lin.InTenant("elsewhere"), "toner")))
	for _, who := range []ticket.Actor{ada, bob} {
		require.Empty(t, k.similar(who, "toner"), "a customer's own solved ticket is not published")
	}
	_, err := k.desk.Similar(t.Context(), bob, mains.ID, 0)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = k.desk.Similar(t.Context(), lin.InTenant("elsewhere"), mains.ID, 0)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = k.desk.Similar(t.Context(), lin.Serving("gas"), mains.ID, 0)
	require.ErrorIs(t, err, ticket.ErrNotFound)
}

func TestCustomersGetOnlyWhatIsPublished(t *testing.T) {
	k := newKit(t)
	tk := k.solve(ada, ticket.Draft{Subject: "Secretword in the subject", Message: "ada's secretword"}, "Secretword solved it.")
	tk = k.publish(tk, "Blank pages", "Turn the printer off and on.")
	for _, who := range []ticket.Actor{ada, bob} {
		require.Empty(t, k.similar(who, "secretword"))
		list := k.similar(who, "My printer: blank pages")
		require.Equal(t, []ticket.Suggestion{{
			Known: ticket.KnownProblem{Title: "Blank pages", Text: "Turn the printer off and on."}, Words: []string{"blank", "pages", "printer"},
		}}, list, "without the ticket")
		require.Equal(t, []ticket.KnownProblem{tk.Known}, all(t, k.desk.KnownProblems(t.Context(), who)))
		_, err := k.desk.List(t.Context(), who, ticket.Query{Known: true})
		require.ErrorIs(t, err, ticket.ErrInvalid)
		_, err = k.desk.List(t.Context(), who, ticket.Query{SolvedBy: tk.ID})
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	require.Empty(t, k.similar(bob.InTenant("elsewhere"), "blank pages"))
	require.Empty(t, all(t, k.desk.KnownProblems(t.Context(), bob.InTenant("elsewhere"))))
	got, err := k.desk.Get(t.Context(), ada, tk.ID)
	require.NoError(t, err)
	require.True(t, got.Known.IsZero())
	require.NotContains(t, asJSON(t, k.events(ada, tk)), "Blank pages", "to publish is no event for the customer")

	// Agents find the ticket by the published words as well.
	require.Equal(t, []ticket.ID{tk.ID}, suggested(k.similar(lin, "blank pages")))
	page, err := k.desk.List(t.Context(), lin, ticket.Query{Known: true})
	require.NoError(t, err)
	require.Equal(t, []ticket.Ticket{tk}, page.Tickets)

	// A new text replaces the old one, and withdrawing removes it.
	tk = k.publish(tk, "White pages", "Clean it.")
	require.Empty(t, k.similar(bob, "blank"))
	require.Len(t, k.similar(bob, "white"), 1)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionWithdraw})
	require.Empty(t, k.similar(bob, "white pages"))
	require.Empty(t, all(t, k.desk.KnownProblems(t.Context(), bob)))
	require.True(t, tk.Known.IsZero())
	err = k.refusal(lin, tk, ticket.Action{Name: ticket.ActionWithdraw}, ticket.ErrRefused)
	require.ErrorContains(t, err, "nothing is published")
}

func TestPublishingIsForAgentsAndSolvedTickets(t *testing.T) {
	k := newKit(t)
	publish := ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "t", Text: "x"}}
	open := k.open(ada, ticket.Draft{})
	k.refused(lin, open, publish, ticket.ErrRefused)
	tk := k.solve(ada, ticket.Draft{}, "done")
	k.refused(ada, tk, publish, ticket.ErrRefused)
	k.refused(cron, tk, publish, ticket.ErrRefused)
	k.refused(lin.Serving("elsewhere"), k.solve(ada, ticket.Draft{Queue: "mains"}, "done"), publish, ticket.ErrNotFound)
	k.refused(lin.InTenant("elsewhere"), tk, publish, ticket.ErrNotFound)
	for _, known := range []*ticket.KnownProblem{nil, {Title: "t"}, {Text: "x"}, {Title: " ", Text: "x"}, {Title: "t", Text: "\u200b"}, {Title: "a\nb", Text: "x"}, {Title: "\xff", Text: "x"}, {Title: strings.Repeat("x", 1<<20), Text: "x"}} {
		k.refused(lin, tk, ticket.Action{Name: ticket.ActionPublish, Known: known}, ticket.ErrInvalid)
	}
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n", Known: publish.Known}, ticket.ErrInvalid)
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionWithdraw, Known: publish.Known}, ticket.ErrRefused)
	automatic := publish
	automatic.Automatic, automatic.Message = true, "m"
	k.refused(lin, tk, automatic, ticket.ErrInvalid)
	require.True(t, k.get(tk).Known.IsZero())
}

// Erasing the public content of an event erases what it published.
func TestWhatIsPublishedCanBeErased(t *testing.T) {
	k := newKit(t)
	tk := k.publish(k.solve(ada, ticket.Draft{}, "done"), "Canary", "canary")
	events := k.events(lin, tk)
	for i := range events {
		events[i] = events[i].Erase(ticket.Groups{PublicContent: true})
	}
	require.NoError(t, ticket.Chain{}.Verify(events))
	require.NotContains(t, strings.ToLower(asJSON(t, events)), "canary")
	after, err := ticket.Replay(events)
	require.NoError(t, err)
	require.True(t, after.Known.IsZero())
}

func TestResolvingNamesTheTicketThatHelped(t *testing.T) {
	k := newKit(t)
	helper := k.solve(ada, ticket.Draft{Subject: "First"}, "A new fuser.")
	resolve := func(by ticket.ID, suggested bool) ticket.Action {
		return ticket.Action{Name: ticket.ActionResolve, Message: "The same.", SolvedBy: by, Suggested: suggested}
	}
	first := k.do(lin, k.open(bob, ticket.Draft{}), resolve(helper.ID, true))
	second := k.do(lin, k.open(bob, ticket.Draft{}), resolve(helper.ID, false))
	direct := k.open(lin, ticket.Draft{Requester: bob.Person, Solution: "By phone.", SolvedBy: helper.ID, Suggested: true})
	for i, tk := range []ticket.Ticket{first, second, direct} {
		require.Equal(t, helper.ID, tk.SolvedBy)
		events := k.events(lin, tk)
		e := events[len(events)-1]
		require.Equal(t, ticket.ActionResolve, e.Action)
		require.Equal(t, helper.ID, *e.Set.SolvedBy, "the event alone says it")
		require.Equal(t, i != 1, e.Set.Suggested)
	}
	solved := func(who ticket.Actor) int {
		n, err := k.desk.Count(t.Context(), who, ticket.Query{SolvedBy: helper.ID})
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 3, solved(cron))
	require.Equal(t, 0, solved(cron.InTenant("elsewhere")))
	got, err := k.desk.Get(t.Context(), bob, first.ID)
	require.NoError(t, err)
	require.True(t, got.SolvedBy.IsZero(), "customers do not learn of other tickets")
	require.NotContains(t, asJSON(t, k.events(bob, first)), helper.ID.String())

	// Solving again replaces it; reopening and cancelling end it.
	again := k.do(lin, first, resolve(helper.ID, false))
	require.NotNil(t, k.events(lin, again)[len(k.events(lin, again))-1].Set.SolvedBy, "cited once more")
	require.True(t, k.do(lin, again, resolve(ticket.ID{}, false)).SolvedBy.IsZero())
	require.True(t, k.do(bob, second, ticket.Action{Name: ticket.ActionReopen}).SolvedBy.IsZero())
	require.True(t, k.do(lin, direct, ticket.Action{Name: ticket.ActionCancel, Reason: "r"}).SolvedBy.IsZero())
	require.Equal(t, 0, solved(cron))
}

func TestResolvingNamesOnlyATicketThatTheActorSees(t *testing.T) {
	k := newKit(t)
	tk := k.open(bob, ticket.Draft{})
	hidden := k.solve(ada, ticket.Draft{Queue: "mains"}, "m")
	foreign := k.solve(ada.InTenant("elsewhere"), ticket.Draft{}, "m")
	resolve := func(by ticket.ID) ticket.Action {
		return ticket.Action{Name: ticket.ActionResolve, Message: "m", SolvedBy: by}
	}
	k.refused(lin, tk, resolve(foreign.ID), ticket.ErrNotFound)
	k.refused(lin, tk, resolve(ticket.ID{1}), ticket.ErrNotFound)
	k.refused(lin.Serving("gas"), tk, resolve(hidden.ID), ticket.ErrNotFound)
	k.refused(lin, tk, resolve(tk.ID), ticket.ErrInvalid)
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m", Suggested: true}, ticket.ErrInvalid)
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", SolvedBy: hidden.ID}, ticket.ErrInvalid)
	k.refused(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", SolvedBy: hidden.ID}, ticket.ErrNotFound)
	for _, dr := range []ticket.Draft{
		{Subject: "s", Requester: bob.Person, SolvedBy: hidden.ID},
		{Subject: "s", Requester: bob.Person, Solution: "m", Suggested: true},
	} {
		_, err := k.desk.Open(t.Context(), lin, dr)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	_, err := k.desk.Open(t.Context(), lin, ticket.Draft{Subject: "s", Requester: bob.Person, Solution: "m", SolvedBy: foreign.ID})
	require.ErrorIs(t, err, ticket.ErrNotFound)
}

// The holder of a status link gets what its customer would get, and about no other ticket.
func TestStatusLinksSuggestWhatIsPublished(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 1, Secret: []byte(strings.Repeat("k", 32))}}
	})
	k.publish(k.solve(bob, ticket.Draft{Subject: "Other"}, "m"), "Blank pages", "Turn it off.")
	tk := k.open(ada, ticket.Draft{Subject: "Blank pages"})
	other := k.open(ada, ticket.Draft{Subject: "Blank pages"})
	token, err := k.desk.StatusLink(t.Context(), ada, tk.ID, ticket.StatusLinkRequest{})
	require.NoError(t, err)
	holder := ticket.StatusLinkHolder(token)
	list, err := k.desk.Similar(t.Context(), holder, tk.ID, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, list[0].Ticket.ID.IsZero())
	require.Len(t, k.similar(holder, "blank"), 1)
	require.Len(t, all(t, k.desk.KnownProblems(t.Context(), holder)), 1)
	_, err = k.desk.Similar(t.Context(), holder, other.ID, 0)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	// A link that a published text quotes is cut out.
	k.publish(k.solve(bob, ticket.Draft{Subject: "Quoting"}, "m"), "Quoted "+token, ticket.Message("Zebra "+token))
	require.NotContains(t, asJSON(t, k.similar(bob, "zebra")), token)
	require.NotContains(t, asJSON(t, all(t, k.desk.KnownProblems(t.Context(), bob))), token)
	_, err = k.desk.SimilarToDraft(t.Context(), ticket.StatusLinkHolder("wrong"), ticket.Draft{Subject: "blank"}, 0)
	require.ErrorIs(t, err, ticket.ErrStatusLink)
}

func TestSimilarRanks(t *testing.T) {
	k := newKit(t)
	subject := k.solve(ada, ticket.Draft{Subject: "Paper jam", Message: "Help, please!"}, "m")
	message := k.solve(ada, ticket.Draft{Subject: "Help please", Message: "A paper jam."}, "m")
	solution := k.solve(ada, ticket.Draft{Subject: "Please help me", Message: "It stopped."}, "A paper jam was removed from the tray.")
	one := k.solve(ada, ticket.Draft{Subject: "Paper", Message: "Please help."}, "m")
	require.Equal(t, []ticket.ID{subject.ID, message.ID, solution.ID, one.ID}, suggested(k.similar(lin, "paper jam")))
	list, err := k.desk.SimilarToDraft(t.Context(), lin, ticket.Draft{Subject: "paper jam"}, 2)
	require.NoError(t, err)
	require.Equal(t, []ticket.ID{subject.ID, message.ID}, suggested(list))

	// An equal queue and equal fields decide between equal words.
	gas := k.solve(ada, ticket.Draft{Subject: "Meter broken", Queue: "gas"}, "m")
	mains := k.solve(ada, ticket.Draft{Subject: "Meter broken", Queue: "mains", Fields: ticket.Fields{"n": 4}}, "m")
	for _, c := range []struct {
		dr   ticket.Draft
		want []ticket.ID
	}{
		{ticket.Draft{Subject: "meter", Queue: "gas"}, []ticket.ID{gas.ID, mains.ID}},
		{ticket.Draft{Subject: "meter", Queue: "mains"}, []ticket.ID{mains.ID, gas.ID}},
		{ticket.Draft{Subject: "meter", Fields: ticket.Fields{"n": int64(4)}}, []ticket.ID{mains.ID, gas.ID}},
		{ticket.Draft{Subject: "nothing", Queue: "gas"}, nil},
	} {
		list, err := k.desk.SimilarToDraft(t.Context(), lin, c.dr, 0)
		require.NoError(t, err)
		require.Equal(t, c.want, suggested(list), "%+v", c.dr)
	}
}

func TestSimilarRefusesBadInput(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for _, limit := range []int{-1, 51} {
		_, err := k.desk.Similar(t.Context(), lin, tk.ID, limit)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	for _, dr := range []ticket.Draft{
		{Subject: "\xff"}, {Message: "a\x00"}, {Subject: strings.Repeat("x", 1<<20)}, {Subject: "x", Queue: "a\nb"},
		{Subject: "x", Fields: ticket.Fields{"f": struct{}{}}},
	} {
		_, err := k.desk.SimilarToDraft(t.Context(), lin, dr, 0)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	_, err := k.desk.SimilarToDraft(t.Context(), ticket.Actor{}, ticket.Draft{Subject: "x"}, 0)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	for _, err := range k.desk.KnownProblems(t.Context(), ticket.Actor{}) {
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	for _, dr := range []ticket.Draft{{}, {Subject: "a - ?!"}, {Message: "…"}} {
		list, err := k.desk.SimilarToDraft(t.Context(), lin, dr, 0)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	long := ticket.Draft{Subject: "word", Message: ticket.Message(strings.Repeat("lorem ipsum w", 4000))}
	_, err = k.desk.SimilarToDraft(t.Context(), lin, long, 0)
	require.NoError(t, err)
}

// unsuggesting is a store that has nothing but the contract of a store.
type unsuggesting struct{ ticket.Store }

func TestSimilarNeedsASuggester(t *testing.T) {
	k := newKitOn(t, unsuggesting{memstore.New()})
	tk := k.open(ada, ticket.Draft{})
	_, err := k.desk.Similar(t.Context(), lin, tk.ID, 0)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "suggestions")
}

// A store whose index is behind proposes tickets that are no longer solved, or have lost
// words to an erasure. They are not suggested for these.
type behind struct {
	*memstore.Store
	found *ticket.Candidates
}

func (b behind) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	if b.found.List == nil {
		found, err := b.Store.Candidates(ctx, q)
		*b.found = found
		return found, err
	}
	return *b.found, nil
}

func TestSimilarReadsTheTicketAsItIsNow(t *testing.T) {
	k := newKitOn(t, behind{memstore.New(), &ticket.Candidates{}})
	tk := k.solve(ada, ticket.Draft{Subject: "Flickering monitor"}, "m")
	require.Equal(t, []ticket.ID{tk.ID}, suggested(k.similar(lin, "flickering monitor")))
	tk = k.do(super, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "A monitor"}})
	require.Equal(t, []string{"monitor"}, k.similar(lin, "flickering monitor")[0].Words)
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReopen})
	require.Empty(t, k.similar(lin, "flickering monitor"))
}

func TestKnownProblemsComeInPages(t *testing.T) {
	k := newKit(t)
	var want []string
	for i := range 120 {
		title := strings.Repeat("x", i+1)
		k.publish(k.solve(ada, ticket.Draft{}, "m"), title, "text")
		want = append(want, title)
		k.clock.Advance(time.Second)
	}
	slices.Reverse(want)
	var got []string
	for _, p := range all(t, k.desk.KnownProblems(t.Context(), bob)) {
		got = append(got, p.Title)
	}
	require.Equal(t, want, got)
}
