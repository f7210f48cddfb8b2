package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// askingAfter makes a desk ask for feedback, with links for it.
func askingAfter(after time.Duration, change ...func(*ticket.Feedback)) func(*ticket.Config) {
	return func(c *ticket.Config) {
		withLinks(1)(c)
		c.StatusLinks.URL = func(_, token string) string { return "https://desk.example.org/" + token }
		c.StatusLinks.Reply, c.StatusLinks.Upload = true, true
		c.Feedback.After = after
		for _, f := range change {
			f(&c.Feedback)
		}
	}
}

func everyTime(f *ticket.Feedback) { f.Every = -1 }

// confirmed opens a ticket that is solved by an agent and closed by its requester.
func (k *kit) confirmed(a ticket.Actor, d ticket.Draft) ticket.Ticket {
	k.Helper()
	tk := k.open(a, d)
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	return k.do(a, tk, ticket.Action{Name: ticket.ActionConfirm})
}

// asks reports how often somebody is asked for feedback by the time that passes now.
func (k *kit) asks(after time.Duration) int {
	k.Helper()
	k.clock.Advance(after)
	_, err := k.desk.FireTimers(k.Context())
	require.NoError(k, err)
	return len(k.told(ticket.KindFeedback))
}

// lastNote returns the note of a ticket's last event.
func (k *kit) lastNote(t ticket.Ticket) string {
	k.Helper()
	events := k.events(cron, t)
	return string(events[len(events)-1].Note)
}

func (k *kit) rate(a ticket.Actor, t ticket.Ticket, score int, words ...ticket.Message) (ticket.Ticket, error) {
	k.Helper()
	r := ticket.Rating{Score: score}
	if len(words) > 0 {
		r.Message = words[0]
	}
	return k.desk.Rate(k.Context(), a, t.ID, r)
}

func tokenIn(n ticket.Notification) string {
	return strings.TrimPrefix(n.StatusLink, "https://desk.example.org/")
}

func TestTheRequesterIsAskedOnceSomeTimeAfterTheTicketWasClosed(t *testing.T) {
	k := newKit(t, askingAfter(day, everyTime))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	require.Zero(t, k.asks(2*day), "only solved")
	k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	closed := k.get(tk)
	require.Equal(t, closed.Closed.Add(day), closed.FeedbackDue)
	require.Zero(t, k.asks(day-time.Second))

	k.clock.Advance(time.Second)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	told := k.told(ticket.KindFeedback, ticket.KindRated)
	require.Len(t, told, 1)
	require.Equal(t, ticket.RoleRequester, told[0].To.Role)
	require.Equal(t, "ada@example.org", told[0].To.Person.Email)
	require.Equal(t, ticket.PhaseClosed, told[0].Phase)
	asked := k.get(tk)
	require.Equal(t, k.clock.Now(), asked.FeedbackAsked)
	require.True(t, asked.FeedbackDue.IsZero())
	require.Equal(t, closed.Touched, asked.Touched)
	require.Zero(t, k.asks(100*day))

	k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
	again := k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	again = k.do(lin, again, ticket.Action{Name: ticket.ActionClose})
	require.True(t, again.FeedbackDue.IsZero())
	require.Zero(t, k.asks(100*day), "once for each ticket")
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
}

func TestTheTimeBeginsAgainWhenTheTicketIsReopened(t *testing.T) {
	k := newKit(t, askingAfter(3*day))
	tk := k.confirmed(ada, ticket.Draft{})
	require.Zero(t, k.asks(2*day))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
	require.True(t, k.get(tk).FeedbackDue.IsZero())
	require.Zero(t, k.asks(2*day))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	require.Zero(t, k.asks(2*day))
	require.Equal(t, 1, k.asks(day))
}

