package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// bare is a store without the optional interfaces, so that the desk reads everything
// one by one.
type bare struct{ ticket.Store }

// stores returns a store for each of the two ways in which the relay looks up
// contexts.
func stores() map[string]func() ticket.Store {
	return map[string]func() ticket.Store{
		"at once":    func() ticket.Store { return memstore.New() },
		"one by one": func() ticket.Store { return bare{memstore.New()} },
	}
}

func (k *kit) deliveries(q ticket.DeliveryQuery) []ticket.Delivery {
	k.Helper()
	page, err := k.desk.Deliveries(k.Context(), cron, q)
	require.NoError(k, err)
	return page.Deliveries
}

func TestCaps(t *testing.T) {
	sent, held := []ticket.DeliveryState{ticket.DeliverySent}, []ticket.DeliveryState{ticket.DeliverySuppressed}
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store(), func(c *ticket.Config) { c.SendLimits = ticket.SendLimits{PerRecipient: 5, PerTicket: 3} })
			toAda := func(state []ticket.DeliveryState) []ticket.Delivery {
				return k.deliveries(ticket.DeliveryQuery{To: ticket.Recipient{Person: ada.Person}, State: state})
			}
			tk := k.open(ada, ticket.Draft{})
			k.deliver()
			for range 4 { // receipts for her own actions
				k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a"}}})
				k.deliver()
			}
			require.Len(t, toAda(sent), 3)
			require.Len(t, toAda(held), 2)
			require.Equal(t, "not sent: more than 3 messages about this ticket to this recipient within an hour", toAda(held)[0].Report(nil))
			// The desk's message waits until there is room.
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			require.Len(t, toAda(sent), 3)
			waits := toAda([]ticket.DeliveryState{ticket.DeliveryPending})
			require.Len(t, waits, 1)
			require.Contains(t, waits[0].Report(nil), "waits, until 2026-01-05 09:15 at least: more than 3 messages")
			// Other tickets have room, up to the cap for the recipient.
			for range 4 {
				k.open(ada, ticket.Draft{})
				k.deliver()
			}
			require.Len(t, toAda(sent), 5)
			require.Len(t, k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindQueued}, State: sent}), 5, "queues have no cap")
			// Another recipient is not affected, and after an hour there is room
			// again.
			k.open(bob, ticket.Draft{})
			k.deliver()
			k.sent.RequireSent(t, ticket.KindReceived, "bob@example.org")
			k.clock.Advance(time.Hour + time.Minute)
			did, err := k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Done: 1}, did)
			k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.org")
			n, err := k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			did, err = k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
		})
	}
	free := newKit(t, func(c *ticket.Config) { c.SendLimits = ticket.SendLimits{PerRecipient: -1, PerTicket: -1} })
	for range 150 {
		free.open(ada, ticket.Draft{})
	}
	free.deliver()
	require.Empty(t, free.deliveries(ticket.DeliveryQuery{State: held}))
	_, err := ticket.NewDesk(memstore.New(), ticket.Config{SendLimits: ticket.SendLimits{PerTicket: 1001}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestABounceSuppressesTheAddress(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			k.sent.FailWith(func(n ticket.Notification) error {
				if n.To.Person.Email == "ada@example.org" {
					return fmt.Errorf("smtp: %w", &ticket.DeliveryFault{Err: errors.New("550 5.1.1 no such user"), Bounced: true})
				}
				return nil
			})
			first := k.open(ada, ticket.Draft{})
			did, err := k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Done: 1, Dead: 1}, did)
			k.sent.FailWith(nil)
			k.clock.Advance(time.Minute)
			k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
			k.open(ticket.Requester(ticket.Person{ID: "c9", Email: "ADA@example.org"}), ticket.Draft{})
			did, err = k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Done: 3, Suppressed: 2}, did, "the address, whichever person has it; not the queue, not bob")
			// The bounce has no effect in another tenant.
			k.open(ada.InTenant("acme"), ticket.Draft{})
			k.deliver()
			k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
			k.sent.Reset()

			bounced := k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryBounced}})
			require.Len(t, bounced, 1)
			require.Equal(t, first.ID, bounced[0].Ticket)
			require.Equal(t, "bounced 2026-01-05 09:00: smtp: 550 5.1.1 no such user", bounced[0].Report(nil))
			// Redriving only what was suppressed does not help, and says so.
			n, err := k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			did, err = k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Suppressed: 2}, did)
			require.Contains(t, k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})[0].LastError, bounced[0].ID.String())
			n, err = k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{})
			require.NoError(t, err)
			require.Equal(t, 3, n)
			did, err = k.desk.Deliver(t.Context())
			require.NoError(t, err)
			require.Equal(t, ticket.DeliveryCounts{Done: 3}, did)
		})
	}
}

