package sla

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestMomentOfAThreshold(t *testing.T) {
	const hour, us = time.Hour, time.Microsecond
	for _, tc := range []struct {
		threshold    Threshold
		within, want time.Duration
	}{
		{Threshold{Share: 50}, 4 * hour, 2 * hour},
		{Threshold{Share: 100}, 4 * hour, 4 * hour},
		{Threshold{Share: 100}, us, us},
		{Threshold{Share: 1}, us, us}, // never early
		{Threshold{Share: 99}, 101 * us, 100 * us},
		{Threshold{Share: 99}, maxTime, maxTime / 100 * 99},
		{Threshold{Before: hour}, 4 * hour, 3 * hour},
		{Threshold{Before: 4 * hour}, 4 * hour, 0},
		{Threshold{Before: 5 * hour}, 4 * hour, 0},
		{Threshold{After: hour}, 4 * hour, 5 * hour},
	} {
		require.Equal(t, tc.want, tc.threshold.offset(tc.within), "%s of %s", tc.threshold, tc.within)
	}
}

// A rating is no message, whether or not its words were erased.
func TestARatingIsNoMessage(t *testing.T) {
	say := func(change func(*ticket.Event)) bool {
		e := ticket.Event{Action: ticket.ActionReply, By: ticket.By{Role: ticket.RoleRequester}}
		change(&e)
		ticket.Chain{}.Seal(ticket.Digest{}, &e)
		erased := e.Erase(ticket.Groups{PublicContent: true})
		require.Equal(t, fromCustomer(&e), fromCustomer(&erased))
		return fromCustomer(&e)
	}
	require.True(t, say(func(e *ticket.Event) { e.Message = "Help." }))
	require.False(t, say(func(e *ticket.Event) { e.Action, e.Set.Score, e.Feedback = ticket.ActionRate, 1, "Bad." }))
}

func TestTargetOfAStay(t *testing.T) {
	const hour = time.Hour
	level := func(levels []int, queues []string, within time.Duration) Target {
		return Target{Metric: MetricLevel, Levels: levels, Queues: queues, Within: within}
	}
	a := Spec{Name: "x", Version: 1, Policies: []Policy{{Name: "y", Targets: []Target{
		level([]int{1}, []string{"shop"}, hour),
		level([]int{1, 2}, nil, 2*hour),
		{Metric: MetricSolution, Within: 9 * hour},
		level(nil, []string{"billing"}, 3*hour),
	}}}}.MustCompile()
	p, err := a.choose(&ticket.Ticket{})
	require.NoError(t, err)
	for _, tc := range []struct {
		level int
		queue string
		want  time.Duration // 0: none
	}{
		{1, "shop", hour}, {1, "billing", 2 * hour}, {1, "", 2 * hour}, {2, "shop", 2 * hour}, {3, "billing", 3 * hour}, {3, "shop", 0},
	} {
		got := p.target(MetricLevel, tc.level, tc.queue)
		if tc.want == 0 {
			require.Nil(t, got)
			continue
		}
		require.Equal(t, tc.want, got.Within)
		require.Same(t, a.calendar(""), got.cal)
	}
	require.Equal(t, 9*hour, p.target(MetricSolution, 3, "shop").Within)
	require.Nil(t, p.target(MetricUpdate, 1, "shop"))
	require.Nil(t, (*policy)(nil).target(MetricUpdate, 1, "shop"))
}
