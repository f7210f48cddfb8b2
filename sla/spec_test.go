package sla_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

const hour = time.Hour

// office is Berlin, Monday to Friday 9 to 17.
var office = businesshours.Spec{
	Name:  "office",
	Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")},
}

// fair is open for eight hours in all.
var fair = businesshours.Spec{
	Name: "fair",
	Hours: businesshours.Hours{
		Zone: "Europe/Berlin",
		Days: []businesshours.Day{{Date: "2026-03-02", Open: []businesshours.Span{"09:00-17:00"}}},
	},
}

var breach = sla.Threshold{Share: 100, Do: []sla.Reaction{{Escalate: true}}}

// contracts returns a description that uses every field.
func contracts() sla.Spec {
	waiting := []sla.Pause{{Status: ticket.StatusWaiting}, {Status: ticket.StatusOnHold, Reasons: []string{"vendor", "parts"}}}
	return sla.Spec{
		Name: "contracts", Version: 3,
		Calendars: []businesshours.Spec{office, fair},
		Policies: []sla.Policy{
			{
				Name: "gold",
				When: sla.Condition{
					Priority: []ticket.Grade{ticket.GradeHigh, ticket.GradeCritical},
					Queue:    []string{"shop", "billing"},
					Tags:     []string{"vip"},
					Fields: ticket.Fields{
						"plan": "gold", "seats": int64(5), "rate": 2.0, "trial": false, "areas": []string{"a", "b"},
						"since": time.Date(2020, 1, 2, 3, 4, 5, 6000, time.UTC),
					},
					Organisation: []string{"acme"},
					Channel:      []ticket.Channel{ticket.ChannelMail, ticket.ChannelPhone},
				},
				Targets: []sla.Target{
					{
						Metric: sla.MetricFirstAnswer, Within: 2*hour + 30*time.Minute, Calendar: "office", Pause: waiting,
						Thresholds: []sla.Threshold{
							{Share: 50, Do: []sla.Reaction{{Tell: sla.AudienceAssignee}, {Tell: sla.AudienceQueue}}},
							{Before: 30 * time.Minute, Do: []sla.Reaction{{Tag: "soon"}}},
							breach,
							{After: 90 * time.Second, Do: []sla.Reaction{{HandOver: "chiefs"}, {Raise: ticket.GradeCritical}}},
						},
					},
					{Metric: sla.MetricSolution, Within: 8 * hour, Calendar: "fair", Restart: true},
					{Metric: sla.MetricLevel, Levels: []int{2, 3}, Queues: []string{"shop"}, Within: 4 * hour, Calendar: "office"},
					{Metric: sla.MetricLevel, Within: 8 * hour},
				},
			},
			{Name: "others", Targets: []sla.Target{{Metric: sla.MetricUpdate, Within: 24 * hour}}},
		},
	}
}

// faultsOf returns the faults of a joined error.
func faultsOf(t *testing.T, err error) (list []*sla.InvalidError) {
	t.Helper()
	require.ErrorIs(t, err, sla.ErrInvalid)
	var joined interface{ Unwrap() []error }
	require.ErrorAs(t, err, &joined)
	for _, err := range joined.Unwrap() {
		var one *sla.InvalidError
		require.ErrorAs(t, err, &one)
		list = append(list, one)
	}
	return list
}

func placesOf(t *testing.T, err error) (places []string) {
	t.Helper()
	for _, f := range faultsOf(t, err) {
		places = append(places, f.Place)
	}
	return places
}

