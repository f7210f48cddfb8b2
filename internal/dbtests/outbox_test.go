package dbtests_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A database with the first version of the schema keeps its outbox: deliveries on
// their way stay so, and dead ones are settled.
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
		if b.dialect != sqlstore.SQLite { // SQLite shows the text of the statement that created a table
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

		// They form one line, and are claimed one after the other.
		for _, id := range []ticket.ID{ids["pending"], ids["claimed"]} {
			list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: due.Add(time.Hour), Lease: time.Minute, Limit: 10, Notifiers: []string{"mail"}})
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, id, list[0].ID)
			require.NoError(t, s.Settle(t.Context(), []ticket.Settlement{{ID: id, Attempts: list[0].Attempts, State: ticket.DeliverySent, At: due.Add(time.Hour)}}))
		}
	})
}

// On MariaDB, settling locks only the rows it changes, because a transaction may
// hold the others.
func TestSettleLocksOnlyItsOwnRows(t *testing.T) {
	s, db := mariadb.open(t)
	for range 4 {
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	}
	claim := func(limit int) (done []ticket.Settlement) {
		list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: time.Minute, Limit: limit, Notifiers: []string{""}})
		require.NoError(t, err)
		require.Len(t, list, limit)
		for _, d := range list {
			done = append(done, ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliverySent, At: time.Now()})
		}
		return done
	}
	one, several := claim(1), claim(3)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // only to hold locks
	require.NoError(t, s.WithTx(tx).Commit(t.Context(), opening(t, "")))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, s.Settle(ctx, one))
	require.NoError(t, s.Settle(ctx, several))
}

// Relays and committers run at the same time. No deadlock reaches them.
func TestRelaysAndCommittersSeeNoDeadlock(t *testing.T) {
	s, _ := mariadb.open(t)
	for range 200 {
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range 3 {
		d := failDesk(t, s)
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := d.Open(t.Context(), failCustomer, failDraft) //nolint:contextcheck // the test's, as everywhere
				if !assert.NoError(t, err) {
					return
				}
			}
		})
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now().Add(time.Hour), Lease: 2 * time.Hour, Limit: 10, Notifiers: []string{""}}) //nolint:contextcheck // the test's, as everywhere
				if !assert.NoError(t, err) {
					return
				}
				var outcomes []ticket.Settlement
				for i, d := range list {
					o := ticket.Settlement{ID: d.ID, Attempts: d.Attempts, State: ticket.DeliverySent, At: time.Now()}
					if (n+i)%5 == 0 {
						o.State, o.Due = ticket.DeliveryPending, time.Now()
					}
					outcomes = append(outcomes, o)
				}
				if !assert.NoError(t, s.Settle(t.Context(), outcomes)) { //nolint:contextcheck // the test's, as everywhere
					return
				}
			}
		})
	}
	all.Wait()
}

// A claim whose context ends after the database has made it succeeds, and does not
// count as a failure of its deliveries.
func TestClaimMadeBeforeCancellationIsReturned(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.dsn(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		c := opening(t, "")
		require.NoError(t, store.Commit(t.Context(), c))
		d := c.Deliveries[0]
		r := ticket.ClaimRequest{Now: d.Due.Add(time.Hour), Lease: time.Minute, Limit: 10, Notifiers: []string{d.Notifier}}
		got := 0
		for _, what := range []string{"begin", "query", "exec", "commit"} {
			for _, after := range []bool{false, true} {
				ctx, cancel := context.WithCancel(t.Context())
				s.on(func(st spiedStep) {
					if st.what == what && st.after == after && !strings.Contains(st.text, "PRAGMA") {
						cancel()
					}
				})
				rows, err := store.Claim(ctx, r)
				s.on(nil)
				cancel()
				if err == nil {
					got += len(rows)
				}
				r.Now = r.Now.Add(time.Second) // no lease has passed
			}
		}
		r.Now = r.Now.Add(2 * r.Lease) // those leases have passed
		rows, err := store.Claim(t.Context(), r)
		require.NoError(t, err)
		failures := 0
		for _, row := range rows {
			failures += row.Failures
		}
		require.Equal(t, got, failures, "%d were handed out, and those alone count", got)
	})
}