func TestAZeroConfigAsksNobodyAndTakesNoRating(t *testing.T) {
	k := newKit(t)
	tk := k.confirmed(ada, ticket.Draft{})
	require.True(t, k.get(tk).FeedbackDue.IsZero())
	require.Zero(t, k.asks(100*day))
	require.NotContains(t, k.view(ada, tk.ID.String()).Actions, ticket.ActionRate)
	_, err := k.rate(ada, tk, 5)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	require.ErrorContains(t, err, "config.feedback.after")

	for _, f := range []ticket.Feedback{{After: -1}, {Every: time.Hour}, {Ask: func(context.Context, ticket.Ticket) (bool, error) { return true, nil }}} {
		_, err := ticket.NewDesk(memstore.New(), ticket.Config{Feedback: f})
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	// A desk that no longer asks takes back what it meant to ask.
	asking := newKitOn(t, k.store, askingAfter(day), func(c *ticket.Config) { c.NewID, c.Numbers.New = ticket.NewID, nil })
	later := asking.confirmed(bob, ticket.Draft{})
	require.False(t, k.get(later).FeedbackDue.IsZero())
	k.clock.Set(asking.clock.Now())
	require.Zero(t, k.asks(2*day))
	require.Contains(t, k.lastNote(later), "this desk asks nobody")
}

func TestTicketsThatNobodyIsAskedAbout(t *testing.T) {
	resolve := ticket.Action{Name: ticket.ActionResolve, Message: "Done."}
	for name, c := range map[string]struct {
		make func(k *kit) ticket.Ticket
		why  string // in the note of the last event; empty: it was never planned
	}{
		"cancelled by an agent": {func(k *kit) ticket.Ticket {
			return k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionCancel, Reason: "spam"})
		}, ""},
		"cancelled by its requester": {func(k *kit) ticket.Ticket {
			return k.do(ada, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionCancel})
		}, ""},
		"merged": {func(k *kit) ticket.Ticket {
			tk := k.open(ada, ticket.Draft{})
			k.merge(tk, k.open(ada, ticket.Draft{}))
			return tk
		}, ""},
		"opened by a machine": {func(k *kit) ticket.Ticket {
			tk := k.open(cron, ticket.Draft{Requester: ada.Person, Automatic: true})
			tk = k.do(lin, tk, resolve)
			return k.do(lin, tk, ticket.Action{Name: ticket.ActionClose})
		}, "a machine opened"},
		"solved by a machine": {func(k *kit) ticket.Ticket {
			tk := k.do(cron, k.open(ada, ticket.Draft{}), resolve)
			return k.do(lin, tk, ticket.Action{Name: ticket.ActionClose})
		}, "a machine ended"},
		"solved by a person first, and by a machine then": {func(k *kit) ticket.Ticket {
			tk := k.do(lin, k.open(ada, ticket.Draft{}), resolve)
			tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "no"})
			tk = k.do(cron, tk, resolve)
			return k.do(lin, tk, ticket.Action{Name: ticket.ActionClose})
		}, "a machine ended"},
		"erased": {func(k *kit) ticket.Ticket {
			tk := k.confirmed(ada, ticket.Draft{Message: "my card is 1234"})
			k.erase(ticket.Erasure{Ticket: tk.ID, Event: 1})
			return tk
		}, "was erased"},
		"without its requester": {func(k *kit) ticket.Ticket {
			tk := k.confirmed(ada, ticket.Draft{})
			k.erase(ticket.Erasure{Person: ada.Person})
			return tk
		}, "was erased"},
		"archived": {func(k *kit) ticket.Ticket {
			tk := k.confirmed(ada, ticket.Draft{})
			return k.put(tk, ticket.Event{Action: ticket.ActionArchive, Set: ticket.Patch{Stage: new(ticket.StageArchived)}})
		}, "put away"},
		"that the application leaves out": {func(k *kit) ticket.Ticket {
			return k.confirmed(ada, ticket.Draft{Subject: "leave out"})
		}, "Ask has refused"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, askingAfter(day, func(f *ticket.Feedback) {
				f.Ask = func(_ context.Context, t ticket.Ticket) (bool, error) { return t.Subject != "leave out", nil }
			}), machinesResolve)
			tk := c.make(k)
			require.Equal(t, c.why == "", k.get(tk).FeedbackDue.IsZero())
			require.Zero(t, k.asks(100*day))
			after := k.get(tk)
			require.True(t, after.FeedbackDue.IsZero())
			require.True(t, after.FeedbackAsked.IsZero())
			if c.why != "" {
				require.Contains(t, k.lastNote(tk), c.why)
			}
			require.Zero(t, k.asks(100*day))
			require.Equal(t, after.Version, k.get(tk).Version, "it is decided once")
			require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
		})
	}
}

// machinesResolve lets systems resolve tickets.
func machinesResolve(c *ticket.Config) {
	spec := ticket.DefaultWorkflow()
	for i := range spec.Transitions {
		if tr := &spec.Transitions[i]; tr.Action == ticket.ActionResolve {
			tr.By |= ticket.RoleAgent | ticket.RoleSystem
		}
	}
	c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)}
}

// put commits an event of the desk that no call of this package makes.
func (k *kit) put(t ticket.Ticket, e ticket.Event) ticket.Ticket {
	k.Helper()
	t = k.get(t)
	e.Ticket, e.Seq, e.At, e.By = t.ID, t.Version+1, k.clock.Now(), ticket.By{Role: ticket.RoleSystem}
	e.From, e.To, e.Phase = t.State(), t.State(), t.Phase
	ticket.Chain{}.Seal(t.Digest, &e)
	c := ticket.Change{Expect: t.Version, Ticket: ticket.Apply(t, e), Events: []ticket.Event{e}}
	require.NoError(k, k.store.Commit(k.Context(), ticket.Commit{Changes: []ticket.Change{c}}))
	return c.Ticket
}

