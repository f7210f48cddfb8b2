package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// At any hour of the week the log ends now, with work of every kind.
func TestLogEndsNow(t *testing.T) {
	agreement, err := promises()
	require.NoError(t, err)
	office, _ := agreement.Calendar("office")
	for _, now := range []time.Time{
		time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), time.Date(2026, 12, 5, 23, 59, 0, 0, time.UTC),
	} {
		lines, err := writeLog(office, now)
		require.NoError(t, err)
		require.True(t, slices.IsSortedFunc(lines, func(a, b line) int { return a.At.Compare(b.At) }))
		opened := map[int]bool{}
		for _, l := range lines {
			require.False(t, l.At.After(now))
			require.Equal(t, !opened[l.Case], l.Draft != nil, "case %d begins once, at its beginning", l.Case)
			opened[l.Case] = true
		}
		require.InDelta(t, cases, len(opened), 10)
		require.Less(t, lines[0].At, now.AddDate(0, 0, -days+5))
	}
}

func TestSeededDeskHasEverything(t *testing.T) {
	s, err := open(t.Context(), t.TempDir(), "http://127.0.0.1:1", io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.data.db.Close()) })
	all := ticket.System("test")
	for _, status := range []ticket.Status{ticket.StatusNew, ticket.StatusQueued, ticket.StatusOpen, ticket.StatusWaiting, ticket.StatusOnHold, ticket.StatusResolved, ticket.StatusClosed, ticket.StatusCancelled} {
		n, err := s.desk.Count(t.Context(), all, ticket.Query{Status: []ticket.Status{status}})
		require.NoError(t, err)
		require.Positive(t, n, status)
	}
	for name, q := range map[string]ticket.Query{
		"level 2": {Level: []int{2}}, "level 3": {Level: []int{3}}, "late": {Missed: true},
		"known": {Known: true}, "due soon": {DueBefore: time.Now().Add(time.Hour)},
		"Ada": {Requester: everybody()[0].Person},
	} {
		n, err := s.desk.Count(t.Context(), all, q)
		require.NoError(t, err)
		require.Positive(t, n, name)
	}
	for _, state := range []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending, ticket.DeliveryBounced} {
		page, err := s.desk.Deliveries(t.Context(), all, ticket.DeliveryQuery{State: []ticket.DeliveryState{state}, Limit: 1})
		require.NoError(t, err)
		require.NotEmpty(t, page.Deliveries, state)
	}
	letters, err := newestLetters(t.Context(), s.data.db, "")
	require.NoError(t, err)
	require.NotEmpty(t, letters)
	require.True(t, slices.ContainsFunc(letters, func(l sent) bool { return strings.HasPrefix(l.Link, "/t/") }))
	page, err := s.desk.List(t.Context(), all, ticket.Query{Limit: 1})
	require.NoError(t, err)
	require.NoError(t, s.desk.Verify(t.Context(), all, page.Tickets[0].ID), "what was imported is as the desk would have written it")
}

func TestDataIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	for range 2 {
		s, err := open(t.Context(), dir, "http://127.0.0.1:1", &out)
		require.NoError(t, err)
		require.NoError(t, s.data.db.Close())
	}
	require.Equal(t, 1, strings.Count(out.String(), "Made "), out.String())
	require.NoFileExists(t, filepath.Join(dir, "desk.db.part"))
}
