package ticket_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// friday is half past four on a Friday afternoon in Berlin, half an hour before the office
// closes.
var friday = time.Date(2026, 1, 16, 15, 30, 0, 0, time.UTC)

// gold promises an answer within two office hours to the organisation "mill", and a
// solution within ten days round the clock.
func gold(tb testing.TB, change ...func(*sla.Spec)) *sla.Agreement {
	tb.Helper()
	spec := sla.Spec{
		Name: "contracts", Version: 1,
		Calendars: []businesshours.Spec{{
			Name:  "office",
			Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")},
		}},
		Policies: []sla.Policy{{
			Name: "gold", When: sla.Condition{Organisation: []string{"mill"}},
			Targets: []sla.Target{
				{
					Metric: sla.MetricFirstAnswer, Within: 2 * time.Hour, Calendar: "office",
					Pause: []sla.Pause{{Status: ticket.StatusOnHold}},
					Thresholds: []sla.Threshold{
						{Before: 30 * time.Minute, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}}},
						{Share: 100, Do: []sla.Reaction{{Escalate: true}, {Tag: "late"}, {Raise: ticket.GradeHigh}}},
						{After: time.Hour, Do: []sla.Reaction{{Tell: sla.AudienceRequester}, {HandOver: "managers"}}},
					},
				},
				{Metric: sla.MetricSolution, Within: 240 * time.Hour},
				{Metric: sla.MetricLevel, Within: 24 * time.Hour, Calendar: "office"},
			},
		}},
	}
	for _, f := range change {
		f(&spec)
	}
	a, err := spec.Compile()
	require.NoError(tb, err)
	return a
}

var miller = ticket.Requester(ticket.Person{ID: "c7", Name: "Ada", Email: "ada@mill.example", Organisation: "mill", Zone: "Europe/Berlin"})

// clockKit is a kit with service levels, on that Friday.
func clockKit(t *testing.T, a *sla.Agreement, change ...func(*ticket.Config)) *kit {
	t.Helper()
	return clockKitOn(t, memstore.New(), a, change...)
}

func clockKitOn(t *testing.T, store ticket.Store, a *sla.Agreement, change ...func(*ticket.Config)) *kit {
	t.Helper()
	k := newKitOn(t, store, append([]func(*ticket.Config){func(c *ticket.Config) {
		if a != nil {
			c.ServiceLevels = a
		}
	}}, change...)...)
	k.clock.Set(friday)
	return k
}

// at sets the clock and does what is due.
func (k *kit) at(now time.Time, want int) {
	k.Helper()
	k.clock.Set(now)
	n, err := k.desk.FireTimers(k.Context())
	require.NoError(k, err)
	require.Equal(k, want, n, "at %s", now)
}

// told lists what was sent of these kinds since the last call.
func (k *kit) told(kinds ...ticket.Kind) (list []ticket.Notification) {
	k.Helper()
	k.deliver()
	defer k.sent.Reset()
	for _, n := range k.sent.Sent() {
		for _, kind := range kinds {
			if n.Kind == kind {
				list = append(list, n)
			}
		}
	}
	return list
}

func clockOf(t *testing.T, tk ticket.Ticket, metric sla.Metric) ticket.Clock {
	t.Helper()
	c, ok := tk.Clock(string(metric))
	require.True(t, ok, "no clock for %s", metric)
	return c
}

