package web

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// The URL of a queue is all that the page depends on: it is read and written without loss.
func TestQueueURLs(t *testing.T) {
	open := ticket.OpenPhases()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		query, canonical string
		want             ticket.Query
	}{
		{"", "view=open", ticket.Query{Phase: open, Order: ticket.OrderMostUrgent}},
		{"view=mine", "view=mine", ticket.Query{Assignee: []string{"lin"}, Phase: open, Order: ticket.OrderMostUrgent}},
		{"view=unassigned", "view=unassigned", ticket.Query{
			Assignee: []string{""}, Phase: []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress},
			Level: []int{1, 2}, NotSnoozed: true, Order: ticket.OrderMostUrgent,
		}},
		{"level=2&view=unassigned", "level=2&view=unassigned", ticket.Query{
			Assignee: []string{""}, Phase: []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress},
			Level: []int{2}, NotSnoozed: true, Order: ticket.OrderMostUrgent,
		}},
		{"view=overdue&order=due", "view=overdue", ticket.Query{Phase: open, DueBefore: now, Order: ticket.OrderSoonestDue}},
		{"view=overdue&order=newest", "order=newest&view=overdue", ticket.Query{Phase: open, DueBefore: now, Order: ticket.OrderNewestFirst}},
		{"view=due&metric=solution", "metric=solution&view=due", ticket.Query{
			Phase: open, DueBefore: now.Add(time.Hour), Order: ticket.OrderSoonestDue, Metric: "solution",
			After: ticket.Place{Order: ticket.OrderSoonestDue, Metric: "solution", Time: now}.Cursor(),
		}},
		{"view=waiting", "view=waiting", ticket.Query{Phase: []ticket.Phase{ticket.PhaseYourTurn}, Order: ticket.OrderLeastRecent}},
		{"view=done", "view=done", ticket.Query{Phase: []ticket.Phase{ticket.PhaseSolved, ticket.PhaseClosed}, Order: ticket.OrderMostRecent}},
		{
			"view=open&queue=net%26work&queue=&queue=hardware&noqueue=1&level=3&level=1&level=3&status=on+hold&priority=critical&priority=low&tag=b&tag=a&org=Mills&n=25&order=oldest",
			"level=1&level=3&n=25&noqueue=1&order=oldest&org=Mills&priority=low&priority=critical&queue=net%26work&queue=hardware&status=on+hold&tag=b&tag=a&view=open",
			ticket.Query{
				Queue: []string{"net&work", "hardware", ""}, Level: []int{1, 3}, Status: []ticket.Status{"on hold"},
				Priority: []ticket.Grade{ticket.GradeLow, ticket.GradeCritical}, Tags: []string{"b", "a"}, Organisation: "Mills",
				Phase: open, Order: ticket.OrderOldestFirst, Limit: 25,
			},
		},
		{"view=open&assignee=kim&nobody=yes&level=&priority=&status=", "assignee=kim&nobody=1&view=open", ticket.Query{Assignee: []string{"kim", ""}, Phase: open, Order: ticket.OrderMostUrgent}},
		{"view=open&after=abc", "after=abc&view=open", ticket.Query{Phase: open, Order: ticket.OrderMostUrgent, After: "abc"}},
	} {
		v, err := url.ParseQuery(c.query)
		require.NoError(t, err)
		u, ok := parseQueue(v)
		require.True(t, ok, c.query)
		require.Equal(t, c.canonical, u.values().Encode(), c.query)
		again, ok := parseQueue(u.values())
		require.True(t, ok)
		require.Equal(t, u, again, c.query)
		if c.want.Limit == 0 {
			c.want.Limit = 50
		}
		c.want.NotMerged = true
		require.Equal(t, c.want, u.query(ticket.Agent("lin", 1, 2), now, time.Hour), c.query)
	}

	u, ok := parseQueue(url.Values{"view": {"all"}})
	require.True(t, ok)
	q := u.query(ticket.Agent("lin", 1, 2), now, time.Hour)
	require.False(t, q.NotMerged, "a search among all tickets has merged ones too")
	require.Empty(t, q.Phase)

	for _, query := range []string{"view=theirs", "level=0", "level=-1", "level=x", "level=99999", "priority=huge", "order=random", "n=7", "n=x", "view=due&order=newest"} {
		v, err := url.ParseQuery(query)
		require.NoError(t, err)
		_, ok := parseQueue(v)
		require.False(t, ok, query)
	}
}

// A view has links to its other orders, which begin at the first page.
func TestSortedQueueURL(t *testing.T) {
	u, ok := parseQueue(url.Values{"view": {"open"}, "after": {"abc"}, "queue": {"net"}})
	require.True(t, ok)
	require.Equal(t, "order=newest&queue=net&view=open", u.sorted("newest").values().Encode())
	require.Equal(t, "queue=net&view=open", u.sorted("urgent").values().Encode())
	require.True(t, u.filtered())
}

func FuzzQueueURL(f *testing.F) {
	f.Add("view=open&level=1&queue=a&order=due&n=25&after=x&priority=low&of=1")
	f.Add("view=due&metric=x")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		u, ok := parseQueue(v)
		if !ok {
			return
		}
		again, ok := parseQueue(u.values())
		if !ok || u.values().Encode() != again.values().Encode() {
			t.Fatalf("%q becomes %v, and then %v", query, u.values(), again.values())
		}
	})
}
