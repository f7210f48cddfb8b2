package dbtests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

func note(text string) ticket.Action {
	return ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(text)}
}

// within fails the test if f takes longer than limit.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		require.FailNow(t, "it hangs")
	}
}

// found returns the tickets that a search finds.
func found(t *testing.T, s *sqlstore.Store, text string) (ids []ticket.ID) {
	t.Helper()
	search := func() []ticket.Hit {
		hits, err := s.Search(t.Context(), ticket.SearchQuery{Text: text, Notes: true})
		require.NoError(t, err)
		return hits
	}
	hits := search()
	if len(hits) == 0 { // on a busy machine, a search does not wait for the index
		require.NoError(t, s.Maintain(t.Context()))
		hits = search()
	}
	for _, h := range hits {
		ids = append(ids, h.Ticket.ID)
	}
	return ids
}
