package sla_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
)

// fold is a ticket whose clocks an agreement keeps, event by event, as the desk does it.
type fold struct {
	testing.TB
	agreed *sla.Agreement
	ticket ticket.Ticket
	events []ticket.Event
	reads  int // how often the history was read
}

func (f *fold) history() iter.Seq2[ticket.Event, error] {
	return func(yield func(ticket.Event, error) bool) {
		f.reads++
		for i := range f.events {
			if !yield(f.events[i].Clone(), nil) {
				return
			}
		}
	}
}

// add numbers the event and puts it after the last one, as the desk does, and completes it.
func (f *fold) add(e ticket.Event) ticket.Event {
	f.Helper()
	e = e.Clone()
	e.Seq = f.ticket.Version + 1
	if last := f.last(); e.At.Before(last) {
		e.At = last
	}
	given, before := e.Clone(), f.ticket.Clone()
	require.NoError(f, f.agreed.Advance(&f.ticket, &e, f.history()))
	require.Equal(f, before, f.ticket, "the ticket before the event does not change")
	p := e.Set
	p.Clocks, p.Policy, p.PolicyVersion = nil, nil, nil
	require.Equal(f, given.Set, p, "nothing else of the event changes")
	f.events = append(f.events, e)
	f.ticket = ticket.Apply(f.ticket, e)
	return e
}

func (f *fold) last() time.Time {
	if f.ticket.Checked.After(f.ticket.Touched) {
		return f.ticket.Checked
	}
	return f.ticket.Touched
}

// clockEvent is an event of the desk itself, about clocks only.
func (f *fold) clockEvent(now time.Time) ticket.Event {
	s := f.ticket.State()
	return ticket.Event{
		Ticket: f.ticket.ID, At: now, Action: ticket.ActionClock, By: ticket.By{Role: ticket.RoleSystem, ID: "desk"},
		From: s, To: s, Phase: f.ticket.Phase,
	}
}

// alert acts on the threshold that is reached as of now, if one is.
func (f *fold) alert(now time.Time) (ticket.ClockAlert, bool) {
	f.Helper()
	alert, ok := f.agreed.Alert(&f.ticket, now)
	if ok {
		e := f.clockEvent(now)
		e.Set.Alert = &alert
		f.add(e)
	}
	return alert, ok
}

// requireRecorded checks that the ticket has the clocks of a timeline over its history.
func (f *fold) requireRecorded(line *sla.Timeline) {
	f.Helper()
	want := line.Recorded()
	if len(want) == 0 {
		require.Empty(f, f.ticket.Clocks)
	} else {
		require.Equal(f, want, f.ticket.Clocks, "%v", f)
	}
	// Recorded is another form of Clocks.
	last := map[string]sla.Clock{}
	missed := map[string]int{}
	for _, c := range line.Clocks(f.last()) {
		if o, ok := last[string(c.Metric)]; ok && !o.Breached.IsZero() {
			missed[string(c.Metric)]++
		}
		missed[string(c.Metric)] += len(c.Earlier)
		last[string(c.Metric)] = c
	}
	require.Len(f, want, len(last))
	for _, c := range want {
		o := last[c.Metric]
		require.Equal(f, o.Event, c.Event)
		require.Equal(f, string(o.State), c.State)
		require.Equal(f, []time.Time{o.Due, o.Breached, o.Started}, []time.Time{c.Due, c.Breached, c.Started})
		require.Equal(f, []any{o.Policy, o.Version, o.Within, o.Level, o.Queue}, []any{c.Policy, c.Version, c.Within, c.Level, c.Queue})
		require.Equal(f, missed[c.Metric], c.Missed)
		require.Equal(f, o.Counted, counted(f, f.agreed, c, f.last()))
		if c.State != string(sla.ClockRunning) {
			require.Zero(f, c.Next)
		}
	}
}

// counted returns what a recorded clock has counted as of now.
func counted(tb testing.TB, a *sla.Agreement, c ticket.Clock, now time.Time) time.Duration {
	tb.Helper()
	if c.State != string(sla.ClockRunning) {
		return c.Counted
	}
	for _, p := range a.Spec().Policies {
		for _, t := range p.Targets {
			if p.Name == c.Policy && string(t.Metric) == c.Metric && (t.Metric != sla.MetricLevel ||
				(len(t.Levels) == 0 || slices.Contains(t.Levels, c.Level)) && (len(t.Queues) == 0 || slices.Contains(t.Queues, c.Queue))) {
				cal, _ := a.Calendar(t.Calendar)
				return c.Counted + cal.Between(c.Since, now)
			}
		}
	}
	require.Failf(tb, "no target", "%v", c)
	return 0
}

