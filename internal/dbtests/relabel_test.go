package dbtests_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A ticket is found by its own tags and by no others, although its tags change beside other
// changes of it: what an edit read before it wrote was still so when it wrote.
func TestTagsBesideOtherWriters(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		store, err := sqlstore.Open(t.Context(), b.connect(t, b.dsn(t)), b.dialect)
		require.NoError(t, err)
		desk, err := ticket.NewDesk(store, ticket.Config{})
		require.NoError(t, err)
		agent := ticket.Agent("lin", 1)
		tk, err := desk.Open(t.Context(), agent, ticket.Draft{Subject: "Everybody wants it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)
		const writers, rounds, names = 6, 10, 4
		name := func(i int) string { return fmt.Sprint("tag ", i%names) }
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range rounds {
					action := ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{name(w + i)}, RemoveTags: []string{name(w + i + 1)}}}
					if w == 0 {
						action = ticket.Action{Name: ticket.ActionNote, Note: "n"}
					}
					_, err := desk.Do(t.Context(), agent, tk.ID, action)
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		got, err := desk.Get(t.Context(), agent, tk.ID)
		require.NoError(t, err)
		require.NoError(t, desk.Verify(t.Context(), agent, tk.ID))
		require.NotEmpty(t, got.Tags)
		for i := range names {
			page, err := store.List(t.Context(), ticket.Query{Tags: []string{name(i)}, Limit: 10})
			require.NoError(t, err)
			assert.Equal(t, slices.Contains(got.Tags, name(i)), len(page.Tickets) == 1, name(i))
		}
	})
}
