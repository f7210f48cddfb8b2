package sla_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

// The calendar alone decides these cases.
func TestAClockIsDueWhenItsCalendarSays(t *testing.T) {
	for _, tc := range []struct {
		name     string
		calendar businesshours.Spec
		start    string
		within   time.Duration
		due      string
	}{
		{"within a day", berlin, "01-12T09:00Z", 4 * time.Hour, "01-12T13:00Z"},
		{"over night", berlin, "01-12T15:00Z", 4 * time.Hour, "01-13T11:00Z"},
		{"at closing time", berlin, "01-12T12:00Z", 4 * time.Hour, "01-12T16:00Z"},
		{"over a weekend", berlin, "01-16T15:30Z", time.Hour, "01-19T08:30Z"},
		{"from closing time", berlin, "01-16T16:00Z", time.Hour, "01-19T09:00Z"},
		{"from a Saturday", berlin, "01-17T12:00Z", time.Hour, "01-19T09:00Z"},
		{"over lunch", lunch, "01-13T10:30Z", time.Hour, "01-13T12:30Z"},
		{"from lunch", lunch, "01-13T11:15Z", time.Hour, "01-13T13:00Z"},
		{"three weeks", berlin, "01-12T08:00Z", 120 * time.Hour, "01-30T16:00Z"},
		{"over Easter", holidays, "04-02T14:00Z", 2 * time.Hour, "04-07T08:00Z"},
		{"over Christmas", christmas, "12-23T15:00Z", 8 * time.Hour, "12-28T12:00Z"},
		{"over the turn of the year", holidays, "12-31T15:30Z", time.Hour, "2027-01-04T08:30Z"},
		{"clock forward on a weekend", berlin, "03-27T15:00Z", 2 * time.Hour, "03-30T08:00Z"},
		{"clock back on a weekend", berlin, "10-23T14:00Z", 2 * time.Hour, "10-26T09:00Z"},
		{"New York, clock forward", newYork, "03-06T21:00Z", 2 * time.Hour, "03-09T14:00Z"},
		{"round the clock over a gap", always, "03-28T23:00Z", 24 * time.Hour, "03-29T23:00Z"},
		{"night hours over a gap", dawn, "03-28T23:00Z", 5*time.Hour + 30*time.Minute, "03-29T22:30Z"},
		{"night hours over a repeated hour", dawn, "10-24T22:00Z", 6*time.Hour + 30*time.Minute, "10-25T04:30Z"},
		{"New York, night hours over a gap", dawnNY, "03-08T05:00Z", 3*time.Hour + 30*time.Minute, "03-09T04:30Z"},
		{"opening in a gap", sunday("02:30-06:00"), "03-29T00:00Z", time.Hour, "03-29T02:30Z"},
		{"intervals that overlap after a gap", sunday("00:00-02:30", "03:00-04:00"), "03-28T23:00Z", 3 * time.Hour, "03-29T02:00Z"},
		{"opening in a repeated hour", sunday("02:30-06:00"), "10-25T00:00Z", time.Hour, "10-25T01:30Z"},
		{"New York, customer in Berlin", newYork, "03-16T12:00Z", time.Hour, "03-16T14:00Z"},
		{"over midnight", night, "01-17T20:00Z", 7 * time.Hour, "01-18T04:00Z"},
		{"a week in real hours", always, "03-27T15:00Z", 168 * time.Hour, "04-03T15:00Z"},
		{"two days in open hours", berlin, "01-16T16:30Z", 16 * time.Hour, "01-20T16:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStory(t, promise(tc.calendar, solveIn(tc.within))).open(tc.start)
			due := at(t, tc.due)
			require.Equal(t, "running "+instants(at(t, tc.start), time.Time{}, due, time.Time{})+" "+tc.within.String(), brief(s.one(sla.MetricSolution, tc.start)))

			// It is met at that instant, and missed one microsecond later.
			list, err := s.agreed.Clocks(s.events(), due)
			require.NoError(t, err)
			require.Equal(t, "running "+instants(at(t, tc.start), time.Time{}, due, time.Time{})+" 0s", brief(list[0]))
			list, err = s.agreed.Clocks(s.events(), due.Add(time.Microsecond))
			require.NoError(t, err)
			require.Equal(t, due, list[0].Breached)
			require.Equal(t, sla.ClockRunning, list[0].State)
			s.resolve(tc.due)
			require.Equal(t, "met "+instants(at(t, tc.start), due, due, time.Time{})+" 0s", brief(s.one(sla.MetricSolution, tc.due)))
		})
	}
	s := newStory(t, promise(newYork, solveIn(time.Hour))).open("03-16T12:00Z")
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	require.Equal(t, "15:00", s.one(sla.MetricSolution, "03-16T12:00Z").Due.In(zone).Format("15:04"))
}

