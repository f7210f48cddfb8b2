package dbtests_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A database that the first version of the schema was filled in keeps its outbox:
// what was on its way stays so, what was given up is settled.
func TestMigrateOutbox(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		for _, statement := range migrationStatements(t, b.dialect) {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
			if strings.Contains(statement, "INSERT INTO ticket_schema") {
				break
			}
		}
		ids := map[string]ticket.ID{"pending": {1}, "claimed": {2}, "dead": {3}}
		of := ticket.ID{9}
		due := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		for name, rest := range map[string]string{"pending": "0, NULL, 0, 0, ''", "claimed": "0, 1772352000000001, 1, 0, ''", "dead": "1, NULL, 3, 3, 'mailbox full'"} {
			_, err := db.ExecContext(t.Context(), "INSERT INTO ticket_outbox (id, tenant, ticket, seq, kind, via, recipient, created, due, dead, until, attempts, failures, last_error)"+
				" VALUES ('"+ids[name].String()+"', '', '"+of.String()+"', 1, 'received', 'mail', '{\"role\":\"requester\",\"person\":{\"email\":\"ada@example.org\"}}', 1772352000000000, 1772352000000000, "+rest+")")
			require.NoError(t, err)
		}
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		fresh := b.connect(t, b.dsn(t))
		_, err = sqlstore.Open(t.Context(), fresh, b.dialect)
		require.NoError(t, err)
		if b.dialect != sqlstore.SQLite { // which shows the text of the statement that made a table
			require.Equal(t, b.shape(t, fresh), b.shape(t, db))
		}

		page, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{Ticket: of})
		require.NoError(t, err)
		want := ticket.Delivery{
			Ticket: of, Seq: 1, Kind: ticket.KindReceived, Notifier: "mail", Created: due, Due: due,
			To: ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "ada@example.org"}},
		}
		gone, claimed, pending := want, want, want
		gone.ID, gone.State, gone.Attempts, gone.Failures, gone.LastError, gone.Settled = ids["dead"], ticket.DeliveryDead, 3, 3, "mailbox full", due
		claimed.ID, claimed.State, claimed.Attempts, claimed.Until = ids["claimed"], ticket.DeliveryClaimed, 1, due.Add(time.Microsecond)
		pending.ID, pending.State = ids["pending"], ticket.DeliveryPending
		require.Equal(t, []ticket.Delivery{gone, claimed, pending}, page.Deliveries)

		// They are one line, and come one after the other.
		for _, id := range []ticket.ID{ids["pending"], ids["claimed"]} {
			list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: due.Add(time.Hour), Lease: time.Minute, Limit: 10, Notifiers: []string{"mail"}})
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, id, list[0].ID)
			require.NoError(t, s.Settle(t.Context(), []ticket.Settlement{{ID: id, Attempts: list[0].Attempts, Outcome: ticket.OutcomeDone, At: due.Add(time.Hour)}}))
		}
	})
}