func TestAPromiseIsWarnedOfBrokenAndEscalated(t *testing.T) {
	k := clockKit(t, gold(t))
	due := time.Date(2026, 1, 19, 9, 30, 0, 0, time.UTC)
	tk := k.open(miller, ticket.Draft{Queue: "hardware"})
	tk = k.get(tk)
	require.Equal(t, "gold", tk.Policy)
	require.Equal(t, 1, tk.PolicyVersion)
	require.Equal(t, due, clockOf(t, tk, sla.MetricFirstAnswer).Due)
	require.Equal(t, due, tk.Promised)
	require.Equal(t, due, tk.Due(""))
	require.Equal(t, due.Add(-30*time.Minute), tk.Wake())
	received := k.told(ticket.KindReceived)
	require.Len(t, received, 1)
	require.Equal(t, received[0].Expected, due)
	require.Equal(t, "Europe/Berlin", received[0].Zone.String())

	k.at(due.Add(-30*time.Minute-time.Microsecond), 0)
	k.at(due.Add(-30*time.Minute), 1)
	k.at(due, 0) // once, and in time until then
	warned := k.get(tk)
	require.Equal(t, tk.Touched, warned.Touched)
	require.Equal(t, tk.State(), warned.State())
	soon := k.told(ticket.KindDueSoon, ticket.KindOverdue)
	require.Len(t, soon, 1)
	require.Equal(t, ticket.KindDueSoon, soon[0].Kind)
	require.Equal(t, ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 1}, soon[0].To) // nobody has it
	require.Equal(t, "first answer", soon[0].Metric)
	require.Equal(t, due, soon[0].Due)

	k.at(due.Add(time.Microsecond), 1)
	k.at(due.Add(time.Hour), 0)
	late := k.get(tk)
	require.Equal(t, ticket.State{Status: ticket.StatusQueued, Level: 2}, late.State())
	require.Equal(t, []string{"late"}, late.Tags)
	require.Equal(t, ticket.GradeHigh, late.Priority)
	require.Equal(t, due, clockOf(t, late, sla.MetricFirstAnswer).Breached)
	require.Equal(t, due.Add(time.Microsecond), clockOf(t, late, sla.MetricLevel).Started)
	require.True(t, late.Missed("first answer"))
	require.False(t, late.Missed("solution"))
	told := k.told(ticket.KindEscalated, ticket.KindHanded)
	require.Len(t, told, 2)

	k.at(due.Add(time.Hour+time.Microsecond), 1)
	over := k.told(ticket.KindOverdue, ticket.KindQueued)
	require.Len(t, over, 2)
	require.Equal(t, miller.Person.Email, over[0].To.Person.Email+over[1].To.Person.Email)
	require.Equal(t, "managers", k.get(tk).Queue)

	events := k.events(super, tk)
	require.Len(t, events, 4)
	require.Equal(t, ticket.ActionClock, events[1].Action)
	require.Equal(t, ticket.ActionEscalate, events[2].Action)
	require.Equal(t, ticket.ActionHandOver, events[3].Action)
	for i, name := range []string{"30m before due", "due", "1h after due"} {
		require.Equal(t, name, events[i+1].Set.Alert.Threshold)
		require.False(t, events[i+1].Set.Alert.Late)
		require.Equal(t, ticket.By{Role: ticket.RoleSystem, ID: "desk"}, events[i+1].By)
	}
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
}

// After a downtime there is one event, with the highest threshold.
func TestADowntimeIsCaughtUpAtOnce(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{})
	k.told()
	k.at(friday.AddDate(0, 0, 4), 1)
	k.at(friday.AddDate(0, 0, 5), 0)
	events := k.events(super, tk)
	var alerts []*ticket.ClockAlert
	for _, e := range events {
		if e.Set.Alert != nil && e.Set.Alert.Metric == "first answer" {
			alerts = append(alerts, e.Set.Alert)
		}
	}
	require.Len(t, alerts, 1)
	require.Equal(t, "1h after due", alerts[0].Threshold)
	require.True(t, alerts[0].Late)
	c := clockOf(t, k.get(tk), sla.MetricFirstAnswer)
	require.Equal(t, []string{"30m before due", "due", "1h after due"}, c.Fired)
	require.True(t, c.Next.IsZero())
	require.Equal(t, 1, k.get(tk).Level, "what it passed over is not done")
	require.Equal(t, "managers", k.get(tk).Queue)
}

func TestNothingFiresOnWhatIsOver(t *testing.T) {
	for name, end := range map[string]func(k *kit, tk ticket.Ticket){
		"answered": func(k *kit, tk ticket.Ticket) {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "we look"})
		},
		"solved": func(k *kit, tk ticket.Ticket) {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
		},
		"cancelled": func(k *kit, tk ticket.Ticket) { k.do(miller, tk, ticket.Action{Name: ticket.ActionCancel}) },
		"paused": func(k *kit, tk ticket.Ticket) {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"})
		},
		"merged": func(k *kit, tk ticket.Ticket) {
			other := k.open(miller, ticket.Draft{})
			k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: other.ID})
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := clockKit(t, gold(t))
			tk := k.open(miller, ticket.Draft{})
			end(k, tk)
			k.clock.Set(friday.AddDate(0, 0, 3))
			_, err := k.desk.FireTimers(t.Context())
			require.NoError(t, err)
			for _, e := range k.events(super, tk) {
				if a := e.Set.Alert; a != nil {
					require.NotEqual(t, "first answer", a.Metric)
				}
			}
		})
	}
}

