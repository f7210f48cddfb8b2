package dbtests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// worded is a history of one event with these words, by one requester.
func worded(at time.Time, queue string, words ...string) []ticket.Event {
	return sealed([]ticket.Event{{
		Ticket: ticket.NewID(at), Seq: 1, At: at, Action: "open", By: ticket.By{Role: ticket.RoleRequester},
		To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelMail,
		Set:           ticket.Patch{Number: ticket.NewNumber(), Workflow: ticket.DefaultWorkflow().Name, WorkflowVersion: 1, Queue: &queue},
		PublicContent: ticket.PublicContent{Subject: strings.Join(words, " ")},
		Identities:    ticket.Identities{Requester: ticket.Person{ID: "c-1"}},
	}})
}

// A search returns the newest tickets also where there are more than are read at once: of one
// requester, of one instant, and in other queues than the one that is asked for.
func TestSearchReturnsTheNewestOfMany(t *testing.T) {
	t.Parallel()
	const n, crowd = 3100, 700
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		var list [][]ticket.Event
		var tickets []ticket.Ticket
		for i := range n {
			at := importStart.Add(time.Duration(min(i, n-crowd)) * time.Minute)
			queue, words := "mail", []string{"everyone"}
			if i%300 == 1 {
				queue = "shop"
			}
			if i >= n-2000 && i%200 != 0 {
				words = append(words, "nearly")
			}
			list = append(list, worded(at, queue, words...))
			tickets = append(tickets, ticket.Apply(ticket.Ticket{}, list[i][0]))
		}
		_, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		require.NoError(t, s.Maintain(t.Context()))
		for _, q := range []ticket.Query{{}, {Limit: 3}, {Limit: 200}, {Queue: []string{"shop"}}, {Requester: ticket.Person{ID: "c-1"}}, {Requester: ticket.Person{ID: "c-1"}, Limit: 200}} {
			var match []ticket.Ticket
			for i := range tickets {
				if q.Match(&tickets[i]) && strings.Contains(tickets[i].Subject, "nearly") {
					match = append(match, tickets[i])
				}
			}
			sortByPlace(match, ticket.Query{Order: ticket.OrderNewestFirst})
			var want, got []string
			for _, tk := range match[:min(len(match), q.PageSize())] {
				want = append(want, tk.ID.String())
			}
			for _, text := range []string{"nearly", "nea*", "nearly everyone"} {
				// On a busy machine, a search by requester on PostgreSQL once missed the last hundred
				// tickets that were indexed. Nobody saw it again in a hundred runs, beside VACUUM too.
				for try := range 2 {
					hits, err := s.Search(t.Context(), ticket.SearchQuery{Query: q, Text: text})
					require.NoError(t, err)
					got = nil
					for _, h := range hits {
						got = append(got, h.Ticket.ID.String())
					}
					if slices.Equal(want, got) {
						break
					}
					t.Logf("try %d: %q %+v: found %v", try, text, q, got)
				}
				require.Equal(t, want, got, "%q %+v", text, q)
			}
		}
	})
}

// Tickets that are indexed during a search do not make it find others twice, which would fill the page.
func TestSearchFindsNoTicketTwice(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		var s spy
		dsn := b.dsn(t)
		store, err := sqlstore.Open(t.Context(), b.connectSpied(t, dsn, &s), b.dialect, b.search()...)
		require.NoError(t, err)
		write := func(from, to int) {
			var list [][]ticket.Event
			for i := from; i < to; i++ {
				list = append(list, worded(importStart.Add(time.Duration(i)*time.Minute), "mail", fmt.Sprintf("word%d", i%50)))
			}
			_, err := store.Import(t.Context(), all(list))
			require.NoError(t, err)
			require.NoError(t, store.Maintain(t.Context()))
		}
		write(0, 600)
		s.on(func(st spiedStep) {
			if strings.HasPrefix(st.text, "SELECT MIN(place), MAX(place)") && !st.after {
				s.on(nil)
				write(600, 900)
			}
		})
		hits, err := store.Search(t.Context(), ticket.SearchQuery{Text: "word10", Query: ticket.Query{Limit: 12}})
		s.on(nil)
		require.NoError(t, err)
		found := map[ticket.ID]bool{}
		for _, h := range hits {
			require.False(t, found[h.Ticket.ID], "twice")
			found[h.Ticket.ID] = true
		}
		require.Len(t, hits, 12)
	})
}

// A search for one ticket among many that other conditions exclude does not ask for a few at a time.
func TestSearchPassesOverTicketsInFewStatements(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		var s spy
		store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.dsn(t), &s), b.dialect, b.search()...)
		require.NoError(t, err)
		var list [][]ticket.Event
		for i := range 2100 {
			list = append(list, worded(importStart.Add(time.Duration(i)*time.Minute), "mail", "everyone"))
		}
		_, err = store.Import(t.Context(), all(list))
		require.NoError(t, err)
		require.NoError(t, store.Maintain(t.Context()))
		for _, q := range []ticket.Query{{Limit: 1, Queue: []string{"shop"}}, {Limit: 1, Queue: []string{"shop"}, Requester: ticket.Person{ID: "c-1"}}} {
			statements := 0
			s.on(func(st spiedStep) {
				if st.what == "query" && !st.after {
					statements++
				}
			})
			hits, err := store.Search(t.Context(), ticket.SearchQuery{Text: "everyone", Query: q})
			s.on(nil)
			require.NoError(t, err)
			require.Empty(t, hits)
			require.Less(t, statements, 70)
		}
	})
}
