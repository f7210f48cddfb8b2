package ticket_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// profiles makes Config.Profile return addresses by the person's ID.
func profiles(of map[string]string) func(*ticket.Config) {
	return func(c *ticket.Config) {
		c.Profile = func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (p ticket.Profile, err error) {
			p.Person.Email = of[to.Person.ID]
			return p, nil
		}
	}
}

// toThem returns the addresses that notifications of a kind were sent to.
func (k *kit) toThem(kind ticket.Kind) (list []string) {
	for _, n := range k.sent.Sent() {
		if n.Kind == kind && n.To.Role&ticket.RoleCustomer != 0 {
			list = append(list, n.To.Person.Email)
		}
	}
	return list
}

func TestAWaitingDeliveryGoesToTheCurrentAddress(t *testing.T) {
	mila, mira := ticket.Person{ID: "c1", Email: "mila@example.org"}, ticket.Person{ID: "c1", Name: "Mira", Email: "mira@example.org"}
	busy := func(ticket.Notification) error { return errors.New("421 busy") }
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.StatusLinks.URL = func(_, token string) string { return "https://example.org/t/" + token }
	})
	tk := k.open(lin, ticket.Draft{Requester: mila, Followers: []ticket.Person{{Email: "jon@example.org"}}})
	k.deliver()
	k.sent.FailWith(busy)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "The code is 4711."})
	k.deliver()
	k.sent.Reset()
	// The address is corrected, and she becomes a follower, with another requester.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{ID: "c2", Email: "kim@example.org"}, Follow: []ticket.Person{mira}}})
	k.sent.FailWith(nil)
	k.clock.Advance(time.Hour)
	k.deliver()
	var got ticket.Notification
	for _, n := range k.sent.Sent() {
		require.NotEqual(t, mila.Email, n.To.Person.Email, "%s", n.Kind)
		if n.Kind == ticket.KindAnswered && n.To.Person.ID == "c1" {
			got = n
		}
	}
	require.Equal(t, ticket.Recipient{Role: ticket.RoleFollower, Person: mira}, got.To)
	require.NotEmpty(t, got.StatusLink)
	// So does a redriven delivery.
	k.sent.Reset()
	_, err := k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySent}, Kind: []ticket.Kind{ticket.KindReceived}, To: ticket.Recipient{Person: mila}})
	require.NoError(t, err)
	k.deliver()
	require.Equal(t, []string{mira.Email}, k.toThem(ticket.KindReceived))
	// Its row has the address that was used.
	for _, d := range k.deliveries(ticket.DeliveryQuery{To: ticket.Recipient{Person: mila}}) {
		require.Equal(t, mira.Email, d.Address)
	}
	// A person who no longer belongs to the ticket gets nothing, and the profile is
	// not asked.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{mira}}})
	k.sent.Reset()
	_, err = k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySent}, To: ticket.Recipient{Person: mila}})
	require.NoError(t, err)
	k.deliver()
	require.Empty(t, k.sent.Sent())
}

// A delivery that waits about a merged ticket goes to the address in the ticket that
// it was merged into.
func TestAWaitingDeliveryOfAMergedTicketGoesToTheCurrentAddress(t *testing.T) {
	k := newKit(t)
	tk, into := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.FailWith(func(ticket.Notification) error { return errors.New("421 busy") })
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	k.sent.FailWith(nil)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	moved := ada.Person
	moved.Email = "ada@example.com"
	k.do(lin, into, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: moved}})
	k.clock.Advance(time.Hour)
	k.sent.Reset()
	k.deliver()
	require.Equal(t, []string{moved.Email}, k.toThem(ticket.KindAnswered))
}

func TestABounceBarsTheAddressThatWasUsed(t *testing.T) {
	const gone = "gone@example.org"
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			addresses := map[string]string{"c9": gone, "c8": "Gone@EXAMPLE.org."}
			k := newKitOn(t, store(), profiles(addresses))
			var mu sync.Mutex
			tries := map[string]int{}
			k.sent.FailWith(func(n ticket.Notification) error {
				mu.Lock()
				defer mu.Unlock()
				if n.To.Role&ticket.RoleCustomer != 0 {
					tries[n.To.Person.Email]++
					if n.To.Person.Email == gone {
						return &ticket.DeliveryFault{Err: errors.New("550 5.1.1 no such user"), Bounced: true}
					}
				}
				return nil
			})
			c9, c8 := ticket.Requester(ticket.Person{ID: "c9"}), ticket.Requester(ticket.Person{ID: "c8", Email: "old@example.org"})
			tk := k.open(c9, ticket.Draft{})
			k.deliver()
			for range 3 {
				k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "Hello?"})
				k.open(c9, ticket.Draft{})                                           // another ticket
				k.open(c8, ticket.Draft{})                                           // somebody else, by a profile
				k.open(ticket.Requester(ticket.Person{Email: gone}), ticket.Draft{}) // somebody else, by the ticket
				k.deliver()
			}
			require.Equal(t, map[string]int{gone: 1}, tries, "tried once, for whomever")
			bounced := k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryBounced}})
			require.Len(t, bounced, 1)
			require.Equal(t, gone, bounced[0].Address)
			require.Equal(t, "c9", bounced[0].To.Person.ID)
			require.Equal(t, bounced, k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryBounced}, To: ticket.Recipient{Person: ticket.Person{Email: gone}}}))

			// A corrected address gets messages, even if the snapshot has the old
			// one.
			addresses["c9"], addresses["c8"] = "new@example.org", ""
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "Hello!"})
			k.open(c8, ticket.Draft{})
			k.deliver()
			require.Equal(t, 1, tries["new@example.org"])
			require.Equal(t, 1, tries["old@example.org"])

			// Redriven, it goes to the new one, and the old one is free again.
			n, err := k.desk.Redrive(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryBounced}, To: ticket.Recipient{Person: ticket.Person{Email: gone}}})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			k.deliver()
			require.Equal(t, 2, tries["new@example.org"])
			k.open(ticket.Requester(ticket.Person{Email: gone}), ticket.Draft{})
			k.deliver()
			require.Equal(t, 2, tries[gone])
		})
	}
}