// String is the history.
func (f *fold) String() string { return history(f.events) }

// checkRecorded records a history event by event and compares after each.
func checkRecorded(tb testing.TB, a *sla.Agreement, events []ticket.Event) *fold {
	tb.Helper()
	f := &fold{TB: tb, agreed: a}
	line := a.Timeline()
	for i := range events {
		require.NoError(tb, line.Add(f.add(events[i])))
		f.requireRecorded(line)
	}
	return f
}

// checkAlert checks that the clock of an alert runs, and has reached just this threshold as
// its highest. The timeline has not seen the event. If its agreement has not always applied,
// it does not know when the breach was.
func checkAlert(f *fold, line *sla.Timeline, alert ticket.ClockAlert, now time.Time, always bool) {
	f.Helper()
	for _, c := range line.Clocks(now) {
		if string(c.Metric) != alert.Metric || c.Event != alert.Clock {
			continue
		}
		require.Equal(f, sla.ClockRunning, c.State)
		require.Equal(f, c.Due, alert.Due)
		highest, at := "", time.Time{}
		if !c.Breached.IsZero() {
			highest, at = "due", c.Breached
		}
		for _, th := range c.Thresholds {
			late := th.Threshold.After > 0 || th.Threshold.Share == 100
			if highest == "due" && !late {
				continue
			}
			// A threshold that a change puts into the past is reached at the change.
			past := late && c.Counted > c.Within+th.Threshold.After
			if th.At.Before(now) || th.At.Equal(now) && (!late || past) {
				highest, at = th.Threshold.String(), th.At
			}
		}
		require.Equal(f, highest, alert.Threshold, "%v at %v\n%v", alert, now, f)
		if always {
			require.False(f, alert.At.Before(at), "%v at %v: %v\n%v", alert, now, at, f)
		}
		require.False(f, alert.At.After(now))
		return
	}
	require.Fail(f, "no such clock")
}

// After each event, the ticket has the clocks that a timeline over its whole history has.
func TestRecordedClocksEqualThoseOfTheWholeHistory(t *testing.T) {
	seen := map[string]int{}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		for k := range 2 * *histories {
			rnd := rand.New(rand.NewPCG(uint64(k), uint64(len(zone))))
			spec := randomSpec(rnd, zone)
			for i := range spec.Policies {
				for j := range spec.Policies[i].Targets {
					target := &spec.Policies[i].Targets[j]
					if k%3 == 0 { // the breach has no reaction
						target.Thresholds = slices.Delete(target.Thresholds, 1, 2)
					}
					if rnd.IntN(2) == 0 { // perhaps before the start
						before := time.Duration(1+rnd.IntN(2*int(target.Within/time.Minute))) * time.Minute
						target.Thresholds[0] = tell(sla.Threshold{Before: before})
					}
				}
			}
			s := newStory(t, spec)
			events := randomHistory(s, rnd, at(t, "03-26T00:00Z"), 60)
			f, line := &fold{TB: t, agreed: s.agreed}, s.agreed.Timeline()
			for i := range events {
				for i > 0 && rnd.IntN(2) == 0 {
					now := f.last().Add(time.Duration(rnd.Int64N(max(1, int64(events[i].At.Sub(f.last()))+1))))
					now = now.Truncate([]time.Duration{time.Minute, time.Microsecond}[rnd.IntN(2)])
					if now.Before(f.last()) {
						now = f.last()
					}
					if alert, ok := f.alert(now); ok {
						checkAlert(f, line, alert, now, true)
						again, ok := f.agreed.Alert(&f.ticket, now)
						require.False(t, ok && again.Metric == alert.Metric && again.Clock == alert.Clock, "nothing is left of the clock")
						seen["alert"]++
					} else {
						for _, c := range f.ticket.Clocks {
							require.True(t, c.Next.IsZero() || c.Next.After(now), "Next is when Alert finds something: %v at %v", c, now)
						}
						if rnd.IntN(2) == 0 {
							break
						}
						f.add(f.clockEvent(now))
					}
					require.NoError(t, line.Add(f.events[len(f.events)-1]))
					f.requireRecorded(line)
				}
				e := events[i]
				if alert, ok := s.agreed.Alert(&f.ticket, e.At); ok && i > 0 && !e.At.Before(f.last()) && rnd.IntN(2) == 0 {
					e.Set.Alert = &alert // the desk acts on a threshold by this
					seen["alert with more"]++
				}
				before := f.ticket
				require.NoError(t, line.Add(f.add(e)))
				f.requireRecorded(line)
				note(seen, &before, &f.ticket)
			}
			seen["events"] += len(f.events)
			seen["reads"] += f.reads
		}
	}
	for _, what := range []string{"alert", "alert with more", "paused", "resumed", "policy", "lost", "reopened", "restarted", "merged", "unmerged", "moved", "more time", "reads"} {
		require.NotZero(t, seen[what], what)
	}
	require.Less(t, seen["reads"], seen["events"]/4, "most events need no history")
	t.Log(seen)
}