// Tickets that the desk's own timer closes, and those that are opened by a system for a
// person, are asked about.
func TestPeopleAreAskedAboutTicketsThatATimerClosed(t *testing.T) {
	k := newKit(t, askingAfter(day))
	tk := k.open(cron, ticket.Draft{Requester: ada.Person})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	require.Zero(t, k.asks(confirmWindow))
	require.Equal(t, ticket.StatusClosed, k.get(tk).Status)
	require.Equal(t, 1, k.asks(day))
}

func TestAPersonIsAskedAtMostOnceInAWhile(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		asked [3]int // after one, 15 and 31 days
	}{
		"30 days":  {0, [3]int{1, 0, 1}},
		"10 days":  {10 * day, [3]int{1, 1, 1}},
		"no limit": {-1, [3]int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, askingAfter(time.Hour, func(f *ticket.Feedback) { f.Every = c.every }))
			var last ticket.Ticket
			for i, wait := range []time.Duration{0, 14 * day, 16*day + time.Hour} {
				k.clock.Advance(wait)
				last = k.confirmed(ada, ticket.Draft{})
				require.Equal(t, c.asked[i], k.asks(time.Hour), i)
				if c.asked[i] == 0 {
					require.Contains(t, k.lastNote(last), "asked less than 720h0m0s ago")
				}
			}
			k.confirmed(bob, ticket.Draft{})
			require.Equal(t, 1, k.asks(time.Hour), "another person")
		})
	}
}

// Two processes ask a person about two tickets in the same moment: only one letter is sent,
// in whatever order the two are attempted.
func TestTwoTicketsAtTheSameTimeAskOnce(t *testing.T) {
	for _, batch := range []int{1, 2} {
		k := newKit(t, askingAfter(time.Hour, everyTime))
		k.confirmed(ada, ticket.Draft{})
		k.confirmed(ada, ticket.Draft{})
		k.deliver()
		k.clock.Advance(2 * time.Hour)
		_, err := k.desk.FireTimers(t.Context()) // without a limit, as if each process had not seen the other's
		require.NoError(t, err)
		waiting := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindFeedback}})
		require.Len(t, waiting, 2)

		// The limit holds at the attempt.
		other := newKitOn(t, k.store, askingAfter(time.Hour), func(c *ticket.Config) { c.Relay.Batch = batch })
		other.clock.Set(k.clock.Now())
		got := len(other.told(ticket.KindFeedback)) // of two at the same time, one waits to see how the other ends
		other.clock.Advance(time.Hour)
		require.Equal(t, 1, got+len(other.told(ticket.KindFeedback)))
		states := map[ticket.DeliveryState]int{}
		for _, d := range k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindFeedback}}) {
			states[d.State]++
			if d.State == ticket.DeliverySuppressed {
				require.Contains(t, d.LastError, "asked about another ticket")
			}
		}
		require.Equal(t, map[ticket.DeliveryState]int{ticket.DeliverySent: 1, ticket.DeliverySuppressed: 1}, states)
	}
}

// What happens between the question and the attempt to send it.
func TestAQuestionThatIsNoLongerRightIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		then func(k *kit, tk ticket.Ticket)
		why  string
	}{
		"reopened": {func(k *kit, tk ticket.Ticket) {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
		}, "not closed any more"},
		"rated": {func(k *kit, tk ticket.Ticket) {
			_, err := k.rate(ada, tk, 5)
			require.NoError(k, err)
		}, "rated already"},
		"archived": {func(k *kit, tk ticket.Ticket) {
			k.put(tk, ticket.Event{Action: ticket.ActionArchive, Set: ticket.Patch{Stage: new(ticket.StageArchived)}})
		}, "put away"},
		"erased": {func(k *kit, tk ticket.Ticket) { k.erase(ticket.Erasure{Ticket: tk.ID, Event: 1}) }, "was erased"},
		"another requester": {func(k *kit, tk ticket.Ticket) {
			k.edit(tk, ticket.Edits{Requester: bob.Person, Follow: []ticket.Person{ada.Person}})
		}, "not the requester any more"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, askingAfter(day))
			tk := k.confirmed(ada, ticket.Draft{Message: "help"})
			k.deliver()
			k.clock.Advance(day)
			_, err := k.desk.FireTimers(t.Context())
			require.NoError(t, err)
			require.False(t, k.get(tk).FeedbackAsked.IsZero())
			c.then(k, tk)
			require.Empty(t, k.told(ticket.KindFeedback))
			d := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindFeedback}})
			require.Len(t, d, 1)
			require.Equal(t, ticket.DeliverySuppressed, d[0].State)
			require.Contains(t, d[0].LastError, c.why)
		})
	}
}

