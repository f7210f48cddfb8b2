package ticket_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Deliveries of a clock that was ahead do not wait for the time that it showed.
func TestAClockThatWasAheadLeavesNothingWaiting(t *testing.T) {
	for name, before := range map[string]func(k *kit){
		"what is new": func(k *kit) {},
		"what failed": func(k *kit) {
			k.sent.FailWith(func(ticket.Notification) error { return errors.New("busy") })
			k.deliver()
		},
		"what is held": func(k *kit) {
			_, _ = k.store.Claim(k.Context(), ticket.ClaimRequest{Now: k.clock.Now(), Lease: time.Minute, Limit: 100, Notifiers: []string{""}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			now := k.clock.Now()
			k.open(bob, ticket.Draft{})
			k.deliver()
			k.clock.Set(now.AddDate(10, 0, 0))
			k.open(ada, ticket.Draft{})
			before(k)
			k.sent.FailWith(nil)
			k.clock.Set(now.Add(time.Minute))
			k.deliver()
			for _, d := range k.deliveries(ticket.DeliveryQuery{}) {
				require.Equal(t, ticket.DeliverySent, d.State, "due %s", d.Due)
			}
		})
	}
}

// Messages that were sent by a clock that was ahead do not fill a cap until the time
// that it showed.
func TestCapsAfterAClockThatWasAhead(t *testing.T) {
	k := newKit(t, func(cfg *ticket.Config) { cfg.SendLimits = ticket.SendLimits{PerTicket: 3, PerRecipient: 5} })
	now := k.clock.Now()
	k.clock.Set(now.AddDate(10, 0, 0))
	tk := k.open(lin, ticket.Draft{Requester: ada.Person})
	for range 2 {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	}
	k.deliver()
	k.clock.Set(now)
	reply := func() ticket.DeliveryState {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		k.deliver()
		return k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindAnswered}, Ticket: tk.ID})[0].State
	}
	for range 3 {
		require.Equal(t, ticket.DeliverySent, reply())
	}
	require.Equal(t, ticket.DeliveryPending, reply(), "the cap holds")
}

// Run brings deliveries forward when the clock was set back. Deliveries that wait
// long for a good reason keep waiting.
func TestRunBringsForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		now := k.clock.Now()
		k.sent.FailWith(func(ticket.Notification) error {
			return &ticket.DeliveryFault{Err: errors.New("busy"), RetryAfter: 24 * time.Hour}
		})
		k.open(lin, ticket.Draft{Requester: bob.Person, Solution: "x"})
		k.deliver()
		k.sent.FailWith(nil)
		ended := make(chan error)
		go func() { ended <- k.desk.Run(t.Context()) }()
		time.Sleep(5 * time.Second)
		require.Empty(t, k.sent.Sent())
		k.clock.Set(now.AddDate(10, 0, 0))
		time.Sleep(5 * time.Second)
		told := len(k.sent.Sent())
		require.Positive(t, told)
		k.sent.FailWith(func(ticket.Notification) error { return errors.New("busy") })
		k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "x"})
		time.Sleep(5 * time.Second)
		require.Len(t, k.sent.Sent(), told)
		k.sent.FailWith(nil)
		k.clock.Set(now.Add(time.Minute))
		time.Sleep(5 * time.Second)
		require.Greater(t, len(k.sent.Sent()), told)
		require.NoError(t, k.desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
	})
}

// Redrive makes deliveries that wait for their next attempt due at once.
func TestRedriveOfWaitingDeliveries(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error {
		return &ticket.DeliveryFault{Err: errors.New("no answer"), MaybeDelivered: true}
	})
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "x"})
	k.deliver()
	k.sent.FailWith(nil)
	q := ticket.DeliveryQuery{Ticket: tk.ID, State: []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryDead}}
	k.deliver()
	require.NotEmpty(t, k.deliveries(q), "they wait for an hour at least")
	n, err := k.desk.Redrive(t.Context(), super, q)
	require.NoError(t, err)
	require.Equal(t, 1, n, "the other one waits for this one only")
	k.deliver()
	require.Empty(t, k.deliveries(q))
	_, err = k.desk.Redrive(t.Context(), super, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryClaimed}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// A notification is due by the clock that was set back, and not by the later time of
// the previous event.
func TestADueDeliveryIsMadeAfterAClockWasSetBack(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.clock.Advance(24 * time.Hour) // wrong for a moment
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	k.clock.Advance(-24 * time.Hour)
	k.sent.Reset()
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.clock.Advance(time.Hour)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.org")
}
