package dbtests_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Results are in order for all times, even in an index of an older version, whose
// places ended in 2112.
func TestSearchOverAllTimes(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		if len(b.search()) == 0 {
			t.Skip("without FTS5")
		}
		ctx := t.Context()
		store, err := sqlstore.Open(ctx, b.connect(t, b.dsn(t)), b.dialect, b.search()...)
		require.NoError(t, err)
		years := []int{2500, 1600, 2111, 9999, 1969, 2093, 2, 2112, 1970, 2026, 2094, 2113, 2095}
		for _, y := range years {
			c := openingAt(t, time.Date(y, 9, 1, 0, 0, 0, 0, time.UTC))
			require.NoError(t, store.Commit(ctx, c), y)
		}
		require.NoError(t, store.Maintain(ctx))
		for limit := 1; limit <= len(years); limit++ {
			hits, err := store.Search(ctx, ticket.SearchQuery{Text: "printer", Query: ticket.Query{Limit: limit}})
			require.NoError(t, err)
			require.Len(t, hits, limit)
			last := 10000
			for _, h := range hits {
				require.Less(t, h.Ticket.Created.Year(), last)
				last = h.Ticket.Created.Year()
			}
		}
	})
}

// openingAt is a commit of a ticket that was opened at that time. A desk's clock
// need not be able to show it.
func openingAt(tb testing.TB, at time.Time) ticket.Commit {
	tb.Helper()
	r := &recorder{}
	desk, err := ticket.NewDesk(r, ticket.Config{Silent: true})
	require.NoError(tb, err)
	_, err = desk.Open(tb.Context(), failCustomer, failDraft)
	require.NoError(tb, err)
	c := r.commits[0]
	e := &c.Changes[0].Events[0]
	e.At = at
	ticket.Chain{}.Seal(ticket.Digest{}, e)
	c.Changes[0].Ticket = ticket.Apply(ticket.Ticket{}, *e)
	return c
}

// An index of version 1 contained copies of the words, and wrapped around in 2112.
func TestSearchIndexOfVersion1(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		db := b.connect(t, b.dsn(t))
		plain, err := sqlstore.Open(ctx, db, b.dialect)
		require.NoError(t, err)
		files, err := sqlstore.SearchMigrations(b.dialect)
		require.NoError(t, err)
		first, err := fs.ReadFile(files, "0001_search.up.sql")
		require.NoError(t, err)
		for _, statement := range statementsOf(t, fstest.MapFS{"0001_search.up.sql": {Data: first}}) {
			_, err := db.ExecContext(ctx, statement)
			require.NoError(t, err, statement)
		}
		for place, y := range []int{2026, 2500} { // that of 2500 is before that of 2026
			c := openingAt(t, time.Date(y, 9, 1, 0, 0, 0, 0, time.UTC))
			require.NoError(t, plain.Commit(ctx, c))
			tk := c.Changes[0].Ticket
			columns, values := "", ""
			if b.dialect != sqlstore.SQLite {
				columns, values = ", tokens", ", ''"
			}
			at := tk.Created.UnixMicro()<<11&(1<<63-1) + int64(place)
			_, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO ticket_texts (place, ticket, tenant, version, subject, said, inside%s) VALUES (%d, '%s', '', 1, 'x', 'y', 'z'%s)",
				columns, at, tk.ID, values))
			require.NoError(t, err)
		}
		store, err := sqlstore.Open(ctx, db, b.dialect, sqlstore.Search())
		require.NoError(t, err)
		require.NoError(t, store.Check(ctx))
		require.NoError(t, store.Maintain(ctx)) // on a busy machine, a search does not wait for the index
		hits, err := store.Search(ctx, ticket.SearchQuery{Text: "printer"})
		require.NoError(t, err)
		require.NotEmpty(t, hits)
		require.Equal(t, 2500, hits[0].Ticket.Created.Year())
	})
}

// The index has room for a limited number of tickets per microsecond. More tickets
// with the same time, as from an import without exact times, are indexed too.
func TestIndexTakesManyTicketsOfOneInstant(t *testing.T) {
	s, _ := modernc.open(t, sqlstore.Search())
	list := make([][]ticket.Event, 3000)
	for i := range list {
		h := history(0, 1)
		id := h[0].Ticket
		binary.BigEndian.PutUint32(id[12:], uint32(i)<<16) // the index would put all of them in the same place
		h[0].Ticket = id
		list[i] = sealed(h)
	}
	_, err := s.Import(t.Context(), all(list))
	require.NoError(t, err)
	begin := time.Now()
	require.NoError(t, s.Maintain(t.Context()))
	require.Less(t, time.Since(begin), 15*time.Second)
	hits, err := s.Search(t.Context(), ticket.SearchQuery{Text: "case", Query: ticket.Query{Limit: 100}})
	require.NoError(t, err)
	require.Len(t, hits, 100)
	require.True(t, slices.IsSortedFunc(hits, func(a, b ticket.Hit) int { return b.Ticket.ID.Compare(a.Ticket.ID) }))
}
