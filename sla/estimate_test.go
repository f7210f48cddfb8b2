package sla_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// briefTicket is a ticket that was answered and solved so long after its creation; never if
// negative.
type briefTicket struct {
	queue            string
	level            int
	priority         ticket.Grade
	answered, solved time.Duration
}

func (b briefTicket) events(id int) []ticket.Event {
	at := january("05 09:00:00")
	e := ticket.Event{
		Ticket: ticket.ID{1, byte(id >> 16), byte(id >> 8), byte(id)}, Seq: 1, At: at, Action: ticket.ActionOpen,
		To: ticket.State{Status: ticket.StatusNew, Level: b.level}, Phase: ticket.PhaseReceived,
	}
	e.Set.Queue, e.Set.Priority = &b.queue, b.priority
	events := []ticket.Event{e}
	if b.answered >= 0 {
		e.Seq, e.At, e.Action, e.Answer = 2, at.Add(b.answered), ticket.ActionReply, true
		events = append(events, e)
	}
	if b.solved >= 0 {
		e.Seq, e.At, e.Action, e.Answer = int64(len(events))+1, at.Add(b.solved), ticket.ActionResolve, false
		e.To.Status, e.Phase = ticket.StatusResolved, ticket.PhaseSolved
		e.Set.Queue = new("elsewhere")
		events = append(events, e)
	}
	return events
}

func briefHistories(list []briefTicket) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for i, b := range list {
			if !yield(b.events(i), nil) {
				return
			}
		}
	}
}

func ExampleEstimation_Run() {
	ctx := context.Background()
	var past []briefTicket
	for i := range 20 {
		past = append(past, briefTicket{"shop", 1, ticket.GradeMedium, time.Duration(i+1) * time.Hour, time.Duration(i+1) * 5 * time.Hour})
	}
	estimate, err := sla.Estimation{Calendar: pastOffice}.Run(ctx, briefHistories(past)) // or sla.Histories
	if err != nil {
		fmt.Println(err)
		return
	}
	t := ticket.Ticket{Queue: "shop", Level: 1, Priority: ticket.GradeHigh}
	if times, ok := estimate.For(t, sla.MetricSolution); ok {
		fmt.Printf("half of %d tickets of queue %s were solved within %v, 9 of 10 within %v\n",
			times.Count, times.Group.Queue, times.Median, times.P90)
		fmt.Println("in business hours:", times.OpenMedian, times.OpenP90)
	}
	// Output:
	// half of 20 tickets of queue shop were solved within 50h0m0s, 9 of 10 within 90h0m0s
	// in business hours: 18h0m0s 32h0m0s
}

