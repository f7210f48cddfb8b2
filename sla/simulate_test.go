package sla_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// twoPolicies returns an agreement with a policy for pressing tickets and one for all others.
func twoPolicies(pressing, usual time.Duration) *sla.Agreement {
	targets := func(within time.Duration) []sla.Target {
		return []sla.Target{
			{Metric: sla.MetricFirstAnswer, Within: within},
			{Metric: sla.MetricUpdate, Within: 4 * within},
			{Metric: sla.MetricSolution, Within: 8 * within, Pause: []sla.Pause{{Status: ticket.StatusWaiting}}},
			{Metric: sla.MetricLevel, Within: 2 * within},
		}
	}
	return sla.Spec{Name: "desk", Version: 1, Policies: []sla.Policy{
		{Name: "pressing", When: sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh, ticket.GradeCritical}}, Targets: targets(pressing)},
		{Name: "usual", Targets: targets(usual)},
	}}.MustCompile()
}

// pastTickets returns a desk with three tickets: one is answered after half an hour and
// solved after three hours by another team, one is merged into the first, and one waits.
func pastTickets(ctx context.Context) (*pastDesk, error) {
	d, err := newPastDesk(ctx)
	if err != nil {
		return nil, err
	}
	a, err := d.open("05 09:00:00", "shop", ticket.GradeMedium)
	b, err2 := d.open("05 09:10:00", "shop", ticket.GradeMedium)
	_, err3 := d.open("05 09:20:00", "billing", ticket.GradeHigh)
	return d, errors.Join(err, err2, err3,
		d.do("05 09:30:00", &a, ticket.Action{Name: ticket.ActionReply, Message: "We look into it."}),
		d.do("05 09:40:00", &b, ticket.Action{Name: ticket.ActionMerge, Ticket: a.ID}),
		d.do("05 11:30:00", &a, ticket.Action{Name: ticket.ActionEscalate, Level: 2, Queue: "networks", Note: "the cable"}),
		d.do("05 12:00:00", &a, ticket.Action{Name: ticket.ActionResolve, Message: "It prints."}))
}