// note counts what happened to a ticket.
func note(seen map[string]int, was, is *ticket.Ticket) {
	count := func(what string, ok bool) {
		if ok {
			seen[what]++
		}
	}
	count("policy", was.Policy != is.Policy && was.Policy != "")
	count("reopened", is.Reopened > was.Reopened)
	count("merged", was.MergedInto.IsZero() && !is.MergedInto.IsZero())
	count("unmerged", !was.MergedInto.IsZero() && is.MergedInto.IsZero())
	for _, c := range is.Clocks {
		o, ok := was.Clock(c.Metric)
		count("paused", ok && o.State == "running" && c.State == "paused")
		count("resumed", ok && o.State == "paused" && c.State == "running")
		count("lost", ok && !o.Ended() && c.State == "void" && !is.Phase.Done() && is.MergedInto.IsZero())
		count("restarted", c.Metric == "solution" && ok && c.Event != o.Event)
		count("moved", c.Metric == "level" && ok && c.Level != o.Level)
		count("more time", ok && c.Event == o.Event && c.Missed > o.Missed)
	}
}

// A newer agreement, or one with other hours, takes over. Clocks that had ended before stay.
// All others are as if the newer one had always applied, except for recorded breaches and
// thresholds that have fired.
func TestANewerAgreementTakesOver(t *testing.T) {
	seen := map[string]int{}
	for k := range 4 * *histories {
		rnd := rand.New(rand.NewPCG(uint64(k), 77))
		spec := randomSpec(rnd, "Europe/Berlin")
		s := newStory(t, spec)
		events := randomHistory(s, rnd, at(t, "03-26T00:00Z"), 60)
		f := &fold{TB: t, agreed: s.agreed}
		change := rnd.IntN(len(events))
		for i := range change {
			f.add(events[i])
			if rnd.IntN(3) == 0 {
				f.alert(f.last())
			}
		}
		newer := randomSpec(rnd, "Europe/Berlin")
		if k%2 == 0 { // only the hours change
			newer.Policies = spec.Policies
		}
		newer.Version = 2
		f.agreed = compile(t, newer)
		line := f.agreed.Timeline()
		for i := range f.events {
			require.NoError(t, line.Add(f.events[i]))
		}
		atChange, since := f.ticket.Clone(), f.last()
		if change > 0 {
			require.NoError(t, line.Add(f.add(f.clockEvent(since))))
			if !atChange.Phase.Done() && atChange.MergedInto.IsZero() {
				reads := f.reads
				e := f.add(f.clockEvent(since))
				require.NoError(t, line.Add(e))
				require.Empty(t, e.Set.Clocks, "the second time nothing changes")
				require.Equal(t, reads, f.reads, "and the history is not read")
			}
			requireTakenOver(f, line, &atChange, since, seen)
		}
		for i := change; i < len(events); i++ {
			require.NoError(t, line.Add(f.add(events[i])))
			requireTakenOver(f, line, &atChange, since, seen)
			if alert, ok := f.alert(f.last()); ok {
				checkAlert(f, line, alert, f.last(), false)
				require.NoError(t, line.Add(f.events[len(f.events)-1]))
				requireTakenOver(f, line, &atChange, since, seen)
			}
		}
	}
	for _, what := range []string{"unfinished", "ended since", "kept", "none"} {
		require.NotZero(t, seen[what], what)
	}
	t.Log(seen)
}

