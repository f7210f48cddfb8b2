package dbtests_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/sqlstore"
)

// docs/storage.md has a statement for tickets that a program of version 5 has written after
// the migration. It repairs "wake", and changes no other ticket.
func TestTheRepairOfTheDocumentationWorks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "storage.md"))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^    (UPDATE ticket_tickets SET wake(?:.*\n)(?:    .*\n)*)`).FindSubmatch(text)
	require.NotNil(t, found)
	type row struct {
		name                  string
		timer, wake, snoozed  any // as found
		clocks                any
		want                  any // of wake
		changedByAnOlderStore bool
	}
	rows := []row{
		{name: "no timer"},
		{name: "a timer", timer: 500, wake: 500, want: 500},
		{name: "a timer that is new", timer: 500, want: 500, changedByAnOlderStore: true},
		{name: "a timer that has moved", timer: 500, wake: 400, want: 500, changedByAnOlderStore: true},
		{name: "a timer that has ended", wake: 400, changedByAnOlderStore: true},
		{name: "a clock before the timer", timer: 500, wake: 300, clocks: "{}", want: 300},
		{name: "a clock without a timer", wake: 300, clocks: "{}", want: 300},
		{name: "a snooze", wake: 300, snoozed: 300, want: 300},
		{name: "a new timer before the clock", timer: 200, wake: 300, clocks: "{}", want: 200, changedByAnOlderStore: true},
		{name: "a new timer beside a clock that has ended", timer: 200, clocks: "{}", want: 200, changedByAnOlderStore: true},
		{name: "a new timer before the end of the snooze", timer: 200, wake: 300, snoozed: 300, want: 200, changedByAnOlderStore: true},
	}
	each(t, databases, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		b.version5(t, dsn, len(rows))
		db := b.connect(t, dsn)
		_, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		set := "UPDATE ticket_tickets SET timer_at = ?, wake = ?, snoozed = ?, clocks = ? WHERE created = ?"
		if b.dialect == sqlstore.Postgres {
			set = "UPDATE ticket_tickets SET timer_at = $1, wake = $2, snoozed = $3, clocks = $4 WHERE created = $5"
		}
		changed := int64(0)
		for i, r := range rows {
			_, err := db.ExecContext(t.Context(), set, r.timer, r.wake, r.snoozed, r.clocks, 1700000000000000+int64(i))
			require.NoError(t, err)
			if r.changedByAnOlderStore {
				changed++
			}
		}
		for range 2 {
			result, err := db.ExecContext(t.Context(), string(found[1]))
			require.NoError(t, err)
			n, err := result.RowsAffected()
			require.NoError(t, err)
			require.Equal(t, changed, n)
			changed = 0 // the second run has nothing to do
		}
		list, err := db.QueryContext(t.Context(), "SELECT wake FROM ticket_tickets ORDER BY created")
		require.NoError(t, err)
		defer func() { require.NoError(t, list.Close()) }()
		for _, r := range rows {
			require.True(t, list.Next())
			var wake sql.NullInt64
			require.NoError(t, list.Scan(&wake))
			want, ok := r.want.(int)
			require.Equal(t, sql.NullInt64{Int64: int64(want), Valid: ok}, wake, r.name)
		}
		require.NoError(t, list.Err())
	})
}
