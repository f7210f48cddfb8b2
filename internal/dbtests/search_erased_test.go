package dbtests_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Words that were erased from stored events are neither found nor shown, and Reindex
// removes them from the index.
func TestErasedWordsAreNotFound(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		if len(b.search()) == 0 {
			t.Skip("without FTS5")
		}
		ctx := t.Context()
		db := b.connect(t, b.dsn(t))
		store, err := sqlstore.Open(ctx, db, b.dialect, b.search()...)
		require.NoError(t, err)
		desk := failDesk(t, store)
		agent := ticket.Agent("lin", 1)
		tk, err := desk.Open(ctx, agent, ticket.Draft{Subject: "Zebra at the door", Message: "my account is DE00123, and blue", Note: "smells of paint",
			Requester: ticket.Person{ID: "c-1"}})
		require.NoError(t, err)
		_, err = desk.Do(ctx, agent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "green all over, blue too"})
		require.NoError(t, err)
		find := func(text string) []ticket.Hit {
			hits, err := desk.Search(ctx, agent, ticket.SearchQuery{Text: text})
			require.NoError(t, err)
			if len(hits) == 0 { // on a busy machine, a search does not wait for the index
				require.NoError(t, store.Maintain(ctx))
				hits, err = desk.Search(ctx, agent, ticket.SearchQuery{Text: text})
				require.NoError(t, err)
			}
			return hits
		}
		for _, text := range []string{"zebra", "DE00123", "DE0*", "paint", "green", "blue green"} {
			require.Len(t, find(text), 1, text)
		}

		var e ticket.Event
		for history, err := range store.Export(ctx, ticket.ID{}) {
			require.NoError(t, err)
			e = history[0].Erase(ticket.Groups{PublicContent: true, InternalContent: true})
		}
		doc, err := json.Marshal(e)
		require.NoError(t, err)
		query := "UPDATE ticket_events SET doc = ? WHERE ticket = ? AND seq = 1"
		if b.dialect == sqlstore.Postgres {
			query = "UPDATE ticket_events SET doc = $1 WHERE ticket = $2 AND seq = 1"
		}
		_, err = db.ExecContext(ctx, query, string(doc), tk.ID.String())
		require.NoError(t, err)
		check := func() {
			for _, text := range []string{"zebra", "DE00123", "DE0*", "paint", "blue paint"} {
				require.Empty(t, find(text), text)
			}
			hits := find("blue")
			require.Len(t, hits, 1, "the remaining note contains it")
			require.NotContains(t, hits[0].Snippet.Text, "DE00123")
		}
		check()
		require.NoError(t, store.Maintain(ctx))
		check()
		require.NoError(t, store.Reindex(ctx, "other", tk.ID))
		require.NoError(t, store.Reindex(ctx, "", tk.ID))
		require.NoError(t, store.Maintain(ctx))
		check()
	})
}
