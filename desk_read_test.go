package ticket_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestACustomerListsOnlyItsOwnTickets(t *testing.T) {
	k := newKit(t)
	var want []ticket.ID
	for i := range 120 {
		tk := k.open(ada, ticket.Draft{Subject: fmt.Sprint(i)})
		want = append(want, tk.ID)
		k.open(bob, ticket.Draft{})
		k.clock.Advance(time.Second)
	}
	var got []ticket.ID
	for tk, err := range k.desk.Tickets(t.Context(), ada, ticket.Query{Limit: 7}) {
		require.NoError(t, err)
		got = append(got, tk.ID)
	}
	require.Equal(t, want, got)
	for _, q := range []ticket.Query{{Queue: []string{"x"}}, {Assignee: []string{"x"}}, {Tags: []string{"x"}}, {Fields: ticket.Fields{"x": 1}}, {Participant: bob.Person},
		{DueBefore: k.clock.Now()}, {Order: ticket.OrderSoonestDue}, {Metric: "solution"}, {Missed: true}, {NotSnoozed: true}} {
		_, err := k.desk.List(t.Context(), ada, q)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	n := 0
	for _, err := range k.desk.Tickets(t.Context(), lin, ticket.Query{Status: []ticket.Status{ticket.StatusNew}, Limit: 100}) {
		require.NoError(t, err)
		if n++; n == 150 {
			break // an iterator can be left at any time
		}
	}
	_, err := k.desk.List(t.Context(), lin, ticket.Query{After: "nonsense"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	page, err := k.desk.List(t.Context(), lin, ticket.Query{Fields: ticket.Fields{"n": 1}})
	require.NoError(t, err)
	require.Empty(t, page.Tickets)
}

// The clocks are written to the store as the desk writes them.
func TestTicketsAreListedByTheirTargets(t *testing.T) {
	k := newKit(t)
	promise := func(tk ticket.Ticket, clocks ...ticket.Clock) ticket.Ticket {
		e := ticket.Event{
			Ticket: tk.ID, Seq: tk.Version + 1, At: k.clock.Now(), Action: ticket.ActionClock, By: ticket.By{Role: ticket.RoleSystem},
			From: tk.State(), To: tk.State(), Phase: tk.Phase, Set: ticket.Patch{Clocks: clocks},
		}
		ticket.Chain{}.Seal(tk.Digest, &e)
		c := ticket.Change{Expect: tk.Version, Ticket: ticket.Apply(tk, e), Events: []ticket.Event{e}}
		require.NoError(t, k.store.Commit(t.Context(), ticket.Commit{Changes: []ticket.Change{c}}))
		return c.Ticket
	}
	target := func(metric, state string, hours int) ticket.Clock {
		return ticket.Clock{Metric: metric, Event: 1, State: state, Due: k.clock.Now().Add(time.Duration(hours) * time.Hour)}
	}
	list := func(q ticket.Query) (ids []ticket.ID) {
		for tk, err := range k.desk.Tickets(t.Context(), lin, q) {
			require.NoError(t, err)
			ids = append(ids, tk.ID)
		}
		return ids
	}
	none := k.open(ada, ticket.Draft{})
	resolved := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	resolved = promise(resolved, target("solution", "met", 1))
	late := promise(k.open(ada, ticket.Draft{}), target("first answer", "running", 4), target("solution", "running", 5))
	early := promise(k.open(ada, ticket.Draft{}), target("solution", "running", 3))
	require.False(t, resolved.Timer.IsZero(), "a timer is no target")

	require.Equal(t, []ticket.ID{early.ID, late.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue, Limit: 1}))
	require.Equal(t, []ticket.ID{late.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue, Metric: "first answer"}))
	require.Equal(t, []ticket.ID{early.ID}, list(ticket.Query{DueBefore: late.Due("")}))
	require.Equal(t, []ticket.ID{early.ID}, list(ticket.Query{DueBefore: late.Due("solution"), Metric: "solution"}))
	require.Equal(t, []ticket.ID{none.ID, late.ID, early.ID}, list(ticket.Query{Phase: ticket.OpenPhases()}))
	for _, p := range append(ticket.OpenPhases(), ticket.PhaseSolved, ticket.PhaseClosed) {
		require.Equal(t, !p.Done(), slices.Contains(ticket.OpenPhases(), p))
	}
}

func TestAMistypedNumberIsNotAnUnknownOne(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	wrong := []byte(tk.Number)
	wrong[0] = 'Z'
	_, err := k.desk.Track(t.Context(), ada, string(wrong))
	require.ErrorIs(t, err, ticket.ErrMistyped)
	_, err = k.desk.Track(t.Context(), ada, string(ticket.NumberOf(123456)))
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = k.desk.Track(t.Context(), bob, string(tk.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound, "knowing a number is not being allowed")
}