func TestTheCustomerSeesThePromise(t *testing.T) {
	k := clockKit(t, gold(t))
	due := time.Date(2026, 1, 19, 9, 30, 0, 0, time.UTC)
	tk := k.open(miller, ticket.Draft{})
	view := func() ticket.View {
		v, err := k.desk.Track(t.Context(), miller, string(tk.Number))
		require.NoError(t, err)
		return v
	}
	v := view()
	require.Equal(t, v.Expected, due)
	require.Equal(t, due, v.Promised)
	require.Equal(t, "open", v.Promise)
	require.Equal(t, v.SolutionExpected, friday.Add(240*time.Hour))

	mine, err := k.desk.Get(t.Context(), miller, tk.ID)
	require.NoError(t, err)
	require.Empty(t, mine.Policy)
	require.Len(t, mine.Clocks, 2, "the level is internal")
	for _, c := range mine.Clocks {
		require.Empty(t, c.Policy+c.Queue)
		require.Zero(t, c.Level)
		require.True(t, c.Next.IsZero())
	}

	k.clock.Set(due.Add(time.Second))
	require.Equal(t, "broken", view().Promise)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "we look"})
	v = view()
	require.Equal(t, "broken", v.Promise)
	require.True(t, v.Expected.IsZero())

	other := k.open(miller, ticket.Draft{})
	k.do(lin, other, ticket.Action{Name: ticket.ActionReply, Message: "at once"})
	v, err = k.desk.Track(t.Context(), miller, string(other.Number))
	require.NoError(t, err)
	require.Equal(t, "kept", v.Promise)
}

// The first promise stays, and the customer is told a later time once.
func TestALaterPromiseIsTold(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{})
	first := k.get(tk).Promised
	k.told()
	k.clock.Set(time.Date(2026, 1, 19, 8, 0, 0, 0, time.UTC))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"}) // a minute later
	require.Empty(t, k.told(ticket.KindRescheduled))
	v, err := k.desk.Track(t.Context(), miller, string(tk.Number))
	require.NoError(t, err)
	require.True(t, v.Expected.IsZero(), "nobody knows, while it is on hold")
	k.clock.Advance(59 * time.Minute)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResume})
	told := k.told(ticket.KindRescheduled)
	require.Len(t, told, 1)
	require.Equal(t, told[0].Expected, first.Add(time.Hour))
	require.Equal(t, miller.Person.Email, told[0].To.Person.Email)
	now := k.get(tk)
	require.Equal(t, first, now.Promised)
	require.Equal(t, first.Add(time.Hour), now.Rescheduled)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "nothing new"})
	require.Empty(t, k.told(ticket.KindRescheduled))
}

// A letter about a clock that has ended is not sent.
func TestALetterThatIsNoLongerTrueIsNotSent(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{})
	k.told()
	k.at(time.Date(2026, 1, 19, 9, 0, 0, 0, time.UTC), 1)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "we look"})
	require.Empty(t, k.told(ticket.KindDueSoon))
	page, err := k.desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})
	require.NoError(t, err)
	require.Len(t, page.Deliveries, 1)
	require.Equal(t, ticket.KindDueSoon, page.Deliveries[0].Kind)
	require.Contains(t, page.Deliveries[0].LastError, "ended")
}

func TestASnoozedTicketComesBack(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{Queue: "hardware"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	until := friday.Add(20 * time.Minute)
	snooze := func(at time.Time) {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: &at}})
	}
	before := k.get(tk)
	snooze(until)
	require.Equal(t, until, k.get(tk).Snoozed)
	require.Equal(t, before.Clocks, k.get(tk).Clocks, "it changes no clock")
	list := func() int {
		page, err := k.desk.List(t.Context(), lin, ticket.Query{NotSnoozed: true})
		require.NoError(t, err)
		return len(page.Tickets)
	}
	require.Zero(t, list())
	k.told()
	k.at(until, 1)
	told := k.told(ticket.KindReminder)
	require.Len(t, told, 1)
	require.Equal(t, "lin", told[0].To.Person.ID)
	require.True(t, k.get(tk).Snoozed.IsZero())
	require.Equal(t, 1, list())
	k.at(until, 0)

	snooze(until.Add(time.Hour))
	k.do(miller, tk, ticket.Action{Name: ticket.ActionReply, Message: "out of office", Automatic: true})
	require.False(t, k.get(tk).Snoozed.IsZero(), "a machine wakes nobody")
	k.do(miller, tk, ticket.Action{Name: ticket.ActionReply, Message: "any news?"})
	require.True(t, k.get(tk).Snoozed.IsZero())
	snooze(until.Add(2 * time.Hour))
	snooze(time.Time{})
	require.True(t, k.get(tk).Snoozed.IsZero())
	snooze(until.Add(3 * time.Hour))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.True(t, k.get(tk).Snoozed.IsZero())

	// A snooze of a finished ticket would end with its next event, or remind of nothing.
	later := until.Add(4 * time.Hour)
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: &later}})
	invalid, ok := errors.AsType[*ticket.InvalidError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "action.edit.snooze", invalid.Field)
	snooze(time.Time{}) // it has none
}