func ExampleSimulation_Run() {
	ctx := context.Background()
	desk, err := pastTickets(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	promise := func(within time.Duration) *sla.Agreement {
		return sla.Spec{Name: "contract", Version: 1, Policies: []sla.Policy{{
			Name: "everybody",
			Targets: []sla.Target{
				{Metric: sla.MetricFirstAnswer, Within: within / 8},
				{Metric: sla.MetricSolution, Within: within},
			},
		}}}.MustCompile()
	}
	simulation := sla.Simulation{
		Agreement: promise(4 * time.Hour), // would we keep this?
		Against:   promise(2 * time.Hour), // we promise this now
		Now:       time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC),
	}
	result, err := simulation.Run(ctx, sla.Histories(ctx, desk.Desk, ticket.System("reports"), ticket.Query{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d tickets, %d differ\n", result.Tickets, result.Differing)
	fmt.Print(result)
	for _, s := range result.Shifts {
		fmt.Printf("%s: %d from %s to %s\n", s.Metric, s.Targets, s.Against, s.Outcome)
	}
	// Output:
	// 3 tickets, 2 differ
	//                    met   missed     late  running     void    met
	// first answer         1        0        1        0        1  50.0%
	// solution             1        0        0        1        1 100.0%
	// first answer: 1 from missed to met
	// solution: 1 from late to running
	// solution: 1 from missed to met
}

func TestSimulation(t *testing.T) {
	d, err := pastTickets(t.Context())
	require.NoError(t, err)
	var progress []string
	var seen []sla.Simulated
	s := sla.Simulation{
		Agreement: twoPolicies(20*time.Minute, 45*time.Minute), Against: twoPolicies(20*time.Minute, 20*time.Minute),
		Now:      january("05 12:30:00"),
		Progress: func(tickets, events int) { progress = append(progress, fmt.Sprint(tickets, " ", events)) },
		Each:     func(one sla.Simulated) error { seen = append(seen, one); return nil },
	}
	got, err := s.Run(t.Context(), sla.Histories(t.Context(), d.Desk, ticket.System("test"), ticket.Query{}))
	require.NoError(t, err)
	const pressing, usual, m = "pressing", "usual", sla.MetricLevel
	met, missed, void, late := sla.Tally{Met: 1}, sla.Tally{Missed: 1}, sla.Tally{Void: 1}, sla.Tally{Late: 1}
	require.Equal(t, []sla.Row{
		{sla.MetricFirstAnswer, pressing, "billing", 1, late},
		{sla.MetricFirstAnswer, usual, "shop", 1, met.Plus(void)},
		{sla.MetricUpdate, usual, "networks", 2, met}, // stopped by the solution there
		{sla.MetricSolution, pressing, "billing", 1, late},
		{sla.MetricSolution, usual, "networks", 2, met},
		{sla.MetricSolution, usual, "shop", 1, void},
		{m, pressing, "billing", 1, late},
		{m, usual, "networks", 2, met},
		{m, usual, "shop", 1, missed.Plus(void)},
	}, got.Rows)
	require.Equal(t, []sla.Row{
		{sla.MetricFirstAnswer, pressing, "billing", 1, late},
		{sla.MetricFirstAnswer, usual, "shop", 1, missed.Plus(void)},
		{sla.MetricUpdate, usual, "shop", 1, missed}, // at 10:50, before the escalation
		{sla.MetricSolution, pressing, "billing", 1, late},
		{sla.MetricSolution, usual, "networks", 2, missed}, // at 11:40, after it
		{sla.MetricSolution, usual, "shop", 1, void},
		{m, pressing, "billing", 1, late},
		{m, usual, "networks", 2, met},
		{m, usual, "shop", 1, missed.Plus(void)},
	}, got.Against.Rows)
	require.Equal(t, []sla.Shift{
		{sla.MetricFirstAnswer, sla.OutcomeMissed, sla.OutcomeMet, 1},
		{sla.MetricUpdate, sla.OutcomeMissed, sla.OutcomeMet, 1},
		{sla.MetricSolution, sla.OutcomeMissed, sla.OutcomeMet, 1},
	}, got.Shifts)
	require.Equal(t, 1, got.Differing)
	require.Len(t, seen, 3)
	i := slices.IndexFunc(seen, func(one sla.Simulated) bool { return len(one.Difference.Targets) > 0 })
	require.Equal(t, []sla.Difference{{seen[i].Ticket.ID, seen[i].Ticket.Number, []sla.TargetDifference{
		{sla.MetricFirstAnswer, 1, sla.OutcomeMissed, sla.OutcomeMet},
		{sla.MetricSolution, 1, sla.OutcomeMissed, sla.OutcomeMet},
		{sla.MetricUpdate, 2, sla.OutcomeMissed, sla.OutcomeMet},
	}}}, got.Differences)
	require.Equal(t, []string{"3", "8"}, strings.Fields(progress[2]))
	for _, one := range seen {
		clocks, err := s.Agreement.Clocks(one.Events, s.Now)
		require.NoError(t, err)
		require.Equal(t, clocks, one.Clocks)
	}

	// The agreement that promises nothing.
	nothing := sla.Spec{Name: "nothing", Version: 1, Policies: []sla.Policy{{
		Name: "gold", When: sla.Condition{Queue: []string{"gold"}}, Targets: []sla.Target{{Metric: sla.MetricSolution, Within: time.Hour}},
	}}}.MustCompile()
	s.Against, s.Each = nothing, nil
	got, err = s.Run(t.Context(), sla.Histories(t.Context(), d.Desk, ticket.System("test"), ticket.Query{}))
	require.NoError(t, err)
	require.Equal(t, sla.Report{Without: 3}, got.Against)
	require.Equal(t, 3, got.Differing)
	require.Contains(t, got.Shifts, sla.Shift{Metric: sla.MetricUpdate, Outcome: sla.OutcomeMet, Targets: 1})
}

// Of several events at the same time, the one that stops the clock counts.
func TestSimulationOfEventsAtTheSameTime(t *testing.T) {
	d, err := newPastDesk(t.Context())
	require.NoError(t, err)
	a, err := d.open("05 09:00:00", "shop", ticket.GradeMedium)
	require.NoError(t, err)
	const at = "05 09:30:00"
	require.NoError(t, d.do(at, &a, ticket.Action{Name: ticket.ActionReply, Message: "One moment."}))
	require.NoError(t, d.do(at, &a, ticket.Action{Name: ticket.ActionHandOver, Queue: "networks"}))
	require.NoError(t, d.do(at, &a, ticket.Action{Name: ticket.ActionResolve, Message: "It prints."}))
	require.NoError(t, d.do(at, &a, ticket.Action{Name: ticket.ActionClose}))
	require.NoError(t, d.do(at, &a, ticket.Action{Name: ticket.ActionAmend, Queue: "archive", Note: "filed"}))
	got, err := sla.Simulation{Agreement: twoPolicies(time.Hour, time.Hour)}.Run(t.Context(),
		sla.Histories(t.Context(), d.Desk, ticket.System("test"), ticket.Query{}))
	require.NoError(t, err)
	met := sla.Tally{Met: 1}
	require.Equal(t, []sla.Row{
		{sla.MetricFirstAnswer, "usual", "shop", 1, met},
		{sla.MetricUpdate, "usual", "networks", 1, met},
		{sla.MetricSolution, "usual", "networks", 1, met},
		{sla.MetricLevel, "usual", "networks", 1, met},
		{sla.MetricLevel, "usual", "shop", 1, met},
	}, got.Rows)
}

// A change of the policy can end a clock, too. Later events at the same time do not move it.
func TestSimulationCountsAVoidTargetWhereItEnded(t *testing.T) {
	high := sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh}}
	a := sla.Spec{Name: "desk", Version: 1, Policies: []sla.Policy{{
		Name: "high", When: high, Targets: []sla.Target{{Metric: sla.MetricSolution, Within: time.Hour}},
	}}}.MustCompile()
	at := january("05 09:00:00")
	e := ticket.Event{Ticket: ticket.ID{1}, Seq: 1, At: at, Action: ticket.ActionOpen, To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived}
	e.Set = ticket.Patch{Priority: ticket.GradeHigh, Queue: new("shop")}
	events := []ticket.Event{e}
	for _, set := range []ticket.Patch{{Priority: ticket.GradeLow}, {Queue: new("networks")}, {}} {
		e.Seq, e.At, e.Action, e.Set = e.Seq+1, at.Add(time.Minute), ticket.ActionEdit, set
		events = append(events, e)
	}
	got, err := sla.Simulation{Agreement: a}.Run(t.Context(), one(events))
	require.NoError(t, err)
	require.Equal(t, []sla.Row{{sla.MetricSolution, "high", "shop", 1, sla.Tally{Void: 1}}}, got.Rows)
}

func TestTally(t *testing.T) {
	_, ok := sla.Tally{Void: 2, Running: 3}.Share()
	require.False(t, ok)
	share, ok := sla.Tally{Met: 6, Missed: 1, Late: 1, Void: 2, Running: 3}.Share()
	require.True(t, ok)
	require.InDelta(t, 0.75, share, 1e-9)
	require.Equal(t, 13, sla.Tally{Met: 6, Missed: 1, Late: 1, Void: 2, Running: 3}.Total())
}

// The counts are compared with those of the clocks of each ticket.
func TestSimulationOfRandomHistories(t *testing.T) {
	first, second := twoPolicies(time.Hour, 5*time.Hour), twoPolicies(2*time.Hour, 2*time.Hour)
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	var want [2]map[sla.Row]sla.Tally
	differing, tickets, events := 0, 0, 0
	count := func(k int, clocks []sla.Clock) {
		if want[k] == nil {
			want[k] = map[sla.Row]sla.Tally{}
		}
		for _, c := range clocks {
			row := sla.Row{Metric: c.Metric, Policy: c.Policy}
			tally := want[k][row]
			switch c.State {
			case sla.ClockMet:
				tally.Met++
			case sla.ClockMissed:
				tally.Missed++
			case sla.ClockVoid:
				tally.Void++
			case sla.ClockRunning, sla.ClockPaused:
				if c.Breached.IsZero() {
					tally.Running++
				} else {
					tally.Late++
				}
			}
			want[k][row] = tally
		}
	}
	for h, err := range walks(rand.New(rand.NewPCG(5, 6)), 500) {
		require.NoError(t, err)
		a, err := first.Clocks(h, now)
		require.NoError(t, err)
		b, err := second.Clocks(h, now)
		require.NoError(t, err)
		count(0, a)
		count(1, b)
		require.Len(t, b, len(a)) // the same targets, with other times
		for i := range a {
			if a[i].Outcome() != b[i].Outcome() {
				differing++
				break
			}
		}
		tickets++
		events += len(h)
	}
	s := sla.Simulation{Agreement: first, Against: second, Now: now, MaxDifferences: 7}
	got, err := s.Run(t.Context(), walks(rand.New(rand.NewPCG(5, 6)), 500))
	require.NoError(t, err)
	require.Equal(t, tickets, got.Tickets)
	require.Equal(t, events, got.Events)
	require.Positive(t, differing)
	require.Equal(t, differing, got.Differing)
	require.Len(t, got.Differences, 7)
	for k, r := range []sla.Report{got.Report, got.Against} {
		rows := r.Group(func(row sla.Row) sla.Row { return sla.Row{Metric: row.Metric, Policy: row.Policy} })
		require.Len(t, rows, len(want[k]))
		for _, row := range rows {
			require.Equal(t, want[k][sla.Row{Metric: row.Metric, Policy: row.Policy}], row.Tally)
		}
	}

	// An agreement does not differ from itself.
	s.Against = s.Agreement
	got, err = s.Run(t.Context(), walks(rand.New(rand.NewPCG(5, 6)), 500))
	require.NoError(t, err)
	require.Equal(t, got.Report, got.Against)
	require.Zero(t, got.Differing)
	require.Empty(t, got.Differences)
	require.Empty(t, got.Shifts)
}

func TestSimulationEndsEarly(t *testing.T) {
	broken := errors.New("the disk is gone")
	histories := func(yield func([]ticket.Event, error) bool) {
		r := rand.New(rand.NewPCG(7, 8))
		_ = yield(walk(r, ticket.ID{1}, 3), nil) && yield(nil, nil) && yield(walk(r, ticket.ID{2}, 4), nil) && yield(nil, broken)
	}
	s := sla.Simulation{Agreement: twoPolicies(time.Hour, time.Hour)}
	got, err := s.Run(t.Context(), histories)
	require.ErrorIs(t, err, broken)
	require.Equal(t, 2, got.Tickets)
	require.Equal(t, 7, got.Events)
	require.NotEmpty(t, got.Rows)

	ctx, cancel := context.WithCancel(t.Context())
	s.Progress = func(int, int) { cancel() }
	got, err = s.Run(ctx, histories)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, got.Tickets)
	got, err = s.Run(ctx, histories)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, got.Tickets)

	s.Progress = nil
	s.Each = func(one sla.Simulated) error {
		if one.Ticket.ID == (ticket.ID{2}) {
			return broken
		}
		return nil
	}
	got, err = s.Run(t.Context(), histories)
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, got.Tickets)

	for _, against := range []*sla.Agreement{nil, s.Agreement} {
		gap := walk(rand.New(rand.NewPCG(7, 8)), ticket.ID{1}, 3)[1:]
		got, err = sla.Simulation{Agreement: s.Agreement, Against: against}.Run(t.Context(), one(gap))
		require.ErrorIs(t, err, ticket.ErrChain)
		require.Zero(t, got)
	}

	_, err = sla.Simulation{}.Run(t.Context(), histories)
	require.ErrorIs(t, err, sla.ErrInvalid)
	require.EqualError(t, err, "sla: simulation.agreement: is missing")
	_, err = s.Run(t.Context(), nil)
	require.ErrorIs(t, err, sla.ErrInvalid)
	require.EqualError(t, err, "sla: histories: is missing")
}

