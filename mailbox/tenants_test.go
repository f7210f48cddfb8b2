package mailbox

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Two tenants on one store have each an intake, and their mailboxes the same name by mistake. A mail
// of the one never becomes a ticket of the other: it waits for its own intake.
func TestTwoTenantsWithOneMailboxName(t *testing.T) {
	tenant := func(name string) func(*Config, *ticket.Config) {
		return func(c *Config, _ *ticket.Config) {
			for i := range c.Mailboxes {
				c.Mailboxes[i].Tenant = name
			}
		}
	}
	k := newKit(t, "take", tenant("bakery"))
	cfg := k.cfg
	cfg.Desk = k.desk
	cfg.Mailboxes = append([]Mailbox(nil), k.cfg.Mailboxes...)
	tenant("mill")(&cfg, nil)
	mill, err := New(cfg)
	require.NoError(t, err)

	m, err := k.in.Take(t.Context(), "support", strings.NewReader("From: ada@example.com\r\nSubject: Bread\r\n\r\nIs it fresh?\r\n"), Envelope{})
	require.NoError(t, err)
	drain := func(in *Intake) {
		_, err := in.Drain(t.Context())
		require.NoError(t, err)
	}
	tickets := func(of string) (n int) {
		for _, err := range k.desk.Tickets(t.Context(), desk.InTenant(of), ticket.Query{}) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	drain(mill)
	require.Zero(t, tickets("mill"))
	require.Zero(t, tickets("bakery"))
	list, err := k.store.Mails(t.Context(), ticket.MailQuery{Tenant: "bakery", Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, m.ID, list[0].ID)
	require.Equal(t, ticket.MailPending, list[0].State)

	k.clock.Advance(time.Hour)
	drain(k.in)
	require.Equal(t, 1, tickets("bakery"))
	require.Zero(t, tickets("mill"))
}