// An event about clocks makes nobody's work stale.
func TestAClockEventMakesNoPinStale(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{})
	k.at(time.Date(2026, 1, 19, 9, 0, 0, 0, time.UTC), 1)
	require.Equal(t, tk.Version+1, k.get(tk).Version)
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "we look", Version: tk.Version})
	require.NoError(t, err)
	_, err = k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "and look", Version: tk.Version})
	var stale *ticket.StaleError
	require.ErrorAs(t, err, &stale)
	require.Len(t, stale.Since, 1)
}

func TestClosingCountsOpenHours(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	for i := range spec.Statuses {
		if s := &spec.Statuses[i]; s.Name == ticket.StatusResolved {
			s.After, s.Calendar = 16*time.Hour, "office"
		}
	}
	w := spec.MustCompile(nil)
	store := memstore.New()
	k := clockKitOn(t, store, gold(t), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	k.clock.Set(friday.Add(time.Hour - time.Minute))
	tk := k.open(miller, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	due := time.Date(2026, 1, 20, 16, 0, 0, 0, time.UTC)
	require.Equal(t, ticket.Timer{At: due, Action: ticket.ActionClose, From: friday.Add(time.Hour)}, k.get(tk).Timer)

	// The office is closed on Tuesday after all.
	k = clockKitOn(t, store, gold(t, func(s *sla.Spec) {
		s.Version = 2
		s.Calendars[0].Days = []businesshours.Day{{Date: "2026-01-20"}}
	}), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	k.at(due, 1)
	require.Equal(t, ticket.StatusResolved, k.get(tk).Status)
	require.Equal(t, due.AddDate(0, 0, 1), k.get(tk).Timer.At)
	k.at(due.AddDate(0, 0, 1), 1)
	require.Equal(t, ticket.StatusClosed, k.get(tk).Status)
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
}

// A desk that gets service levels later, or others, computes the clocks of its tickets.
func TestClocksAreRefreshed(t *testing.T) {
	store := memstore.New()
	k := clockKitOn(t, store, nil)
	tk := k.open(miller, ticket.Draft{})
	done := k.open(miller, ticket.Draft{})
	k.do(lin, done, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.Empty(t, k.get(tk).Clocks)
	_, err := k.desk.RefreshClocks(t.Context(), "")
	require.ErrorIs(t, err, ticket.ErrInvalid)

	k = clockKitOn(t, store, gold(t))
	k.clock.Advance(10 * time.Minute)
	refresh := func(want int) {
		t.Helper()
		n, err := k.desk.RefreshClocks(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	refresh(1)
	refresh(0)
	now := k.get(tk)
	require.Equal(t, friday, clockOf(t, now, sla.MetricFirstAnswer).Started)
	require.Equal(t, tk.Touched, now.Touched)
	require.True(t, now.Promised.IsZero(), "nobody told the customer")
	require.Empty(t, k.get(done).Clocks)

	k = clockKitOn(t, store, gold(t, func(s *sla.Spec) { s.Version, s.Policies[0].Targets[0].Within = 2, time.Hour }))
	k.clock.Advance(20 * time.Minute)
	refresh(1)
	refresh(0)
	c := clockOf(t, k.get(tk), sla.MetricFirstAnswer)
	require.Equal(t, 2, c.Version)
	require.Equal(t, time.Date(2026, 1, 19, 8, 30, 0, 0, time.UTC), c.Due)
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
}

func TestServiceLevelsAreChecked(t *testing.T) {
	counts := func(calendar string) []*ticket.Workflow {
		s := ticket.DefaultWorkflow()
		s.Statuses[5].Calendar = calendar
		return []*ticket.Workflow{s.MustCompile(nil)}
	}
	for name, c := range map[string]ticket.Config{
		"config.expected":       {ServiceLevels: gold(t), Expected: gold(t).Expected},
		"config.service_levels": {Workflows: counts("office")},
		"config.workflows":      {Workflows: counts("warehouse"), ServiceLevels: gold(t)},
	} {
		_, err := ticket.NewDesk(memstore.New(), c)
		var invalid *ticket.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, name, invalid.Field)
	}
	_, err := ticket.NewDesk(memstore.New(), ticket.Config{ServiceLevels: (*sla.Agreement)(nil)})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	s := ticket.DefaultWorkflow()
	s.Statuses[0].Calendar = "office"
	_, err = s.Compile(nil)
	require.ErrorContains(t, err, "no time to count")
}

// A reaction that the workflow does not allow is left out, and the others are performed.
func TestAThresholdThatTheWorkflowForbidsIsRecorded(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	kept := spec.Transitions[:0]
	for _, tr := range spec.Transitions {
		if tr.Action != ticket.ActionEscalate {
			kept = append(kept, tr)
		}
	}
	spec.Transitions = kept
	k := clockKit(t, gold(t), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)} })
	tk := k.open(miller, ticket.Draft{})
	k.at(time.Date(2026, 1, 19, 9, 30, 0, 1000, time.UTC), 1)
	now := k.get(tk)
	require.Equal(t, 1, now.Level)
	require.Equal(t, []string{"late"}, now.Tags)
	require.Equal(t, ticket.GradeHigh, now.Priority)
	events := k.events(super, tk)
	require.Contains(t, string(events[len(events)-1].Note), "not done")
	require.True(t, events[len(events)-1].Set.Alert.Escalate)
}

// Escalation by time ends at the top.
func TestEscalationByTimeEndsAtTheTop(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(super, ticket.Draft{Requester: miller.Person, Level: 3})
	k.at(time.Date(2026, 1, 19, 9, 30, 0, 1000, time.UTC), 1)
	require.Equal(t, 3, k.get(tk).Level)
	require.Equal(t, []string{"late"}, k.get(tk).Tags)
}

// A desk without service levels cannot act on clocks, and says so.
func TestADeskWithoutServiceLevelsLeavesClocksToOthers(t *testing.T) {
	store := memstore.New()
	k := clockKitOn(t, store, gold(t))
	tk := k.open(miller, ticket.Draft{})
	other := clockKitOn(t, store, nil)
	other.at(friday.AddDate(0, 0, 4), 0)
	require.Equal(t, int64(1), other.get(tk).Version)
	k.at(friday.AddDate(0, 0, 4), 1)
}

// Service levels that fail stop nothing for good.
func TestServiceLevelsThatFailAreTriedAgain(t *testing.T) {
	broken := &brokenLevels{Agreement: gold(t)}
	k := newKit(t, func(c *ticket.Config) { c.ServiceLevels = broken })
	k.clock.Set(friday)
	tk := k.open(miller, ticket.Draft{})
	broken.advance = errors.New("no zones today")
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorContains(t, err, "no zones today")
	require.Equal(t, int64(1), k.get(tk).Version)
	k.clock.Set(friday.AddDate(0, 0, 4))
	_, err = k.desk.FireTimers(t.Context())
	require.ErrorContains(t, err, "no zones today")
	broken.advance = ticket.ErrInvalid // not the ticket's fault
	_, err = k.desk.FireTimers(t.Context())
	require.Error(t, err)
	require.Equal(t, int64(1), k.get(tk).Version)
	broken.advance = nil
	k.at(friday.AddDate(0, 0, 4).Add(time.Hour), 1)
}

type brokenLevels struct {
	*sla.Agreement
	advance error
}

func (b *brokenLevels) Advance(t *ticket.Ticket, e *ticket.Event, history iter.Seq2[ticket.Event, error]) error {
	if b.advance != nil {
		return b.advance
	}
	return b.Agreement.Advance(t, e, history)
}

func TestTicketsAreListedAndCountedByTheirClocks(t *testing.T) {
	k := clockKit(t, gold(t))
	first := k.open(miller, ticket.Draft{})
	k.clock.Advance(time.Minute)
	answered := k.open(miller, ticket.Draft{})
	k.do(lin, answered, ticket.Action{Name: ticket.ActionReply, Message: "we look"})
	k.open(ada, ticket.Draft{}) // nothing is promised to her
	due := time.Date(2026, 1, 19, 9, 30, 0, 0, time.UTC)
	list := func(q ticket.Query) (ids []ticket.ID) {
		t.Helper()
		page, err := k.desk.List(t.Context(), lin, q)
		require.NoError(t, err)
		for _, tk := range page.Tickets {
			ids = append(ids, tk.ID)
		}
		n, err := k.desk.Count(t.Context(), lin, q)
		require.NoError(t, err)
		require.Len(t, ids, n)
		n, err = k.desk.Count(t.Context(), ticket.Agent("max", 1).Serving(""), q)
		require.NoError(t, err)
		require.Len(t, ids, n)
		return ids
	}
	require.Equal(t, []ticket.ID{first.ID, answered.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue}))
	require.Equal(t, []ticket.ID{first.ID, answered.ID}, list(ticket.Query{Order: ticket.OrderSoonestDue, Metric: "level"}))
	require.Equal(t, []ticket.ID{first.ID}, list(ticket.Query{Metric: "first answer", Order: ticket.OrderSoonestDue}))
	require.Empty(t, list(ticket.Query{Metric: "first answer", DueBefore: due}))
	require.Equal(t, []ticket.ID{first.ID}, list(ticket.Query{Metric: "first answer", DueBefore: due.Add(time.Microsecond)}))
	require.Empty(t, list(ticket.Query{Missed: true}))
	k.clock.Set(due.Add(time.Minute))
	_, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ticket.ID{first.ID}, list(ticket.Query{Missed: true, Metric: "first answer"}))
	require.Empty(t, list(ticket.Query{Missed: true, Metric: "solution"}))
	for _, q := range []ticket.Query{{Missed: true}, {Metric: "solution"}, {NotSnoozed: true}, {Order: ticket.OrderSoonestDue}} {
		_, err := k.desk.List(t.Context(), miller, q)
		require.ErrorIs(t, err, ticket.ErrInvalid)
		_, err = k.desk.Count(t.Context(), miller, q)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	// A cursor belongs to its metric.
	soonest := ticket.Query{Order: ticket.OrderSoonestDue, Metric: "level", Limit: 1}
	page, err := k.desk.List(t.Context(), lin, soonest)
	require.NoError(t, err)
	soonest.After = page.Next
	page, err = k.desk.List(t.Context(), lin, soonest)
	require.NoError(t, err)
	require.Len(t, page.Tickets, 1)
	soonest.Metric = ""
	_, err = k.desk.List(t.Context(), lin, soonest)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.List(t.Context(), lin, ticket.Query{Metric: "speed"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	n, err := k.desk.Count(t.Context(), miller, ticket.Query{})
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// Any number of processes may fire timers; each step is done once.
func TestManyProcessesFireOnce(t *testing.T) {
	store := memstore.New()
	var kits []*kit
	ids := tickettest.NewIDs() // of all, as processes never make the same
	for range 4 {
		kits = append(kits, clockKitOn(t, store, gold(t), func(c *ticket.Config) { c.NewID = ids }))
	}
	var tickets []ticket.Ticket
	for range 20 {
		tickets = append(tickets, kits[0].open(miller, ticket.Draft{}))
	}
	done := make(chan error)
	for _, k := range kits {
		k.clock.Set(time.Date(2026, 1, 19, 9, 30, 0, 1000, time.UTC))
		go func() {
			_, err := k.desk.FireTimers(t.Context())
			done <- err
		}()
	}
	for range kits {
		require.NoError(t, <-done)
	}
	for _, tk := range tickets {
		alerts := 0
		for _, e := range kits[0].events(super, tk) {
			if e.Set.Alert != nil {
				alerts++
			}
		}
		require.Equal(t, 1, alerts)
		require.Equal(t, 2, kits[0].get(tk).Level)
	}
}

// Policies that hand a ticket to each other do so once.
func TestPoliciesThatHandOverToEachOtherEnd(t *testing.T) {
	in := func(queue, next string, share int) sla.Policy {
		return sla.Policy{Name: queue, When: sla.Condition{Queue: []string{queue}}, Targets: []sla.Target{{
			Metric: sla.MetricSolution, Within: 10 * time.Hour,
			Thresholds: []sla.Threshold{{Share: share, Do: []sla.Reaction{{HandOver: next}}}},
		}}}
	}
	k := clockKit(t, gold(t, func(s *sla.Spec) {
		s.Policies = []sla.Policy{in("hardware", "network", 50), in("network", "hardware", 40)}
	}))
	tk := k.open(miller, ticket.Draft{Queue: "hardware"})
	now := friday.Add(5 * time.Hour)
	k.at(now, 1)
	k.at(now, 0)
	tk = k.get(tk)
	require.EqualValues(t, 3, tk.Version)
	require.Equal(t, "hardware", tk.Queue)
	require.Equal(t, []string{"50% of the time", "40% of the time"}, clockOf(t, tk, sla.MetricSolution).Fired)
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
	k.at(friday.Add(10*time.Hour+time.Microsecond), 1) // only the breach is left
	k.at(friday.Add(11*time.Hour), 0)
}

// one has one policy for all tickets, with one target of two hours and what to do when it is
// missed.
func one(tb testing.TB, m sla.Metric, do ...sla.Reaction) *sla.Agreement {
	tb.Helper()
	return gold(tb, func(s *sla.Spec) {
		target := sla.Target{Metric: m, Within: 2 * time.Hour, Thresholds: []sla.Threshold{{Share: 100, Do: do}}}
		s.Policies = []sla.Policy{{Name: "all", Targets: []sla.Target{target}}}
	})
}

// The reaction of a threshold may end the stay at the level that it is about. It is told all
// the same.
func TestAnEscalationByTimeIsToldOf(t *testing.T) {
	k := clockKit(t, one(t, sla.MetricLevel, sla.Reaction{Escalate: true}, sla.Reaction{Tell: sla.AudienceAgents}, sla.Reaction{Tell: sla.AudienceRequester}))
	k.open(miller, ticket.Draft{Queue: "hardware"})
	gone := k.open(miller, ticket.Draft{Queue: "hardware"})
	k.told()
	k.at(friday.Add(2*time.Hour+time.Microsecond), 2)
	k.do(miller, gone, ticket.Action{Name: ticket.ActionCancel})
	told := k.told(ticket.KindOverdue)
	require.Len(t, told, 1, "no customer sees the level")
	require.Equal(t, ticket.Recipient{Role: ticket.RoleAgent, Level: 2}, told[0].To)
	require.Equal(t, "level", told[0].Metric)
	require.NotEqual(t, gone.ID, told[0].Ticket)
}

// Each part of what a policy asks for is left out only if it is not possible itself.
func TestThePartsOfAThresholdAreDoneOneByOne(t *testing.T) {
	all := one(t, sla.MetricSolution, sla.Reaction{Escalate: true}, sla.Reaction{HandOver: "managers"}, sla.Reaction{Raise: ticket.GradeHigh}, sla.Reaction{Tag: "late"})
	without := func(action ticket.ActionName) func(*ticket.Config) {
		return func(c *ticket.Config) {
			spec := ticket.DefaultWorkflow()
			spec.Transitions = slices.DeleteFunc(spec.Transitions, func(tr ticket.Transition) bool { return tr.Action == action })
			c.Workflows = []*ticket.Workflow{spec.MustCompile(nil)}
		}
	}
	for name, c := range map[string]struct {
		change func(*ticket.Config)
		want   string
	}{
		"all":           {func(*ticket.Config) {}, "2 managers high [full late]"},
		"no escalate":   {without(ticket.ActionEscalate), "1 managers high [full late]"},
		"no hand over":  {without(ticket.ActionHandOver), "2 managers high [full late]"}, // escalate takes a queue, too
		"no edit":       {without(ticket.ActionEdit), "2 managers medium [full]"},
		"too many tags": {func(c *ticket.Config) { c.Limits.Tags = 1 }, "2 managers high [full]"},
	} {
		t.Run(name, func(t *testing.T) {
			k := clockKit(t, all, c.change)
			tk := k.open(super, ticket.Draft{Requester: miller.Person, Queue: "hardware", Tags: []string{"full"}})
			k.at(friday.Add(3*time.Hour), 1)
			tk = k.get(tk)
			require.Equal(t, c.want, fmt.Sprint(tk.Level, " ", tk.Queue, " ", tk.Priority, " ", tk.Tags))
			events := k.events(super, tk)
			require.Len(t, events, 2)
			require.Equal(t, name != "all" && name != "no hand over", strings.Contains(string(events[1].Note), "not done"))
			require.True(t, events[1].Set.Alert.Escalate)
			require.Equal(t, []string{"late"}, events[1].Set.Alert.Tags)
			require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
		})
	}
}

// The clocks of a ticket do not keep a desk without service levels from its other timers.
func TestADeskWithoutServiceLevelsStillResumesAndReminds(t *testing.T) {
	store := memstore.New()
	k := clockKitOn(t, store, one(t, sla.MetricSolution, sla.Reaction{Tag: "late"}))
	tk := k.open(miller, ticket.Draft{})
	until, snoozed := friday.AddDate(0, 0, 2), friday.AddDate(0, 0, 3)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Snooze: &snoozed}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: until})
	other := clockKitOn(t, store, nil)
	other.at(until, 1)
	require.Equal(t, ticket.StatusOpen, other.get(tk).Status)
	other.at(snoozed, 1)
	require.Len(t, other.told(ticket.KindReminder), 1)
	k.at(snoozed, 1)
	require.Equal(t, []string{"late"}, k.get(tk).Tags)
}

// Nobody is told to expect an answer at a time that has passed.
func TestAPassedTimeIsNotPromised(t *testing.T) {
	promise := func(name string, within time.Duration, when ...ticket.Grade) sla.Policy {
		return sla.Policy{Name: name, When: sla.Condition{Priority: when}, Targets: []sla.Target{{Metric: sla.MetricFirstAnswer, Within: within}}}
	}
	k := clockKit(t, gold(t, func(s *sla.Spec) {
		s.Policies = []sla.Policy{promise("high", 2*time.Hour, ticket.GradeHigh), promise("low", 8*time.Hour, ticket.GradeLow), promise("rest", 4*time.Hour)}
	}))
	tk := k.open(miller, ticket.Draft{Priority: ticket.GradeHigh})
	k.told()
	k.clock.Set(friday.Add(5 * time.Hour))
	priority := func(g ticket.Grade) {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Priority: g}})
	}
	priority(ticket.GradeMedium)
	require.Empty(t, k.told(ticket.KindRescheduled))
	require.True(t, k.get(tk).Rescheduled.IsZero())
	priority(ticket.GradeLow)
	told := k.told(ticket.KindRescheduled)
	require.Len(t, told, 1)
	require.Equal(t, told[0].Expected, friday.Add(8*time.Hour))
}