func one(events []ticket.Event) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) { yield(events, nil) }
}

func TestHistoriesEndWithAnError(t *testing.T) {
	d, err := pastTickets(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for events, err := range sla.Histories(ctx, d.Desk, ticket.System("test"), ticket.Query{}) {
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, events)
		n++
	}
	require.Equal(t, 1, n)
}

// The memory in use does not grow with the number of tickets.
func TestSimulationHasFlatMemory(t *testing.T) {
	var most [2]uint64
	for k, n := range []int{500, 4_000} {
		s := sla.Simulation{Agreement: twoPolicies(time.Hour, time.Hour), Against: twoPolicies(2*time.Hour, 3*time.Hour)}
		s.Progress = func(tickets, _ int) {
			if tickets%250 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most[k] = max(most[k], m.HeapAlloc)
			}
		}
		s.MaxDifferences = 100
		_, err := s.Run(t.Context(), walks(rand.New(rand.NewPCG(9, 10)), n))
		require.NoError(t, err)
	}
	require.Less(t, most[1], most[0]+1<<20)
}

func BenchmarkSimulation(b *testing.B) {
	const tickets = 200
	var histories [][]ticket.Event
	events := 0
	for h, err := range walks(rand.New(rand.NewPCG(11, 12)), tickets) {
		require.NoError(b, err)
		histories = append(histories, h)
		events += len(h)
	}
	s := sla.Simulation{Agreement: twoPolicies(time.Hour, 5*time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Run(b.Context(), func(yield func([]ticket.Event, error) bool) {
			for _, h := range histories {
				if !yield(h, nil) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}
