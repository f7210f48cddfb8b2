package ticket_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// A key gives no more to read than the request got the first time.
func TestARepeatReadsWhatTheActorMaySee(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			front, hr := ticket.Agent("lin", 1).Serving("front"), ticket.Agent("kim", 1).Serving("hr")
			tk := k.open(ada, ticket.Draft{Queue: "front"})
			act := ticket.Action{Name: ticket.ActionHandOver, Queue: "hr", Key: "k1"}
			first, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			k.do(hr, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
				Subject: "Salary", Fields: ticket.Fields{"salary": int64(91000)}, AddTags: []string{"dismissal"},
			}})
			again, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			require.True(t, first.Equal(again), "as it was then: %+v", again)

			// Who may still see it gets it as it is now.
			k.do(hr, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "lin"})
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
	act := ticket.Action{Name: ticket.ActionReply, Message: "m", Key: "k"}
	k.do(bob, tk, act)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "Secret", Unfollow: []ticket.Person{bob.Person}}})
	again, err := k.desk.Do(t.Context(), bob, tk.ID, act)
	require.NoError(t, err)
	require.NotEqual(t, "Secret", again.Subject)
}

// beaten is a store whose commits lose to another with the same key, of which then
// nothing can be read.
type beaten struct {
	ticket.Store
	lost bool
}

func (s *beaten) Commit(context.Context, ticket.Commit) error {
	s.lost = true
	return &ticket.DuplicateError{What: "key"}
}

func (s *beaten) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.lost {
		return ticket.Receipt{}, context.DeadlineExceeded
	}
	return s.Store.Receipt(ctx, tenant, key)
}

// Where it could not be read what a key was used for, that is the error, and not that
// it was used: perhaps it was this very request.
func TestAKeyOfWhichNothingCanBeRead(t *testing.T) {
	k := newKitOn(t, &beaten{Store: memstore.New()})
	_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Key: "k"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ticket.ErrDuplicate)
}
