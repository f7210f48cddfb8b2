package ticket_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

func TestAsOfShowsTheTicketAtATime(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	for version, status := range map[int64]ticket.Status{1: ticket.StatusNew, 2: ticket.StatusOpen, 3: ticket.StatusQueued} {
		past, err := k.desk.AtVersion(t.Context(), lin, tk.ID, version)
		require.NoError(t, err)
		require.Equal(t, status, past.Status)
		past, err = k.desk.AsOf(t.Context(), lin, tk.ID, tickettest.Start.Add(time.Duration(version-1)*time.Minute+time.Second))
		require.NoError(t, err)
		require.Equal(t, status, past.Status)
	}
	_, err := k.desk.AsOf(t.Context(), lin, tk.ID, tickettest.Start.Add(-1))
	require.ErrorIs(t, err, ticket.ErrNotFound)
	for _, v := range []int64{0, -1, 4} {
		_, err = k.desk.AtVersion(t.Context(), lin, tk.ID, v)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
}

// tampered is a store that returns altered events or tickets.
type tampered struct {
	ticket.Store
	event  func(*ticket.Event)
	ticket func(*ticket.Ticket)
	drop   int
}

func (s *tampered) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	events, err := s.Store.Events(ctx, tenant, id, after, limit)
	if s.event != nil {
		s.event(&events[1])
	}
	return events[:len(events)-s.drop], err
}

func (s *tampered) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	t, err := s.Store.Ticket(ctx, tenant, id)
	if s.ticket != nil {
		s.ticket(&t)
	}
	return t, err
}

func TestVerifyFindsATamperedHistory(t *testing.T) {
	s := &tampered{Store: memstore.New()}
	k := newKitOn(t, s, func(c *ticket.Config) { c.ChainKey = []byte("0123456789abcdef0123456789abcdef") })
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
	fault := func(want string, seq int64) {
		t.Helper()
		err := k.desk.Verify(t.Context(), lin, tk.ID)
		var data *ticket.ChainError
		require.ErrorAs(t, err, &data)
		require.ErrorIs(t, err, ticket.ErrChain)
		require.Equal(t, want, data.Fault)
		require.Equal(t, seq, data.Seq)
		*s = tampered{Store: s.Store}
	}
	s.event = func(e *ticket.Event) { e.By.ID = "eve" }
	fault("altered", 2)
	s.drop = 1 // the chain alone would not notice
	fault("removed", 3)
	s.ticket = func(t *ticket.Ticket) { t.Assignee = "eve" }
	fault("altered", 3)

	other := newKitOn(t, s)
	require.ErrorIs(t, other.desk.Verify(t.Context(), lin, tk.ID), ticket.ErrChain, "the key is not the same")
}

// An imported history may hold types that a desk does not accept. The digest
// covers them as well.
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

// exports is a store whose export is replaced.
type exports struct {
	ticket.Store
	export iter.Seq2[[]ticket.Event, error]
}

func (e exports) Export(context.Context, ticket.ID) iter.Seq2[[]ticket.Event, error] { return e.export }

func TestHistoriesYieldsTheTicketsOfTheTenant(t *testing.T) {
	k := newKit(t)
	one, two := k.open(ada, ticket.Draft{}), k.open(bob, ticket.Draft{})
	other := k.open(cron.InTenant("other"), ticket.Draft{Requester: ticket.Person{ID: "c9"}})
	k.do(lin, one, ticket.Action{Name: ticket.ActionTake})
	tickets := func(after ticket.ID) (ids []ticket.ID) {
		for history, err := range k.desk.Histories(t.Context(), cron, after) {
			require.NoError(t, err)
			got, err := ticket.Replay(history)
			require.NoError(t, err)
			require.Equal(t, k.get(got), got)
			k.do(super, got, ticket.Action{Name: ticket.ActionNote, Note: "read"}) // the loop may call the desk
			ids = append(ids, got.ID)
		}
		return ids
	}
	require.Equal(t, []ticket.ID{one.ID, two.ID}, tickets(ticket.ID{}))
	require.Equal(t, []ticket.ID{two.ID}, tickets(one.ID))
	require.Empty(t, tickets(two.ID))
	for history, err := range k.desk.Histories(t.Context(), cron.InTenant("other"), ticket.ID{}) {
		require.NoError(t, err)
		require.Equal(t, other.ID, history[0].Ticket)
	}
}

func TestHistoriesAreForSystemsAndStoresThatCan(t *testing.T) {
	k := newKit(t)
	k.open(ada, ticket.Draft{})
	fails := func(d *ticket.Desk, a ticket.Actor, want error) {
		t.Helper()
		n := 0
		for history, err := range d.Histories(t.Context(), a, ticket.ID{}) {
			n++
			require.ErrorIs(t, err, want)
			require.Empty(t, history)
		}
		require.Equal(t, 1, n)
	}
	fails(k.desk, ada, ticket.ErrRefused)
	fails(k.desk, super, ticket.ErrRefused)
	fails(k.desk, ticket.Actor{}, ticket.ErrInvalid)
	fails(newKitOn(t, plain{memstore.New()}).desk, cron, errors.ErrUnsupported)
	cannot := exports{memstore.New(), func(yield func([]ticket.Event, error) bool) { yield(nil, errors.ErrUnsupported) }}
	fails(newKitOn(t, cannot).desk, cron, errors.ErrUnsupported)
	fails(newKitOn(t, exports{memstore.New(), func(yield func([]ticket.Event, error) bool) { yield(nil, context.Canceled) }}).desk, cron, context.Canceled)
}
