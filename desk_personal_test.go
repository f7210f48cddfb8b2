package ticket_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func (k *kit) personal(p ticket.Person, o ticket.PersonalDataOptions) ticket.PersonalData {
	k.Helper()
	data, err := k.desk.PersonalData(k.Context(), privacy, p, o)
	require.NoError(k, err)
	return data
}

func TestPersonalData(t *testing.T) {
	k := newKit(t)
	own := k.open(ada, ticket.Draft{Subject: "Lid <b>", Message: "her words", Fields: ticket.Fields{"order": "17"}, Followers: []ticket.Person{bob.Person},
		Attachments: []ticket.Attachment{{Name: "lid.png", Ref: "secret ref"}}})
	own = k.do(lin, own, ticket.Action{Name: ticket.ActionReply, Message: "the answer"})
	own = k.do(lin, own, ticket.Action{Name: ticket.ActionNote, Note: "sounds upset"})
	own = k.do(bob, own, ticket.Action{Name: ticket.ActionReply, Message: "bob's words"})
	his := k.open(bob, ticket.Draft{Subject: "Bob's affair", Message: "bob's problem", Followers: []ticket.Person{ada.Person}})
	his = k.do(ada, his, ticket.Action{Name: ticket.ActionReply, Message: "her help"})
	his = k.do(lin, his, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{ada.Person}}})
	his = k.do(bob, his, ticket.Action{Name: ticket.ActionReply, Message: "bob's secret"})
	_ = k.open(ticket.Requester(ticket.Person{ID: "c9", Name: "Ada Byron"}), ticket.Draft{Message: "a namesake"})
	_ = k.open(ada.InTenant("b"), ticket.Draft{Message: "elsewhere"})
	k.deliver()

	data := k.personal(ada.Person, ticket.PersonalDataOptions{})
	require.Len(t, data.Tickets, 2)
	one := data.Tickets[0]
	require.Equal(t, own.Number, one.Number)
	require.Equal(t, []string{"requester", "author", "recipient"}, one.Roles)
	require.Equal(t, []ticket.Person{ada.Person}, one.Persons)
	require.Equal(t, "Lid <b>", one.Subject)
	require.Equal(t, ticket.Fields{"order": "17"}, one.Fields)
	require.Empty(t, one.Notes)
	var said []string
	for _, m := range one.Messages {
		said = append(said, m.By+": "+m.Text)
	}
	require.Equal(t, []string{"you: her words", "desk: the answer", "another customer: bob's words"}, said)
	require.Equal(t, []string{"lid.png"}, one.Messages[0].Files)
	require.NotEmpty(t, one.Deliveries)
	require.Equal(t, ticket.KindReceived, one.Deliveries[0].Kind)
	require.Equal(t, "ada@example.org", one.Deliveries[0].To)
	require.Equal(t, ticket.DeliverySent, one.Deliveries[0].State)

	two := data.Tickets[1]
	require.Equal(t, his.Number, two.Number)
	require.Empty(t, two.Subject)
	require.Len(t, two.Messages, 1, "what she may no longer read is not hers")
	require.Equal(t, "her help", two.Messages[0].Text)

	text := asJSON(t, data)
	for _, foreign := range []string{"upset", "secret", "bob@example.org", "namesake", "elsewhere"} {
		require.NotContains(t, text, foreign)
	}
	require.Contains(t, asJSON(t, k.personal(ada.Person, ticket.PersonalDataOptions{Notes: true})), "upset")

	var page strings.Builder
	require.NoError(t, data.WriteHTML(&page, nil))
	for _, want := range []string{"Lid &lt;b&gt;", "her words", "lid.png", "ada@example.org", "2026-01-05 09:00 UTC"} {
		require.Contains(t, page.String(), want)
	}
	require.NotContains(t, page.String(), "<b>&")

	// After the erasure nothing is left to tell.
	k.erase(ticket.Erasure{Person: ada.Person})
	require.Empty(t, k.personal(ada.Person, ticket.PersonalDataOptions{Notes: true}).Tickets)
}

func TestPersonalDataRefuses(t *testing.T) {
	k := newKit(t)
	_ = k.open(ada, ticket.Draft{})
	for _, a := range []ticket.Actor{ada, ticket.Actor{}} {
		_, err := k.desk.PersonalData(t.Context(), a, ada.Person, ticket.PersonalDataOptions{})
		require.Error(t, err)
	}
	_, err := k.desk.PersonalData(t.Context(), super, ada.Person, ticket.PersonalDataOptions{})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.PersonalData(t.Context(), privacy, ticket.Person{Name: "Ada"}, ticket.PersonalDataOptions{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = newKitOn(t, struct{ ticket.Store }{memstore.New()}).desk.PersonalData(t.Context(), privacy, ada.Person, ticket.PersonalDataOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A ticket that was another customer's tells its requester nothing about that customer.
func TestPersonalDataLeavesOutAnotherCustomersTime(t *testing.T) {
	k := newKit(t)
	tk := k.open(bob, ticket.Draft{Message: "bob's words", Fields: ticket.Fields{"iban": "bob's", "order": "bob's order"}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "bob's note"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ada.Person}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Fields: ticket.Fields{"order": "17"}}})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "her note"})
	one := k.personal(ada.Person, ticket.PersonalDataOptions{Notes: true}).Tickets[0]
	require.Equal(t, ticket.Fields{"order": "17"}, one.Fields)
	require.Len(t, one.Notes, 1)
	require.Equal(t, "her note", one.Notes[0].Text)
	require.NotContains(t, asJSON(t, one), "bob's")
	require.Equal(t, ticket.Fields{"iban": "bob's", "order": "17"}, k.get(tk).Fields)
}

func TestPersonalDataHasWhatCameWithARating(t *testing.T) {
	k := newKit(t, askingAfter(day))
	tk := k.confirmed(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	_, err := k.rate(ada, tk, 1, "bad words")
	require.NoError(t, err)
	messages := k.personal(ada.Person, ticket.PersonalDataOptions{}).Tickets[0].Messages
	last := messages[len(messages)-1]
	require.Equal(t, "you: bad words", last.By+": "+last.Text)
	require.NotContains(t, asJSON(t, k.personal(bob.Person, ticket.PersonalDataOptions{})), "bad words")
}

func TestWriteHTMLShowsEveryTimeInTheZone(t *testing.T) {
	when := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	data := ticket.PersonalData{At: when, Tickets: []ticket.PersonalTicket{{Created: when, Fields: ticket.Fields{"until": when}}}}
	var page strings.Builder
	require.NoError(t, data.WriteHTML(&page, time.FixedZone("CET", 3600)))
	require.Contains(t, page.String(), "<td>2026-01-05 10:00 CET</td>")
	require.NotContains(t, page.String(), "09:00")
}

func TestPersonalDataHasTheMessageIDsOfTheirMailsOnly(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "m", Followers: []ticket.Person{bob.Person}, MessageID: "ada1@mail.example.com"})
	k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", MessageID: "bob1@mail.example.com"})
	data, err := k.desk.PersonalData(t.Context(), cron, ada.Person, ticket.PersonalDataOptions{})
	require.NoError(t, err)
	require.Contains(t, asJSON(t, data), `"message_id":"ada1@mail.example.com"`)
	require.NotContains(t, asJSON(t, data), "bob1")
	var page strings.Builder
	require.NoError(t, data.WriteHTML(&page, nil))
	require.Contains(t, page.String(), "<p>Message-ID: ada1@mail.example.com</p>")
	require.NotContains(t, page.String(), "bob1")
}
