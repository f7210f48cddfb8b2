package dbtests_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// If an older version folded the words of an index, a newer version builds the index
// again.
func TestWordsOfAnOlderVersionAreReindexed(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
		require.NoError(t, err)
		desk, err := ticket.NewDesk(s, ticket.Config{Silent: true})
		require.NoError(t, err)
		ada := ticket.Requester(ticket.Person{ID: "c1"})
		for range 3 {
			_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "أحمد"})
			require.NoError(t, err)
		}
		find := func() []ticket.Hit {
			hits, err := desk.Search(t.Context(), ada, ticket.SearchQuery{Text: "ا\u0654حمد"})
			require.NoError(t, err)
			return hits
		}
		require.Len(t, find(), 3)

		// The older version left it so.
		stale := "UPDATE ticket_texts SET tokens = ''"
		if b.dialect == sqlstore.SQLite {
			stale = "DELETE FROM ticket_words"
		}
		for _, q := range []string{stale, "UPDATE ticket_schema SET version = 2 WHERE part = 'search'"} {
			_, err := db.ExecContext(t.Context(), q)
			require.NoError(t, err)
		}
		require.Empty(t, find())
		for _, q := range []string{"ALTER TABLE ticket_texts DROP COLUMN terms", "ALTER TABLE ticket_texts DROP COLUMN known", "DROP TABLE ticket_frequencies", "DROP TABLE IF EXISTS ticket_vocabulary"} {
			_, err := db.ExecContext(t.Context(), q) // they came later
			require.NoError(t, err)
		}
		s, err = sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
		require.NoError(t, err)
		require.NoError(t, s.Maintain(t.Context()))
		require.Len(t, find(), 3)
	})
}
