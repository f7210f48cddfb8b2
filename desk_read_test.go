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
		{DueBefore: k.clock.Now()}, {Order: ticket.OrderSoonestDue}} {
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

func TestTicketsAreListedByTimer(t *testing.T) {
	k := newKit(t)
	k.open(ada, ticket.Draft{})
	resolved := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	held := k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: k.clock.Now().Add(time.Hour)})
	list := func(q ticket.Query) (ids []ticket.ID) {
		for tk, err := range k.desk.Tickets(t.Context(), lin, q) {
			require.NoError(t, err)
			ids = append(ids, tk.ID)
		}
		return ids
	}
	require.True(t, resolved.Timer.At.After(held.Timer.At))
	require.Equal(t, []ticket.ID{held.ID, resolved.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue, Limit: 1}))
	require.Equal(t, []ticket.ID{held.ID}, list(ticket.Query{DueBefore: resolved.Timer.At}))
	require.Len(t, list(ticket.Query{Phase: ticket.OpenPhases()}), 2)
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
