package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// outboxFill opens 2,000 tickets. It adds 100,000 sent rows to the outbox and the
// given number of waiting ones: for the 1,000 tickets at the end of the list, with
// one line each.
func outboxFill(b *testing.B, store *sqlstore.Store, db *sql.DB, d sqlstore.Dialect, waiting int) {
	b.Helper()
	desk, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(b, err)
	const tickets = 2000
	var ids []ticket.ID
	for range tickets {
		tk, err := desk.Open(b.Context(), failCustomer, failDraft)
		require.NoError(b, err)
		ids = append(ids, tk.ID)
	}
	exec := func(text string) {
		_, err := db.ExecContext(b.Context(), text)
		require.NoError(b, err, text)
	}
	var to ticket.Delivery
	row := func(n int, seq int64, tk ticket.ID, state string) string {
		to.ID = ticket.ID{1, 0, 0, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		return fmt.Sprintf("('%s', '', '%s', %d, 'answered', 'mail', '{\"role\":\"requester\",\"person\":{\"id\":\"c-%d\"}}', %d, %d, %s, 0, 0, '', 'w%019d')",
			to.ID, tk, seq, n%5000, planBase+int64(n), planBase+int64(n), state, n%1000)
	}
	var rows []string
	flush := func() {
		if len(rows) > 0 {
			exec("INSERT INTO ticket_outbox (id, tenant, ticket, seq, kind, via, recipient, created, due, state, settled, attempts, failures, last_error, who) VALUES " + strings.Join(rows, ", "))
			rows = rows[:0]
		}
	}
	for n := range 100_000 + waiting {
		if n < 100_000 {
			rows = append(rows, row(n, 1, ids[n%1000], fmt.Sprintf("4, %d", planBase+int64(n))))
		} else {
			rows = append(rows, row(n, 1, ids[1000+n%1000], "0, NULL"))
		}
		if len(rows) == 500 {
			flush()
		}
	}
	flush()
	if d == sqlstore.MySQL {
		exec("ANALYZE TABLE ticket_outbox, ticket_tickets, ticket_events")
	} else {
		exec("ANALYZE")
	}
}

var benchClaim = ticket.ClaimRequest{Now: time.UnixMicro(planBase).Add(time.Hour), Lease: time.Minute, Limit: 32, Notifiers: []string{"mail"}}

// The benchmark measures the calls of a relay for 32 deliveries, with 100,000 sent
// deliveries and 10,000 waiting ones, ten in a line.
func BenchmarkOutbox(b *testing.B) {
	for _, be := range []backend{modernc, mattn, pgx, mariadb} {
		b.Run(be.name, func(b *testing.B) {
			db := be.connect(b, be.dsn(b))
			store, err := sqlstore.Open(b.Context(), db, be.dialect)
			require.NoError(b, err)
			outboxFill(b, store, db, be.dialect, 10_000)
			claim := func(b *testing.B) []ticket.Delivery {
				list, err := store.Claim(b.Context(), benchClaim)
				require.NoError(b, err)
				if len(list) < 32 {
					b.StopTimer()
					_, err := db.ExecContext(b.Context(), "UPDATE ticket_outbox SET state = 0, until = NULL, settled = NULL, due = created WHERE id > '0100000000'"+
						" AND created >= "+fmt.Sprint(planBase+100_000))
					require.NoError(b, err)
					b.StartTimer()
					list, err = store.Claim(b.Context(), benchClaim)
					require.NoError(b, err)
				}
				return list
			}
			settle := func(b *testing.B, list []ticket.Delivery, o ticket.DeliveryState) {
				done := make([]ticket.Settlement, len(list))
				for i, d := range list {
					done[i] = ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: o, At: benchClaim.Now}
					if o == ticket.DeliveryPending {
						done[i].Due, done[i].Failures = benchClaim.Now.Add(time.Hour), 1
					}
				}
				require.NoError(b, store.Settle(b.Context(), done))
			}
			b.Run("claim and settle", func(b *testing.B) {
				for b.Loop() {
					settle(b, claim(b), ticket.DeliverySent)
				}
			})
			b.Run("claim and settle, failing", func(b *testing.B) {
				for b.Loop() {
					settle(b, claim(b), ticket.DeliveryPending)
				}
			})
			list := claim(b)
			b.Run("DeliveryContexts", func(b *testing.B) {
				for b.Loop() {
					_, err := store.DeliveryContexts(b.Context(), list, benchClaim.Now.Add(-time.Hour), 100)
					require.NoError(b, err)
				}
			})
			b.Run("two reads each", func(b *testing.B) {
				for b.Loop() {
					for _, d := range list {
						_, err := store.Ticket(b.Context(), d.Tenant, d.Ticket)
						require.NoError(b, err)
						_, err = store.Events(b.Context(), d.Tenant, d.Ticket, d.Seq-1, 1)
						require.NoError(b, err)
					}
				}
			})
		})
	}
}

// 100,000 deliveries are due, and almost all wait for the failed head of their line.
func BenchmarkClaimBehindFailures(b *testing.B) {
	for _, be := range []backend{modernc, pgx, mariadb} {
		b.Run(be.name, func(b *testing.B) {
			db := be.connect(b, be.dsn(b))
			store, err := sqlstore.Open(b.Context(), db, be.dialect)
			require.NoError(b, err)
			outboxFill(b, store, db, be.dialect, 100_000) // in 1,000 lines of 100
			begin := time.Now()
			failed := 0
			for {
				list, err := store.Claim(b.Context(), benchClaim)
				require.NoError(b, err)
				if len(list) == 0 {
					break
				}
				var again []ticket.Settlement
				for _, d := range list {
					again = append(again, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliveryPending, At: benchClaim.Now, Due: benchClaim.Now.Add(time.Hour), Failures: 1})
				}
				failed += len(list)
				require.NoError(b, store.Settle(context.WithoutCancel(b.Context()), again))
			}
			b.Logf("%d heads failed in %v", failed, time.Since(begin))
			for b.Loop() {
				list, err := store.Claim(b.Context(), benchClaim)
				require.NoError(b, err)
				require.Empty(b, list)
			}
		})
	}
}