func TestAFailingAskIsTriedAgain(t *testing.T) {
	var fail error
	k := newKit(t, askingAfter(day, func(f *ticket.Feedback) {
		f.Ask = func(context.Context, ticket.Ticket) (bool, error) {
			if fail != nil {
				panic(fail)
			}
			return true, nil
		}
	}))
	tk := k.confirmed(ada, ticket.Draft{})
	fail = errors.New("directory is down")
	k.clock.Advance(day)
	_, err := k.desk.FireTimers(t.Context())
	require.ErrorContains(t, err, "Config.Feedback.Ask panicked: directory is down")
	require.False(t, k.get(tk).FeedbackDue.IsZero())
	fail = nil
	require.Equal(t, 1, k.asks(time.Hour))
}

func TestWhoRates(t *testing.T) {
	k := newKit(t, askingAfter(day))
	done := k.confirmed(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	eve := ticket.Requester(ticket.Person{ID: "c9", Email: "eve@example.org"})
	for name, c := range map[string]struct {
		actor ticket.Actor
		want  error
	}{
		"an agent":       {lin, ticket.ErrRefused},
		"a system":       {cron, ticket.ErrRefused},
		"a follower":     {bob, ticket.ErrRefused},
		"a stranger":     {eve, ticket.ErrNotFound},
		"another tenant": {ada.InTenant("south"), ticket.ErrNotFound},
		"nobody":         {ticket.Actor{}, ticket.ErrInvalid},
	} {
		_, err := k.rate(c.actor, done, 5)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, done.Version, k.get(done).Version, name)
	}
	for _, score := range []int{-1, 0, 6, 100} {
		_, err := k.rate(ada, done, score)
		require.ErrorIs(t, err, ticket.ErrInvalid)
		require.ErrorContains(t, err, "rating.score must be 1 to 5")
	}
	_, err := k.rate(ada, done, 5, ticket.Message(strings.Repeat("x", 1<<20)))
	require.ErrorIs(t, err, ticket.ErrInvalid)

	refusal := func(tk ticket.Ticket) string {
		_, err := k.rate(ada, tk, 5)
		refused, ok := errors.AsType[*ticket.RefusedError](err)
		require.True(t, ok, "%v", err)
		require.NotContains(t, k.view(ada, tk.ID.String()).Actions, ticket.ActionRate)
		return refused.Why
	}
	require.Equal(t, "state", refusal(k.open(ada, ticket.Draft{})))
	require.Equal(t, "state", refusal(k.do(ada, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionCancel})))
	archived := k.confirmed(ada, ticket.Draft{})
	k.put(archived, ticket.Event{Action: ticket.ActionArchive, Set: ticket.Patch{Stage: new(ticket.StageArchived)}})
	require.Equal(t, "state", refusal(archived))

	solved := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	require.Contains(t, k.view(ada, solved.ID.String()).Actions, ticket.ActionRate)
	got, err := k.rate(ada, solved, 1)
	require.NoError(t, err, "solved is enough")
	require.Equal(t, 1, got.Score)
	require.Equal(t, "rated", refusal(solved), "once")
	k.do(lin, solved, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
	k.do(lin, solved, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	require.Equal(t, "rated", refusal(solved))
	k.do(ada, solved, ticket.Action{Name: ticket.ActionConfirm})
	require.True(t, k.get(solved).FeedbackDue.IsZero(), "who has rated is not asked")
}

// A policy can keep customers from rating.
func TestThePolicyIsAskedAboutRatings(t *testing.T) {
	k := newKit(t, askingAfter(day), func(c *ticket.Config) { c.Policy = noRatings{} })
	tk := k.confirmed(ada, ticket.Draft{})
	_, err := k.rate(ada, tk, 5)
	require.ErrorIs(t, err, errNoRatings)
	require.NotContains(t, k.view(ada, tk.ID.String()).Actions, ticket.ActionRate)
}

var errNoRatings = errors.New("no ratings")

type noRatings struct{ ticket.DefaultPolicy }

func (noRatings) MayDo(_ ticket.Actor, _ ticket.Ticket, action ticket.ActionName) error {
	if action == ticket.ActionRate {
		return errNoRatings
	}
	return nil
}

// A workflow with an action of the same name keeps it.
func TestAWorkflowMayHaveItsOwnRate(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	spec.Transitions = append(spec.Transitions, ticket.Transition{Action: ticket.ActionRate, From: []ticket.Status{ticket.StatusClosed}, By: ticket.RoleRequester, Needs: ticket.Inputs{Message: true}})
	k := newKit(t, askingAfter(day), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)} })
	tk := k.confirmed(ada, ticket.Draft{})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionRate, Message: "Ten points!"})
	require.Zero(t, k.get(tk).Score)
	v := k.view(ada, tk.ID.String())
	require.Equal(t, 1, strings.Count(fmt.Sprint(v.Actions), "rate"))
	got, err := k.rate(ada, tk, 5)
	require.NoError(t, err)
	require.Equal(t, 5, got.Score)
}

