package ticket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// A key gives no more to read than the request got the first time.
func TestARepeatReadsWhatTheActorMaySee(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			front, hr := ticket.Agent("lin", 1).Serving("front"), ticket.Agent("kim", 1).Serving("hr")
			tk := k.open(ada, ticket.Draft{Queue: "front"})
			act := ticket.Action{Name: ticket.HandOver, Queue: "hr", Key: "k1"}
			first, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			k.do(hr, tk, ticket.Action{Name: ticket.Edit, Edit: &ticket.Edits{
				Subject: "Salary", Fields: ticket.Fields{"salary": int64(91000)}, AddTags: []string{"dismissal"},
			}})
			again, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			require.True(t, first.Equal(again), "as it was then: %+v", again)

			// Who may still see it gets it as it is now.
			k.do(hr, tk, ticket.Action{Name: ticket.Assign, Assignee: "lin"})
			again, err = k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			require.Equal(t, "Salary", again.Subject)
		})
	}
}

// A customer who was taken off a ticket reads nothing of what came since.
func TestARepeatByWhoIsConcernedNoLonger(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	act := ticket.Action{Name: ticket.Reply, Message: "m", Key: "k"}
	k.do(bob, tk, act)
	k.do(lin, tk, ticket.Action{Name: ticket.Edit, Edit: &ticket.Edits{Subject: "Secret", Unfollow: []ticket.Person{bob.Person}}})
	again, err := k.desk.Do(t.Context(), bob, tk.ID, act)
	require.NoError(t, err)
	require.NotEqual(t, "Secret", again.Subject)
}
