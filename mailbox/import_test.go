package mailbox

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Because of an old mail nobody is written to, whatever it does: neither its sender nor the people
// of the ticket, nor the agents. The same mails that are new notify all of them.
func TestAnImportNotifiesNobody(t *testing.T) {
	for name, old := range map[string]bool{"old": true, "new": false} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take", func(c *Config, _ *ticket.Config) { c.Mailboxes[0].FollowCc = true })
			tk := k.open()
			_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
			require.NoError(t, err)
			_, err = k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{{Email: "bob@example.net"}}}})
			require.NoError(t, err)
			k.deliver()
			k.sent.Reset()
			rows := k.outbox()
			for _, mail := range []string{
				"From: ada@example.com\nCc: carol@example.net\nTo: support@example.org\nSubject: New\n\nHello.\n",                                  // a ticket
				"From: ada@example.com\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is the printer on the left.\n",                                        // a reply
				"From: bob@example.net\nTo: <{SIGNED}>\nSubject: Re: x\n\nMine, too.\n",                                                            // a follower's
				"From: eve@example.net\nTo: <{SIGNED}>\nSubject: Re: x\n\nI am somebody else.\n",                                                   // a note
				"From: eve@example.net\nTo: support@example.org\nSubject: [{NUMBER}]\n\nHello.\n",                                                  // a related ticket
				lins("{AGENT_REPLY}", "r", "\nWe have changed the toner.\n"),                                                                       // an agent's answer
				lins("{AGENT_NOTE}", "n", "\nShe has called.\n"),                                                                                   // an agent's note
				strings.ReplaceAll(string(k.raw("28-dsn-delayed")), "\r\n", "\n"),                                                                  // a note of a report
				"From: Lin <lin@example.org>\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.org\nSubject: Hi\n\nHello.\n", // as a customer
			} {
				m, err := k.in.Take(t.Context(), "support", bytes.NewReader(k.filled([]byte(mail))), Envelope{Old: old})
				require.NoError(t, err)
				k.drain()
				list, err := k.store.Mails(t.Context(), ticket.MailQuery{IDs: []ticket.ID{m.ID}, Limit: 1})
				require.NoError(t, err)
				require.Equal(t, ticket.MailDone, list[0].State, list[0].Reason)
			}
			k.deliver()
			if old {
				require.Empty(t, k.sent.Sent())
				require.Equal(t, rows, k.outbox(), "no rows in the outbox")
				return
			}
			require.NotEmpty(t, k.sent.Sent())
			k.sent.RequireSent(t, ticket.KindReceived, "ada@example.com")
			require.Greater(t, k.outbox(), rows)
		})
	}
}

// outbox returns the number of deliveries.
func (k *kit) outbox() int {
	k.t.Helper()
	page, err := k.desk.Deliveries(k.t.Context(), desk, ticket.DeliveryQuery{Limit: 1000})
	require.NoError(k.t, err)
	return len(page.Deliveries)
}
