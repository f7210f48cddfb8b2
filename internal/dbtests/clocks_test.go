package dbtests_test

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
)

// clockAfter returns the change that one more event makes.
func clockAfter(t ticket.Ticket, e ticket.Event) ticket.Change {
	e.Ticket, e.Seq, e.At = t.ID, t.Version+1, listBegin.Add(time.Duration(t.Version)*time.Hour)
	e.By = ticket.By{Role: ticket.RoleSystem, ID: "desk"}
	if t.Version == 0 {
		e.To = ticket.State{Status: ticket.StatusOpen, Level: 1}
	} else {
		e.From, e.To = t.State(), t.State()
	}
	e.Phase = ticket.PhaseInProgress
	ticket.Chain{}.Seal(t.Digest, &e)
	return ticket.Change{Expect: t.Version, Ticket: ticket.Apply(t, e), Events: []ticket.Event{e}}
}

// A change of a clock is one UPDATE and one INSERT. The UPDATE does not write the
// document, and on SQLite it names the columns of indexes only if they change, with one
// more UPDATE if it guessed wrong. A ticket without clocks has neither.
func TestClocksCostLittle(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.dsn(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		solution := ticket.Clock{Metric: "solution", Event: 1, Policy: "gold", State: "running", Started: listBegin, Since: listBegin, Due: listBegin.Add(20 * time.Hour), Next: listBegin.Add(10 * time.Hour)}
		first := solution
		first.Metric, first.Due = "first answer", listBegin.Add(5*time.Hour)
		tk := ticket.Ticket{ID: ticket.NewID(listBegin)}
		// commit returns the statements that write.
		commit := func(e ticket.Event) (list []string) {
			ch := clockAfter(tk, e)
			s.on(func(st spiedStep) {
				if first, _, _ := strings.Cut(st.text, " "); !st.after && st.what == "exec" && slices.Contains([]string{"WITH", "INSERT", "UPDATE"}, first) &&
					!slices.Contains(list, st.text) { // MySQL's driver may see one twice, because it prepares it
					list = append(list, st.text)
				}
			})
			require.NoError(t, store.Commit(t.Context(), ticket.Commit{Changes: []ticket.Change{ch}}))
			s.on(nil)
			tk = ch.Ticket
			is, err := store.Ticket(t.Context(), "", tk.ID)
			require.NoError(t, err)
			require.True(t, tk.Equal(is), "%#v\n%#v", tk, is)
			return list
		}
		one := 2
		if b.dialect == sqlstore.Postgres {
			one = 1
		}
		commit(ticket.Event{Action: ticket.ActionOpen, Set: ticket.Patch{Number: ticket.NewNumber(), Workflow: "support", WorkflowVersion: 1, Queue: new("q"), Assignee: new("")}})
		named := func(text string, columns ...string) {
			t.Helper()
			set, _, _ := strings.Cut(text, " WHERE ")
			for _, c := range []string{"open", "doc", "clocks", "wake", "due", "due_first", "due_next", "due_update", "due_solution", "due_level"} {
				indexed := c == "open" || strings.HasPrefix(c, "due")
				if b.dialect == sqlstore.SQLite || !indexed {
					require.Equal(t, slices.Contains(columns, c), strings.Contains(set, " "+c+" = "), "%s in %s", c, text)
				}
			}
		}

		list := commit(ticket.Event{Action: ticket.ActionNote})
		require.Len(t, list, one)
		named(list[0])

		list = commit(ticket.Event{Action: ticket.ActionNote, Set: ticket.Patch{Policy: new("gold"), PolicyVersion: new(1), Clocks: []ticket.Clock{first, solution}}})
		require.Len(t, list, one)
		named(list[0], "clocks", "wake", "due", "due_first", "due_solution")

		solution.Fired, solution.Next = []string{"10h before due"}, solution.Due
		list = commit(ticket.Event{Action: ticket.ActionClock, Set: ticket.Patch{Clocks: []ticket.Clock{solution}}})
		require.Len(t, list, one)
		named(list[0], "clocks", "wake")

		solution.Due = solution.Due.Add(time.Hour) // an event of clocks may change this too
		list = commit(ticket.Event{Action: ticket.ActionClock, Set: ticket.Patch{Clocks: []ticket.Clock{solution}}})
		named(list[len(list)-one], "open", "clocks", "wake", "due", "due_solution")

		list = commit(ticket.Event{Action: ticket.ActionNote, Set: ticket.Patch{Snoozed: new(listBegin.Add(time.Hour))}})
		require.Len(t, list, one)
		named(list[0], "clocks", "wake")

		// A missed target adds a label, without reading the ticket before.
		solution.Breached = solution.Due
		list = commit(ticket.Event{Action: ticket.ActionClock, Set: ticket.Patch{Clocks: []ticket.Clock{solution}}})
		require.Len(t, list, one+one/2)
		page, err := store.List(t.Context(), ticket.Query{Missed: true, Metric: "solution"})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1)

		commit(ticket.Event{Action: ticket.ActionNote, Set: ticket.Patch{Promised: &first.Due}})
		require.Equal(t, first.Due, tk.Promised)
		commit(ticket.Event{Action: ticket.ActionEdit, Set: ticket.Patch{NewCustomer: true}, Identities: ticket.Identities{Requester: ticket.Person{ID: "c9"}}})
		require.True(t, tk.Promised.IsZero())
	})
}

// Exported histories with clocks are imported as they were, in the order of the last
// touch too, also if the beginnings of them were there before.
func TestImportOfClocks(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		r := rand.New(rand.NewPCG(11, 12))
		from, _ := b.open(t)
		to, _ := b.open(t)
		model := memstore.New()
		for range 80 {
			for _, ch := range listChange(r) {
				c := ticket.Commit{Changes: []ticket.Change{ch}}
				require.NoError(t, model.Commit(t.Context(), c))
				require.NoError(t, from.Commit(t.Context(), c))
			}
		}
		some := func(take func([]ticket.Event) []ticket.Event) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				for events, err := range from.Export(t.Context(), ticket.ID{}) {
					if err == nil {
						events = take(events)
					}
					if (err != nil || len(events) > 0) && !yield(events, err) {
						return
					}
				}
			}
		}
		_, err := to.Import(t.Context(), some(func(events []ticket.Event) []ticket.Event { return events[:r.IntN(len(events)+1)] }))
		require.NoError(t, err)
		done, err := to.Import(t.Context(), some(func(events []ticket.Event) []ticket.Event { return events }))
		require.NoError(t, err)
		require.NotZero(t, done.Tickets)
		for range 100 {
			requireSameWalk(t, model, to, r, listQuery(r))
		}
		due, err := model.Due(t.Context(), listBegin.Add(20*time.Hour), 100)
		require.NoError(t, err)
		have, err := to.Due(t.Context(), listBegin.Add(20*time.Hour), 100)
		require.NoError(t, err)
		require.Equal(t, due, have)
	})
}

// A query with an unknown metric is refused, and a count of nothing asks nothing.
func TestCountRefuses(t *testing.T) {
	s, _ := modernc.open(t)
	_, err := s.Count(t.Context(), ticket.Query{Metric: "x"}, 1)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	n, err := s.Count(t.Context(), ticket.Query{}, -1)
	require.NoError(t, err)
	require.Zero(t, n)
}