// A ticket that its customer cancels in time breaks no promise.
func TestAPromiseEndsWithTheTicket(t *testing.T) {
	k := clockKit(t, gold(t))
	early, late := k.open(miller, ticket.Draft{}), k.open(miller, ticket.Draft{})
	promise := func(tk ticket.Ticket) string {
		v, err := k.desk.Track(t.Context(), miller, string(tk.Number))
		require.NoError(t, err)
		return v.Promise
	}
	k.do(miller, early, ticket.Action{Name: ticket.ActionCancel})
	require.Empty(t, promise(early))
	k.clock.Set(k.get(late).Promised)
	k.do(miller, late, ticket.Action{Name: ticket.ActionCancel})
	require.Equal(t, "broken", promise(late))
	require.Empty(t, promise(early))
}

// A desk sees the acts of a desk without service levels when the clocks of the ticket are due.
func TestClocksSeeWhatADeskWithoutThemDid(t *testing.T) {
	store := memstore.New()
	k, other := clockKitOn(t, store, gold(t)), clockKitOn(t, store, nil)
	answered, solved := k.open(miller, ticket.Draft{}), k.open(miller, ticket.Draft{})
	other.do(lin, answered, ticket.Action{Name: ticket.ActionReply, Message: "we look"})
	other.do(lin, solved, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	k.at(time.Date(2026, 1, 19, 9, 30, 0, 1000, time.UTC), 2)
	for _, tk := range []ticket.Ticket{answered, solved} {
		for _, e := range k.events(super, tk) {
			require.Nil(t, e.Set.Alert)
		}
		require.Equal(t, "met", clockOf(t, k.get(tk), sla.MetricFirstAnswer).State)
	}
	require.Equal(t, "running", clockOf(t, k.get(answered), sla.MetricSolution).State)
	solved = k.get(solved)
	require.Equal(t, solved.Timer.At, solved.Wake())
	for _, c := range solved.Clocks {
		require.Equal(t, "met", c.State, c.Metric)
	}
	require.NoError(t, k.desk.Verify(t.Context(), super, solved.ID))
}

// A policy that lists a warning only is heard of after a downtime, too.
func TestADowntimeDoesNotPassOverTheOnlyThreshold(t *testing.T) {
	k := clockKit(t, gold(t, func(s *sla.Spec) {
		s.Policies = []sla.Policy{{Name: "all", Targets: []sla.Target{{
			Metric: sla.MetricSolution, Within: 10 * time.Hour,
			Thresholds: []sla.Threshold{
				{Share: 50, Do: []sla.Reaction{{Tag: "half"}}},
				{Share: 75, Do: []sla.Reaction{{Tell: sla.AudienceQueue}}},
			},
		}}}}
	}))
	tk := k.open(miller, ticket.Draft{Queue: "hardware"})
	k.told()
	k.at(friday.Add(11*time.Hour), 1)
	told := k.told(ticket.KindDueSoon, ticket.KindOverdue)
	require.Len(t, told, 1)
	require.Equal(t, ticket.KindOverdue, told[0].Kind)
	require.Empty(t, k.get(tk).Tags)
	k.at(friday.Add(12*time.Hour), 0)
	events := k.events(super, tk)
	require.Len(t, events, 2)
	require.Equal(t, "due", events[1].Set.Alert.Threshold)
	require.True(t, events[1].Set.Alert.Late)

	tk = k.open(miller, ticket.Draft{Queue: "hardware"}) // without a downtime, the breach is only recorded
	opened := k.clock.Now()
	k.at(opened.Add(5*time.Hour), 1)
	k.at(opened.Add(450*time.Minute), 1)
	require.Len(t, k.told(ticket.KindDueSoon), 1)
	k.at(opened.Add(10*time.Hour+time.Microsecond), 1)
	require.Empty(t, k.told(ticket.KindDueSoon, ticket.KindOverdue))
	require.Empty(t, k.events(super, tk)[3].Set.Alert.Tell)
}