// A bounce of the ticket's address is not one of the profile's address, and the
// other way round.
func TestABounceLeavesOtherAddressesOfThePersonAlone(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			addresses := map[string]string{}
			k := newKitOn(t, store(), profiles(addresses))
			who := ticket.Requester(ticket.Person{ID: "c1", Email: "one@example.org"})
			bad := "two@example.org"
			k.sent.FailWith(func(n ticket.Notification) error {
				if n.To.Person.Email == bad {
					return &ticket.DeliveryFault{Err: errors.New("550"), Bounced: true}
				}
				return nil
			})
			addresses["c1"] = bad
			k.open(who, ticket.Draft{})
			k.deliver()
			require.Empty(t, k.toThem(ticket.KindReceived))
			addresses["c1"] = ""
			k.open(who, ticket.Draft{})
			k.deliver()
			require.Equal(t, []string{"one@example.org"}, k.toThem(ticket.KindReceived))
		})
	}
}

func TestALateBounceBarsTheAddressThatWasUsed(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			addresses := map[string]string{"c1": "used@example.org"}
			k := newKitOn(t, store(), profiles(addresses))
			k.open(ada, ticket.Draft{})
			k.deliver()
			row := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})[0]
			require.Equal(t, "used@example.org", row.Address)
			require.NoError(t, k.desk.Bounced(t.Context(), cron, row.ID, "over quota"))
			k.sent.Reset()
			k.open(ada, ticket.Draft{})
			k.open(ticket.Requester(ticket.Person{Email: "USED@example.org"}), ticket.Draft{})
			k.deliver()
			require.Empty(t, k.toThem(ticket.KindReceived))
			addresses["c1"] = "" // the ticket's own did not bounce
			k.open(ada, ticket.Draft{})
			k.deliver()
			require.Equal(t, []string{ada.Person.Email}, k.toThem(ticket.KindReceived))
		})
	}
}

// Three people share a mailbox, by the profile or by a correction of the ticket.
func TestASharedMailboxIsNotifiedOnce(t *testing.T) {
	people := []ticket.Person{{ID: "a"}, {ID: "b", Email: "b@example.org"}, {ID: "c", Email: "family@müller.example"}, {ID: "d", Email: "d@example.org"}}
	shared := []string{"family@xn--mller-kva.example", "Family@Müller.example.", "", "family@MÜLLER.example"}
	for name, store := range stores() {
		t.Run("by the profile, "+name, func(t *testing.T) {
			addresses := map[string]string{}
			for i, p := range people {
				addresses[p.ID] = shared[i]
			}
			k := newKitOn(t, store(), profiles(addresses))
			tk := k.open(lin, ticket.Draft{Requester: people[0], Followers: people[1:]})
			k.deliver()
			require.Len(t, k.toThem(ticket.KindReceived), 1)
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			require.Len(t, k.toThem(ticket.KindAnswered), 1)
			held := k.deliveries(ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindAnswered}, State: []ticket.DeliveryState{ticket.DeliverySuppressed}})
			require.Len(t, held, 3)
			require.Contains(t, held[0].LastError, "this mailbox was already notified: see delivery ")

			// If the delivery to one of them fails, another one reaches the mailbox.
			var fails atomic.Int64
			k.sent.FailWith(func(ticket.Notification) error {
				if fails.Add(1) == 1 {
					return &ticket.DeliveryFault{Err: errors.New("no"), Permanent: true}
				}
				return nil
			})
			k.sent.Reset()
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			require.Len(t, k.toThem(ticket.KindAnswered), 1)
		})
		t.Run("by the ticket, "+name, func(t *testing.T) {
			k := newKitOn(t, store())
			tk := k.open(lin, ticket.Draft{Requester: people[2], Followers: people[3:]})
			k.deliver()
			k.sent.FailWith(func(ticket.Notification) error { return errors.New("421 busy") })
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			k.sent.FailWith(nil)
			k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: people[3:]}})
			k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{{ID: "d", Email: people[2].Email}}}})
			k.clock.Advance(time.Hour)
			k.sent.Reset()
			k.deliver()
			require.Len(t, k.toThem(ticket.KindAnswered), 1)
		})
	}
}