func TestCompileNamesThePlace(t *testing.T) {
	type spec = sla.Spec
	target := func(s *spec) *sla.Target { return &s.Policies[0].Targets[0] }
	when := func(s *spec) *sla.Condition { return &s.Policies[0].When }
	do := func(r sla.Reaction) func(s *spec) {
		return func(s *spec) { target(s).Thresholds[1].Do = []sla.Reaction{{Tag: "x"}, r} }
	}
	thresholds := func(list ...sla.Threshold) func(s *spec) {
		return func(s *spec) {
			for i := range list {
				list[i].Do = breach.Do
			}
			target(s).Thresholds = list
		}
	}
	for _, tc := range []struct {
		name   string
		change func(s *spec)
		place  string
		reason string
	}{
		{"no name", func(s *spec) { s.Name = "" }, "name", "must not be empty"},
		{"blank name", func(s *spec) { s.Name = " \u00a0\u200b " }, "name", "has no visible character"},
		{"long name", func(s *spec) { s.Name = strings.Repeat("x", 201) }, "name", "has 201 bytes; the maximum is 200"},
		{"control character", func(s *spec) { s.Name = "a\x00b" }, "name", `"a\x00b" has a line break or another control character`},
		{"line break", func(s *spec) { s.Name = "a\u2028b" }, "name", "has a line break"},
		{"override of direction", func(s *spec) { s.Name = "a\u202eb" }, "name", "control character"},
		{"no UTF-8", func(s *spec) { s.Name = "\xff" }, "name", "is not UTF-8"},
		{"space at the end", func(s *spec) { s.Name = "a " }, "name", "begins or ends with a space"},
		{"version 0", func(s *spec) { s.Version = 0 }, "version", "must be 1 or more"},
		{"version below 0", func(s *spec) { s.Version = -1 }, "version", "must be 1 or more"},

		{"calendar without hours", func(s *spec) { s.Calendars[1].Days = nil }, "calendars[1].week", "has no hours"},
		{"calendar in a zone that the machine does not have", func(s *spec) { s.Calendars[1].Zone = "Mars/Base" }, "calendars[1].zone", `"Mars/Base" is not a zone`},
		{"calendar without a name", func(s *spec) { s.Calendars = append(s.Calendars, businesshours.Spec{Hours: office.Hours}) }, "calendars[2].name", "must not be empty"},
		{"calendar of the year 1", func(s *spec) { s.Calendars[1].Days[0].Date = "0001-01-01" }, "calendars[1].days[0].date", "is not in the years 1970 to 2199"},
		{"calendar of the year 9999", func(s *spec) { s.Calendars[1].Days[0].Date = "9999-01-01" }, "calendars[1].days[0].date", "is not in the years 1970 to 2199"},
		{"a million intervals", func(s *spec) { s.Calendars[0].Week.Monday = make([]businesshours.Span, 1_000_000) }, "calendars[0].week.monday", "has 1000000 intervals"},
		{"calendar that is never open", func(s *spec) {
			s.Calendars[1].Zone = "Pacific/Apia"
			s.Calendars[1].Days[0].Date = "2011-12-30"
		}, "calendars[1]", "is never open"},
		{"name of a calendar twice", func(s *spec) { s.Calendars = append(s.Calendars, office) }, "calendars[2].name", `"office" is there already`},
		{"control character in the name of a calendar", func(s *spec) {
			c := office
			c.Name = "a\nb"
			s.Calendars = append(s.Calendars, c)
		}, "calendars[2].name", "control character"},
		{"too many calendars", func(s *spec) { s.Calendars = make([]businesshours.Spec, 101) }, "calendars", "has 101 entries; the maximum is 100"},
		{"unknown calendar", func(s *spec) { target(s).Calendar = "Office" }, "policies[0].targets[0].calendar", `"Office" is not the name of a calendar`},
		{"calendar that ends too early for a target", func(s *spec) { s.Policies[0].Targets[1].Within += time.Microsecond },
			"policies[0].targets[1].calendar", `calendar "fair" ends before the target can be met`},
		{"calendar that ends too early for a threshold", func(s *spec) {
			s.Policies[0].Targets[1].Thresholds = []sla.Threshold{breach, {After: hour, Do: breach.Do}}
		}, "policies[0].targets[1].thresholds[1].after", `calendar "fair" ends before the threshold is reached`},

		{"no policies", func(s *spec) { s.Policies = nil }, "policies", "must not be empty"},
		{"too many policies", func(s *spec) { s.Policies = make([]sla.Policy, 1001) }, "policies", "has 1001 entries; the maximum is 1000"},
		{"policy without a name", func(s *spec) { s.Policies[1].Name = "" }, "policies[1].name", "must not be empty"},
		{"name of a policy twice", func(s *spec) { s.Policies[1].Name = "gold" }, "policies[1].name", `"gold" is the name of policies[0] already`},
		{"policy after one without a condition", func(s *spec) { s.Policies[0].When = sla.Condition{} }, "policies[1].when", "cannot be reached: policies[0] applies to all these tickets"},
		{"policy with a part of an earlier condition", func(s *spec) {
			s.Policies[0].When = sla.Condition{Queue: []string{"a", "b"}, Fields: ticket.Fields{"x": "y"}}
			s.Policies[1].When = sla.Condition{Queue: []string{"b"}, Fields: ticket.Fields{"x": "y", "z": true}, Tags: []string{"t"}}
		}, "policies[1].when", "cannot be reached: policies[0]"},
		{"policy with the condition of an earlier one", func(s *spec) { s.Policies[1].When = contracts().Policies[0].When }, "policies[1].when", "cannot be reached: policies[0]"},

		{"priority", func(s *spec) { when(s).Priority = []ticket.Grade{0} }, "policies[0].when.priority[0]", "must be low, medium, high or critical"},
		{"priority without a name", func(s *spec) { when(s).Priority = []ticket.Grade{9} }, "policies[0].when.priority[0]", "must be low"},
		{"priority twice", func(s *spec) { when(s).Priority = []ticket.Grade{1, 2, 1} }, "policies[0].when.priority[2]", "repeats policies[0].when.priority[0]"},
		{"blank queue", func(s *spec) { when(s).Queue = []string{"a", ""} }, "policies[0].when.queue[1]", "must not be empty"},
		{"tag with a line break", func(s *spec) { when(s).Tags = []string{"a\nb"} }, "policies[0].when.tags[0]", "line break"},
		{"long organisation", func(s *spec) { when(s).Organisation = []string{strings.Repeat("x", 300)} }, "policies[0].when.organisation[0]", "has 300 bytes"},
		{"channel twice", func(s *spec) { when(s).Channel = []ticket.Channel{"a", "a"} }, "policies[0].when.channel[1]", "repeats policies[0].when.channel[0]"},
		{"too many values", func(s *spec) { when(s).Queue = make([]string, 10_001) }, "policies[0].when", "the maximum of all conditions together is 10000"},
		{"field without a name", func(s *spec) { when(s).Fields = ticket.Fields{"": 1} }, `policies[0].when.fields[""]`, "must not be empty"},
		{"field without a value", func(s *spec) { when(s).Fields = ticket.Fields{"a": nil} }, `policies[0].when.fields["a"]`, "must be a string, a boolean, a number, a list of strings or a time"},
		{"field of another type", func(s *spec) { when(s).Fields = ticket.Fields{"a": []int{1}} }, `policies[0].when.fields["a"]`, "not []int"},
		{"field that is no number", func(s *spec) { when(s).Fields = ticket.Fields{"a": math.NaN()} }, `policies[0].when.fields["a"]`, "must be a finite number"},
		{"field above int64", func(s *spec) { when(s).Fields = ticket.Fields{"a": uint64(math.MaxUint64)} }, `policies[0].when.fields["a"]`, "must fit an int64"},
		{"field in the year 10000", func(s *spec) { when(s).Fields = ticket.Fields{"a": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} }, `policies[0].when.fields["a"]`, "must be in the years 1 to 9999"},
		{"field in the year 0", func(s *spec) { when(s).Fields = ticket.Fields{"a": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)} }, `policies[0].when.fields["a"]`, "must be in the years 1 to 9999"},
		{"long field", func(s *spec) {
			when(s).Fields = ticket.Fields{"a": []string{strings.Repeat("x", 8000), strings.Repeat("x", 200)}}
		}, `policies[0].when.fields["a"]`, "has 8200 bytes; the maximum is 8192"},
		{"field that is no UTF-8", func(s *spec) { when(s).Fields = ticket.Fields{"a": "\xff"} }, `policies[0].when.fields["a"]`, "is not UTF-8"},

		{"no targets", func(s *spec) { s.Policies[1].Targets = nil }, "policies[1].targets", "must not be empty"},
		{"too many targets", func(s *spec) { s.Policies[1].Targets = make([]sla.Target, 101) }, "policies[1].targets", "has 101 entries; the maximum is 100"},
		{"no metric", func(s *spec) { s.Policies[1].Targets[0].Metric = "" }, "policies[1].targets[0].metric", `"" is none of ["first answer" "next answer" "update" "solution" "level"]`},
		{"unknown metric", func(s *spec) { s.Policies[1].Targets[0].Metric = "resolution" }, "policies[1].targets[0].metric", `"resolution" is none of`},
		{"metric twice", func(s *spec) {
			s.Policies[0].Targets[1].Metric, s.Policies[0].Targets[1].Restart = sla.MetricFirstAnswer, false
		},
			"policies[0].targets[1].metric", `"first answer" is the metric of targets[0] already`},
		{"two targets for the same level", func(s *spec) { s.Policies[0].Targets[2].Levels, s.Policies[0].Targets[2].Queues = nil, nil },
			"policies[0].targets[3]", "cannot be reached"},
		{"target for levels and queues that others have between them", func(s *spec) {
			level := func(levels []int, queues ...string) sla.Target {
				return sla.Target{Metric: sla.MetricLevel, Levels: levels, Queues: queues, Within: hour}
			}
			s.Policies[1].Targets = []sla.Target{level([]int{1}), level([]int{2}, "a"), level([]int{2}, "b"), level([]int{1, 2}, "b", "a")}
		}, "policies[1].targets[3]", "cannot be reached"},
		{"target of zero", func(s *spec) { target(s).Within = 0 }, "policies[0].targets[0].within", "must be more than zero"},
		{"target below zero", func(s *spec) { target(s).Within = -hour }, "policies[0].targets[0].within", "must be more than zero"},
		{"target of eleven years", func(s *spec) { target(s).Within = 96360 * hour }, "policies[0].targets[0].within", "96360h is too long; the maximum is 87600h"},
		{"target of a nanosecond", func(s *spec) { target(s).Within = 1 }, "policies[0].targets[0].within", "1ns is not a whole number of microseconds"},
		{"levels of another metric", func(s *spec) { target(s).Levels = []int{1} }, "policies[0].targets[0].levels", `is for the metric "level" only`},
		{"queues of another metric", func(s *spec) { target(s).Queues = []string{"a"} }, "policies[0].targets[0].queues", `is for the metric "level" only`},
		{"restart of another metric", func(s *spec) { target(s).Restart = true }, "policies[0].targets[0].restart", `is for the metric "solution" only`},
		{"level below 0", func(s *spec) { s.Policies[0].Targets[2].Levels[1] = -1 }, "policies[0].targets[2].levels[1]", "must be 1 to 20"},
		{"level 0", func(s *spec) { s.Policies[0].Targets[2].Levels[1] = 0 }, "policies[0].targets[2].levels[1]", "must be 1 to 20"},
		{"level 21", func(s *spec) { s.Policies[0].Targets[2].Levels[1] = 21 }, "policies[0].targets[2].levels[1]", "must be 1 to 20"},
		{"level twice", func(s *spec) { s.Policies[0].Targets[2].Levels[1] = 2 }, "policies[0].targets[2].levels[1]", "repeats policies[0].targets[2].levels[0]"},
		{"too many levels", func(s *spec) { s.Policies[0].Targets[2].Levels = make([]int, 1001) }, "policies[0].targets[2].levels", "has 1001 entries"},
		{"blank queue of a target", func(s *spec) { s.Policies[0].Targets[2].Queues = []string{" "} }, "policies[0].targets[2].queues[0]", "has no visible character"},
		{"too many queues", func(s *spec) { s.Policies[0].Targets[2].Queues = make([]string, 1001) }, "policies[0].targets[2].queues", "has 1001 entries"},
		{"pause without a status", func(s *spec) { target(s).Pause[1].Status = "" }, "policies[0].targets[0].pause[1].status", "must not be empty"},
		{"pause twice", func(s *spec) { target(s).Pause[1].Status = "waiting" }, "policies[0].targets[0].pause[1].status", `"waiting" is the status of policies[0].targets[0].pause[0] already`},
		{"blank reason", func(s *spec) { target(s).Pause[1].Reasons[0] = "" }, "policies[0].targets[0].pause[1].reasons[0]", "must not be empty"},
		{"too many pauses", func(s *spec) { target(s).Pause = make([]sla.Pause, 101) }, "policies[0].targets[0].pause", "has 101 entries"},
		{"too many reasons", func(s *spec) { target(s).Pause[0].Reasons = make([]string, 1001) }, "policies[0].targets[0].pause[0].reasons", "has 1001 entries"},

		{"too many thresholds", func(s *spec) { target(s).Thresholds = make([]sla.Threshold, 21) }, "policies[0].targets[0].thresholds", "has 21 entries"},
		{"no moment", thresholds(sla.Threshold{}), "policies[0].targets[0].thresholds[0]", "must have one of share, before and after"},
		{"two moments", thresholds(sla.Threshold{Share: 50, Before: hour}), "policies[0].targets[0].thresholds[0]", "must have only one of share, before and after"},
		{"three moments", thresholds(sla.Threshold{Share: 50, Before: hour, After: hour}), "policies[0].targets[0].thresholds[0]", "must have only one"},
		{"share below 1", thresholds(sla.Threshold{Share: -1}), "policies[0].targets[0].thresholds[0].share", "must be 1 to 100"},
		{"share above 100", thresholds(sla.Threshold{Share: 101}), "policies[0].targets[0].thresholds[0].share", "must be 1 to 100"},
		{"before below zero", thresholds(sla.Threshold{Before: -hour}), "policies[0].targets[0].thresholds[0].before", "must be more than zero"},
		{"after below zero", thresholds(sla.Threshold{After: -hour}), "policies[0].targets[0].thresholds[0].after", "must be more than zero"},
		{"after eleven years", thresholds(sla.Threshold{After: 96360 * hour}), "policies[0].targets[0].thresholds[0].after", "is too long"},
		{"after a nanosecond", thresholds(sla.Threshold{After: 1}), "policies[0].targets[0].thresholds[0].after", "is not a whole number of microseconds"},
		{"shares out of order", thresholds(sla.Threshold{Share: 50}, sla.Threshold{Share: 100}, sla.Threshold{Share: 99}),
			"policies[0].targets[0].thresholds[2].share", `"99% of the time" is reached before thresholds[1], "due"; sort them`},
		{"warning after the breach", thresholds(breach, sla.Threshold{Before: time.Minute}), "policies[0].targets[0].thresholds[1].before", "is reached before thresholds[0]"},
		{"warnings out of order", thresholds(sla.Threshold{Before: hour}, sla.Threshold{Before: 2 * hour}), "policies[0].targets[0].thresholds[1].before", "is reached before thresholds[0]"},
		{"breach after what follows it", thresholds(sla.Threshold{After: hour}, breach), "policies[0].targets[0].thresholds[1].share", "is reached before thresholds[0]"},
		{"share before a warning", thresholds(sla.Threshold{Before: 15 * time.Minute}, sla.Threshold{Share: 89}), "policies[0].targets[0].thresholds[1].share", "is reached before thresholds[0]"},
		{"the same moment twice", thresholds(sla.Threshold{Before: 15 * time.Minute}, sla.Threshold{Share: 90}), "policies[0].targets[0].thresholds[1].share", "is the moment of thresholds[0]"},
		{"two moments before the start", thresholds(sla.Threshold{Before: 9 * hour}, sla.Threshold{Before: 8 * hour}), "policies[0].targets[0].thresholds[1].before", "is the moment of thresholds[0]"},

		{"no reactions", func(s *spec) { target(s).Thresholds[1].Do = nil }, "policies[0].targets[0].thresholds[1].do", "must not be empty"},
		{"too many reactions", func(s *spec) { target(s).Thresholds[1].Do = make([]sla.Reaction, 21) }, "policies[0].targets[0].thresholds[1].do", "has 21 entries"},
		{"reaction without a field", do(sla.Reaction{}), "policies[0].targets[0].thresholds[1].do[1]", "must have one of tell, escalate, hand_over, raise and tag"},
		{"reaction with two fields", do(sla.Reaction{Escalate: true, Tag: "x"}), "policies[0].targets[0].thresholds[1].do[1]", "must have only one of"},
		{"reaction twice", do(sla.Reaction{Tag: "x"}), "policies[0].targets[0].thresholds[1].do[1]", "repeats policies[0].targets[0].thresholds[1].do[0]"},
		{"unknown audience", do(sla.Reaction{Tell: "everybody"}), "policies[0].targets[0].thresholds[1].do[1].tell", `"everybody" is none of ["assignee" "queue" "requester" "agents"]`},
		{"hand over to a blank queue", do(sla.Reaction{HandOver: " "}), "policies[0].targets[0].thresholds[1].do[1].hand_over", "has no visible character"},
		{"raise to low", do(sla.Reaction{Raise: ticket.GradeLow}), "policies[0].targets[0].thresholds[1].do[1].raise", "low raises no priority"},
		{"raise to nothing known", do(sla.Reaction{Raise: 9}), "policies[0].targets[0].thresholds[1].do[1].raise", "must be low, medium, high or critical"},
		{"tag with a control character", do(sla.Reaction{Tag: "a\x7f"}), "policies[0].targets[0].thresholds[1].do[1].tag", "control character"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := contracts()
			s.Calendars[1].Days = slices.Clone(s.Calendars[1].Days)
			tc.change(&s)
			a, err := s.Compile()
			require.Nil(t, a)
			var found bool
			for _, f := range faultsOf(t, err) {
				if f.Place == tc.place {
					found = true
					require.Contains(t, f.Reason, tc.reason)
					break
				}
			}
			require.True(t, found, "no fault at %s: %v", tc.place, err)
			require.PanicsWithError(t, err.Error(), func() { s.MustCompile() })
		})
	}
}