func TestALateBounce(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	waits := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
	require.ErrorIs(t, k.desk.Bounced(t.Context(), lin, waits.ID, "r"), ticket.ErrInvalid, "it is not sent yet")
	k.deliver()
	require.ErrorIs(t, k.desk.Bounced(t.Context(), ada, waits.ID, "r"), ticket.ErrRefused)
	require.ErrorIs(t, k.desk.Bounced(t.Context(), lin.InTenant("acme"), waits.ID, "r"), ticket.ErrNotFound)
	require.ErrorIs(t, k.desk.Bounced(t.Context(), lin, tk.ID, "r"), ticket.ErrNotFound)
	for range 2 {
		require.NoError(t, k.desk.Bounced(t.Context(), lin, waits.ID, "mailbox unavailable"))
	}
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Suppressed: 1}, did)
}

func TestMachinesAreNotAnswered(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "I am out of office", Automatic: true})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1, Suppressed: 1}, did)
	require.Equal(t, "not sent: the message is automatic and is not answered", k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})[0].Report(nil))
	require.True(t, k.events(lin, tk)[0].Automatic)

	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a"}}, Automatic: true})
	did, err = k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1}, did, "the queue is told, the machine has no receipt")
	// A person's answer is sent: it is not automatic.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.org")
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
}

// Two machines that answer each other, one of them at the desk, stop: 200 rounds
// in 100 minutes send no more than the cap allows.
func TestALoopIsSlowedDown(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	answers := 0
	for range 200 {
		k.sent.Reset()
		k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "We look into it."})
		k.clock.Advance(-30 * time.Second)
		k.deliver()
		for _, n := range k.sent.Sent() {
			if n.To.Role == ticket.RoleRequester {
				answers++
				k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "I am out of office.", Automatic: true})
				k.clock.Advance(-time.Minute)
			}
		}
	}
	require.LessOrEqual(t, answers, 3*20)
	require.Greater(t, answers, 20)
}

func TestProfiles(t *testing.T) {
	down := false
	k := newKit(t, func(c *ticket.Config) {
		c.Profile = func(_ context.Context, tenant string, to ticket.Recipient, kind ticket.Kind) (ticket.Profile, error) {
			switch {
			case down:
				return ticket.Profile{}, errors.New("the directory is down")
			case to.Person.ID == "panic":
				panic("oops")
			case to.Person.ID == "c1":
				return ticket.Profile{Person: ticket.Person{Email: "new@example.org", Zone: "Europe/Berlin"}, Unwanted: kind == ticket.KindHanded}, nil
			}
			return ticket.Profile{}, nil
		}
	})
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{{ID: "panic"}}})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2, Again: 1}, did)
	n := k.sent.RequireSent(t, ticket.KindReceived, "new@example.org")
	require.Equal(t, "Ada Byron", n.To.Person.Name, "what the profile leaves open stays")
	require.Equal(t, "Europe/Berlin", n.Zone.String())
	require.Equal(t, "UTC", k.sent.RequireSent(t, ticket.KindQueued, "queue:").Zone.String())

	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	k.deliver()
	k.sent.RequireNotSent(t, ticket.KindHanded, "new@example.org")
	held := k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})
	require.Len(t, held, 1)
	require.Equal(t, "not sent: the recipient does not want this notification", held[0].Report(nil))

	// A directory that is down for a while loses nothing.
	down = true
	k.do(super, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	for range 120 {
		k.deliver()
		k.clock.Advance(time.Minute)
	}
	require.Empty(t, k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}}))
	down = false
	k.clock.Advance(time.Hour)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindAnswered, "new@example.org")
}

// A recipient who is no longer in the directory is given up after a while, or at
// once if the directory says so, and does not hold up later deliveries.
func TestAProfileThatFailsComesToAnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		hours int
		state ticket.DeliveryState
	}{
		"unmarked":     {errors.New("no such person"), 8 * 24, ticket.DeliveryDead},
		"permanent":    {&ticket.DeliveryFault{Err: errors.New("no such person"), Permanent: true}, 0, ticket.DeliveryDead},
		"as a bounce":  {&ticket.DeliveryFault{Err: errors.New("no such person"), Bounced: true}, 0, ticket.DeliveryDead}, // no address was tried
		"not for long": {errors.New("no such person"), 1, ticket.DeliveryPending},
	} {
		t.Run(name, func(t *testing.T) {
			gone := true
			k := newKit(t, func(cfg *ticket.Config) {
				cfg.Profile = func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (p ticket.Profile, err error) {
					if gone && to.Person.ID == ada.Person.ID {
						err = c.err
					}
					return p, err
				}
			})
			tk := k.open(ada, ticket.Draft{})
			k.deliver()
			for range c.hours {
				k.clock.Advance(time.Hour)
				k.deliver()
			}
			row := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
			require.Equal(t, c.state, row.State)
			require.Equal(t, "cannot resolve the recipient: no such person", row.LastError)
			if c.state == ticket.DeliveryDead { // later deliveries do not wait
				gone = false
				k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
				k.deliver()
				k.sent.RequireSent(t, ticket.KindAnswered, ada.Person.Email)
			}
		})
	}
}

