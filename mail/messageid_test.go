package mail_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// Replies and bounced letters name their ticket and their delivery.
func TestRepliesAndBouncesNameTheirTicketAndDelivery(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(nil)
	clock := tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, m))
	require.NoError(t, err)
	ops := ticket.System("ops")
	tk, err := desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Requester: ticket.Person{Email: "ada@example.org"}, Subject: "S", Solution: "x"})
	require.NoError(t, err)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	letters := s.got()
	require.Len(t, letters, 2)
	last := parse(t, letters[1].data)
	field := func(name string) string { return "<" + strings.Join(last.ids(t, name), "> <") + ">" }
	page, err := desk.Deliveries(t.Context(), ops, ticket.DeliveryQuery{Ticket: tk.ID, Kind: []ticket.Kind{ticket.KindSolved}})
	require.NoError(t, err)
	row := page.Deliveries[0]
	require.Equal(t, m.MessageID(row.ID), field("Message-Id"))

	many := ""
	for range 500 {
		many += m.MessageID(ticket.NewID(clock.Now()))
	}
	reply := field("References") + "\r\n " + field("Message-Id")
	for name, c := range map[string]struct {
		fields   []string
		delivery bool
		ticket   bool
	}{
		"In-Reply-To":               {[]string{field("Message-Id")}, true, true},
		"References":                {[]string{reply}, true, true},
		"both":                      {[]string{field("Message-Id"), reply}, true, true},
		"another letter in between": {[]string{reply + " <abc@mail.example>"}, true, true},
		"only that of the ticket":   {[]string{m.MessageID(tk.ID)}, false, true},
		"in capitals":               {[]string{strings.ToUpper(field("Message-Id"))}, true, true},
		"of another domain":         {[]string{"<" + row.ID.String() + "@other.example>"}, false, false},
		"of nothing":                {[]string{m.MessageID(ticket.NewID(clock.Now()))}, false, false},
		"none":                      {nil, false, false},
		"behind many others":        {[]string{strings.Repeat("<a@b>", 10_000) + field("Message-Id")}, true, true},
		"behind a broken one":       {[]string{"<a@b " + field("Message-Id")}, true, true},
		"among many of the desk":    {[]string{m.MessageID(tk.ID), many, field("Message-Id"), many}, false, true},
		"and answered last":         {[]string{m.MessageID(tk.ID), many, field("Message-Id")}, true, true},
		"nonsense":                  {[]string{"<", "><", "<<>>", "hello", row.ID.String() + "@example.org>", "<" + row.ID.String() + "@example.org"}, false, false},
	} {
		got, err := m.Delivery(t.Context(), desk, ops, c.fields...)
		if c.delivery {
			require.NoError(t, err, name)
			require.Equal(t, row.ID, got.ID, name)
		} else {
			require.ErrorIs(t, err, ticket.ErrNotFound, name)
		}
		about, err := m.Ticket(t.Context(), desk, ops, c.fields...)
		if c.ticket {
			require.NoError(t, err, name)
			require.Equal(t, tk.ID, about.ID, name)
		} else {
			require.ErrorIs(t, err, ticket.ErrNotFound, name)
		}
	}
	_, err = m.Delivery(t.Context(), desk, ticket.Requester(ticket.Person{Email: "ada@example.org"}), field("Message-Id"))
	require.ErrorIs(t, err, ticket.ErrRefused)

	// A bounce is recorded.
	require.NoError(t, desk.Bounced(t.Context(), ops, row.ID, "550 5.1.1 no such user"))
}