func requireTakenOver(f *fold, line *sla.Timeline, atChange *ticket.Ticket, since time.Time, seen map[string]int) {
	f.Helper()
	computed := map[string]ticket.Clock{}
	for _, c := range line.Recorded() {
		computed[c.Metric] = c
	}
	for _, m := range sla.Metrics() {
		c, ok := f.ticket.Clock(string(m))
		n, promised := computed[string(m)]
		was, before := atChange.Clock(string(m))
		switch {
		case promised && (!n.Ended() || n.Since.After(since)):
			seen[map[bool]string{true: "ended since", false: "unfinished"}[n.Ended()]]++
			require.True(f, ok)
			require.Equal(f, []any{n.Event, n.Policy, n.Version, n.Within, n.State, n.Due, n.Level, n.Queue}, []any{c.Event, c.Policy, c.Version, c.Within, c.State, c.Due, c.Level, c.Queue}, "%v", f)
			require.Equal(f, counted(f, f.agreed, n, f.last()), counted(f, f.agreed, c, f.last()))
			require.Equal(f, n.Breached.IsZero(), c.Breached.IsZero())
			require.False(f, c.Breached.Before(n.Breached) && c.Breached.After(since), "%v", f)
			if before {
				require.GreaterOrEqual(f, c.Missed, was.Missed)
			}
		case before && was.Ended():
			if c.Since.Equal(was.Since) && c.Event == was.Event { // not ended once more at the instant of the change
				seen["kept"]++
				require.Equal(f, was, c)
			}
		case before:
			require.True(f, c.Ended())
		case !ok:
			seen["none"]++
		}
	}
}

// Each threshold fires once for each clock, in order, and never early.
func TestThresholdsFireOnceInOrder(t *testing.T) {
	target := solveIn(4*time.Hour, onHold)
	target.Thresholds = []sla.Threshold{
		tell(sla.Threshold{Before: 10 * time.Hour}), tell(sla.Threshold{Share: 50}), tell(sla.Threshold{Before: time.Hour}), tell(sla.Threshold{After: 30 * time.Minute}),
	}
	s := newStory(t, promise(berlin, target)).open("01-12T08:00Z").note("01-12T10:30Z").hold("01-12T10:40Z", "vendor").resume("01-12T11:40Z").note("01-12T13:00Z")
	f := &fold{TB: t, agreed: s.agreed}
	events := s.events()
	var got []string
	for now := at(t, "01-12T07:59Z"); now.Before(at(t, "01-12T16:30Z")); now = now.Add(20 * time.Second) {
		for len(events) > 0 && !events[0].At.After(now) {
			f.add(events[0])
			events = events[1:]
		}
		for _, more := range []time.Duration{0, time.Microsecond} {
			for {
				alert, ok := f.alert(now.Add(more))
				if !ok {
					break
				}
				require.False(t, alert.Late)
				require.Equal(t, []string{"assignee"}, append(alert.Tell, map[bool][]string{true: {"assignee"}}[alert.Threshold == "due"]...))
				got = append(got, alert.Threshold+" "+instants(alert.At, f.last()))
			}
		}
	}
	require.Equal(t, []string{
		"10h before due 01-12T08:00Z 01-12T08:00Z", "50% of the time 01-12T10:00Z 01-12T10:00Z", "1h before due 01-12T12:00Z 01-12T12:00Z",
		"due 01-12T13:00Z 01-12T13:00:00.000001Z", "30m after due 01-12T13:30Z 01-12T13:30:00.000001Z",
	}, got)
	require.Zero(t, f.ticket.Wake())
	require.Zero(t, f.reads)
}

