package load

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// The check finds nothing after a load that nobody disturbed, and every damage.
func TestCheck(t *testing.T) {
	sabotage := func(text string, args ...any) func(*testing.T, *Load, *sql.DB) {
		return func(t *testing.T, _ *Load, db *sql.DB) {
			t.Helper()
			r, err := db.ExecContext(t.Context(), text, args...)
			require.NoError(t, err)
			n, err := r.RowsAffected()
			require.NoError(t, err)
			require.Positive(t, n)
		}
	}
	for _, c := range []struct {
		name  string
		do    func(*testing.T, *Load, *sql.DB)
		count func(*Load) int // where it must show
	}{
		{"nothing", func(*testing.T, *Load, *sql.DB) {}, nil},
		{"an invented acknowledgement", func(_ *testing.T, l *Load, _ *sql.DB) {
			l.done = append(l.done, request{token: "never", ticket: l.open[0]})
		}, func(l *Load) int { return l.lost }},
		{"an acknowledgement of another ticket", func(_ *testing.T, l *Load, _ *sql.DB) { l.done[0].ticket = l.open[len(l.open)-1] }, func(l *Load) int { return l.lost }},
		{"an invented mail", func(_ *testing.T, l *Load, _ *sql.DB) {
			l.mails = append(l.mails, ticket.NewID(time.Now()))
		}, func(l *Load) int { return l.lost }},
		{"a lost notification", sabotage("DELETE FROM ticket_outbox WHERE ticket = (SELECT MIN(ticket) FROM ticket_outbox)"), func(l *Load) int { return l.lost }},
		{"an action without its key", func(t *testing.T, l *Load, _ *sql.DB) {
			t.Helper()
			_, err := l.places[0].Desk.Do(t.Context(), agent, l.open[0], ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(l.done[0].token)})
			require.NoError(t, err)
		}, func(l *Load) int { return l.doubled }},
		{"a mail under another name", func(t *testing.T, l *Load, _ *sql.DB) {
			t.Helper()
			done := len(l.mails)
			require.NoError(t, l.put(t.Context(), 0, "other"))
			l.mails = l.mails[:done]
		}, func(l *Load) int { return l.doubled }},
		{"an altered file", sabotage("UPDATE ticket_chunks SET bytes = CAST(replace(hex(bytes), '1', '2') AS BLOB)"), func(l *Load) int { return l.damaged }},
		{"half a file", sabotage("DELETE FROM ticket_chunks WHERE n = 1"), func(l *Load) int { return l.damaged }},
		{"a file that is gone", sabotage("DELETE FROM ticket_files WHERE sum = (SELECT MIN(sum) FROM ticket_files)"), func(l *Load) int { return l.damaged }},
		{"a ticket that the index does not have", sabotage("DELETE FROM ticket_words WHERE rowid = (SELECT MIN(place) FROM ticket_texts)"), func(l *Load) int { return l.unfound }},
		{"a word that the index does not have", func(t *testing.T, l *Load, db *sql.DB) {
			t.Helper()
			require.NoError(t, l.act(t.Context(), 0, "unindexed", l.open[0]))
			_, err := db.ExecContext(t.Context(), "DELETE FROM ticket_unindexed")
			require.NoError(t, err)
		}, func(l *Load) int { return l.unfound }},
		{"an altered event", sabotage("UPDATE ticket_events SET doc = replace(doc, 'blank', 'white') WHERE seq = 1"), func(l *Load) int { return l.broken }},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "tickets.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			p, err := NewPlace(t.Context(), "here", db, sqlstore.SQLite)
			require.NoError(t, err)
			l := New(Options{Length: 200 * time.Millisecond, Backlog: 6, Lease: 100 * time.Millisecond, Relays: 1, Once: time.Minute, Patience: 20 * time.Second}, []*Place{p, p})
			require.NoError(t, l.Run(t.Context(), func(context.Context) error { return nil }))
			require.NoError(t, l.put(t.Context(), 0, "p")) // a slow machine may have put none
			require.Positive(t, l.gap)
			token := "long"
			for len(contentOf(token)) < 300_000 {
				token += "a"
			}
			require.NoError(t, l.act(t.Context(), 0, token, ticket.ID{}))
			c.do(t, l, db)
			require.NoError(t, l.Check(t.Context(), p))
			require.Equal(t, c.count == nil, l.Report("0 kills"), l.Found)
			if c.count != nil {
				require.Positive(t, c.count(l), l.Found)
			}
		})
	}
}
