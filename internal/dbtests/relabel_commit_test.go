package dbtests_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Commits of chance change tags and stages of one ticket or two. One that is stale changes
// nothing, and says which ticket is stale; the others leave each ticket with its own tags.
func TestRelabelOfChance(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		ctx := t.Context()
		s, db := b.open(t)
		const n = 6
		tickets, before := make([]ticket.Ticket, n), make([]ticket.Ticket, n)
		tags := []string{"a", "b", "c", "d"}
		for i := range tickets {
			h := history(2*i, 1)
			_, err := s.Import(ctx, all([][]ticket.Event{h}))
			require.NoError(t, err)
			tickets[i] = ticket.Apply(ticket.Ticket{}, h[0])
			before[i] = tickets[i]
		}
		change := func(tk ticket.Ticket) ticket.Change {
			e := ticket.Event{
				Ticket: tk.ID, Seq: tk.Version + 1, At: tk.Touched.Add(time.Second), Action: ticket.ActionEdit, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"},
				From: tk.State(), To: tk.State(), Phase: tk.Phase,
			}
			if r.IntN(4) > 0 {
				e.Set.AddTags, e.Set.RemoveTags = []string{tags[r.IntN(4)]}, []string{tags[r.IntN(4)]}
			}
			if r.IntN(3) == 0 {
				e.Action, e.Set.Stage = ticket.ActionArchive, new([]ticket.Stage{ticket.StageActive, ticket.StageArchived}[r.IntN(2)])
			}
			if r.IntN(6) == 0 { // content makes the ticket active again
				e.Message = "more"
			}
			ticket.Chain{}.Seal(tk.Digest, &e)
			return ticket.Change{Expect: tk.Version, Ticket: ticket.Apply(tk, e), Events: []ticket.Event{e}}
		}
		for range 150 {
			stale := -1
			var c ticket.Commit
			places := r.Perm(n)[:1+r.IntN(2)]
			for _, i := range places {
				from := tickets[i]
				if r.IntN(4) == 0 && stale < 0 && before[i].Version < from.Version {
					from, stale = before[i], i
				}
				c.Changes = append(c.Changes, change(from))
			}
			store := s
			var err error
			if r.IntN(3) == 0 { // in a transaction of the host, which goes on
				tx, bad := db.BeginTx(ctx, nil)
				require.NoError(t, bad)
				store = s.WithTx(tx)
				err = store.Commit(ctx, c)
				require.NoError(t, tx.Commit())
			} else {
				err = store.Commit(ctx, c)
			}
			if stale >= 0 {
				var conflict *ticket.ConflictError
				require.ErrorAs(t, err, &conflict)
				require.Equal(t, tickets[stale].ID, conflict.Ticket)
			} else {
				require.NoError(t, err)
				for k, i := range places {
					before[i], tickets[i] = tickets[i], c.Changes[k].Ticket
				}
			}
			for _, tag := range tags {
				for _, stage := range [][]ticket.Stage{nil, {ticket.StageArchived}} {
					q := ticket.Query{Tags: []string{tag}, Stage: stage, Limit: 20}
					page, err := s.List(ctx, q)
					require.NoError(t, err)
					var got, want []string
					for i := range page.Tickets {
						got = append(got, fmt.Sprint(page.Tickets[i].ID, page.Tickets[i].Version))
					}
					for i := range tickets {
						if q.Match(&tickets[i]) {
							want = append(want, fmt.Sprint(tickets[i].ID, tickets[i].Version))
						}
					}
					slices.Sort(got)
					slices.Sort(want)
					require.Equal(t, want, got)
				}
			}
		}
		var rows, labels int
		require.NoError(t, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ticket_labels WHERE label LIKE '%tag:_'").Scan(&rows))
		for i := range tickets {
			for _, tag := range tags {
				if slices.Contains(tickets[i].Tags, tag) {
					labels++
				}
			}
		}
		require.Equal(t, labels, rows)
	})
}