// After a downtime there is one alert, with the highest threshold.
func TestAfterADowntimeTheHighestThresholdFires(t *testing.T) {
	target := solveIn(4*time.Hour, onHold)
	target.Thresholds = []sla.Threshold{
		tell(sla.Threshold{Share: 50}),
		{Share: 100, Do: []sla.Reaction{
			{Tell: sla.AudienceQueue}, {Tell: sla.AudienceAgents}, {Escalate: true}, {HandOver: "billing"}, {Raise: ticket.GradeCritical}, {Tag: "late"},
		}},
		tell(sla.Threshold{After: 5 * time.Hour}),
	}
	s := newStory(t, promise(berlin, target)).open("01-12T08:00Z")
	f := checkRecorded(t, s.agreed, s.events())
	require.Equal(t, at(t, "01-12T10:00Z"), f.ticket.Wake())

	alert, ok := s.agreed.Alert(&f.ticket, at(t, "01-12T12:00Z"))
	require.True(t, ok)
	require.Equal(t, "50% of the time", alert.Threshold, "at due the target can still be met")
	alert, ok = f.alert(at(t, "01-12T12:00:01Z"))
	require.True(t, ok)
	require.Equal(t, ticket.ClockAlert{
		Metric: "solution", Clock: 1, Threshold: "due", At: at(t, "01-12T12:00Z"), Due: at(t, "01-12T12:00Z"), Late: true,
		Tell: []string{"queue", "agents"}, Escalate: true, HandOver: "billing", Raise: ticket.GradeCritical, Tags: []string{"late"},
	}, alert)
	c, _ := f.ticket.Clock("solution")
	require.Equal(t, []string{"50% of the time", "due"}, c.Fired)
	require.Equal(t, at(t, "01-12T12:00Z"), c.Breached)
	require.Equal(t, at(t, "01-13T09:00:00.000001Z"), c.Next)
	_, ok = f.alert(at(t, "01-13T09:00Z"))
	require.False(t, ok)
	alert, ok = f.alert(at(t, "01-13T09:01:00.000001Z"))
	require.True(t, ok)
	require.True(t, alert.Late, "more than a minute after")
}

func TestNothingFiresWhileTheClockDoesNotRun(t *testing.T) {
	target := solveIn(4*time.Hour, onHold)
	spec := promise(berlin, target)
	late := "01-12T15:00Z"
	for name, end := range map[string]func(*story){
		"paused":    func(s *story) { s.hold("01-12T13:00Z", "vendor") },
		"finished":  func(s *story) { s.resolve("01-12T13:00Z") },
		"cancelled": func(s *story) { s.do("01-12T13:00Z", agent, ticket.Action{Name: ticket.ActionCancel, Reason: "spam"}) },
		"merged": func(s *story) {
			into := s.other("01-12T07:00Z")
			s.do("01-12T13:00Z", agent, ticket.Action{Name: ticket.ActionMerge, Ticket: into})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, spec).open("01-12T08:00Z")
			end(s)
			f := checkRecorded(t, s.agreed, s.events())
			require.Zero(t, f.ticket.Clocks[0].Next)
			require.True(t, f.ticket.Missed(""))
			_, ok := s.agreed.Alert(&f.ticket, at(t, late))
			require.False(t, ok)
		})
	}
	// A threshold that was passed before a pause fires when the clock resumes.
	s := newStory(t, spec).open("01-12T08:00Z").hold("01-12T13:00Z", "vendor").resume("01-12T14:00Z")
	f := checkRecorded(t, s.agreed, s.events())
	require.Equal(t, at(t, "01-12T14:00Z"), f.ticket.Wake())
	alert, ok := f.alert(at(t, "01-12T14:00Z"))
	require.True(t, ok)
	require.Equal(t, "due 01-12T12:00Z", alert.Threshold+" "+instants(alert.At))
}

