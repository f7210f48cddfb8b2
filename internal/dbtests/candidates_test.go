package dbtests_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/similar"
	"github.com/ticketkit/ticket/sqlstore"
)

// countRows returns the number of rows of the counts, and fails if one is not positive.
func countRows(t *testing.T, db *sql.DB) (rows int) {
	t.Helper()
	var bad int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*), COALESCE(SUM(CASE WHEN n > 0 THEN 0 ELSE 1 END), 0) FROM ticket_frequencies").Scan(&rows, &bad))
	require.Zero(t, bad, "counts that are not positive")
	return rows
}

// termsIn returns the terms of all tickets, and of all known problems.
func termsIn(t *testing.T, db *sql.DB) (terms, known [][]byte) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT terms, known FROM ticket_texts")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var a, b []byte
		require.NoError(t, rows.Scan(&a, &b))
		if a != nil {
			terms = append(terms, a)
		}
		if b != nil {
			known = append(known, b)
		}
	}
	require.NoError(t, rows.Err())
	return terms, known
}

// requireCounts expects the counts to be those of the terms: one for each word, one for all
// tickets of the tenant, and one for all tickets.
func requireCounts(t *testing.T, db *sql.DB) {
	t.Helper()
	want, sum := 0, 0
	terms, known := termsIn(t, db)
	for _, list := range [][][]byte{terms, known} {
		words := map[uint64]bool{}
		for _, encoded := range list {
			for _, w := range similar.Hashes(encoded) {
				words[w] = true
				sum++
			}
			sum += 2 // one of the tenant, one of all tenants
		}
		if len(list) > 0 {
			want += 2 + len(words)
		}
	}
	require.Equal(t, want, countRows(t, db), "rows")
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COALESCE(SUM(n), 0) FROM ticket_frequencies").Scan(&n))
	require.Equal(t, sum, n, "sum of the counts")
}

// Words that were erased are no reason for a suggestion, even before Reindex, and Reindex
// removes them from the terms and from the counts.
func TestErasedWordsAreNotSuggested(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		store, db := b.open(t, b.search()...)
		desk := failDesk(t, store)
		agent := ticket.Agent("lin", 1)
		tk, err := desk.Open(ctx, agent, ticket.Draft{Subject: "Zebra at the door", Message: "striped canary", Solution: "Let it in.", Requester: ticket.Person{ID: "c-1"}})
		require.NoError(t, err)
		_, err = desk.Do(ctx, agent, tk.ID, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "Striped animals", Text: "Open the zebra door."}})
		require.NoError(t, err)
		ask := func(a ticket.Actor, text string) []ticket.Suggestion {
			list, err := desk.SimilarToDraft(ctx, a, ticket.Draft{Subject: text}, 0)
			require.NoError(t, err)
			return list
		}
		require.Equal(t, []string{"canary"}, ask(agent, "canary")[0].Words)
		require.Len(t, ask(ticket.Requester(ticket.Person{ID: "c-2"}), "animals"), 1)
		requireCounts(t, db)
		before := countRows(t, db)

		var events []ticket.Event
		for history, err := range store.Export(ctx, ticket.ID{}) {
			require.NoError(t, err)
			events = history
		}
		erased := events[0].Erase(ticket.Groups{PublicContent: true})
		doc, err := json.Marshal(erased)
		require.NoError(t, err)
		query := "UPDATE ticket_events SET doc = ? WHERE ticket = ? AND seq = 1"
		if b.dialect == sqlstore.Postgres {
			query = "UPDATE ticket_events SET doc = $1 WHERE ticket = $2 AND seq = 1"
		}
		_, err = db.ExecContext(ctx, query, string(doc), tk.ID.String())
		require.NoError(t, err)
		require.Empty(t, ask(agent, "canary"), "the index is behind, and the events are read")
		require.NoError(t, store.Reindex(ctx, "", tk.ID))
		require.NoError(t, store.Maintain(ctx))
		require.Empty(t, ask(agent, "canary"))
		require.Less(t, countRows(t, db), before)
		requireCounts(t, db)
		terms, known := termsIn(t, db)
		require.NotContains(t, similar.Hashes(terms[0]), similar.Hash("canary"))
		for _, encoded := range append(terms, known...) {
			require.False(t, bytes.Contains(bytes.ToLower(encoded), []byte("zebra")), "terms hold no text")
		}
	})
}

// After random actions in random order, with several processes that index, the counts are
// those of the terms.
func TestCountsOfWordsStayTrue(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		store, db := b.open(t, b.search()...)
		other, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
		require.NoError(t, err)
		desk := failDesk(t, store)
		agent := ticket.Agent("lin", 1, 2, 3)
		done := make(chan error, 2)
		running, stop := context.WithCancel(ctx)
		for _, s := range []*sqlstore.Store{store, other} {
			go func() {
				for running.Err() == nil {
					if err := s.Maintain(running); err != nil && running.Err() == nil && !errors.Is(err, ticket.ErrConflict) && !errors.Is(err, sqlstore.ErrBusy) {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		r := rand.New(rand.NewPCG(1, 2))
		var ids []ticket.ID
		for i := range 150 {
			if len(ids) < 12 {
				tk, err := desk.Open(ctx, agent, ticket.Draft{Subject: fmt.Sprintf("word%d word%d", r.IntN(9), r.IntN(9)), Requester: ticket.Person{ID: "c-1"}})
				require.NoError(t, err)
				ids = append(ids, tk.ID)
				continue
			}
			id := ids[r.IntN(len(ids))]
			act := []ticket.Action{
				{Name: ticket.ActionResolve, Message: ticket.Message(fmt.Sprintf("solved%d word%d", r.IntN(4), r.IntN(9)))},
				{Name: ticket.ActionResolve, Message: "again"},
				{Name: ticket.ActionReopen, Note: "again"},
				{Name: ticket.ActionCancel, Reason: "spam"},
				{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: fmt.Sprintf("word%d", r.IntN(9)), Text: "text"}},
				{Name: ticket.ActionWithdraw},
				{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: fmt.Sprintf("renamed%d word%d", i, r.IntN(9))}},
			}[r.IntN(7)]
			_, err := desk.Do(ctx, agent, id, act)
			require.True(t, err == nil || errors.Is(err, ticket.ErrRefused), "%v", err)
		}
		stop()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.NoError(t, store.Maintain(ctx))
		requireCounts(t, db)
		for _, id := range ids {
			_, err := desk.Do(ctx, agent, id, ticket.Action{Name: ticket.ActionCancel, Reason: "spam"})
			require.True(t, err == nil || errors.Is(err, ticket.ErrRefused), "%v", err)
			_, err = desk.Do(ctx, agent, id, ticket.Action{Name: ticket.ActionWithdraw})
			require.True(t, err == nil || errors.Is(err, ticket.ErrRefused), "%v", err)
		}
		require.NoError(t, store.Maintain(ctx))
		terms, known := termsIn(t, db)
		require.Empty(t, known)
		requireCounts(t, db)
		if len(terms) == 0 {
			require.Zero(t, countRows(t, db), "counts of zero are removed")
		}
	})
}

// Without the option Search, a store has no suggestions.
func TestSuggestionsNeedSearch(t *testing.T) {
	t.Parallel()
	store, _ := modernc.open(t)
	_, err := failDesk(t, store).SimilarToDraft(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Subject: "word"}, 0)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
