package dbtests_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A database of version 8, with a search index of version 4, gets the indexes of done tickets
// and the table of words, also if an interrupted run has left a part of them. Search can come
// after the tickets, and with another prefix there are other tables.
func TestMigrationToVersion9(t *testing.T) {
	t.Parallel()
	older := map[sqlstore.Dialect][]string{
		sqlstore.SQLite:   {"DROP INDEX hd_tickets_done", "DROP INDEX hd_tickets_done_pressing", "DROP TABLE hd_vocabulary"},
		sqlstore.Postgres: {"DROP INDEX hd_tickets_done", "DROP INDEX hd_tickets_done_pressing"},
		sqlstore.MySQL:    {"ALTER TABLE hd_tickets DROP KEY hd_tickets_done"},
	}
	left := map[sqlstore.Dialect][]string{ // by an interrupted run
		sqlstore.SQLite: {"CREATE VIRTUAL TABLE hd_vocabulary USING fts5vocab (hd_words, instance)"},
		sqlstore.Postgres: {"CREATE INDEX hd_tickets_done ON hd_tickets (tenant)", // incomplete, so its columns do not matter
			"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'hd_tickets_done'::regclass"},
		sqlstore.MySQL: {"ALTER TABLE hd_tickets ADD KEY hd_tickets_done (tenant, open, stage, created, id)"},
	}
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		for _, interrupted := range []bool{false, true} {
			dsn := b.dsn(t)
			db := b.connect(t, dsn)
			options := []sqlstore.Option{sqlstore.Prefix("hd_"), sqlstore.Search()}
			s, err := sqlstore.Open(ctx, db, b.dialect, options...)
			require.NoError(t, err)
			_, err = s.Import(ctx, all(histories(50)))
			require.NoError(t, err)
			require.NoError(t, s.Maintain(ctx))
			want := b.shape(t, db)
			statements := append(slices.Clone(older[b.dialect]),
				"UPDATE hd_schema SET version = 8 WHERE part = 'tickets'", "UPDATE hd_schema SET version = 4 WHERE part = 'search'")
			if interrupted {
				statements = append(statements, left[b.dialect]...)
			}
			for _, text := range statements {
				_, err := db.ExecContext(ctx, text)
				require.NoError(t, err, text)
			}
			require.ErrorIs(t, s.Check(ctx), sqlstore.ErrSchema)

			faults := make(chan error, 2)
			for range cap(faults) { // two processes at once
				other := b.connect(t, dsn)
				go func() {
					_, err := sqlstore.Open(ctx, other, b.dialect, options...)
					faults <- err
				}()
			}
			require.NoError(t, <-faults)
			require.NoError(t, <-faults)
			require.NoError(t, s.Check(ctx))
			require.Equal(t, want, b.shape(t, db))
			hits, err := s.Search(ctx, ticket.SearchQuery{Text: "cas*"})
			require.NoError(t, err)
			require.Len(t, hits, 25)
			page, err := s.List(ctx, ticket.Query{Phase: []ticket.Phase{ticket.PhaseSolved, ticket.PhaseClosed}, Order: ticket.OrderNewestFirst})
			require.NoError(t, err)
			for _, tk := range page.Tickets {
				require.True(t, tk.Phase.Done())
			}
		}

		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(ctx, db, b.dialect)
		require.NoError(t, err)
		_, err = s.Import(ctx, all(histories(50)))
		require.NoError(t, err)
		s, err = sqlstore.Open(ctx, db, b.dialect, sqlstore.Search())
		require.NoError(t, err)
		require.NoError(t, s.Check(ctx))
		require.NoError(t, s.Maintain(ctx))
		hits, err := s.Search(ctx, ticket.SearchQuery{Text: "cas*"})
		require.NoError(t, err)
		require.Len(t, hits, 25)
	})
}
