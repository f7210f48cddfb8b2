package main

import (
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sla"
)

// start is when the clocks of a run start: on a Friday morning, two days before Berlin
// changes to summer time.
var start = time.Date(2026, 3, 27, 6, 30, 0, 0, time.UTC)

const office = "office"

// tell returns the reactions that tell each of the audiences.
func tell(to ...sla.Audience) (list []sla.Reaction) {
	for _, a := range to {
		list = append(list, sla.Reaction{Tell: a})
	}
	return list
}

var (
	up   = sla.Reaction{Escalate: true}
	late = sla.Reaction{Tag: "late"}
)

// agreement is what the desks of a run promise.
var agreement = sla.Spec{
	Name: "timers", Version: 1,
	Calendars: []businesshours.Spec{{Name: office, Hours: businesshours.Hours{
		Zone: "Europe/Berlin",
		Week: businesshours.Week{
			Monday: weekday, Tuesday: weekday, Wednesday: weekday, Thursday: weekday, Friday: weekday,
			Saturday: []businesshours.Span{"09:00-13:00"},
		},
		Days: []businesshours.Day{{Date: "2026-04-03", Name: "Good Friday"}, {Date: "2026-04-06", Name: "Easter Monday"}},
	}}},
	Policies: []sla.Policy{
		{Name: "urgent", When: sla.Condition{Priority: []ticket.Grade{ticket.GradeHigh, ticket.GradeCritical}}, Targets: targets(2, false)},
		{Name: "usual", Targets: targets(1, true)},
	},
}.MustCompile()

var weekday = []businesshours.Span{"08:00-12:00", "12:30-18:00"}

// targets returns the targets of a policy. A higher haste leaves less time.
func targets(haste time.Duration, restart bool) []sla.Target {
	waits := []sla.Pause{{Status: ticket.StatusWaiting}, {Status: ticket.StatusOnHold}}
	vendor := []sla.Pause{{Status: ticket.StatusOnHold, Reasons: []string{"vendor"}}}
	return []sla.Target{
		{Metric: sla.MetricFirstAnswer, Within: 80 * time.Minute / haste, Calendar: office, Pause: vendor, Thresholds: []sla.Threshold{
			{Share: 50, Do: tell(sla.AudienceAssignee)},
			{Before: 10 * time.Minute, Do: tell(sla.AudienceAssignee, sla.AudienceQueue)},
			{Share: 100, Do: append(tell(sla.AudienceQueue, sla.AudienceRequester), up)},
			{After: time.Hour, Do: append(tell(sla.AudienceAgents), sla.Reaction{Raise: ticket.GradeHigh}, late)},
		}},
		{Metric: sla.MetricNextAnswer, Within: time.Hour / haste, Calendar: office, Pause: waits, Thresholds: []sla.Threshold{
			{Before: 15 * time.Minute, Do: tell(sla.AudienceAssignee)},
			{Share: 100, Do: append(tell(sla.AudienceAgents), late)},
		}},
		{Metric: sla.MetricUpdate, Within: 3 * time.Hour / haste, Calendar: office, Pause: waits, Thresholds: []sla.Threshold{
			{Share: 90, Do: tell(sla.AudienceAssignee)},
		}},
		{Metric: sla.MetricSolution, Within: 8 * time.Hour / haste, Calendar: office, Pause: waits, Restart: restart, Thresholds: []sla.Threshold{
			{Share: 25, Do: tell(sla.AudienceAssignee)},
			{Before: time.Hour, Do: append(tell(sla.AudienceQueue), sla.Reaction{Tag: "hurry"})},
			{Share: 100, Do: append(tell(sla.AudienceRequester, sla.AudienceAgents), up, sla.Reaction{Raise: ticket.GradeHigh})},
			{After: time.Hour, Do: tell(sla.AudienceAssignee)},
			{After: 4 * time.Hour, Do: append(tell(sla.AudienceAgents), sla.Reaction{HandOver: "duty"}, sla.Reaction{Raise: ticket.GradeCritical})},
		}},
		{Metric: sla.MetricLevel, Levels: []int{1}, Within: 2 * time.Hour / haste, Calendar: office, Pause: vendor, Thresholds: []sla.Threshold{
			{Share: 75, Do: tell(sla.AudienceQueue)},
			{Share: 100, Do: []sla.Reaction{up}},
		}},
		{Metric: sla.MetricLevel, Within: 5 * time.Hour / haste, Pause: waits, Thresholds: []sla.Threshold{
			{Before: time.Hour, Do: tell(sla.AudienceQueue)},
			{Share: 100, Do: []sla.Reaction{up, late}}, // nothing at the top level
			{After: 2 * time.Hour, Do: tell(sla.AudienceAgents)},
		}},
	}
}

// closing is the open time after which the desk closes a resolved ticket: seven days.
const closing = 7 * (4*time.Hour + 5*time.Hour + 30*time.Minute)

// workflow returns the workflow of a run, in which the time to object is open time.
func workflow(after time.Duration) *ticket.Workflow {
	spec := ticket.DefaultWorkflow()
	spec.Name = "timers"
	for i := range spec.Statuses {
		if s := &spec.Statuses[i]; s.Name == ticket.StatusResolved {
			s.After, s.Calendar = after, office
		}
	}
	w, err := spec.Compile(nil)
	if err != nil {
		panic(err)
	}
	return w
}

// config is the configuration of all desks of a run.
func config(now func() time.Time, j *ordeal.Journal, s *sabotage) ticket.Config {
	return ticket.Config{
		Now:           now,
		Workflows:     []*ticket.Workflow{workflow(s.closing)},
		ServiceLevels: s.levels(agreement),
		Notifiers:     map[string]ticket.Notifier{"mail": nil}, // the outbox has what was told
		Relay:         ticket.Relay{Poll: poll},
		Logger:        j.Logger(),
	}
}

// poll is the real time between two looks for what is due.
const poll = 20 * time.Millisecond