func TestExtraRecipients(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(_ context.Context, t ticket.Ticket, kind ticket.Kind) ([]ticket.Recipient, error) {
			t.Fields["order"] = "changed" // a copy, so this has no effect
			return []ticket.Recipient{
				{Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin"}},
				{Role: ticket.RoleAgent, Person: ticket.Person{ID: "max"}},
				{Person: ticket.Person{Email: "ADA@example.org"}}, // a recipient already
				{Person: ticket.Person{Email: "team@example.org"}},
			}, nil
		}
	})
	tk := k.open(ada, ticket.Draft{Fields: ticket.Fields{"order": "7"}})
	k.deliver()
	require.Len(t, k.sent.Sent(), 5)
	require.Equal(t, ticket.RoleAgent, k.sent.RequireSent(t, ticket.KindReceived, "team@example.org").To.Role)
	k.sent.Reset()
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	require.Len(t, k.sent.Sent(), 3, "lin wrote it")
	require.Equal(t, ticket.RoleAgent, k.sent.RequireSent(t, ticket.KindAnswered, "max").To.Role)
	require.Equal(t, ticket.Fields{"order": "7"}, k.get(tk).Fields)
}

// Messages to an agent do not count for a customer with the same ID.
func TestCapsCountAnAgentAndACustomerOfOneIDApart(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.SendLimits = ticket.SendLimits{PerRecipient: 3} })
	cust := ticket.Requester(ticket.Person{ID: "7"})
	ag := ticket.Agent("7", 1)
	tk := k.open(bob, ticket.Draft{})
	k.do(ag, tk, ticket.Action{Name: ticket.ActionTake})
	for range 3 {
		k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	}
	k.deliver()
	k.sent.Reset()
	k.open(cust, ticket.Draft{})
	k.deliver()
	require.Empty(t, k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}}))
	k.sent.RequireSent(t, ticket.KindReceived, "7")
}

// A system that opens a ticket for automatic mail does not make the desk answer
// it.
func TestAutomaticMailThatASystemOpensIsNotConfirmed(t *testing.T) {
	k := newKit(t)
	k.open(ticket.System("mail intake"), ticket.Draft{Requester: ada.Person, Message: "out of office", Automatic: true})
	k.deliver()
	k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.org")
}

// Two customers that answer automatically do not keep each other going.
func TestTwoMachinesDoNotTalkForEver(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.deliver()
	k.sent.Reset()
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "away", Automatic: true})
	rounds := 0
	for range 300 {
		k.clock.Advance(4 * time.Minute)
		k.deliver()
		sent := k.sent.Sent()
		k.sent.Reset()
		any := false
		for _, n := range sent {
			if n.To.Role&ticket.RoleCustomer == 0 || n.Kind != ticket.KindCustomer {
				continue
			}
			who := ada
			if n.To.Person.ID == "c2" {
				who = bob
			}
			any = true
			_, err := k.desk.Do(t.Context(), who, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "away", Automatic: true})
			require.NoError(t, err)
		}
		if !any {
			break
		}
		rounds++
	}
	require.Less(t, rounds, 300, "never came to rest")
}

// A solution waits for room under the cap and is sent; it is not suppressed.
func TestTheSolutionIsSentAfterMoreReceiptsThanTheCap(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for range 25 {
		_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a"}}})
		require.NoError(t, err)
		k.deliver()
	}
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.NoError(t, err)
	k.deliver()
	k.clock.Advance(48 * time.Hour)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindSolved, "ada@example.org")
}

// A queue's mailbox that answers automatically gets no notification of the tickets
// that it opens.
func TestAQueueMailboxThatAnswersOpensTicketsOnce(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Profile = func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (p ticket.Profile, err error) {
			if to.Person.IsZero() {
				p.Person.Email = "queue@example.org"
			}
			return p, nil
		}
	})
	box := ticket.Requester(ticket.Person{Email: "queue@example.org"})
	k.open(ada, ticket.Draft{})
	rounds := 0
	for range 300 {
		k.deliver()
		sent := k.sent.Sent()
		k.sent.Reset()
		n := 0
		for _, s := range sent {
			if s.Kind == ticket.KindQueued {
				n++
			}
		}
		if n == 0 {
			break
		}
		for range n {
			k.open(box, ticket.Draft{Message: "away", Automatic: true})
		}
		rounds++
	}
	require.Less(t, rounds, 3)
}

