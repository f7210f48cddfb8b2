package dbtests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// The cost of a delivery context does not grow with the number of deliveries that
// the recipient was sent, about any ticket or about this one.
func TestDeliveryContextCostIsIndependentOfHistory(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		person := func(id string) ticket.Recipient {
			return ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{ID: id}}
		}
		// deliver stores deliveries to a recipient. All except for the last were
		// sent.
		deliver := func(to ticket.Recipient, many int) ticket.Delivery {
			c := opening(t, "")
			tk := c.Changes[0].Ticket
			c.Deliveries = nil
			for i := range many {
				c.Deliveries = append(c.Deliveries, ticket.Delivery{
					ID: ticket.NewID(at.Add(time.Duration(i) * time.Millisecond)), Ticket: tk.ID, Seq: int64(i + 1), Kind: ticket.KindReceived, Notifier: "mail", To: to, Created: at, Due: at, State: ticket.DeliveryPending,
				})
			}
			require.NoError(t, s.Commit(t.Context(), c))
			return c.Deliveries[many-1]
		}
		few, other := deliver(person("few"), 10), deliver(person("other"), 10)
		var many ticket.Delivery
		for range 200 {
			many = deliver(person("many"), 100)
		}
		_, err := db.ExecContext(t.Context(), "UPDATE ticket_outbox SET state = 4, settled = created")
		require.NoError(t, err)
		if b.dialect != sqlstore.MySQL {
			_, err = db.ExecContext(t.Context(), "ANALYZE")
			require.NoError(t, err)
		}
		cost := func(d ticket.Delivery, since time.Time, sent int) time.Duration {
			d.Seq++ // after all others of its line
			quickest := time.Hour
			for range 30 {
				begin := time.Now()
				contexts, err := s.DeliveryContexts(t.Context(), []ticket.Delivery{d, other}, since, 5)
				quickest = min(quickest, time.Since(begin))
				require.NoError(t, err)
				require.Equal(t, sent, contexts[0].Sent)
				require.Equal(t, sent, contexts[0].SentHere)
				require.False(t, contexts[0].Previous.IsZero())
			}
			return quickest
		}
		for since, sent := range map[time.Time]int{at.Add(-time.Hour): 5, at.Add(time.Hour): 0} {
			small, large := cost(few, since, sent), cost(many, since, sent)
			require.Less(t, large, 4*small+time.Millisecond,
				"the look-up for a recipient who was sent 20,000, %d of them lately; for one who was sent ten it takes %v", sent, small)
		}
	})
}