func TestCompileReportsEachFaultOnce(t *testing.T) {
	s := contracts()
	require.NotNil(t, s.MustCompile())
	s.Name, s.Version = "", 0
	s.Calendars[0].Zone = "Mars"
	s.Calendars[0].Week.Friday = []businesshours.Span{"9-5"}
	s.Policies[0].Targets[0].Thresholds[2].Share = 101
	s.Policies[0].Targets[0].Calendar = "offices"
	s.Policies[0].Targets[1].Within = 0
	s.Policies[1].Name = ""
	s.Policies[1].Targets[0].Thresholds = []sla.Threshold{{Share: 100}}
	_, err := s.Compile()
	require.Equal(t, []string{
		"name", "version", "calendars[0].zone", "calendars[0].week.friday[0]",
		"policies[0].targets[0].thresholds[2].share", "policies[0].targets[0].calendar",
		"policies[0].targets[1].within", "policies[1].name", "policies[1].targets[0].thresholds[0].do",
	}, placesOf(t, err))

	s.Policies = make([]sla.Policy, 1000)
	_, err = s.Compile()
	require.Len(t, faultsOf(t, err), 1001)
	require.ErrorContains(t, err, " more faults")
}

func TestFaultsOfACalendarKeepTheirCause(t *testing.T) {
	s := contracts()
	s.Calendars[1].Zone = "Mars"
	_, err := s.Compile()
	require.EqualError(t, err, `sla: agreement "contracts": calendars[1].zone: "Mars" is not a zone known on this machine: unknown time zone Mars`)
	require.ErrorIs(t, err, businesshours.ErrInvalid)
	var cause *businesshours.InvalidError
	require.ErrorAs(t, err, &cause)
	require.Equal(t, "fair", cause.Calendar)

	s = contracts()
	s.Policies[0].Targets[1].Within = 9 * hour
	_, err = s.Compile()
	require.ErrorIs(t, err, businesshours.ErrHorizon)
	require.ErrorContains(t, err, "9h0m0s were needed")
}