// A rating is an event, and changes nothing else.
func TestARatingMovesNothing(t *testing.T) {
	k := clockKit(t, gold(t, func(s *sla.Spec) {
		p := &s.Policies[0]
		p.Targets = append(p.Targets, sla.Target{Metric: sla.MetricNextAnswer, Within: time.Hour}, sla.Target{Metric: sla.MetricUpdate, Within: time.Hour})
	}), askingAfter(day))
	tk := k.open(miller, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	before := k.get(tk)
	require.False(t, before.Timer.IsZero())
	k.told()
	k.clock.Advance(time.Hour)
	shown, err := k.desk.Rate(t.Context(), miller, tk.ID, ticket.Rating{Score: 2, Message: "Too slow.", Channel: ticket.ChannelWeb})
	require.NoError(t, err)
	require.Equal(t, 2, shown.Score)

	after := k.get(tk)
	require.Equal(t, 2, after.Score)
	require.Equal(t, k.clock.Now(), after.Rated)
	events := k.events(super, tk)
	e := events[len(events)-1]
	require.Equal(t, ticket.ActionRate, e.Action)
	require.Equal(t, ticket.Message("Too slow."), e.Feedback)
	require.Equal(t, ticket.ChannelWeb, e.Channel)
	require.Equal(t, ticket.By{Role: ticket.RoleRequester}, e.By)
	require.Equal(t, miller.Person, e.Actor)
	require.Equal(t, ticket.Patch{Score: 2}, e.Set, "no clock, no timer")
	require.Empty(t, e.Message)
	require.False(t, e.Answer)
	want := before
	want.Score, want.Rated, want.Touched, want.Version, want.Digest = 2, after.Rated, after.Touched, after.Version, after.Digest
	require.Equal(t, asJSON(t, want), asJSON(t, after))

	told := k.told(append(ticket.Kinds(ticket.RoleCustomer|ticket.RoleAgent), ticket.KindEvent)...)
	require.Len(t, told, 1, "the agent who has it, and nobody else")
	require.Equal(t, ticket.KindRated, told[0].Kind)
	require.Equal(t, "lin", told[0].To.Person.ID)
	require.Equal(t, 2, told[0].Score)
	require.Equal(t, ticket.Message("Too slow."), told[0].Message)
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))

	// The words are the desk's: no customer is shown them.
	for _, a := range []ticket.Actor{miller, bob} {
		require.NotContains(t, asJSON(t, k.events(a, tk)), "Too slow")
		v := k.view(a, tk.ID.String())
		require.NotContains(t, asJSON(t, v), "Too slow")
		own := 0
		if a.Person.ID == miller.Person.ID {
			own = 2
		}
		require.Equal(t, own, v.Score)
		got, err := k.desk.Get(t.Context(), a, tk.ID)
		require.NoError(t, err)
		require.Equal(t, own, got.Score)
		require.Equal(t, own == 0, got.Rated.IsZero())
	}
	// If the words are erased, they still ask for nothing.
	report, err := k.desk.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Event: e.Seq, Reason: "request"})
	require.NoError(t, err)
	require.Len(t, report.Tickets, 1)
	require.NotContains(t, k.stored(tk), "Too slow")
	require.Equal(t, 2, k.get(tk).Score)
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
	timeline := asJSON(t, k.get(tk).Clocks)
	_, err = k.desk.RefreshClocks(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, timeline, asJSON(t, k.get(tk).Clocks))
}