// The cases in which the history of a ticket decides. The text is that of brief: state,
// start, stop, due, breach, and the time left.
func TestClocksOfAHistory(t *testing.T) {
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	longer := berlin
	longer.Changes = []businesshours.Change{{
		From:  at(t, "01-12T23:00Z"),
		Hours: businesshours.Hours{Week: businesshours.MondayToFriday("08:00-20:00")},
	}}
	restart := solveIn(hours(8))
	restart.Restart = true
	halved := byPriority(berlin, []sla.Target{solveIn(hours(4), onHold)}, []sla.Target{solveIn(hours(8), onHold)})
	next := sla.Target{Metric: sla.MetricNextAnswer, Within: hours(2)}
	const high = ticket.GradeHigh

	for _, tc := range []struct {
		name   string
		spec   sla.Spec
		metric sla.Metric
		story  func(*story)
		now    string
		want   []string
	}{
		{"a pause over night", promise(berlin, solveIn(hours(8), onHold)), sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").hold("01-12T15:00Z", "vendor").resume("01-13T09:00Z")
		}, "01-13T09:00Z", []string{"running 01-12T08:00Z - 01-13T10:00Z - 1h0m0s"}},
		{"a pause over a weekend", promise(berlin, solveIn(hours(4), onHold)), sla.MetricSolution, func(s *story) {
			s.open("01-16T14:00Z").hold("01-16T15:00Z", "vendor").resume("01-19T10:00Z")
		}, "01-19T10:00Z", []string{"running 01-16T14:00Z - 01-19T13:00Z - 3h0m0s"}},
		{"pauses of seconds", promise(always, solveIn(hours(1), onHold)), sla.MetricSolution, func(s *story) {
			s.open("01-12T09:00Z").hold("01-12T09:10:05Z", "vendor").resume("01-12T09:10:20Z")
			s.hold("01-12T09:10:40Z", "vendor").resume("01-12T09:30Z")
		}, "01-12T09:30Z", []string{"running 01-12T09:00Z - 01-12T10:19:35Z - 49m35s"}},
		{"a pause does not undo a breach", promise(berlin, solveIn(hours(4), onHold)), sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").hold("01-12T13:00Z", "vendor")
		}, "01-12T15:00Z", []string{"paused 01-12T08:00Z - 01-12T12:00Z 01-12T12:00Z -1h0m0s"}},
		{"a target is halved", halved, sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").priority("01-12T10:00Z", high)
		}, "01-12T10:00Z", []string{"running 01-12T08:00Z - 01-12T12:00Z - 2h0m0s"}},
		{"a target is halved too late", halved, sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").priority("01-12T14:00Z", high)
		}, "01-12T14:00Z", []string{"running 01-12T08:00Z - 01-12T12:00Z 01-12T14:00Z -2h0m0s"}},
		{"a target is halved after a pause", halved, sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").hold("01-12T09:00Z", "vendor").resume("01-12T11:00Z").priority("01-12T12:00Z", high)
		}, "01-12T12:00Z", []string{"running 01-12T08:00Z - 01-12T14:00Z - 2h0m0s"}},
		{"a calendar changes", promise(longer, solveIn(hours(4))), sla.MetricSolution, func(s *story) {
			s.open("01-12T15:00Z")
		}, "01-12T15:00Z", []string{"running 01-12T15:00Z - 01-13T10:00Z - 4h0m0s"}},
		{"a reopened ticket has the time that was left", promise(berlin, solveIn(hours(8))), sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T11:00Z").reopen("01-14T09:00Z")
		}, "01-14T09:00Z", []string{"running 01-12T08:00Z - 01-14T14:00Z - 5h0m0s"}},
		{"a reopened ticket starts again", promise(berlin, restart), sla.MetricSolution, func(s *story) {
			s.open("01-12T08:00Z").resolve("01-12T11:00Z").reopen("01-14T09:00Z")
		}, "01-14T09:00Z", []string{"met 01-12T08:00Z 01-12T11:00Z 01-12T16:00Z - 5h0m0s", "running 01-14T09:00Z - 01-15T09:00Z - 8h0m0s"}},
		{"the next answer is due from the oldest words", promise(berlin, next), sla.MetricNextAnswer, func(s *story) {
			s.open("01-12T08:00Z").reply("01-12T09:00Z", agent).reply("01-12T15:30Z", ada).reply("01-13T08:30Z", ada)
		}, "01-13T08:30Z", []string{"running 01-12T15:30Z - 01-13T09:30Z - 1h0m0s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStory(t, tc.spec)
			tc.story(s)
			var got []string
			for _, c := range s.all(tc.metric, tc.now) {
				got = append(got, brief(c))
			}
			require.Equal(t, tc.want, got)
		})
	}

	warn := promise(ten, solveIn(hours(4)))
	warn.Policies[0].Targets[0].Thresholds = []sla.Threshold{{Before: time.Hour, Do: []sla.Reaction{{Tell: "assignee"}}}}
	c := newStory(t, warn).open("01-12T16:00Z").one(sla.MetricSolution, "01-12T16:00Z")
	require.Equal(t, "01-13T10:00Z 01-13T09:00Z", instants(c.Due, c.Thresholds[0].At))
}
