package ticket

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clockEvents is a history whose events have everything that service levels bring.
func clockEvents() []Event {
	agent, desk := By{Role: RoleAgent, ID: "lin"}, By{Role: RoleSystem, ID: "desk"}
	one, two := State{StatusNew, 1}, State{StatusQueued, 2}
	first := Clock{
		Metric: metricFirstAnswer, Event: 1, Policy: "gold", Version: 3, Within: 2 * time.Hour, State: clockRunning,
		Started: t0, Since: t0, Due: t0.Add(2 * time.Hour), Next: t0.Add(90 * time.Minute),
	}
	stay := Clock{Metric: metricLevel, Event: 1, Policy: "gold", Version: 3, Within: time.Hour, Level: 1, Queue: "mains", State: clockRunning,
		Started: t0, Since: t0, Due: t0.Add(time.Hour), Next: t0.Add(time.Hour + time.Microsecond)}
	events := []Event{
		{
			Action: ActionOpen, By: agent, To: one, Phase: PhaseReceived,
			Set: Patch{
				Number: NumberOf(5), Workflow: "support", WorkflowVersion: 1, Priority: GradeMedium, Queue: new("mains"),
				Policy: new("gold"), PolicyVersion: new(3), Clocks: []Clock{first, stay}, Promised: &first.Due,
				Timer: &Timer{At: t0.Add(40 * time.Hour), Action: ActionClose, From: t0},
			},
			PublicContent: PublicContent{Subject: "Meter"},
			Identities:    Identities{Requester: adaP},
		},
		{
			Action: ActionClock, By: desk, From: one, To: one, Phase: PhaseReceived,
			Set: Patch{
				Clocks: []Clock{{Metric: metricFirstAnswer, Event: 1, Policy: "gold", Version: 3, Within: 2 * time.Hour, State: clockRunning,
					Started: t0, Since: t0, Due: t0.Add(2 * time.Hour), Fired: []string{"30m before due"}, Next: t0.Add(2*time.Hour + time.Microsecond)}},
				Alert: &ClockAlert{Metric: metricFirstAnswer, Clock: 1, Threshold: "30m before due", At: t0.Add(90 * time.Minute), Due: t0.Add(2 * time.Hour),
					Late: true, Tell: []string{"assignee", "requester"}},
			},
		},
		{
			Action: ActionEscalate, By: desk, From: one, To: two, Phase: PhaseInProgress,
			Set: Patch{
				Clocks: []Clock{{Metric: metricLevel, Event: 3, Policy: "gold", Version: 3, Within: time.Hour, Level: 2, State: clockPaused,
					Started: t0, Since: t0.Add(time.Minute), Counted: time.Minute, Missed: 1}},
				Alert: &ClockAlert{Metric: metricLevel, Clock: 1, Threshold: "due", At: t0.Add(time.Hour), Due: t0.Add(time.Hour),
					Escalate: true, HandOver: "meters", Raise: GradeHigh, Tags: []string{"late"}},
				Promised: new(t0.Add(3 * time.Hour)), Snoozed: new(t0.Add(time.Hour)),
			},
		},
		{
			Action: ActionReply, By: agent, From: two, To: two, Phase: PhaseInProgress, Answer: true,
			Set: Patch{
				Policy: new(""), PolicyVersion: new(0), Snoozed: &time.Time{},
				Clocks: []Clock{{Metric: metricFirstAnswer, Event: 1, Policy: "gold", Version: 3, Within: 2 * time.Hour, State: "missed",
					Started: t0, Since: t0.Add(4 * time.Hour), Counted: 4 * time.Hour, Due: t0.Add(2 * time.Hour), Breached: t0.Add(2 * time.Hour), Fired: []string{"30m before due", "due"}}},
			},
		},
	}
	sealAll(testID(5), events)
	return events
}

func TestClocksFold(t *testing.T) {
	events := clockEvents()
	at := func(n int) *Ticket {
		tk, err := Replay(events[:n])
		require.NoError(t, err)
		return &tk
	}
	tk := at(1)
	require.Equal(t, t0.Add(time.Hour), tk.Due(""))
	require.Equal(t, t0.Add(2*time.Hour), tk.Due(metricFirstAnswer))
	require.True(t, tk.Due(metricUpdate).IsZero())
	require.Equal(t, t0.Add(time.Hour+time.Microsecond), tk.Wake())
	require.Equal(t, t0.Add(2*time.Hour), tk.Promised)
	require.False(t, tk.Missed(""))
	require.Equal(t, t0, tk.Touched)

	tk = at(2)
	require.Equal(t, t0, tk.Touched, "a clock event touches nothing")
	require.Equal(t, t0.Add(time.Minute), tk.Checked)
	require.Equal(t, []string{"30m before due"}, tk.Clocks[0].Fired)
	require.Equal(t, metricLevel, tk.Clocks[1].Metric, "the others stay")

	tk = at(3)
	require.Equal(t, t0.Add(2*time.Minute), tk.Touched)
	require.True(t, tk.Checked.IsZero())
	require.True(t, tk.Missed(metricLevel), "before")
	require.Equal(t, t0.Add(2*time.Hour), tk.Due(""), "a paused clock has no due time")
	require.Equal(t, t0.Add(2*time.Hour), tk.Promised, "what was told first stays")
	require.Equal(t, t0.Add(3*time.Hour), tk.Rescheduled)
	require.Equal(t, t0.Add(time.Hour), tk.Wake(), "the snooze")

	tk = at(4)
	require.Empty(t, tk.Policy)
	require.True(t, tk.Snoozed.IsZero())
	require.True(t, tk.Due("").IsZero())
	require.Equal(t, t0.Add(40*time.Hour), tk.Wake())
	require.True(t, tk.Missed(metricFirstAnswer))
	require.Len(t, tk.Clocks, 2)
}

