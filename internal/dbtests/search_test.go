package dbtests_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A process that indexes slowly does not overwrite a later version of the ticket.
func TestSlowIndexingKeepsALaterState(t *testing.T) {
	var s spy
	dsn := pgx.lend(t)
	slow, err := sqlstore.Open(t.Context(), pgx.connectSpied(t, dsn, &s), pgx.dialect, sqlstore.Search())
	require.NoError(t, err)
	db := pgx.connect(t, dsn)
	quick, err := sqlstore.Open(t.Context(), db, pgx.dialect, sqlstore.Search())
	require.NoError(t, err)
	d := failDesk(t, quick)
	tk, err := d.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)
	require.NoError(t, quick.Maintain(t.Context()))
	_, err = d.Do(t.Context(), failAgent, tk.ID, note("alpha"))
	require.NoError(t, err)

	begun := false
	s.on(func(st spiedStep) {
		switch {
		case st.after:
		case st.what == "begin" && !begun: // it has read the ticket
			// A third process, which had read an earlier version, removes the entry. Then
			// the ticket changes, and another process indexes it.
			begun = true
			_, err := db.ExecContext(t.Context(), "DELETE FROM ticket_unindexed")
			assert.NoError(t, err) //nolint:testifylint // require is not for other goroutines
			_, err = d.Do(t.Context(), failAgent, tk.ID, note("beta"))
			assert.NoError(t, err)
			assert.NoError(t, quick.Maintain(t.Context()))
		}
	})
	require.NoError(t, slow.Maintain(t.Context()))
	s.on(nil)
	require.True(t, begun)
	require.Equal(t, []ticket.ID{tk.ID}, found(t, quick, "alpha beta"))
}

// While another transaction holds the lock for long, a search uses the index as it
// is.
func TestSearchDoesNotWaitForAWriter(t *testing.T) {
	for name, dsn := range map[string]string{
		"impatient": "file:" + filepath.Join(t.TempDir(), "tickets.db"),
		"patient":   modernc.dsn(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), modernc.connect(t, dsn), modernc.dialect, sqlstore.Search())
			require.NoError(t, err)
			made := opening(t, "")
			require.NoError(t, s.Commit(t.Context(), made))
			require.NoError(t, s.Maintain(t.Context()))
			require.NoError(t, s.Commit(t.Context(), opening(t, ""))) // not indexed yet
			tx, err := modernc.connect(t, dsn+map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")]+"_txlock=immediate").BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // only to hold the lock
			begin := time.Now()
			require.Equal(t, []ticket.ID{made.Changes[0].Ticket.ID}, found(t, s, "printer"))
			require.Less(t, time.Since(begin), 1500*time.Millisecond)
			require.NoError(t, tx.Rollback())
			require.Len(t, found(t, s, "printer"), 2)
		})
	}
}

// The beginning of a message is found if the message is too long for the index.
func TestLongMessageIsFoundByItsBeginning(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		draft := failDraft
		draft.Message = ticket.Message("Quetzalcoatl " + strings.Repeat("printed blank pages. ", 160_000/21))
		tk, err := failDesk(t, s).Open(t.Context(), failCustomer, draft)
		require.NoError(t, err)
		require.Equal(t, []ticket.ID{tk.ID}, found(t, s, "quetzalcoatl"))
	})
}

// Long words that differ only at the end are distinct, in a script that takes more
// space in the index than others.
func TestLongWordsThatDifferAtTheEndAreDistinct(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		for _, word := range []string{"достопримечательности", "достопримечательностью"} {
			draft := failDraft
			draft.Message = ticket.Message(word)
			tk, err := failDesk(t, s).Open(t.Context(), failCustomer, draft)
			require.NoError(t, err)
			require.Equal(t, []ticket.ID{tk.ID}, found(t, s, word))
		}
		require.Len(t, found(t, s, "достопримечательност*"), 2)
	})
}