func TestWhoIsToldOfARating(t *testing.T) {
	for _, c := range []struct {
		score int
		taken bool
		told  string
	}{{1, true, "lin"}, {2, false, "queue:"}, {3, true, ""}, {5, false, ""}} {
		k := newKit(t, askingAfter(day), machinesResolve)
		tk := k.open(ada, ticket.Draft{Queue: "hardware"})
		if c.taken {
			tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
		}
		tk = k.do(cron, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
		_, err := k.rate(ada, tk, c.score)
		require.NoError(t, err)
		told := k.told(ticket.KindRated)
		if c.told == "" {
			require.Empty(t, told)
			continue
		}
		require.Len(t, told, 1)
		require.Equal(t, c.taken, told[0].To.Person.ID == c.told)
		require.Equal(t, !c.taken, told[0].To.Queue == "hardware")
		require.Equal(t, c.score, told[0].Score)
		require.Empty(t, told[0].Message)
	}
}

func TestARepeatWithTheSameKeyIsTheSameRating(t *testing.T) {
	k := newKit(t, askingAfter(day))
	tk := k.confirmed(ada, ticket.Draft{})
	r := ticket.Rating{Score: 4, Message: "Fine.", Key: "form 7"}
	first, err := k.desk.Rate(t.Context(), ada, tk.ID, r)
	require.NoError(t, err)
	again, err := k.desk.Rate(t.Context(), ada, tk.ID, r)
	require.NoError(t, err)
	require.Equal(t, first, again)
	r.Score = 1
	_, err = k.desk.Rate(t.Context(), ada, tk.ID, r)
	require.ErrorIs(t, err, ticket.ErrDuplicate)
}

// Links with every scope: each allows what it was made for, and a look at the ticket.
func TestScopesOfStatusLinks(t *testing.T) {
	for scope := range 8 {
		r := ticket.StatusLinkRequest{Reply: scope&1 != 0, Upload: scope&2 != 0, Rate: scope&4 != 0}
		t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
			k := newKit(t, askingAfter(day))
			tk := k.confirmed(ada, ticket.Draft{})
			h := ticket.StatusLinkHolder(k.link(ada, tk, r))
			version := k.get(tk).Version
			v := k.view(h, "")
			_, _, err := k.desk.Messages(t.Context(), h, "", "")
			require.NoError(t, err)
			require.Equal(t, version, k.get(tk).Version, "to look changes nothing")
			var want []ticket.ActionName
			if r.Rate {
				want = append(want, ticket.ActionRate)
			}
			if r.Reply || r.Upload {
				want = append(want, ticket.ActionReply)
			}
			require.Equal(t, want, v.Actions)

			why := func(allowed bool) string {
				if allowed {
					return ""
				}
				return "link"
			}
			_, err = k.rate(h, tk, 3)
			require.Equal(t, why(r.Rate), refusal(t, err))
			require.Equal(t, r.Rate, k.view(h, "").Score == 3)
			_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReopen})
			require.Equal(t, "link", refusal(t, err))
			_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Hello."})
			require.Equal(t, why(r.Reply), refusal(t, err))
			_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a"}}})
			require.Equal(t, why(r.Upload), refusal(t, err))
		})
	}
}

// The link of the question lets its holder rate, and nothing else.
func TestTheLinkOfTheQuestion(t *testing.T) {
	k := newKit(t, askingAfter(day))
	tk := k.confirmed(ada, ticket.Draft{})
	other := k.open(ada, ticket.Draft{})
	others := k.told(ticket.KindClosed, ticket.KindSolved)
	require.NotEmpty(t, others)
	for _, n := range others {
		_, err := k.rate(ticket.StatusLinkHolder(tokenIn(n)), tk, 5)
		require.ErrorIs(t, err, ticket.ErrRefused, "the link of another notification")
	}
	k.clock.Advance(day)
	_, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	told := k.told(ticket.KindFeedback)
	require.Len(t, told, 1)
	link := tokenIn(told[0])
	h := ticket.StatusLinkHolder(link)
	require.Equal(t, []ticket.ActionName{ticket.ActionRate}, k.view(h, "").Actions)
	_, err = k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Hello."})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.rate(h, other, 5)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	for i := range link {
		b := []byte(link)
		b[i] = "0123456789abcdefghjkmnpqrstvwxyz"[(strings.IndexByte("0123456789abcdefghjkmnpqrstvwxyz", b[i])+1)%32]
		_, err = k.rate(ticket.StatusLinkHolder(string(b)), tk, 5)
		require.ErrorIs(t, err, ticket.ErrStatusLink, i)
	}
	_, err = k.rate(h.InTenant("south"), tk, 5)
	require.ErrorIs(t, err, ticket.ErrStatusLink)
	require.Zero(t, k.get(tk).Score)

	late := newKitOn(t, k.store, askingAfter(day))
	late.clock.Set(k.clock.Now().Add(90*day + time.Second))
	_, err = late.rate(h, tk, 5)
	require.ErrorIs(t, err, ticket.ErrStatusLink, "expired")

	got, err := k.rate(h, tk, 5, "Thank you "+ticket.Message(link))
	require.NoError(t, err)
	require.Equal(t, 5, got.Score)
	require.True(t, got.Requester.IsZero())
	require.Equal(t, 5, k.view(h, "").Score)
	require.Empty(t, k.view(h, "").Actions)
	_, err = k.rate(h, tk, 1)
	require.ErrorIs(t, err, ticket.ErrRefused)
	events := k.events(super, tk)
	require.Equal(t, ada.Person, events[len(events)-1].Actor)
}