func TestCalendarMustLastFromAnInstantOn(t *testing.T) {
	a := contracts().MustCompile()
	require.NoError(t, a.CheckAt(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)))
	require.NoError(t, a.CheckAt(time.Time{}))
	err := a.CheckAt(time.Date(2026, 3, 2, 8, 0, 0, 1, time.UTC))
	require.Equal(t, []string{"policies[0].targets[1].calendar"}, placesOf(t, err))
	require.ErrorIs(t, err, businesshours.ErrHorizon)
	err = a.CheckAt(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Len(t, faultsOf(t, err), 6)
	require.ErrorContains(t, err, `calendar "round the clock" ends`)
}

func TestNamesMustBeKnown(t *testing.T) {
	w := func(name string, levels int) *ticket.Workflow {
		s := ticket.DefaultWorkflow()
		s.Name, s.Levels, s.LevelNames = name, levels, nil
		return s.MustCompile(nil)
	}
	two, three := w("two", 2), w("three", 3)
	for _, tc := range []struct {
		name   string
		known  []sla.Known
		places []string
	}{
		{"nothing", nil, nil},
		{"zero", []sla.Known{{}}, nil},
		{"nil", []sla.Known{{Workflows: []*ticket.Workflow{nil}}}, nil},
		{"workflow", []sla.Known{{Workflows: []*ticket.Workflow{three}}}, []string{"policies[1].targets[0].pause[0].status"}},
		{"workflow with two levels", []sla.Known{{Workflows: []*ticket.Workflow{two}}},
			[]string{"policies[0].targets[2].levels[1]", "policies[1].targets[0].pause[0].status"}},
		{"workflows together", []sla.Known{{Workflows: []*ticket.Workflow{two}}, {Workflows: []*ticket.Workflow{three}}},
			[]string{"policies[1].targets[0].pause[0].status"}},
		{"queues", []sla.Known{{Queues: []string{"shop"}}, {Queues: []string{"others"}}},
			[]string{"policies[0].when.queue[1]", "policies[0].targets[0].thresholds[3].do[0].hand_over"}},
		{"other queues", []sla.Known{{Queues: []string{"billing", "chiefs"}}},
			[]string{"policies[0].when.queue[0]", "policies[0].targets[2].queues[0]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := contracts()
			s.Policies[1].Targets[0].Pause = []sla.Pause{{Status: "asleep"}}
			_, err := s.Compile(tc.known...)
			if tc.places == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tc.places, placesOf(t, err))
		})
	}
}

