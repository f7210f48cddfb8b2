package ticket_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func withLinkURL(c *ticket.Config) {
	c.StatusLinks.URL = func(_, token string) string { return "https://help.example.org/t/" + token }
	c.StatusLinks.Reply = true
}

func TestALinkIsSentToTheMailboxOfItsPerson(t *testing.T) {
	k := newKit(t, withLinks(1), withLinkURL)
	tk := k.open(ada, ticket.Draft{Message: "help", Followers: []ticket.Person{bob.Person}})
	k.deliver()
	k.clock.Advance(100 * 24 * time.Hour) // the link of the confirmation has expired

	send := func(to ticket.Person) error { return k.desk.SendStatusLink(t.Context(), cron, tk.ID, to) }
	links := func() []ticket.Notification { return k.told(ticket.KindLink) } // since it was last called
	require.NoError(t, send(ticket.Person{Email: "ADA@example.org"}))
	sent := links()
	require.Len(t, sent, 1)
	require.Equal(t, "ada@example.org", sent[0].To.Person.Email)
	token := sent[0].StatusLink[len("https://help.example.org/t/"):]
	v, err := k.track(ticket.StatusLinkHolder(token), "")
	require.NoError(t, err)
	require.Equal(t, tk.Number, v.Number)
	require.Contains(t, v.Actions, ticket.ActionReply)

	// A repeat sends nothing, and another person gets their own.
	require.NoError(t, send(ticket.Person{Email: "ada@example.org"}))
	require.NoError(t, k.desk.SendStatusLink(t.Context(), lin, tk.ID, ticket.Person{Email: "ada@example.org"}))
	require.Empty(t, links())
	require.NoError(t, send(bob.Person))
	require.Len(t, links(), 1)
	k.clock.Advance(15 * time.Minute)
	require.NoError(t, send(ticket.Person{Email: "ada@example.org"}))
	require.Len(t, links(), 1)

	// The history says who did it, and the ticket has not moved.
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
	after := k.get(tk)
	require.Equal(t, tk.Status, after.Status)
	events := k.events(cron, tk)
	require.Equal(t, ticket.ActionMakeStatusLink, events[len(events)-1].Action)

	require.ErrorIs(t, send(ticket.Person{Email: "eve@example.org"}), ticket.ErrInvalid)
	require.ErrorIs(t, send(ticket.Person{}), ticket.ErrInvalid)
	require.ErrorIs(t, k.desk.SendStatusLink(t.Context(), ada, tk.ID, ada.Person), ticket.ErrRefused)
	require.ErrorIs(t, k.desk.SendStatusLink(t.Context(), cron, ticket.NewID(k.clock.Now()), ada.Person), ticket.ErrNotFound)
	require.ErrorIs(t, k.desk.SendStatusLink(t.Context(), ticket.StatusLinkHolder(token), tk.ID, ada.Person), ticket.ErrRefused)
}

func TestADeskWithoutAddressesSendsNoLinks(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Message: "help"})
	require.ErrorIs(t, k.desk.SendStatusLink(t.Context(), cron, tk.ID, ada.Person), ticket.ErrInvalid)
}