func TestWordsDoNotGoBackToTheMailboxTheyCameFrom(t *testing.T) {
	mum, dad, aunt := ticket.Person{ID: "mum", Email: "mum@example.org"}, ticket.Person{ID: "dad"}, ticket.Person{ID: "aunt", Email: "aunt@example.org"}
	for name, addresses := range map[string]map[string]string{
		"the reader has the writer's":            {"dad": "MUM@example.org."},
		"both have one that the profile gives":   {"mum": "family@example.org", "dad": "family@example.org"},
		"the writer has the reader's by profile": {"mum": "family@example.org", "dad": "Family@example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, profiles(addresses))
			tk := k.open(ticket.Requester(mum), ticket.Draft{Followers: []ticket.Person{dad, aunt}})
			k.deliver()
			require.Len(t, k.toThem(ticket.KindReceived), 2, "one for them, one for the aunt")
			k.sent.Reset()
			k.do(ticket.Requester(mum), tk, ticket.Action{Name: ticket.ActionReply, Message: "It is tight.", Attachments: []ticket.Attachment{{Name: "a"}}})
			k.deliver()
			require.Equal(t, []string{aunt.Email}, k.toThem(ticket.KindCustomer))
			require.Len(t, k.toThem(ticket.KindUploaded), 1, "the receipt")
			held := k.deliveries(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}, Kind: []ticket.Kind{ticket.KindCustomer}})
			require.Len(t, held, 1)
			require.Equal(t, "not sent: the words came from that mailbox", held[0].Report(nil))
			// An answer is for all of them.
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			require.Len(t, k.toThem(ticket.KindAnswered), 2)
		})
	}
}

// A failing Config.Profile is logged, observed and part of the delivery's report.
func TestAProfileThatFailsIsLoggedAndObserved(t *testing.T) {
	var log strings.Builder
	var observed atomic.Int64
	k := newKit(t, func(c *ticket.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Relay.Observe = func(context.Context, ticket.Delivery, ticket.Settlement) { observed.Add(1) }
		c.Profile = func(context.Context, string, ticket.Recipient, ticket.Kind) (ticket.Profile, error) { panic("always") }
	})
	k.open(ada, ticket.Draft{})
	for range 200 {
		k.clock.Advance(2 * time.Hour)
		k.deliver()
	}
	for _, d := range k.deliveries(ticket.DeliveryQuery{}) {
		require.Contains(t, d.Report(nil), "cannot resolve the recipient: Config.Profile panicked: always")
	}
	require.Positive(t, observed.Load())
	require.Contains(t, log.String(), "not delivered")
}

// A former requester does not learn the ticket's current subject.
func TestAFormerRequesterDoesNotGetTheCurrentSubject(t *testing.T) {
	k := newKit(t)
	eve := ticket.Person{ID: "eve", Email: "eve@example.org"}
	tk := k.open(lin, ticket.Draft{Requester: eve, Subject: "s"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ada.Person, Subject: "Ada's salary"}})
	k.deliver()
	for _, n := range k.sent.Sent() {
		if n.To.Person.ID == "eve" {
			require.NotContains(t, n.Subject, "salary", "%s to eve", n.Kind)
		}
	}
}

// The profile's new address gets messages after the old one bounced.
func TestANewAddressOfTheProfileIsNotBarredByTheOldOne(t *testing.T) {
	addr := "old@example.org"
	k := newKit(t, func(c *ticket.Config) {
		c.Profile = func(context.Context, string, ticket.Recipient, ticket.Kind) (ticket.Profile, error) {
			return ticket.Profile{Person: ticket.Person{Email: addr}}, nil
		}
	})
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.To.Person.Email == "old@example.org" && n.To.Role == ticket.RoleRequester {
			return &ticket.DeliveryFault{Err: errors.New("550"), Bounced: true}
		}
		return nil
	})
	who := ticket.Requester(ticket.Person{ID: "c5"})
	k.open(who, ticket.Draft{})
	k.deliver()
	addr = "new@example.org"
	k.open(who, ticket.Draft{})
	k.deliver()
	k.sent.RequireSent(t, ticket.KindReceived, "new@example.org")
}

// A follower who may not see the other ticket learns of the merge without its
// number.
func TestAFollowerWithoutAccessDoesNotGetTheTargetsNumber(t *testing.T) {
	k := newKit(t)
	vic := inOrg("vic", "vendor")
	a := k.open(inOrg("eve", "x"), ticket.Draft{Followers: []ticket.Person{vic.Person}})
	b := k.open(inOrg("kim", "x"), ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.cannotSee(vic, b)
	k.deliver()
	require.Empty(t, k.sent.RequireSent(t, ticket.KindMerged, "vic@example.org").Into)
}