func TestDigestsOfClocksAreStable(t *testing.T) {
	stable(t, clockEvents(), 3, "digests-clocks.txt", "events-clocks.json", "ticket-clocks.json")
}

// Apply changes no clock of the ticket that it gets.
func TestApplySharesNoClock(t *testing.T) {
	events := clockEvents()
	before, err := Replay(events[:1])
	require.NoError(t, err)
	kept := before.Clone()
	after := Apply(before, events[1])
	require.True(t, kept.Equal(before))
	copied := after.Clone()
	copied.Clocks[0].Fired[0], copied.Clocks[1].Queue = "changed", "changed"
	require.Equal(t, "30m before due", after.Clocks[0].Fired[0])
	require.Equal(t, "mains", after.Clocks[1].Queue)
	e := events[1].Clone()
	e.Set.Clocks[0].Fired[0], e.Set.Alert.Tell[0] = "changed", "changed"
	require.Equal(t, "30m before due", events[1].Set.Clocks[0].Fired[0])
	require.Equal(t, "assignee", events[1].Set.Alert.Tell[0])
}

func TestOverdue(t *testing.T) {
	due := t0.Add(time.Hour)
	for name, c := range map[string]struct {
		clock Clock
		want  bool
	}{
		"running, in time":        {Clock{State: clockRunning, Due: due}, false},
		"running, late":           {Clock{State: clockRunning, Due: due.Add(-time.Microsecond)}, true},
		"paused":                  {Clock{State: clockPaused}, false},
		"paused after the breach": {Clock{State: clockPaused, Due: t0, Breached: t0}, true},
		"missed":                  {Clock{State: "missed", Due: t0, Breached: t0}, false},
	} {
		require.Equal(t, c.want, c.clock.Overdue(due), name)
	}
}

func TestAClockIsReadStrictly(t *testing.T) {
	for _, text := range []string{`{"metric":"level","speed":1}`, `{"within":"2 hours"}`, `{"within":7200}`, `[]`} {
		require.Error(t, json.Unmarshal([]byte(text), &Clock{}), text)
	}
	c := Clock{Metric: metricUpdate, Within: 90 * time.Minute, Counted: time.Microsecond}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	require.Contains(t, string(b), `"within":"1h30m0s"`)
	var back Clock
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, c, back)
}

func TestCommitChecksClocks(t *testing.T) {
	for name, change := range map[string]func(*Commit){
		"unknown metric":  func(c *Commit) { c.Changes[0].Events[0].Set.Clocks[0].Metric = "speed" },
		"twice":           func(c *Commit) { c.Changes[0].Events[0].Set.Clocks[1].Metric = metricFirstAnswer },
		"another order":   func(c *Commit) { l := c.Changes[0].Ticket.Clocks; l[0], l[1] = l[1], l[0] },
		"a year too late": func(c *Commit) { c.Changes[0].Events[0].Set.Clocks[0].Due = endOfTime },
		"no fold":         func(c *Commit) { c.Changes[0].Ticket.Clocks[0].Counted++ },
		"no fold, lost":   func(c *Commit) { c.Changes[0].Ticket.Clocks = nil },
		"promised":        func(c *Commit) { c.Changes[0].Ticket.Promised = t0 },
		"policy":          func(c *Commit) { c.Changes[0].Ticket.Policy = "silver" },
		"checked":         func(c *Commit) { c.Changes[0].Ticket.Checked = t0 },
		"alert":           func(c *Commit) { c.Changes[0].Events[0].Set.Alert = &ClockAlert{At: endOfTime} },
	} {
		events := clockEvents()[:1]
		tk, err := Replay(events)
		require.NoError(t, err)
		c := Commit{Changes: []Change{{Ticket: tk.Clone(), Events: []Event{events[0].Clone()}}}}
		require.NoError(t, c.Check())
		change(&c)
		require.ErrorIs(t, c.Check(), ErrInvalid, name)
	}
}