func TestAChangeOfTheTargetArmsThresholdsAgain(t *testing.T) {
	with := func(d time.Duration, th ...sla.Threshold) []sla.Target {
		target := solveIn(d)
		for i := range th {
			target.Thresholds = append(target.Thresholds, tell(th[i]))
		}
		return []sla.Target{target}
	}
	half := sla.Threshold{Share: 50}
	s := newStory(t, byPriority(berlin, with(2*time.Hour, half, sla.Threshold{Share: 90}), with(6*time.Hour, half, sla.Threshold{Share: 75})))
	events := s.open("01-12T08:00Z").priority("01-12T11:30Z", ticket.GradeHigh).priority("01-12T11:45Z", ticket.GradeLow).priority("01-12T11:50Z", ticket.GradeHigh).events()
	f := &fold{TB: t, agreed: s.agreed}
	clock := func() ticket.Clock {
		c, _ := f.ticket.Clock("solution")
		return c
	}
	f.add(events[0])
	f.alert(at(t, "01-12T11:00Z"))
	require.Equal(t, []string{"50% of the time"}, clock().Fired)
	f.add(events[1])
	require.Equal(t, []string{"50% of the time"}, clock().Fired)
	require.Equal(t, "01-12T10:00Z 01-12T11:30Z 01-12T11:30Z", instants(clock().Due, clock().Breached, clock().Next), "breached at the change, and told at once")
	alert, ok := f.alert(at(t, "01-12T11:30Z"))
	require.True(t, ok)
	require.Equal(t, "due true", fmt.Sprint(alert.Threshold, " ", alert.Late))
	require.Equal(t, []string{"50% of the time", "90% of the time", "due"}, clock().Fired)
	f.add(events[2])
	require.Equal(t, []string{"50% of the time", "90% of the time"}, clock().Fired, "the breach is to come again")
	require.Equal(t, 1, clock().Missed)
	require.Zero(t, clock().Breached)
	require.Equal(t, "01-12T14:00Z 01-12T12:30Z", instants(clock().Due, clock().Next))
	f.add(events[3])
	require.Equal(t, []string{"50% of the time", "90% of the time"}, clock().Fired, "what fired by the first target")
	alert, ok = f.alert(at(t, "01-12T11:50Z"))
	require.True(t, ok)
	require.Equal(t, "due", alert.Threshold)
}

func TestATicketWithoutAPolicyCostsNothing(t *testing.T) {
	spec := promise(berlin, solveIn(time.Hour))
	spec.Policies[0].When.Queue = []string{"billing"}
	s := newStory(t, spec).open("01-12T08:00Z").reply("01-12T09:00Z", agent)
	f := checkRecorded(t, s.agreed, s.events())
	require.Zero(t, f.reads)
	e, before := s.events()[1], ticket.Apply(ticket.Ticket{}, s.events()[0])
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := s.agreed.Advance(&before, &e, nil); err != nil {
			t.Error(err)
		}
	}))
}

func TestAPolicyComesAndGoes(t *testing.T) {
	spec := promise(berlin, within(sla.MetricFirstAnswer, time.Hour), solveIn(8*time.Hour))
	spec.Policies[0].When.Priority = []ticket.Grade{ticket.GradeHigh}
	s := newStory(t, spec).open("01-12T08:00Z").priority("01-12T09:00Z", ticket.GradeHigh).priority("01-12T10:00Z", ticket.GradeLow).note("01-12T11:00Z")
	f := &fold{TB: t, agreed: s.agreed}
	var got []string
	for _, e := range s.events() {
		e = f.add(e)
		c, _ := f.ticket.Clock("solution")
		got = append(got, fmt.Sprint(f.ticket.Policy, " ", f.ticket.PolicyVersion, " ", c.State, " ", len(e.Set.Clocks), " ", f.reads))
	}
	require.Equal(t, []string{" 0  0 0", "all 1 running 2 1", " 0 void 2 2", " 0 void 0 2"}, got)
}

func TestAdvanceReportsAHistoryThatCannotBeRead(t *testing.T) {
	s := newStory(t, byPriority(berlin, []sla.Target{solveIn(time.Hour)}, []sla.Target{solveIn(2 * time.Hour)})).open("01-12T08:00Z").priority("01-12T08:10Z", ticket.GradeHigh)
	events := s.events()
	f := &fold{TB: t, agreed: s.agreed}
	f.add(events[0])
	broken := errors.New("the disk is on fire")
	require.ErrorIs(t, s.agreed.Advance(&f.ticket, &events[1], func(yield func(ticket.Event, error) bool) { yield(ticket.Event{}, broken) }), broken)
	require.ErrorIs(t, s.agreed.Advance(&f.ticket, &events[1], func(func(ticket.Event, error) bool) {}), ticket.ErrChain)
	require.ErrorIs(t, s.agreed.Advance(&f.ticket, &events[1], nil), sla.ErrInvalid)
	gap := events[1]
	gap.Seq, gap.Set.Priority = 3, 0
	require.ErrorIs(t, s.agreed.Advance(&f.ticket, &gap, f.history()), ticket.ErrChain)
}