func TestLevelsOfKnownWorkflowsCanAllBeTaken(t *testing.T) {
	s := contracts()
	s.Policies[1].Targets = []sla.Target{
		{Metric: sla.MetricLevel, Levels: []int{1, 2, 3}, Within: hour},
		{Metric: sla.MetricLevel, Within: hour},
	}
	_, err := s.Compile()
	require.NoError(t, err, "there may be a fourth level")
	_, err = s.Compile(sla.Known{Workflows: []*ticket.Workflow{ticket.DefaultWorkflow().MustCompile(nil)}})
	require.Equal(t, []string{"policies[1].targets[1]"}, placesOf(t, err))
}

func TestValuesAtTheLimitAreAccepted(t *testing.T) {
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("x", i))
		}
		return list
	}
	s := contracts()
	s.Name = strings.Repeat("x", 200)
	for i := range 98 {
		c := office
		c.Name = fmt.Sprint("office ", i)
		s.Calendars = append(s.Calendars, c)
	}
	fields := ticket.Fields{
		"a": strings.Repeat("x", 8192), "b": []string{strings.Repeat("x", 8000), strings.Repeat("x", 192)}, "c": uint64(math.MaxInt64),
		"d": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "e": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	s.Policies[0].When = sla.Condition{Queue: many(9995), Fields: fields}
	stay := &s.Policies[0].Targets[2]
	stay.Levels, stay.Queues = []int{1, 20}, many(1000)
	for i := range 100 {
		stay.Pause = append(stay.Pause, sla.Pause{Status: ticket.Status(fmt.Sprint("x", i))})
	}
	stay.Pause[0].Reasons = many(1000)
	for i := range 20 {
		stay.Thresholds = append(stay.Thresholds, sla.Threshold{Share: i + 1, Do: breach.Do})
	}
	stay.Thresholds[0].Do = nil
	for _, tag := range many(20) {
		stay.Thresholds[0].Do = append(stay.Thresholds[0].Do, sla.Reaction{Tag: tag})
	}
	s.Policies[1].Targets = nil
	for i := range 100 {
		s.Policies[1].Targets = append(s.Policies[1].Targets, sla.Target{Metric: sla.MetricLevel, Queues: []string{fmt.Sprint("x", i)}, Within: hour})
	}
	last := s.Policies[1]
	s.Policies = s.Policies[:1]
	for i := range 998 {
		s.Policies = append(s.Policies, sla.Policy{Name: fmt.Sprint("x", i), When: sla.Condition{}, Targets: last.Targets[:1]})
	}
	s.Policies = append(s.Policies, last)
	_, err := s.Compile()
	for i, place := range placesOf(t, err) { // they all have no condition
		require.Equal(t, fmt.Sprintf("policies[%d].when", i+2), place)
	}
	require.Len(t, faultsOf(t, err), 998)

	s.Policies[0].When.Queue = append(s.Policies[0].When.Queue, "one more")
	_, err = s.Compile()
	require.Equal(t, "policies[0].when", placesOf(t, err)[0])
}

