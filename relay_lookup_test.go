package ticket_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// badContext is a store that cannot read the delivery contexts of one ticket.
type badContext struct {
	ticket.Store
	bad ticket.ID
}

func (s *badContext) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	for _, row := range rows {
		if row.Ticket == s.bad {
			return nil, errors.New("an event cannot be decoded")
		}
	}
	return s.Store.(ticket.DeliveryLoader).DeliveryContexts(ctx, rows, since, most)
}

// A delivery whose context cannot be read does not hold up those claimed with it.
func TestADeliveryContextThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	s := &badContext{Store: memstore.New()}
	k := newKitOn(t, s)
	s.bad = k.open(ada, ticket.Draft{}).ID
	for range 10 {
		k.open(bob, ticket.Draft{})
	}
	_, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Len(t, k.sent.Sent(), 20)
}

// Run gives up a delivery whose context can never be read.
func TestADeliveryContextThatCannotBeReadEndsTheDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &badContext{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		cfg := ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: 20 * time.Second}}
		desk, err := ticket.NewDesk(s, cfg)
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		s.bad = tk.ID
		for range 10 {
			_, err := desk.Open(t.Context(), bob, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		time.Sleep(7 * 24 * time.Hour)
		page, err := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{Ticket: tk.ID})
		require.NoError(t, err)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, ticket.DeliveryDead, page.Deliveries[0].State)
	})
}

// answers returns the Message-IDs that the last notification to a recipient answers.
func (k *kit) answers(to ticket.Recipient) []string {
	k.Helper()
	k.deliver()
	var last *ticket.Notification
	for _, n := range k.sent.Sent() {
		if n.To.Key() == to.Key() {
			last = &n
		}
	}
	require.NotNil(k, last, "nothing was sent to %v", to)
	return last.Answers
}

// A notification answers the mails that its recipient has sent since the last one.
func TestANotificationAnswersTheMailsOfItsRecipient(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			toAda, toBob := ticket.Recipient{Role: ticket.RoleRequester, Person: ada.Person}, ticket.Recipient{Role: ticket.RoleFollower, Person: bob.Person}
			reply := func(a ticket.Actor, id string) ticket.Action {
				return ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: id}
			}
			tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}, MessageID: "ada1@example.org"})
			require.Equal(t, []string{"ada1@example.org"}, k.answers(toAda), "the confirmation")
			require.Empty(t, k.answers(toBob), "another customer's")

			k.do(ada, tk, reply(ada, "ada2@example.org"))
			k.do(bob, tk, reply(bob, "bob1@example.org"))
			require.Empty(t, k.answers(toBob), "of what Ada wrote before")
			k.do(ada, tk, reply(ada, "ada3@example.org"))
			require.Equal(t, []string{"bob1@example.org"}, k.answers(toBob))
			k.do(lin, tk, reply(lin, "lin1@example.org"))
			require.Equal(t, []string{"ada3@example.org"}, k.answers(toAda), "ada2 was before Bob's message, of which Ada was told")
			require.Empty(t, k.answers(toBob))
			k.do(lin, tk, reply(lin, ""))
			require.Empty(t, k.answers(toAda), "the last letter was the desk's")

			// The agent who answered by mail gets the thread, too.
			k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
			k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n", MessageID: "lin2@example.org"})
			k.do(bob, tk, reply(bob, "bob2@example.org"))
			require.Equal(t, []string{"lin1@example.org", "lin2@example.org"}, k.answers(ticket.Recipient{Role: ticket.RoleAgent, Person: lin.Person}))
			require.Empty(t, k.answers(toAda))
		})
	}
}

// What an agent or a system records is the requester's; a copied message is its author's.
func TestANotificationAnswersMailsThatOthersRecorded(t *testing.T) {
	k := newKit(t)
	toAda := ticket.Recipient{Person: ada.Person}
	k.open(cron, ticket.Draft{Requester: ada.Person, Message: "m", MessageID: "ada1@example.org"})
	require.Equal(t, []string{"ada1@example.org"}, k.answers(toAda))

	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.deliver() // before the other tickets: the order of letters about several is random
	k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "mine", MessageID: "bob1@example.org", Quiet: true})
	part := k.do(lin, tk, split(ticket.Draft{From: 2, Requester: bob.Person}))
	e := k.events(lin, part)[0]
	require.Equal(t, "bob1@example.org", e.MessageID)
	require.True(t, e.Quiet)
	part = k.do(lin, tk, split(ticket.Draft{From: 2, Followers: []ticket.Person{bob.Person}}))
	require.Empty(t, k.answers(toAda), "the author is another customer")
	require.Equal(t, []string{"bob1@example.org"}, k.answers(ticket.Recipient{Person: bob.Person}))
	require.Equal(t, []int64{1}, k.get(part).Mailed)

	// A system's note of somebody else's mail is nobody's.
	k.do(cron, tk, ticket.Action{Name: ticket.ActionNote, Note: "n", MessageID: "eve@example.org"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.Empty(t, k.answers(toAda))
}

// A late reply opens a follow-up ticket, whose confirmation answers it.
func TestAFollowUpKeepsTheMessageID(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{MessageID: "ada1@example.org"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	k.deliver()
	k.clock.Advance(20 * 24 * time.Hour)
	next := k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "Again.", MessageID: "ada2@example.org"})
	require.NotEqual(t, tk.ID, next.ID)
	require.Equal(t, []string{"ada2@example.org"}, k.answers(ticket.Recipient{Person: ada.Person}))
	// A second one joins it, although it could not reopen the first ticket.
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "And again.", MessageID: "ada3@example.org", Quiet: true})
	require.Equal(t, []int64{1, 2}, k.get(next).Mailed)
	require.True(t, k.events(lin, next)[1].Quiet)
}

// Erasing the person takes the Message-IDs away, and the ticket no longer counts them.
func TestAnErasedMessageIDIsNotAnswered(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{MessageID: "ada1@example.org"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}})
	k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: "bob1@example.org"})
	require.Equal(t, []int64{1, 3}, k.get(tk).Mailed)
	_, err := k.desk.Erase(t.Context(), cron, ticket.Erasure{Person: bob.Person, Reason: "request"})
	require.NoError(t, err)
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	require.Equal(t, []int64{1}, k.get(tk).Mailed)
	require.NotContains(t, asJSON(t, k.events(lin, tk)), "bob1")
	require.Contains(t, asJSON(t, k.events(lin, tk)), "ada1")
}

func TestCustomersSeeNoMessageID(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}, Message: "m", MessageID: "ada1@example.org"})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: "ada2@example.org"})
	for _, a := range []ticket.Actor{ada, bob} {
		require.NotContains(t, asJSON(t, k.events(a, tk)), "ada1@example.org")
		require.NotContains(t, asJSON(t, k.events(a, tk)), "message_id")
		got, err := k.desk.Get(t.Context(), a, tk.ID)
		require.NoError(t, err)
		require.Empty(t, got.Mailed)
	}
}