func TestARevokedLinkDoesNotRate(t *testing.T) {
	k := newKit(t, askingAfter(day))
	tk := k.confirmed(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	h := ticket.StatusLinkHolder(k.link(cron, tk, ticket.StatusLinkRequest{Rate: true}))
	for _, c := range []struct {
		actor ticket.Actor
		r     ticket.StatusLinkRequest
		want  error
	}{
		{lin, ticket.StatusLinkRequest{Rate: true}, ticket.ErrRefused},
		{bob, ticket.StatusLinkRequest{Rate: true}, ticket.ErrInvalid},
		{cron, ticket.StatusLinkRequest{Rate: true, For: bob.Person}, ticket.ErrInvalid},
	} {
		_, err := k.desk.StatusLink(t.Context(), c.actor, tk.ID, c.r)
		require.ErrorIs(t, err, c.want)
	}
	_, err := k.desk.RevokeStatusLinks(t.Context(), lin, tk.ID)
	require.NoError(t, err)
	_, err = k.rate(h, tk, 5)
	require.ErrorIs(t, err, ticket.ErrStatusLink)

	// Somebody who is not the requester any more has no say, even as a follower.
	h = ticket.StatusLinkHolder(k.link(cron, tk, ticket.StatusLinkRequest{Rate: true}))
	k.edit(tk, ticket.Edits{Requester: bob.Person, Unfollow: []ticket.Person{bob.Person}, Follow: []ticket.Person{ada.Person}})
	_, err = k.rate(h, tk, 5)
	require.ErrorIs(t, err, ticket.ErrRefused)
	require.Zero(t, k.get(tk).Score)
}

// The rating of a merged ticket goes to the ticket that it was merged into, which is the one
// that is asked about.
func TestARatingFollowsAMerge(t *testing.T) {
	k := newKit(t, askingAfter(day))
	from, into := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	third := k.open(bob, ticket.Draft{Requester: bob.Person, Followers: []ticket.Person{ada.Person}})
	h := ticket.StatusLinkHolder(k.link(ada, from, ticket.StatusLinkRequest{Rate: true}))
	k.merge(from, into)
	k.do(lin, into, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	k.do(ada, into, ticket.Action{Name: ticket.ActionConfirm})
	require.Equal(t, 1, k.asks(day), "once for both")
	v := k.view(h, "")
	require.Equal(t, into.ID, v.ID)
	require.Equal(t, []ticket.ActionName{ticket.ActionRate}, v.Actions)
	_, err := k.rate(h, third, 5)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	got, err := k.rate(h, from, 4)
	require.NoError(t, err)
	require.Equal(t, into.ID, got.ID)
	require.Equal(t, 4, k.get(into).Score)
	require.Zero(t, k.get(from).Score)
	_, err = k.rate(ada, from, 4)
	require.ErrorIs(t, err, ticket.ErrRefused, "once")

	// In another person's ticket she is a follower, and has no say.
	k2 := newKit(t, askingAfter(day))
	dana, finn := inOrg("c11", "mill"), inOrg("c12", "mill")
	from, into = k2.open(dana, ticket.Draft{}), k2.open(finn, ticket.Draft{})
	h = ticket.StatusLinkHolder(k2.link(dana, from, ticket.StatusLinkRequest{Rate: true}))
	k2.merge(from, into)
	k2.do(lin, into, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	for _, a := range []ticket.Actor{h, dana} {
		_, err = k2.rate(a, from, 1)
		require.ErrorIs(t, err, ticket.ErrRefused)
	}
	_, err = k2.rate(finn, into, 5)
	require.NoError(t, err)
}

// The desk asks again about a ticket that was merged away and came back closed.
func TestAMergeTakesBackTheQuestion(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	for i := range spec.Transitions {
		if tr := &spec.Transitions[i]; tr.Action == ticket.ActionMerge {
			tr.From = append(slices.Clone(tr.From), ticket.StatusClosed)
		}
	}
	k := newKit(t, askingAfter(day), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)} })
	from, into := k.confirmed(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.merge(from, into)
	require.True(t, k.get(from).FeedbackDue.IsZero())
	require.Zero(t, k.asks(2*day))
	k.unmerge(from)
	require.Equal(t, ticket.PhaseClosed, k.get(from).Phase)
	require.Zero(t, k.asks(day-time.Minute))
	require.Equal(t, 1, k.asks(time.Minute))
}

func TestSendLimitsHoldForQuestions(t *testing.T) {
	k := newKit(t, askingAfter(time.Minute), func(c *ticket.Config) { c.SendLimits.PerTicket = 2 })
	k.confirmed(ada, ticket.Draft{})
	require.Zero(t, k.asks(time.Minute), "the cap is full")
	require.Equal(t, 1, k.asks(2*time.Hour), "it waits for room")
}

// Random actors rate a random ticket at random times. Only its requester succeeds, once, and
// only when the ticket is done.
func TestOnlyTheRequesterRatesOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	k := newKit(t, askingAfter(time.Hour, everyTime))
	people := []ticket.Actor{ada, bob, inOrg("c3", "mill"), inOrg("c4", "mill"), lin, super, cron}
	var tickets []ticket.Ticket
	for range 12 {
		tickets = append(tickets, k.open(people[r.IntN(4)], ticket.Draft{Message: "help", Followers: []ticket.Person{people[r.IntN(4)].Person}}))
	}
	rated := map[ticket.ID]int{}
	succeeded := 0
	for range 3000 {
		k.clock.Advance(time.Duration(r.IntN(30)) * time.Minute)
		tk := tickets[r.IntN(len(tickets))]
		a := people[r.IntN(len(people))]
		if r.IntN(2) == 0 {
			k.act(r, people, tickets)
			continue
		}
		if a.Role == ticket.RoleRequester && r.IntN(2) == 0 {
			token, err := k.desk.StatusLink(t.Context(), a, tk.ID, ticket.StatusLinkRequest{Rate: r.IntN(3) > 0})
			if err != nil {
				continue
			}
			a = ticket.StatusLinkHolder(token)
		}
		version := k.get(tk).Version
		score := r.IntN(7)
		got, err := k.rate(a, tk, score, "words")
		if err != nil {
			require.Equal(t, version, k.get(tk).Version)
			continue
		}
		succeeded++
		after := k.get(got)
		events := k.events(cron, got)
		e := events[len(events)-1]
		require.Equal(t, ticket.ActionRate, e.Action)
		require.Equal(t, ticket.RoleRequester, e.By.Role)
		require.True(t, e.Actor.Same(after.Requester))
		require.True(t, after.Phase.Done())
		require.NotEqual(t, ticket.StatusCancelled, after.Status)
		require.True(t, after.MergedInto.IsZero())
		require.Equal(t, score, after.Score)
		require.Zero(t, rated[got.ID])
		rated[got.ID] = score
	}
	require.Positive(t, succeeded)
	asked := map[ticket.ID]int{}
	for _, n := range k.told(ticket.KindFeedback) {
		asked[n.Ticket]++
		require.Equal(t, ticket.RoleRequester, n.To.Role)
	}
	for _, tk := range tickets {
		require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
		require.Equal(t, rated[tk.ID], k.get(tk).Score)
		require.LessOrEqual(t, asked[tk.ID], 1)
	}
}