func TestThresholdNeedsMoreOfACalendarThanItsTarget(t *testing.T) {
	s := contracts()
	solution := &s.Policies[0].Targets[1]
	solution.Thresholds = []sla.Threshold{{Share: 1, Do: breach.Do}, breach, {After: time.Microsecond, Do: breach.Do}}
	_, err := s.Compile()
	require.Equal(t, []string{"policies[0].targets[1].thresholds[2].after"}, placesOf(t, err))
	solution.Within -= time.Microsecond
	_, err = s.Compile()
	require.NoError(t, err)
}

func TestAcceptedThresholds(t *testing.T) {
	for _, list := range [][]sla.Threshold{
		{{Share: 1}, {Share: 99}, {Share: 100}, {After: time.Microsecond}, {After: 87600 * hour}},
		{{Before: 9 * hour}, {Before: 149 * time.Minute}, {Before: time.Microsecond}, {After: hour}, {After: 2 * hour}},
		{{Share: 1}, {Share: 2}, {Before: hour}, {Share: 75}, {Before: time.Minute}, {Share: 100}},
	} {
		s := contracts()
		for i := range list {
			list[i].Do = breach.Do
		}
		s.Policies[0].Targets[0].Thresholds = list
		_, err := s.Compile()
		require.NoError(t, err)
	}
}