// A quiet message is a person's: it moves the ticket, and all are told but its sender.
func TestAQuietMessageIsNotAnsweredToItsSender(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			tk := k.open(ada, ticket.Draft{Message: "m", Followers: []ticket.Person{bob.Person}, Quiet: true})
			k.deliver()
			kinds := func(p ticket.Person) (list []ticket.Kind) {
				for _, n := range k.sent.Sent() {
					if n.To.Person.Same(p) {
						list = append(list, n.Kind)
					}
				}
				return list
			}
			require.Empty(t, kinds(ada.Person))
			require.Equal(t, []ticket.Kind{ticket.KindReceived}, kinds(bob.Person))
			require.Equal(t, "not sent: the message asks for no answer",
				k.deliveries(ticket.DeliveryQuery{To: ticket.Recipient{Person: ada.Person}})[0].Report(nil))

			k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
			k.do(lin, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which?"})
			k.deliver()
			require.Equal(t, []ticket.Kind{ticket.KindAsked}, kinds(ada.Person), "the desk's own question")
			after := k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "That one.", Attachments: []ticket.Attachment{{Name: "a"}}, Quiet: true})
			require.Equal(t, ticket.StatusOpen, after.Status, "a person has answered")
			k.deliver()
			require.Equal(t, []ticket.Kind{ticket.KindAsked}, kinds(ada.Person), "no receipt for the file")
			require.Equal(t, []ticket.Kind{ticket.KindReceived, ticket.KindAsked, ticket.KindCustomer}, kinds(bob.Person))
			require.Contains(t, kinds(lin.Person), ticket.KindCustomer)
			require.True(t, k.events(lin, tk)[0].Quiet)
		})
	}
}

// A ticket that a system opens from a quiet mail is not confirmed to the requester.
func TestAQuietTicketForSomebodyIsNotConfirmed(t *testing.T) {
	k := newKit(t)
	k.open(cron, ticket.Draft{Requester: ada.Person, Message: "m", Quiet: true})
	k.deliver()
	for _, n := range k.sent.Sent() {
		require.False(t, n.To.Person.Same(ada.Person))
	}
}

// A letter that came back for another reason than its address bars nothing.
func TestALetterThatCameBackDoesNotBarItsAddress(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			tk := k.open(ada, ticket.Draft{})
			toAda := ticket.DeliveryQuery{To: ticket.Recipient{Person: ada.Person}}
			row := k.deliveries(toAda)[0]
			require.EqualError(t, k.desk.Undelivered(t.Context(), lin, row.ID, "r"), "ticket: delivery must be sent or given up: this one is pending")
			k.deliver()
			require.ErrorIs(t, k.desk.Undelivered(t.Context(), ada, row.ID, "r"), ticket.ErrRefused)
			require.ErrorIs(t, k.desk.Undelivered(t.Context(), lin.InTenant("acme"), row.ID, "r"), ticket.ErrNotFound)
			require.ErrorIs(t, k.desk.Undelivered(t.Context(), lin, tk.ID, "r"), ticket.ErrNotFound)
			require.NoError(t, k.desk.Undelivered(t.Context(), lin, row.ID, "r"))
			k.clock.Advance(time.Minute)
			require.NoError(t, k.desk.Undelivered(t.Context(), lin, row.ID, "5.7.1 refused by policy"), "a second report")
			got := k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryUndelivered}})[0]
			require.Equal(t, row.ID, got.ID)
			require.Equal(t, "came back 2026-01-05 09:01: 5.7.1 refused by policy", got.Report(nil))

			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			require.Equal(t, ticket.DeliverySent, k.deliveries(toAda)[0].State, "the next letter is sent")

			sent := len(k.sent.Sent())
			n, err := k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			k.deliver()
			require.Len(t, k.sent.Sent(), sent+1)
			require.Equal(t, row.ID, k.sent.Sent()[sent].ID)

			// A bounce is the stronger report, in either order.
			require.NoError(t, k.desk.Undelivered(t.Context(), lin, row.ID, "r"))
			require.NoError(t, k.desk.Bounced(t.Context(), lin, row.ID, "no such user"))
			require.EqualError(t, k.desk.Undelivered(t.Context(), lin, row.ID, "r"), "ticket: delivery must be sent or given up: this one is bounced")
		})
	}
}