func TestAdvanceIsSafeForConcurrentUse(t *testing.T) {
	a, events := compile(t, byPriority(christmas, fourTargets(), fourTargets())), long(60)
	want := checkRecorded(t, a, events).events
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var k ticket.Ticket
			for i := range events {
				e := events[i]
				err := a.Advance(&k, &e, func(yield func(ticket.Event, error) bool) {
					for n := range i {
						if !yield(want[n], nil) {
							return
						}
					}
				})
				if !assert.True(t, err == nil && assert.ObjectsAreEqual(want[i].Set, e.Set), "event %d: %v", i, err) {
					return
				}
				k = ticket.Apply(k, e)
			}
		})
	}
	all.Wait()
}

func TestAlertSkipsClocksOfAnotherVersion(t *testing.T) {
	spec := promise(berlin, solveIn(time.Hour))
	s := newStory(t, spec).open("01-12T08:00Z")
	f := checkRecorded(t, s.agreed, s.events())
	now := at(t, "01-12T10:00Z")
	spec.Version = 2
	newer := compile(t, spec)
	_, ok := newer.Alert(&f.ticket, now)
	require.False(t, ok)
	f.agreed = newer
	e := f.add(f.clockEvent(now))
	require.Len(t, e.Set.Clocks, 1)
	require.Equal(t, 2, f.ticket.PolicyVersion)
	c, _ := f.ticket.Clock("solution")
	require.Equal(t, "01-12T09:00Z 01-12T09:00Z 01-12T10:00Z", instants(c.Due, c.Breached, c.Next), "it was missed by the old version already")
	_, ok = f.alert(now)
	require.True(t, ok)
}

// The data of the time zones can differ in another process, or after an update. Here the
// hours do.
func TestACalendarThatDiffersCountsFromTheNextChangeOn(t *testing.T) {
	spec := promise(berlin, within(sla.MetricFirstAnswer, 2*time.Hour), solveIn(4*time.Hour, onHold))
	s := newStory(t, spec).open("01-12T08:00Z").reply("01-12T09:00Z", agent).note("01-12T09:10Z").hold("01-12T10:00Z", "vendor").resume("01-12T10:30Z")
	events := s.events()
	f := &fold{TB: t, agreed: s.agreed}
	f.add(events[0])
	f.add(events[1])
	f.agreed = compile(t, promise(lunch, within(sla.MetricFirstAnswer, time.Minute), solveIn(4*time.Hour, onHold)))
	require.Empty(t, f.add(events[2]).Set.Clocks)

	_, ok := f.agreed.Alert(&f.ticket, at(t, "01-12T12:30Z"))
	require.False(t, ok, "it is not due by these hours")
	alert, ok := f.agreed.Alert(&f.ticket, at(t, "01-12T13:30Z"))
	require.True(t, ok)
	require.Equal(t, "01-12T13:00Z", instants(alert.Due))

	first, _ := f.ticket.Clock("first answer")
	e := f.add(f.clockEvent(at(t, "01-12T09:20Z")))
	require.Len(t, e.Set.Clocks, 1)
	c := e.Set.Clocks[0]
	require.Equal(t, "solution 01-12T08:00Z 01-12T13:00Z 01-12T13:00:00.000001Z 0s", fmt.Sprint(c.Metric, " ", instants(c.Since, c.Due, c.Next), " ", c.Counted))
	f.add(events[3])
	f.add(events[4])
	c, _ = f.ticket.Clock("solution")
	require.Equal(t, "01-12T10:30Z 01-12T13:30Z 2h0m0s", fmt.Sprint(instants(c.Since, c.Due), " ", c.Counted))
	now, _ := f.ticket.Clock("first answer")
	require.Equal(t, first, now, "what has ended never changes")
	require.Zero(t, f.reads)
}