func TestEstimateFallsBack(t *testing.T) {
	const m, high, low = sla.MetricFirstAnswer, ticket.GradeHigh, ticket.GradeLow
	var list []briefTicket
	add := func(n int, queue string, level int, priority ticket.Grade, answered time.Duration) {
		for range n {
			list = append(list, briefTicket{queue, level, priority, answered, -1})
		}
	}
	add(3, "shop", 1, low, 1*time.Hour)
	add(2, "shop", 2, low, 2*time.Hour)
	add(2, "shop", 2, high, 3*time.Hour)
	add(3, "billing", 2, high, 4*time.Hour)
	add(2, "office", 3, low, 5*time.Hour)
	add(2, "", 3, low, 6*time.Hour)
	e, err := sla.Estimation{Least: 3}.Run(t.Context(), briefHistories(list))
	require.NoError(t, err)
	type group = sla.Group
	for _, tc := range []struct {
		queue    string
		level    int
		priority ticket.Grade
		want     group
		count    int
	}{
		{"shop", 1, low, group{"shop", 1, low}, 3},
		{"shop", 2, low, group{"shop", 0, low}, 5},
		{"shop", 2, high, group{"shop", 0, 0}, 7},
		{"shop", 1, ticket.GradeMedium, group{"shop", 0, 0}, 7},
		{"office", 3, low, group{"", 3, low}, 4},
		{"office", 1, high, group{"", 0, high}, 5},
		{"office", 1, ticket.GradeMedium, group{}, 14},
		{"", 3, low, group{"", 3, low}, 4},
		{"", 0, 0, group{}, 14},
	} {
		got, ok := e.For(ticket.Ticket{Queue: tc.queue, Level: tc.level, Priority: tc.priority}, m)
		require.True(t, ok)
		require.Equal(t, tc.want, got.Group)
		require.Equal(t, tc.count, got.Count)
		require.Equal(t, m, got.Metric)
	}
	_, ok := e.For(ticket.Ticket{Queue: "shop", Level: 1, Priority: low}, sla.MetricSolution)
	require.False(t, ok, "nothing was solved")
	_, ok = e.For(ticket.Ticket{Queue: "shop", Level: 1, Priority: low}, sla.MetricUpdate)
	require.False(t, ok)
	times := e.Times()
	require.True(t, slices.IsSortedFunc(times, func(a, b sla.Times) int {
		return slices.Compare([]string{a.Group.Queue, fmt.Sprint(a.Group.Level), fmt.Sprint(uint8(a.Group.Priority))},
			[]string{b.Group.Queue, fmt.Sprint(b.Group.Level), fmt.Sprint(uint8(b.Group.Priority))})
	}))
	for _, found := range times {
		require.GreaterOrEqual(t, found.Count, 3)
	}

	e, err = sla.Estimation{}.Run(t.Context(), briefHistories(list[:9]))
	require.NoError(t, err)
	_, ok = e.For(ticket.Ticket{}, m)
	require.False(t, ok, "nine are too few")
	e, err = sla.Estimation{}.Run(t.Context(), briefHistories(list[:10]))
	require.NoError(t, err)
	_, ok = e.For(ticket.Ticket{}, m)
	require.True(t, ok)
}

func TestEstimateCountsWhoWaits(t *testing.T) {
	list := []briefTicket{
		{"shop", 1, ticket.GradeLow, time.Hour, 30 * time.Hour},
		{"shop", 1, ticket.GradeLow, 2 * time.Hour, -1},
		{"shop", 1, ticket.GradeLow, -1, -1},
		{"shop", 1, ticket.GradeLow, -1, 10 * time.Hour}, // solved without an answer
	}
	e, err := sla.Estimation{Least: 1, Calendar: pastOffice}.Run(t.Context(), briefHistories(list))
	require.NoError(t, err)
	of := ticket.Ticket{Queue: "shop", Level: 1, Priority: ticket.GradeLow}
	group := sla.Group{Queue: "shop", Level: 1, Priority: ticket.GradeLow}
	got, ok := e.For(of, sla.MetricFirstAnswer)
	require.True(t, ok)
	require.Equal(t, sla.Times{
		Group: group, Metric: sla.MetricFirstAnswer, Count: 2, Waiting: 1,
		Median: time.Hour, P90: 2 * time.Hour, OpenMedian: time.Hour, OpenP90: 2 * time.Hour,
	}, got)
	got, ok = e.For(of, sla.MetricSolution)
	require.True(t, ok)
	want := sla.Times{
		Group: group, Metric: sla.MetricSolution, Count: 2, Waiting: 2,
		Median: 10 * time.Hour, P90: 30 * time.Hour, OpenMedian: 8 * time.Hour, OpenP90: 14 * time.Hour,
	}
	require.Equal(t, want, got)
	data, err := json.Marshal(got)
	require.NoError(t, err)
	require.Contains(t, string(data), `"open_p90":"14h0m0s"`)
	var back sla.Times
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, want, back)
}

