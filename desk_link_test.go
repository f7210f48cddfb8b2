package ticket_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func (k *kit) tie(a ticket.Actor, from ticket.Ticket, r ticket.Relation, to ticket.Ticket) error {
	_, err := k.desk.Do(k.Context(), a, from.ID, ticket.Action{Name: ticket.ActionLink, Relation: r, Ticket: to.ID})
	return err
}

func (k *kit) several(n int) []ticket.Ticket {
	list := make([]ticket.Ticket, n)
	for i := range list {
		list[i] = k.open(ada, ticket.Draft{})
	}
	return list
}

func TestNoTicketIsItsOwnAncestor(t *testing.T) {
	for _, r := range []ticket.Relation{ticket.RelationChildOf, ticket.RelationCausedBy, ticket.RelationFollowUpOf, ticket.RelationDuplicateOf} {
		for _, n := range []int{2, 3, 5} {
			t.Run(fmt.Sprintf("%s of %d", r, n), func(t *testing.T) {
				k := newKit(t)
				list := k.several(n)
				for i := range n - 1 {
					if i%2 == 0 {
						require.NoError(t, k.tie(super, list[i], r, list[i+1]))
					} else {
						require.NoError(t, k.tie(super, list[i+1], r.Counterpart(), list[i]))
					}
				}
				last := list[n-1]
				before := k.get(last)
				require.ErrorIs(t, k.tie(super, last, r, list[0]), ticket.ErrInvalid)
				require.ErrorIs(t, k.tie(super, list[0], r.Counterpart(), last), ticket.ErrInvalid)
				require.Equal(t, before, k.get(last))
				if n > 2 {
					require.NoError(t, k.tie(super, list[0], r, last), "once more in the same direction")
				}
				require.NoError(t, k.tie(super, last, ticket.RelationRelatedTo, list[0]))
			})
		}
	}
}

func TestHiddenAncestorsCount(t *testing.T) {
	k := newKit(t)
	front := ticket.Agent("front", 1).Serving("front")
	a, hidden, b := k.open(super, ticket.Draft{Requester: ada.Person, Queue: "front"}), k.open(super, ticket.Draft{Requester: ada.Person, Queue: "hr"}), k.open(super, ticket.Draft{Requester: ada.Person, Queue: "front"})
	require.NoError(t, k.tie(super, a, ticket.RelationChildOf, hidden))
	require.NoError(t, k.tie(super, hidden, ticket.RelationChildOf, b))
	err := k.tie(front, b, ticket.RelationChildOf, a)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	require.NotContains(t, err.Error(), string(hidden.Number))
}

func TestASplitIsNoAncestorOfItsTicket(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	part := k.do(super, tk, split(ticket.Draft{}))
	require.ErrorIs(t, k.tie(super, tk, ticket.RelationChildOf, part), ticket.ErrInvalid)
	k.merge(part, tk) // part is merged into tk, so the links of both are links of one ticket, and no circle
	require.NoError(t, k.tie(super, tk, ticket.RelationChildOf, k.open(ada, ticket.Draft{})))
}

func TestMergedTicketsAreAncestorsTogether(t *testing.T) {
	k := newKit(t)
	list := k.several(3)
	a, b, c := list[0], list[1], list[2]
	require.NoError(t, k.tie(super, a, ticket.RelationChildOf, b))
	k.merge(b, c)
	require.ErrorIs(t, k.tie(super, c, ticket.RelationChildOf, a), ticket.ErrInvalid, "a is a part of b, which goes on as c")
	k.unmerge(b)
	require.NoError(t, k.tie(super, c, ticket.RelationChildOf, a))

	list = k.several(3)
	a, b, c = list[0], list[1], list[2]
	require.NoError(t, k.tie(super, a, ticket.RelationChildOf, b))
	k.merge(a, c)
	require.ErrorIs(t, k.tie(super, b, ticket.RelationChildOf, c), ticket.ErrInvalid, "c goes on with a, a part of b")
}

func TestAMergeMakesNoCircleOfDuplicates(t *testing.T) {
	k := newKit(t)
	list := k.several(2)
	require.NoError(t, k.tie(super, list[1], ticket.RelationDuplicateOf, list[0]))
	k.refused(super, list[0], ticket.Action{Name: ticket.ActionMerge, Ticket: list[1].ID}, ticket.ErrInvalid)
	k.merge(list[1], list[0])
}

// slow is a store whose commits take time, so that concurrent callers have decided
// by then.
type slow struct{ ticket.Store }

func (s slow) Commit(ctx context.Context, c ticket.Commit) error {
	for range 50 {
		runtime.Gosched()
	}
	return s.Store.Commit(ctx, c)
}

func TestLinksAtOnceMakeNoCircle(t *testing.T) {
	k := newKitOn(t, slow{memstore.New()})
	for range 20 {
		list := k.several(4)
		require.NoError(t, k.tie(super, list[0], ticket.RelationChildOf, list[1]))
		require.NoError(t, k.tie(super, list[2], ticket.RelationChildOf, list[3]))
		var wg sync.WaitGroup
		errs := make([]error, 2)
		wg.Go(func() { errs[0] = k.tie(super, list[1], ticket.RelationChildOf, list[2]) })
		wg.Go(func() { errs[1] = k.tie(super, list[3], ticket.RelationChildOf, list[0]) })
		wg.Wait()
		require.NotEqual(t, errs[0] == nil, errs[1] == nil, "%v, %v", errs[0], errs[1])
	}
}

func TestSplitLinkAndUnlink(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Subject: "two things", Queue: "hardware", Channel: ticket.ChannelMail, Priority: ticket.GradeHigh})
	child := k.do(lin, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "the second thing", Message: "quoted"}})
	require.NotEqual(t, tk.ID, child.ID)
	require.NotEqual(t, tk.Number, child.Number)
	require.Equal(t, ada.Person, child.Requester)
	require.Equal(t, "hardware", child.Queue)
	require.Equal(t, ticket.GradeHigh, child.Priority)
	_, ok := child.LinkTo(ticket.RelationChildOf, tk.ID)
	require.True(t, ok)
	parent := k.get(tk)
	_, ok = parent.LinkTo(ticket.RelationParentOf, child.ID)
	require.True(t, ok)

	other := k.open(bob, ticket.Draft{})
	link := ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationCausedBy, Ticket: other.ID}
	k.do(lin, tk, link)
	require.ErrorIs(t, k.refusal(lin, tk, link, ticket.ErrInvalid), ticket.ErrInvalid)
	o := k.get(other)
	_, ok = o.LinkTo(ticket.RelationCauseOf, tk.ID)
	require.True(t, ok)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionUnlink, Relation: ticket.RelationCausedBy, Ticket: other.ID})
	require.Empty(t, k.get(other).Links)
	require.NoError(t, k.desk.Verify(t.Context(), lin, other.ID))
}