// Four processes run at the same time, and all of them stop for a week in between. Everyone
// is asked exactly once.
func TestManyProcessesAskOnceAndCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sent := memstore.New(), tickettest.NewRecorder()
		var desks []*ticket.Desk
		for range 4 {
			cfg := ticket.Config{Notifiers: map[string]ticket.Notifier{"": sent}, Logger: slog.New(slog.DiscardHandler)}
			askingAfter(2 * day)(&cfg)
			cfg.Relay.Poll = 20 * time.Second
			desk, err := ticket.NewDesk(store, cfg)
			require.NoError(t, err)
			desks = append(desks, desk)
		}
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			var wg sync.WaitGroup
			for _, desk := range desks {
				wg.Go(func() { require.ErrorIs(t, desk.Run(ctx), context.DeadlineExceeded) })
			}
			wg.Wait()
		}
		const n = 20
		customer := func(i int) ticket.Actor {
			return ticket.Requester(ticket.Person{ID: fmt.Sprint("c", i), Email: fmt.Sprintf("c%d@example.org", i)})
		}
		closing := func(from, to int) {
			for i := from; i < to; i++ {
				for range 2 { // two tickets each: only one is asked about
					tk, err := desks[0].Open(t.Context(), customer(i), ticket.Draft{Subject: "s"})
					require.NoError(t, err)
					_, err = desks[1].Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
					require.NoError(t, err)
					_, err = desks[2].Do(t.Context(), customer(i), tk.ID, ticket.Action{Name: ticket.ActionConfirm})
					require.NoError(t, err)
				}
			}
		}
		asked := func() map[string]int {
			m := map[string]int{}
			for _, n := range sent.Sent() {
				if n.Kind == ticket.KindFeedback {
					m[n.To.Person.ID]++
				}
			}
			return m
		}
		closing(0, n/2)
		run(day)
		closing(n/2, n)
		require.Empty(t, asked())
		run(day + time.Minute)
		require.Len(t, asked(), n/2)
		time.Sleep(7 * day)
		run(time.Hour)
		require.Len(t, asked(), n)
		for id, times := range asked() {
			require.Equal(t, 1, times, id)
		}
	})
}
