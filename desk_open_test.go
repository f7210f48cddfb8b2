package ticket_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestATicketIsOpenedAndSolvedInOneCommit(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Subject: "Where is the scanner?", Solution: "Room 2.14"})
	require.Equal(t, ticket.StatusResolved, tk.Status)
	require.Equal(t, "first contact", tk.Resolution)
	require.EqualValues(t, 2, tk.Version)
	require.Equal(t, tk.Created, tk.FirstAnswered)
	require.Equal(t, "lin", tk.Assignee)
	v, err := k.desk.Track(t.Context(), ada, string(tk.Number))
	require.NoError(t, err)
	require.Len(t, v.Messages, 1)
	require.True(t, v.Messages[0].FromDesk)

	_, err = k.desk.Open(t.Context(), agentMax, ticket.Draft{Requester: ada.Person, Subject: "x", Solution: "y"})
	require.ErrorIs(t, err, ticket.ErrRefused, "level 1 is not max's to answer at")
	_, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Solution: "y"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestNumbersThatCollideAreDrawnAgain(t *testing.T) {
	n := uint64(0)
	k := newKit(t, func(c *ticket.Config) {
		c.Numbers.New = func(context.Context, string) (ticket.Number, error) { n++; return ticket.NumberOf(n / 3), nil } // each number twice or more
	})
	a, b := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	require.NotEqual(t, a.Number, b.Number)
}

func TestTheRequesterIsTheActorAndNotTheDraftsPerson(t *testing.T) {
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