func TestLongestTarget(t *testing.T) {
	s := contracts()
	s.Policies[1].Targets[0] = sla.Target{Metric: sla.MetricUpdate, Within: 87600 * hour, Calendar: "office", Thresholds: []sla.Threshold{
		{Share: 99, Do: breach.Do}, {Before: time.Microsecond, Do: breach.Do}, breach, {After: 87600 * hour, Do: breach.Do},
	}}
	_, err := s.Compile()
	require.NoError(t, err)
}

func TestChangesOfTheSpecDoNotReachTheAgreement(t *testing.T) {
	s := contracts()
	want := contracts()
	s.Calendars[1].Days = slices.Clone(s.Calendars[1].Days)
	a := s.MustCompile()
	spoil := func(s *sla.Spec) {
		s.Calendars[1].Days[0].Date = "spoilt"
		s.Calendars[0].Name = "spoilt"
		spoilPolicy(&s.Policies[0])
		s.Policies[1].Name = "spoilt"
	}
	spoil(&s)
	require.Equal(t, want, a.Spec())
	got := a.Spec()
	spoil(&got)
	require.Equal(t, want, a.Spec())

	p, ok := a.Policy(goldTicket())
	require.True(t, ok)
	require.Equal(t, want.Policies[0], p)
	spoilPolicy(&p)
	p, ok = a.Policy(goldTicket())
	require.True(t, ok)
	require.Equal(t, want.Policies[0], p)
	require.Equal(t, want, a.Spec())
}

func spoilPolicy(p *sla.Policy) {
	const spoilt = "spoilt"
	p.When.Priority[0], p.When.Queue[0], p.When.Tags[0] = 1, spoilt, spoilt
	p.When.Fields["plan"], p.When.Organisation[0], p.When.Channel[0] = spoilt, spoilt, spoilt
	p.When.Fields["areas"].([]string)[0] = spoilt
	t := &p.Targets[0]
	t.Pause[1].Status, t.Pause[1].Reasons[0] = spoilt, spoilt
	t.Thresholds[0].Share, t.Thresholds[0].Do[0].Tell = 99, spoilt
	p.Targets[2].Levels[0], p.Targets[2].Queues[0] = 9, spoilt
	p.Targets[1].Within = 1
}

func TestAgreementHasItsNames(t *testing.T) {
	a := contracts().MustCompile()
	require.Equal(t, "contracts", a.Name())
	require.Equal(t, 3, a.Version())
	c, ok := a.Calendar("fair")
	require.True(t, ok)
	require.Equal(t, "fair", c.Name())
	c, ok = a.Calendar("")
	require.True(t, ok)
	require.Equal(t, 24*hour, c.Between(time.Unix(0, 0), time.Unix(86400, 0)))
	_, ok = a.Calendar("other")
	require.False(t, ok)
}

// goldTicket fits the first policy of contracts.
func goldTicket() ticket.Ticket {
	return ticket.Ticket{
		Priority: ticket.GradeHigh, Queue: "shop", Tags: []string{"new", "vip"}, Channel: ticket.ChannelMail,
		Requester: ticket.Person{Organisation: "acme"},
		Fields: ticket.Fields{
			"plan": "gold", "seats": int64(5), "rate": 2.0, "trial": false, "areas": []string{"a", "b"},
			"since": time.Date(2020, 1, 2, 3, 4, 5, 6000, time.UTC).In(time.FixedZone("", 3600)), "more": "x",
		},
	}
}

