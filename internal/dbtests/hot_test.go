package dbtests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/sqlstore"
)

// On PostgreSQL, an update of a ticket that changes no indexed column stays on its page (HOT). All
// others write a new entry into every index of the table.
func TestUpdatesOnTheirPage(t *testing.T) {
	t.Parallel()
	agent, customer := ticket.Agent("lin", 1), ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org"})
	for _, test := range []struct {
		name   string
		by     ticket.Actor
		do     ticket.Action
		on     bool
		clocks bool
	}{
		{"note", agent, note("seen"), true, false},
		{"note with clocks", agent, note("seen"), true, true},
		{"answer", agent, ticket.Action{Name: ticket.ActionReply, Message: "We look."}, true, false},
		{"words of the customer", customer, ticket.Action{Name: ticket.ActionReply, Message: "And now?"}, true, false},
		{"escalation: it loses its assignee", agent, ticket.Action{Name: ticket.ActionEscalate, Note: "hard"}, false, false},
		{"release: the assignee is indexed", agent, ticket.Action{Name: ticket.ActionRelease}, false, false},
		{"queue", agent, ticket.Action{Name: ticket.ActionHandOver, Queue: "billing", Note: "yours"}, false, false},
		{"solution: it leaves the open work", agent, ticket.Action{Name: ticket.ActionResolve, Message: "Done."}, false, false},
		{"answer with clocks: the next due time", agent, ticket.Action{Name: ticket.ActionReply, Message: "We look."}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := pgx.connect(t, pgx.dsn(t)) // of its own, since all of it is counted
			db.SetMaxIdleConns(0)            // a session that ends reports what it counted
			s, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres)
			require.NoError(t, err)
			cfg := ticket.Config{}
			if test.clocks {
				policy, err := sla.Spec{Name: "all", Version: 1, Policies: []sla.Policy{{Name: "usual", Targets: []sla.Target{
					{Metric: sla.MetricFirstAnswer, Within: time.Hour},
				}}}}.Compile()
				require.NoError(t, err)
				cfg.ServiceLevels = policy
			}
			desk, err := ticket.NewDesk(s, cfg)
			require.NoError(t, err)
			opened, err := desk.Open(t.Context(), customer, ticket.Draft{Subject: "Lid", Message: "Broken.", Queue: "parcels"})
			require.NoError(t, err)
			_, err = desk.Do(t.Context(), agent, opened.ID, ticket.Action{Name: ticket.ActionTake})
			require.NoError(t, err)
			count := func(updates int) (hot int) {
				require.Eventually(t, func() (there bool) {
					var n int
					require.NoError(t, db.QueryRowContext(t.Context(), "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'ticket_tickets'").Scan(&n, &hot))
					return n == updates
				}, 20*time.Second, 10*time.Millisecond)
				return hot
			}
			before := count(1)
			_, err = desk.Do(t.Context(), test.by, opened.ID, test.do)
			require.NoError(t, err)
			require.Equal(t, test.on, count(2) > before)
		})
	}
}