func TestEstimateOfMergedCancelledAndReopenedTickets(t *testing.T) {
	d, err := pastTickets(t.Context()) // the second one is merged
	require.NoError(t, err)
	cancelled, err := d.open("05 13:00:00", "shop", ticket.GradeLow)
	require.NoError(t, err)
	require.NoError(t, d.do("05 14:00:00", &cancelled, ticket.Action{Name: ticket.ActionCancel, Reason: "other"}))
	reopened, err := d.open("05 13:00:00", "", ticket.GradeLow)
	require.NoError(t, err)
	require.NoError(t, d.do("05 14:00:00", &reopened, ticket.Action{Name: ticket.ActionHandOver, Queue: "late"}))
	require.NoError(t, d.do("05 15:00:00", &reopened, ticket.Action{Name: ticket.ActionResolve, Message: "It prints."}))
	require.NoError(t, d.do("07 15:00:00", &reopened, ticket.Action{Name: ticket.ActionReopen, Note: "no"}))
	require.NoError(t, d.do("07 16:00:00", &reopened, ticket.Action{Name: ticket.ActionResolve, Message: "It prints."}))

	e, err := sla.Estimation{Least: 1}.Run(t.Context(), sla.Histories(t.Context(), d.Desk, ticket.System("test"), ticket.Query{}))
	require.NoError(t, err)
	all, ok := e.For(ticket.Ticket{}, sla.MetricSolution)
	require.True(t, ok)
	require.Equal(t, []int{2, 1}, []int{all.Count, all.Waiting})
	require.Equal(t, []time.Duration{3 * time.Hour, 3 * time.Hour}, []time.Duration{all.Median, all.P90})
	late, ok := e.For(ticket.Ticket{Queue: "late"}, sla.MetricSolution)
	require.True(t, ok)
	require.Equal(t, sla.Group{Queue: "late"}, late.Group)
	require.Equal(t, 3*time.Hour, late.Median, "two hours and one; not the two days in which it was solved")
}

func TestEstimateEndsEarly(t *testing.T) {
	broken := errors.New("the disk is gone")
	histories := func(yield func([]ticket.Event, error) bool) {
		_ = yield(briefTicket{"shop", 1, 1, 1, 1}.events(1), nil) && yield(nil, nil) && yield(nil, broken)
	}
	count := ""
	s := sla.Estimation{Least: 1, Progress: func(tickets, events int) { count += fmt.Sprint(tickets, " ", events, ";") }}
	e, err := s.Run(t.Context(), histories)
	require.ErrorIs(t, err, broken)
	require.Equal(t, "1 3;", count)
	found, ok := e.For(ticket.Ticket{}, sla.MetricSolution)
	require.True(t, ok)
	require.Equal(t, 1, found.Count)

	e, err = s.Run(t.Context(), one(briefTicket{"shop", 1, 1, 1, 1}.events(1)[1:]))
	require.ErrorIs(t, err, ticket.ErrChain)
	require.Empty(t, e.Times())
	_, err = s.Run(t.Context(), nil)
	require.ErrorIs(t, err, sla.ErrInvalid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Run(ctx, histories)
	require.ErrorIs(t, err, context.Canceled)
}

// Above the limit of exact values a quantile is off by at most one percent.
func TestEstimateOfManyTickets(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, n := range []int{1, 2, 9, 10, 11, 999, 1000, 1001, 2500} {
		var list []briefTicket
		var sorted []time.Duration
		for range n {
			d := time.Duration(r.ExpFloat64()*float64(40*time.Hour)) + time.Duration(r.IntN(2))*time.Microsecond
			if r.IntN(3) == 0 {
				d /= 10_000
			}
			d = d.Truncate(time.Microsecond)
			list = append(list, briefTicket{"shop", 1, ticket.GradeLow, d, d})
			sorted = append(sorted, d)
		}
		slices.Sort(sorted)
		e, err := sla.Estimation{Least: 1}.Run(t.Context(), briefHistories(list))
		require.NoError(t, err)
		for _, m := range []sla.Metric{sla.MetricFirstAnswer, sla.MetricSolution} {
			got, ok := e.For(ticket.Ticket{}, m)
			require.True(t, ok)
			require.Equal(t, n, got.Count)
			for _, q := range []struct {
				got     time.Duration
				percent int
			}{{got.Median, 50}, {got.P90, 90}, {got.OpenMedian, 50}, {got.OpenP90, 90}} {
				i := slices.IndexFunc(sorted, func(d time.Duration) bool { // not quick, but obvious
					within := 0
					for _, other := range sorted {
						if other <= d {
							within++
						}
					}
					return within*100 >= n*q.percent
				})
				if n <= 1000 {
					require.Equal(t, sorted[i], q.got)
				} else {
					require.InDelta(t, float64(sorted[i]), float64(q.got), max(float64(sorted[i])/100, float64(time.Millisecond)))
				}
			}
		}
	}
}