func TestPolicyOfATicket(t *testing.T) {
	a := contracts().MustCompile()
	for _, tc := range []struct {
		name   string
		change func(t *ticket.Ticket)
		want   string
	}{
		{"all fits", func(*ticket.Ticket) {}, "gold"},
		{"other priority of the list", func(t *ticket.Ticket) { t.Priority = ticket.GradeCritical }, "gold"},
		{"other priority", func(t *ticket.Ticket) { t.Priority = ticket.GradeMedium }, "others"},
		{"other queue of the list", func(t *ticket.Ticket) { t.Queue = "billing" }, "gold"},
		{"no queue", func(t *ticket.Ticket) { t.Queue = "" }, "others"},
		{"other case", func(t *ticket.Ticket) { t.Queue = "Shop" }, "others"},
		{"no tag", func(t *ticket.Ticket) { t.Tags = nil }, "others"},
		{"other organisation", func(t *ticket.Ticket) { t.Requester.Organisation = "acme2" }, "others"},
		{"other channel", func(t *ticket.Ticket) { t.Channel = ticket.ChannelWeb }, "others"},
		{"no fields", func(t *ticket.Ticket) { t.Fields = nil }, "others"},
		{"other text", func(t *ticket.Ticket) { t.Fields["plan"] = "silver" }, "others"},
		{"other type", func(t *ticket.Ticket) { t.Fields["seats"] = 5.0 }, "others"},
		{"other number", func(t *ticket.Ticket) { t.Fields["rate"] = 2.5 }, "others"},
		{"other boolean", func(t *ticket.Ticket) { t.Fields["trial"] = true }, "others"},
		{"other list", func(t *ticket.Ticket) { t.Fields["areas"] = []string{"b", "a"} }, "others"},
		{"no list", func(t *ticket.Ticket) { t.Fields["areas"] = "a" }, "others"},
		{"other time", func(t *ticket.Ticket) { t.Fields["since"] = time.Date(2020, 1, 2, 3, 4, 5, 7000, time.UTC) }, "others"},
		{"no time", func(t *ticket.Ticket) { t.Fields["since"] = "2020" }, "others"},
		{"a type that no desk stores", func(t *ticket.Ticket) { t.Fields["plan"] = map[string]string{} }, "others"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tk := goldTicket()
			tc.change(&tk)
			p, ok := a.Policy(tk)
			require.True(t, ok)
			require.Equal(t, tc.want, p.Name)
		})
	}
	s := contracts()
	s.Policies = s.Policies[:1]
	_, ok := s.MustCompile().Policy(ticket.Ticket{})
	require.False(t, ok)
}

func TestFirstPolicyThatFitsApplies(t *testing.T) {
	s := contracts()
	within := s.Policies[1].Targets
	s.Policies = []sla.Policy{
		{Name: "vip", When: sla.Condition{Tags: []string{"vip", "gold"}}, Targets: within},
		{Name: "mail", When: sla.Condition{Channel: []ticket.Channel{"mail"}}, Targets: within},
		{Name: "vip and more", When: sla.Condition{Tags: []string{"vip", "silver"}}, Targets: within},
		{Name: "others", Targets: within},
	}
	a := s.MustCompile()
	for want, tk := range map[string]ticket.Ticket{
		"vip":          {Tags: []string{"gold", "silver"}, Channel: "mail"},
		"mail":         {Tags: []string{"silver"}, Channel: "mail"},
		"vip and more": {Tags: []string{"silver"}},
		"others":       {},
	} {
		p, ok := a.Policy(tk)
		require.True(t, ok)
		require.Equal(t, want, p.Name)
	}
}

func TestFieldsOfAConditionAreConverted(t *testing.T) {
	s := contracts()
	at := time.Date(2026, 1, 1, 1, 0, 0, 1999, time.FixedZone("", 3600))
	s.Policies[0].When = sla.Condition{Fields: ticket.Fields{
		"int": 1, "int8": int8(-1), "int16": int16(2), "int32": int32(3), "uint": uint(4), "uint8": uint8(5), "uint16": uint16(6),
		"uint32": uint32(7), "uint64": uint64(8), "float32": float32(0.5), "time": at,
	}}
	p, ok := s.MustCompile().Policy(ticket.Ticket{Fields: ticket.Fields{
		"int": int64(1), "int8": int64(-1), "int16": int64(2), "int32": int64(3), "uint": int64(4), "uint8": int64(5), "uint16": int64(6),
		"uint32": int64(7), "uint64": int64(8), "float32": 0.5, "time": time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC),
	}})
	require.True(t, ok)
	require.Equal(t, "gold", p.Name)
	require.Equal(t, 1, s.Policies[0].When.Fields["int"], "the Spec of the caller stays as it is")
}

func TestErrorsAreTyped(t *testing.T) {
	err := error(&sla.InvalidError{Agreement: strings.Repeat("x", 1000), Place: "policies", Reason: "must not be empty"})
	require.EqualError(t, err, `sla: agreement "`+strings.Repeat("x", 40)+`…": policies: must not be empty`)
	require.ErrorIs(t, err, sla.ErrInvalid)
	require.NoError(t, errors.Unwrap(err))
}
