package ticket_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestServingNothingIsNotServingAll(t *testing.T) {
	var none []string
	a := ticket.Agent("a", 1).Serving(none...)
	require.False(t, a.ServesQueue("hr"))
	require.False(t, a.ServesQueue(""))
	require.True(t, ticket.Agent("a", 1).ServesQueue("hr"))
	require.True(t, ticket.Agent("a", 1).Serving("hr").ServesQueue(""))
}

func TestServingNothing(t *testing.T) {
	k := newKit(t)
	none := k.open(ada, ticket.Draft{})
	mains := k.open(ada, ticket.Draft{Queue: "mains"})
	var queues []string
	nobody := ticket.Agent("n", 1).Serving(queues...)
	b, err := json.Marshal(nobody)
	require.NoError(t, err)
	var read ticket.Actor
	require.NoError(t, json.Unmarshal(b, &read))
	copied := nobody
	copied.Queues = append([]string(nil), nobody.Queues...)
	for _, a := range []ticket.Actor{nobody, read, copied, {Role: ticket.RoleAgent, Person: ticket.Person{ID: "n"}, Levels: []int{1}, Queues: []string{}}} {
		require.False(t, a.ServesQueue(""))
		require.False(t, a.ServesQueue("mains"))
		for _, tk := range []ticket.Ticket{none, mains} {
			_, err := k.desk.Get(t.Context(), a, tk.ID)
			require.ErrorIs(t, err, ticket.ErrNotFound)
		}
		p, err := k.desk.List(t.Context(), a, ticket.Query{})
		require.NoError(t, err)
		require.Empty(t, p.Tickets)
		counts, err := k.desk.Counts(t.Context(), a)
		require.NoError(t, err)
		require.Empty(t, counts)
	}
	_, err = k.desk.Get(t.Context(), ticket.Agent("n", 1).Serving("x\x00"), none.ID)
	require.ErrorIs(t, err, ticket.ErrInvalid)
}