func TestTheEndOfAnOldVersionStays(t *testing.T) {
	spec := promise(berlin, within(sla.MetricFirstAnswer, 2*time.Hour), solveIn(2*time.Hour))
	s := newStory(t, spec).open("01-12T08:00Z").reply("01-12T09:00Z", agent).resolve("01-12T09:30Z").reopen("01-13T08:00Z")
	f := &fold{TB: t, agreed: s.agreed}
	events := s.events()
	for _, e := range events[:3] {
		f.add(e)
	}
	strict := promise(berlin, within(sla.MetricFirstAnswer, time.Minute), solveIn(time.Hour))
	strict.Version = 2
	f.agreed = compile(t, strict)
	require.Empty(t, f.add(f.clockEvent(at(t, "01-12T10:00Z"))).Set.Clocks)
	require.Equal(t, 1, f.ticket.PolicyVersion)

	f.add(events[3])
	first, _ := f.ticket.Clock("first answer")
	require.Equal(t, "met 1", fmt.Sprint(first.State, " ", first.Version))
	c, _ := f.ticket.Clock("solution")
	require.Equal(t, "running 2 01-12T09:00Z 01-13T08:00Z", fmt.Sprint(c.State, " ", c.Version, " ", instants(c.Due, c.Breached)), "it goes on by the new target, which is missed at once")
}

func TestAddCountsByACalendar(t *testing.T) {
	a := compile(t, promise(berlin, solveIn(time.Hour)))
	due, err := a.Add("hours", at(t, "01-16T16:30Z"), 16*time.Hour)
	require.NoError(t, err)
	require.Equal(t, "01-20T16:00Z", instants(due))
	due, err = a.Add("", at(t, "03-27T15:00Z"), 168*time.Hour)
	require.NoError(t, err)
	require.Equal(t, "04-03T15:00Z", instants(due))
	_, err = a.Add("nights", at(t, "01-16T16:30Z"), time.Hour)
	var fault *sla.InvalidError
	require.ErrorAs(t, err, &fault)
	require.EqualError(t, err, `sla: agreement "test": calendar: "nights" is not the name of a calendar`)
}

func TestAFunctionChoosesThePolicy(t *testing.T) {
	spec := byPriority(berlin, []sla.Target{solveIn(time.Hour)}, []sla.Target{within(sla.MetricFirstAnswer, 2*time.Hour), solveIn(2 * time.Hour)})
	s := newStory(t, spec)
	byConditions := s.agreed
	answer := ""
	s.agreed = s.agreed.WithChooser(func(k ticket.Ticket) string {
		require.Empty(t, k.Clocks)
		require.Empty(t, k.Policy)
		if k.Status == ticket.StatusOpen && answer == "" {
			return "urgent"
		}
		return answer
	})
	s.open("01-12T08:00Z").do("01-12T09:00Z", agent, ticket.Action{Name: ticket.ActionTake})
	f := checkRecorded(t, s.agreed, s.events())
	require.Equal(t, "urgent", f.ticket.Policy)
	p, ok := s.agreed.Policy(f.ticket)
	require.True(t, ok)
	require.Equal(t, "urgent", p.Name)
	p, _ = byConditions.Policy(f.ticket)
	require.Equal(t, "all", p.Name, "the agreement itself does not change")

	answer = "all"
	due, err := s.agreed.Expected(t.Context(), f.ticket)
	require.NoError(t, err)
	require.Equal(t, "01-12T10:00Z", instants(due))

	events := s.note("01-12T09:30Z").events()
	for _, want := range []struct {
		choose func(ticket.Ticket) string
		text   string
	}{
		{func(ticket.Ticket) string { return "platinum" }, `sla: agreement "test": chooser: "platinum" is not the name of a policy`},
		{func(ticket.Ticket) string { panic("no data") }, `sla: agreement "test": chooser: panicked: no data`},
	} {
		bad := byConditions.WithChooser(want.choose)
		e := events[2].Clone()
		require.EqualError(t, bad.Advance(&f.ticket, &e, f.history()), want.text)
		_, err := bad.Clocks(events, events[2].At)
		require.EqualError(t, err, want.text)
		require.ErrorIs(t, err, sla.ErrInvalid)
		_, err = bad.Expected(t.Context(), f.ticket)
		require.EqualError(t, err, want.text)
		_, ok := bad.Policy(f.ticket)
		require.False(t, ok)
	}
}

// BenchmarkAdvance measures a reply with four targets in memory.
func BenchmarkAdvance(b *testing.B) {
	a, events := compile(b, byPriority(christmas, fourTargets(), fourTargets())), long(20)
	for name, n := range map[string]int{"reply": 11, "words": 10, "hold": 12} {
		b.Run(name, func(b *testing.B) {
			f := &fold{TB: b, agreed: a}
			for i := range n {
				e := events[i]
				e.Set.Priority = 0
				f.add(e)
			}
			e := events[n]
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Advance(&f.ticket, &e, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
